import numpy as np
import pytest
from scipy.integrate import quad

from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.ray_tracing import (
    Deflector,
    Source,
    count_images,
    trace,
)

pytest.importorskip("lenstronomy")

STEP = 0.05
AXIS = (np.arange(120) - 59.5) * STEP
X, Y = np.meshgrid(AXIS, AXIS)
LENS = Deflector(0.3, 1.1, 0.1, -0.05, 0.04, 0.02, 0.1, -0.2)


def sphere(theta_E=1.0, z=0.5):
    return Deflector(z, theta_E)


# --- deflection ---------------------------------------------------------------


def test_one_plane_is_lenstronomys():
    from lenstronomy.LensModel.lens_model import LensModel

    model = LensModel(["SIE", "SHEAR"])
    keywords = [
        {"theta_E": 1.1, "e1": 0.1, "e2": -0.05, "center_x": 0.1, "center_y": -0.2},
        {"gamma1": 0.04, "gamma2": 0.02, "ra_0": 0.1, "dec_0": -0.2},
    ]
    expected = model.ray_shooting(X.ravel(), Y.ravel(), keywords)
    ((x, y),) = trace([LENS], 1.5, X, Y)
    np.testing.assert_allclose((x.ravel(), y.ravel()), expected, atol=1e-12)


@pytest.mark.parametrize("stops", [(), (0.8,)])
def test_a_second_plane_without_mass_changes_nothing(stops):
    empty = Deflector(0.8, 0.0, x=0.3)
    *_, found = trace([LENS, empty], 1.5, X, Y, stops)
    (expected,) = trace([LENS], 1.5, X, Y)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_first_plane_without_mass_changes_nothing():
    second = Deflector(0.8, 0.7, 0.1, 0.0, 0.0, 0.0, 0.2, 0.1)
    middle, found = trace([Deflector(0.3, 0.0), second], 1.5, X, Y, (0.8,))
    (expected,) = trace([second], 1.5, X, Y)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(middle, (X, Y), atol=1e-9)


def test_where_rays_meet_the_second_plane():
    # The first lens alone, its ring smaller by D_12 D_s / (D_2 D_1s).
    second = Deflector(0.8, 0.5)
    (x, y), _ = trace([sphere(1.1, 0.3), second], 1.5, X, Y, (0.8,))
    _, to_second, lag = cosmology.distances(0.3, 0.8)
    _, to_source, whole = cosmology.distances(0.3, 1.5)
    ring = 1.1 * (lag / to_second) / (whole / to_source)
    r = np.hypot(X, Y)
    np.testing.assert_allclose((x, y), (X - ring * X / r, Y - ring * Y / r), atol=1e-4)


def test_two_planes_by_hand():
    # The recursion of Schneider, Ehlers & Falco (1992), equation 9.7, with reduced
    # deflections: theta_s = theta - alpha_1(theta) - alpha_2(theta_2).
    first, second = sphere(1.1, 0.3), Deflector(0.8, 0.4, x=0.2, y=-0.1)
    (x2, y2), found = trace([first, second], 1.5, X, Y, (0.8,))
    r, r2 = np.hypot(X, Y), np.hypot(x2 - 0.2, y2 + 0.1)
    x = X - 1.1 * X / r - 0.4 * (x2 - 0.2) / r2
    y = Y - 1.1 * Y / r - 0.4 * (y2 + 0.1) / r2
    np.testing.assert_allclose(found, (x, y), atol=1e-4)


# --- light --------------------------------------------------------------------


@pytest.mark.parametrize("n", [0.5, 1.0, 2.0, 4.0])
def test_a_source_has_unit_flux(n):
    source = Source(0.0, 0.0, 0.3, n)

    def ring(r):
        return float(source.brightness(r, 0.0)) * 2 * np.pi * r

    total = quad(ring, 0, np.inf)[0]
    assert total == pytest.approx(1, rel=1e-4)
    assert quad(ring, 0, 0.3)[0] == pytest.approx(0.5, rel=1e-4)


