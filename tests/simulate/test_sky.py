import pickle

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly import simulate
from astroanomaly.simulate.cameras import instruments, noise
from astroanomaly.simulate.cameras.sky import Sky

CAMERA = instruments.WFC3_F160W
EDGES = np.linspace(0.0, 0.5, 8)


def radial(power):
    """Average a spectrum in rings, without the zero frequency."""
    n = power.shape[0]
    ring = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n)] * 2))
    ring[0, 0] = np.inf
    return np.array(
        [
            power[(ring >= low) & (ring < high)].mean()
            for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)
        ]
    )


def source_power(sky, signal, n):
    """Average the spectra of the noise of a uniform source."""
    flat = np.full(sky.power.shape, signal)
    rng = np.random.default_rng(3)
    fields = [noise.poisson_noise(flat, CAMERA, sky.power, rng) for _ in range(n)]
    # Not mean_power: the zero frequency belongs to the variance.
    power = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0)
    return power / flat.size


def simulated_mosaic(size=512):
    """Put galaxies onto the camera's noise."""
    power = noise.noise_power(CAMERA, (size, size))
    flat = np.full((size, size), CAMERA.variance())
    mosaic = noise.correlated_noise(flat, power, 7)
    galaxies = simulate.galaxies(12, noise=False, seed=4).images[..., 0]
    rng = np.random.default_rng(8)
    for galaxy in galaxies:
        y, x = rng.integers(0, size - 64, 2)
        mosaic[y : y + 64, x : x + 64] += galaxy
    return mosaic


@pytest.fixture(scope="module")
def sky():
    pytest.importorskip("galsim")
    return Sky.from_mosaic(simulated_mosaic(), 32, 200, seed=1)


def test_patches_are_the_cameras_sky(sky):
    assert sky.patches.shape == (200, 32, 32)
    assert sky.rms == pytest.approx(CAMERA.variance() ** 0.5, rel=0.04)
    expected = radial(noise.noise_power(CAMERA, (32, 32)))
    # A patch has edges, over which strong frequencies leak to the weakest ring.
    np.testing.assert_allclose(radial(sky.power)[:-1], expected[:-1], rtol=0.07)


def test_source_noise_has_the_spectrum_of_the_sky(sky):
    power = source_power(sky, 0.5, 1500)
    # By hand, with R = 2.12467: s / (gain t R^2).
    variance = 0.5 / (3200 * 2.12467**2)
    assert power.mean() == pytest.approx(variance, rel=0.01)
    of_sky = radial(noise.mean_power(sky.patches))
    ratio = (radial(power) / variance) / (of_sky / sky.rms**2)
    np.testing.assert_allclose(ratio, 1.0, rtol=0.03)


def test_image_is_model_plus_sky_plus_source(sky):
    model = np.zeros((32, 32))
    model[:, 16:] = 2.0
    rng = np.random.default_rng(6)
    images = np.stack([sky.add_to(model, CAMERA, rng) for _ in range(600)])
    assert images.mean(axis=0)[:, 18:30].mean() == pytest.approx(2.0, abs=2e-3)
    assert images[:, :, :14].var() == pytest.approx(sky.rms**2, rel=0.05)
    expected = sky.rms**2 + 2.0 / (3200 * 2.12467**2)
    noisy = images[:, :, 18:30]
    assert noisy.var() == pytest.approx(expected, rel=0.05)
    first, again = (sky.add_to(model, CAMERA, 9) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    copied = pickle.loads(pickle.dumps(sky))  # noqa: S301
    np.testing.assert_array_equal(first, copied.add_to(model, CAMERA, 9))


def test_patches_are_turned_if_the_sky_allows(sky):
    assert sky.symmetric
    np.testing.assert_allclose(sky.power, sky.power.T)
    one = Sky(sky.patches[:1], sky.power, symmetric=True)
    seen = {one.draw(seed).tobytes() for seed in range(80)}
    assert len(seen) == 8
    striped = sky.patches + np.roll(sky.patches, 3, axis=2)
    striped += np.roll(striped, 1, axis=2)
    striped = Sky.from_patches(striped)
    assert not striped.symmetric
    one = Sky(striped.patches[:1], striped.power)
    seen = {one.draw(seed).tobytes() for seed in range(40)}
    turned = np.ascontiguousarray(striped.patches[0][::-1, ::-1])
    assert seen == {striped.patches[0].tobytes(), turned.tobytes()}


def test_zero_frequency_is_filled(sky):
    assert noise.mean_power(sky.patches)[0, 0] == pytest.approx(0, abs=1e-12)
    neighbors = [sky.power[0, 1], sky.power[1, 0], sky.power[0, -1], sky.power[-1, 0]]
    assert sky.power[0, 0] == pytest.approx(np.mean(neighbors))
    assert sky.power.mean() == pytest.approx(1.0)


def test_real_sky_gives_real_noise(shared_data):
    patches = []
    for file in sorted((shared_data / "candels_f160w").glob("GDS_ers2*_h.fits")):
        frame = fits.getdata(file).astype(float)
        patches.append(noise.sky_patches(frame, 20, 12, 1, max_tries=1000))
    sky = Sky.from_patches(np.concatenate(patches))
    power = source_power(sky, 0.5, 1500)
    of_sky = radial(sky.power)
    np.testing.assert_allclose(radial(power) / power.mean() / of_sky, 1.0, rtol=0.03)
    # The quietest frames: the preset's depth, within a fifth.
    quiet = np.median([stack.std() for stack in patches])
    assert quiet == pytest.approx(CAMERA.variance() ** 0.5, rel=0.2)
    image = sky.add_to(np.zeros((20, 20)), CAMERA, 1)
    assert any(
        np.allclose(image, np.rot90(turned, k))
        for turned in [*sky.patches, *sky.patches[:, :, ::-1]]
        for k in range(4)
    )


def test_bad_input_is_named(sky):
    with pytest.raises(ValueError, match=r"`patches` must have shape \(n, size, size"):
        Sky(np.zeros((2, 4, 5)), np.ones((4, 5)))
    with pytest.raises(ValueError, match=r"`power` must have the .* \(5, 5\) and \(4"):
        Sky(np.zeros((2, 4, 4)), np.ones((5, 5)))
    with pytest.raises(ValueError, match="`patches` must be squares of varying sky"):
        Sky.from_patches(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="`patches` must be a stack .* 1 pixels not"):
        Sky.from_patches([[[1.0, np.nan], [0.0, 1.0]]])
    with pytest.raises(ValueError, match=r"`model` must have the shape .* \(8, 8\)"):
        sky.add_to(np.zeros((8, 8)), CAMERA, 1)
    crowded = np.random.default_rng(1).normal(size=(128, 128))
    crowded[::16, ::16] += 500
    with pytest.raises(ValueError, match="`mosaic` must hold 3 source-free patches"):
        Sky.from_mosaic(crowded, 64, 3, seed=1)
