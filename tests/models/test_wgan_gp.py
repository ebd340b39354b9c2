"""The WGAN-GP: sizes, one step by hand, resume to the bit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models import WGANGP
from astroanomaly.models.common import losses
from astroanomaly.models.common.training import stateless_seed

IMAGES = np.random.default_rng(3).uniform(0, 1, (24, 32, 32, 2)).astype(np.float32)


def small(**kwargs):
    kwargs = {"n_critic": 2, "seed": 5} | kwargs
    gan = WGANGP((32, 32, 2), latent_dim=6, width=2, kernel_size=3, **kwargs)
    gan.compile()
    return gan


def batches(seed=0):
    return dataset(IMAGES, batch_size=8, seed=seed, augment=True)


def same_weights(a, b):
    return all(
        np.array_equal(x, y)
        for x, y in zip(a.get_weights(), b.get_weights(), strict=True)
    )


def test_hsc_preset_has_the_published_parameter_counts():
    gan = WGANGP.hsc()
    assert gan.generator.count_params() == 6_683_779
    assert gan.critic.count_params() == 4_324_993
    assert gan.image_shape == (96, 96, 3)


def test_critic_loss_by_hand():
    gan = small(gradient_penalty_weight=7.0)
    images = tf.constant(IMAGES[:8])
    step = tf.constant(0, tf.int64)
    z = tf.random.stateless_normal((8, 6), stateless_seed(5, step, 0))
    alpha = tf.random.stateless_uniform((8, 1, 1, 1), stateless_seed(5, step, 1))
    fake = gan.generator(z)
    mixed = alpha * images + (1 - alpha) * fake
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        output = gan.critic(mixed)[0]
    norm = np.linalg.norm(tape.gradient(output, mixed).numpy().reshape(8, -1), axis=1)
    distance = np.mean(gan.critic(images)[0]) - np.mean(gan.critic(fake)[0])
    expected = 7.0 * np.mean((norm - 1) ** 2) - distance
    logs = gan.train_step(images)
    assert float(logs["critic_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(logs["wasserstein"]) == pytest.approx(distance, abs=1e-6)


def test_critic_gradient_reaches_through_the_penalty():
    gan = small(n_critic=100)
    images = tf.constant(IMAGES[:8])
    # The last kernel: activations do not depend on it, so the loss is smooth in it.
    weight = gan.critic.trainable_variables[-2]
    before = weight.numpy().copy()

    def loss_at(values):
        weight.assign(values)
        step = tf.constant(0, tf.int64)
        z = tf.random.stateless_normal((8, 6), stateless_seed(5, step, 0))
        alpha = tf.random.stateless_uniform((8, 1, 1, 1), stateless_seed(5, step, 1))
        fake = gan.generator(z)
        mixed = losses.interpolate(images, fake, alpha)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            output = gan.critic(mixed)[0]
        penalty = losses.gradient_penalty(tape.gradient(output, mixed))
        distance = losses.wasserstein_distance(
            gan.critic(images)[0], gan.critic(fake)[0]
        )
        return float(10 * penalty - distance)

    shift = np.zeros_like(before)
    shift[5, 0] = 1e-2
    slope = (loss_at(before + shift) - loss_at(before - shift)) / 2e-2
    weight.assign(before)
    gan.critic_optimizer = keras.optimizers.SGD(1.0)
    gan.critic_optimizer.build(gan.critic.trainable_variables)
    gan.train_step(images)
    taken = before[5, 0] - weight.numpy()[5, 0]
    assert taken == pytest.approx(slope, rel=0.05)


def test_generator_trains_every_n_critic_th_batch():
    gan = small(n_critic=3)
    changed = []
    for _ in range(6):
        before = gan.generator.get_weights()[0]
        gan.train_step(tf.constant(IMAGES[:8]))
        changed.append(not np.array_equal(before, gan.generator.get_weights()[0]))
    assert changed == [False, False, True, False, False, True]
    assert int(gan.critic_optimizer.iterations) == 6
    assert int(gan.optimizer.iterations) == 2


def test_average_follows_its_formula_and_draws():
    gan = small(n_critic=1, ema=0.75)
    first = gan.generator.get_weights()[0]
    gan.train_step(tf.constant(IMAGES[:8]))
    expected = 0.75 * first + 0.25 * gan.generator.get_weights()[0]
    np.testing.assert_allclose(
        gan.generator_ema.get_weights()[0], expected, rtol=1e-6, atol=1e-8
    )
    z = np.random.default_rng(2).standard_normal((3, 6)).astype(np.float32)
    np.testing.assert_allclose(gan.generate(3, seed=2), gan.generator_ema(z), atol=1e-6)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_stop_and_resume_equals_never_stopping(tmp_path, ema):
    unbroken = small(ema=ema)
    unbroken.fit(batches(), epochs=4, verbose=0)
    first = small(ema=ema)
    first.fit(batches(), epochs=2, verbose=0)
    first.save(tmp_path / "gan.keras")
    second = keras.saving.load_model(tmp_path / "gan.keras")
    assert int(second.step) == 6
    second.fit(batches(), initial_epoch=2, epochs=4, verbose=0)
    assert same_weights(second, unbroken)
    for ours, theirs in (
        (second.optimizer, unbroken.optimizer),
        (second.critic_optimizer, unbroken.critic_optimizer),
    ):
        for a, b in zip(ours.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_backup_and_restore_resumes_to_the_bit(tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    unbroken = small()
    unbroken.fit(batches(), epochs=4, verbose=0)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        small().fit(batches(), epochs=4, verbose=0, callbacks=[backup, Kill()])
    resumed = small()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    resumed.fit(batches(), epochs=4, verbose=0, callbacks=[backup])
    assert same_weights(resumed, unbroken)


def test_same_seed_same_bits_other_seed_other_bits():
    a, b, c = small(), small(), small(seed=6)
    for gan in (a, b, c):
        gan.fit(batches(), epochs=1, verbose=0)
    assert same_weights(a, b)
    assert not same_weights(a, c)


def test_nan_stops_training_and_says_so():
    gan = small()
    bad = IMAGES.copy()
    bad[3, 0, 0, 0] = np.nan
    sentence = "stopped at epoch 1, batch .*critic_loss.*not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        gan.fit(dataset(bad, batch_size=8), epochs=3, verbose=0)


def test_training_brings_drawn_images_closer():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-16:16, -16:16]
    blob = np.exp(-(x**2 + y**2) / 40.0)
    real = (blob * rng.uniform(0.5, 1, (64, 1, 1)))[..., None].astype(np.float32)
    gan = WGANGP((32, 32, 1), latent_dim=4, width=8, kernel_size=3, n_critic=2)
    adam = [keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.9) for _ in range(2)]
    gan.compile(*adam)

    def distance():
        return np.abs(gan.generate(64).mean(0) - real.mean(0)).mean()

    before = distance()
    gan.fit(dataset(real, batch_size=16), epochs=30, verbose=0)
    assert distance() < 0.3 * before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"latent_dim": 0}, "`latent_dim` must be an integer >= 1. Received: 0"),
        ({"width": 2.5}, "`width` must be an integer >= 1. Received: 2.5"),
        ({"n_critic": -1}, "`n_critic` must be an integer >= 1. Received: -1"),
        ({"gradient_penalty_weight": -1}, "`gradient_penalty_weight` must be >= 0"),
        ({"ema": 1.0}, r"`ema` must be None or within \(0, 1\). Received: 1.0"),
        ({"image_shape": (64, 32, 1)}, "square image of 32 to 256 pixels"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        WGANGP(**arguments)
