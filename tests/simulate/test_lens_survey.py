import re

import numpy as np
import pytest

import astroanomaly as aa
from astroanomaly import simulate
from astroanomaly.simulate.lenses.ray_tracing import Deflector, Source
from astroanomaly.simulate.survey import objects, scenes
from astroanomaly.simulate.survey.frames import add_lensed, count_pixels, label
from astroanomaly.simulate.survey.lens_survey import KINDS, NEGATIVES

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")


def survey(n=2, **options):
    return simulate.lens_survey(
        n, **({"size": 48, "seed": 1, "n_workers": 1} | options)
    )


# --- what comes out -----------------------------------------------------------


def test_columns_and_shapes():
    cutouts = survey(2, seed=3, size=200)
    assert cutouts.images.shape == (2, 200, 200, 4)
    assert cutouts.images.dtype == np.float32
    assert np.isfinite(cutouts.images).all()
    assert (cutouts.bands, cutouts.pixel_scale) == (("VIS", "Y", "J", "H"), 0.1)
    table = cutouts.table
    assert list(table["object_id"]) == ["survey_3_000000", "survey_3_000001"]
    assert table["unit_H"][0] == "adu/s"
    assert (table["zero_point_VIS"][0], table["zero_point_H"][0]) == (24.6, 23.58)
    assert table["theta_E"].unit == "arcsec"
    assert len(set(zip(table["ra"], table["dec"], strict=True))) == 2
    promised = re.findall(r"`(\w+)`", simulate.lens_survey.__doc__.split("Columns")[1])
    promised = set(promised) - {"n", "seed", "negatives"}
    assert promised <= set(table.colnames)


@pytest.mark.parametrize(
    ("bands", "upsample", "side", "scale"),
    [
        (("H", "VIS"), True, 48, 0.1),
        (("H", "Y"), True, 48, 0.1),
        (("H", "Y"), False, 16, 0.3),
        ("VIS", False, 48, 0.1),
    ],
)
def test_bands_and_pixel_scales(bands, upsample, side, scale):
    cutouts = survey(1, bands=bands, upsample=upsample)
    bands = (bands,) if isinstance(bands, str) else bands
    assert cutouts.images.shape == (1, side, side, len(bands))
    assert (cutouts.bands, cutouts.pixel_scale) == (bands, scale)


def test_a_band_does_not_depend_on_the_others_without_noise():
    every = survey(2, noise=False)
    one = survey(2, noise=False, bands=["J"])
    np.testing.assert_array_equal(every.images[..., 2], one.images[..., 0])


def test_an_object_is_the_same_for_any_n():
    many, few = survey(5), survey(2)
    np.testing.assert_array_equal(many.images[:2], few.images)
    again = survey(5)
    np.testing.assert_array_equal(many.images, again.images)
    for name in many.table.colnames:
        one, two = many.table[name][:2], few.table[name]
        kind = one.dtype.kind
        assert np.array_equal(one, two, equal_nan=kind == "f"), name
    other = survey(2, seed=2)
    assert not np.array_equal(other.images, few.images)


def test_workers_change_nothing():
    options = {"size": 32, "bands": ["H"], "upsample": False}
    here, there = survey(33, **options), survey(33, n_workers=2, **options)
    np.testing.assert_array_equal(here.images, there.images)
    assert here.table["kind"].tolist() == there.table["kind"].tolist()


def test_lens_and_negative_of_one_number_differ_in_the_source_alone():
    lens = survey(1, lens_fraction=1.0, noise=False, size=200)
    bare = survey(
        1, lens_fraction=0.0, negatives={"elliptical": 1}, noise=False, size=200
    )
    arcs = (lens.images - bare.images)[0]
    assert arcs.min() > -1e-4 * lens.images.max()
    row = lens.table[0]
    assert row["lens_mag"] == bare.table["lens_mag"][0]
    # Unlensed flux times magnification, less the wings of the PSF.
    flux = 10 ** (-0.4 * (row["source_mag"] - 24.6)) * row["magnification"]
    assert arcs[..., 0].sum(dtype=float) == pytest.approx(flux, rel=0.03)


