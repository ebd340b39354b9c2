import re

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.substructure import (
    Clumps,
    Subhalos,
    Vortex,
    truncated_mass,
)

LENS = (5e11, 0.5, 312.0)  # mass inside the ring, redshift, velocity dispersion
PAIR = (0.5, 1.0)
UNIT = np.pi * cosmology.critical_mass(*PAIR)


def drawn(model, n, seed=1, lens=LENS):
    """Give the clumps of n lenses."""
    rng = np.random.default_rng(seed)
    return [model.draw(rng, *lens) for _ in range(n)]


def one(theta_E, x=0.0, y=0.0, **options):
    """Give one clump with an Einstein radius."""
    place = np.array([x]), np.array([y])
    return Clumps(np.array([UNIT * theta_E**2]), *place, **options)


# --- the mass function --------------------------------------------------------


@pytest.mark.parametrize("slope", [-1.9, -2.0, -1.5])
def test_slope_by_maximum_likelihood(slope):
    model = Subhalos(slope=slope, masses=(1e6, 1e10), mass_fraction=0.05)
    logs = np.log(np.concatenate([c.mass for c in drawn(model, 30)]))
    low, high = np.log(1e6), np.log(1e10)

    def loss(s):
        # An exponential law of ln m with the rate s + 1.
        rate = s + 1
        norm = np.log((np.exp(rate * high) - np.exp(rate * low)) / rate)
        return norm - rate * logs.mean()

    found = optimize.minimize_scalar(loss, (-1.3, -2.4), method="brent").x
    # Fisher information of an exponential family: the variance of ln m.
    error = 1 / (logs.std() * np.sqrt(len(logs)))
    assert error < 0.02
    assert abs(found - slope) < 4 * error


@pytest.mark.parametrize("slope", [-1.9, -2.0, -3.0])
def test_masses_follow_the_law(slope):
    model = Subhalos(slope=slope, masses=(1e7, 1e9), mass_fraction=0.05)
    mass = np.concatenate([c.mass for c in drawn(model, 40, seed=2)])
    power = slope + 1

    def below(m):
        return (m**power - 1e7**power) / (1e9**power - 1e7**power)

    assert stats.kstest(mass, below).pvalue > 1e-3
    assert stats.kstest(mass, lambda m: below(m) ** 1.1).pvalue < 1e-3


@pytest.mark.parametrize("slope", [-1.9, -2.0, -2.3])
def test_mean_mass_by_quadrature(slope):
    def moment(k):
        return integrate.quad(
            lambda log: np.exp((slope + 1 + k) * log), np.log(1e6), np.log(1e10)
        )[0]

    expected = moment(1) / moment(0)
    assert Subhalos(slope=slope).mean_mass == pytest.approx(expected, rel=1e-8)


def test_number_is_poissons_and_the_mean_total_what_was_asked():
    model = Subhalos(mass_fraction=0.01, masses=(1e7, 1e9), slope=-1.9)
    clumps = drawn(model, 3000, seed=3)
    number = np.array([len(c.mass) for c in clumps])
    total = np.array([c.mass.sum() for c in clumps])
    mean = 0.01 * 5e11 / model.mean_mass
    assert number.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 3000))
    # The variance of a Poisson law is its mean; its own error is sqrt(2 / n).
    assert number.var() / mean == pytest.approx(1.0, abs=4 * np.sqrt(2 / 3000))
    error = total.std() / np.sqrt(3000)
    assert abs(total.mean() - 5e9) < 4 * error
    assert error < 0.02 * 5e9


def test_total_does_not_depend_on_the_lower_limit_of_a_shallow_law():
    low, high = (
        np.mean([c.mass.sum() for c in drawn(Subhalos(masses=(m, 1e10)), 400)])
        for m in (1e7, 1e9)
    )
    assert low == pytest.approx(high, rel=0.15)


def test_a_fixed_number_is_scaled_to_the_total():
    model = Subhalos(number=25, mass_fraction=0.02, masses=(1e7, 1e9))
    clumps = drawn(model, 200, seed=4)
    assert {len(c.mass) for c in clumps} == {25}
    np.testing.assert_allclose([c.mass.sum() for c in clumps], 1e10)
    # Scaled, the masses of one lens are still spread over the law's two decades.
    ratio = [c.mass.max() / c.mass.min() for c in clumps]
    assert 10 < np.median(ratio) < 100


