"""The encoder that is trained afterwards, on a GAN that stands still."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from astropy.nddata import block_reduce

from astroanomaly.data.batches import dataset
from astroanomaly.models import ProgressiveGAN
from astroanomaly.models.progressive.encoder_after import EncoderAfter

IMAGES = np.random.default_rng(4).uniform(0, 1, (8, 32, 32, 1)).astype(np.float32)
LEVEL_2 = 100  # 16 pixels, half faded in.


def small(seen=LEVEL_2, seed=5, **kwargs):
    sizes = {"latent_dim": 6, "n_clusters": 3, "fmap_base": 32, "fmap_max": 4}
    sizes |= {"fade_images": 40, "stable_images": 20}
    gan = ProgressiveGAN((32, 32, 1), **sizes, seed=seed, **kwargs)
    gan.compile()
    gan.seen.assign(seen)
    return gan


def same(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def mean(images, factor):
    return block_reduce(images, (1, factor, factor, 1), np.mean)


def larger(images, factor):
    return np.kron(images, np.ones((1, factor, factor, 1))).astype(np.float32)


@pytest.mark.parametrize("latent", ["gaussian", "cluster"])
def test_loss_by_hand_and_the_encoder_alone_trains(latent):
    gan, at = small(latent=latent), {"level": 2, "fade": 0.5}
    training = EncoderAfter(gan)
    training.compile(keras.optimizers.Adam(1e-3))
    shrunk = 0.5 * mean(IMAGES, 2) + 0.5 * larger(mean(IMAGES, 4), 2)
    z = training.encoder(shrunk, **at)
    if latent == "cluster":
        z = tf.concat([z[:, :3], tf.nn.softmax(z[:, 3:])], axis=1)
    drawn = larger(gan.generator_ema(z, **at), 2)
    before, mine = gan.get_weights(), training.encoder.get_weights()
    logs = training.train_step(tf.constant(IMAGES))
    expected = np.mean(np.abs(IMAGES - drawn))
    assert float(logs["encoder_loss"]) == pytest.approx(expected, rel=1e-5)
    assert same(gan.get_weights(), before)
    assert not same(training.encoder.get_weights(), mine)
    assert len(training.trainable_variables) == len(mine)


def test_the_fresh_encoder_is_another_one_fixed_by_the_seed():
    first = [EncoderAfter(small(seed=seed)).encoder.get_weights() for seed in (5, 5, 6)]
    assert same(first[0], first[1])
    assert not same(first[0], first[2])
    assert not same(first[0], small().encoder.get_weights())


def test_fit_encoder_changes_the_encoder_alone_and_lowers_its_loss():
    found, images = [], small(seen=1000).generate(8, seed=3)
    for noise in (0.0, 1.0):
        gan = small(seen=1000)
        # What the encoder was before has no part in it.
        for weight in gan.encoder.weights:
            weight.assign_add(noise * tf.ones_like(weight))
        networks = (gan.generator, gan.critic, gan.generator_ema)
        before = [network.get_weights() for network in networks]
        optimizer = keras.optimizers.Adam(1e-2)
        data = dataset(images, batch_size=8, seed=1)
        history = gan.fit_encoder(data, epochs=12, optimizer=optimizer, verbose=0)
        for network, weights in zip(networks, before, strict=True):
            assert same(network.get_weights(), weights)
        assert (int(gan.step), int(gan.seen)) == (0, 1000)
        found.append((gan, history.history["encoder_loss"]))
    (gan, losses), (other, _) = found
    assert same(gan.encoder.get_weights(), other.encoder.get_weights())
    assert losses[-1] < 0.95 * losses[0]
    # The encoder that has learned is the one in the model.
    left = np.mean(np.abs(images - gan.reconstruct(images)))
    assert left == pytest.approx(losses[-1], rel=0.02)


def test_nan_stops_it_and_leaves_the_model_as_it_was():
    gan, bad = small(seen=0), IMAGES.copy()
    bad[3, 0, 0, 0] = np.nan
    before = gan.get_weights()
    sentence = "stopped at epoch 1, batch 1: encoder_loss is not a finite number"
    with pytest.raises(FloatingPointError, match=sentence):
        gan.fit_encoder(dataset(bad, batch_size=8), epochs=2, verbose=0)
    assert same(gan.get_weights(), before)
