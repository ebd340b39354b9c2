"""The CVAE: loss in closed form, the draw, its gradient, beta, the prior."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE

IMAGES = np.random.default_rng(3).uniform(0, 1, (24, 32, 32, 2)).astype(np.float32)


def small(beta=0.0, **kwargs):
    cvae = CVAE((32, 32, 2), latent_dim=8, **{"seed": 5} | kwargs)
    cvae.compile(keras.optimizers.SGD(1.0))
    cvae.beta.assign(beta)
    return cvae


def closed_form(mean, log_variance):
    """Give the KL divergence from a standard normal (Kingma & Welling, app. B)."""
    mean, log_variance = (np.asarray(v, "float64") for v in (mean, log_variance))
    terms = mean**2 + np.exp(log_variance) - log_variance - 1
    return 0.5 * terms.sum(axis=1)


def test_published_parameter_counts():
    cvae = CVAE()
    trunk = 800 + 25_120 + 100_416
    assert cvae.encoder.count_params() == trunk + 2 * (5184 * 1000 + 1000)
    assert cvae.decoder.output_shape == (None, 150, 150, 1)


def test_loss_by_hand():
    cvae = small(beta=0.3)
    posterior = cvae.posterior(IMAGES)
    image = cvae.decoder(cvae._draw(posterior))
    error = np.mean((IMAGES - np.asarray(image, "float64")) ** 2)
    kl = closed_form(*cvae.encoder(IMAGES)).mean()
    logs = {k: float(v) for k, v in cvae.train_step(tf.constant(IMAGES)).items()}
    assert logs["reconstruction_loss"] == pytest.approx(error, rel=1e-5)
    assert logs["kl"] == pytest.approx(kl, rel=1e-5)
    assert logs["beta"] == pytest.approx(0.3)
    assert logs["loss"] == pytest.approx(error + 0.3 * kl, rel=1e-5)


def test_kl_divergence_of_given_posteriors():
    cvae = small()
    cvae.encoder = lambda images, training: values
    values = [tf.constant([[0.0] * 8, [2.0] + [0.0] * 7])] * 2
    kl = cvae.posterior(None).kl_divergence(cvae.prior).numpy()
    # Mean 2 and log variance 2 in one dimension: (4 + e^2 - 2 - 1) / 2.
    np.testing.assert_allclose(kl, [0.0, 0.5 * (1 + np.e**2)], rtol=1e-6)


def test_draws_have_the_posteriors_moments_and_change_with_the_step():
    cvae = small()
    mean = tf.repeat(tf.constant([[1.0, -2.0, 0.0, 5.0] * 2]), 50_000, 0)
    log_variance = tf.repeat(tf.math.log([[4.0, 1.0, 0.25, 9.0] * 2]), 50_000, 0)
    cvae.encoder = lambda images, training: [mean, log_variance]
    posterior = cvae.posterior(None)
    z = cvae._draw(posterior).numpy()
    np.testing.assert_allclose(z.mean(0), mean[0], atol=0.05)
    np.testing.assert_allclose(z.std(0), [2, 1, 0.5, 3] * 2, rtol=0.02)
    correlation = np.corrcoef(z.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.02
    np.testing.assert_array_equal(z, cvae._draw(posterior))
    cvae.step.assign_add(1)
    assert not np.array_equal(z, cvae._draw(posterior))


@pytest.mark.parametrize("head", ["mean", "log_variance"])
def test_gradient_reaches_both_heads_through_the_draw(head):
    cvae = small(beta=1e-3, weight_decay=0.0)
    bias = cvae.encoder.get_layer(head).bias
    before = bias.numpy().copy()

    def loss_at(values):
        bias.assign(values)
        return float(cvae.compute_losses(IMAGES, training=True)["loss"])

    shift = np.zeros_like(before)
    shift[5] = 3e-2
    slope = (loss_at(before + shift) - loss_at(before - shift)) / 6e-2
    bias.assign(before)
    cvae.train_step(tf.constant(IMAGES))
    taken = before[5] - bias.numpy()[5]
    assert slope != 0
    assert taken == pytest.approx(slope, rel=0.05)


def test_scoring_draws_nothing():
    cvae = small()
    mean, _ = cvae.encoder(IMAGES)
    np.testing.assert_array_equal(cvae.encode(IMAGES), mean)
    np.testing.assert_array_equal(cvae.features(IMAGES), mean)
    first = cvae.reconstruct(IMAGES)
    cvae.step.assign_add(1)
    np.testing.assert_array_equal(cvae.reconstruct(IMAGES), first)
    np.testing.assert_array_equal(first, cvae.decoder(mean))


def test_beta_is_kept_by_saving(tmp_path):
    cvae = small(beta=0.625)
    assert not cvae.beta.trainable
    cvae.save(tmp_path / "cvae.keras")
    assert float(keras.saving.load_model(tmp_path / "cvae.keras").beta) == 0.625
    assert float(CVAE((32, 32, 1), latent_dim=2).beta) == 0


def test_images_come_from_the_prior():
    cvae = small()
    images = cvae.generate(70, seed=3)
    assert images.shape == (70, 32, 32, 2)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, cvae.generate(70, seed=3))
    assert not np.array_equal(images, cvae.generate(70, seed=4))
    drawn = []
    cvae.decoder.predict_on_batch = lambda z: drawn.append(z) or z
    cvae.generate(20_000, seed=1)
    z = np.concatenate(drawn)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(z.std(0), 1, atol=0.03)
    with pytest.raises(ValueError, match="`n` must be at least 1. Received: 0"):
        cvae.generate(0)


def test_training_brings_drawn_images_closer():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-16:16, -16:16]
    width = rng.uniform(3, 6, (64, 1, 1))
    real = np.exp(-(x**2 + y**2) / (2 * width**2))[..., None].astype(np.float32)
    cvae = CVAE((32, 32, 1), latent_dim=4)
    cvae.compile()

    def distance():
        return np.abs(cvae.generate(64).mean(0) - real.mean(0)).mean()

    before = distance()
    history = cvae.fit(
        dataset(real, batch_size=16),
        epochs=30,
        verbose=0,
        callbacks=[KLAnnealing(start=10, ramp=10, beta_max=1e-4)],
    ).history
    assert set(history) == {"loss", "reconstruction_loss", "kl", "beta"}
    assert distance() < 0.3 * before
    error = np.mean((real - np.asarray(cvae.reconstruct(real))) ** 2)
    assert error < 0.3 * np.mean((real - real.mean(0)) ** 2)
