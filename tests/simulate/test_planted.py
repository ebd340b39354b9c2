"""Planted anomalies against sums and places worked out by hand."""

import numpy as np
import pytest

from astroanomaly.simulate import plant
from astroanomaly.simulate.planted import KINDS

SIDE = 64


def frames(n=3, bands=1, level=0.0, noise=1.0, seed=0):
    """Noise, with a round source of 10,000 in the first and half of it in others."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = np.exp(-(x**2 + y**2) / (2 * 3.0**2))
    light *= 10_000 / light.sum()
    colors = np.array([1.0, *[0.5] * (bands - 1)])
    images = level + light[None, :, :, None] * colors
    images = images + rng.normal(0, noise, (n, SIDE, SIDE, bands))
    return images.astype("f4")


def test_a_companion_has_the_ratio_the_place_and_the_color_of_its_row():
    images = frames(4, bands=2, level=7.0)
    planted, truth = plant(images, ["companion"], seed=3)
    added = planted.astype(float) - images
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    for light, row in zip(added, truth, strict=True):
        total = light.sum(axis=(0, 1))
        # The host's flux is 10,000 and 5,000, known to the noise in the aperture (28)
        # and the error of the sky (1 / sqrt(1792), over 804 pixels).
        np.testing.assert_allclose(total, row["strength"] * np.array([1e4, 5e3]), 0.03)
        centroid = [(light[..., 0] * axis).sum() / total[0] for axis in (x, y)]
        np.testing.assert_allclose(centroid, [row["x"], row["y"]], atol=0.1)
        assert 0.15 * SIDE <= np.hypot(row["x"], row["y"]) <= 0.35 * SIDE
        assert 0.1 <= row["strength"] <= 1


def test_a_companion_of_a_faint_object_is_bright_enough_to_be_seen():
    images = frames(3, noise=1e5)
    added = plant(images, ["companion"])[0].astype(float) - images
    noise = [
        1.4826 * np.median(np.abs(b - np.median(b)))
        for b in (image[border()] for image in images)
    ]
    peaks = added.max(axis=(1, 2, 3)) / noise
    assert ((peaks > 4.9) & (peaks < 60)).all()


def border():
    edge = np.ones((SIDE, SIDE), bool)
    edge[8:-8, 8:-8] = False
    return edge


def test_a_streak_is_a_line_in_one_band_with_the_peak_of_its_row():
    images = frames(6, bands=3, noise=2.0)
    planted, truth = plant(images, ["streak"], seed=1)
    added = planted.astype(float) - images
    for image, light, row in zip(images, added, truth, strict=True):
        others = np.delete(light, row["band"], axis=-1)
        assert not others.any()
        edge = image[border()][:, row["band"]]
        noise = 1.4826 * np.median(np.abs(edge - np.median(edge)))
        own = light[..., row["band"]]
        # Pixel centers miss the ridge by up to half a pixel: exp(-0.25 / (2 * 0.96^2)).
        assert 0.87 * row["strength"] <= own.max() / noise <= row["strength"] + 1e-3
        ys, xs = np.nonzero(own > 0.5 * own.max())
        angle = np.radians(row["angle"])
        middle = (SIDE - 1) / 2
        across = (ys - middle - row["y"]) * np.cos(angle)
        across -= (xs - middle - row["x"]) * np.sin(angle)
        # Half of the maximum of a Gaussian of 0.96 pixels lies at 1.18 of its width.
        assert np.abs(across).max() < 1.6
        assert len(ys) > SIDE / 2


def test_half_of_the_frame_is_zero_and_the_other_half_is_untouched():
    images = frames(8, bands=2, level=50.0)
    planted, truth = plant(images, ["missing_half"])
    zero = (planted == 0).all(axis=-1)
    assert (zero.sum(axis=(1, 2)) == SIDE * SIDE // 2).all()
    np.testing.assert_array_equal(planted[~zero], images[~zero])
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    for mask, row in zip(zero, truth, strict=True):
        # The middle of what is missing: a quarter of the side from the center.
        assert (x[mask].mean(), y[mask].mean()) == (row["x"], row["y"])


@pytest.mark.parametrize("noise", [1.0, 1e5])
def test_a_bump_is_a_point_on_the_object_in_every_band(noise):
    images = frames(5, bands=2, noise=noise)
    planted, truth = plant(images, ["bump"])
    added = planted.astype(float) - images
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    for image, light, row in zip(images, added, truth, strict=True):
        edge = image[border()]
        level = np.median(edge, axis=0)
        sky = 1.4826 * np.median(np.abs(edge - level), axis=0)
        top = (image - level)[np.hypot(x, y) <= SIDE / 4].max(axis=0)
        peak = np.maximum(row["strength"] * top, 5 * sky)
        # The sum of a Gaussian of 1.28 pixels is its peak times 2 pi 1.28^2.
        area = 2 * np.pi * (0.02 * SIDE) ** 2
        np.testing.assert_allclose(light.sum(axis=(0, 1)), peak * area, rtol=2e-3)
        assert 0.05 * SIDE <= np.hypot(row["x"], row["y"]) <= 0.15 * SIDE
        centroid = [(light[..., 0] * a).sum() / light[..., 0].sum() for a in (x, y)]
        np.testing.assert_allclose(centroid, [row["x"], row["y"]], atol=0.05)


def test_a_faint_companion_has_the_small_ratio_of_its_row():
    images = frames(4)
    planted, truth = plant(images, ["faint_companion"], seed=2)
    added = (planted.astype(float) - images).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(added, 1e4 * truth["strength"], rtol=0.03)
    assert (0.02 <= truth["strength"]).all()
    assert (truth["strength"] <= 0.2).all()
    reach = np.hypot(truth["x"], truth["y"]) / SIDE
    assert (reach >= 0.1).all()
    assert (reach <= 0.35).all()


def test_a_clump_gains_or_loses_its_share_of_the_light_at_a_bright_place():
    images = frames(12, noise=1e-3)
    planted, truth = plant(images, ["clump"], seed=1)
    assert {*np.sign(truth["strength"])} == {-1, 1}
    for image, changed, row in zip(images, planted, truth, strict=True):
        at = (round(row["y"] + (SIDE - 1) / 2), round(row["x"] + (SIDE - 1) / 2), 0)
        assert changed[at] / image[at] == pytest.approx(1 + row["strength"], rel=1e-3)
        # A Gaussian of 3 pixels, smoothed by 1.5, is above 0.3 within 5.2.
        assert np.hypot(row["x"], row["y"]) < 5.6
        assert 0.2 <= abs(row["strength"]) <= 0.6


def test_a_distortion_moves_light_by_its_shift_and_leaves_the_rest_alone():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    # A cone: where it is moved by d along its radius, it changes by d.
    images = np.broadcast_to((60 - np.hypot(x, y))[..., None], (5, SIDE, SIDE, 1))
    planted, truth = plant(images, ["distortion"], seed=4)
    for image, changed, row in zip(images, planted, truth, strict=True):
        far = np.hypot(x - row["x"], y - row["y"]) > 0.45 * SIDE
        np.testing.assert_allclose(changed[far], image[far], atol=2e-2)
        difference = np.abs(changed - image).max()
        assert 0.8 * row["strength"] < difference < 1.01 * row["strength"]
        assert 0.005 * SIDE <= row["strength"] <= 0.02 * SIDE


def test_a_missing_pixel_stays_one_and_spreads_to_no_other():
    images = frames(2)
    images[0, 5, 7] = np.nan
    planted, truth = plant(images)
    lost = np.isnan(planted).sum(axis=(1, 2, 3))
    first = np.asarray(truth["host"]) == 0
    # Half of the frame may be 0 there.
    assert (lost[first & (truth["kind"] != "missing_half")] == 1).all()
    assert not lost[~first].any()


def test_the_same_seed_plants_the_same_and_a_choice_changes_no_other():
    images = frames(3)
    first, truth = plant(images, seed=5)
    again = plant(images[:2], ["bump"], seed=5)[0]
    np.testing.assert_array_equal(again, first[truth["kind"] == "bump"][:2])
    assert truth["kind"].tolist() == [k for k in KINDS for _ in range(3)]
    assert truth["host"].tolist() == [0, 1, 2] * len(KINDS)
    assert (plant(images, seed=6)[0] != first).any()


def test_blank_and_nan_pixels_pass():
    blank = np.zeros((1, 32, 32, 2))
    assert np.isfinite(plant(blank)[0]).all()
    holed = frames(1)
    holed[0, 3, 4] = np.nan
    planted, truth = plant(holed)
    lost = np.isnan(planted).sum(axis=(1, 2, 3))
    assert (lost[truth["kind"] != "missing_half"] == 1).all()
    assert len(plant(np.zeros((0, 32, 32, 1)))[1]) == 0


@pytest.mark.parametrize(
    ("images", "kinds", "words"),
    [
        (np.zeros((2, 8, 8)), ["bump"], r"`images`.*\(2, 8, 8\)"),
        (np.zeros((2, 8, 8, 1)), ["bumps"], "`kinds`.*bumps"),
        (np.zeros((2, 8, 8, 1)), [], "`kinds`.*none"),
    ],
)
def test_what_cannot_be_planted_is_refused(images, kinds, words):
    with pytest.raises(ValueError, match=words):
        plant(images, kinds)
