import re

import numpy as np
import pytest
from scipy import stats

from astroanomaly import simulate
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.simulate.cameras import instruments, noise
from astroanomaly.simulate.mergers.mergers import BLENDED

pytest.importorskip("galsim")
CAMERA = instruments.WFC3_F160W
STAGES = {
    "pre_merger_neighbor",
    "pre_merger_blended",
    "pre_merger_alone",
    "post_merger",
}


class FlatSky:
    """A sky of one number, which notes what it was asked."""

    patches = np.zeros((3, 32, 32))

    def add_to(self, model, instrument, seed):
        assert instrument is CAMERA
        assert isinstance(seed, np.random.Generator)
        return model + 0.5


@pytest.fixture(scope="module")
def cutouts():
    return simulate.mergers(16, n_before=2, n_after=2, size=32, seed=1, n_workers=1)


def equal(one, other):
    np.testing.assert_array_equal(one.images, other.images)
    assert one.table.colnames == other.table.colnames
    for name in one.table.colnames:
        np.testing.assert_array_equal(one.table[name], other.table[name])


def test_columns_and_shapes(cutouts):
    assert cutouts.images.shape == (192, 32, 32, 1)
    assert cutouts.images.dtype == np.float32
    assert np.isfinite(cutouts.images).all()
    assert cutouts.bands == ("F160W",)
    assert cutouts.pixel_scale == 0.06
    isolated = simulate.galaxies(1, size=32).table
    extra = {"system", "projection", "merger_time", "stage"}
    assert set(cutouts.table.colnames) == set(isolated.colnames) | extra
    for name in isolated.colnames:
        assert cutouts.table[name].unit == isolated[name].unit
        assert cutouts.table[name].dtype.kind == isolated[name].dtype.kind
    assert len(set(cutouts.table["object_id"])) == 192
    assert cutouts.table["object_id"][13] == "mrg_1_00001_0_1"
    assert cutouts.table["is_anomaly"].all()


def test_a_pair_is_the_same_whatever_n_and_workers(cutouts):
    options = {"n_before": 2, "n_after": 2, "size": 32, "seed": 1}
    few = simulate.mergers(3, n_workers=1, **options)
    equal(few, cutouts[np.arange(36)])
    # Sixteen pairs are two batches, which go to two processes.
    equal(simulate.mergers(16, n_workers=2, **options), cutouts)


def test_another_seed_is_another_sky():
    one, other = (simulate.mergers(1, size=32, seed=s, n_workers=1) for s in (1, 2))
    assert (one.images != other.images).all(axis=(1, 2, 3)).all()
    assert one.table["flux_ratio"][0] != other.table["flux_ratio"][0]


def test_three_sides_share_what_belongs_to_the_pair(cutouts):
    table = cutouts.table
    assert list(table["projection"]) == [0, 1, 2] * 64
    sides = np.arange(192).reshape(64, 3)
    for name in ("system", "merger_time", "redshift", "stellar_mass", "mag"):
        values = np.asarray(table[name])[sides]
        assert (values == values[:, :1]).all()
    moments = np.arange(192).reshape(16, 12)
    for name in ("system", "flux_ratio", "redshift"):
        values = np.asarray(table[name])[moments]
        assert (values == values[:, :1]).all()
        assert len(set(values[:, 0])) == 16
    # Other sides are other pictures.
    images = cutouts.images[sides]
    assert (images[:, 0] != images[:, 1]).any(axis=(1, 2, 3)).all()


def test_times_lie_in_their_intervals(cutouts):
    times = np.asarray(cutouts.table["merger_time"]).reshape(16, 4, 3)[..., 0]
    for k, (low, high) in enumerate([(-1, -0.5), (-0.5, 0), (0, 0.5), (0.5, 1)]):
        assert low <= times[:, k].min()
        assert times[:, k].max() <= high
    # Uniform in each: all pairs' times, folded onto one interval.
    assert stats.kstest((times % 0.5).ravel() / 0.5, "uniform").pvalue > 1e-3


