import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from astroanomaly import simulate
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import masses

pytest.importorskip("galsim")


def test_columns_and_shapes():
    cutouts = simulate.galaxies(3, size=32, seed=1)
    assert cutouts.images.shape == (3, 32, 32, 1)
    assert cutouts.images.dtype == np.float32
    assert cutouts.bands == ("F160W",)
    assert cutouts.pixel_scale == 0.06
    table = cutouts.table
    assert list(table["object_id"]) == [f"gal_1_00000{i}" for i in range(3)]
    assert table["unit_F160W"][0] == "electron/s"
    assert table["zero_point_F160W"][0] == 25.946
    assert not table["is_anomaly"].any()
    assert (table["flux_ratio"] == 0).all()
    assert np.isnan(table["separation"]).all()
    wanted = "mag half_light_radius n bulge_to_total axis_ratio position_angle"
    assert set(wanted.split()) | {"structure", "n_arms", "has_bar", "snr"} <= set(
        table.colnames
    )


def test_redshift_and_mass_are_drawn_for_what_the_image_shows():
    table = simulate.galaxies(3, size=32, seed=1, n_workers=1).table
    assert table["stellar_mass"].unit == "solMass"
    for i, row in enumerate(table):
        # Random numbers of their own, as many as there are parts of an object.
        rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(i, 3)))
        args = row["mag"], row["half_light_radius"], row["structure"], 1537.0
        drawn = masses.draw_mass(rng, *args)
        assert (row["redshift"], row["stellar_mass"]) == pytest.approx(drawn)


def test_isolation_leaves_out_massive_galaxies():
    options = {"size": 16, "noise": False, "n_workers": 1, "magnitude": (19, 21)}
    free = simulate.galaxies(250, seed=1, **options).table
    cut = simulate.galaxies(250, seed=1, isolation=True, **options).table
    logs = [np.log10(table["stellar_mass"]) for table in (free, cut)]
    assert stats.ks_2samp(*logs, alternative="less").pvalue < 1e-6
    assert np.median(logs[1]) < np.median(logs[0]) - 0.1
    # What is left is the free sample, thinned by the probability of each mass.
    keep = np.array([masses.isolated_probability(m) for m in free["stellar_mass"]])
    expected = np.average(logs[0], weights=keep)
    assert logs[1].mean() == pytest.approx(expected, abs=0.15)
    assert not cut["is_anomaly"].any()


def test_isolated_objects_are_the_same_whatever_n():
    options = {"size": 16, "isolation": True, "seed": 3, "magnitude": (19, 21)}
    few, many = (simulate.galaxies(n, n_workers=1, **options) for n in (3, 8))
    np.testing.assert_array_equal(few.images, many.images[:3])
    for name in few.table.colnames:
        np.testing.assert_array_equal(few.table[name], many.table[name][:3])


def test_galaxies_that_pass_the_cuts_are_those_that_were_there():
    options = {"size": 16, "seed": 3, "noise": False, "n_workers": 1}
    free = simulate.galaxies(30, **options)
    cut = simulate.galaxies(30, isolation=True, **options)
    same = free.table["stellar_mass"] == cut.table["stellar_mass"]
    assert same.sum() > 5
    np.testing.assert_array_equal(free.images[same], cut.images[same])


def test_without_structure_discs_are_smooth():
    options = {"size": 48, "seed": 2, "noise": False, "n_workers": 1}
    options |= {"companion_fraction": 0.4}
    rich = simulate.galaxies(12, **options)
    plain = simulate.galaxies(12, structure=False, **options)
    assert (plain.table["n_arms"] == 0).all()
    assert not plain.table["has_bar"].any()
    same = {"n_arms", "has_bar", "snr"}
    for name in set(rich.table.colnames) - same:
        np.testing.assert_array_equal(rich.table[name], plain.table[name])
    early = rich.table["structure"] == "smooth"
    alone = ~rich.table["is_anomaly"]
    changed = (rich.images != plain.images).any(axis=(1, 2, 3))
    assert not changed[early & alone].any()
    assert changed[~early].all()
    # A smooth galaxy looks the same when it is turned by half about its centre:
    # centre and frame differ by half a pixel at most.
    for i in np.flatnonzero(~early & alone):
        odd = [
            np.abs(c.images[i] - c.images[i, ::-1, ::-1]).sum() for c in (rich, plain)
        ]
        assert odd[1] < odd[0]


