"""The grown networks: sizes, published parameter counts, and levels that fade in."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from astropy.nddata import block_reduce

from astroanomaly.models import ProgressiveGAN
from astroanomaly.models.progressive.networks import (
    Critic,
    Encoder,
    Generator,
    level_filters,
    n_levels,
)

RNG = np.random.default_rng(1)
SMALL = (16, 1, 16, 4)  # Size, bands, fmap_base, fmap_max: levels of 4, 4, 2 maps.
MAKERS = {
    "generator": lambda: Generator(5, *SMALL, seed=0),
    "critic": lambda: Critic(*SMALL, seed=0),
    "encoder": lambda: Encoder(5, *SMALL, seed=0),
}
each_network = pytest.mark.parametrize("name", MAKERS)
each_level = pytest.mark.parametrize("level", [1, 2])


def inputs(name, level, n=4):
    shape = (n, 5) if name == "generator" else (n, 4 * 2**level, 4 * 2**level, 1)
    return RNG.standard_normal(shape).astype(np.float32)


def outward(network, x, level, fade):
    """Give what fades: the generator's image, the others' maps at 4x4 pixels."""
    return np.asarray(getattr(network, "trunk", network)(x, level=level, fade=fade))


def shrunk(images):
    return block_reduce(images, (1, 2, 2, 1), np.mean)


@pytest.mark.parametrize(("size", "levels"), [(4, 1), (8, 2), (64, 5), (1024, 9)])
def test_levels_double_the_size(size, levels):
    assert n_levels(size) == levels


@pytest.mark.parametrize("size", [0, 2, 45, 96])
def test_sizes_that_are_no_power_of_two_are_refused(size):
    sentence = f"`image_shape` must be a power of two wide.* Received: {size}"
    with pytest.raises(ValueError, match=sentence):
        n_levels(size)


def test_filters_by_level_are_the_published_ones():
    # Karras et al. 2018, table 2: 1024x1024 pixels.
    published = [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert [level_filters(level, 8192, 512) for level in range(9)] == published
    assert [level_filters(level, 16, 6) for level in range(6)] == [6, 4, 2, 1, 1, 1]


def conv(n_in, n_out, side=3):
    return side * side * n_in * n_out + n_out


def dense(n_in, n_out):
    return n_in * n_out + n_out


@pytest.fixture
def full_size(monkeypatch):
    """Make the published model, without drawing its 90 million first weights."""
    zeros = keras.initializers.Zeros()
    monkeypatch.setattr(keras.initializers, "RandomNormal", lambda *a, **k: zeros)
    return ProgressiveGAN.published()


def used(network):
    weights = network.used_weights(4, fading=False)
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_published_parameter_counts_at_64_pixels_layer_by_layer(full_size):
    generator = (
        512 * 16 * 512 + 512,  # From z to 4x4 pixels; one bias for each map.
        conv(512, 512),  # 4x4
        conv(512, 512) + conv(512, 512),  # 8x8
        conv(512, 512) + conv(512, 512),  # 16x16
        conv(512, 512) + conv(512, 512),  # 32x32
        conv(512, 256) + conv(256, 256),  # 64x64
        conv(256, 1, side=1),
    )
    inward = (
        conv(1, 256, side=1),
        conv(256, 256) + conv(256, 512),  # 64x64
        conv(512, 512) + conv(512, 512),  # 32x32
        conv(512, 512) + conv(512, 512),  # 16x16
        conv(512, 512) + conv(512, 512),  # 8x8
    )
    # One more map tells the critic how much the images of a group differ.
    critic = (*inward, conv(513, 512), dense(16 * 512, 512), dense(512, 1))
    encoder = (*inward, conv(512, 512), dense(16 * 512, 512), dense(512, 512))
    assert used(full_size.generator) == sum(generator) == 22_483_713
    assert used(full_size.critic) == sum(critic) == 22_489_345
    assert used(full_size.encoder) == sum(encoder) == 22_746_880
    assert full_size.schedule.total == 600_000 * 9  # Nothing to fade in at 4x4.


def test_published_parameter_counts_at_1024_pixels():
    maps = [level_filters(level, 8192, 512) for level in range(9)]
    pairs = list(zip(maps, maps[1:], strict=False))
    generator = dense(512, 512 * 16) - 15 * 512 + conv(512, 512) + conv(16, 3, side=1)
    generator += sum(conv(a, b) + conv(b, b) for a, b in pairs)
    critic = conv(3, 16, side=1) + sum(conv(b, b) + conv(b, a) for a, b in pairs)
    critic += conv(513, 512) + dense(16 * 512, 512) + dense(512, 1)
    # Karras et al. 2018, table 2: 23.1 million each.
    assert round(generator / 1e6, 1) == 23.1
    assert round(critic / 1e6, 1) == 23.1


@each_level
def test_generator_at_fade_0_draws_the_level_below_enlarged(level):
    generator, z = MAKERS["generator"](), inputs("generator", level)
    below = outward(generator, z, level - 1, 1.0)
    expected = np.kron(below, np.ones((1, 2, 2, 1)))
    found = outward(generator, z, level, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@each_level
@pytest.mark.parametrize("name", ["critic", "encoder"])
def test_trunk_at_fade_0_sees_the_image_shrunk_to_the_level_below(name, level):
    network, images = MAKERS[name](), inputs(name, level)
    expected = outward(network, shrunk(images), level - 1, 1.0)
    found = outward(network, images, level, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@each_level
@each_network
def test_at_fade_1_the_level_below_has_no_door(name, level):
    network, x = MAKERS[name](), inputs(name, level)
    before = {fade: outward(network, x, level, fade) for fade in (0.0, 0.5, 1.0)}
    # No straight line: after the fade come activations.
    if name == "generator":
        np.testing.assert_allclose(before[0.5], (before[0.0] + before[1.0]) / 2, 1e-4)
    for weight in network.doors[level - 1].trainable_variables:
        weight.assign(-2 * weight)
    after = {fade: outward(network, x, level, fade) for fade in before}
    np.testing.assert_allclose(after[1.0], before[1.0], rtol=1e-5, atol=1e-5)
    for fade in (0.0, 0.5):
        assert np.abs(after[fade] - before[fade]).max() > 0.01


@pytest.mark.parametrize("level", [0, 1, 2])
@each_network
def test_used_weights_are_those_that_a_gradient_reaches(name, level):
    network, x = MAKERS[name](), inputs(name, level)
    every = network.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(x, level=level, fade=0.5) ** 2)
    reached = {
        id(weight)
        for weight, gradient in zip(every, tape.gradient(loss, every), strict=True)
        if gradient is not None
    }
    fading = network.used_weights(level)
    assert {id(weight) for weight in fading} == reached
    old = network.doors[level - 1].trainable_variables if level else []
    stable = network.used_weights(level, fading=False)
    assert [id(weight) for weight in fading if id(weight) not in map(id, old)] == [
        id(weight) for weight in stable
    ]


def test_generator_normalizes_z():
    generator, z = MAKERS["generator"](), inputs("generator", 1)
    found, scaled = (outward(generator, x, 1, 0.5) for x in (z, 100 * z))
    np.testing.assert_allclose(scaled, found, rtol=1e-4, atol=1e-5)


def test_critic_compares_groups_and_the_encoder_does_not():
    images = inputs("critic", 1, n=8)
    other = images.copy()
    other[6] = 3.0  # In the group of images 0, 2 and 4.
    for name, reached in (("critic", [0, 2, 4, 6]), ("encoder", [6])):
        network = MAKERS[name]()
        before, after = (network(x, level=1, fade=0.5) for x in (images, other))
        shift = np.abs(np.asarray(after - before)).max(axis=1)
        assert np.flatnonzero(shift > 1e-5).tolist() == reached


@each_network
def test_same_seed_same_weights_and_no_two_layers_alike(name):
    a, b = MAKERS[name](), MAKERS[name]()
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    first = [weight.ravel()[0] for weight in a.get_weights() if weight.ndim > 1]
    assert len(set(first)) == len(first)