def test_stages_follow_separation_and_frame(cutouts):
    table = cutouts.table
    assert set(table["stage"]) <= STAGES
    assert {"pre_merger_neighbor", "post_merger"} <= set(table["stage"])
    after = table["merger_time"] > 0
    np.testing.assert_array_equal(after, table["stage"] == "post_merger")
    assert np.isfinite(table["separation"]).all()
    angle = np.radians(table["companion_angle"])
    x = -np.asarray(table["separation"]) * np.sin(angle)
    y = np.asarray(table["separation"]) * np.cos(angle)
    half = 16 * 0.06
    outside = np.maximum(np.abs(x), np.abs(y)) > half
    near = table["separation"] < BLENDED * instruments.resolution(CAMERA)
    for row, out, blended in zip(table, outside, near, strict=True):
        if row["merger_time"] <= 0:
            expected = "blended" if blended else "neighbor"
            assert row["stage"] == f"pre_merger_{'alone' if out else expected}"


def test_a_large_frame_holds_the_companion():
    small, large = (
        simulate.mergers(6, size=size, n_after=0, seed=4, noise=False, n_workers=1)
        for size in (16, 128)
    )
    for name in ("separation", "merger_time", "flux_ratio"):
        np.testing.assert_array_equal(small.table[name], large.table[name])
    alone = [
        (t["stage"] == "pre_merger_alone").sum() for t in (small.table, large.table)
    ]
    assert alone[0] > alone[1]


def test_the_companion_lies_where_the_table_says():
    # Moments at random in the first half: two galaxies apart. Equal ones.
    found = simulate.mergers(
        12, n_after=0, size=96, flux_ratio=1.0, seed=2, noise=False, n_workers=1
    )
    table = found.table
    apart = (table["separation"] > 1.2) & (table["separation"] < 2.4)
    assert apart.sum() > 4
    y, x = (np.indices((96, 96)) - 47.5) * 0.06
    for image, row in zip(found.images[apart], table[apart], strict=True):
        angle = np.radians(row["companion_angle"])
        dx = x + row["separation"] * np.sin(angle)
        dy = y - row["separation"] * np.cos(angle)
        there = image[np.hypot(dx, dy) < 0.25, 0].mean()
        opposite = image[::-1, ::-1, 0][np.hypot(dx, dy) < 0.25].mean()
        assert there > 1.5 * opposite
        assert image[np.hypot(x, y) < 0.25, 0].mean() > 1.5 * opposite


@pytest.mark.parametrize("ratio", [0.25, 1.0])
def test_flux_in_the_frame_is_that_of_both_galaxies(ratio):
    # A frame of 8" holds nearly all the light of galaxies some 2" apart.
    found = simulate.mergers(
        3,
        n_before=2,
        n_after=2,
        size=128,
        flux_ratio=ratio,
        magnitude=(22.5, 23.5),
        seed=5,
        noise=False,
        n_workers=1,
    )
    table = found.table
    flux = found.images.sum(axis=(1, 2, 3))
    primary = 10 ** (-0.4 * (table["mag"] - 25.946))
    after = table["merger_time"] > 0
    # The remnant's magnitude is that of all the light; before, it is the primary's.
    expected = primary * np.where(after, 1.0, 1 + ratio)
    np.testing.assert_allclose(flux, expected, rtol=0.05)
    assert np.median(flux / expected) == pytest.approx(1, abs=0.02)


def test_mass_and_magnitude_of_a_remnant_are_those_of_both():
    table = simulate.mergers(4, size=16, flux_ratio=0.5, noise=False, seed=3).table
    before, after = (table[table["merger_time"] <= 0], table[table["merger_time"] > 0])
    np.testing.assert_allclose(after["stellar_mass"], 1.5 * before["stellar_mass"])
    np.testing.assert_allclose(before["mag"] - after["mag"], 2.5 * np.log10(1.5))
    np.testing.assert_array_equal(before["redshift"], after["redshift"])


