"""Simple features, the reader of real lenses, and what is looked at."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

from astroanomaly.evaluation.classifier import PUBLISHED_OUTPUTS  # noqa: E402
from studies.lens_finder import detectors, explained, names, real, sets  # noqa: E402
from studies.lens_finder.kept import keep  # noqa: E402

FOUR = ("VIS", "Y", "J", "H")


def test_features_of_a_galaxy_are_those_computed_by_hand():
    image = np.zeros((1, 66, 66, 2))
    # One bright pixel: all flux lies within every aperture, none in the ring.
    image[0, 30, 40] = 10.0, 5.0
    found = detectors.measure(image[0], 0.3, [1.0, 0.5])
    assert found.shape == (8 * 2 - 2,)
    y, x = np.indices((66, 66))
    # Apertures lie about the brightest 3x3 mean, the first of nine equal ones.
    n = [(0.3 * np.hypot(y - 29, x - 39) <= r).sum() for r in detectors.RADII]
    expected = [np.arcsinh(10 / k**0.5) for k in n for _ in "ab"]
    np.testing.assert_allclose(found[:6], expected)
    np.testing.assert_allclose(found[6:8], 0)
    np.testing.assert_allclose(found[8:10], np.arcsinh(10 / 66))
    np.testing.assert_allclose(found[10:12], 1)
    # Both bands are ten times their noise: no color.
    np.testing.assert_allclose(found[12:], 0, atol=1e-12)


def test_a_color_is_the_ratio_of_two_bands():
    image = np.zeros((1, 66, 66, 2))
    image[0, 30:33, 30:33] = 1000.0, 100.0
    found = detectors.measure(image[0], 0.3, np.ones(2))
    assert found[-2] == pytest.approx(np.log(10), rel=1e-3)


def test_the_floor_learns_what_is_plain():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2 == 0
    numbers = rng.normal(0, 1, (60, 5))
    numbers[:, 2] += 10 * labels
    for model in detectors.classifiers(0).values():
        p = model.fit(numbers[:40], labels[:40]).predict_proba(numbers[40:])[:, 1]
        assert p[labels[40:]].min() > p[~labels[40:]].max()


def _file(path, n, value=1.0, scale=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((n, n), value, np.float32)
    image[n // 2, n // 2] += 50
    header = fits.Header()
    if scale:
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CD1_1"], header["CD2_2"] = -scale / 3600, scale / 3600
    fits.PrimaryHDU(image, header).writeto(path)


def test_a_lens_is_seen_only_where_its_bands_and_its_field_are(tmp_path):
    target = real.Target("L", {"VIS": "a.fits"}, {"VIS": "F814W"}, 0.05)
    with pytest.raises(FileNotFoundError, match="a.fits is not there"):
        real.Field(tmp_path, target)
    _file(tmp_path / "a.fits", 280)
    field = real.Field(tmp_path, target)
    assert field.image.shape == (140, 140, 1)
    # The flux is conserved: four pixels of 0.05 arcsec to one of 0.1.
    assert field.image.sum() == pytest.approx(280**2 + 50, rel=1e-6)
    cut = field.seen(sets.View("cut", ("VIS",)), 200)
    assert cut.shape == (116, 116, 1)
    assert np.unravel_index(cut.argmax(), cut.shape)[:2] in ((57, 57), (58, 58))
    assert field.seen(sets.View("whole", ("VIS",)), 200) is None
    assert field.seen(sets.View("cut", ("Y", "J")), 200) is None
    assert field.seen(sets.View("binned", ("VIS",)), 120).shape == (40, 40, 1)
    assert field.corners(sets.View("cut", ("VIS",))) == []


def test_bands_of_nisp_come_by_large_pixels(tmp_path):
    files = {"Y": "y.fits", "J": "j.fits"}
    target = real.Target("R", files, {"Y": "F115W", "J": "F150W"}, 0.03)
    _file(tmp_path / "y.fits", 420, 1.0)
    _file(tmp_path / "j.fits", 420, 2.0)
    image = real.Field(tmp_path, target).image
    assert image.shape == (126, 126, 2)
    # Flat sky: an area of 0.1 arcsec has (10/3)^2 pixels of 0.03.
    assert image[5, 5].tolist() == pytest.approx([100 / 9, 200 / 9], rel=1e-5)
    # The bright pixel is smeared over large ones.
    assert image[..., 0].max() < 100 / 9 + 50 / 9 + 1e-3


@pytest.mark.skipif(not real.DATA.is_dir(), reason="the real files are not here")
def test_euclid_fields_have_corners_without_their_middle():
    found, missing = real.fields(real.DATA)
    assert missing == {}
    names = [field.target.name for field in found]
    assert names == [target.name for target in real.TARGETS]
    euclid = found[0]
    assert euclid.image.shape == (300, 300, 4)
    for view, side in (
        (sets.View("whole", FOUR), 200),
        (sets.View("binned", FOUR), 66),
        (sets.View("cut", ("VIS",)), 116),
        (sets.View("half", FOUR), 58),
    ):
        assert euclid.seen(view, 200).shape == (side, side, len(view.bands))
    corners = euclid.corners(sets.View("cut", ("Y", "J")))
    assert [corner.shape for corner in corners] == [(116, 116, 2)] * 4
    np.testing.assert_array_equal(corners[3], euclid.image[184:, 184:, 1:3])
    halves = euclid.corners(sets.View("half", ("Y", "J")))
    blocks = np.stack(corners).reshape(4, 58, 2, 58, 2, 2)
    np.testing.assert_allclose(halves, blocks.sum(axis=(2, 4)), rtol=1e-4, atol=1e-4)
    assert euclid.corners(sets.View("whole", FOUR)) == []
    for field, view in (
        (found[2], sets.View("cut", ("VIS",))),
        (found[3], sets.View("cut", ("VIS",))),
        (found[4], sets.View("cut", ("Y", "J"))),
    ):
        image = field.seen(view, 200)
        assert image.shape[:2] == (116, 116)
        assert np.isfinite(image).all()


def test_a_folder_that_is_not_there_has_no_lens(tmp_path):
    found, missing = real.fields(tmp_path / "none")
    assert found == []
    assert set(missing) == {target.name for target in real.TARGETS}
    assert all("is not there" in reason for reason in missing.values())


def test_published_names_are_the_package_s():
    ours = {target.name for target in real.TARGETS}
    assert ours & set(PUBLISHED_OUTPUTS) == {"SDSS J0946+1006", "SDSS J1148+1930"}


def test_hits_and_errors_are_chosen_by_label_and_output(tmp_path):
    class One:
        def __init__(self, labels, kinds):
            self.labels = np.array(labels)
            self.truth = Table({"kind": kinds})

    kinds = ["lens", "lens", "spiral", "spiral", "group", "weak_lens"]
    known = {"test": One([True, True, False, False, False, False], kinds)}
    known |= {name: One([True, True], ["arc"] * 2) for name in ("arcs", "rings")}
    values = {"test": [0.9, 0.1, 0.8, 0.6, 0.2, 0.5], "arcs": [0.9, 0.9]}
    values["rings"] = [0.7, 0.3]
    for name, p in values.items():
        arrays = {"probability": np.array(p)}
        keep(tmp_path / "outputs" / f"{name}.npz", {}, lambda a=arrays: a)
    found = explained.groups(tmp_path, known, 5, 0)
    told = {group: (name, rows.tolist()) for group, (name, rows) in found.items()}
    assert told == {
        "found": ("test", [0]),
        "missed": ("test", [1]),
        "false_spiral": ("test", [2, 3]),
        "false_weak_lens": ("test", [5]),
        "arcs": ("arcs", [0, 1]),
        "rings": ("rings", [0]),
        "rings_missed": ("rings", [1]),
    }
    few = explained.groups(tmp_path, known, 1, 0)
    assert len(few["arcs"][1]) == 1
    again = explained.groups(tmp_path, known, 1, 0)
    assert few["arcs"][1].tolist() == again["arcs"][1].tolist()


def test_light_is_what_lies_above_the_sky():
    images = np.full((1, 4, 4, 2), 0.1)
    images[0, 1, 2] = 0.5, 0.3
    images[0, 0, 0] = 0.05
    found = explained.light(images)
    assert found.shape == (1, 4, 4)
    assert found[0, 1, 2] == pytest.approx((0.4 + 0.2) / 2)
    assert found.sum() == found[0, 1, 2]


def test_false_alarms_come_last_and_kinds_have_words():
    groups = ["false_b", "rings", "found", "false_a", "found"]
    assert names.ordered(groups) == ["found", "rings", "false_a", "false_b"]
    assert names.group_name("false_ring_galaxy") == "false alarms: ring galaxy"
