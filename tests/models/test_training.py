"""Stateless random numbers."""

import numpy as np
import tensorflow as tf

from astroanomaly.models.common.training import stateless_seed


def draw(seed, step, stream):
    step = tf.constant(step, tf.int64)
    return tf.random.stateless_normal((4,), stateless_seed(seed, step, stream)).numpy()


def test_draws_depend_on_seed_step_and_stream_alone():
    base = draw(1, 7, 0)
    np.testing.assert_array_equal(base, draw(1, 7, 0))
    for other in (draw(2, 7, 0), draw(1, 8, 0), draw(1, 7, 1)):
        assert not np.array_equal(base, other)
