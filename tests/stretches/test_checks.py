"""Arguments and images of a stretch: what passes and what is refused."""

import numpy as np
import pytest

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.stretches import Linear
from astroanomaly.stretches import stretch as checks


@pytest.mark.parametrize(
    ("values", "expected"),
    [(None, None), (2, (2.0,)), (np.float32(0.5), (0.5,)), ([1, 2], (1.0, 2.0))],
)
def test_numbers_become_a_tuple_that_a_file_can_hold(values, expected):
    found = checks.per_band(values)
    assert found == expected
    assert found is None or {type(value) for value in found} == {float}


def test_a_range_in_sigmas_passes():
    assert Linear(vmin=0, vmax=1).sigmas is None
    assert Linear(sigmas=[-5, 1000], per_image=True).sigmas == (-5.0, 1000.0)


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
        Linear(sigmas=sigmas, per_image=per_image)


def test_pixels_are_not_copied():
    images = np.zeros((2, 4, 4, 1), np.float32)
    assert checks.pixels_of(images) is images
    assert np.shares_memory(checks.pixels_of(Cutouts(images)), images)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (0, 4, 4, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(n, ny, nx, n_bands\) with n >= 1"):
        checks.pixels_of(np.zeros(shape))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [([np.nan, np.inf], "band 1 holds none"), ([2.0, 2.0], r"band 1 holds only 2\.0")],
)
def test_a_band_needs_different_finite_pixels(values, sentence):
    images = np.zeros((1, 1, 2, 2))
    images[0, 0, :, 0] = 1, 3
    assert Linear().adapt(images[..., :1]).vmin == (1.0,)
    images[0, 0, :, 1] = values
    with pytest.raises(ValueError, match=sentence):
        Linear().adapt(images)
