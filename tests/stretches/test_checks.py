"""What a stretch is told: what passes as it is, and what is refused."""

import numpy as np
import pytest

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.stretches import checks


@pytest.mark.parametrize(
    ("values", "expected"),
    [(None, None), (2, (2.0,)), (np.float32(0.5), (0.5,)), ([1, 2], (1.0, 2.0))],
)
def test_numbers_become_a_tuple_that_a_file_can_hold(values, expected):
    found = checks.per_band(values)
    assert found == expected
    assert found is None or {type(value) for value in found} == {float}


def test_a_range_in_sigmas_passes():
    assert checks.check_sigmas(None, per_image=False) is None
    assert checks.check_sigmas([-5, 1000], per_image=True) == (-5.0, 1000.0)


@pytest.mark.parametrize(
    ("sigmas", "per_image"),
    [
        ((-5, 1000), False),
        ((5,), True),
        ((1, 2, 3), True),
        ((2, 2), True),
        ((np.nan, 2), True),
    ],
)
def test_other_ranges_are_refused(sigmas, per_image):
    with pytest.raises(ValueError, match="`sigmas` must be two rising numbers, and"):
        checks.check_sigmas(sigmas, per_image)


def test_pixels_are_not_copied():
    images = np.zeros((2, 4, 4, 1), np.float32)
    assert checks.pixels_of(images) is images
    assert np.shares_memory(checks.pixels_of(Cutouts(images)), images)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (0, 4, 4, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(n, ny, nx, n_bands\) with n >= 1"):
        checks.pixels_of(np.zeros(shape))


def test_finite_pixels_of_a_band():
    pixels = np.array([1.0, np.nan, 3.0, np.inf])
    assert checks.finite_of(pixels, 0).tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="band 1 holds none"):
        checks.finite_of(pixels[1::2], 1)
    with pytest.raises(ValueError, match=r"band 2 holds only 1\.0"):
        checks.finite_of(pixels[:2], 2)
