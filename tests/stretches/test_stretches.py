"""Stretches against astropy.visualization."""

import astropy.visualization as av
import numpy as np
import pytest
import tensorflow as tf

from astroanomaly import stretches
from astroanomaly.data.cutouts import Cutouts

RNG = np.random.default_rng(1)
PAIRS = [
    (stretches.Linear(), av.LinearStretch()),
    (stretches.Sqrt(), av.SqrtStretch()),
    (stretches.Log(), av.LogStretch()),
    (stretches.Log(a=10), av.LogStretch(10)),
    (stretches.Asinh(a=0.1), av.AsinhStretch(0.1)),
    (stretches.Asinh(a=0.003), av.AsinhStretch(0.003)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_equals_astropy(ours, theirs):
    images = RNG.uniform(-3, 50, (3, 8, 8, 1)).astype(np.float32)
    ours.vmin, ours.vmax = (-2.0,), (40.0,)
    expected = theirs(av.ManualInterval(-2.0, 40.0)(images.astype(float)))
    assert np.abs(np.asarray(ours(images)) - expected).max() < 1e-6


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_invert_returns_the_pixels(ours, theirs):
    ours.vmin, ours.vmax = (-2.0,), (40.0,)
    images = RNG.uniform(-2, 40, (3, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(ours.invert(ours(images)), images, atol=2e-4)


def test_adapt_takes_range_names_and_softening_per_band():
    sky = RNG.normal(10.0, 2.0, (200, 16, 16, 2)).astype(np.float32)
    sky[..., 1] *= 5
    cutouts = Cutouts(sky, bands=["i", "r"])
    stretch = stretches.Asinh(softening=3.0).adapt(cutouts)
    assert stretch.bands == ("i", "r")
    np.testing.assert_allclose(stretch.vmin, sky.min(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(stretch.vmax, sky.max(axis=(0, 1, 2)), rtol=1e-6)
    noise = np.array(stretch.a) * np.subtract(stretch.vmax, stretch.vmin) / 3.0
    np.testing.assert_allclose(noise, [2.0, 10.0], rtol=0.03)


def test_percentiles_leave_extremes_out():
    images = np.arange(10001, dtype=np.float32).reshape(1, 73, 137, 1)
    stretch = stretches.Linear(percentiles=(1, 99)).adapt(images)
    assert stretch.vmin == pytest.approx((100.0,))
    assert stretch.vmax == pytest.approx((9900.0,))


def test_sky_noise_ignores_sources():
    sky = RNG.normal(0, 1, 100_000)
    sky[:30_000] += RNG.exponential(20, 30_000)
    assert stretches.sky_noise(sky) == pytest.approx(1.0, abs=0.2)


def test_clipped_pixels_are_counted_per_image():
    images = np.zeros((2, 4, 4, 1), np.float32)
    images[1, 0, 0] = 11
    images[1, 0, 1] = -1
    stretch = stretches.Linear(vmin=0, vmax=10)
    assert stretch.count_clipped(images).tolist() == [0, 2]
    # The ends of the range belong to it, whatever float32 makes of their difference.
    for seed in range(50):
        own = np.random.default_rng(seed).normal(size=(2, 4, 4, 3)).astype(np.float32)
        adapted = stretches.Linear().adapt(own)
        assert adapted.count_clipped(own).tolist() == [0, 0]


def test_per_image_range_erases_flux():
    images = RNG.uniform(0, 1, (2, 8, 8, 2)).astype(np.float32)
    stretch = stretches.Linear(per_image=True)
    a, b = np.asarray(stretch(images)), np.asarray(stretch(images * 7 + 3))
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert a.min(axis=(1, 2)).max() == 0
    assert a.max(axis=(1, 2)).min() == pytest.approx(1)
    assert stretch.count_clipped(images).tolist() == [0, 0]
    with pytest.raises(ValueError, match="cannot be inverted"):
        stretch.invert(a)


def _crowded(n=3):
    """Return images of sky 7 +- 2 and 1 +- 0.5 with a faint object and a bright one."""
    images = RNG.normal((7, 1), (2, 0.5), (n, 48, 48, 2)).astype(np.float32)
    images[:, 10:14, 10:14] += 20
    images[0, 30:33, 30:33] += 5e4
    return images


def test_sigmas_measure_each_image_by_its_own_sky():
    images = _crowded()
    stretch = stretches.Linear(per_image=True, sigmas=(-5, 1000))
    low, high = (np.percentile(images, q, axis=(1, 2)) for q in (15, 30))
    # From scipy.stats.norm.ppf: what lies between these two percentiles, and how far
    # below the mean the second is.
    noise = (high - low) / (1.0364333895 - 0.5244005127)
    level = high + 0.5244005127 * noise
    np.testing.assert_allclose(noise, [[2, 0.5]] * 3, rtol=0.15)
    np.testing.assert_allclose(level, [[7, 1]] * 3, rtol=0.1)
    part = (images - level[:, None, None] + 5 * noise[:, None, None]) / 1005
    expected = np.clip(part / noise[:, None, None], 0, 1)
    np.testing.assert_allclose(stretch(images), expected, atol=1e-5)
    clipped = stretch.count_clipped(images)
    assert clipped.tolist() == [18, 0, 0]
    with pytest.raises(ValueError, match="cannot be inverted"):
        stretch.invert(expected)


def test_a_star_takes_nothing_from_the_object_beside_it():
    images = _crowded(2)
    images[1] = images[0]
    images[1, 30:33, 30:33] -= 5e4
    stretch = stretches.Asinh(per_image=True, sigmas=(-5, 1000), softening=10)
    assert stretch.a == pytest.approx((10 / 1005,))
    with_star, without = np.asarray(stretch(images))[:, 10:14, 10:14]
    np.testing.assert_allclose(with_star, without, rtol=0.01)
    own = stretches.Asinh(a=10 / 1005, per_image=True)
    with_star, without = np.asarray(own(images))[:, 10:14, 10:14]
    assert with_star.max() < without.min() / 10


def test_a_batchs_other_images_change_nothing():
    images = _crowded(5)
    stretch = stretches.Asinh(per_image=True, sigmas=(-5, 1000))
    alone = [np.asarray(stretch(image[None]))[0] for image in images]
    np.testing.assert_array_equal(stretch(images), alone)


@pytest.mark.parametrize("kind", ["Linear", "Sqrt", "Log", "Asinh"])
@pytest.mark.parametrize(
    "options", [{}, {"per_image": True}, {"per_image": True, "sigmas": (-5, 1000)}]
)
def test_in_a_tensorflow_graph_as_outside(kind, options):
    images = _crowded(5)
    stretch = getattr(stretches, kind)(**options).adapt(images)
    for size in (2, None):  # Batches of a fixed size and of any.
        spec = tf.TensorSpec((size, *images.shape[1:]), tf.float32)
        data = tf.data.Dataset.from_generator(
            lambda: iter((images[:2], images[2:4])), output_signature=spec
        )
        found = np.concatenate([batch.numpy() for batch in data.map(stretch)])
        np.testing.assert_allclose(found, stretch(images[:4]), atol=1e-6)


def test_saved_stretch_is_the_same(tmp_path):
    images = RNG.normal(size=(4, 8, 8, 1)).astype(np.float32)
    for stretch in (
        stretches.Asinh().adapt(images),
        stretches.Asinh(per_image=True, sigmas=(-5, 1000)),
    ):
        stretch.save(tmp_path / "stretch.json")
        again = stretches.load(tmp_path / "stretch.json")
        assert again.get_config() == stretch.get_config()
        np.testing.assert_array_equal(again(images), stretch(images))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: stretches.Linear(vmin=1, vmax=1), "`vmax` must be above `vmin`"),
        (lambda: stretches.Linear(percentiles=(5, 101)), "`percentiles` must be two"),
        (lambda: stretches.Linear(sigmas=(-1, 9)), "`sigmas` must be two rising"),
        (lambda: stretches.Linear(per_image=True, sigmas=(9, 1)), "`sigmas` must be"),
        (lambda: stretches.Linear(per_image=True, sigmas=(9,)), "`sigmas` must be"),
        (lambda: stretches.Log(a=0), "`a` must be above 0"),
        (lambda: stretches.Asinh(a=2), r"`a` must be within \(0, 1\]"),
        (lambda: stretches.Asinh(softening=0), "`softening` must be above 0"),
        (lambda: stretches.Linear()(np.zeros((1, 2, 2, 1))), "has no range yet"),
        (
            lambda: stretches.Linear().adapt(np.zeros((1, 4, 4, 1))),
            "band 0 holds only 0.0",
        ),
        (
            lambda: stretches.Linear().adapt(np.full((1, 4, 4, 1), np.nan)),
            "band 0 holds none",
        ),
        (lambda: stretches.Linear().adapt(np.zeros((0, 4, 4, 1))), "with n >= 1"),
    ],
)
def test_bad_arguments_are_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_one_absurd_pixel_does_not_set_the_range():
    rng = np.random.default_rng(3)
    images = rng.normal(0, 1, (24, 32, 32, 2)).astype(np.float32)
    images[:, 14:18, 14:18] += 100
    clean = stretches.Asinh().adapt(images)
    images[3, 5, 5, 1] = 1e30
    images[4, 5, 5, 1] = -1e30
    images[5, 5, 5, 0] = np.nan
    with pytest.warns(UserWarning, match=r"2 pixel\(s\) of 2 training image\(s\)"):
        stretch = stretches.Asinh().adapt(images)
    np.testing.assert_allclose(stretch.vmax, clean.vmax, rtol=1e-6)
    np.testing.assert_allclose(stretch.vmin, clean.vmin, rtol=1e-6)
    assert np.ptp(np.asarray(stretch(images[:1]))) > 0.5
    assert stretch.count_clipped(images).tolist()[:6] == [0, 0, 0, 1, 1, 0]


def test_a_bright_star_sets_the_range_as_before():
    images = np.random.default_rng(3).normal(0, 1, (5, 16, 16, 1))
    images[:, 8, 8] = 50.0
    images[2, 4:6, 4:6] = 6e5
    assert stretches.Linear().adapt(images).vmax == (6e5,)


def test_of_two_images_one_may_be_absurd():
    images = np.random.default_rng(3).normal(0, 1, (2, 64, 64, 1))
    images[0, 1, 1] = 1e20
    with pytest.warns(UserWarning, match="1e\\+20"):
        stretch = stretches.Linear().adapt(images)
    assert 2 < stretch.vmax[0] < 6


def test_constant_images_beside_others_are_no_fault():
    images = np.zeros((5, 8, 8, 1))
    images[4] = np.arange(64).reshape(8, 8, 1)
    assert stretches.Linear().adapt(images).vmax == (63.0,)
