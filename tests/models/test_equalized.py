"""Equalized layers and the growing networks' operations, against numpy and scipy."""

import numpy as np
import pytest
from astropy.nddata import block_reduce
from scipy.signal import correlate2d

from astroanomaly.models.progressive.equalized import (
    Block,
    Equalized,
    blend,
    downsampled,
    minibatch_deviation,
    pixel_norm,
    upsampled,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def with_bias(layer):
    layer.bias.assign(normal(*layer.bias.shape))
    return layer, layer.kernel.numpy(), layer.bias.numpy()


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def normed(x):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-8)


def test_convolution_is_the_raw_kernel_times_root_two_over_fan_in():
    layer, kernel, bias = with_bias(Equalized(3, 2, seed=1))
    x = normal(2, 5, 6, 3)
    expected = np.zeros((2, 5, 6, 2))
    for n, o, i in np.ndindex(2, 2, 3):
        scaled = kernel[:, :, i, o] * np.sqrt(2 / 27)
        expected[n, :, :, o] += correlate2d(x[n, :, :, i], scaled, mode="same")
    np.testing.assert_allclose(layer(x), expected + bias, rtol=1e-4, atol=1e-5)


def test_gain_and_kernel_size_of_an_output():
    layer, kernel, bias = with_bias(Equalized(4, 2, seed=1, kernel_size=1, gain=1.0))
    x = normal(2, 3, 3, 4)
    expected = x @ (kernel[0, 0] / 2) + bias  # 1 / sqrt(4)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_dense_layer_makes_a_vector():
    layer, kernel, bias = with_bias(Equalized(8, 3, seed=1, kernel_size=0))
    x = normal(2, 8)
    np.testing.assert_allclose(layer(x), x @ (kernel / 2) + bias, rtol=1e-5, atol=1e-6)


def test_dense_layer_makes_maps_with_one_bias_each():
    layer, kernel, bias = with_bias(Equalized(8, 3, seed=1, kernel_size=0, side=2))
    x = normal(2, 8)
    expected = (x @ (kernel / 2)).reshape(2, 2, 2, 3) + bias
    assert bias.shape == (3,)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_raw_weights_are_standard_normal_whatever_the_fan_in():
    kernel = Equalized(16, 64, seed=1).kernel.numpy()  # 9216 numbers
    assert kernel.mean() == pytest.approx(0, abs=5 / np.sqrt(kernel.size))
    assert kernel.std() == pytest.approx(1, abs=5 / np.sqrt(2 * kernel.size))
    np.testing.assert_array_equal(kernel, Equalized(16, 64, seed=1).kernel)
    assert not np.array_equal(kernel, Equalized(16, 64, seed=2).kernel)


def test_pixel_norm_by_hand():
    x = np.array([[[[3.0, 4.0], [0.0, 0.0]]]], np.float32)
    found = np.asarray(pixel_norm(x))
    # Root mean square of (3, 4): sqrt(12.5). Nothing is divided by zero.
    np.testing.assert_allclose(found[0, 0, 0], np.array([3, 4]) / 12.5**0.5, rtol=1e-6)
    np.testing.assert_array_equal(found[0, 0, 1], [0, 0])


def test_groups_of_the_minibatch_deviation_stand_a_quarter_batch_apart():
    x = normal(8, 4, 4, 3)
    found = np.asarray(minibatch_deviation(x))
    np.testing.assert_array_equal(found[..., :3], x)
    for first in (0, 1):
        group = x[first::2]  # Images 0, 2, 4, 6 and 1, 3, 5, 7.
        expected = np.sqrt(group.var(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(found[first::2, :, :, 3], expected, rtol=1e-5)
    assert found[0, 0, 0, 3] != pytest.approx(found[1, 0, 0, 3], rel=1e-3)


def test_deviation_of_equal_images_and_of_fewer_than_a_group():
    same = np.repeat(normal(1, 2, 2, 3), 4, axis=0)
    found = np.asarray(minibatch_deviation(same))[..., 3]
    np.testing.assert_allclose(found, 1e-4, rtol=1e-3)  # The root of 1e-8.
    two = np.zeros((2, 2, 2, 1), np.float32)
    two[1] = 4.0  # Mean 2, deviation 2.
    np.testing.assert_allclose(np.asarray(minibatch_deviation(two))[..., 1], 2.0)


@pytest.mark.parametrize("factor", [2, 4])
def test_size_changes_are_block_means_and_repeated_pixels(factor):
    x = normal(2, 8, 8, 3)
    block = (1, factor, factor, 1)
    expected = block_reduce(x, block, np.mean)
    np.testing.assert_allclose(downsampled(x, factor), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(upsampled(x, factor), np.kron(x, np.ones(block)))


def test_blend_goes_from_old_to_new():
    found = [float(blend(2.0, 6.0, fade)) for fade in (0.0, 0.25, 1.0)]
    assert found == [2.0, 3.0, 6.0]


@pytest.mark.parametrize("normalize", [False, True])
def test_a_block_activates_then_normalizes_after_every_layer(normalize):
    parts = [with_bias(Equalized(n, 4, n, 1, gain=1.0)) for n in (2, 4)]
    x = normal(3, 2, 2, 2)
    expected = x
    for _, kernel, bias in parts:
        n_in = kernel.shape[2]
        expected = leaky(expected @ (kernel[0, 0] / np.sqrt(n_in)) + bias)
        expected = normed(expected) if normalize else expected
    block = Block(*[layer for layer, _, _ in parts], normalize=normalize)
    np.testing.assert_allclose(block(x), expected, rtol=1e-4, atol=1e-5)
