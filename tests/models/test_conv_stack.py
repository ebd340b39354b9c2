"""The shared stack: the published sizes, every other size, every pixel reached."""

import numpy as np
import pytest

from astroanomaly.models.autoencoders import networks


def conv_shapes(model):
    return [layer.output.shape[1:] for layer in model.layers if "conv2d" in layer.name]


def test_published_maps_and_parameter_counts():
    trunk = networks.build_trunk((150, 150, 1))
    assert conv_shapes(trunk) == [(49, 49, 16), (15, 15, 32), (9, 9, 64)]
    assert trunk.output_shape == (None, 9 * 9 * 64) == (None, 5184)
    # 49 weights per pair of filters and one bias per filter.
    assert trunk.count_params() == 800 + 25_120 + 100_416
    decoder = networks.build_decoder((150, 150, 1), 1000)
    dense = 1000 * 5184 + 5184
    assert decoder.count_params() == dense + 100_384 + 25_104 + 785


@pytest.mark.parametrize(
    ("size", "strides", "maps"),
    [
        (256, (3, 3), (84, 27, 21)),
        (150, (3, 3), (49, 15, 9)),
        (100, (3, 3), (32, 10, 4)),
        (98, (3, 3), (32, 10, 4)),
        (97, (3, 2), (31, 14, 8)),
        (64, (2, 2), (30, 13, 7)),
        (48, (3, 1), (15, 11, 5)),
        (32, (2, 1), (14, 10, 4)),
        (18, (1, 1), (14, 10, 4)),
    ],
)
def test_strides_weaken_for_small_images(size, strides, maps):
    assert networks.stack_strides(size) == strides
    assert networks.map_sizes(size, strides) == maps


def test_some_strides_fit_every_size():
    for size in range(32, 257):
        assert networks.map_sizes(size, networks.stack_strides(size))[-1] >= 4


@pytest.mark.parametrize("size", [150, 100, 99, 64, 48, 47, 33, 32])
@pytest.mark.parametrize("n_bands", [1, 3])
def test_any_size_and_number_of_bands(size, n_bands):
    shape = (size, size, n_bands)
    last = networks.map_sizes(size, networks.stack_strides(size))[-1]
    assert networks.build_trunk(shape).output_shape == (None, 64 * last**2)
    assert networks.build_decoder(shape, 8).output_shape == (None, *shape)


@pytest.mark.parametrize("size", [100, 150, 151, 64, 65, 32, 33])
def test_every_pixel_depends_on_z(size):
    decoder = networks.build_decoder((size, size, 1), 4, seed=1)
    a, b = decoder(np.random.default_rng(0).normal(size=(2, 4)).astype("float32"))
    assert np.all(np.asarray(a) != np.asarray(b))
    assert np.abs(a).max() < 1


def test_the_seed_fixes_the_first_weights():
    for build in (
        networks.build_trunk,
        lambda shape, seed: networks.build_decoder(shape, 4, seed),
    ):
        a, b, c = (build((32, 32, 1), seed=s).get_weights() for s in (1, 1, 2))
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        assert not np.array_equal(a[0], c[0])


def test_activation_and_names_are_the_callers():
    decoder = networks.build_decoder((32, 32, 1), 4, 0, "sigmoid", name="mirror")
    assert decoder.name == "mirror"
    last = [layer for layer in decoder.layers if "conv2d" in layer.name][-1]
    assert last.activation.__name__ == "sigmoid"
    assert networks.build_trunk((32, 32, 1), name="eye").name == "eye"


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="last map of at least 4x4.*Received: 17"):
        networks.stack_strides(17)
    for build in (
        networks.build_trunk,
        lambda shape: networks.build_decoder(shape, 4),
    ):
        with pytest.raises(ValueError, match="square image of 32 to 256 pixels"):
            build((31, 31, 1))
