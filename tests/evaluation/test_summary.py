"""The evaluation of a score table, by hand, by scikit-learn, and its pages."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.metrics import roc_auc_score

from astroanomaly import evaluation
from astroanomaly.evaluation import evaluate


def survey(n=200, seed=0):
    """Make a score table, strangest first, and the truth in another order."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 4 == 0
    ratio = np.where(truth, rng.uniform(0.1, 1, n), 0.0)
    score = rng.normal(3 * ratio, 1)
    ids = np.array([f"s{i:04d}" for i in range(n)])
    table = Table({"object_id": ids, "anomaly_score": score})
    table["peak_score"] = score + rng.normal(0, 0.5, n)
    table["latent_norm"] = np.nan
    for level in (90, 99.9):
        table[f"is_anomaly_{level}"] = score > np.percentile(score[~truth], level)
    labels = Table({"object_id": ids, "is_anomaly": truth, "flux_ratio": ratio})
    labels["kind"] = np.where(truth, np.where(ratio > 0.5, "big", "small"), "isolated")
    table.sort("anomaly_score", reverse=True)
    return table, labels[rng.permutation(n)]


def row(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table[0]


def test_areas_equal_scikit_learn_best_first():
    table, labels = survey()
    found = evaluate(table, labels, n_bootstrap=100)
    truth = dict(zip(labels["object_id"], labels["is_anomaly"], strict=True))
    y = [truth[name] for name in table["object_id"]]
    for name in ("anomaly_score", "peak_score"):
        one = row(found.auc, score=name)
        assert one["auc"] == pytest.approx(roc_auc_score(y, table[name]), rel=1e-12)
        assert one["low"] < one["auc"] < one["high"]
        assert (one["n_normal"], one["n_anomalous"]) == (150, 50)
        assert one["kind"] == "detector"
    assert found.auc["auc"][0] >= found.auc["auc"][1]
    assert found.auc.meta == {"n_bootstrap": 100, "seed": 0}
    assert found.notes == ["Columns without a value were left out: latent_norm."]


def test_row_order_does_not_matter():
    table, labels = survey()
    first = evaluate(table, labels, n_bootstrap=50)
    second = evaluate(table[::-1], labels[::-1], n_bootstrap=50)
    assert list(first.auc["low"]) == list(second.auc["low"])


def test_rates_carry_counts_and_intervals():
    table, labels = survey()
    found = evaluate(table, labels, n_bootstrap=0).rates
    assert list(found["level"]) == [90, 90, 99.9, 99.9]
    normal = row(found, level=90, population="normal")
    assert (normal["bin"], normal["k"], normal["n"]) == ("all", 15, 150)
    assert normal["rate"] == 0.1
    low, high = evaluation.binomial_interval(15, 150)
    assert (normal["low"], normal["high"]) == (low, high)
    flagged = set(table["object_id"][table["is_anomaly_90"]])
    strange = set(labels["object_id"][labels["is_anomaly"]])
    assert row(found, level=90, population="anomalous")["k"] == len(flagged & strange)


def test_a_table_without_thresholds_has_no_rates():
    table, labels = survey()
    found = evaluate(table["object_id", "anomaly_score"], labels, n_bootstrap=0)
    assert len(found.rates) == 0
    names = "bin level population k n rate low high".split()
    assert found.rates.colnames == names
    assert "thresholds" not in found.to_markdown()


def test_bins_set_their_anomalies_against_all_normals():
    table, labels = survey()
    found = evaluate(table, labels, by="flux_ratio", bins=(0.25, 0.5, 1.0))
    one = row(found.by, bin="0.5 to 1", score="anomaly_score")
    populations = found.rates[found.rates["bin"] != "all"]["population"]
    assert set(populations) == {"anomalous"}
    labels = labels[np.argsort(labels["object_id"])]
    table = table[np.argsort(table["object_id"])]
    used = ~labels["is_anomaly"] | (labels["flux_ratio"] >= 0.5)
    expected = roc_auc_score(labels["is_anomaly"][used], table["anomaly_score"][used])
    assert one["auc"] == pytest.approx(expected, rel=1e-12)
    assert one["n_normal"] == 150
    assert one["n_anomalous"] == (labels["flux_ratio"] >= 0.5).sum()
    rate = row(found.rates, bin="0.5 to 1", level=90, population="anomalous")
    assert rate["n"] == one["n_anomalous"]
    assert rate["k"] == (table["is_anomaly_90"] & (labels["flux_ratio"] >= 0.5)).sum()
    outside = (labels["is_anomaly"] & (labels["flux_ratio"] < 0.25)).sum()
    assert f"{outside} anomalous objects are in no bin of flux_ratio." in found.notes


def test_default_bins_are_quartiles_of_the_anomalies():
    table, labels = survey()
    found = evaluate(table, labels, by="flux_ratio", n_bootstrap=0).by
    counts = found[found["score"] == "anomaly_score"]["n_anomalous"]
    assert list(counts) == [13, 12, 12, 13]


def test_categories_and_a_bin_without_anomalies():
    table, labels = survey()
    found = evaluate(table, labels, by="kind", n_bootstrap=0)
    assert list(dict.fromkeys(found.by["bin"])) == ["big", "isolated", "small"]
    assert np.isnan(row(found.by, bin="isolated", score="peak_score")["auc"])
    only = evaluate(table, labels, by="kind", bins=["big"], n_bootstrap=0)
    assert set(only.by["bin"]) == {"big"}


def test_a_column_of_the_scores_can_divide_too():
    table, labels = survey()
    found = evaluate(table, labels, by="peak_score", bins=(-10, 10), n_bootstrap=0)
    assert row(found.by, bin="-10 to 10", score="peak_score")["n_anomalous"] == 50


def baselines_of(table, labels, noise):
    rng = np.random.default_rng(8)
    score = dict(zip(table["object_id"], table["anomaly_score"], strict=True))
    values = np.array([score[name] for name in labels["object_id"]])
    return {
        "object_id": labels["object_id"],
        "brightness": rng.normal(size=len(labels)),
        "pca_20": values + noise * rng.normal(size=len(labels)),
    }


def test_the_detector_wins_over_a_noisy_copy_of_itself():
    table, labels = survey()
    given = baselines_of(table, labels, noise=3.0)
    found = evaluate(table, labels, baselines=given)
    assert found.best_baseline == "pca_20"
    assert found.difference.low > 0
    assert found.winner.startswith("anomaly_score is above every baseline. anomaly_sc")
    assert f"{found.difference.value:+.3f}" in found.winner
    assert row(found.auc, score="pca_20")["kind"] == "baseline"
    assert repr(found) == f"Evaluation({found.winner})"


def test_a_baseline_that_wins_is_named():
    table, labels = survey()
    given = baselines_of(table, labels, noise=0.0)
    table["anomaly_score"] += 3 * np.random.default_rng(9).normal(size=len(table))
    found = evaluate(table, labels, baselines=given)
    assert found.winner.startswith("The baseline pca_20 wins. anomaly_score has an AUC")


def test_no_winner_where_the_interval_holds_zero():
    table, labels = survey()
    given = baselines_of(table, labels, noise=0.0)
    found = evaluate(table, labels, baselines=given, n_bootstrap=50)
    assert found.winner.startswith("Neither anomaly_score nor the baseline pca_20 wins")
    plain = evaluate(table, labels, baselines=given, n_bootstrap=0)
    assert plain.winner.startswith("anomaly_score has an AUC of")


def test_without_baselines_or_anomaly_score():
    table, labels = survey()
    found = evaluate(table, labels, n_bootstrap=0)
    assert found.best_baseline is None
    assert found.difference is None
    assert "no baseline was given" in found.winner
    # The best score takes the place of a missing anomaly_score.
    table["baseline_brightness"] = np.arange(len(table))
    table.remove_column("anomaly_score")
    found = evaluate(table, labels, n_bootstrap=10)
    assert found.best_baseline == "brightness"
    assert "peak_score has an AUC" in found.winner


def test_write_makes_tables_that_read_back_and_a_page(tmp_path):
    table, labels = survey()
    given = baselines_of(table, labels, noise=3.0)
    found = evaluate(table, labels, "flux_ratio", (0.1, 0.25, 1), given, n_bootstrap=20)
    page = found.write(tmp_path / "out").read_text(encoding="utf-8")
    names = ["auc.ecsv", "by.ecsv", "evaluation.md", "rates.ecsv"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    for name in ("auc", "rates", "by"):
        again, made = Table.read(tmp_path / f"out/{name}.ecsv"), getattr(found, name)
        assert again.colnames == made.colnames
        assert all((again[c] == made[c]).all() for c in made.colnames)
    one = row(found.auc, score="pca_20")
    span = f"{one['auc']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    assert f"| pca_20 | baseline | {span} | 150 | 50 |" in page
    assert found.winner in page
    n = row(found.by, bin="0.25 to 1", score="pca_20")["n_anomalous"]
    assert f"| 0.25 to 1 (n = {n}) |" in page
    assert "| all | 90 | normal | 15 | 150 | 10 (6.15 to 15.8) |" in page


def test_write_removes_the_bins_of_an_older_evaluation(tmp_path):
    table, labels = survey()
    evaluate(table, labels, by="kind", n_bootstrap=0).write(tmp_path)
    evaluate(table, labels, n_bootstrap=0).write(tmp_path)
    assert not (tmp_path / "by.ecsv").exists()


def test_tables_through_csv_and_fits_give_the_same(tmp_path):
    table, labels = survey()
    expected = evaluate(table, labels, n_bootstrap=10)
    for name in ("t.csv", "t.fits", "t.ecsv"):
        for made, path in ((table, tmp_path / f"a{name}"), (labels, tmp_path / name)):
            made.write(path, overwrite=True)
        found = evaluate(
            Table.read(tmp_path / f"a{name}"),
            Table.read(tmp_path / name),
            n_bootstrap=10,
        )
        assert list(found.auc["auc"]) == list(expected.auc["auc"])
        assert list(found.rates["k"]) == list(expected.rates["k"])


def change(table, labels, how):
    """Return arguments of `evaluate` that it refuses."""
    given = {"object_id": table["object_id"], "peak_score": table["peak_score"]}
    if how == "no truth":
        return table, labels["object_id", "kind"]
    if how == "no anomalies":
        return table, labels[~labels["is_anomaly"]]
    if how == "no column":
        return table, labels, "mass"
    if how == "no scores":
        return table["object_id", "latent_norm"], labels
    if how == "a score twice":
        return table, labels, None, None, given
    table["peak_score"][:3] = np.nan
    return table, labels


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no truth", "`labels` needs a column is_anomaly. Received"),
        ("no anomalies", "Received: 0 true, 150 false"),
        ("no column", "`by` must be a column .* Received: 'mass'; c"),
        ("no scores", "`table` needs a column of scores, such as an"),
        ("a score twice", "`baselines` must not repeat .* Received: peak_score"),
        ("NaN", "Column peak_score .* Received: 3 NaN among 2"),
    ],
)
def test_errors(how, message):
    with pytest.raises(ValueError, match=message):
        evaluate(*change(*survey(), how))
