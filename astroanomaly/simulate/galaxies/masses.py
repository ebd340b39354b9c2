"""Redshift and stellar mass of a galaxy, given what its image shows."""

from functools import lru_cache

import numpy as np

# [O] Where F160W sees the rest-frame optical, as CANDELS' samples do.
REDSHIFTS = (0.1, 3.0)
SCATTER = 0.25  # mag, [O] of the order of CANDELS'
# Steps of 0.024 in z: far finer than the scatter of magnitudes and sizes.
_N_GRID = 120
# Solar masses, to which van der Wel et al. 2014 refer their radii.
_PIVOT_MASS = 5e10
# Radius of a galaxy of 5e10 solar masses at z = 0, kpc; its slopes with mass and
# with 1 + z; scatter in dex: van der Wel et al. 2014, ApJ 788, 28.
_SIZES = {
    "early": (5.6, 0.75, -1.48, 0.13),
    "late": (8.9, 0.22, -0.75, 0.17),
}
# F160W magnitude of 10**10.5 solar masses at z = 1, and F814W - F160W with z.
_MAGNITUDE = {"early": 21.5, "late": 21.2}
# Constant and slope with z, mag. [O] Old stars redden faster with redshift.
_COLOR = {"early": (0.8, 1.3), "late": (0.6, 0.7)}
# [O] Schechter's knee (dex of solar masses) and slope: near those of CANDELS.
_KNEE, _FAINT_SLOPE = 10.9, -1.2


def _kind(structure):
    """Return the sequence that a structure belongs to."""
    return "early" if structure == "smooth" else "late"


@lru_cache(maxsize=1)
def _cosmology():
    """Tabulate redshift, distance modulus, kpc per arcsec and volume per dz."""
    from astropy.cosmology import Planck18

    z = np.linspace(*REDSHIFTS, _N_GRID)
    modulus = Planck18.distmod(z).value
    kpc = 1 / Planck18.arcsec_per_kpc_proper(z).value
    volume = Planck18.differential_comoving_volume(z).value
    unit = float(Planck18.distmod(1.0).value)
    return z, modulus - unit, kpc, volume


def pivot_magnitude(structure: str, wavelength: float) -> np.ndarray:
    """Return the magnitude of 10**10.5 solar masses on the grid of redshifts."""
    z, modulus, _, _ = _cosmology()
    kind = _kind(structure)
    constant, slope = _COLOR[kind]
    # Colors are between 1537 nm (F160W) and 806 nm (F814W): log-linear in between.
    reddening = np.log(1537.0 / wavelength) / np.log(1537.0 / 806.0)
    # Younger stars make galaxies of one mass brighter at higher redshift.
    pivot = _MAGNITUDE[kind] + modulus - 0.25 * (z - 1)
    return pivot + reddening * (constant + slope * z)


def half_light_radius_kpc(
    stellar_mass: float | np.ndarray, redshift: float | np.ndarray, structure: str
) -> float | np.ndarray:
    """Return the mean half-light radius of galaxies of a mass.

    van der Wel et al. 2014 (ApJ 788, 28): ``R = A (M / 5e10)^a (1 + z)^b`` with A 5.6
    kpc, a 0.75, b -1.48 for early types and 8.9 kpc, 0.22, -0.75 for late.

    `stellar_mass`: solar masses. Returns: semi-major axis that holds half the light,
    kpc.

    >>> from astroanomaly.simulate.galaxies.masses import half_light_radius_kpc
    >>> round(float(half_light_radius_kpc(5e10, 0.0, "spiral")), 2)
    8.9
    """
    radius, slope, evolution, _ = _SIZES[_kind(structure)]
    mass = np.asarray(stellar_mass, dtype=float) / _PIVOT_MASS
    return radius * mass**slope * (1 + np.asarray(redshift, float)) ** evolution


def draw_mass(
    rng: np.random.Generator,
    mag: float,
    half_light_radius: float,
    structure: str,
    wavelength: float = 1537.0,
) -> tuple[float, float]:
    """Draw redshift and stellar mass of a galaxy whose image is given.

    By Bayes' rule on a grid of redshifts: the volume at z, times a Schechter function
    (knee 10**10.9, slope -1.2, fading as (1 + z)**-1.5) at the mass that the magnitude
    means there, times the probability of the size given mass and z. So magnitude, size,
    redshift and mass have a joint distribution in which larger galaxies are more
    massive at one redshift. [O] our choice: the magnitude of a mass, its colors with z
    and 0.25 mag of scatter, of the order of CANDELS'.

    `half_light_radius`: semi-major axis, arcsec; `wavelength`: of the band, nm.
    `redshift`: within 0.1 and 3. `stellar_mass`: solar masses.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies.masses import draw_mass
    >>> redshift, mass = draw_mass(np.random.default_rng(1), 22.0, 0.5, "spiral")
    >>> 0.1 <= redshift <= 3.0
    True
    """
    z, _, kpc, volume = _cosmology()
    scatter = rng.normal(0, SCATTER)
    pivot = pivot_magnitude(structure, wavelength)
    log_mass = 10.5 + 0.4 * (pivot - mag + scatter)
    # Schechter 1976 (ApJ 203, 297) per dex of mass, hence the slope plus one.
    x = 10 ** (log_mass - _KNEE)
    schechter = x ** (_FAINT_SLOPE + 1) * np.exp(-x) * (1 + z) ** -1.5
    mean = half_light_radius_kpc(10**log_mass, z, structure)
    offset = np.log10(half_light_radius * kpc / mean) / _SIZES[_kind(structure)][3]
    # Far tails would leave every redshift impossible: a floor keeps them finite.
    log_weight = np.log(volume * schechter + 1e-300) - 0.5 * offset**2
    weight = np.exp(log_weight - log_weight.max())
    cumulative = np.cumsum(weight) / weight.sum()
    redshift = float(np.interp(rng.uniform(), cumulative, z))
    return redshift, float(10 ** np.interp(redshift, z, log_mass))


def isolated_probability(stellar_mass: float) -> float:
    """Return the probability that a galaxy passes restrictive isolation cuts.

    No merger in a long window of time rules out the most massive galaxies
    (Margalef-Bentabol et al. 2020, figure 5). [O] our choice: a logistic function of
    log mass that falls through one half at 10**10.8 with a width of 0.12 dex.

    `stellar_mass`: solar masses. Returns: between 0 and 1.

    >>> from astroanomaly.simulate.galaxies.masses import isolated_probability
    >>> round(isolated_probability(10**10.8), 6)
    0.5
    """
    return float(1 / (1 + np.exp((np.log10(stellar_mass) - 10.8) / 0.12)))


def merging_probability(stellar_mass: float) -> float:
    """Return the relative probability that a galaxy is taken as a merger's primary.

    Massive galaxies merge more often, and the mergers of a simulation reach masses that
    its isolated galaxies lack. [O] our choice: ``1 - 0.6 p``, p of
    `isolated_probability`.

    `stellar_mass`: solar masses. Returns: between 0.4 and 1.

    >>> from astroanomaly.simulate.galaxies.masses import merging_probability
    >>> round(merging_probability(10**10.8), 6)
    0.7
    """
    return 1 - 0.6 * isolated_probability(stellar_mass)
