from dataclasses import replace

import numpy as np
import pytest

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import population, profiles

galsim = pytest.importorskip("galsim")


def galaxy(**changes):
    values = {
        "mag": 22.0,
        "half_light_radius": 0.2,
        "n": 1.0,
        "bulge_to_total": 1.0,
        "axis_ratio": 0.5,
        "position_angle": 30.0,
        "structure": "smooth",
        "n_arms": 0,
        "pitch": 0.0,
        "contrast": 0.0,
        "bar": 0.0,
        "knots": 0.0,
        "n_knots": 0,
        "lopsided": 0.0,
        "bulge_radius": 0.2,
        "disc_scale": 0.0,
        "structure_seed": 1,
    }
    return population.Galaxy(**(values | changes))


def test_flux_is_that_of_the_magnitude():
    # The frame holds all but a thousandth of a compact galaxy and a few
    # thousandths of the diffraction rings.
    camera = instruments.WFC3_F160W
    image = profiles.draw([(galaxy(), 0.0, 0.0)], camera, 96)
    assert image.sum() == pytest.approx(10 ** (-0.4 * (22.0 - 25.946)), rel=0.015)
    assert image.dtype == np.float32


@pytest.mark.parametrize("name", ["wfc3_f160w", "acs_f814w"])
def test_pixels_equal_galsims_own_drawing(name):
    camera = instruments.get(name)
    ours = profiles.draw([(galaxy(n=2.5), 0.1, -0.05)], camera, 64)
    sersic = galsim.Sersic(2.5, half_light_radius=0.2, flux=camera.flux(22.0))
    # Shear keeps the area: the semi-major axis is 0.2, the axis ratio 0.5.
    sersic = sersic.dilate(np.sqrt(0.5)).shear(q=0.5, beta=120 * galsim.degrees)
    psf = instruments.point_spread_function(camera)
    final = galsim.Convolve(sersic.shift(0.1, -0.05), psf)
    theirs = final.drawImage(nx=64, ny=64, scale=camera.pixel_scale).array
    assert np.abs(ours - theirs).max() < 2e-3 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.005)


def test_undersampled_camera_is_not_aliased():
    camera = instruments.WFC3_F160W.replace(pixel_scale=0.12)
    ours = profiles.draw([(galaxy(), 0.03, 0.0)], camera, 33)
    sersic = galsim.Sersic(1.0, half_light_radius=0.2, flux=camera.flux(22.0))
    sersic = sersic.dilate(np.sqrt(0.5)).shear(q=0.5, beta=120 * galsim.degrees)
    psf = instruments.point_spread_function(camera)
    final = galsim.Convolve(sersic.shift(0.03, 0), psf)
    theirs = final.drawImage(nx=33, ny=33, scale=0.12).array
    assert np.abs(ours - theirs).max() < 2e-3 * theirs.max()


def test_position_angle_runs_from_up_to_left():
    camera = instruments.WFC3_F160W
    image = profiles.draw([(galaxy(half_light_radius=0.4), 0, 0)], camera, 64)
    y, x = np.indices(image.shape) - 31.5
    xx, yy, xy = ((image * w).sum() for w in (x * x, y * y, x * y))
    from_x = 0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))
    assert (from_x - 90) % 180 == pytest.approx(30.0, abs=1.0)
    assert (image * x).sum() / image.sum() == pytest.approx(0, abs=0.02)


def test_disc_has_the_half_light_radius_of_its_row():
    scale = 0.3 / population.half_light_in_scale_lengths()
    disc = galaxy(bulge_to_total=0.0, axis_ratio=1.0, disc_scale=scale)
    profile = profiles.galaxy_profile(disc, 1.0)
    image = profile.drawImage(nx=300, ny=300, scale=0.02, method="no_pixel")
    # The disc ends at six scale lengths, which takes 1.7 per cent of the flux.
    assert image.calculateHLR() == pytest.approx(0.3, rel=0.04)


def test_two_galaxies_add_up():
    camera = instruments.WFC3_F160W
    first, second = (galaxy(), 0.0, 0.0), (galaxy(mag=23.0), 0.8, 0.4)
    both = profiles.draw([first, second], camera, 64)
    parts = [profiles.draw([g], camera, 64) for g in (first, second)]
    np.testing.assert_allclose(both, sum(parts), atol=1e-5)
    peak = np.unravel_index(parts[1].argmax(), both.shape)
    # 0.4" up and 0.8" right of the centre at 31.5.
    np.testing.assert_allclose(peak, (31.5 + 0.4 / 0.06, 31.5 + 0.8 / 0.06), atol=0.6)


