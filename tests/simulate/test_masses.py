import numpy as np
import pytest
from astropy.cosmology import Planck18
from scipy import stats

from astroanomaly.simulate.galaxies import masses, population

# van der Wel et al. 2014, ApJ 788, 28, table 1: kpc, slope, evolution, dex.
RELATIONS = {"smooth": (5.6, 0.75, -1.48, 0.13), "spiral": (8.9, 0.22, -0.75, 0.17)}


def prior(structure, n, seed):
    """Draw magnitude, redshift, log mass and size from what `draw_mass` assumes."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(*masses.REDSHIFTS, 400)
    volume = Planck18.differential_comoving_volume(grid).value
    coarse = np.linspace(*masses.REDSHIFTS, 120)
    # The magnitude of 10**10.5 solar masses is our choice: it is taken as it is.
    pivot = masses.pivot_magnitude(structure, 1537.0)
    pivot = np.interp(grid, coarse, pivot)
    radius, slope, evolution, dex = RELATIONS[structure]
    rows = []
    for mag in rng.uniform(20, 24, n):
        log_mass = 10.5 + 0.4 * (pivot - mag + rng.normal(0, masses.SCATTER))
        x = 10 ** (log_mass - 10.9)
        weight = volume * x**-0.2 * np.exp(-x) * (1 + grid) ** -1.5
        z = rng.choice(grid, p=weight / weight.sum())
        m = np.interp(z, grid, log_mass)
        mean = np.log10(radius) + slope * (m - np.log10(5e10))
        size = mean + evolution * np.log10(1 + z) + rng.normal(0, dex)
        arcsec = 10**size * Planck18.arcsec_per_kpc_proper(z).value
        rows.append((mag, z, m, arcsec))
    return np.array(rows)


def drawn(structure, n=1500):
    """Draw redshift and mass again, from magnitude and size alone."""
    true = prior(structure, n, 3)
    rng = np.random.default_rng(4)
    found = [masses.draw_mass(rng, mag, size, structure) for mag, _, _, size in true]
    z, mass = np.array(found).T
    return true, z, np.log10(mass)


def test_relation_by_hand():
    # 5e10 solar masses at z = 0 are the pivot; tenfold the mass, 10**0.75 the size.
    assert masses.half_light_radius_kpc(5e10, 0.0, "smooth") == pytest.approx(5.6)
    early = masses.half_light_radius_kpc(5e11, 0.0, "smooth")
    assert early == pytest.approx(5.6 * 10**0.75)
    late = masses.half_light_radius_kpc(np.array([5e10, 5e9]), 1.0, "clumpy")
    np.testing.assert_allclose(late, 8.9 * 2**-0.75 * np.array([1, 10**-0.22]))


@pytest.mark.parametrize("structure", ["smooth", "spiral"])
def test_draws_follow_the_prior_and_the_size_relation(structure):
    # Parameters drawn given data that were drawn given parameters follow the prior.
    true, z, log_mass = drawn(structure)
    assert stats.ks_2samp(z, true[:, 1]).pvalue > 1e-3
    assert stats.ks_2samp(log_mass, true[:, 2]).pvalue > 1e-3
    low, high = masses.REDSHIFTS
    assert low <= z.min() < z.max() <= high
    kpc = true[:, 3] / Planck18.arcsec_per_kpc_proper(z).value
    columns = [np.ones(len(z)), log_mass - np.log10(5e10), np.log10(1 + z)]
    fit = np.linalg.lstsq(np.stack(columns, 1), np.log10(kpc), rcond=None)[0]
    radius, slope, evolution, dex = RELATIONS[structure]
    # Ten standard errors or so; half a relation's difference to the other's.
    assert fit[0] == pytest.approx(np.log10(radius), abs=0.05)
    assert fit[1] == pytest.approx(slope, abs=0.06)
    assert fit[2] == pytest.approx(evolution, abs=0.2)
    left = np.log10(kpc) - np.stack(columns, 1) @ fit
    assert left.std() == pytest.approx(dex, rel=0.1)


@pytest.mark.parametrize("structure", population.KINDS)
def test_larger_galaxies_are_more_massive_at_one_redshift(structure):
    rng = np.random.default_rng(2)
    mags = rng.uniform(20, 24, 1500)
    sizes = 0.4 * 10 ** (-0.09 * (mags - 22) + rng.normal(0, 0.17, len(mags)))
    found = [
        masses.draw_mass(rng, mag, size, structure)
        for mag, size in zip(mags, sizes, strict=True)
    ]
    z, mass = np.array(found).T
    near = np.abs(z - 1.2) < 0.2
    order = stats.spearmanr(sizes[near], mass[near])
    assert order.statistic > 0.2
    assert order.pvalue < 1e-4


def test_brighter_galaxies_are_more_massive_by_their_flux():
    # With one set of random numbers, at one redshift, 2.5 mag are a factor of ten.
    z = np.linspace(*masses.REDSHIFTS, 120)
    for mag in (21.0, 23.5):
        rng = np.random.default_rng(1)
        redshift, mass = masses.draw_mass(rng, mag, 0.4, "spiral")
        scatter = np.random.default_rng(1).normal(0, masses.SCATTER)
        pivot = np.interp(redshift, z, masses.pivot_magnitude("spiral", 1537.0))
        expected = 10.5 + 0.4 * (pivot - mag + scatter)
        assert np.log10(mass) == pytest.approx(expected, abs=1e-6)


def test_distances_are_the_cosmologys():
    # Between two redshifts the magnitude of a mass differs by the distance modulus,
    # 0.25 mag per unit of redshift of evolution, and nothing else in F160W.
    z = np.linspace(*masses.REDSHIFTS, 120)
    pivot = masses.pivot_magnitude("smooth", 1537.0)
    expected = Planck18.distmod(2.0).value - Planck18.distmod(0.5).value - 0.25 * 1.5
    found = np.interp(2.0, z, pivot) - np.interp(0.5, z, pivot)
    assert found == pytest.approx(expected, abs=2e-3)


def test_extreme_images_still_have_a_redshift():
    for mag, size in ((10.0, 0.08), (30.0, 0.08), (30.0, 3.0), (10.0, 3.0)):
        redshift, mass = masses.draw_mass(np.random.default_rng(1), mag, size, "smooth")
        assert masses.REDSHIFTS[0] <= redshift <= masses.REDSHIFTS[1]
        assert 0 < mass < np.inf


def test_same_random_numbers_same_draw():
    draws = [
        masses.draw_mass(np.random.default_rng(7), 22.0, 0.4, "clumpy")
        for _ in range(2)
    ]
    assert draws[0] == draws[1]


def test_isolation_is_a_logistic_function_of_log_mass():
    # p = 1 / (1 + exp((lg M - 10.8) / 0.12)): ln(p / (1 - p)) is linear.
    for log_mass in (9.5, 10.68, 10.8, 11.3):
        p = masses.isolated_probability(10**log_mass)
        assert np.log(p / (1 - p)) == pytest.approx((10.8 - log_mass) / 0.12, rel=1e-6)


def test_mergers_are_the_complement_in_sense():
    grid = 10 ** np.linspace(8, 12.5, 50)
    isolated = np.array([masses.isolated_probability(m) for m in grid])
    merging = np.array([masses.merging_probability(m) for m in grid])
    assert (np.diff(isolated) < 0).all()
    assert (np.diff(merging) >= 0).all()
    assert (0 < merging).all()
    assert (merging <= 1).all()