def test_positions_fill_the_frame():
    table = survey(60, bands=["H"], upsample=False, size=120).table
    reach = 6.0 - 3.0
    for name in ("center_x", "center_y"):
        assert np.abs(table[name]).max() <= reach
        assert np.std(table[name]) == pytest.approx(reach / np.sqrt(3), rel=0.25)


def test_shares_of_kinds():
    options = {"bands": ["H"], "upsample": False, "size": 32}
    table = survey(60, lens_fraction=0.5, **options).table
    drawn = np.isin(table["kind"], ["lens", "weak_lens"])
    assert 0.3 < drawn.mean() < 0.7
    assert set(table["kind"][~drawn]) <= set(NEGATIVES)
    assert np.isnan(table["magnification"][~drawn]).all()
    assert not table["is_lens"][~drawn].any()
    assert (table["n_images"][~drawn] == 0).all()
    only = survey(5, lens_fraction=0, negatives={"spiral": 1.0}, **options).table
    assert set(only["kind"]) == {"spiral"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind):
    options = {"lens_fraction": 0, "negatives": {kind: 1}, "noise": False, "size": 96}
    cutouts = survey(1, **options)
    row = cutouts.table[0]
    assert row["kind"] == kind
    assert not row["is_lens"]
    if kind == "empty":
        assert np.isnan(row["center_x"])
        return
    # The main object's light is about its place, in every band.
    axis = (np.arange(96) - 47.5) * 0.1
    near = np.hypot(axis - row["center_x"], axis[:, None] - row["center_y"]) < 0.5
    for band in range(4):
        assert cutouts.images[0, ..., band][near].mean() > np.median(
            cutouts.images[0, ..., band]
        )


def test_an_elliptical_is_redder_than_the_arcs():
    lens = survey(3, lens_fraction=1.0, noise=False, size=120)
    bare = survey(
        3, lens_fraction=0.0, negatives={"elliptical": 1}, noise=False, size=120
    )
    arcs = (lens.images - bare.images).sum(axis=(1, 2), dtype=float)
    light = bare.images.sum(axis=(1, 2), dtype=float)
    assert (arcs[:, 3] / arcs[:, 0] < light[:, 3] / light[:, 0]).all()


# --- labels -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((2, 1.61, 21), True),
        ((4, 8.0, 900), True),
        ((1, 8.0, 900), False),
        ((2, 1.6, 900), False),
        ((2, 8.0, 20), False),
        ((0, float("nan"), 0), False),
    ],
)
def test_the_rule_clause_by_clause(numbers, expected):
    assert label(*numbers) is expected


def test_labels_follow_the_rule():
    table = survey(20, lens_fraction=1.0, bands=["H"], upsample=False, size=64).table
    names = ("n_images", "magnification", "n_source_pixels")
    expected = [label(*(row[name] for name in names)) for row in table]
    assert table["is_lens"].tolist() == expected
    assert table["is_anomaly"].tolist() == expected
    words = ["lens" if one else "weak_lens" for one in expected]
    assert table["kind"].tolist() == words


def system(*, theta_E, mag, x, size=200):
    """Put a source behind a sphere; give its magnification, images and pixels."""
    canvas = scenes.Canvas(("VIS",), size)
    source = Source(x, 0.0, 0.15)
    deflector = Deflector(0.5, theta_E)
    flux = scenes.VIS.flux(mag)
    (found,) = add_lensed(canvas, (0.0, 0.0), [deflector], [(source, [flux])], [1.5])
    window, light, magnification, n_images = found
    return magnification, n_images, count_pixels(light, flux, window, canvas)


def test_a_source_that_is_weakly_lensed_is_none():
    magnification, n_images, n_pixels = system(theta_E=1.0, mag=22.0, x=2.5)
    # Outside of the ring: one image, magnified by 1 + theta_E / beta.
    assert magnification == pytest.approx(1.4, rel=0.02)
    assert n_images == 1
    assert n_pixels > 20
    assert not label(n_images, magnification, n_pixels)


