"""The tables and figures of the lens study's page."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

from studies.deeplense import figures, names, results, tables
from studies.deeplense.tests.made_up import made_up
from studies.study import Missing, rows, save_figures, save_tables

DOCS = Path(__file__).resolve().parents[3] / "docs" / "results" / "deeplense"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a made-up run."""
    return made_up(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(run):
    """Return its results."""
    return results.measured(run)


@pytest.fixture(scope="module")
def shown(found):
    """Return the tables of its page."""
    return tables.shown(found, {"sets": 60.0, "fixed": 120.0, "fixed_aae": 6.0})


def test_the_tables_have_the_columns_of_the_published_page(shown, tmp_path):
    save_tables(tmp_path, shown)
    there = {path.stem for path in DOCS.glob("*.ecsv")}
    assert {path.stem for path in tmp_path.glob("*.ecsv")} == there
    for name in there:
        new, old = (Table.read(p / f"{name}.ecsv") for p in (tmp_path, DOCS))
        # The made-up run has fewer baselines, mass fractions and exposures.
        if name.startswith(("baselines", "fraction", "exposure_")):
            assert set(new.colnames) <= set(old.colnames)
        else:
            assert new.colnames == old.colnames
        for column in new.colnames:
            assert new[column].meta == old[column].meta
            assert (new[column].dtype.kind == "U") == (old[column].dtype.kind == "U")


def test_the_page_has_published_and_own_numbers_in_one_row(found, shown):
    row = shown["published"][-1]
    assert row["model"] == "AAE"
    assert (row["fixed_published"], row["varying_published"]) == (0.93207, 0.76943)
    for redshifts in names.REDSHIFTS:
        where = {"redshifts": redshifts, "sector": "both", "what": "main"}
        areas = rows(found["areas"], model="aae", score="mse", **where)
        assert row[f"{redshifts}_mse"] == areas["auc"][0]


def test_the_best_of_each_kind_meets_the_aim_or_not(found, shown):
    best = rows(shown["best"], redshifts="varying redshifts")
    expected = ["AAE, orthogonal", "AAE, mse", "PCA, 60 components"]
    assert best["best"].tolist() == [*expected, "supervised network"]
    assert best["aim"].tolist() == [0.77] * 4
    assert best["met"].tolist() == (best["auc"] >= 0.77).tolist()
    assert best["met"][0]


def test_the_published_order_holds_does_not_or_is_not_clear(found, shown):
    assert shown["order"]["above"].tolist() == ["yes"] * 16
    table = rows(found["differences"], what="order", score="mse", redshifts="fixed")
    table["difference_low"], table["difference_high"] = [-0.2, 0.05, -0.1], 0.3
    table["difference_high"][0] = -0.05
    assert tables.order_table(table)["above"].tolist() == ["no", "yes", "not clear"]


def test_fixed_less_varying_adds_the_errors_of_both():
    titles = "redshifts what sector model score auc auc_low auc_high".split()
    same = ("main", "both", "aae", "mse")
    areas = [("fixed", *same, 0.9, 0.87, 0.92), ("varying", *same, 0.8, 0.7, 0.84)]
    row = tables.step_table(Table(rows=areas, names=titles))[0]
    assert row["difference"] == pytest.approx(0.1)
    # A triangle of 0.03 and 0.04.
    assert row["difference_low"] == pytest.approx(0.1 - 0.05)
    assert row["difference_high"] == pytest.approx(0.1 + (0.02**2 + 0.1**2) ** 0.5)
    assert row["easier"] == "yes"


def test_added_and_exchanged_mass_stand_in_one_row(found, shown):
    where = {"redshifts": "varying redshifts", "substructure": "vortices"}
    row = rows(shown["exchanged"], model="AAE, mse", **where)[0]
    where = {"redshifts": "varying", "model": "aae", "sector": "vortex", "score": "mse"}
    assert row["added"] == rows(found["areas"], what="main", **where)["auc"][0]
    assert row["exchanged"] == rows(found["areas"], what="exchanged", **where)["auc"][0]


def test_a_score_that_breaks_its_promise_is_marked(found, shown):
    assert shown["false_positives_fixed"]["as_promised"].all()
    table = rows(found["rates"], redshifts="fixed")
    first = np.flatnonzero((table["sample"] == "smooth") & (table["model"] == "aae"))[0]
    table["as_promised"][first] = False
    marked = tables.rates_table(table)
    broken = marked[~marked["as_promised"]]
    assert broken["model"].tolist() == [f"AAE, {table['score'][first]}"]
    assert broken["smooth_90"][0] == 100 * table["rate"][first]


def test_a_run_of_one_setting_has_tables_and_figures(tmp_path):
    run = made_up(tmp_path / "run", n=30, settings=("fixed",))
    found = results.measured(run)
    assert "areas_varying" not in tables.shown(found, {})
    missing = save_figures(tmp_path / "figures", figures.figures(run, found))
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"areas", "fraction", "exposure", "roc_fixed"}
    assert missing["roc_varying"] == "this run has no scores for it"
    assert "no longer has the images" in missing["gallery_fixed"]


def test_the_figure_of_areas_shows_the_published_numbers(found):
    figure = figures.areas(rows(found["areas"], what="main", sector="both"))
    assert len(figure.axes) == 2
    for axes, old in zip(figure.axes, names.AUCS.values(), strict=True):
        (stars,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert list(stars.get_xdata()) == [*old.values()]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:4] == ["RBM", "DCAE", "CVAE", "AAE"]
    assert labels[4:6] == ["CVAE, KL weight 1", "WGAN-GP, encoder"]
    assert "PCA, 60 components" in labels


def test_objects_are_picked_by_their_place_in_the_ranking(run, found):
    scores = np.array([5.0, 1, 4, 2, 3])
    assert figures.picked(scores, (0.0, 0.5, 1.0)) == [1, 4, 0]
    table = rows(found["areas"], redshifts="fixed", what="main", sector="both")
    with pytest.raises(Missing, match="no longer has the images of fixed_smooth"):
        figures.objects(run, table, "fixed", (0.5,))


def test_marks_lie_where_the_substructure_is():
    axes = Figure().add_subplot()
    line = {"substructure": "vortex", "clump_mass": [1.0, 1, 1]}
    line |= {"clump_x": [-0.1, 0.0, 0.1], "clump_y": [0.05, 0.0, -0.05]}
    figures.mark(axes, line, 0.05, (9, 5))
    # The middle of the frame is (nx - 1) / 2: here x 2, y 4.
    assert axes.lines[0].get_xdata().tolist() == pytest.approx([0.0, 4.0])
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([5.0, 3.0])
    dots = {"substructure": "subhalos", "clump_mass": np.arange(1.0, 11)}
    dots |= {"clump_x": np.linspace(-0.1, 0.1, 10), "clump_y": np.zeros(10)}
    figures.mark(axes, dots, 0.05, (9, 5))
    places = axes.collections[0].get_offsets()
    assert places[0].tolist() == pytest.approx([4.0, 4.0])
    assert len(places) == figures.MARKED
