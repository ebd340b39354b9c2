"""The DCAE: sizes, loss and batch normalization by hand, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models.autoencoders.dcae import DCAE

IMAGES = np.random.default_rng(3).uniform(0, 1, (24, 32, 32, 2)).astype(np.float32)


def small():
    dcae = DCAE((32, 32, 2), latent_dim=8, seed=5)
    dcae.compile(keras.optimizers.SGD(0.0))
    return dcae


def test_published_parameter_counts():
    dcae = DCAE()
    trunk = 800 + 25_120 + 100_416
    # Four numbers per latent dimension in the batch normalization.
    assert dcae.encoder.count_params() == trunk + 5184 * 1000 + 1000 + 4 * 1000
    assert dcae.decoder.output_shape == (None, 150, 150, 1)


def test_loss_is_the_mean_squared_error_of_the_normalized_batch():
    dcae = small()
    dense, norm = dcae.encoder.layers[-2:]
    before_norm = keras.Model(dcae.encoder.input, dense.output)
    z = before_norm(IMAGES).numpy().astype("float64")
    mean, variance = z.mean(0), z.var(0)
    normalized = (z - mean) / np.sqrt(variance + 1e-5)
    image = dcae.decoder(normalized.astype("float32"))
    expected = np.mean((IMAGES - np.asarray(image, "float64")) ** 2)
    logs = dcae.train_step(tf.constant(IMAGES))
    assert list(logs) == ["loss"]
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5)


def test_scoring_uses_the_moving_statistics():
    dcae = small()
    for _ in range(200):
        dcae.encode(IMAGES, training=True)
    # The weights stand still, so the moving statistics become those of the batch.
    np.testing.assert_allclose(
        dcae.encode(IMAGES), dcae.encode(IMAGES, training=True), atol=2e-3
    )
    z = np.asarray(dcae.features(IMAGES))
    np.testing.assert_allclose(z.mean(0), 0, atol=2e-3)
    assert np.abs(dcae.features(IMAGES[:1])).max() > 0.1


def test_a_short_training_reconstructs_and_misses_what_it_never_saw():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-16:16, -16:16]
    width = rng.uniform(3, 6, (96, 1, 1))
    images = np.exp(-(x**2 + y**2) / (2 * width**2))[..., None].astype(np.float32)
    dcae = DCAE((32, 32, 1), latent_dim=8)
    dcae.compile()
    dcae.fit(dataset(images[:64], batch_size=16), epochs=20, verbose=0)

    def error(these):
        difference = these - np.asarray(dcae.reconstruct(these))
        return np.mean(difference**2, axis=(1, 2, 3))

    fresh = images[64:]
    odd = fresh + 0.5 * np.exp(-((x - 10) ** 2 + y**2) / 8)[..., None]
    spread = np.mean((fresh - images[:64].mean(0)) ** 2)
    assert error(fresh).mean() < 0.2 * spread
    assert error(odd.astype(np.float32)).min() > error(fresh).max()
