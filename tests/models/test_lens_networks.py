"""The published lens networks: their counts, sizes and first weights."""

import numpy as np
import pytest
from scipy.signal import correlate2d

from astroanomaly.models.lens_finder.networks import (
    LAYOUTS,
    build_lens_network,
    check_lens_shape,
    last_layers,
    lens_map_sizes,
    smallest_size,
)


def test_ou200_has_the_published_number_of_parameters():
    # Kernels and biases of the six convolutions, then 6 * 6 * 20 numbers to 350.
    convolutions = [5050, 50040, 10830, 5420, 3620, 3620]
    network = build_lens_network((200, 200, 4), "ou200")
    counts = [layer.count_params() for layer in network.layers if layer.weights]
    assert counts == [*convolutions, 720 * 350 + 350, 350 * 2 + 2]
    assert network.count_params() == 331_632
    # VIS alone: the first kernels have three bands less.
    assert build_lens_network((200, 200, 1)).count_params() == 331_632 - 3 * 25 * 50


def test_ou66_has_the_published_number_of_parameters_with_four_bands():
    convolutions = [1850, *3 * [22550], 18040, *3 * [14440], 10830]
    network = build_lens_network((66, 66, 4), "ou66")
    counts = [layer.count_params() for layer in network.layers if layer.weights]
    assert counts == [*convolutions, 120 * 500 + 500, 500 * 2 + 2]
    assert network.count_params() == 203_192
    assert build_lens_network((66, 66, 3), "ou66").count_params() == 202_742


def test_maps_have_the_sizes_computed_by_hand():
    network = build_lens_network((200, 200, 4))
    sizes = {layer.name: layer.output.shape[1:] for layer in network.layers}
    assert sizes["conv_1"] == (196, 196, 50)
    assert sizes["pool_1"] == (98, 98, 50)
    assert sizes["pool_2"] == (47, 47, 40)
    assert sizes["pool_3"] == (22, 22, 30)
    assert sizes["pool_4"] == (10, 10, 20)
    assert sizes["conv_5"] == (8, 8, 20)
    assert sizes["conv_6"] == (6, 6, 20)
    assert sizes["flatten"] == (720,)
    assert lens_map_sizes(200) == [98, 47, 22, 10, 8, 6]
    # 66: 64 -> 32, 30, 28, 26, 24 -> 12, 10, 8, 6, 4 -> 2
    assert lens_map_sizes(66, "ou66") == [32, 30, 28, 26, 12, 10, 8, 6, 2]


@pytest.mark.parametrize("name", LAYOUTS)
def test_sizes_and_names_agree_with_the_network(name):
    size = smallest_size(name) + 9
    network = build_lens_network((size, size + 3, 2), name)
    maps = [network.get_layer(layer).output for layer in last_layers(name)]
    assert [x.shape[1] for x in maps] == lens_map_sizes(size, name)
    assert [x.shape[2] for x in maps] == lens_map_sizes(size + 3, name)
    assert network.layers[-1].name == "logits"
    assert network.output_shape == (None, 2)


@pytest.mark.parametrize(
    ("name", "least"), [("ou200", 116), ("ou66", 58), ("small", 30)]
)
def test_the_smallest_size_leaves_one_pixel(name, least):
    assert smallest_size(name) == least
    assert lens_map_sizes(least, name)[-1] == 1
    assert lens_map_sizes(least - 1, name)[-1] == 0
    shape = build_lens_network((least, least, 1), name).get_layer("flatten").output
    assert shape.shape == (None, LAYOUTS[name].convolutions[-1].n_filters)


def test_the_first_layer_is_a_correlation_without_padding():
    network = build_lens_network((58, 58, 2), "ou66", seed=4)
    layer = network.get_layer("conv_1")
    layer.bias.assign(np.linspace(-1, 1, 50))
    image = np.random.default_rng(2).random((58, 58, 2)).astype(np.float32)
    kernel = np.asarray(layer.kernel)
    for k in (0, 17):
        bands = [
            correlate2d(image[..., b], kernel[..., b, k], mode="valid") for b in (0, 1)
        ]
        expected = np.maximum(sum(bands) + float(layer.bias[k]), 0)
        found = np.asarray(layer(image[None]))[0, ..., k]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        pooled = np.asarray(network.get_layer("pool_1")(found[None, ..., None]))
        blocks = found.reshape(28, 2, 28, 2).max(axis=(1, 3))
        np.testing.assert_array_equal(pooled[0, ..., 0], blocks)


def test_first_weights_are_he_s_normal_distribution_and_the_seed_s():
    network = build_lens_network((58, 58, 4), "ou66", seed=4)
    kernel = np.asarray(network.get_layer("conv_3").kernel).ravel()
    scale = np.sqrt(2 / (50 * 9))
    # 22,500 numbers: the scatter of their standard deviation is 0.5 per cent.
    assert np.std(kernel) == pytest.approx(scale, rel=0.025)
    # Not truncated: 0.27 per cent lie beyond three standard deviations.
    assert np.mean(np.abs(kernel) > 3 * scale) == pytest.approx(0.0027, abs=0.0015)
    assert not np.any(network.get_layer("conv_3").bias)
    fourth = np.asarray(network.get_layer("conv_4").kernel).ravel()
    again, other = (
        np.asarray(build_lens_network((58, 58, 4), "ou66", seed).layers[4].kernel)
        for seed in (4, 5)
    )
    np.testing.assert_array_equal(again.ravel(), kernel)
    for drawn in (other.ravel(), fourth):
        assert np.mean(drawn == kernel) < 0.01


@pytest.mark.parametrize(
    ("shape", "network"),
    [
        ((115, 200, 4), "ou200"),
        ((200, 115, 4), "ou200"),
        ((57, 66, 3), "ou66"),
        ((66, 66, 0), "ou66"),
        ((66, 66), "ou66"),
        ((66.5, 66, 1), "ou66"),
    ],
)
def test_bad_image_shapes_are_named(shape, network):
    least = smallest_size(network)
    sentence = f"`image_shape` must be .* '{network}', at least {least} pixels a side"
    with pytest.raises(ValueError, match=sentence):
        check_lens_shape(shape, network)
    with pytest.raises(ValueError, match="Received: "):
        build_lens_network(shape, network)


def test_an_unknown_network_is_named():
    with pytest.raises(
        ValueError, match="`network` must be one of ou200, ou66.*'ou99'"
    ):
        build_lens_network((200, 200, 4), "ou99")