def test_equal_masses():
    (clumps,) = drawn(Subhalos(number=20, equal_masses=True, mass_fraction=0.01), 1)
    np.testing.assert_allclose(clumps.mass, 5e9 / 20)


def test_places_are_uniform_in_area():
    clumps = drawn(Subhalos(number=50, equal_masses=True, radius=1.4), 60, seed=5)
    x, y = (np.concatenate([getattr(c, k) for c in clumps]) for k in "xy")
    share = (x**2 + y**2) / 1.4**2
    assert share.max() <= 1
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    angle = np.arctan2(y, x) / (2 * np.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 1e-3


def test_no_mass_is_no_subhalo():
    (clumps,) = drawn(Subhalos(mass_fraction=0), 1)
    assert len(clumps.mass) == 0
    (clumps,) = drawn(Subhalos(mass_fraction=0, number=3), 1)
    np.testing.assert_array_equal(clumps.mass, [0, 0, 0])


# --- the vortex ---------------------------------------------------------------


def test_vortex_is_a_straight_line_of_equal_masses():
    model = Vortex(length=0.8, number=25, angle=30.0, scatter=0.0, mass_fraction=0.03)
    (clumps,) = drawn(model, 1)
    np.testing.assert_allclose(clumps.mass, 0.03 * 5e11 / 25)
    ends = np.array([clumps.x[[0, -1]], clumps.y[[0, -1]]])
    step = ends[:, 1] - ends[:, 0]
    assert np.hypot(*step) == pytest.approx(0.8)
    assert np.degrees(np.arctan2(step[1], step[0])) == pytest.approx(30.0)
    np.testing.assert_allclose(np.diff(clumps.x), step[0] / 24)
    np.testing.assert_allclose(np.diff(clumps.y), step[1] / 24)
    assert (clumps.x.mean(), clumps.y.mean()) == pytest.approx((0, 0), abs=1e-12)


def test_a_vortex_of_one_point_lies_in_its_middle():
    (clumps,) = drawn(Vortex(number=1, scatter=0.0), 1)
    assert (clumps.x.tolist(), clumps.y.tolist()) == ([0.0], [0.0])


def test_vortex_lies_at_random_angles_about_scattered_middles():
    clumps = drawn(Vortex(scatter=0.4, number=2), 600, seed=6)
    x, y = (np.array([getattr(c, k) for c in clumps]) for k in "xy")
    for middle in (x.mean(axis=1), y.mean(axis=1)):
        assert stats.kstest(middle, stats.norm(0, 0.4).cdf).pvalue > 1e-3
    angle = np.arctan2(np.diff(y)[:, 0], np.diff(x)[:, 0]) % np.pi
    assert stats.kstest(angle / np.pi, "uniform").pvalue > 1e-3


def test_length_is_two_de_broglie_wavelengths():
    # Hui et al. 2017: 2 pi 1.92 kpc (10 km/s / v) at 1e-22 eV; 6.104 kpc per arcsec.
    (clumps,) = drawn(Vortex(axion_mass=1e-23, scatter=0.0), 1)
    length = np.hypot(clumps.x[-1] - clumps.x[0], clumps.y[-1] - clumps.y[0])
    expected = 2 * (2 * np.pi * 1.92 * 10 * 10 / 312) / 6.104
    assert length == pytest.approx(expected, rel=3e-3)


def test_axion_masses_are_log_uniform():
    model = Vortex(axion_mass=(1e-24, 1e-22), number=2)
    clumps = drawn(model, 500, seed=7)
    length = [np.hypot(c.x[1] - c.x[0], c.y[1] - c.y[0]) for c in clumps]
    ends = [
        2 * cosmology.arcsec_of(cosmology.de_broglie_wavelength(m, 312.0), 0.5)
        for m in (1e-22, 1e-24)
    ]
    share = np.log(np.array(length) / ends[0]) / np.log(ends[1] / ends[0])
    assert stats.kstest(share, "uniform").pvalue > 1e-3


def test_a_mass_takes_the_place_of_a_fraction_and_back():
    model = Vortex(mass=3e10, axion_mass=1e-23)
    assert drawn(model, 1)[0].mass.sum() == pytest.approx(3e10)
    other = model.replace(mass_fraction=0.02)
    assert drawn(other, 1)[0].mass.sum() == pytest.approx(1e10)
    (clumps,) = drawn(model.replace(length=0.6), 1)
    length = np.hypot(clumps.x[-1] - clumps.x[0], clumps.y[-1] - clumps.y[0])
    assert length == pytest.approx(0.6)
    assert model.replace(mass=1e9, mass_fraction=0.5).mass == 1e9


# --- deflection ---------------------------------------------------------------


def test_deflection_of_a_point_mass():
    x, y = np.array([1.0, 0.3, -2.0]), np.array([0.5, 0.3, 0.1])
    found = one(0.2, 0.3, -0.1).deflection(x, y, *PAIR)
    dx, dy = x - 0.3, y + 0.1
    r = np.hypot(dx, dy)
    np.testing.assert_allclose(found[0], 0.2**2 / r * dx / r, rtol=1e-12)
    np.testing.assert_allclose(found[1], 0.2**2 / r * dy / r, rtol=1e-12)


def test_point_masses_add_as_lenstronomys():
    pytest.importorskip("lenstronomy")
    from lenstronomy.LensModel.Profiles.point_mass import PointMass

    rng = np.random.default_rng(8)
    clumps = Clumps(rng.uniform(1e6, 1e10, 40), *rng.uniform(-1, 1, (2, 40)))
    # More rays than one block holds, whose last is not full.
    axis = np.linspace(-3, 3, 211)
    x, y = np.meshgrid(axis, axis)
    found = clumps.deflection(x, y, *PAIR)
    expected = np.zeros((2, 211, 211))
    for mass, at_x, at_y in zip(clumps.mass, clumps.x, clumps.y, strict=True):
        radius = np.sqrt(mass / UNIT)
        expected += PointMass().derivatives(x, y, radius, at_x, at_y)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("profile", ["point", "tnfw"])
def test_rays_may_come_as_open_grids_lists_or_one_by_one(profile):
    pytest.importorskip("lenstronomy")
    (clumps,) = drawn(Subhalos(number=4, profile=profile), 1)
    axis = np.linspace(-2, 2, 190)
    x, y = np.meshgrid(axis, axis)
    whole = clumps.deflection(x, y, *PAIR)
    thin = clumps.deflection(*np.meshgrid(axis, axis, sparse=True), *PAIR)
    np.testing.assert_array_equal(whole, thin)
    flat = clumps.deflection(x.ravel(), y.ravel(), *PAIR)
    np.testing.assert_array_equal(np.ravel(whole[1]), flat[1])
    single = clumps.deflection(x[3, 4], y[3, 4], *PAIR)
    assert np.shape(single[0]) == ()
    assert single[0] == pytest.approx(whole[0][3, 4])


def test_a_ray_through_a_point_mass_goes_straight():
    found = one(0.2, 0.5, 0.5).deflection(np.array([0.5]), np.array([0.5]), *PAIR)
    np.testing.assert_array_equal(found, 0)


def test_truncated_nfw_deflects_as_its_total_mass_from_afar():
    pytest.importorskip("lenstronomy")
    halo = one(0.1, profile="tnfw", truncation=3.0)
    scale = cosmology.scale_radius(halo.mass[0], 0.5) * cosmology.arcsec_of(1, 0.5)
    for far, off in ((30.0, 0.1), (300.0, 0.01)):
        found, _ = halo.deflection(np.array([far * scale]), np.zeros(1), *PAIR)
        assert found[0] == pytest.approx(0.1**2 / (far * scale), rel=off)


@pytest.mark.parametrize("factor", [0.3, 1.7, 6.0])
def test_deflection_of_a_truncated_nfw_by_quadrature(factor):
    pytest.importorskip("lenstronomy")
    tau = 5.0
    halo = one(0.1, profile="tnfw", truncation=tau)
    scale = cosmology.scale_radius(halo.mass[0], 0.5) * cosmology.arcsec_of(1, 0.5)

    def shell(r):
        return r / (1 + r) ** 2 * tau**2 / (tau**2 + r**2)

    def seen(r):
        """Share of a shell's mass that lies inside the cylinder."""
        return 1.0 if r <= factor else 1 - np.sqrt(1 - (factor / r) ** 2)

    whole = integrate.quad(shell, 0, np.inf)[0]
    inner = integrate.quad(shell, 0, factor)[0]
    outer = integrate.quad(lambda r: shell(r) * seen(r), factor, np.inf)[0]
    found, _ = halo.deflection(np.array([factor * scale]), np.zeros(1), *PAIR)
    expected = 0.1**2 / (factor * scale) * (inner + outer) / whole
    assert found[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("tau", [0.5, 1.0, 5.0, 40.0])
def test_mass_of_a_truncated_nfw_by_quadrature(tau):
    expected, _ = integrate.quad(
        lambda r: r / (1 + r) ** 2 * tau**2 / (tau**2 + r**2), 0, np.inf
    )
    assert truncated_mass(tau) == pytest.approx(expected, rel=1e-6)


def test_truncated_haloes_without_mass_do_nothing():
    pytest.importorskip("lenstronomy")
    halo = Clumps(np.zeros(2), np.zeros(2), np.zeros(2), profile="tnfw")
    found = halo.deflection(np.linspace(-1, 1, 5), np.zeros(5), *PAIR)
    np.testing.assert_array_equal(found, 0)


# --- what is refused ----------------------------------------------------------


@pytest.mark.parametrize("sector", [Subhalos, Vortex])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mass_fraction": -0.1}, "`mass_fraction` must be at least 0 and less than 1"),
        ({"mass_fraction": 1.0}, "less than 1. Received: mass_fraction=1.0."),
        ({"mass_fraction": np.nan}, "less than 1. Received: mass_fraction=nan."),
        ({"number": 0}, "`number` must be a whole number of at least 1. Received: num"),
        ({"number": 2.5}, "a whole number of at least 1. Received: number=2.5."),
        ({"number": np.nan}, "a whole number of at least 1. Received: number=nan."),
    ],
)
def test_what_no_sector_has(sector, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sector(**options)
    with pytest.raises(ValueError, match=re.escape(message)):
        sector().replace(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"slope": -1.0},
            "`slope` must be below -1 (and above -10). Received: slope=-",
        ),
        (
            {"slope": 0.9},
            "`slope` must be below -1 (and above -10). Received: slope=0.",
        ),
        (
            {"slope": -12},
            "`slope` must be below -1 (and above -10). Received: slope=-1",
        ),
        (
            {"slope": np.nan},
            "`slope` must be below -1 (and above -10). Received: slope=",
        ),
        (
            {"masses": (1e9, 1e7)},
            "`masses` must be two rising masses above 0. Received",
        ),
        (
            {"masses": (0, 1e7)},
            "`masses` must be two rising masses above 0. Received: ",
        ),
        ({"masses": (1e7, 1e7)}, "above 0. Received: masses=(10000000.0, 10000000.0)."),
        ({"masses": 1e7}, "`masses` must be two rising masses above 0. Received: mass"),
        ({"masses": (1e6, np.nan)}, "`masses` must be two rising masses above 0. Rec"),
        ({"radius": 0}, "`radius` must be above 0. Received: radius=0."),
        ({"radius": np.inf}, "`radius` must be above 0. Received: radius=inf."),
        (
            {"profile": "nfw"},
            "`profile` must be one of point, tnfw. Received: profile='",
        ),
        (
            {"truncation": 0},
            "`truncation` must be at least 0.1. Received: truncation=0.",
        ),
        ({"equal_masses": True}, "`equal_masses` must come with `number`, since Poiss"),
    ],
)
def test_what_no_subhalo_has(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Subhalos(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mass": -1.0}, "`mass` must be at least 0. Received: mass=-1.0."),
        ({"mass": np.nan}, "`mass` must be at least 0. Received: mass=nan."),
        ({"length": 0}, "`length` must be above 0. Received: length=0."),
        (
            {"axion_mass": 0.0},
            "`axion_mass` must be above 0, or two rising limits. Rec",
        ),
        ({"axion_mass": -1e-22}, "two rising limits. Received: axion_mass=-1e-22."),
        ({"axion_mass": (1e-22, 1e-24)}, "Received: axion_mass=(1e-22, 1e-24)."),
        ({"axion_mass": ()}, "`axion_mass` must be above 0, or two rising limits. Rec"),
        ({"scatter": -1}, "`scatter` must be at least 0. Received: scatter=-1."),
        ({"angle": np.inf}, "`angle` must be finite. Received: angle=inf."),
        ({"number": None}, "`number` must be a whole number of at least 1. Received: "),
    ],
)
def test_what_no_vortex_has(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Vortex(**options)
