from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gamma, gammaincinv

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.lenses import cosmology, lens_light
from astroanomaly.simulate.lenses.lens_light import Lens
from astroanomaly.simulate.lenses.settings import AUTOLENS_CAMERA as CAMERA
from astroanomaly.simulate.lenses.settings import SETTINGS
from astroanomaly.simulate.lenses.substructure import Clumps

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

RAYS = np.random.default_rng(1).uniform(-2, 2, (2, 200))


def source(**changes):
    """Give a round source in the middle."""
    body = {"x": 0.0, "y": 0.0, "radius": 0.2, "n": 1.0, "e1": 0.0, "e2": 0.0}
    return body | {"brightness": 21.0} | changes


def lens(theta_E=1.2, slope=2.0, **changes):
    """Give a lens without shear; numbers of the source go to it."""
    body = source(**{k: v for k, v in changes.items() if k in source()})
    rest = {k: v for k, v in changes.items() if k not in body}
    smooth = Lens(0.5, 1.0, theta_E, slope, 0.0, 0.0, 0.0, 0.0, body)
    return replace(smooth, **rest)


def arcs_of(what, camera=CAMERA, size=64):
    return lens_light.draw(what, camera, size)[1]


def radius_of(arcs, scale):
    """Give the mean radius of light."""
    axis = (np.arange(len(arcs)) - (len(arcs) - 1) / 2) * scale
    return np.average(np.hypot(*np.meshgrid(axis, axis)), weights=arcs)


def sersic_flux(body, camera):
    """Give the total of a Sersic profile (Graham & Driver 2005, equation 4)."""
    n, b = body["n"], gammaincinv(2 * body["n"], 0.5)
    area = 2 * np.pi * n * body["radius"] ** 2 * np.exp(b) * b ** (-2 * n)
    return camera.flux(body["brightness"]) * area * gamma(2 * n)


# --- deflection ---------------------------------------------------------------


def test_deflection_of_an_isothermal_sphere():
    found = lens(theta_E=1.3).deflection(*RAYS)
    np.testing.assert_allclose(found, 1.3 * RAYS / np.hypot(*RAYS), atol=1e-5)