# --- light that tides have moved -------------------------------------------------


def blob(x, y, sigma, flux=50.0):
    return np.array([[x, y]]), np.array([flux]), np.array([sigma])


@pytest.mark.parametrize("name", ["wfc3_f160w", "acs_f814w"])
@pytest.mark.parametrize("sigma", [0.06, 0.3])
def test_a_blob_is_galsims_gaussian(name, sigma):
    camera = instruments.get(name)
    ours = profiles.draw([], camera, 64, [blob(0.11, -0.23, sigma)])
    gaussian = galsim.Gaussian(sigma=sigma, flux=50.0).shift(0.11, -0.23)
    psf = instruments.point_spread_function(camera)
    final = galsim.Convolve(gaussian, psf)
    theirs = final.drawImage(nx=64, ny=64, scale=camera.pixel_scale).array
    # How far four fine pixels widen a blob depends on its place among them.
    assert np.abs(ours - theirs).max() < 0.02 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.01)


def test_many_blobs_are_as_wide_as_they_are_said_to_be():
    camera = instruments.WFC3_F160W
    places = np.random.default_rng(1).uniform(-0.5, 0.5, (400, 2)) * camera.pixel_scale
    debris = places, np.full(400, 0.125), np.full(400, 0.05)
    ours = profiles.draw([], camera, 48, [debris])
    parts = [galsim.Gaussian(sigma=0.05, flux=0.125).shift(*xy) for xy in places]
    final = galsim.Convolve(
        galsim.Add(parts), instruments.point_spread_function(camera)
    )
    theirs = final.drawImage(nx=48, ny=48, scale=camera.pixel_scale).array
    assert np.abs(ours - theirs).max() < 3e-3 * theirs.max()


def test_blobs_add_up_and_cancel():
    camera = instruments.WFC3_F160W
    one, other = blob(0.3, 0.2, 0.1), blob(-0.5, 0.1, 0.2, -20.0)
    joined = tuple(np.concatenate(part) for part in zip(one, other, strict=True))
    both = profiles.draw([], camera, 48, [joined])
    parts = [profiles.draw([], camera, 48, [part]) for part in (one, other)]
    np.testing.assert_allclose(both, sum(parts), atol=1e-5)
    offsets, flux, sigma = one
    none = profiles.draw([], camera, 48, [one, (offsets, -flux, sigma)])
    np.testing.assert_allclose(none, 0, atol=1e-6)


def test_no_debris_leaves_every_bit():
    camera = instruments.WFC3_F160W
    alone = profiles.draw([(galaxy(), 0.1, 0.2)], camera, 48)
    empty = profiles.draw([(galaxy(), 0.1, 0.2)], camera, 48, [])
    dark = profiles.draw([(galaxy(), 0.1, 0.2)], camera, 48, [blob(0, 0, 0.1, 0.0)])
    np.testing.assert_array_equal(alone, empty)
    np.testing.assert_array_equal(alone, dark)


def test_a_blob_far_outside_does_not_shine_into_the_frame():
    camera = instruments.WFC3_F160W
    # The grid is twice as wide as the frame: one frame away is its far side.
    far = profiles.draw([], camera, 48, [blob(2.9, 0.0, 0.1)])
    near = profiles.draw([], camera, 48, [blob(0.0, 0.0, 0.1)])
    assert np.abs(far).max() < 5e-3 * near.max()


def test_a_face_on_disc_is_the_same_from_every_side():
    arms = {"structure": "spiral", "n_arms": 2, "pitch": 20.0, "contrast": 0.8}
    spiral = galaxy(bulge_to_total=0.0, disc_scale=0.2, **arms)
    image = profiles.face_on(spiral)
    assert image.sum() == pytest.approx(1.0)
    assert not image.flags.writeable
    turned = replace(spiral, position_angle=10.0, axis_ratio=0.9, mag=20.0)
    assert profiles.face_on(turned) is image
    other = replace(spiral, structure_seed=spiral.structure_seed + 1)
    assert (profiles.face_on(other) != image).any()


@pytest.mark.parametrize("flux", [-1.0, 0.0, np.nan, np.inf])
def test_impossible_fluxes_are_refused(flux):
    message = rf"`flux` must be greater than 0 and finite. Received: flux={flux}\."
    with pytest.raises(ValueError, match=message):
        profiles.galaxy_profile(galaxy(), flux)