def test_a_faint_source_is_none():
    magnification, n_images, n_pixels = system(theta_E=1.0, mag=29.0, x=0.4)
    assert magnification == pytest.approx(2 / 0.4, rel=0.1)
    assert n_images == 2
    assert n_pixels == 0


def test_source_pixels_by_hand():
    # A smooth source without a lens: the area where its blurred light beats the noise.
    _, _, n_pixels = system(theta_E=0.0, mag=21.0, x=0.0)
    import galsim

    from astroanomaly.simulate.cameras.instruments import point_spread_function

    camera = scenes.VIS
    profile = galsim.Sersic(1.0, half_light_radius=0.15, flux=camera.flux(21.0))
    whole = galsim.Convolve(profile, point_spread_function(camera))
    image = whole.drawImage(nx=200, ny=200, scale=0.1).array
    expected = np.count_nonzero(image > np.sqrt(camera.variance()))
    assert n_pixels == pytest.approx(expected, rel=0.05)


def test_a_lens_at_the_edge_counts_the_frames_pixels_alone():
    canvas = scenes.Canvas(("VIS",), 32)
    source, deflector = Source(0.1, 0.0, 0.2), Deflector(0.5, 1.0)
    ((window, light, whole, _),) = add_lensed(
        canvas, (1.4, 0.0), [deflector], [(source, [10.0])], [1.5]
    )
    assert 0 < count_pixels(light, 10.0, window, canvas) < 32 * 32
    far = canvas.window(90.0, 0.0, 1.0)
    assert count_pixels(light, 10.0, far, canvas) == 0
    assert whole == pytest.approx(light.sum())


# --- refusals -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0"),
        ({"size": 31}, "`size` must be a whole number of at least 32. Received: size"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        (
            {"bands": ["VIS", "K"]},
            "`bands` must be names among VIS, Y, J, H, each once",
        ),
        ({"bands": ["H", "H"]}, "`bands` must be names among VIS, Y, J, H, each once"),
        ({"bands": []}, r"`bands` must be .* Received: bands=\(\)"),
        ({"upsample": False}, "`upsample` must be True where VIS and NISP bands share"),
        ({"upsample": "yes"}, "`upsample` must be True or False. Received: upsample="),
        ({"noise": 0.5}, "`noise` must be True or False. Received: noise=0.5"),
        (
            {"lens_fraction": 1.2},
            r"`lens_fraction` must lie in \[0, 1\]. Received: len",
        ),
        ({"lens_fraction": np.nan}, "`lens_fraction` must lie in"),
        (
            {"negatives": {"star": 1.0}},
            "`negatives` must name kinds among elliptical, spiral, .* Received: star",
        ),
        (
            {"negatives": {"spiral": 0.5, "group": 0.4}},
            "`negatives` must have shares of at least 0 that add up to 1. Received: {'",
        ),
        (
            {"negatives": {"spiral": 1.5, "group": -0.5}},
            "`negatives` must have shares of at least 0 that add up to 1",
        ),
        ({"negatives": {}}, "`negatives` must have shares .* that add up to 1"),
        ({"n_workers": 0}, "`n_workers` must be at least 1"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        survey(**options)


def test_default_shares_add_up():
    assert sum(NEGATIVES.values()) == pytest.approx(1)


def test_written_and_read_back(tmp_path):
    from astroanomaly.data.write import write_cutouts

    cutouts = survey(2, size=32)
    write_cutouts(tmp_path, cutouts, n_workers=1)
    found = aa.read_cutouts(tmp_path)
    assert found.bands == cutouts.bands
    np.testing.assert_array_equal(found.images, cutouts.images)
    assert found.table["kind"].tolist() == cutouts.table["kind"].tolist()


def test_field_galaxies_do_not_depend_on_the_kind():
    options = {"noise": False, "size": 64, "negatives": {"empty": 1}}
    empty = survey(3, lens_fraction=0, **options)
    lens = survey(3, lens_fraction=1, **options)
    assert ((lens.images - empty.images).min(axis=(1, 2, 3)) > -1e-3).all()
    field = objects.draw_field(np.random.default_rng(1), 3.2)
    assert all(np.abs(one[1]) <= 3.2 for one in field)
