import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.simulate.cameras import instruments, noise


def draw_many(power, n, seed=1, variance=1.0):
    flat = np.full(power.shape, variance)
    rng = np.random.default_rng(seed)
    return np.stack([noise.correlated_noise(flat, power, rng) for _ in range(n)])


def test_drizzle_noise_averages_as_casertano_says():
    # R = r / (1 - 1/(3 r)) by hand: r = 0.8 * 0.1283 / 0.06 = 1.71067.
    camera = instruments.WFC3_F160W
    assert camera.noise_reduction == pytest.approx(2.12467, abs=1e-5)
    power = noise.noise_power(camera, (64, 64))
    assert power.mean() == pytest.approx(1.0)
    # Variance of the frame's mean over that of white noise of the same rms.
    assert np.sqrt(power[0, 0]) == pytest.approx(2.12467, rel=1e-3)


def test_drizzle_correlation_by_quadrature():
    # Correlation of neighbours: the overlap of box * box with itself at lag 1.
    r = 0.8 * 0.1283 / 0.06
    x = np.arange(-4, 4, 0.001) + 0.0005
    drop, pixel = ((np.abs(x) < side / 2).astype(float) for side in (r, 1.0))
    box = np.convolve(drop, pixel, "same")
    expected = (box[1000:] * box[:-1000]).sum() / (box**2).sum()
    power = noise.noise_power(instruments.WFC3_F160W, (64, 64))
    correlation = np.fft.ifft2(power).real
    assert correlation[0, 1] == pytest.approx(expected, abs=2e-3)
    assert correlation[1, 0] == pytest.approx(expected, abs=2e-3)


def test_cosmos_correlation_is_galsims(shared_data):
    pytest.importorskip("galsim")
    table = fits.getdata(shared_data / "psf_noise" / "acs_f814w_correlated_noise.fits")
    centre = np.array(np.unravel_index(table.argmax(), table.shape))
    power = noise.noise_power(instruments.ACS_F814W, (128, 128))
    correlation = np.fft.ifft2(power).real
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2), (3, 2)):
        expected = table[tuple(centre + (dy, dx))] / table.max()
        assert correlation[dy, dx] == pytest.approx(expected, abs=0.01)


def test_no_correlation_is_white():
    camera = instruments.WFC3_F160W.replace(correlation="none")
    assert (noise.noise_power(camera, (16, 8)) == 1).all()


def test_spectrum_and_variance_of_correlated_noise():
    power = noise.noise_power(instruments.WFC3_F160W, (32, 32))
    fields = draw_many(power, 2000, variance=4.0)
    assert fields.var() == pytest.approx(4.0, rel=0.02)
    measured = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0) / 32**2
    strong = power > 0.1
    # Each frequency is an exponential variate: 2000 draws leave 2.2 per cent.
    np.testing.assert_allclose(measured[strong], 4 * power[strong], rtol=0.12)
    assert (measured[strong] / power[strong]).mean() == pytest.approx(4.0, rel=0.01)


def test_source_noise_follows_the_variance():
    variance = np.ones((32, 32))
    variance[:, 16:] = 9.0
    variance[0, 0] = np.nan
    power = noise.noise_power(instruments.WFC3_F160W, (32, 32))
    fields = np.stack(
        [noise.correlated_noise(variance, power, seed) for seed in range(300)]
    )
    assert np.isnan(fields[:, 0, 0]).all()
    assert fields[:, :, 18:].std() == pytest.approx(3.0, rel=0.03)
    assert fields[:, 1:, :14].std() == pytest.approx(1.0, rel=0.03)
    np.testing.assert_array_equal(fields[7], noise.correlated_noise(variance, power, 7))


def test_poisson_noise_is_photon_noise():
    # Without correlation each pixel is (k - E) / (gain t), k a whole number.
    camera = instruments.WFC3_F160W.replace(
        correlation="none", gain=2.0, exposure_time=10.0
    )
    signal = np.full((64, 64), 0.2)  # E = 4 electrons.
    field = noise.poisson_noise(signal, camera, np.ones((64, 64)), seed=1)
    counts = field * 20 + 4
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    assert np.rint(counts).min() == 0
    assert counts.mean() == pytest.approx(4.0, rel=0.03)
    assert counts.var() == pytest.approx(4.0, rel=0.08)
    # The skewness of Poisson deviates is 1 / sqrt(E).
    skewness = ((counts - 4) ** 3).mean() / 8
    assert skewness == pytest.approx(0.5, abs=0.12)
    np.testing.assert_array_equal(
        field, noise.poisson_noise(signal, camera, np.ones((64, 64)), seed=1)
    )


