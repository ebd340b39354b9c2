"""Numbers of statmorph against integrals, own formulas and statmorph in full."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from sersic import SIGMA, cutouts_of, galaxy, profile

from astroanomaly.morphology import FEATURES, measure
from astroanomaly.morphology.statistics import Settings, examine, sky_level

pytest.importorskip("statmorph")
pytest.importorskip("photutils")


def _concentration(n, effective):
    """5 log10(r80 / r20) within 1.5 Petrosian radii (Lotz et al. 2004, eq. 5)."""

    def light(radius):
        return quad(lambda r: r * profile(r, n, effective), 0, radius)[0]

    def excess(radius):
        mean = 2 * light(radius) / radius**2
        return profile(radius, n, effective) / mean - 0.2

    petrosian = brentq(excess, 0.5 * effective, 5 * effective)
    total = light(1.5 * petrosian)
    r20, r80 = (
        brentq(lambda r, f=f: light(r) - f * total, 1e-3, 2 * petrosian)
        for f in (0.2, 0.8)
    )
    return 5 * np.log10(r80 / r20)


def test_concentration_of_an_exponential_disc():
    image = galaxy(96, 1, 10.0, 2000)
    expected = _concentration(1, 10.0)
    assert expected == pytest.approx(2.7, abs=0.05)
    found = measure(cutouts_of(image))["concentration"][0]
    assert found == pytest.approx(expected, abs=0.03)


def test_concentration_of_a_de_vaucouleurs_profile():
    image = galaxy(128, 4, 14.0, 30000, sigma=0.01)
    expected = _concentration(4, 14.0)
    assert expected > 4
    found = measure(cutouts_of(image))["concentration"][0]
    # The pixel at the center spreads a cusp that has no core.
    assert found == pytest.approx(expected, abs=0.1)


def test_asymmetry_of_a_symmetric_galaxy_is_zero(measured):
    assert measured["asymmetry"][0] == pytest.approx(0.0, abs=0.015)
    assert measured["flag"][0] == 0


def test_asymmetry_by_turning_about_every_pixel():
    image = galaxy(48, 1, 3.0, 3000) + galaxy(48, 1, 2.0, 1500, shift=(6, 3), sigma=0)
    table = measure(cutouts_of(image))
    # sum |I - I180| / sum |I| (Lotz et al. 2004, eq. 10), the least over centers
    # half a pixel apart; the sky's noise is too small to matter.
    y, x = np.mgrid[:48, :48]
    best = np.inf
    for row in range(40, 56):
        for column in range(40, 64):
            i, j = row - y, column - x
            inside = (0 <= i) & (i < 48) & (0 <= j) & (j < 48)
            turned = np.where(inside, image[i.clip(0, 47), j.clip(0, 47)], 0)
            circle = np.hypot(y - row / 2, x - column / 2) < 16
            difference = np.abs(image - turned)[circle].sum()
            best = min(best, difference / np.abs(image[circle]).sum())
    assert best > 0.3
    assert table["asymmetry"][0] == pytest.approx(best, abs=0.04)


def test_gini_and_m20_by_the_printed_formulas(disc, measured):
    found = examine(disc, Settings())
    pixels = found._cutout_stamp_maskzeroed
    chosen = found._segmap_gini
    values = np.sort(np.abs(pixels[chosen]))
    n = len(values)
    # Lotz et al. 2004, eq. 6.
    gini = sum((2 * (i + 1) - n - 1) * v for i, v in enumerate(values))
    gini /= values.mean() * n * (n - 1)
    assert measured["gini"][0] == pytest.approx(gini, rel=1e-6)
    # Eqs. 7 and 8: the moment of the brightest pixels with 20 per cent of the flux.
    y, x = np.nonzero(chosen)
    flux = pixels[chosen]
    middle_x, middle_y = (np.average(axis, weights=flux) for axis in (x, y))
    moment = flux * ((x - middle_x) ** 2 + (y - middle_y) ** 2)
    order = np.argsort(flux)[::-1]
    bright = np.cumsum(flux[order]) <= 0.2 * flux.sum()
    inner = moment[order][bright].sum()
    edge = moment[order][len(bright[bright])]
    # The pixel at the limit is counted or not; between the two lies the number.
    low, high = (np.log10(m / moment.sum()) for m in (inner, inner + edge))
    assert low - 1e-6 <= measured["m20"][0] <= high + 1e-6


def test_radius_and_ellipticity_of_a_disc(measured):
    assert measured["rhalf"][0] == pytest.approx(4.0, rel=0.05)
    assert measured["rhalf"].unit == "pix"
    assert measured["ellipticity"][0] == pytest.approx(0.3, abs=0.03)


def test_signal_to_noise_is_that_of_the_pixels(disc, measured):
    found = examine(disc, Settings(gain=2.0))
    pixels = found._cutout_stamp_maskzeroed[found._segmap_gini]
    pixels = pixels[pixels >= 0]
    plain = measured["snr_per_pixel"][0]
    # The noise is known to the precision of a clipped standard deviation.
    assert plain == pytest.approx(pixels.mean() / SIGMA, rel=0.1)
    expected = np.mean(pixels / np.sqrt(SIGMA**2 + pixels / 2.0))
    table = measure(cutouts_of(disc), gain=2.0)
    assert table["snr_per_pixel"][0] == pytest.approx(expected, rel=0.1)


def test_a_companion_that_touches_raises_the_asymmetry(disc, measured):
    companion = galaxy(48, 1, 2.0, 250, shift=(6, 4), sigma=0)
    for neighbors in ("keep", "mask"):
        near = measure(cutouts_of(disc + companion), neighbors=neighbors)
        assert near["asymmetry"][0] > measured["asymmetry"][0] + 0.1


def test_a_detached_companion_counts_or_is_masked():
    alone = galaxy(48, 1, 3.0, 40)
    pair = alone + galaxy(48, 1, 1.5, 40, shift=(12, 8), sigma=0)
    plain = measure(cutouts_of(alone))[0]
    kept = measure(cutouts_of(pair), neighbors="keep")
    masked = measure(cutouts_of(pair), neighbors="mask")
    assert kept["asymmetry"][0] > plain["asymmetry"] + 0.1
    assert kept["m20"][0] > plain["m20"] + 0.3
    # The common centroid lies between the two, which statmorph finds suspect.
    assert kept["flag"][0] == 1
    assert masked["flag"][0] == 0
    # The same galaxy, as far as faint light outside the other's mask allows.
    assert masked["asymmetry"][0] == pytest.approx(plain["asymmetry"], abs=0.05)
    assert masked["m20"][0] == pytest.approx(plain["m20"], abs=0.1)
    assert kept.meta["neighbors"] == "keep"
    assert masked.meta["neighbors"] == "mask"


@pytest.mark.parametrize("effective", [2.0, 5.0, 8.0])
def test_the_sky_is_measured_away_from_the_galaxy(effective):
    image = galaxy(64, 1, effective, 100)
    sky, sigma = sky_level(image, np.zeros(image.shape, bool))
    assert sigma == pytest.approx(SIGMA, rel=0.08)
    assert abs(sky) < 0.5


def test_a_frame_without_sky_keeps_the_first_estimate():
    image = galaxy(16, 1, 8.0, 1000)
    sky, sigma = sky_level(image, np.zeros(image.shape, bool))
    assert np.isfinite([sky, sigma]).all()
    assert sigma > SIGMA


def _in_full(image):
    """Run statmorph as it comes on the same segmentation and noise."""
    from statmorph import SourceMorphology

    quick = examine(image, Settings())
    arguments = {"weightmap": quick._weightmap}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SourceMorphology(image, quick._segmap, 1, **arguments)


@pytest.mark.parametrize("companion", [0, 300])
def test_what_is_left_out_changes_nothing(disc, companion):
    blob = companion * galaxy(48, 1, 2.0, 1, shift=(11, 9), sigma=0)
    image = (disc + blob).astype(np.float32).astype(float)
    full = _in_full(image)
    row = measure(cutouts_of(image), sersic=True)[0]
    bare = measure(cutouts_of(image))[0]
    for name in FEATURES:
        assert row[name] == bare[name] == full[name]
    assert row["flag"] == bare["flag"] == full.flag
    assert row["sersic_n"] == full.sersic_n
    assert row["flag_sersic"] == full.flag_sersic


def test_a_sersic_fit_only_if_asked_for(disc, measured):
    row = measure(cutouts_of(disc), sersic=True)[0]
    assert row["sersic_n"] == pytest.approx(1.0, abs=0.1)
    assert row["sersic_rhalf"] == pytest.approx(4.0, abs=0.2)
    assert row["flag_sersic"] == 0
    assert np.isnan(measured["sersic_n"][0])
    assert np.isnan(measured["sersic_rhalf"][0])
    assert measured["flag_sersic"][0] == -1


def test_the_psf_enters_the_fit():
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[-10:11, -10:11]
    psf = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    sharp = galaxy(49, 1, 4.0, 500, sigma=0)
    noise = np.random.default_rng(5).normal(0, 0.1, sharp.shape)
    cutouts = cutouts_of(gaussian_filter(sharp, 2.0) + noise)
    with_psf = measure(cutouts, sersic=True, psf=psf)["sersic_rhalf"][0]
    without = measure(cutouts, sersic=True)["sersic_rhalf"][0]
    assert with_psf == pytest.approx(4.0, abs=0.1)
    assert without > 4.4


def test_a_fit_that_breaks_costs_only_the_fit(disc, measured, monkeypatch):
    from astropy.modeling.fitting import LevMarLSQFitter

    def broken(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(LevMarLSQFitter, "__call__", broken)
    table = measure(cutouts_of(disc), sersic=True)
    assert table["measured"][0]
    assert table["gini"][0] == measured["gini"][0]
    assert np.isnan(table["sersic_n"][0])
    assert table["flag_sersic"][0] == 4