@pytest.mark.parametrize("q", [0.95, 0.6, 0.3])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_deflection_of_an_isothermal_ellipsoid(q, turn):
    # Kormann, Schneider & Bartelmann 1994 (A&A 284, 285, equation 27a), with the long
    # axis along x: kappa = theta_E / (2 sqrt(q x^2 + y^2 / q)).
    angle, flat = np.arctan2(RAYS[1], RAYS[0]) - turn, np.sqrt(1 - q**2)
    strength = 1.1 * np.sqrt(q) / flat
    along = strength * np.arcsin(flat * np.cos(angle))
    across = strength * np.arcsinh(flat / q * np.sin(angle))
    expected = (
        along * np.cos(turn) - across * np.sin(turn),
        along * np.sin(turn) + across * np.cos(turn),
    )
    size = (1 - q) / (1 + q)
    shape = {"e1": size * np.cos(2 * turn), "e2": size * np.sin(2 * turn)}
    found = replace(lens(theta_E=1.1), **shape).deflection(*RAYS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("slope", [1.6, 2.0, 2.3])
def test_deflection_of_a_power_law(slope):
    # theta_E (r / theta_E)^(2 - slope), which is theta_E at the ring.
    found = lens(theta_E=1.3, slope=slope).deflection(*RAYS)
    r = np.hypot(*RAYS)
    expected = 1.3 * (r / 1.3) ** (2 - slope)
    np.testing.assert_allclose(np.hypot(*found), expected, rtol=1e-4)
    np.testing.assert_allclose(found, expected * RAYS / r, atol=1e-4)


def test_shear_and_clumps_add():
    smooth = lens()
    sheared = replace(smooth, gamma1=0.1, gamma2=-0.05)
    x, y = RAYS
    extra = np.subtract(sheared.deflection(x, y), smooth.deflection(x, y))
    np.testing.assert_allclose(extra[0], 0.1 * x - 0.05 * y, atol=1e-12)
    np.testing.assert_allclose(extra[1], -0.05 * x - 0.1 * y, atol=1e-12)
    clumps = Clumps(np.array([1e9]), np.array([0.4]), np.array([0.2]))
    lumpy = replace(smooth, clumps=clumps)
    extra = np.subtract(lumpy.deflection(x, y), smooth.deflection(x, y))
    np.testing.assert_allclose(
        extra, clumps.deflection(x, y, 0.5, 1.0), rtol=1e-9, atol=1e-12
    )


def test_mass_of_the_lens():
    expected = cosmology.einstein_mass(1.2, 0.5, 1.0)
    assert lens(theta_E=1.2).mass == pytest.approx(expected)


# --- rings --------------------------------------------------------------------


@pytest.mark.parametrize("theta_E", [0.8, 1.2, 2.0])
def test_radius_of_a_ring_is_theta_E(theta_E):
    arcs = arcs_of(lens(theta_E, radius=0.05), size=80)
    # An exponential source of scale h and a PSF of sigma s widen the ring, outwards
    # a little more: the mean radius is theta_E + 2 h^2 / theta_E + s^2 / (2 theta_E).
    scale = 0.05 / gammaincinv(2, 0.5)
    widening = (2 * scale**2 + CAMERA.blur**2 / 2) / theta_E
    assert widening < 0.01
    assert radius_of(arcs, 0.1) == pytest.approx(theta_E + widening, abs=3e-3)


def test_radius_of_a_ring_of_a_mass():
    # 1e12 solar masses at z 0.5 before z 1: 1.664" by angular-diameter distances.
    theta_E = cosmology.einstein_radius(1e12, 0.5, 1.0)
    arcs = arcs_of(lens(theta_E, radius=0.05))
    assert radius_of(arcs, 0.1) == pytest.approx(1.664, abs=0.01)


def test_an_isothermal_sphere_makes_two_images_brighter():
    # A point at beta inside the ring: images at beta + theta_E and beta - theta_E, of
    # magnification theta_E / beta + 1 and theta_E / beta - 1.
    what = lens(theta_E=1.0, x=0.5, radius=0.04)
    arcs = arcs_of(what, size=64)
    whole = sersic_flux(what.source, CAMERA)
    assert arcs.sum() / whole == pytest.approx(2 * 1.0 / 0.5, rel=0.03)
    x = (np.arange(64) - 31.5) * 0.1
    right, left = arcs.sum(axis=0)[x > 0], arcs.sum(axis=0)[x < 0]
    assert right.sum() / whole == pytest.approx(3.0, rel=0.03)
    assert np.average(x[x > 0], weights=right) == pytest.approx(1.5, abs=0.03)
    assert np.average(x[x < 0], weights=left) == pytest.approx(-0.5, abs=0.03)


# --- light --------------------------------------------------------------------


@pytest.mark.parametrize("n", [0.5, 1.0, 1.5, 2.5])
def test_flux_of_a_source_that_no_lens_magnifies(n):
    what = lens(theta_E=1e-9, n=n, radius=0.3, e1=0.1, e2=-0.1)
    found = arcs_of(what, size=256).sum()
    # lenstronomy's b_n is an approximation.
    assert found == pytest.approx(sersic_flux(what.source, CAMERA), rel=0.01)


@pytest.mark.parametrize("camera", ["autolens", "euclid_vis", "wfc3_f160w", "hsc_i"])
def test_an_unlensed_source_is_galsims(camera):
    import galsim

    camera = CAMERA if camera == "autolens" else instruments.get(camera)
    what = lens(theta_E=1e-9, radius=0.5, x=0.2, y=-0.1, e1=0.2)
    found = arcs_of(what, camera, size=64)
    profile = galsim.Sersic(1.0, half_light_radius=0.5)
    profile = profile.shear(q=(1 - 0.2) / (1 + 0.2), beta=0 * galsim.degrees)
    profile = profile.withFlux(sersic_flux(what.source, camera)).shift(0.2, -0.1)
    whole = galsim.Convolve(profile, instruments.point_spread_function(camera))
    expected = whole.drawImage(nx=64, ny=64, scale=camera.pixel_scale).array
    peak = expected.max()
    np.testing.assert_allclose(found / peak, expected / peak, atol=0.02)
    # GalSim draws the farthest wings, too, out of the frame.
    assert found.sum() == pytest.approx(expected.sum(), rel=0.02)


@pytest.mark.parametrize("camera", [CAMERA, *instruments.PRESETS.values()])
def test_the_psf_conserves_flux(camera, monkeypatch):
    kernel = lens_light.psf_kernel(camera, camera.pixel_scale / 3)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-12)
    assert kernel.shape[0] % 2 == 1
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6 * kernel.max())
    # The frame holds the wings, which are drawn out to 20 lambda / D.
    side = max(12, 52 * instruments.diffraction(camera))
    size = int(side / camera.pixel_scale)
    what = lens(theta_E=1.0, x=0.3, radius=0.15)
    blurred = arcs_of(what, camera, size)
    monkeypatch.setattr(lens_light, "psf_kernel", lambda *_: np.ones((1, 1)))
    sharp = arcs_of(what, camera, size)
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-3)
    assert sharp.max() > 1.02 * blurred.max()


