"""The search's loss by hand, and the chunks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.latent.objective import (
    check_weight,
    draw,
    image_losses,
)
from astroanomaly.models import WGANGP
from astroanomaly.utils.chunks import in_chunks, padded_chunks

ROOT = Path(__file__).resolve().parents[2]


def test_losses_are_the_two_sums(gan, images):
    z = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    features = gan.features(images[:3])
    residual, feature = image_losses(gan, images[:3], features, z)
    drawn = np.asarray(gan.generator(z))
    expected = np.abs(images[:3] - drawn).reshape(3, -1).sum(1)
    np.testing.assert_allclose(residual, expected, rtol=1e-5)
    difference = np.asarray(features) - np.asarray(gan.critic(drawn)[1])
    np.testing.assert_allclose(feature, np.abs(difference).sum(1), rtol=1e-5)


def test_chunks_have_one_size_and_count_what_is_real():
    parts = list(padded_chunks(np.arange(5.0)[:, None], size=4))
    assert [n for _, n in parts] == [4, 1]
    assert parts[1][0][:, 0].tolist() == [4, 4, 4, 4]


def test_weight_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match=r"`w` must be within \[0, 1\]. Received: 2"):
        check_weight(2)


def test_chunks_are_joined_in_order_and_padding_is_dropped():
    sizes = []

    def double(chunk):
        sizes.append(len(chunk))
        return chunk * 2

    values = np.arange(70, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(in_chunks(double, values), values * 2)
    assert sizes == [32, 32, 32]
    assert in_chunks(double, values[:0]).shape == (0, 1)


THREADS = """
import sys
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
from astroanomaly.latent.objective import image_losses
from astroanomaly.models import WGANGP
# 8192 rows in the dense layer, as at 64 x 64 pixels: enough to be divided.
gan = WGANGP((32, 32, 1), latent_dim=128, width=128, kernel_size=3)
rng = np.random.default_rng(0)
images = tf.constant(rng.random((32, 32, 32, 1)), tf.float32)
z = tf.constant(rng.normal(size=(32, 128)), tf.float32)
with tf.GradientTape() as tape:
    tape.watch(z)
    loss = sum(image_losses(gan, images, gan.features(images), z))
np.save(sys.argv[2], tape.gradient(loss, z).numpy())
"""


def test_the_gradient_has_the_same_bits_with_any_number_of_threads(tmp_path):
    found = []
    for threads in (1, 2):
        out = tmp_path / f"{threads}.npy"
        command = [sys.executable, "-c", THREADS, str(threads), str(out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, env=environment, check=True)
        found.append(np.load(out))
    np.testing.assert_array_equal(*found)


def test_draw_is_the_generator_and_so_is_its_gradient():
    gan = WGANGP((32, 32, 1), latent_dim=8, width=16, kernel_size=3)
    z = tf.random.stateless_normal((5, 8), (1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        ours, plain = draw(gan.generator, z), gan.generator(z)
    np.testing.assert_allclose(ours, plain, atol=1e-6)
    gradients = (tape.gradient(drawn, z).numpy() for drawn in (ours, plain))
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)
