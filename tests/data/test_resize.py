import numpy as np
import pytest
from astropy.nddata import block_reduce

from astroanomaly.data.resize import (
    background,
    crop_or_pad,
    overlap_matrix,
    resample,
    same_scale,
)


def test_one_and_a_half_by_hand():
    # Three pixels of 1 into two of 1.5: the middle one is shared in halves.
    expected = [[1, 0.5, 0], [0, 0.5, 1]]
    np.testing.assert_allclose(overlap_matrix(3, 1.5, 2), expected)
    image = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    # By hand: 1 + 2/2 + 4/2 + 5/4 = 5.25 in the first corner, and so on.
    np.testing.assert_allclose(resample(image, 1.5), [[5.25, 8.25], [14.25, 17.25]])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_integer_factor_equals_block_reduce(noise, factor):
    image = noise(24, 36).astype(float)
    np.testing.assert_allclose(
        resample(image, factor), block_reduce(image, factor), rtol=1e-12
    )


@pytest.mark.parametrize("factor", [0.37, 0.5, 1.0, 1.3, 2.7, 5.0])
def test_flux_is_conserved(noise, factor):
    image = noise(33, 40)
    out = resample(image, factor)
    assert out.dtype == np.float32
    assert out.sum(dtype=float) == pytest.approx(image.sum(dtype=float), rel=1e-6)


def test_whole_pixels_have_the_full_brightness():
    out = resample(np.ones((33, 40)), 1.7, whole=True)
    assert out.shape == (19, 23)
    np.testing.assert_allclose(out, 1.7**2)


def test_nan_marks_only_the_pixels_it_touches():
    image = np.ones((6, 6))
    image[1, 1] = np.nan
    out = resample(image, 2)
    assert np.isnan(out[0, 0])
    assert np.isfinite(np.delete(out.ravel(), 0)).all()


def test_resample_refuses():
    with pytest.raises(ValueError, match="`factor` must be a number above 0"):
        resample(np.ones((4, 4)), 0)
    with pytest.raises(ValueError, match="does not fit into the image"):
        resample(np.ones((4, 4)), 5, whole=True)


@pytest.mark.parametrize("n", [7, 8])
@pytest.mark.parametrize("size", [3, 4, 7, 8, 11, 12])
def test_the_central_pixel_stays_central(n, size):
    image = np.zeros((n, n))
    image[n // 2, n // 2] = 1
    out = crop_or_pad(image, (size, size))
    assert out.shape == (size, size)
    assert out[size // 2, size // 2] == 1
    assert np.isnan(out).sum() == size**2 - min(n, size) ** 2


def test_crop_one_axis_and_pad_the_other():
    out = crop_or_pad(np.ones((4, 10)), (8, 6))
    assert np.isnan(out).sum(axis=0).tolist() == [4] * 6


def test_background_does_not_see_the_object_nor_outliers():
    rng = np.random.default_rng(5)
    image = rng.normal(3.0, 0.1, (64, 64))
    image[20:44, 20:44] += 100
    image[0, :20] += 50
    image[-1, -1] = np.nan
    assert background(image) == pytest.approx(3.0, abs=0.02)


def test_background_without_a_border():
    image = np.full((16, 16), np.nan)
    image[8, 8] = 4.0
    assert background(image) == 4.0
    assert np.isnan(background(np.full((4, 4), np.nan)))


def test_background_of_counts():
    image = np.zeros((16, 16))
    image[0, :5] = 1
    assert background(image) == 0


def test_same_scale():
    assert same_scale(0.03, 0.0299999988)
    assert not same_scale(0.03, 0.04)
