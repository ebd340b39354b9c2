"""Means over seeds by hand, paired losses against a plain bootstrap."""

import numpy as np
import planted
import pytest
from astropy.table import Table
from planted import sets
from scipy import stats
from sklearn.metrics import roc_auc_score

from astroanomaly.evaluation import auc_difference
from astroanomaly.evaluation.contamination import (
    auc_loss,
    contamination_study,
    loss_difference,
    summarize,
)

SHARES = (0, 0.1)
MEAN, OTHER = ("template", "mean"), ("template", "other")


def rows(areas, p=0.1, model="pca", half=0.05):
    shared = {"model": model, "score": "mse", "training_contamination": p}
    shared |= {"n_normal": 90, "n_anomalous": 10, "seconds": 2.0}
    return [
        shared | {"seed": k, "auc": a, "low": a - half, "high": a + half}
        for k, a in enumerate(areas)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give the folder and the table of a study with three seeds."""
    out = tmp_path_factory.mktemp("study")
    methods = {"template": planted.template}
    options = {"out": out, "n_processes": 1, "n_repeats": 50}
    return out, contamination_study(methods, *sets(), SHARES, (0, 1, 2), **options)


def cells(out, name, n_seeds=3):
    """Give scores by (contamination, seed), straight from the files."""
    paths = {(p, s): f"template_c{p}_s{s}.ecsv" for p in SHARES for s in range(n_seeds)}
    return {key: Table.read(out / "cells" / v)[name] for key, v in paths.items()}


def pairwise(labels, scores):
    """Give the share of pairs in which the anomalous object is above."""
    return (scores[labels][:, None] > scores[~labels]).mean()


# --- summaries ----------------------------------------------------------------


def test_one_seed_keeps_its_interval():
    (found,) = summarize(Table(rows([0.8])))
    assert (found["auc"], found["n_seeds"]) == (0.8, 1)
    assert (found["low"], found["high"]) == pytest.approx((0.75, 0.85))
    assert np.isnan(found["seed_spread"])


def test_three_seeds_by_hand():
    (found,) = summarize(Table(rows([0.70, 0.72, 0.74])))
    assert found["auc"] == pytest.approx(0.72)
    assert found["seed_spread"] == pytest.approx(0.02)
    # sqrt(0.05^2 + (4.302653 * 0.02 / sqrt(3))^2), t of two degrees of freedom.
    half = 0.0704867
    assert found["high"] - 0.72 == pytest.approx(half, abs=1e-6)
    assert 0.72 - found["low"] == pytest.approx(half, abs=1e-6)
    assert (found["n_normal"], found["n_anomalous"], found["seconds"]) == (90, 10, 2)


def test_intervals_end_where_areas_do():
    (found,) = summarize(Table(rows([0.1, 0.9])))
    assert (found["low"], found["high"]) == (0, 1)


def test_groups_keep_their_order():
    table = Table(rows([0.9], 0.2, "b") + rows([0.8, 0.7], 0.0, "b") + rows([0.6]))
    found = summarize(table)
    assert found["model"].tolist() == ["b", "b", "pca"]
    assert found["training_contamination"].tolist() == [0.2, 0, 0.1]
    assert found["n_seeds"].tolist() == [1, 2, 1]


def test_the_interval_over_seeds_covers_the_true_mean():
    # Test objects shift all seeds alike, training shifts each: the two parts of
    # the interval are what each shift alone would need.
    rng, hits, n = np.random.default_rng(5), 0, 1000
    for _ in range(n):
        areas = 0.7 + rng.normal(0, 0.02) + rng.normal(0, 0.02, 4)
        (found,) = summarize(Table(rows(areas, half=1.96 * 0.02)))
        hits += found["low"] <= 0.7 <= found["high"]
    # At least 95 per cent, and not far more.
    assert 0.945 * n < hits < 0.99 * n


def test_repeated_seeds_and_missing_columns_are_refused():
    with pytest.raises(ValueError, match=r"Received: seeds \[0, 0\] of pca, mse, 0.1"):
        summarize(Table(rows([0.8]) + rows([0.7])))
    table = Table(rows([0.8]))
    table.remove_columns(["low", "high"])
    with pytest.raises(ValueError, match="Received: none named low, high"):
        summarize(table)


# --- losses -------------------------------------------------------------------


def test_losses_by_hand_without_cells():
    table = Table(rows([0.9, 0.8, 0.85], 0.0) + rows([0.7, 0.7]))
    (found,) = auc_loss(table)
    assert found["n_seeds"] == 2
    assert found["loss"] == pytest.approx(0.15)
    assert (found["auc_from"], found["auc_to"]) == pytest.approx((0.85, 0.7))
    assert found["seed_spread"] == pytest.approx(0.1 / np.sqrt(2))
    assert np.isnan([found["low"], found["high"], found["test_low"]]).all()


def test_what_is_missing_is_said():
    table = Table(rows([0.9], 0.0) + rows([0.7]) + rows([0.9], 0.0, "aae"))
    found = auc_loss(table)
    assert found["model"].tolist() == ["pca"]
    assert found.meta["missing"] == ["aae, mse"]
    with pytest.raises(ValueError, match=r"Received: 0.0 and 0.2; .* has \[0.0, 0.1\]"):
        auc_loss(table, to=0.2)


def test_a_loss_of_one_seed_is_the_paired_difference(made):
    out, table = made
    labels = sets()[3]
    found = auc_loss(table[table["seed"] == 1], out=out, n_repeats=200, seed=4)
    assert found["score"].tolist() == ["mean", "other"]
    for row in found:
        scores = cells(out, f"template/{row['score']}")
        theirs = auc_difference(labels, scores[0, 1], scores[0.1, 1], 200, seed=4)
        ours = row["loss"], row["low"], row["high"]
        assert ours == pytest.approx(tuple(theirs), rel=1e-12)
        assert (row["test_low"], row["test_high"]) == pytest.approx(theirs[1:])
        assert np.isnan(row["seed_spread"])


def test_losses_over_seeds_are_combined(made):
    out, table = made
    row = auc_loss(table, out=out)[1]
    labels, scores = sets()[3], cells(out, "template/other")
    areas = {key: roc_auc_score(labels, values) for key, values in scores.items()}
    losses = [areas[0, s] - areas[0.1, s] for s in range(3)]
    assert row["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
    assert row["seed_spread"] == pytest.approx(np.std(losses, ddof=1), rel=1e-12)
    seeds = stats.t(2).ppf(0.975) * np.std(losses, ddof=1) / np.sqrt(3)
    test = row["loss"] - row["test_low"], row["test_high"] - row["loss"]
    assert row["loss"] - row["low"] == pytest.approx(np.hypot(test[0], seeds))
    assert row["high"] - row["loss"] == pytest.approx(np.hypot(test[1], seeds))


def test_a_study_without_the_cells_of_the_table_is_refused(made):
    out, table = made
    more = Table(table)
    more["seed"] += 7
    with pytest.raises(ValueError, match="template, mean at .* 0, seed 7"):
        auc_loss(more, out=out)


# --- losses compared ----------------------------------------------------------


def test_loss_differences_equal_a_plain_paired_bootstrap(made):
    out, _ = made
    found = loss_difference(out, MEAN, OTHER, n_repeats=2000)
    labels = sets()[3]
    one, other = (cells(out, f"template/{name}") for name in ("mean", "other"))

    def difference(rows, s):
        area = {
            (k, p): pairwise(labels[rows], column[p, s][rows])
            for k, column in enumerate((one, other))
            for p in SHARES
        }
        return area[0, 0] - area[0, 0.1] - area[1, 0] + area[1, 0.1]

    values = [difference(np.arange(60), s) for s in range(3)]
    assert found.value == pytest.approx(np.mean(values), rel=1e-12)
    assert found.seed_spread == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert found.n_seeds == 3
    rng, kinds = np.random.default_rng(9), [np.flatnonzero(labels == k) for k in (0, 1)]
    draws = []
    for _ in range(500):
        rows = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        draws.append(np.mean([difference(rows, s) for s in range(3)]))
    spread = np.std(draws)
    assert found.test_high - found.test_low == pytest.approx(3.92 * spread, rel=0.2)
    seeds = stats.t(2).ppf(0.975) * found.seed_spread / np.sqrt(3)
    low = np.hypot(found.value - found.test_low, seeds)
    assert found.value - found.low == pytest.approx(low, rel=1e-12)


def test_a_model_against_itself_has_no_difference(made):
    found = loss_difference(made[0], MEAN, MEAN, n_repeats=20)
    assert (found.value, found.low, found.high, found.seed_spread) == (0, 0, 0, 0)


def test_the_difference_turns_its_sign_with_the_models(made):
    one = loss_difference(made[0], MEAN, OTHER, n_repeats=100)
    two = loss_difference(made[0], OTHER, MEAN, n_repeats=100)
    assert (one.value, one.low, one.high) == pytest.approx(
        (-two.value, -two.high, -two.low)
    )


def test_seeds_that_one_of_the_models_lacks_are_left_out(made, tmp_path):
    methods = {"template": planted.template}
    options = {"out": tmp_path, "n_processes": 1, "n_repeats": 0}
    contamination_study(methods, *sets(), SHARES, (0, 1), **options)
    blurred = {"blurred": planted.Blurred(4)}
    contamination_study(blurred, *sets(), SHARES, (1, 2), **options)
    contamination_study(blurred, *sets(), (0.05,), (3,), **options)
    found = loss_difference(tmp_path, MEAN, ("blurred", "sum"), n_repeats=0)
    assert found.n_seeds == 1
    assert np.isnan(found.low)
    message = r"Received: seeds of .*'mean'\) at 0.0: \[0, 1\]; .* at 0.05: \[\]"
    with pytest.raises(ValueError, match=message):
        loss_difference(tmp_path, MEAN, ("blurred", "sum"), to=0.05)


def test_unknown_models_and_empty_folders_are_refused(made, tmp_path):
    with pytest.raises(
        ValueError, match=r"Received: \('aae', 'mse'\); there are .*mean"
    ):
        loss_difference(made[0], MEAN, ("aae", "mse"))
    with pytest.raises(ValueError, match="a study with finished cells. Received: "):
        loss_difference(tmp_path, MEAN, OTHER)
