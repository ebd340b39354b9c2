"""The AAE: sizes, the three steps, the losses by hand, the prior, the pull to it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data.batches import dataset
from astroanomaly.models.autoencoders.aae import (
    AAE,
    adversarial_loss,
    build_latent_critic,
    latent_critic_loss,
)

IMAGES = np.random.default_rng(3).uniform(0, 1, (16, 32, 32, 1)).astype(np.float32)
NETWORKS = ("encoder", "decoder", "latent_critic")


def small(**kwargs):
    return AAE((32, 32, 1), **({"latent_dim": 4, "seed": 5} | kwargs))


def still():
    return keras.optimizers.SGD(0.0)


def entropy(logits, label):
    """Compute the binary cross-entropy of logits against one label, in float64."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -np.mean(np.log(p if label else 1 - p))


def test_published_parameter_counts():
    aae = AAE()
    # 49 weights per pair of filters and one bias per filter; 9*9*64 = 5184.
    trunk = (49 * 16 + 16) + (49 * 16 * 32 + 32) + (49 * 32 * 64 + 64)
    assert aae.encoder.count_params() == trunk + 5184 * 1000 + 1000
    mirror = (49 * 64 * 32 + 32) + (49 * 32 * 16 + 16) + (49 * 16 + 1)
    assert aae.decoder.count_params() == 1000 * 5184 + 5184 + mirror
    critic = (1000 * 256 + 256) + (256 * 256 + 256) + (256 + 1)
    assert aae.latent_critic.count_params() == critic
    assert (aae.image_shape, aae.latent_dim) == ((150, 150, 1), 1000)
    aae.compile()
    rates = [
        float(optimizer.learning_rate)
        for optimizer in (
            aae.optimizer,
            aae.critic_optimizer,
            aae.adversarial_optimizer,
        )
    ]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4], rtol=1e-6)


def test_latent_critic_by_hand():
    critic = build_latent_critic(3, seed=1)
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    weights = critic.get_weights()
    x = np.maximum(z @ weights[0] + weights[1], 0)
    x = np.maximum(x @ weights[2] + weights[3], 0)
    np.testing.assert_allclose(critic(z), x @ weights[4] + weights[5], atol=1e-5)


def test_an_undecided_critic_loses_log_2():
    zeros = tf.zeros((7, 1))
    assert float(latent_critic_loss(zeros, zeros)) == pytest.approx(np.log(2))
    assert float(adversarial_loss(zeros)) == pytest.approx(np.log(2))
    aae = small()
    aae.latent_critic.set_weights([0 * w for w in aae.latent_critic.get_weights()])
    aae.compile(still(), still(), still())
    logs = aae.train_step(tf.constant(IMAGES))
    assert float(logs["critic_loss"]) == pytest.approx(np.log(2))
    assert float(logs["adversarial_loss"]) == pytest.approx(np.log(2))


def test_losses_are_binary_cross_entropies():
    rng = np.random.default_rng(1)
    real, fake = rng.normal(0, 3, (2, 9, 1)).astype(np.float32)
    expected = 0.5 * (entropy(real, 1) + entropy(fake, 0))
    assert float(latent_critic_loss(real, fake)) == pytest.approx(expected, rel=1e-6)
    assert float(adversarial_loss(fake)) == pytest.approx(entropy(fake, 1), rel=1e-6)
    # Far out, where a sigmoid in float32 is 0 or 1 and its log is lost.
    assert float(adversarial_loss(tf.constant([[-200.0]]))) == pytest.approx(200)


@pytest.mark.parametrize("graph", [False, True])
def test_one_batch_by_hand(graph):
    """Each step sees the weights that the steps before it left."""
    aae, twin = small(), small()
    rates = (0.5, 0.01, 0.2)
    aae.compile(*[keras.optimizers.SGD(rate) for rate in rates])
    step = tf.function(aae.train_step) if graph else aae.train_step
    logs = {name: float(value) for name, value in step(tf.constant(IMAGES)).items()}

    def descend(loss, weights, rate):
        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.assign_sub(rate * gradient)
        return float(value)

    encoder, decoder, critic = (getattr(twin, name) for name in NETWORKS)
    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    real = twin._draw(16)
    ones, zeros = tf.ones((16, 1)), tf.zeros((16, 1))
    loss = descend(
        lambda: tf.reduce_mean((decoder(encoder(IMAGES)) - IMAGES) ** 2),
        encoder.trainable_variables + decoder.trainable_variables,
        rates[0],
    )
    z = encoder(IMAGES)
    critic_loss = descend(
        lambda: (binary(ones, critic(real)) + binary(zeros, critic(z))) / 2,
        critic.trainable_variables,
        rates[1],
    )
    deceit = descend(
        lambda: binary(ones, critic(encoder(IMAGES))),
        encoder.trainable_variables,
        rates[2],
    )
    assert logs == pytest.approx(
        {"loss": loss, "critic_loss": critic_loss, "adversarial_loss": deceit},
        rel=1e-5,
    )
    for ours, theirs in zip(aae.get_weights(), twin.get_weights(), strict=True):
        if ours.dtype == np.float32:
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("moving", "changed"),
    [
        (0, {"encoder", "decoder"}),
        (1, {"latent_critic"}),
        (2, {"encoder"}),
    ],
    ids=["reconstruction", "critic", "adversarial"],
)
def test_each_step_touches_its_own_weights_alone(moving, changed):
    aae = small()
    optimizers = [still(), still(), still()]
    optimizers[moving] = keras.optimizers.SGD(0.1)
    aae.compile(*optimizers)
    before = {name: getattr(aae, name).get_weights() for name in NETWORKS}
    aae.train_step(tf.constant(IMAGES))
    found = {
        name
        for name in NETWORKS
        for old, new in zip(before[name], getattr(aae, name).get_weights(), strict=True)
        if not np.array_equal(old, new)
    }
    assert found == changed


