"""Distances and masses of a gravitational lens, in one stated cosmology.

Every distance is an angular-diameter distance: that is what the lens equation
holds. ``D_ls`` is the distance from the lens to the source.
"""

from functools import lru_cache

import astropy.units as u
import numpy as np
from astropy import constants
from astropy.cosmology import FlatLambdaCDM

# Not lenstronomy's LensCosmo: its distances agree to the last digit, but its rounded
# constants make the critical density, and with it every mass, differ by 3e-4.
COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)
# c^2 / (4 pi G), solar masses per Mpc.
_MASS_PER_LENGTH = float(
    (constants.c**2 / (4 * np.pi * constants.G)).to_value(u.solMass / u.Mpc)
)
# Radian.
_ARCSEC = float(u.arcsec.to(u.rad))
# Speed of light, km/s.
_LIGHT = float(constants.c.to_value(u.km / u.s))
# h c / e: wavelength times energy, in kpc times eV.
_PLANCK_LIGHT = float((constants.h * constants.c).to_value(u.kpc * u.eV))


@lru_cache(maxsize=4096)
def distances(z_lens: float, z_source: float) -> tuple[float, float, float]:
    """Return the three angular-diameter distances of a lens.

    `z_lens`, `z_source`: redshifts, 0 < z_lens < z_source. Returns: to the lens, to the
    source, and from lens to source, Mpc.

    >>> [round(d) for d in distances(0.5, 1.0)]
    [1259, 1652, 708]
    """
    if not 0 < z_lens < np.inf:
        raise ValueError(f"`z_lens` must be above 0. Received: z_lens={z_lens}.")
    if not z_lens < z_source < np.inf:
        raise ValueError(
            "`z_source` must be above `z_lens`, since only what is behind a lens is "
            f"lensed. Received: z_source={z_source} and z_lens={z_lens}."
        )
    lens, source = COSMOLOGY.comoving_distance([z_lens, z_source]).to_value(u.Mpc)
    # In a flat universe comoving distances subtract.
    between = (source - lens) / (1 + z_source)
    return float(lens / (1 + z_lens)), float(source / (1 + z_source)), float(between)


def critical_mass(z_lens: float, z_source: float) -> float:
    """Return the critical surface density.

    Returns: ``c^2 D_s / (4 pi G D_l D_ls)``, solar masses per square arcsec.
    """
    lens, source, between = distances(z_lens, z_source)
    # Solar masses per squared Mpc of the lens's plane.
    per_area = _MASS_PER_LENGTH * source / (lens * between)
    return per_area * (lens * _ARCSEC) ** 2


def einstein_mass(theta_E: float, z_lens: float, z_source: float) -> float:
    """Return the mass inside the Einstein radius.

    `theta_E`: Einstein radius, arcsec. Returns: ``pi theta_E^2`` times the critical
    surface density, solar masses.

    >>> f"{einstein_mass(1.2, 0.5, 1.0):.2e}"
    '5.20e+11'
    """
    return np.pi * theta_E**2 * critical_mass(z_lens, z_source)


def einstein_radius(mass: float, z_lens: float, z_source: float) -> float:
    """Return the Einstein radius of a mass; the reverse of `einstein_mass`.

    `mass`: mass inside the Einstein radius, solar masses. Returns: Einstein radius,
    arcsec.

    >>> round(einstein_radius(1e12, 0.5, 1.0), 2)
    1.66
    """
    return float(np.sqrt(mass / (np.pi * critical_mass(z_lens, z_source))))


def velocity_dispersion(theta_E: float, z_lens: float, z_source: float) -> float:
    """Return the velocity dispersion of an isothermal lens.

    `theta_E`: Einstein radius, arcsec. Returns: ``sigma`` of ``theta_E = 4 pi
    (sigma/c)^2 D_ls / D_s``, km/s.

    >>> round(velocity_dispersion(1.2, 0.5, 1.0))
    312
    """
    _, source, between = distances(z_lens, z_source)
    return float(_LIGHT * np.sqrt(theta_E * _ARCSEC * source / (4 * np.pi * between)))


def de_broglie_wavelength(axion_mass: float, velocity: float) -> float:
    """Return the de Broglie wavelength of an axion.

    `axion_mass`: rest energy, eV; `velocity`: velocity, km/s. Returns: ``h / (m v)``,
    kpc.

    >>> round(de_broglie_wavelength(1e-22, 300.0), 2)
    0.4
    """
    for name, value in (("axion_mass", axion_mass), ("velocity", velocity)):
        if not 0 < value < np.inf:
            raise ValueError(f"`{name}` must be above 0. Received: {name}={value}.")
    return _PLANCK_LIGHT / axion_mass * _LIGHT / velocity


def arcsec_of(length: float, z_lens: float) -> float:
    """Return the angle of a length at a redshift.

    `length`: length, kpc; `z_lens`: redshift, above 0. Returns: angle, arcsec.
    """
    distance = COSMOLOGY.angular_diameter_distance(z_lens).to_value(u.kpc)
    return float(length / distance / _ARCSEC)


def scale_radius(mass: float | np.ndarray, z_lens: float) -> np.ndarray:
    """Return the NFW scale radius of haloes of the mean concentration.

    `mass`: M200, solar masses. Returns: ``r200 / c``, kpc, with ``c = 5.71 (M / (2e12 /
    h))^-0.084 (1+z)^-0.47`` (Duffy et al. 2008, MNRAS 390, L64, table 1, full sample,
    M200).

    >>> float(scale_radius(1e8, 0.5).round(2))
    0.72
    """
    mass = np.asarray(mass, dtype=float)
    pivot = 2e12 / COSMOLOGY.h
    concentration = 5.71 * (mass / pivot) ** -0.084 * (1 + z_lens) ** -0.47
    density = COSMOLOGY.critical_density(z_lens).to_value(u.solMass / u.kpc**3)
    r200 = (3 * mass / (800 * np.pi * density)) ** (1 / 3)
    return r200 / concentration