def test_magnitudes_and_ratios_stay_in_their_limits():
    table = simulate.mergers(
        12,
        n_after=0,
        size=16,
        flux_ratio=(0.2, 0.4),
        magnitude=(21.0, 21.5),
        noise=False,
        seed=6,
    ).table
    assert 0.2 <= table["flux_ratio"].min() < table["flux_ratio"].max() <= 0.4
    assert 21.0 <= table["mag"].min() < table["mag"].max() <= 21.5


def test_noise_is_the_cameras():
    options = {"size": 48, "magnitude": (29.0, 29.5), "seed": 1, "n_workers": 1}
    noisy = simulate.mergers(4, **options).images
    clean = simulate.mergers(4, noise=False, **options).images
    assert (noisy - clean).std() == pytest.approx(CAMERA.variance() ** 0.5, rel=0.05)


def test_a_sky_is_used():
    options = {"size": 32, "seed": 2, "n_workers": 1}
    sky = simulate.mergers(1, noise=FlatSky(), **options)
    clean = simulate.mergers(1, noise=False, **options)
    np.testing.assert_allclose(sky.images, clean.images + 0.5, rtol=1e-6)
    assert sky.images.dtype == np.float32
    np.testing.assert_array_equal(sky.table["snr"], clean.table["snr"])


def test_a_real_sky_travels_to_the_workers():
    from astroanomaly.simulate.cameras.sky import Sky

    power = noise.noise_power(CAMERA, (200, 200))
    flat = np.full((200, 200), CAMERA.variance())
    sky = Sky.from_mosaic(noise.correlated_noise(flat, power, 3), 16, 30, seed=1)
    options = {"size": 16, "noise": sky, "seed": 3}
    equal(
        simulate.mergers(16, n_workers=2, **options),
        simulate.mergers(16, n_workers=1, **options),
    )


def test_truth_goes_to_disk_and_back(cutouts, tmp_path):
    few = cutouts[np.arange(12)]
    write_cutouts(tmp_path, few)
    back = read_cutouts(tmp_path)
    order = [list(back.object_ids).index(name) for name in few.object_ids]
    back = back[order]
    np.testing.assert_array_equal(back.images, few.images)
    for name in few.table.colnames:
        if name == "file":
            continue
        kind = few.table[name].dtype.kind
        if kind == "f":
            np.testing.assert_allclose(back.table[name], few.table[name], rtol=1e-12)
        else:
            assert list(back.table[name]) == list(few.table[name])
    assert back.table["separation"].unit == "arcsec"
    assert back.table["stellar_mass"].unit == "solMass"


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 2), (3, 0)])
def test_sequences_may_have_one_side_only(n_before, n_after):
    table = simulate.mergers(
        1, n_before=n_before, n_after=n_after, size=16, noise=False
    ).table
    assert len(table) == 3 * (n_before + n_after)
    assert ((table["merger_time"] > 0) == (n_after > 0)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0."),
        (
            {"size": 8},
            "`size` must be a whole number of at least 16. Received: size=8.",
        ),
        (
            {"n_before": -1},
            "`n_before` must be a whole number of at least 0. Received: ",
        ),
        (
            {"n_after": 1.5},
            "`n_after` must be a whole number of at least 0. Received: ",
        ),
        (
            {"n_before": 0, "n_after": 0},
            "`n_before` and `n_after` must not both be 0. Received: n_before=0 and",
        ),
        (
            {"seed": -1},
            "`seed` must be a whole number of at least 0. Received: seed=-1.",
        ),
        ({"flux_ratio": 0.0}, "limits in (0, 1]. Received: flux_ratio=0.0."),
        ({"magnitude": (24, 20)}, "`magnitude` must be two rising limits in [10, 30]."),
        (
            {"noise": "loud"},
            "`noise` must be True, False or a sky.Sky. Received: noise=",
        ),
        (
            {"noise": FlatSky()},
            "patches of 64x64 pixels, as large as a cutout. Received",
        ),
        ({"instrument": "eye"}, "Received: instrument='eye'."),
        ({"n_workers": 0}, "`n_workers` must be at least 1. Received: n_workers=0."),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        simulate.mergers(**({"n": 1} | options))
