"""The paper's mapping: equal to a network trained alone, and independent of others."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.latent import Mapping
from astroanomaly.latent.objective import image_losses
from astroanomaly.models import WGANGP


def alone(gan, image, mapping, iterations):
    """Train one ordinary Keras network for one image, as the paper does."""
    noise, weights = mapping.first_weights()
    d = gan.latent_dim
    dense = functools.partial(keras.layers.Dense, d, dtype=mapping.dtype)
    parts = [dense(activation="relu"), dense(activation="relu"), dense()]
    network = keras.Sequential([keras.Input((d,), dtype=mapping.dtype), *parts])
    network.set_weights(weights)
    mean = [np.zeros_like(w) for w in weights]
    square = [np.zeros_like(w) for w in weights]
    x = tf.constant(image[None])
    features = gan.features(x)
    best = np.inf
    for t in range(1, iterations + 1):
        with tf.GradientTape() as tape:
            z = network(noise[None])
            residual, feature = image_losses(gan, x, features, z)
            loss = tf.reduce_sum((1 - mapping.w) * residual + mapping.w * feature)
        best = min(best, float(loss))
        variables = network.trainable_variables
        # Adam by hand: Keras rounds the betas to float32 even in float64.
        first, second = mapping.betas
        rate = mapping.learning_rate * np.sqrt(1 - second**t) / (1 - first**t)
        if mapping.decay:
            rate *= min(t / 5, 1) * (1 + np.cos(np.pi * (t - 1) / iterations)) / 2
        for i, gradient in enumerate(tape.gradient(loss, variables)):
            mean[i] = first * mean[i] + (1 - first) * gradient.numpy()
            square[i] = second * square[i] + (1 - second) * gradient.numpy() ** 2
            variables[i].assign_sub(rate * mean[i] / (np.sqrt(square[i]) + 1e-8))
    return best


def loss_of(gan, images, z, w):
    residual, feature = image_losses(gan, images, gan.features(images), z)
    return np.asarray((1 - w) * residual + w * feature)


@pytest.fixture
def double_gan(gan):
    keras.config.set_dtype_policy("float64")
    try:
        double = WGANGP((32, 32, 1), latent_dim=8, width=8, kernel_size=3)
    finally:
        keras.config.set_dtype_policy("float32")
    double.set_weights([w.astype(np.float64) for w in gan.get_weights()])
    return double


@pytest.mark.parametrize("make", [Mapping, Mapping.plain])
def test_equals_a_network_trained_alone_in_float64(double_gan, images, make):
    some = images[:3].astype(np.float64)
    mapping = make(double_gan, max_iterations=60, patience=20, tolerance=0, chunk=4)
    z, converged = mapping.search(some)
    assert z.dtype == np.float64
    ours = loss_of(double_gan, some, z, mapping.w)
    expected = [alone(double_gan, image, mapping, 60) for image in some]
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert converged.all()


def test_equals_a_network_trained_alone_in_float32(gan, images):
    mapping = Mapping.plain(gan, max_iterations=100, tolerance=0, chunk=4)
    z, _ = mapping.search(images[:2])
    ours = loss_of(gan, images[:2], z, mapping.w)
    expected = [alone(gan, image, mapping, 100) for image in images[:2]]
    np.testing.assert_allclose(ours, expected, rtol=0.005)


@pytest.mark.parametrize("make", [Mapping, Mapping.plain])
def test_z_does_not_depend_on_neighbours_or_order(gan, images, make):
    mapping = make(gan, max_iterations=100, learning_rate=5e-3, chunk=8)
    z, converged = mapping.search(images)
    backward, _ = mapping.search(images[::-1])
    np.testing.assert_array_equal(backward[::-1], z)
    np.testing.assert_array_equal(mapping.search(images[20:21])[0], z[20:21])
    assert converged.any()


def test_an_image_that_does_not_settle_is_told(gan, images):
    mapping = Mapping.plain(gan, max_iterations=50, learning_rate=1e-4, tolerance=1e-4)
    assert not mapping.search(images[:2])[1].any()


def test_the_search_improves_on_a_random_z(gan, images):
    mapping = Mapping(gan, max_iterations=150)
    z, _ = mapping.search(images[:8])
    random = np.random.default_rng(0).standard_normal(z.shape).astype(np.float32)
    found = loss_of(gan, images[:8], z, 0.1).mean()
    assert found < 0.6 * loss_of(gan, images[:8], random, 0.1).mean()
    assert mapping.search(images[:0])[0].shape == (0, 8)


def test_the_decaying_rate_and_the_encoder_save_iterations(gan, encoder, images):
    def mean_loss(mapping):
        return loss_of(gan, images, mapping.search(images)[0], 0.1).mean()

    plain = mean_loss(Mapping.plain(gan, tolerance=0))
    assert mean_loss(Mapping(gan)) < 1.01 * plain
    assert mean_loss(Mapping(gan, encoder=encoder)) < 1.01 * plain


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"betas": (0.9, 1.0)}, r"`betas` must be two numbers in \[0, 1\)"),
        ({"w": 1.5}, r"`w` must be within \[0, 1\]. Received: 1.5"),
        ({"n_layers": 0}, "`n_layers` must be an integer >= 1. Received: 0"),
        ({"chunk": 0}, "`chunk` must be an integer >= 1. Received: 0"),
        ({"learning_rate": 0}, "`learning_rate` must be above 0"),
        ({"tolerance": 1}, r"`tolerance` within \[0, 1\)"),
    ],
)
def test_errors_are_named(gan, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Mapping(gan, **arguments)
