"""Areas of planted anomalies against scikit-learn and hand computation."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from astroanomaly.evaluation import auc, best_score, what_finds


def test_areas_are_those_of_scikit_learn_and_all_is_their_mean():
    rng = np.random.default_rng(0)
    normal, own = rng.normal(0, 1, 80), rng.normal(1, 1, 60)
    kinds = np.repeat(["a", "b"], (20, 40))
    table = what_finds({("d", "s"): (normal, own)}, kinds)
    rows = {row["kind"]: row for row in table}
    for kind in "ab":
        part = own[kinds == kind]
        labels = np.repeat([0, 1], (80, len(part)))
        expected = roc_auc_score(labels, np.concatenate([normal, part]))
        assert rows[kind]["auc"] == pytest.approx(expected, abs=1e-12)
        assert (rows[kind]["n_normal"], rows[kind]["n_anomalous"]) == (80, len(part))
    mean = (rows["a"]["auc"] + rows["b"]["auc"]) / 2
    assert rows["all"]["auc"] == pytest.approx(mean, abs=1e-12)
    assert all(row["low"] < row["auc"] < row["high"] for row in table)


def test_intervals_are_those_of_the_other_bootstrap():
    rng = np.random.default_rng(1)
    normal, own = rng.normal(0, 1, 200), rng.normal(1, 1, 150)
    row = what_finds({("d", "s"): (normal, own)}, ["a"] * 150, n_bootstrap=4000)[0]
    labels = np.repeat([0, 1], (200, 150))
    other = auc(labels, np.concatenate([normal, own]), n_bootstrap=4000)
    assert row["low"] == pytest.approx(other.low, abs=0.004)
    assert row["high"] == pytest.approx(other.high, abs=0.004)


def test_anomalies_in_one_host_are_drawn_together():
    rng = np.random.default_rng(2)
    normal, hosts = rng.normal(0, 1, 300), rng.normal(1, 1, 40)
    # Four copies of each host tell no more than the host alone.
    kinds, of = np.repeat(list("abcd"), 40), np.tile(np.arange(40), 4)
    scores = {("d", "s"): (normal, np.tile(hosts, 4))}
    together = what_finds(scores, kinds, of)[-1]
    alone = what_finds(scores, kinds)[-1]
    single = what_finds({("d", "s"): (normal, hosts)}, ["a"] * 40)[-1]
    width = [row["high"] - row["low"] for row in (together, alone, single)]
    assert width[0] == pytest.approx(width[2], rel=0.1)
    assert width[1] < 0.75 * width[0]


def test_the_best_is_the_largest_area_over_all_kinds_and_ties_go_to_the_first():
    normal = [0.0, 1.0, 2.0]
    scores = {
        ("pca", "mse"): (normal, [3.0, 0.5]),
        ("pca", "peak"): (normal, [3.0, 1.5]),
        ("gan", "peak"): (normal, [3.0, 1.5]),
    }
    table = what_finds(scores, ["a", "b"], n_bootstrap=20)
    assert best_score(table) == ("pca", "peak")
    # Of the first kind alone all are equal; a kind that is not there does not count.
    assert best_score(table, ["a", "c"]) == ("pca", "mse")


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        ({}, "0 scores"),
        ({("d", "s"): ([1.0], [2.0, 3.0])}, "2 and 1"),
        ({("d", "s"): ([np.nan], [2.0])}, "1 NaN"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores, word):
    with pytest.raises(ValueError, match=word):
        what_finds(scores, ["a"])
