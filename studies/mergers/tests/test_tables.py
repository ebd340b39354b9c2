"""The tables and figures of the merger page."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs

import astroanomaly as aa
from astroanomaly.data import write_cutouts
from studies.mergers import figures, tables
from studies.mergers.tests.synthetic import synthetic_run
from studies.study import Missing, save_figures
from studies.tests.pages import check_page

SECONDS = {"mergers": 100.0, "f160w": 50.0, "results": 1.0}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Write a run without real galaxies and networks; return it and its numbers."""
    folder = synthetic_run(tmp_path_factory.mktemp("bare"), 80, 15, real=False)
    return folder, tables.compute(folder)


def test_a_rerun_writes_the_tables_of_the_page(bare):
    made = tables.tables(bare[1], SECONDS)
    # Only --tries fills it.
    made["tries"] = made["tries"][:0]
    check_page(made, "galaxy_mergers", ["tries"])


def test_computing_again_changes_nothing_and_keeps_the_tries(bare):
    folder = bare[0] / "results"
    Table({"tried": ["x"]}).write(folder / "tries.ecsv", format="ascii.ecsv")
    before = (folder / "rates.ecsv").read_bytes()
    assert tables.compute(bare[0])["tries"]["tried"].tolist() == ["x"]
    assert (folder / "rates.ecsv").read_bytes() == before
    assert not [*bare[0].rglob(".*partial*")]


def rates_of(rows):
    """Make a table of rates of 1000 objects, from (sample, score, level, k)."""
    rows = [(*row, 1000, row[3] / 1000, 0.1, 0.2, 0.1, 0.2) for row in rows]
    names = "sample score level n_flagged n rate low high low_clustered high_clustered"
    return Table(rows=rows, names=names.split())


def test_an_aim_is_reached_at_the_papers_number_and_not_below():
    rows = []
    for sample, counts in {
        "pre_merger_neighbor": (860, 799, 670),
        "subtle": (500, 400, 310),
    }.items():
        for level, k in zip((85.0, 90.0, 95.0), counts, strict=True):
            rows.append((sample, "peak_score", level, k))
    table = tables.aims(rates_of(rows))
    assert table["reached"].tolist() == [True, False, True, True, True, True]
    assert table["here"][1] == pytest.approx(79.9)


def test_the_best_baseline_comes_with_its_difference():
    rows = [
        ("subtle", "peak_score", 90.0, 400),
        ("subtle", "pca_20", 90.0, 350),
        ("subtle", "pca_60", 90.0, 300),
        ("subtle", "residual_score", 90.0, 390),
    ]
    names = "kind level left left_score right right_score difference low high"
    gaps = [
        ("baseline", 90.0, "subtle", "p", "subtle", "pca_60", 0.1, 0.0, 0.2),
        ("baseline", 90.0, "subtle", "p", "subtle", "pca_20", 0.05, -0.1, 0.2),
    ]
    gaps = Table(rows=gaps, names=names.split())
    (row,) = tables.baselines(rates_of(rows), gaps).iterrows()
    expected = (90, 40, tables.SCORES["pca_20"], 35, 5, -10, 20)
    assert row[1:4] + row[4:] == pytest.approx(expected)


def test_the_ordering_of_the_paper_is_compared():
    rows = [
        ("order", 90.0, "pre_merger_neighbor", "subtle", "peak_score", 0.4, 0.3, 0.5),
        ("stage", 95.0, "pre_merger_alone", "post_merger", "peak_score", -0.1, -1, 1),
        ("baseline", 90.0, "subtle", "subtle", "kmeans", 0.1, -0.1, 0.2),
        ("baseline", 90.0, "subtle", "subtle", "pca_20", 0.1, -0.1, 0.2),
    ]
    names = "kind level left right right_score difference low high"
    gaps = Table(rows=rows, names=names.split())
    gaps["positive"], gaps["sure"] = gaps["difference"] > 0, gaps["low"] > 0
    table = tables.ordering(gaps)
    assert table["holds"].tolist() == [True, False, True]
    assert table["sure"].tolist() == [True, False, False]
    # 80 - 39 and 37 - 28 in the paper; it prints no k-means at this level.
    assert np.array_equal(table["paper"], [41, 9, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("sign", "low", "high", "expected"),
    [
        (1, 0.1, 0.3, "yes"),
        (-1, 0.1, 0.3, "no"),
        (1, -0.1, 0.3, "not clear"),
        (-1, -0.3, -0.1, "yes"),
        (1, np.nan, np.nan, "not clear"),
        (0, 0.1, 0.3, "no"),
        (0, 0.01, 0.1, "yes"),
        (None, 0.1, 0.3, ""),
    ],
)
def test_a_trend_agrees_where_its_interval_has_the_sign(sign, low, high, expected):
    rho = (low + high) / 2
    assert tables.verdict(sign, rho, low, high, 0.01, limit=0.1) == expected
    if sign == 0:
        assert tables.verdict(0, rho, low, high, 0.2, limit=0.1) == "yes"


def test_figures_are_drawn_or_their_lack_is_explained(bare, tmp_path):
    drawn = figures.figures(bare[0], defaultdict(Table, bare[1]))
    del drawn["sequence"]  # simulates; the study's own test draws it
    missing = save_figures(tmp_path / "figures", drawn)
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == set(
        drawn
    ) - set(missing)
    assert len(missing) == 10
    assert "no trained detector app1" in missing["examples"]
    assert "no set f814w_mocks" in missing["features_f814w"]


def test_pictures_reach_from_the_most_ordinary_to_the_strangest():
    scores = np.array([5.0, 1, 4, 2, 3])
    assert figures.evenly(scores, 3).tolist() == [1, 4, 0]
    assert len(figures.evenly(scores, 9)) == 5


def test_pictures_come_in_the_order_of_their_rows(tmp_path):
    cutouts = blobs(4, 1)
    write_cutouts(tmp_path / "sets" / "mergers", cutouts)
    network = SimpleNamespace(read=lambda files: aa.read_cutouts(files, stream=True))
    rows = Table({"object_id": [cutouts.object_ids[k] for k in (2, 0)]})
    found = figures.pictures(tmp_path, network, "mergers", rows)
    assert np.array_equal(found.images, cutouts.images[[2, 0]])
    with pytest.raises(Missing, match="no longer where"):
        figures.pictures(tmp_path, network, "isolated", rows)


def test_wild_values_do_not_stretch_an_axis():
    table = Table({"low_edge": [-90.0, 0, 1], "high_edge": [0.0, 1, 1.2]})
    shown = figures.inner(table)
    assert shown["low_edge"].tolist() == [-1.5, 0, 1]
    assert shown["high_edge"].tolist() == [0, 1, 1.2]
