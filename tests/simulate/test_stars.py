"""Stars: their colors against astropy's black body, their counts, and their light."""

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.physical_models import BlackBody

from astroanomaly import simulate
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.survey import scenes
from astroanomaly.simulate.survey import stars as _stars

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

VIS, H = instruments.EUCLID_VIS, instruments.EUCLID_NISP_H


@pytest.mark.parametrize("temperature", [3000, 5800, 7000])
def test_colors_are_those_of_black_bodies(temperature):
    body = BlackBody(temperature * u.K)
    here, there = (body(camera.wavelength * u.nm) for camera in (H, VIS))
    expected = -2.5 * np.log10((here / there).value)
    assert _stars.color(temperature, H, VIS) == pytest.approx(expected, abs=1e-6)


def test_counts_follow_density_and_slope():
    frames = [
        _stars.draw_stars(np.random.default_rng(k), 30.0, 20.0) for k in range(500)
    ]
    counts = np.array([len(stars) for stars in frames])
    # Poisson: 20 in the mean, a fifth of a star its error.
    assert counts.mean() == pytest.approx(20, abs=0.8)
    assert counts.var() == pytest.approx(20, rel=0.25)
    mag, temperature, x, y = np.concatenate(frames).T
    assert mag.min() >= 18
    assert mag.max() <= 24
    # Ten to the 0.1 per magnitude: the faintest magnitude holds 10**0.5 times more
    # than the brightest.
    ratio = np.sum(mag > 23) / np.sum(mag < 19)
    assert ratio == pytest.approx(10**0.5, rel=0.1)
    assert temperature.min() >= 3000
    assert temperature.max() <= 7000
    assert np.abs([x, y]).max() <= 30
    assert np.abs([x.mean(), y.mean()]).max() < 0.7


def test_star_keeps_flux_and_place():
    canvas = scenes.Canvas(("VIS", "H"), 64)
    canvas.add_star(20.0, 5800.0, 1.234, -0.5)
    fluxes = VIS.flux(20.0), H.flux(20.0 + _stars.color(5800.0, H, VIS))
    np.testing.assert_allclose(canvas.maps.sum(axis=(1, 2)), fluxes, rtol=1e-5)
    image = canvas.expose(VIS, canvas.maps[0])
    y, x = (np.mgrid[:64, :64] - 31.5) * 0.1
    middle = [float((axis * image).sum() / image.sum()) for axis in (x, y)]
    assert middle == pytest.approx([1.234, -0.5], abs=0.01)


def test_stars_lie_over_the_frames_that_had_none():
    settings = {"size": 64, "noise": False, "seed": 4}
    for make in (simulate.lens_survey, simulate.compound):
        without = make(6, star_density=0, **settings)
        plenty = make(6, star_density=2000, **settings)
        assert set(without.table["n_stars"]) == {0}
        assert min(plenty.table["n_stars"]) > 5
        light = plenty.images - without.images
        assert light.min() > -1e-3 * light.max()
        kept = [name for name in without.table.colnames if name != "n_stars"]
        for name in kept:
            np.testing.assert_array_equal(without.table[name], plenty.table[name])


@pytest.mark.parametrize("density", [-1, np.nan, np.inf])
def test_bad_density_is_named(density):
    with pytest.raises(ValueError, match="`star_density` must be a number"):
        simulate.lens_survey(1, size=64, star_density=density)