def test_shape_and_knots_leave_the_flux():
    knots = ((0.1, -0.05, 0.05, 0.2), (-0.1, 0.0, 0.08, 0.1))
    source = Source(0.2, -0.1, 0.3, 1.0, 0.2, 0.1, knots)
    light = source.brightness(X, Y) * STEP**2
    assert light.sum() == pytest.approx(1, rel=3e-3)
    assert light.max() > Source(0.2, -0.1, 0.3, 1.0, 0.2, 0.1).brightness(0.2, -0.1) * (
        0.7 * STEP**2
    )


def test_the_outline_lies_on_one_level():
    source = Source(0.2, -0.1, 0.3, 1.3, 0.2, -0.15)
    x, y = source.outline()
    assert (x[0], y[0]) == (0.2, -0.1)
    level = source.brightness(x[1:], y[1:])
    np.testing.assert_allclose(level, level[0])
    # pi a b = pi r^2: the ellipse that holds half of the light.
    sizes = np.hypot(x[1:] - 0.2, y[1:] + 0.1)
    assert sizes.max() * sizes.min() == pytest.approx(0.3**2)


def magnification(beta, radius, fine=10):
    """Sum the light of a small source behind a sphere on fine rays."""
    step = STEP / fine
    axis = (np.arange(480) - 239.5) * step
    total = 0.0
    for center in (beta + 1.0, beta - 1.0):
        x, y = np.meshgrid(axis + center, axis)
        (rays,) = trace([sphere()], 1.5, x, y)
        total += Source(beta, 0.0, radius).brightness(*rays).sum() * step**2
    return total


@pytest.mark.parametrize("beta", [0.2, 0.4, 0.6])
def test_magnification_of_a_point_behind_a_sphere(beta):
    # theta_E / beta + 1 and theta_E / beta - 1: in all 2 theta_E / beta.
    assert magnification(beta, 0.01) == pytest.approx(2 / beta, rel=0.02)


def test_a_centred_source_is_a_ring():
    (rays,) = trace([sphere(1.3)], 1.5, X, Y)
    light = Source(0.0, 0.0, 0.05).brightness(*rays)
    # As in test_lens_light: an exponential source widens the ring by 2 h^2 / theta_E.
    widening = 2 * (0.05 / 1.678) ** 2 / 1.3
    found = np.average(np.hypot(X, Y), weights=light)
    assert found == pytest.approx(1.3 + widening, abs=2e-3)


# --- images -------------------------------------------------------------------


def images(source, *deflectors):
    *_, rays = trace(list(deflectors), 1.5, X, Y)
    return count_images(source, *rays, STEP)


@pytest.mark.parametrize(
    ("beta", "expected"),
    # The second image is theta_E / beta - 1 as bright as the source: less than a
    # tenth of it beyond 1 / 1.1 = 0.909.
    [(0.15, 2), (0.5, 2), (0.85, 2), (0.96, 1), (1.3, 1), (1.9, 1)],
)
def test_images_behind_a_sphere(beta, expected):
    assert images(Source(beta, 0.0, 0.02), sphere()) == expected


def test_four_images_inside_the_diamond():
    # e = 0.2 is q = 2 / 3; the tangential caustic of such an SIE ends near 0.3 theta_E.
    flat = Deflector(0.5, 1.0, e1=0.2)
    assert images(Source(0.0, 0.0, 0.02), flat) == 4
    assert images(Source(0.0, 0.45, 0.02), flat) == 2


def test_part_of_a_source_counts():
    # Its centre lies outside of the ring, and its near side within.
    far = Source(1.1, 0.0, 0.02)
    assert images(far, sphere()) == 1
    assert images(Source(1.1, 0.0, 0.4), sphere()) == 2


def test_without_a_lens_there_is_one_image():
    assert images(Source(0.2, 0.1, 0.1), Deflector(0.5, 0.0)) == 1
