"""Distances between real and generated images, against closed forms and scipy."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, wasserstein_distance

from astroanomaly import Cutouts
from astroanomaly.evaluation.generated import (
    compare,
    pixel_histogram,
    power_spectrum,
    sample_distance,
    summary_statistics,
)
from astroanomaly.simulate.cameras import noise

SCALARS = ["flux", "peak", "concentration", "half_light_radius", "noise"]


def disk(size, radius):
    y, x = np.indices((size, size)) - (size - 1) / 2
    return (np.hypot(x, y) < radius).astype(float)


def white(n, seed, sigma=1.0, size=16):
    return np.random.default_rng(seed).normal(0, sigma, (n, size, size))


def galaxies(n, seed, brightness=1.0, size=16):
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    width = rng.uniform(2, 6, (n, 1, 1))
    light = rng.uniform(5, 10, (n, 1, 1)) * np.exp(-(x**2 + y**2) / width)
    return brightness * light + rng.normal(0, 0.05, (n, size, size))


def row(table, statistic, band="image"):
    return table[(table["statistic"] == statistic) & (table["band"] == band)][0]


@pytest.mark.parametrize("sky", [0.0, 0.3])
def test_a_uniform_disk_has_the_ratio_of_areas(sky):
    # Sky and border see nothing of a disk of 20 pixels in an image of 64.
    found = summary_statistics(sky + 2.0 * disk(64, 20)[None])
    area = np.pi * 20**2
    assert found["flux"][0, 0] == pytest.approx(sky * 64**2 + 2 * area, rel=0.01)
    assert found["peak"][0, 0] == sky + 2.0
    assert found["concentration"][0, 0] == pytest.approx((8 / 20) ** 2, rel=0.01)
    assert found["half_light_radius"][0, 0] == pytest.approx(20 / 2**0.5, rel=0.01)
    assert found["noise"][0, 0] == 0.0


def test_a_gaussian_has_its_half_light_radius_and_its_noise():
    y, x = np.indices((64, 64)) - 31.5
    light = 20 * np.exp(-(x**2 + y**2) / (2 * 4.0**2))
    images = light + white(200, 1, sigma=0.1, size=64)
    found = summary_statistics(images)
    # 1 - exp(-r^2 / 2 s^2) of the light is within r.
    expected = 4 * np.sqrt(2 * np.log(2))
    assert np.mean(found["half_light_radius"]) == pytest.approx(expected, rel=0.02)
    expected = 1 - np.exp(-(8**2) / (2 * 4**2))
    assert np.mean(found["concentration"]) == pytest.approx(expected, rel=0.01)
    # The deviation of a normal sample has the relative scatter 1.17 / sqrt(n).
    assert np.mean(found["noise"]) == pytest.approx(0.1, rel=0.01)


def test_a_ring_is_less_concentrated_than_a_lens():
    ring = disk(64, 20) - disk(64, 16)
    found = summary_statistics([ring, ring + 5 * disk(64, 4)])
    assert found["concentration"][0, 0] == 0.0
    assert found["concentration"][1, 0] == pytest.approx(80 / 224, rel=0.03)
    assert found["half_light_radius"][0, 0] == pytest.approx(np.sqrt(328), rel=0.01)


def test_an_empty_image_has_no_concentration():
    found = summary_statistics(white(50, 2, size=32))
    assert np.isnan(found["concentration"]).all()
    assert np.isnan(found["half_light_radius"]).all()
    assert np.isfinite(found["flux"]).all()


def test_each_band_is_measured_alone():
    first, second = galaxies(3, 1), galaxies(3, 2)
    both = summary_statistics(np.stack([first, second], axis=-1))
    for k, images in enumerate((first, second)):
        for name, values in summary_statistics(images).items():
            np.testing.assert_allclose(both[name][:, k], values[:, 0])


def test_white_noise_has_its_variance_in_every_ring():
    wavenumber, power = power_spectrum(white(400, 3, sigma=0.3, size=32))
    np.testing.assert_allclose(wavenumber, np.arange(1, 17) / 32)
    np.testing.assert_allclose(power.mean(axis=0)[:, 0], 0.3**2, rtol=0.08)
    assert power.mean() == pytest.approx(0.09, rel=0.01)


@pytest.mark.parametrize(("turns", "vertical"), [(3, False), (9, True)])
def test_a_wave_is_in_its_ring_alone(turns, vertical):
    size, amplitude = 32, 0.7
    wave = amplitude * np.sin(2 * np.pi * turns * np.arange(size) / size)
    image = 5.0 + wave * np.ones((size, 1))
    image = image.T if vertical else image
    power = power_spectrum(image[None])[1][0, :, 0]
    k = np.fft.fftfreq(size) * size
    modes = np.sum(np.rint(np.hypot(k, k[:, None])) == turns)
    expected = np.zeros(16)
    expected[turns - 1] = amplitude**2 * size**2 / 2 / modes
    np.testing.assert_allclose(power, expected, atol=1e-20)


def test_the_spectrum_agrees_with_the_simulators():
    images = np.cumsum(white(20, 4, size=16), axis=2)
    ours = power_spectrum(images)[1].mean(axis=0)[:, 0]
    theirs = noise.mean_power(images)
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(16) * 16] * 2))
    inside = (k >= 2.5) & (k < 3.5)
    assert ours[2] == pytest.approx(theirs[inside].mean())


def test_oblong_images_have_the_rings_of_their_short_side():
    wavenumber, power = power_spectrum(np.random.default_rng(1).normal(size=(9, 8, 24)))
    np.testing.assert_allclose(wavenumber, [0.125, 0.25, 0.375, 0.5])
    assert power.shape == (9, 4, 1)


def test_pixel_histograms_equal_numpys():
    images = np.round(white(5, 5), 1)
    edges = np.array([-1.0, -0.5, 0.0, 0.7, 2.0])
    images[0, 0, 0], images[1, 0, 0] = edges[0], edges[-1]
    ours = pixel_histogram(np.stack([images, images + 0.3], axis=-1), edges)
    for band, shift in enumerate((0.0, 0.3)):
        theirs = [np.histogram(image + shift, edges)[0] / 256 for image in images]
        np.testing.assert_allclose(ours[..., band], theirs)


def test_a_shift_of_gaussians_is_as_far_as_it_is_long():
    level = norm.ppf((np.arange(1000) + 0.5) / 1000)[:, None, None]
    real = level * np.ones((1, 8, 8))
    generated = np.random.default_rng(6).permutation(real) + 0.5
    table = sample_distance(real, generated, n_bootstrap=0)
    found = row(table, "flux")
    assert found["distance"] == pytest.approx(0.5, rel=2e-3)
    # Half of the real images are no further from the others than chance has it.
    assert found["floor"] < 0.12
    flux = (images.sum(axis=(1, 2)) for images in (real, generated))
    assert found["ks"] == pytest.approx(ks_2samp(*flux).statistic)
    assert np.isnan([found["low"], found["high"], found["p_value"]]).all()


def test_the_distance_of_pixels_equals_scipys_of_all_of_them():
    real, generated = galaxies(60, 1), galaxies(40, 2, brightness=1.4)
    table = sample_distance(real, generated, n_bootstrap=0)
    expected = wasserstein_distance(real.ravel(), generated.ravel()) / real.std()
    assert row(table, "pixel_histogram")["distance"] == pytest.approx(
        expected, rel=0.01
    )


def test_ten_times_the_power_is_one_dex():
    real = white(30, 7)
    table = sample_distance(real, np.sqrt(10) * real, n_bootstrap=0)
    found = row(table, "power_spectrum")
    assert found["distance"] == pytest.approx(1.0)
    assert found["unit"] == "dex"
    # Smooth images lack all power: far away, not infinitely.
    table = sample_distance(real, np.zeros_like(real), n_bootstrap=20)
    found = row(table, "power_spectrum")
    assert 11 < found["distance"] < 13
    assert np.isfinite([found["low"], found["high"]]).all()


def test_alike_images_are_at_the_floor_and_others_are_not():
    real = galaxies(200, 1)
    alike = sample_distance(real, galaxies(100, 2), n_bootstrap=99)
    assert alike["statistic"].tolist() == [
        *SCALARS,
        "power_spectrum",
        "pixel_histogram",
    ]
    assert (alike["distance"] < 2 * alike["floor"]).all()
    assert (alike["p_value"] > 0.01).all()
    bright = sample_distance(real, galaxies(100, 2, brightness=1.5), n_bootstrap=99)
    for name in ("flux", "peak", "power_spectrum", "pixel_histogram"):
        found = row(bright, name)
        assert found["p_value"] == 0.01
        assert found["floor"] < found["low"] < found["distance"] < found["high"]
    for name in ("concentration", "half_light_radius", "noise"):
        assert row(bright, name)["p_value"] > 0.01


def test_the_seed_makes_the_table():
    sets = galaxies(40, 1), galaxies(40, 2)
    first, again, other = (
        sample_distance(*sets, seed=seed, n_bootstrap=20) for seed in (1, 1, 2)
    )
    for name in ("distance", "low", "high", "floor", "p_value"):
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["floor"] != other["floor"]).all()


def test_bands_have_their_names_and_rows():
    real = np.stack([galaxies(30, 1), galaxies(30, 2)], axis=-1)
    generated = np.stack([galaxies(30, 3), galaxies(30, 4, brightness=3)], axis=-1)
    table = sample_distance(real, generated, ["H", "J"], n_bootstrap=0)
    assert table["band"].tolist() == ["H"] * 7 + ["J"] * 7
    assert row(table, "flux", "J")["distance"] > 3 * row(table, "flux", "H")["distance"]
    alone = sample_distance(real[..., 1], generated[..., 1], n_bootstrap=0)
    assert row(alone, "flux")["distance"] == row(table, "flux", "J")["distance"]
    named = sample_distance(Cutouts(real, bands=["H", "J"]), generated, n_bootstrap=0)
    assert named["band"].tolist() == table["band"].tolist()
    with pytest.raises(ValueError, match="`bands` must give 2 different name"):
        sample_distance(real, generated, ["H"])


def test_images_without_a_statistic_are_left_out_and_counted():
    real, generated = galaxies(40, 1), galaxies(40, 2)
    generated[:15] = white(15, 3)
    table = sample_distance(real, generated, n_bootstrap=0)
    found = row(table, "concentration")
    assert (found["n_real"], found["n_generated"]) == (40, 25)
    alone = sample_distance(real, generated[15:], n_bootstrap=0)
    assert found["distance"] == row(alone, "concentration")["distance"]
    generated[15:25] = white(10, 4)
    found = row(sample_distance(real, generated, n_bootstrap=9), "concentration")
    assert np.isnan([found[name] for name in ("distance", "floor", "ks")]).all()


def test_real_images_that_do_not_vary_give_no_unit():
    table = sample_distance(np.ones((20, 8, 8)), white(20, 1, size=8), n_bootstrap=9)
    for name in ("distance", "low", "floor", "p_value"):
        assert np.isnan(table[name]).all()


IMAGES = white(20, 1)
BROKEN = np.where(np.arange(16) < 2, [[[np.nan]], *[[[0.0]]] * 19], IMAGES)


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (sample_distance, (IMAGES[:, 0], IMAGES), r"`real` must have .*\(20, 16\)"),
        (sample_distance, (IMAGES, IMAGES[:, :, :4]), r"Received: \(20, 16, 4, 1"),
        (sample_distance, (IMAGES, IMAGES[:, :, :12]), r"Received: \(16, 12, 1\)"),
        (sample_distance, (IMAGES, IMAGES[:19]), "at least 20 .* Received: 20 and 19"),
        (sample_distance, (IMAGES, IMAGES, None, 0, -1), "Received: -1 and 20"),
        (sample_distance, (IMAGES, BROKEN), "`generated` must hold finite pixels"),
        (summary_statistics, (BROKEN,), "`images` must hold finite .* 32 NaN or"),
        (power_spectrum, (BROKEN,), "`images` must hold finite .* 32 NaN or"),
        (pixel_histogram, (IMAGES, [1, 0]), r"`edges` must be two or more .*\[1.0"),
    ],
)
def test_errors_name_the_argument(function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)


# --- interval, floor and p-value of a distance -----------------------------------


def normal(seed, n_real, n_generated, shift, repeats=99):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n_real + n_generated)
    values[n_real:] += shift
    rows = np.split(np.arange(len(values)), [n_real])

    def between(one, two):
        return wasserstein_distance(values[one], values[two])

    return compare(between, *rows, repeats, 10, seed)


@pytest.mark.parametrize("shift", [0.05, 0.5])
def test_intervals_hold_the_true_distance(shift):
    found = [normal(seed, 60, 60, shift) for seed in range(60)]
    held = np.mean([one.low <= shift <= one.high for one in found])
    assert held >= 0.9
    assert all(one.low <= one.distance <= one.high for one in found)


def test_p_values_are_uniform_for_samples_of_one_distribution():
    p_values = [normal(seed, 40, 30, 0.0).p_value for seed in range(100)]
    for level in (0.1, 0.5):
        # Three binomial standard deviations.
        margin = 3 * np.sqrt(level * (1 - level) / 100)
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=margin)
    assert normal(1, 40, 30, 3.0).p_value == 0.01


def test_the_floor_is_of_halves_of_the_real_set():
    sizes = []

    def between(one, two):
        assert not set(one) & set(two)
        sizes.append((len(one), len(two)))
        return float(len(two))

    rows = np.arange(50), np.arange(50, 72)
    found = compare(between, *rows, 0, 4, 1)
    assert sizes == [(50, 22), *[(25, 22)] * 4]
    assert (found.distance, found.floor) == (22, 22)
    assert np.isnan([found.low, found.high, found.p_value]).all()
    sizes.clear()
    compare(between, np.arange(51), np.arange(51, 151), 0, 1, 1)
    assert sizes[1] == (25, 25)


def test_too_small_sets_have_no_distance():
    assert np.isnan(normal(1, 40, 19, 0.0)).all()
    assert np.isnan(compare(None, np.arange(40), np.arange(40), 9, 9, 1)).all()
