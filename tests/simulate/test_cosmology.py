import re

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import integrate

from astroanomaly.simulate.lenses import cosmology

# By hand: SI-like units of astronomers.
LIGHT = 299792.458  # km/s
GRAVITY = 4.300917e-9  # Mpc (km/s)^2 / solMass
ARCSEC = np.pi / 180 / 3600
UNIVERSE = FlatLambdaCDM(H0=70, Om0=0.3)


def angular(z_lens, z_source):
    """Angular-diameter distances by astropy, the third by quadrature, Mpc."""
    first = UNIVERSE.angular_diameter_distance([z_lens, z_source]).to_value(u.Mpc)
    lag, _ = integrate.quad(
        lambda z: LIGHT / 70 / np.sqrt(0.3 * (1 + z) ** 3 + 0.7), z_lens, z_source
    )
    return float(first[0]), float(first[1]), lag / (1 + z_source)


@pytest.mark.parametrize("pair", [(0.5, 1.0), (0.2, 3.0), (0.4, 0.8), (1.5, 1.6)])
def test_distances_are_astropys(pair):
    assert cosmology.distances(*pair) == pytest.approx(angular(*pair), rel=1e-10)


def test_critical_mass_by_hand():
    lens, source, lag = angular(0.5, 1.0)
    per_mpc = LIGHT**2 / (4 * np.pi * GRAVITY) * source / (lens * lag)
    found = cosmology.critical_mass(0.5, 1.0)
    assert found == pytest.approx(per_mpc * (lens * ARCSEC) ** 2, rel=1e-4)


def test_einstein_radius_by_hand():
    lens, source, lag = angular(0.5, 1.0)
    squared = 4 * GRAVITY * 1e12 / LIGHT**2 * lag / (lens * source)
    found = cosmology.einstein_radius(1e12, 0.5, 1.0)
    assert found == pytest.approx(np.sqrt(squared) / ARCSEC, rel=1e-4)
    assert found == pytest.approx(1.664, abs=1e-3)
    assert cosmology.einstein_mass(found, 0.5, 1.0) == pytest.approx(1e12)


def test_luminosity_distances_would_give_another_radius():
    # The fault of the public lenstronomy recipe: a ring of 1.28".
    far = UNIVERSE.luminosity_distance([0.5, 1.0]).to_value(u.Mpc)
    squared = 4 * GRAVITY * 1e12 / LIGHT**2 * (far[1] - far[0]) / (far[0] * far[1])
    wrong = np.sqrt(squared) / ARCSEC
    assert wrong == pytest.approx(1.28, abs=0.01)
    assert cosmology.einstein_radius(1e12, 0.5, 1.0) > 1.25 * wrong


def test_lenstronomys_numbers():
    pytest.importorskip("lenstronomy")
    from lenstronomy.Cosmo.lens_cosmo import LensCosmo

    other = LensCosmo(0.3, 2.0, cosmo=UNIVERSE)
    found = cosmology.critical_mass(0.3, 2.0)
    # Its constants are rounded.
    assert found == pytest.approx(other.sigma_crit_angle, rel=5e-4)
    sigma = cosmology.velocity_dispersion(1.1, 0.3, 2.0)
    assert other.sis_sigma_v2theta_E(sigma) == pytest.approx(1.1, rel=5e-4)


def test_velocity_dispersion_by_hand():
    _, source, lag = angular(0.5, 1.0)
    theta_E = 4 * np.pi * (300.0 / LIGHT) ** 2 * lag / source / ARCSEC
    found = cosmology.velocity_dispersion(theta_E, 0.5, 1.0)
    assert found == pytest.approx(300.0, rel=1e-9)


def test_de_broglie_wavelength_is_that_of_hui_2017():
    # arXiv:1610.08297, equation 1: lambda / 2 pi = 1.92 kpc.
    found = cosmology.de_broglie_wavelength(1e-22, 10.0)
    assert found / (2 * np.pi) == pytest.approx(1.92, abs=0.005)
    assert cosmology.de_broglie_wavelength(2e-22, 30.0) == pytest.approx(found / 6)


def test_angle_of_a_length():
    kpc = UNIVERSE.kpc_proper_per_arcmin(0.5).to_value(u.kpc / u.arcmin) / 60
    assert cosmology.arcsec_of(2 * kpc, 0.5) == pytest.approx(2.0)


def test_scale_radius_by_hand():
    # At the pivot of Duffy et al. 2008 the concentration is 5.71 (1 + z)^-0.47.
    hubble = 70.0 * np.sqrt(0.3 * 1.5**3 + 0.7)  # km/s/Mpc
    density = 3 * hubble**2 / (8 * np.pi * GRAVITY) / 1e9  # solMass / kpc^3
    mass = 2e12 / 0.7
    r200 = (mass / (4 / 3 * np.pi * 200 * density)) ** (1 / 3)
    concentration = 5.71 * 1.5**-0.47
    found = cosmology.scale_radius(mass, 0.5)
    assert found == pytest.approx(r200 / concentration, rel=1e-3)
    # r_s goes as M^(1/3 + 0.084).
    both = cosmology.scale_radius(np.array([1e7, 1e9]), 0.5)
    assert both[1] / both[0] == pytest.approx(100 ** (1 / 3 + 0.084))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((0.5, 0.5), "`z_source` must be above `z_lens`, since only what is behind a"),
        ((0.5, 0.4), "is lensed. Received: z_source=0.4 and z_lens=0.5."),
        ((0.5, np.inf), "Received: z_source=inf and z_lens=0.5."),
        ((0.5, np.nan), "Received: z_source=nan and z_lens=0.5."),
        ((0.0, 1.0), "`z_lens` must be above 0. Received: z_lens=0.0."),
        ((np.nan, 1.0), "`z_lens` must be above 0. Received: z_lens=nan."),
    ],
)
def test_what_no_lens_has(pair, message):
    for function in (cosmology.distances, cosmology.critical_mass):
        with pytest.raises(ValueError, match=re.escape(message)):
            function(*pair)


@pytest.mark.parametrize(
    ("axion_mass", "velocity", "message"),
    [
        (0.0, 10.0, "`axion_mass` must be above 0. Received: axion_mass=0.0."),
        (-1e-22, 10.0, "`axion_mass` must be above 0. Received: axion_mass=-1e-22."),
        (1e-22, 0.0, "`velocity` must be above 0. Received: velocity=0.0."),
        (1e-22, np.nan, "`velocity` must be above 0. Received: velocity=nan."),
    ],
)
def test_what_no_axion_has(axion_mass, velocity, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cosmology.de_broglie_wavelength(axion_mass, velocity)
