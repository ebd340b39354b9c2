from dataclasses import replace

import numpy as np
import pytest

from astroanomaly.simulate import frames
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import population, profiles
from astroanomaly.simulate.survey import colors, scenes
from astroanomaly.simulate.survey.scenes import CAMERAS, VIS, Canvas

galsim = pytest.importorskip("galsim")


def galaxy(kind, seed=1, mag=20.0):
    """Draw a galaxy of a kind."""
    rng = np.random.default_rng(seed)
    while True:
        found = population.draw_galaxy(rng, mag)
        if found.structure == kind:
            return found


def drawn(one, bands=("VIS",), x=0.4, y=-0.3, z=0.5, **options):
    canvas = Canvas(bands, **({"size": 96} | options))
    canvas.add_galaxy(one, x, y, z)
    return [
        canvas.expose(camera, sky)
        for camera, sky in zip(canvas.cameras, canvas.maps, strict=True)
    ]


@pytest.mark.parametrize("kind", ["smooth", "spiral", "clumpy"])
def test_a_galaxy_is_galsims(kind):
    one = galaxy(kind)
    (found,) = drawn(one)
    # An old bulge and a disc have one color in VIS: profiles.draw is exact in k.
    expected = profiles.draw([(one, 0.4, -0.3)], VIS, 96)
    np.testing.assert_allclose(found, expected, atol=0.03 * expected.max())
    assert found.sum() == pytest.approx(expected.sum(), rel=0.02)


@pytest.mark.parametrize("n", [1.0, 2.5, 4.0, 6.0])
def test_a_cusp_keeps_its_light(n):
    one = replace(galaxy("smooth"), n=n, half_light_radius=0.4, bulge_radius=0.4)
    found = drawn(one, size=200)[0]
    expected = profiles.draw([(one, 0.4, -0.3)], VIS, 200)
    middle = np.s_[90:110, 90:110]
    assert found[middle].sum() == pytest.approx(expected[middle].sum(), rel=0.02)


@pytest.mark.parametrize("x", [0.0, 2.39, 2.5, 2.6])
def test_a_tiny_faint_bulge_keeps_its_light(x):
    one = galaxy("smooth", mag=25.0)
    one = replace(one, n=1.5, half_light_radius=0.01, bulge_radius=0.01)
    canvas = Canvas(("VIS",), 48)
    canvas.add_galaxy(one, x, 0.02, 0.5)
    assert canvas.maps.sum() == pytest.approx(VIS.flux(25.0), rel=0.05)


@pytest.mark.parametrize("band", ["VIS", "Y", "J", "H"])
def test_a_disc_of_light_has_galsims_psf(band):
    camera = CAMERAS[band]
    canvas = Canvas([band], 90)
    x, y = canvas.axes(canvas.window(0, 0, 2.0), 1)
    light = np.exp(-0.5 * (x**2 + y**2) / 0.3**2) / (2 * np.pi * 0.3**2)
    canvas.add(light * scenes.STEP**2, canvas.window(0, 0, 2.0), [7.0])
    found = canvas.expose(camera, canvas.maps[0])
    profile = galsim.Convolve(
        galsim.Gaussian(sigma=0.3, flux=7.0), instruments.point_spread_function(camera)
    )
    n = len(found)
    expected = profile.drawImage(nx=n, ny=n, scale=camera.pixel_scale).array
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


@pytest.mark.parametrize("size", [32, 64, 65, 66, 67, 200])
def test_frames_share_a_centre(size):
    canvas = Canvas(("VIS", "H"), size)
    light = galaxy("smooth")
    canvas.add_galaxy(light, 0.0, 0.0, 0.5)
    for camera, sky in zip(canvas.cameras, canvas.maps, strict=True):
        frame = canvas.expose(camera, sky)
        n = len(frame)
        assert n == size if camera is VIS else 3 * n >= size + 2
        axis = np.arange(n) - (n - 1) / 2
        assert abs((frame.sum(axis=0) * axis).sum() / frame.sum()) < 0.02
        assert abs((frame.sum(axis=1) * axis).sum() / frame.sum()) < 0.02


def test_flux_ratios_are_the_tables():
    one, bands = galaxy("smooth"), ("VIS", "Y", "J", "H")
    canvas = Canvas(bands, 192)
    canvas.add_galaxy(one, 0.0, 0.0, 0.7)
    for band, sky in zip(bands, canvas.maps, strict=True):
        camera = CAMERAS[band]
        zero = camera.zero_point - VIS.zero_point
        expected = colors.color("old", 0.7, camera, VIS)
        ratio = sky.sum(dtype=float) / canvas.maps[0].sum(dtype=float)
        assert zero - 2.5 * np.log10(ratio) == pytest.approx(expected, abs=1e-4)
        # The wings of a wider PSF leave the frame.
        seen = canvas.expose(camera, sky).sum(dtype=float)
        assert seen / sky.sum(dtype=float) == pytest.approx(0.975, abs=0.025)


def test_a_disc_is_bluer_than_its_bulge():
    one = replace(galaxy("spiral"), bulge_to_total=0.4, bulge_radius=0.2, n=2.0)
    canvas = Canvas(("VIS", "H"), 96)
    canvas.add_galaxy(one, 0.0, 0.0, 0.3, "young")
    ratio = canvas.maps[1] / np.maximum(canvas.maps[0], 1e-12)
    middle = canvas.side // 2
    reach = int(2.5 * one.disc_scale / scenes.STEP)
    assert ratio[middle, middle] > 1.5 * ratio[middle, middle + reach]


def test_light_beyond_the_canvas_is_cut():
    canvas = Canvas(("VIS",), 32)
    canvas.add_galaxy(galaxy("spiral"), 300.0, 0.0, 0.3)
    canvas.add(np.ones((9, 9)), canvas.window(300.0, 0.0, 0.2), [1.0])
    assert not canvas.maps.any()
    near = Canvas(("VIS",), 32)
    near.add_galaxy(galaxy("smooth"), 1.8, 0.0, 0.3)
    frame = near.expose(VIS, near.maps[0])
    whole = drawn(galaxy("smooth"), x=1.8, y=0.0, size=96)[0][32:64, 32:64]
    np.testing.assert_allclose(frame, whole, atol=2e-3 * whole.max())


@pytest.mark.parametrize("band", ["VIS", "Y", "J", "H"])
def test_noise_is_the_cameras(band):
    camera = CAMERAS[band]
    canvas = Canvas([band], 198, upsample=False)
    rng = np.random.default_rng(1)
    image = scenes.take_images(canvas, True, rng)[..., 0]
    assert image.std() == pytest.approx(np.sqrt(camera.variance()), rel=0.05)
    twin = np.random.default_rng(1)
    empty = np.zeros(image.shape)
    # The model is float32, and so is the variance of its noise.
    expected = frames.add_noise(empty, camera, True, twin)
    np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_sides():
    rng = np.random.default_rng(1)
    for upsample, side in ((True, 200), (False, 66)):
        canvas = Canvas(("Y", "H"), 200, upsample)
        assert scenes.take_images(canvas, True, rng).shape == (side, side, 2)
    assert [scenes.large_pixels(size) for size in (32, 64, 199, 200, 202)] == [
        *(12, 22, 67, 68, 68)
    ]