@pytest.mark.parametrize("camera", [CAMERA, *instruments.PRESETS.values()])
def test_the_psf_is_drawn_out_to_its_wings(camera):
    step = camera.pixel_scale / lens_light.oversampling(camera)
    side = len(lens_light.psf_kernel(camera, step))
    psf = instruments.point_spread_function(camera)
    image = psf.drawImage(nx=side, ny=side, scale=step, method="no_pixel")
    # The rest, less than two per cent, goes where the wings are.
    assert image.array.sum(dtype=float) > 0.98


@pytest.mark.parametrize(
    "camera", ["autolens", "lenstronomy", "euclid_vis", "acs_f814w", "hsc_i"]
)
def test_more_rays_change_little(camera, monkeypatch):
    known = {setting.name: setting.camera for setting in SETTINGS.values()}
    camera = known.get(camera) or instruments.get(camera)
    mass = cosmology.einstein_mass(1.2, 0.5, 1.0) * 0.01 / 25
    rng = np.random.default_rng(3)
    clumps = Clumps(np.full(25, mass), *rng.uniform(-0.8, 0.8, (2, 25)))
    what = lens(x=0.5, y=0.2, radius=0.5, n=1.5, e1=0.1, brightness=22.5)
    what = replace(what, gamma1=0.1, clumps=clumps)
    found = arcs_of(what, camera)
    fine = lens_light.oversampling(camera, 0.5) * 2
    monkeypatch.setattr(lens_light, "oversampling", lambda *_: fine)
    finer = arcs_of(what, camera)
    noise = np.sqrt(camera.variance(finer)) * camera.noise_reduction
    change = (found - finer) / noise
    assert np.abs(change).max() < 0.25
    assert np.sqrt(np.mean(change**2)) < 0.02


@pytest.mark.parametrize("radius", [0.01, 0.03, 0.1])
def test_small_sources_keep_their_light(radius):
    # Two images, 2 theta_E / beta, and <r^2> / 4 times the Laplacian of that, with
    # <r^2> = 6 h^2 of an exponential profile, h the half-light radius over 1.678.
    what = lens(theta_E=1.0, x=0.5, radius=radius)
    found = arcs_of(what, size=48).sum() / sersic_flux(what.source, CAMERA)
    assert found == pytest.approx(4 + 8.5 * radius**2, rel=0.015)


@pytest.mark.parametrize("size", [31, 32])
def test_the_lens_lies_in_the_middle(size):
    light = {"radius": 0.4, "n": 2.0, "brightness": 21.0}
    what = lens(radius=0.1, light=light)
    image, arcs, in_frame = lens_light.draw(what, CAMERA, size)
    assert np.isfinite(image).all()
    assert in_frame
    for frame in (image, arcs):
        np.testing.assert_allclose(frame, frame[::-1], atol=1e-3 * frame.max())
        np.testing.assert_allclose(frame, frame.T, atol=1e-3 * frame.max())


def test_light_of_the_lens_is_on_top():
    light = {"radius": 0.3, "n": 1.0, "brightness": 21.0}
    bare = lens(theta_E=1.0)
    image, arcs, _ = lens_light.draw(replace(bare, light=light), CAMERA, 128)
    np.testing.assert_array_equal(arcs, arcs_of(bare, size=128))
    expected = sersic_flux(light, CAMERA)
    assert (image - arcs).sum() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("x", "radius", "seen"),
    [(0.0, 0.2, True), (8.0, 0.2, False), (3.0, 0.2, False), (2.3, 0.2, True)],
)
def test_whether_an_image_lies_in_the_frame(x, radius, seen):
    # A frame of 3.2" about the lens, the outer image at x + theta_E, theta_E = 1.
    what = lens(theta_E=1.0, x=x, radius=radius)
    assert lens_light.draw(what, CAMERA, 64)[2] is seen
