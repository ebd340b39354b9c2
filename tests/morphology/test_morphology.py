"""Tables of morphology: every object has a row, reasons, bands, workers, errors."""

import sys

import numpy as np
import pytest
from astropy.table import Table
from sersic import cutouts_of, galaxy

from astroanomaly import Cutouts
from astroanomaly.morphology import FEATURES, MorphologyWarning, measure, table
from astroanomaly.morphology.statistics import Settings, Unmeasurable, examine

pytest.importorskip("statmorph")
pytest.importorskip("photutils")


# --- what cannot be measured -----------------------------------------------------


def _hurt(image, rows, columns, value=np.nan):
    image = image.copy()
    image[rows, columns] = value
    return image


def test_every_object_has_a_row_and_a_reason(disc):
    noise = np.random.default_rng(1).normal(0, 1, (48, 48))
    off_center = galaxy(48, 1, 3.0, 500, shift=(15, 0))
    images = [
        disc,
        np.zeros((48, 48)),
        off_center,
        np.full((48, 48), np.nan),
        _hurt(disc, slice(22, 26), slice(22, 26)),
        _hurt(disc, slice(0, 4), slice(None), np.inf),
        noise,
    ]
    names = ["disc", "blank", "off", "nan", "hole", "edge", "noise"]
    cutouts = cutouts_of(*images, table=Table({"object_id": names}))
    nowhere = "no source at the center"
    message = (
        r"^5 of 7 objects could not be measured and are rows of NaN with `measured` "
        rf"False: {nowhere} \(3\), no finite pixel \(1\), bad pixels in the object "
        r"\(1\)\.$"
    )
    with pytest.warns(MorphologyWarning, match=message) as caught:
        table = measure(cutouts)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert table["object_id"].tolist() == names
    lost = ["blank", "off", "nan", "hole", "noise"]
    assert table["object_id"][~table["measured"]].tolist() == lost
    assert table["reason"].tolist() == [
        "",
        nowhere,
        nowhere,
        "no finite pixel",
        "bad pixels in the object",
        "",
        nowhere,
    ]
    gone = table[~table["measured"]]
    assert all(np.isnan(gone[name]).all() for name in FEATURES)
    assert set(gone["flag"]) == {4}
    reasons = {nowhere: 3, "no finite pixel": 1, "bad pixels in the object": 1}
    assert table.meta["reasons"] == reasons
    assert table.meta["n_unmeasured"] == 5
    assert table.meta["n_measured"] == 2
    assert sum(table.meta["flags"].values()) == 2


def test_pixels_far_from_the_object_do_not_matter_if_bad(disc, measured):
    table = measure(cutouts_of(_hurt(disc, slice(0, 3), slice(0, 3))))
    assert table["gini"][0] == pytest.approx(measured["gini"][0], abs=1e-3)


def test_an_error_inside_statmorph_is_a_reason(disc, monkeypatch):
    import statmorph

    def broken(self):
        raise AssertionError

    monkeypatch.setattr(statmorph.SourceMorphology, "_calculate_morphology", broken)
    with pytest.warns(MorphologyWarning, match=r"statmorph failed \(AssertionError\)"):
        table = measure(cutouts_of(disc), sersic=True)
    assert table["flag_sersic"][0] == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("asymmetry", 100.0), ("m20", -99.0), ("smoothness", np.nan)],
)
def test_statmorphs_marks_for_none_are_not_values(disc, monkeypatch, name, value):
    import statmorph

    monkeypatch.setattr(statmorph.SourceMorphology, name, value)
    with pytest.warns(MorphologyWarning, match=rf"no finite {name} \(1\)"):
        table = measure(cutouts_of(disc))
    assert np.isnan(table["concentration"][0])
    # What statmorph thinks of its measurement is kept.
    assert table["flag"][0] == 0


def test_an_object_without_positive_flux(disc, monkeypatch):
    import statmorph

    def empty(self, *args, **kwargs):
        self.flag = 4

    monkeypatch.setattr(statmorph.SourceMorphology, "__init__", empty)
    with pytest.raises(Unmeasurable, match="no positive flux"):
        examine(disc, Settings())


def test_no_cutouts_no_rows(disc):
    table = measure(cutouts_of(disc)[:0])
    assert len(table) == 0
    assert table.meta["n_unmeasured"] == 0
    assert {"gini", "measured", "reason", "flag"} <= set(table.colnames)


# --- bands, workers, errors ------------------------------------------------------


def test_the_band_is_chosen_by_name(disc, measured):
    both = np.stack([np.zeros_like(disc), disc], axis=-1)[None]
    table = measure(Cutouts(both, bands=["J", "H"]), band="H")
    assert table["gini"][0] == measured["gini"][0]
    assert table.meta["band"] == "H"


def test_any_number_of_workers_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(table, "BATCH", 2)
    images = [galaxy(32, 1, r, 300) for r in (2.0, 2.5, 3.0)]
    cutouts = cutouts_of(*images, np.zeros((32, 32)), images[0] * 2)
    tables = []
    for n_workers in (1, 2):
        with pytest.warns(MorphologyWarning, match="1 of 5"):
            tables.append(measure(cutouts, n_workers=n_workers))
    for name in tables[0].colnames:
        np.testing.assert_array_equal(tables[0][name], tables[1][name])
    assert tables[0].meta == tables[1].meta


def test_the_bar_shows_on_demand(disc, capsys):
    measure(cutouts_of(disc), progress=True)
    assert "Measuring" in capsys.readouterr().err
    measure(cutouts_of(disc))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"band": "Y"}, "`band` must be .* Received: band='Y'"),
        ({"neighbors": "x"}, "`neighbors` must be .* Received: neighbors='x'"),
        ({"psf": np.ones(3)}, r"`psf` must be .* Received: shape \(3,\)"),
        ({"psf": np.zeros((3, 3))}, r"`psf` must be .* sum 0"),
        *(
            ({"gain": g}, "`gain` must .* Received: gain=")
            for g in (0, -1, np.nan, [1])
        ),
        ({"n_workers": 0}, "`n_workers` must be at least 1. Received: 0"),
    ],
)
def test_errors_of_measure(disc, kwargs, message):
    with pytest.raises(ValueError, match=message):
        measure(cutouts_of(disc), **kwargs)


def test_cutouts_of_one_band_are_needed(disc):
    with pytest.raises(TypeError, match="`cutouts` must be Cutouts. Received: ndarray"):
        measure(disc)
    two = Cutouts(np.stack([disc, disc], axis=-1)[None], bands=["J", "H"])
    with pytest.raises(ValueError, match="`band` must be .* J, H. Received: band=None"):
        measure(two)


@pytest.mark.parametrize("name", ["statmorph", "photutils"])
def test_a_missing_package_names_the_extra(disc, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    install = rf'Morphology needs `{name}`, .*pip install "\.\[morphology\]"'
    with pytest.raises(ImportError, match=install):
        measure(cutouts_of(disc))


def test_workers_start_where_they_are_worth_it(monkeypatch):
    asked = []

    def one_row_each(function, tasks, n_workers):
        asked.append(n_workers)
        for images, _ in tasks:
            yield [(*[0.0] * 10, 0, -1, "")] * len(images)

    monkeypatch.setattr(table, "parallel", one_row_each)
    monkeypatch.setattr(table, "usable_cores", lambda: 7)
    for n, n_workers in ((127, None), (128, None), (10, 3)):
        measure(Cutouts(np.zeros((n, 8, 8))), n_workers=n_workers)
    assert asked == [1, 7, 3]
