"""The RBM: one step by hand, the first bias, learning, sampling."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models.common.training import stateless_seed
from astroanomaly.models.rbm import layers
from astroanomaly.models.rbm.model import RBM

IMAGES = np.random.default_rng(3).uniform(0, 1, (16, 32, 32, 1)).astype(np.float32)


def small(**kwargs):
    return RBM((32, 32, 1), **({"n_hidden": 6, "seed": 5} | kwargs))


def two_patterns(n=64):
    """Give images of a left bar or a top bar, gray, with noise."""
    images = np.full((2, 32, 32), 0.1)
    images[0, :, 4:12] = images[1, 4:12] = 0.9
    noise = np.random.default_rng(0).normal(0, 0.02, (n, 32, 32, 1))
    return (images[np.arange(n) % 2][..., None] + noise).astype(np.float32)


def test_published_shape():
    rbm = RBM()
    assert rbm.n_visible == 22_500
    assert rbm.kernel.shape == (22_500, 1000)
    trained = 22_500 * 1000 + 22_500 + 1000
    assert rbm.count_params() == trained + 1  # the step
    assert np.std(rbm.kernel.numpy()[:100]) == pytest.approx(0.01, rel=0.02)


def test_a_step_applies_contrastive_divergence():
    rbm = small()
    rbm.compile(keras.optimizers.SGD(0.5))
    rbm.step.assign(7)  # the first bias is another test's
    before = [w.numpy() for w in rbm.trainable_variables]
    visible = IMAGES.reshape(16, -1)
    seed = stateless_seed(5, tf.constant(7, tf.int64), 0)
    uniform = tf.random.stateless_uniform((16, 6), seed)
    gradients, drawn = layers.contrastive_divergence(visible, uniform, *before)
    logs = rbm.train_step(tf.constant(IMAGES))
    for weight, old, gradient in zip(
        rbm.trainable_variables, before, gradients, strict=True
    ):
        np.testing.assert_allclose(weight, old - 0.5 * np.asarray(gradient), atol=1e-6)
    assert int(rbm.step) == 8
    assert float(logs["loss"]) == pytest.approx(
        np.mean((visible - np.asarray(drawn)) ** 2), rel=1e-5
    )
    gap = np.mean(
        layers.free_energy(visible, *before) - layers.free_energy(drawn, *before)
    )
    assert float(logs["free_energy_gap"]) == pytest.approx(gap, rel=1e-3)


def test_the_first_batch_sets_the_visible_bias_and_no_other_does():
    rbm = small()
    rbm.compile(keras.optimizers.SGD(0.0))
    images = IMAGES.copy()
    images[:, 0, 0], images[:, 0, 1] = 0.0, 1.0
    rbm.train_step(tf.constant(images))
    mean = np.clip(images.mean(axis=0).ravel(), 0.01, 0.99)
    expected = np.log(mean / (1 - mean))
    np.testing.assert_allclose(rbm.visible_bias, expected, atol=1e-5)
    rbm.train_step(tf.constant(1 - images))
    np.testing.assert_allclose(rbm.visible_bias, expected, atol=1e-5)


def test_reconstruction_is_a_mean_field_pass():
    rbm = small(weight_scale=0.3)
    kernel = rbm.kernel.numpy()
    hidden = 1 / (1 + np.exp(-IMAGES.reshape(16, -1) @ kernel))
    visible = 1 / (1 + np.exp(-hidden @ kernel.T))
    np.testing.assert_allclose(rbm.features(IMAGES), hidden, atol=1e-5)
    np.testing.assert_allclose(
        rbm.reconstruct(IMAGES), visible.reshape(IMAGES.shape), atol=1e-5
    )
    assert rbm.free_energy(IMAGES).shape == (16,)


def test_two_patterns_are_learned_and_a_third_is_improbable():
    images = two_patterns()
    rbm = small()
    rbm.compile()
    history = rbm.fit(dataset(images, batch_size=16), epochs=30, verbose=0).history
    # A model that held only the mean image would keep half the patterns' contrast.
    mean_error = np.mean((images - images.mean(axis=0)) ** 2)
    assert history["loss"][0] > 0.5 * mean_error
    assert history["loss"][-1] < 0.05 * mean_error
    error = np.mean((images - rbm.reconstruct(images)) ** 2)
    assert error < 0.05 * mean_error
    assert rbm.evaluate(dataset(images, batch_size=64), verbose=0, return_dict=True)[
        "loss"
    ] == pytest.approx(error, rel=1e-4)
    other = np.swapaxes(images[:2], 1, 2)[:, ::-1, ::-1]
    energy = np.asarray(rbm.free_energy(images))
    assert np.asarray(rbm.free_energy(other)).min() > energy.max()


def test_drawn_images_are_the_patterns():
    images = two_patterns()
    rbm = small()
    rbm.compile()
    rbm.fit(dataset(images, batch_size=16), epochs=30, verbose=0)
    drawn = rbm.generate(6, seed=1, n_gibbs=30)
    assert drawn.shape == (6, 32, 32, 1)
    assert drawn.dtype == np.float32
    distance = np.mean((drawn[:, None] - images[None, :2]) ** 2, axis=(2, 3, 4))
    assert distance.min(axis=1).max() < 0.02
    np.testing.assert_array_equal(drawn, rbm.generate(6, seed=1, n_gibbs=30))
    np.testing.assert_allclose(
        drawn[:2], rbm.generate(2, seed=1, n_gibbs=30), atol=1e-5
    )
    assert not np.array_equal(drawn, rbm.generate(6, seed=2, n_gibbs=30))


def test_gibbs_sampling_visits_states_as_often_as_they_are_probable():
    # All weights but those of two pixels are zero, so that the pixels' joint
    # distribution is that of a machine of 2 + 1 units, summed by hand.
    rbm = small(n_hidden=1)
    kernel = np.zeros((1024, 1), np.float32)
    kernel[0], kernel[1] = 3.0, -2.0
    rbm.kernel.assign(kernel)
    rbm.hidden_bias.assign([-0.5])
    rbm.visible_bias.assign(np.r_[-1.0, 0.5, np.zeros(1022)].astype(np.float32))
    weight = {
        h: np.exp(-0.5 * h) * (1 + np.exp(-1 + 3 * h)) * (1 + np.exp(0.5 - 2 * h))
        for h in (0, 1)
    }
    on = weight[1] / (weight[0] + weight[1])
    expected = [
        on / (1 + np.exp(1 - 3)) + (1 - on) / (1 + np.exp(1)),
        on / (1 + np.exp(-0.5 + 2)) + (1 - on) / (1 + np.exp(-0.5)),
    ]
    drawn = rbm.generate(4000, seed=3, n_gibbs=20).reshape(4000, -1)
    np.testing.assert_allclose(drawn[:, :2].mean(axis=0), expected, atol=0.02)
    np.testing.assert_allclose(drawn[:, 2:], 0.5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_hidden": 0}, "`n_hidden` must be an integer >= 1. Received: 0"),
        ({"n_hidden": 1.5}, "`n_hidden` must be an integer >= 1. Received: 1.5"),
        ({"weight_scale": 0}, "`weight_scale` must be finite and > 0. Received: 0"),
        ({"weight_scale": np.nan}, "`weight_scale` must be finite and > 0"),
        ({"image_shape": (16, 16, 1)}, "square image of 32 to 256 pixels"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        RBM(**arguments)


def test_bad_draws_are_named():
    for name in ("n", "n_gibbs"):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
            small().generate(**({"n": 2, "n_gibbs": 1} | {name: 0}))
