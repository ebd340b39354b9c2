"""The Wasserstein losses and the drift term against hand computations."""

import numpy as np
import pytest
from keras import ops

from astroanomaly.models.common import losses


def test_wasserstein_and_generator_loss_by_hand():
    real, fake = ops.array([[3.0], [5.0]]), ops.array([[1.0], [2.0]])
    assert float(losses.wasserstein_distance(real, fake)) == pytest.approx(2.5)
    assert float(losses.generator_loss(fake)) == pytest.approx(-1.5)


def test_penalty_takes_one_norm_per_image():
    gradients = np.zeros((2, 2, 2, 1), np.float32)
    gradients[0, 0, 0, 0], gradients[0, 1, 1, 0] = 3.0, 4.0
    # Norms 5 and 0: ((5 - 1)^2 + (0 - 1)^2) / 2.
    assert float(losses.gradient_penalty(gradients)) == pytest.approx(8.5, rel=1e-5)


def test_interpolation_mixes_each_image_by_its_own_number():
    real, fake = np.ones((2, 2, 2, 1), "f"), np.zeros((2, 2, 2, 1), "f")
    alpha = np.array([0.25, 1.0], "f").reshape(2, 1, 1, 1)
    mixed = np.asarray(losses.interpolate(real, fake, alpha))
    assert mixed[:, 0, 0, 0].tolist() == [0.25, 1.0]


def test_drift_is_the_mean_square_of_the_critic_on_real_images():
    assert float(losses.drift(ops.array([[1.0], [-2.0]]))) == pytest.approx(2.5)
