"""The encoder: learns, saves, resumes, and leaves the GAN alone."""

import keras
import numpy as np
import pytest

from astroanomaly.data.batches import dataset
from astroanomaly.latent import Encoder


def fresh(gan, **kwargs):
    encoder = Encoder(gan, seed=3, **kwargs)
    encoder.compile()
    return encoder


def test_training_lowers_the_loss_and_leaves_the_gan_as_it_was(gan, images):
    before = [w.copy() for w in gan.get_weights()]
    history = fresh(gan).fit(dataset(images, batch_size=8), epochs=12, verbose=0)
    losses = history.history["encoder_loss"]
    assert losses[-1] < 0.5 * losses[0]
    for a, b in zip(before, gan.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loss_is_the_weighted_sum(gan, images):
    encoder = fresh(gan, feature_weight=2.0, latent_weight=0.5)
    x = images[:16]
    logs = {k: float(v) for k, v in encoder.train_step(x).items()}
    expected = logs["image_loss"] + 2 * logs["feature_loss"] + 0.5 * logs["latent_loss"]
    assert logs["encoder_loss"] == pytest.approx(expected, rel=1e-5)
    again = fresh(gan)
    drawn = np.asarray(gan.generator(again.network(x)))
    value = float(again.train_step(x)["image_loss"])
    assert value == pytest.approx(np.mean((x - drawn) ** 2), rel=1e-4)


def test_stop_and_resume_equals_never_stopping(gan, images, tmp_path):
    unbroken, first = fresh(gan, latent_weight=0.1), fresh(gan, latent_weight=0.1)
    unbroken.fit(dataset(images, batch_size=16), epochs=4, verbose=0)
    first.fit(dataset(images, batch_size=16), epochs=2, verbose=0)
    first.save(tmp_path / "encoder.keras")
    second = keras.saving.load_model(tmp_path / "encoder.keras").attach(gan)
    data = dataset(images, batch_size=16)
    second.fit(data, initial_epoch=2, epochs=4, verbose=0)
    for a, b in zip(second.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_file_holds_the_encoder_alone(encoder, tmp_path):
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert again.gan is None
    assert again.count_params() == encoder.network.count_params() + 1


def test_z_does_not_depend_on_batch_or_order(encoder, images):
    z, converged = encoder.search(images)
    np.testing.assert_array_equal(encoder.search(images[::-1])[0], z[::-1])
    np.testing.assert_array_equal(encoder.search(images[40:41])[0], z[40:41])
    assert converged.all()
    assert encoder.search(images[:0])[0].shape == (0, 8)


def test_errors_are_named(gan):
    with pytest.raises(ValueError, match="`gan` must be a trained model"):
        Encoder()
    with pytest.raises(ValueError, match="`feature_weight` must be >= 0"):
        Encoder(gan, feature_weight=-1)
