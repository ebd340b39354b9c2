"""Refinement: lowers the loss, independent of the batch, Adam as Keras has it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.latent import Refine
from astroanomaly.latent.objective import image_losses
from astroanomaly.latent.refine import adam_step


def total(gan, images, z, w=0.1):
    residual, feature = image_losses(gan, images, gan.features(images), z)
    return np.asarray((1 - w) * residual + w * feature)


def test_refining_lowers_the_loss(gan, encoder, images):
    z, converged = Refine(encoder, n_steps=30).search(images)
    before = total(gan, images, encoder.search(images)[0])
    assert total(gan, images, z).mean() < 0.95 * before.mean()
    assert converged.all()


def test_a_strong_prior_holds_z_near_the_origin(encoder, images):
    free = np.linalg.norm(Refine(encoder).search(images)[0], axis=1)
    bound = np.linalg.norm(Refine(encoder, prior_weight=1e3).search(images)[0], axis=1)
    assert bound.mean() < 0.8 * free.mean()


def test_z_does_not_depend_on_batch_or_order(encoder, images):
    refine = Refine(encoder, n_steps=10)
    z, _ = refine.search(images)
    np.testing.assert_array_equal(refine.search(images[::-1])[0], z[::-1])
    np.testing.assert_array_equal(refine.search(images[40:41])[0], z[40:41])


def test_adam_is_that_of_keras():
    start = np.array([1.0, -2.0, 0.5], np.float32)
    variable = keras.Variable(start)
    optimizer = keras.optimizers.Adam(0.05, epsilon=1e-8)
    x, mean, square = tf.constant(start), tf.zeros(3), tf.zeros(3)
    for step in range(1, 6):
        gradient = np.array([0.3, -1.0, 2.0], np.float32) * step
        optimizer.apply([tf.constant(gradient)], [variable])
        x, mean, square = adam_step(x, gradient, mean, square, step, 0.05)
    np.testing.assert_allclose(x, variable.numpy(), rtol=1e-5)


def test_errors_are_named(encoder):
    with pytest.raises(ValueError, match="`n_steps` must be at least 1. Received: 0"):
        Refine(encoder, n_steps=0)
    with pytest.raises(ValueError, match="`prior_weight` must be >= 0"):
        Refine(encoder, prior_weight=-1)