def test_prior_has_its_mean_and_standard_deviation():
    aae = small(prior_scale=3.0)
    drawn = aae._draw(20_000).numpy()
    # Five standard errors of 80,000 draws.
    assert drawn.mean() == pytest.approx(0, abs=5 * 3 / np.sqrt(80_000))
    assert drawn.std() == pytest.approx(3, rel=5 / np.sqrt(160_000))
    density = float(aae.prior.log_prob(np.zeros(4, np.float32)))
    assert density == pytest.approx(-4 * np.log(3 * np.sqrt(2 * np.pi)), rel=1e-6)


def test_draws_change_with_seed_and_step():
    a, b, c = small(), small(), small(seed=6)
    np.testing.assert_array_equal(a._draw(3), b._draw(3))
    assert not np.array_equal(a._draw(3), c._draw(3))
    b.step.assign(1)
    assert not np.array_equal(a._draw(3), b._draw(3))


def test_generate_decodes_draws_from_the_prior():
    aae = small()
    drawn = aae.generate(70, seed=2)
    assert drawn.shape == (70, 32, 32, 1)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn[:64], aae.generate(64, seed=2))
    assert not np.array_equal(drawn, aae.generate(70, seed=3))
    key = np.random.SeedSequence(2).generate_state(2).view(np.int32)
    z = aae.prior.sample(70, seed=key)
    np.testing.assert_allclose(drawn, aae.decode(z), atol=1e-5)
    with pytest.raises(ValueError, match="`n` must be at least 1. Received: 0"):
        aae.generate(0)


def test_training_moves_the_latent_moments_to_the_prior():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-16:16, -16:16]
    place, width = rng.normal(0, 4, (2, 64, 1, 1)), rng.uniform(10, 80, (64, 1, 1))
    blob = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / width)
    images = (blob + rng.normal(0, 0.05, blob.shape))[..., None].astype(np.float32)
    aae = small(latent_dim=2, prior_scale=2.0)
    # A critic that is quick and an encoder that follows it: few steps must do.
    aae.compile(
        keras.optimizers.Adam(1e-3),
        keras.optimizers.Adam(1e-2, beta_1=0.5),
        keras.optimizers.Adam(3e-4, beta_1=0.5),
    )

    def size():
        return np.sqrt(np.mean(np.square(aae.encode(images))))

    assert size() < 0.1
    losses = aae.fit(dataset(images, batch_size=32), epochs=30, verbose=0).history
    # The prior's root mean square is 2.
    assert 1 < size() < 3.5
    assert np.abs(np.mean(aae.encode(images), axis=0)).max() < 1.6
    assert losses["loss"][-1] < 0.7 * losses["loss"][0]


def test_evaluation_sees_the_losses_of_a_still_batch():
    aae = small()
    aae.compile(still(), still(), still())
    data = dataset(IMAGES, batch_size=16)
    found = aae.evaluate(data, verbose=0, return_dict=True)
    trained = aae.fit(data, epochs=1, verbose=0).history
    for name in ("loss", "critic_loss", "adversarial_loss"):
        assert found[name] == pytest.approx(trained[name][0], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"latent_dim": 0}, "`latent_dim` must be an integer >= 1. Received: 0"),
        ({"prior_scale": 0}, "`prior_scale` must be finite and > 0. Received: 0"),
        ({"prior_scale": np.inf}, "`prior_scale` must be finite and > 0"),
        ({"image_shape": (64, 32, 1)}, "square image of 32 to 256 pixels"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        AAE(**arguments)