def test_a_sky_takes_the_place_of_the_cameras_noise():
    class FlatSky:
        patches = np.zeros((2, 16, 16))

        def add_to(self, model, instrument, seed):
            return 2.0 * model + 0.5

    options = {"size": 16, "seed": 4, "n_workers": 1}
    clean = simulate.galaxies(3, noise=False, **options)
    sky = simulate.galaxies(3, noise=FlatSky(), **options)
    np.testing.assert_allclose(sky.images, 2 * clean.images + 0.5, rtol=1e-6)
    np.testing.assert_array_equal(sky.table["snr"], clean.table["snr"])


def test_positions_are_valid_and_distinct():
    table = simulate.galaxies(200, size=16, noise=False, n_workers=1).table
    assert len(set(zip(table["ra"], table["dec"], strict=True))) == 200
    assert table["ra"].min() >= 0
    assert table["ra"].max() < 360
    assert np.abs(table["dec"]).max() <= 90


def test_same_seed_same_bits_whatever_n():
    options = {"size": 32, "companion_fraction": 0.5, "seed": 4}
    few = simulate.galaxies(5, **options)
    many = simulate.galaxies(9, **options)
    np.testing.assert_array_equal(few.images, many.images[:5])
    for name in few.table.colnames:
        np.testing.assert_array_equal(few.table[name], many.table[name][:5])
    other = simulate.galaxies(5, **(options | {"seed": 5}))
    assert (other.images != few.images).all(axis=(1, 2, 3)).all()


def test_workers_change_nothing():
    options = {"size": 16, "companion_fraction": 0.3, "seed": 2}
    one = simulate.galaxies(130, n_workers=1, **options)
    two = simulate.galaxies(130, n_workers=2, **options)
    np.testing.assert_array_equal(one.images, two.images)
    assert list(one.table["object_id"]) == list(two.table["object_id"])


def test_companion_carries_its_flux():
    options = {"size": 128, "noise": False, "seed": 3, "magnitude": (22.0, 23.0)}
    alone = simulate.galaxies(6, **options)
    pairs = simulate.galaxies(6, companion_fraction=1.0, flux_ratio=0.5, **options)
    assert pairs.table["is_anomaly"].all()
    np.testing.assert_allclose(pairs.table["flux_ratio"], 0.5)
    np.testing.assert_array_equal(pairs.table["mag"], alone.table["mag"])
    extra = (pairs.images - alone.images).sum(axis=(1, 2, 3))
    flux = 10 ** (-0.4 * (alone.table["mag"] - 25.946))
    inside = pairs.table["separation"] < 2.4
    assert inside.sum() >= 2
    np.testing.assert_allclose((extra / flux)[inside], 0.5, rtol=0.04)


def test_companion_lies_where_the_table_says():
    options = {"size": 128, "noise": False, "seed": 8}
    alone = simulate.galaxies(16, **options)
    pairs = simulate.galaxies(16, companion_fraction=1.0, **options)
    y, x = (np.indices((128, 128)) - 63.5) * 0.06
    misses = []
    for i, row in enumerate(pairs.table):
        extra = (pairs.images - alone.images)[i, ..., 0]
        inside = np.where(extra > 0.02 * extra.max(), extra, 0)
        angle = np.radians(row["companion_angle"])
        dx = np.average(x, weights=inside) + row["separation"] * np.sin(angle)
        dy = np.average(y, weights=inside) - row["separation"] * np.cos(angle)
        misses.append(np.hypot(dx, dy))
    # Half a pixel of centring and the lopsidedness of knots.
    assert np.median(misses) < 0.06


