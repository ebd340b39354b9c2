"""Scores against closed forms."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from astroanomaly.scores import residual as scoring
from astroanomaly.scores.modes import ResidualModes

RNG = np.random.default_rng(4)


def test_sums_by_hand():
    images = np.zeros((2, 2, 2, 2))
    images[0, 0, 0, 0], images[0, 1, 1, 1], images[1] = -1.5, 2.0, 1.0
    residual = scoring.residual_score(images, np.zeros_like(images))
    feature = scoring.feature_score(np.array([[1.0, -1.0]]), np.array([[0.0, 1.0]]))
    assert residual.tolist() == [3.5, 8.0]
    assert feature.tolist() == [3.0]
    assert scoring.total_score(residual, np.array([1.0, 2.0]), 0.25) == pytest.approx(
        [0.75 * 3.5 + 0.25, 0.75 * 8 + 0.5]
    )


def test_mean_squares_by_hand():
    images = np.zeros((1, 2, 2, 1), np.float32)
    images[0, 0, 0, 0], images[0, 1, 1, 0] = -1.0, 3.0
    assert scoring.mse_score(images, np.zeros_like(images)).tolist() == [2.5]


def test_wasserstein_is_that_of_scipy():
    images, drawn = RNG.normal(size=(2, 3, 8, 8, 2)).astype(np.float32)
    expected = [
        wasserstein_distance(a.ravel(), b.ravel())
        for a, b in zip(images, drawn, strict=True)
    ]
    assert scoring.wasserstein_score(images, drawn) == pytest.approx(expected, rel=1e-5)


def test_nan_pixels_make_nan_scores():
    images = np.zeros((2, 32, 32, 1), np.float32)
    images[1, 3, 3] = np.nan
    drawn = np.zeros_like(images)
    noise = scoring.ResidualNoise().fit(RNG.normal(size=images.shape), drawn)
    found = noise.scores(images, drawn)
    found["mse"] = scoring.mse_score(images, drawn)
    found["wasserstein"] = scoring.wasserstein_score(images, drawn)
    for scores in found.values():
        assert np.isnan(scores).tolist() == [False, True]


def test_whitened_score_of_a_noise_field_is_one():
    sky = RNG.normal(0, 0.1, (300, 32, 32, 2)).astype(np.float32)
    noise = scoring.ResidualNoise(smoothing=1.0).fit(sky, np.zeros_like(sky))
    fresh = RNG.normal(0, 0.1, (100, 32, 32, 2))
    zero = np.zeros_like(fresh)
    assert noise.whitened(fresh, zero).mean() == pytest.approx(1, abs=0.02)
    # Missing light counts as light too much does.
    assert noise.whitened(-fresh, zero) == pytest.approx(noise.whitened(fresh, zero))


def test_weights_are_the_root_of_the_light():
    level = np.linspace(0.0, 1.0, 64, dtype=np.float32)
    smooth = np.broadcast_to(level[None, None, :, None], (300, 64, 64, 1))
    images = smooth + RNG.normal(0, 0.1, smooth.shape)
    noise = scoring.ResidualNoise(smoothing=2.0).fit(images, smooth)
    weighted = noise.weighted(images, smooth)
    ratio = weighted / noise.significance(images, smooth)
    # The faintest bin lies near 0, so the weight is about the root of the level.
    assert ratio[0, 32, 40, 0] == pytest.approx(np.sqrt(level[40]), abs=0.05)
    assert ratio[0, 32, 10, 0] == pytest.approx(np.sqrt(level[10]), abs=0.1)


def test_modes_add_the_orthogonal_score():
    sky = RNG.normal(0, 0.1, (40, 32, 32, 1)).astype(np.float32)
    zero = np.zeros_like(sky)
    noise = scoring.ResidualNoise(smoothing=1.0).fit(sky, zero)
    modes = ResidualModes(3).fit(noise.weighted(sky, zero))
    found = noise.scores(sky, zero, modes)
    expected = modes.score(noise.weighted(sky, zero))
    np.testing.assert_array_equal(found["orthogonal_score"], expected)
    assert noise.scores(sky[:0], zero[:0], modes)["orthogonal_score"].shape == (0,)
    assert "orthogonal_score" not in noise.scores(sky, zero)


def test_noise_of_a_flat_sky_is_that_of_a_smoothed_white_field():
    sky = RNG.normal(0, 0.1, (400, 64, 64, 1)).astype(np.float32)
    noise = scoring.ResidualNoise(smoothing=2.0).fit(sky, np.zeros_like(sky))
    # White noise after a Gaussian of s pixels: sigma / (2 s sqrt(pi)).
    measured = noise.curves[0][0]["noise"][0]
    assert measured == pytest.approx(0.1 / (2 * 2.0 * np.sqrt(np.pi)), rel=0.05)


def test_noise_follows_brightness():
    level = np.linspace(0.0, 1.0, 64, dtype=np.float32)
    smooth = np.broadcast_to(level[None, None, :, None], (300, 64, 64, 1))
    sigma = 0.02 + 0.1 * smooth
    images = smooth + RNG.normal(size=smooth.shape) * sigma
    noise = scoring.ResidualNoise(smoothing=2.0).fit(images, smooth)
    inner = noise.significance(images, smooth)[:, 10:-10, 10:-10]
    spread = inner.std(axis=(0, 1, 3))
    assert np.abs(spread - 1).max() < 0.15


def test_noise_follows_the_distance_from_the_centre():
    y, x = np.indices((64, 64)) - 31.5
    sigma = np.where(np.hypot(x, y) < 12, 0.1, 0.3)[None, ..., None]
    images = RNG.normal(size=(300, 64, 64, 1)) * sigma
    zero = np.zeros_like(images)
    noise = scoring.ResidualNoise(smoothing=2.0).fit(images, zero)
    inner, outer = noise.curves[0][0]["noise"][0], noise.curves[0][5]["noise"][0]
    assert outer / inner == pytest.approx(3, rel=0.1)
    significance = noise.significance(images, zero)
    assert significance.std() == pytest.approx(1, abs=0.01)


def test_peak_is_a_matched_filter():
    noise = scoring.ResidualNoise(smoothing=2.0)
    noise.curves = [[{"brightness": [0.0], "noise": [0.5]}] * 7]
    y, x = np.mgrid[-16:17, -16:17]
    source = 3.0 * np.exp(-(x**2 + y**2) / (2 * 2.0**2))[None, ..., None]
    # Two Gaussians of 2 px convolve to half the height at the centre.
    peak = noise.peak(source, np.zeros_like(source))
    assert peak[0] == pytest.approx(3.0 / 2 / 0.5, rel=0.02)
    assert noise.peak(-source, np.zeros_like(source))[0] < 0.01
    assert len(noise.peak(source[:0], source[:0])) == 0


@pytest.mark.parametrize("n_bands", [1, 3])
def test_peak_alone_is_the_largest_significance(n_bands):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:32, :32] - 15.5
    light = (
        rng.uniform(0, 3, (60, 1, 1, n_bands)) * np.exp(-(x**2 + y**2) / 40)[..., None]
    )
    images = light + rng.normal(0, 0.05 + 0.3 * light)
    noise = scoring.ResidualNoise().fit(images[:40], light[:40])
    images, light = images[40:], light[40:]
    # Nowhere brighter than drawn; a source in empty sky; a lost pixel; an empty band.
    images[0] = light[0] - 1 - light[0] ** 2
    images[1, 3, 28] += 5
    images[2, 5, 5, 0] = np.nan
    images[3] = light[3] = 0
    expected = noise.significance(images, light).max(axis=(1, 2, 3))
    np.testing.assert_array_equal(noise.peak(images, light), expected)
    both = noise.scores(images, light, names=("peak_score", "whitened_score"))
    np.testing.assert_array_equal(both["peak_score"], expected)


def test_bands_have_their_own_curves_and_the_largest_counts():
    sky = RNG.normal(0, 1, (50, 32, 32, 2)) * [1.0, 10.0]
    noise = scoring.ResidualNoise().fit(sky, np.zeros_like(sky))
    one, ten = (curves[0]["noise"][0] for curves in noise.curves)
    assert ten / one == pytest.approx(10, rel=0.2)
    significance = noise.significance(sky, np.zeros_like(sky))
    np.testing.assert_allclose(
        noise.peak(sky, np.zeros_like(sky)), significance.max(axis=(1, 2, 3))
    )


def test_settings_bring_the_curves_back():
    sky = RNG.normal(0, 1, (20, 32, 32, 1))
    noise = scoring.ResidualNoise(1.5).fit(sky, np.zeros_like(sky))
    again = scoring.ResidualNoise(**noise.get_config())
    zero = np.zeros_like(sky)
    np.testing.assert_array_equal(again.peak(sky, zero), noise.peak(sky, zero))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda n, x: scoring.ResidualNoise(0), "`smoothing` must be above 0"),
        (lambda n, x: scoring.ResidualNoise(n_bins=0), "`n_bins` must be at least 1"),
        (lambda n, x: n.fit(x[:0], x[:0]), "at least one image"),
        (lambda n, x: n.peak(x, x), "not measured yet"),
        (
            lambda n, x: n.fit(x, x).peak(x.repeat(2, -1), x.repeat(2, -1)),
            r"`images` must have 1 band\(s\)",
        ),
    ],
)
def test_errors_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(scoring.ResidualNoise(), RNG.normal(size=(2, 16, 16, 1)))
