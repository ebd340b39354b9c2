"""The contamination study's numbers, tables and figures, from made-up scores."""

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.evaluation.contamination import auc_loss, loss_difference, summarize
from studies.contamination import figures, names, results, tables
from studies.contamination.__main__ import SCALES, Study
from studies.contamination.tests import made_up
from studies.contamination.tests.made_up import STEPS, cell, finish
from studies.study import Missing, save_figures
from studies.tables import rows
from studies.tests.pages import DOCS, check_page

LABELS = np.array([False, False, False, False, True, True])
SECONDS = {name: 60.0 for name in tables.STAGES}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a run with all models on both data sets, and its numbers."""
    folder = made_up.made_up(tmp_path_factory.mktemp("study"))
    return folder, results.measured(folder)


def by_hand(folder, columns, p, seed=0):
    """Write a cell of six test objects."""
    named = {key: np.array(values, float) for key, values in columns.items()}
    cell(folder, next(iter(columns))[0], p, seed, named, LABELS)


@pytest.fixture
def six(tmp_path):
    """Return a folder whose areas are counted by hand.

    Of eight pairs of a normal and an anomalous object the joint encoder orders 8
    without contamination and 7 with it, the one trained afterwards 8 and 5.
    """
    where = tmp_path / "lenses"
    perfect, seven, five = [1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 6], [1, 2, 5, 6, 3, 5.5]
    by_hand(where, {("pgan_joint", "total"): perfect}, 0.0)
    by_hand(where, {("pgan_joint", "total"): seven}, 0.1)
    by_hand(where, {("pgan_after", "total"): perfect}, 0.0)
    by_hand(where, {("pgan_after", "total"): five}, 0.1)
    return tmp_path


def test_losses_and_their_difference_are_those_counted_by_hand(six):
    found = results.measured(six)
    lost = dict(found["losses"]["model", "loss"].iterrows())
    assert lost == {"pgan_joint": pytest.approx(1 / 8), "pgan_after": 3 / 8}
    (row,) = found["claim"]
    assert row["difference"] == pytest.approx(2 / 8)
    assert (row["loss"], row["other_loss"]) == (pytest.approx(1 / 8), 3 / 8)
    assert row["n_seeds"] == 1
    assert (row["coupling"], row["latent"]) == ("joint", "Gaussian")
    # A running study has no table yet; its cells hold the same numbers.
    finish(six / "lenses")
    assert results.measured(six)["areas"]["auc"].tolist() == [1, 7 / 8, 1, 5 / 8]


def test_contrasts_are_those_of_the_package(study):
    folder = study[0] / "lenses"
    one, other = ("pgan_encoder_only", "total"), ("pgan_after", "total")
    expected = loss_difference(folder, one, other)
    where = {"data": "lenses", "score": "total"}
    (row,) = rows(study[1]["claim"], model=one[0], **where)
    assert row["difference"] == pytest.approx(-expected.value, abs=1e-12)
    assert row["difference_low"] == pytest.approx(-expected.high, abs=1e-12)
    assert row["difference_high"] == pytest.approx(-expected.low, abs=1e-12)
    assert row["n_seeds"] == expected.n_seeds == 2
    table = Table.read(folder / "table.ecsv")
    same = {"loss_low": "low", "loss_high": "high"}
    for other in auc_loss(table, out=folder):
        where = {"data": "lenses", "model": other["model"], "score": other["score"]}
        (row,) = rows(study[1]["losses"], **where)
        for name in ("loss", "loss_low", "loss_high", "test_low", "test_high"):
            expected = other[same.get(name, name)]
            assert row[name] == pytest.approx(expected, abs=1e-12)
        assert row["n_seeds"] == other["n_seeds"]


def test_areas_are_those_of_the_summary_in_the_order_of_the_models(study):
    areas = rows(study[1]["areas"], data="lenses")
    expected = summarize(Table.read(study[0] / "lenses" / "table.ecsv"))
    assert len(areas) == len(expected)
    for row in expected:
        keys = ("model", "score", "training_contamination")
        (found,) = rows(areas, **{key: row[key] for key in keys})
        assert found["auc"] == row["auc"]
        assert (found["auc_low"], found["auc_high"]) == (row["low"], row["high"])
    assert list(dict.fromkeys(areas["model"])) == list(names.NAMES)
    assert set(areas["n_test_normal"]) == {24}
    dcae = rows(areas, model="dcae", score="mse")
    assert dcae["training_contamination"].tolist() == list(STEPS)
    assert dcae["n_anomalous"].tolist() == [int(p * 900 / (1 - p)) for p in STEPS]


def test_terms_without_a_shared_seed_have_no_contrast(tmp_path):
    by_hand(tmp_path, {("dcae", "mse"): range(6)}, 0.0, seed=0)
    by_hand(tmp_path, {("dcae", "mse"): range(6)}, 0.1, seed=1)
    by_hand(tmp_path, {("pca", "mse"): [np.nan] * 6}, 0.1)
    by_hand(tmp_path, {("pca", "mse"): range(6)}, 0.0)
    # Scores that are not finite have no area to summarize.
    (tmp_path / "cells" / "pca_c0.1_s0.ecsv").unlink()
    one = results.DataSet(tmp_path)
    assert one.loss("dcae", "mse") is None
    assert one.contrast((1, "aae", "mse", 0.0)) is None
    assert one.contrast((1, "dcae", "mse", 0.0)).value == 1.0


def test_a_model_at_chance_has_nothing_to_lose(tmp_path):
    where = tmp_path / "lenses"
    for p in names.ENDS:
        by_hand(where, {("pgan_joint", "total"): [1, 2, 5, 6, 3, 4]}, p)
        by_hand(where, {("pgan_after", "total"): [1, 2, 3, 4, 5, 6]}, p)
    found = results.measured(tmp_path)
    assert found["claim"]["answer"].tolist() == ["nothing to lose"]
    chance = dict(found["losses"]["model", "at_chance"].iterrows())
    assert chance == {"pgan_joint": True, "pgan_after": False}
    # Else the answer is where the interval lies.
    ends = ((0.01, 0.2), (-0.2, -0.01), (-0.1, 0.1), (np.nan, np.nan))
    answers = ["yes", "no", "cannot tell", "cannot tell"]
    assert [results.answer(*pair) for pair in ends] == answers


def test_the_norm_is_tested_on_both_sides(study):
    table = study[1]["norms"]
    assert set(table["model"]) == set(names.GANS)
    for row in table:
        low, high = row["auc_low"], row["auc_high"]
        word = "above" if low > 0.5 else "below" if high < 0.5 else "no"
        assert row["separates"] == word
    assert "below" in table["separates"]
    for row in tables.norm_counts(table):
        assert row["intervals"] == sum(row[k] for k in row.colnames if "0.5" in k)


def test_refinement_is_compared_with_the_unrefined(study):
    folder = study[0] / "lenses"
    found = rows(study[1]["refined"], data="lenses", model="loe_hard", score="mse")
    (row,) = found
    expected = loss_difference(folder, ("loe_hard", "mse"), ("dcae", "mse"))
    assert row["less"] == pytest.approx(-expected.value, abs=1e-12)
    where = {"data": "lenses", "score": "mse", "training_contamination": 0.1}
    auc = dict(rows(study[1]["areas"], **where)["model", "auc"].iterrows())
    assert row["gain"] == pytest.approx(auc["loe_hard"] - auc["dcae"])


def test_the_best_is_compared_with_the_best_baseline(study):
    for row in tables.best_table(study[1]["areas"], study[1]["baselines"]):
        assert row["difference"] == pytest.approx(row["auc"] - row["other_auc"])
        where = {"data": row["data"], "training_contamination": 0.1}
        own = results.own_rows(rows(study[1]["areas"], **where))
        known = dict(own["model", "auc"].iterrows())
        assert row["other_auc"] == max(known[name] for name in names.BASELINES)
        if row["best"] == "any network":
            assert row["auc"] == max(set(known.values()) - {known["pca"]})


def test_costs_are_those_of_what_is_trained_together(study):
    where = {"data": "lenses", "models": "dcae loe_soft loe_hard"}
    (row,) = rows(study[1]["costs"], **where)
    # Seed 0 took 20 s seven times, seed 1 30 s twice.
    assert (row["seconds"], row["seconds_low"], row["seconds_high"]) == (20, 20, 30)
    assert row["n"] == 9


def test_samples_are_told_apart_after_the_adjustment(study):
    table = study[1]["samples"]
    assert (table["p_adjusted"] >= table["p_value"]).all()
    apart = dict(rows(table, data="lenses")["statistic", "apart"].iterrows())
    assert (apart["noise"], apart["flux"]) == ("yes", "no")


def test_a_rerun_replaces_the_tables_and_figures_of_the_page(study, tmp_path):
    folder, found = study
    check_page(tables.shown(found, SCALES["laptop"], SECONDS), "contamination")
    drawn = figures.figures(folder, found)
    assert set(drawn) == {path.stem for path in (DOCS / "contamination").glob("*.png")}
    few = ("claim", "losses_lenses", "couplings_galaxies", "statistics_lenses")
    more = ("curves_others_lenses", "samples_galaxies")
    assert save_figures(tmp_path / "f", {k: drawn[k] for k in (*few, *more)}) == {}


def test_scales_that_do_a_part_keep_the_pages_tables(tmp_path):
    parts = {name: Study(tmp_path, name, 0) for name in ("laptop", "robust", "claim")}
    assert [part.page for part in parts.values()] == [
        "",
        "contamination_robust",
        "contamination_claim",
    ]
    assert set(parts["robust"].stages()) == {
        "sets",
        "robust",
        "trimmed",
        "results",
    }
    assert "samples" not in parts["claim"].stages()
    # Both encoders of one GAN, and nothing else.
    assert set(parts["claim"].methods("lenses")) == {"pgan_encoder_only"}


def test_tables_hold_the_numbers_of_the_run(study):
    page = tables.shown(study[1], SCALES["laptop"], SECONDS)
    where = {"data": "galaxies", "model": "cvae", "score": "mse"}
    (row,) = rows(study[1]["areas"], training_contamination=0.05, **where)
    (line,) = rows(page["curves_galaxies"], model="CVAE", score="mse")
    assert (line["auc_0.05"], line["auc_0.05_low"]) == (row["auc"], row["auc_low"])
    ranked = rows(page["ranking"], data="lenses")["auc_0.1"]
    assert (np.diff(ranked) <= 0).all()
    counts = page["claim_counts"]
    assert sum(counts["combinations"]) == len(study[1]["claim"]) - 2 * 3 * 2
    answers = sum(counts[name] for name in tables.ANSWERS)
    assert answers.tolist() == counts["combinations"].tolist()
    assert page["times"]["minutes"].tolist() == [1.0] * 9 + [9.0]


def test_the_figure_of_the_claim_draws_the_differences(study):
    table = study[1]["claim"]
    drawn = [
        line.get_xdata()[0]
        for axes in figures.claim(table).axes
        for line in axes.lines
        if line.get_marker() in "osDX"
    ]
    expected = rows(table, score="total")["difference"]
    assert sorted(drawn) == pytest.approx(sorted(expected))


def test_the_claim_at_every_contamination_that_several_seeds_have(tmp_path):
    models = {name: made_up.STRENGTH[name] for name in ("pgan_joint", "pgan_after")}
    made_up.cells(tmp_path / "lenses", models, (0.0, 0.05, 0.1), (0, 1), 24)
    made_up.cells(tmp_path / "lenses", models, (0.2,), (0,), 24)
    found = results.measured(tmp_path)
    table = tables.levels_table(found["claim_levels"])
    assert table["training_contamination"].tolist() == [0.05, 0.1] * 2
    at_end = rows(table, training_contamination=0.1)["score", "difference"]
    known = dict(found["claim"]["score", "difference"].iterrows())
    assert all(known[score] == value for score, value in at_end.iterrows())
    auc = {}
    for row in rows(found["areas"], score="total"):
        auc[row["model"], row["training_contamination"]] = row["auc"]
    lost = {m: auc[m, 0.0] - auc[m, 0.05] for m in models}
    expected = lost["pgan_after"] - lost["pgan_joint"]
    assert table["difference"][0] == pytest.approx(expected, abs=1e-12)
    curves = tables.encoders_table(found["areas"], found["claim_levels"])
    (row,) = rows(curves, model="pgan_after", score="total")
    assert row["auc_0.05"] == auc["pgan_after", 0.05]
    drawn = figures.figures(tmp_path, found)["claim_levels"]()
    names = [tick.get_text() for tick in drawn.axes[-1].get_xticklabels()]
    assert names == ["0%", "5%", "10%", "20%"]


def test_every_model_has_a_curve_and_its_own_score():
    panels = (figures.GANS, figures.OTHERS, figures.COUPLINGS)
    # More lines in a panel cannot be told apart.
    assert max(map(len, panels)) <= 10
    assert {model for panel in panels for model in panel} == set(names.NAMES)
    rule = {"pgan_after": "total", "wgan_gp": "total", "dcae": "mse", "loe_soft": "mse"}
    rule |= {"pca": "mse", "pca_forest": "forest", "brightness": "brightness"}
    assert {model: names.own_score(model) for model in rule} == rule


def test_an_empty_run_has_no_figures_and_few_tables(tmp_path):
    (tmp_path / "lenses" / "cells").mkdir(parents=True)
    found = results.measured(tmp_path)
    assert not any(map(len, found.values()))
    page = tables.shown(found, SCALES["smoke"], SECONDS)
    assert set(page) == {"settings", "times"}
    for draw in figures.figures(tmp_path, found).values():
        with pytest.raises(Missing):
            draw()