def test_separation_and_ratio_stay_in_range():
    table = simulate.galaxies(
        100, companion_fraction=1.0, flux_ratio=(0.2, 0.8), noise=False, seed=1
    ).table
    assert table["separation"].max() < 32 * 0.06
    assert (table["separation"] >= table["half_light_radius"]).all()
    assert table["flux_ratio"].min() >= 0.2
    assert table["flux_ratio"].max() <= 0.8
    # Log-uniform: the median is the geometric mean, 0.4.
    assert np.median(table["flux_ratio"]) == pytest.approx(0.4, abs=0.06)


def test_fraction_of_companions():
    table = simulate.galaxies(
        120, size=16, companion_fraction=0.25, noise=False, seed=6
    ).table
    # Binomial: 30 +- 4.7.
    assert 15 < table["is_anomaly"].sum() < 45
    np.testing.assert_array_equal(table["flux_ratio"] > 0, table["is_anomaly"])


@pytest.mark.parametrize(("name", "size"), [("wfc3_f160w", 64), ("acs_f814w", 128)])
def test_noise_of_an_empty_frame(name, size):
    # Sources of 29 mag are lost in the noise of a frame.
    options = {"instrument": name, "size": size, "magnitude": (29.0, 29.5)}
    images = simulate.galaxies(30, seed=1, **options).images
    camera = instruments.get(name)
    assert images.std() == pytest.approx(camera.variance() ** 0.5, rel=0.04)


def test_bright_galaxies_are_noisier():
    options = {"seed": 5, "magnitude": (18.0, 18.0), "size": 48}
    noisy = simulate.galaxies(40, **options).images
    clean = simulate.galaxies(40, noise=False, **options).images
    scaled = (noisy - clean) / np.sqrt(instruments.WFC3_F160W.variance(clean))
    assert scaled.std() == pytest.approx(1.0, rel=0.03)
    bright = clean > 0.5 * clean.max(axis=(1, 2, 3), keepdims=True)
    assert scaled[bright].std() == pytest.approx(1.0, rel=0.2)


def test_signal_to_noise_by_hand():
    camera = instruments.WFC3_F160W.replace(correlation="none")
    cutouts = simulate.galaxies(1, instrument=camera, noise=False, seed=1)
    model = cutouts.images[0, ..., 0].astype(float)
    expected = np.sqrt((model**2 / camera.variance(model)).sum())
    assert cutouts.table["snr"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0."),
        ({"n": 2.5}, "`n` must be a whole number of at least 1. Received: n=2.5."),
        ({"size": 8}, "`size` must be a whole number of at least 16. Rec"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0. Received: seed=-"),
        ({"companion_fraction": 1.2}, "`companion_fraction` must lie in [0, 1]. Rec"),
        ({"flux_ratio": (0.0, 1.0)}, "`flux_ratio` must be one value or two rising "),
        ({"flux_ratio": 1.5}, "limits in (0, 1]. Received: flux_ratio=1.5."),
        ({"flux_ratio": (0.9, 0.1)}, "Received: flux_ratio=(0.9, 0.1)."),
        ({"companion_fraction": np.nan}, "`companion_fraction` must lie in [0, 1]. R"),
        ({"noise": 0.5}, "`noise` must be True, False or a sky.Sky. Received: noise=0"),
        (
            {"noise": None},
            "`noise` must be True, False or a sky.Sky. Received: noise=N",
        ),
        ({"magnitude": 22.0}, "limits in [10, 30]. Received: magnitude=22.0."),
        ({"magnitude": (24, 20)}, "`magnitude` must be two rising limits in [10, 30]"),
        (
            {"instrument": "eye"},
            "one of acs_f814w, euclid_nisp_h, euclid_nisp_j, euclid_nisp_y, "
            "euclid_vis, hsc_i, wfc3_f160w. Received: instrument='e",
        ),
        ({"n_workers": 0}, "`n_workers` must be at least 1. Received: n_workers=0."),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        simulate.galaxies(**({"n": 1} | options))


def test_tensorflow_stays_out():
    code = (
        "import sys; from astroanomaly import simulate; simulate.galaxies(1); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
