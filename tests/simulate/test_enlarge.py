import numpy as np
import pytest

from astroanomaly.simulate.enlarge import enlarge


@pytest.mark.parametrize(("n", "size"), [(10, 30), (9, 27), (10, 29), (9, 28)])
def test_a_plane_stays_a_plane(n, size):
    # Linear interpolation is exact on one: 0.3" pixels to 0.1", the same centre.
    def plane(side, scale):
        axis = (np.arange(side) - (side - 1) / 2) * scale
        return (2 + 0.3 * axis - 0.1 * axis[:, None]) * scale**2

    found = enlarge(plane(n, 3.0), 3.0, size)
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inner], plane(size, 1.0)[inner], atol=1e-12)


def test_one_pixel_becomes_a_pyramid():
    image = np.zeros((5, 5))
    image[2, 2] = 81.0
    # 1/3, 2/3, 1, 2/3, 1/3 along each axis, and a ninth of the flux.
    weights = np.array([0, 0, 0, 0, 0, 1, 2, 3, 2, 1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(enlarge(image, 3.0, 15), np.outer(weights, weights))


@pytest.mark.parametrize("factor", [1.0, 2.0, 3.0, 200 / 66])
def test_flux_is_conserved(factor):
    image = np.zeros((66, 66))
    image[20:40, 25:45] = np.random.default_rng(1).uniform(size=(20, 20))
    found = enlarge(image, factor, round(66 * factor))
    assert found.sum() == pytest.approx(image.sum(), rel=2e-3)
    if factor == 1:
        np.testing.assert_allclose(found, image)


def test_nan_reaches_what_it_touches_alone():
    image = np.ones((5, 5), dtype=np.float32)
    image[2, 2] = np.nan
    found = enlarge(image, 3.0, 15)
    assert found.dtype == np.float32
    assert np.isnan(found).sum() == 25
    assert np.isnan(found[5:10, 5:10]).all()


@pytest.mark.parametrize(
    ("image", "factor", "message"),
    [
        (np.ones((4, 4)), 0.5, "`factor` must be at least 1. Received: factor=0.5"),
        (np.ones((4, 5)), 3.0, r"`image` must be a square of pixels. .* \(4, 5\)"),
    ],
)
def test_errors(image, factor, message):
    with pytest.raises(ValueError, match=message):
        enlarge(image, factor, 12)