def test_poisson_noise_is_the_sources_share_of_the_variance():
    camera = instruments.WFC3_F160W
    power = noise.noise_power(camera, (32, 32))
    signal = np.full((32, 32), 0.05)
    signal[:, 16:] = 1.0
    rng = np.random.default_rng(5)
    fields = np.stack(
        [noise.poisson_noise(signal, camera, power, rng) for _ in range(400)]
    )
    # s / (gain t R^2) by hand, R = 2.12467.
    expected = np.array([0.05, 1.0]) / (3200 * 2.12467**2)
    measured = [fields[:, :, 2:14].var(), fields[:, :, 18:30].var()]
    np.testing.assert_allclose(measured, expected, rtol=0.02)
    shares = camera.variance(np.array([0.05, 1.0])) - camera.variance()
    np.testing.assert_allclose(shares, expected, rtol=1e-4)


def test_poisson_noise_leaves_nan_and_empty_pixels():
    camera = instruments.WFC3_F160W
    signal = np.full((16, 16), 0.5)
    signal[0, 0], signal[0, 1], signal[0, 2] = np.nan, 0.0, -3.0
    power = noise.noise_power(camera, (16, 16))
    field = noise.poisson_noise(signal, camera, power, seed=2)
    assert np.isnan(field[0, 0])
    assert (field[0, 1:3] == 0).all()
    assert np.isfinite(field[1:]).all()


def test_noise_made_from_patches_has_the_spectrum_of_the_mosaic():
    power = noise.noise_power(instruments.WFC3_F160W, (512, 512))
    mosaic = noise.correlated_noise(np.full((512, 512), 0.25), power, 3) + 10.0
    patches = noise.sky_patches(mosaic, 32, 200, seed=1)
    measured = noise.mean_power(patches)
    expected = noise.noise_power(instruments.WFC3_F160W, (32, 32))
    fields = draw_many(measured, 500, variance=measured.mean())
    again = noise.mean_power(fields)
    rings = np.hypot(*np.meshgrid(*[np.fft.fftfreq(32)] * 2))
    for low, high in ((0.05, 0.15), (0.15, 0.25), (0.25, 0.35)):
        ring = (rings >= low) & (rings < high)
        assert measured[ring].mean() == pytest.approx(
            0.25 * expected[ring].mean(), rel=0.1
        )
        assert again[ring].mean() == pytest.approx(measured[ring].mean(), rel=0.05)


def test_sky_patches_leave_sources_and_nan_out():
    rng = np.random.default_rng(2)
    mosaic = rng.normal(5.0, 1.0, (256, 256)).astype(">f4")
    mosaic[100:130, 100:130] += 8.0
    mosaic[:, 250:] = np.nan
    patches = noise.sky_patches(mosaic, 40, 30, seed=4)
    assert patches.dtype == np.float32
    assert np.isfinite(patches).all()
    assert np.abs(patches.mean(axis=(1, 2))).max() < 0.15
    assert np.abs(patches).max() < 6
    np.testing.assert_array_equal(patches, noise.sky_patches(mosaic, 40, 30, seed=4))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="must be images of one shape. Rec.*4, 5"):
        noise.correlated_noise(np.ones((4, 4)), np.ones((4, 5)), 1)
    with pytest.raises(ValueError, match="`signal` and `power_spectrum` must be imag"):
        noise.poisson_noise(np.ones(4), instruments.WFC3_F160W, np.ones((4, 4)), 1)
    with pytest.raises(ValueError, match="`variance_map` must not be negative"):
        noise.correlated_noise(-np.ones((4, 4)), np.ones((4, 4)), 1)
    with pytest.raises(ValueError, match="`power_spectrum` must be finite, not"):
        noise.correlated_noise(np.ones((4, 4)), np.zeros((4, 4)), 1)
    with pytest.raises(ValueError, match="`patches` must be a stack .* 1 pixels not"):
        noise.mean_power([[[1.0, np.nan]]])
    with pytest.raises(ValueError, match=r"`mosaic` must be an image .* size=64"):
        noise.sky_patches(np.zeros((32, 64)), 64, 1, 1)


def test_crowded_mosaic_is_refused():
    mosaic = np.random.default_rng(1).normal(size=(128, 128))
    mosaic[::16, ::16] += 500
    with pytest.raises(ValueError, match="must hold 3 source-free patches of 64"):
        noise.sky_patches(mosaic, 64, 3, seed=1)
