"""Shapes and sizes of the networks."""

import numpy as np
import pytest

from astroanomaly.models.common import networks


@pytest.mark.parametrize("size", [32, 33, 50, 64, 67, 84, 96, 127, 200, 255, 256])
def test_any_size_and_number_of_bands(size):
    shape = (size, size, 3)
    assert networks.build_generator(shape, 8, 2, 3).output_shape == (None, *shape)
    critic = networks.build_critic(shape, 2, 3)
    assert critic.output_shape[0] == (None, 1)
    assert networks.build_encoder(shape, 8, 2, 3).output_shape == (None, 8)


def test_levels_halve_until_four_to_seven_pixels_are_left():
    assert networks.level_filters(32, 10) == [10, 20, 40]
    assert networks.level_filters(96, 64) == [64, 128, 256, 512]
    assert networks.level_filters(256, 1) == [1, 2, 4, 8, 8, 8]


def test_the_seed_fixes_the_first_weights():
    a, b, c = (
        networks.build_critic((32, 32, 1), 4, 5, seed=s).get_weights()
        for s in (1, 1, 2)
    )
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0], c[0])


@pytest.mark.parametrize(
    "shape", [(64, 32, 1), (31, 31, 1), (257, 257, 1), (64, 64, 0), (64, 64)]
)
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="square image of 32 to 256 pixels. Received"):
        networks.check_image_shape(shape)


def test_images_are_drawn_in_parts_and_in_order():
    sizes = []

    def draw(z):
        sizes.append(len(z))
        return 2 * z

    found = networks.draw_images(130, lambda n: np.arange(n), draw)
    np.testing.assert_array_equal(found, 2 * np.arange(130))
    assert sizes == [64, 64, 2]
    with pytest.raises(ValueError, match=r"`n` must be at least 1. Received: 0"):
        networks.draw_images(0, np.arange, draw)
