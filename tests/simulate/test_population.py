import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaincinv

from astroanomaly.simulate.galaxies import population


def sample(n, mag=None):
    out = []
    for i in range(n):
        rng = np.random.default_rng([7, i])
        value = population.draw_magnitude(rng, (20.0, 23.5)) if mag is None else mag
        out.append(population.draw_galaxy(rng, value))
    return out


def test_counts_rise_with_magnitude():
    rng = np.random.default_rng(1)
    mags = [population.draw_magnitude(rng, (20.0, 23.0)) for _ in range(20000)]
    assert min(mags) >= 20
    assert max(mags) <= 23
    counts = np.histogram(mags, bins=[20, 21, 22, 23])[0]
    # dN/dm ~ 10**(0.25 m): each bin holds 10**0.25 = 1.78 times the one before.
    np.testing.assert_allclose(counts[1:] / counts[:-1], 10**0.25, rtol=0.06)


def test_bright_galaxies_are_larger_and_more_often_smooth():
    bright, faint = sample(800, 20.5), sample(800, 23.5)
    discs = [[g for g in s if g.structure != "smooth"] for s in (bright, faint)]
    sizes = [np.median([g.half_light_radius for g in s]) for s in discs]
    # Slope -0.09 dex per mag over three magnitudes.
    assert sizes[0] / sizes[1] == pytest.approx(10**0.27, rel=0.1)
    smooth = [np.mean([g.structure == "smooth" for g in s]) for s in (bright, faint)]
    assert smooth[0] == pytest.approx(0.355, abs=0.06)
    assert smooth[1] == pytest.approx(0.205, abs=0.06)


def test_parameters_stay_in_range():
    for galaxy in sample(500):
        assert 0.08 <= galaxy.half_light_radius <= 0.7
        assert 0.19 < galaxy.axis_ratio <= 1
        assert 0 <= galaxy.bulge_to_total <= 1
        assert 0 <= galaxy.position_angle < 180
        assert galaxy.n * 10 == pytest.approx(round(galaxy.n * 10))
        assert galaxy.structure_seed > 0
        assert galaxy.bar + galaxy.knots < 0.66


def test_composite_radius_against_integration():
    fraction, n, ratio = 0.4, 3.0, 0.3
    radius = population.composite_radius(fraction, n, ratio)

    def enclosed(limit, index, half):
        b = gammaincinv(2 * index, 0.5)

        def ring(r):
            return r * np.exp(-b * (r / half) ** (1 / index))

        return quad(ring, 0, limit)[0] / quad(ring, 0, 400 * half, limit=400)[0]

    flux = fraction * enclosed(radius, n, ratio)
    flux += (1 - fraction) * enclosed(radius, 1.0, 1.0)
    assert flux == pytest.approx(0.5, abs=1e-4)


def test_exponential_disc_radius():
    assert population.half_light_in_scale_lengths() == pytest.approx(1.67835, abs=1e-5)


def test_numbers_that_no_galaxy_has_are_refused():
    good = sample(1)[0]
    for name, values, rule in (
        ("mag", (np.nan, np.inf, -np.inf), "finite"),
        ("half_light_radius", (0.0, -0.3, np.nan, np.inf), "greater than 0"),
        ("n", (0.29, 6.3, -1.0, np.nan), "within [0.3, 6.2]"),
        ("bulge_to_total", (-0.01, 1.01, np.nan), "within [0, 1]"),
        ("axis_ratio", (0.0, -0.5, 1.01, np.nan), "within (0, 1]"),
    ):
        for value in values:
            message = f"`{name}` must be {rule}. Received: {name}={value}."
            with pytest.raises(ValueError, match=re.escape(message)):
                replace(good, **{name: value})


def test_the_limits_themselves_are_galaxies():
    good = sample(1)[0]
    for change in ({"n": 0.3}, {"n": 6.2}, {"axis_ratio": 1.0}):
        assert replace(good, **change) != good or good.axis_ratio == 1.0
    for fraction in (0.0, 1.0):
        assert replace(good, bulge_to_total=fraction).bulge_to_total == fraction


@pytest.mark.parametrize("n", population.SERSIC)
def test_galsim_draws_the_limits_of_n(n):
    galsim = pytest.importorskip("galsim")
    assert galsim.Sersic(n, half_light_radius=1.0).n == n
    beyond = n + np.sign(n - 1) * 0.01
    with pytest.raises(galsim.GalSimRangeError):
        galsim.Sersic(beyond, half_light_radius=1.0)


def test_a_galaxy_without_structure_keeps_its_light_and_shape():
    for drawn in sample(20):
        plain = population.without_structure(drawn)
        shape = {"n_arms": drawn.n_arms, "contrast": drawn.contrast, "bar": drawn.bar}
        shape |= {"knots": drawn.knots, "n_knots": drawn.n_knots}
        assert replace(plain, **shape, lopsided=drawn.lopsided) == drawn
        assert plain.n_arms == plain.bar == plain.knots == plain.lopsided == 0
