"""Rates above thresholds, their intervals, and the promise to normal objects."""

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import binomtest, norm

from astroanomaly.calibration import Calibration
from astroanomaly.evaluation.rates import (
    detection_rates,
    false_positive_check,
    rates_markdown,
)
from astroanomaly.evaluation.roc_auc import binomial_interval


def clustered(seed, n=70, per=3, shared=0.9):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n), per)
    own = rng.normal(size=n * per) * np.sqrt(1 - shared**2)
    return groups, shared * rng.normal(size=n)[groups] + own


def test_rates_by_hand():
    calibration = {"peak": np.arange(1, 101), "total": -np.arange(1, 101)}
    samples = {
        "b": {"total": [-10.0, -16.0, -15.5], "peak": [86, 91, 99]},
        "a": {"peak": [90, 90.5]},
    }
    rule = "percentile"
    table = detection_rates(calibration, samples, levels=(90, 85), rule=rule)
    assert table["sample"].tolist() == ["b"] * 4 + ["a"] * 2
    assert table["score"].tolist() == ["total"] * 2 + ["peak"] * 4
    assert table["level"].tolist() == [90, 85] * 3
    # Of -100 to -1 the 90th is -11 and the 85th -16; equal is not above.
    assert table["threshold"].tolist() == [-11, -16, 90, 85, 90, 85]
    assert table["n_flagged"].tolist() == [1, 2, 2, 3, 1, 2]
    assert table["n"].tolist() == [3, 3, 3, 3, 2, 2]
    assert set(table["n_calibration"]) == {100}
    np.testing.assert_allclose(table["rate"], table["n_flagged"] / table["n"])
    ends = binomtest(2, 3).proportion_ci(method="wilson")
    np.testing.assert_allclose([table["low"][1], table["high"][1]], ends)
    # By the other rule the ceil(101 * 0.9) = 91st and the ceil(101 * 0.85) = 86th.
    table = detection_rates(calibration, samples, levels=(90, 85))
    assert table["threshold"].tolist() == [-10, -15, 91, 86, 91, 86]
    assert table["n_flagged"].tolist() == [0, 1, 1, 2, 0, 2]


def test_thresholds_and_flags_are_those_of_a_calibration():
    rng = np.random.default_rng(1)
    normal, fresh = np.round(rng.normal(size=(2, 333)), 1)
    table = detection_rates({"s": normal}, {"x": {"s": fresh}}, (85, 90, 95, 99.5))
    calibration = Calibration(normal, (85, 90, 95, 99.5))
    assert table["threshold"].tolist() == list(calibration.thresholds.values())
    flagged = [calibration.is_anomaly(fresh, lv).sum() for lv in calibration.levels]
    assert table["n_flagged"].tolist() == flagged


def test_a_fixed_threshold_needs_no_calibration():
    samples = {"x": {"kmeans": [-1.0, 0.0, 2.0], "peak": [1.0, 2.0, 3.0]}}
    fixed = {"kmeans": 0.0, "peak": 2.5}
    table = detection_rates({"peak": range(20)}, samples, (90,), fixed=fixed)
    assert table["score"].tolist() == ["kmeans", "peak", "peak"]
    assert np.isnan(table["level"][[0, 2]]).all()
    assert table["threshold"].tolist() == [0.0, 18.0, 2.5]
    assert table["n_calibration"].tolist() == [0, 20, 0]
    assert table["n_flagged"].tolist() == [1, 0, 1]


def test_an_empty_sample_and_no_sample():
    groups = {"x": []}
    table = detection_rates({"s": range(20)}, {"x": {"s": []}}, (90,), groups)
    assert table["n"][0] == 0
    assert np.isnan([*table["rate", "low", "high", "low_clustered"][0]]).all()
    assert "none" in rates_markdown(table)
    assert len(detection_rates({"s": range(20)}, {}, (90,))) == 0


def test_clustered_intervals_cover_where_plain_ones_do_not():
    truth, hits = norm.sf(0.5), []
    for seed in range(150):
        groups, scores = clustered(seed)
        row = detection_rates(
            {}, {"x": {"s": scores}}, (), {"x": groups}, fixed={"s": 0.5}
        )[0]
        hits.append(
            (
                row["low_clustered"] <= truth <= row["high_clustered"],
                row["low"] <= truth <= row["high"],
            )
        )
        assert row["n_groups"] == 70
    clustered_hits, plain_hits = np.mean(hits, axis=0)
    assert clustered_hits > 0.89
    assert plain_hits < 0.87


def test_a_bootstrap_over_systems_written_out():
    groups, scores = clustered(3, n=40)
    args = {"x": {"s": scores}}, (), {"x": groups}
    row = detection_rates({}, *args, fixed={"s": 0.5}, n_bootstrap=4000)[0]
    rng, flags, draws = np.random.default_rng(5), scores.reshape(40, 3) > 0.5, []
    for _ in range(4000):
        draws.append(flags[rng.integers(40, size=40)].mean())
    ends = row["low_clustered"], row["high_clustered"]
    np.testing.assert_allclose(ends, np.percentile(draws, (2.5, 97.5)), atol=0.015)


def test_same_seed_same_bits():
    groups, scores = clustered(1)
    args = {"s": scores}, {"x": {"s": scores}}, (85, 90), {"x": groups}
    one, two, other = (detection_rates(*args, seed=seed) for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one["low_clustered"] != other["low_clustered"]).any()


def test_a_sample_of_independent_objects_among_clustered_ones():
    samples = {"x": {"s": [1.0, 9.0]}, "y": {"s": [1.0, 9.0]}}
    groups = {"x": None, "y": ["a", "a"]}
    table = detection_rates({"s": range(10)}, samples, (50,), groups)
    assert table["n_groups"].tolist() == [2, 1]
    assert np.isnan(table["low_clustered"][1])


@pytest.mark.parametrize(
    ("calibration", "scores", "levels", "options", "message"),
    [
        (range(20), {"s": [np.nan]}, 90, {}, "`x: s` must not be NaN. Received: 1 NaN"),
        ([1, np.nan], {"s": [1]}, 50, {}, "`s` must not be NaN. Received: 1 NaN"),
        (range(20), {"t": [1]}, 90, {}, "`calibration_scores` or a `fixed` .*: t with"),
        (range(9), {"s": [1]}, 50, {"fixed": {"t": 0}}, "fixed threshold a .*: t with"),
        (range(9), {"s": [1]}, 50, {"groups": {"y": [1]}}, r"`groups` must .* \['y'\]"),
        (
            *(range(9), {"s": [1]}, 50, {"groups": {"x": [1, 2]}}),
            r"`groups\['x'\]` must name the system of each",
        ),
        (range(9), {"s": [1]}, 99, {}, "Level 99 needs at least 99 calibration"),
    ],
)
def test_rates_refuse_what_they_cannot_count(
    calibration, scores, levels, options, message
):
    with pytest.raises(ValueError, match=message):
        detection_rates({"s": calibration}, {"x": scores}, (levels,), **options)


def test_scores_of_a_sample_have_one_length():
    calibration, sample = {"s": range(9), "t": range(9)}, {"s": [1], "t": [1, 2]}
    with pytest.raises(ValueError, match="scores of the sample 'x' must have one len"):
        detection_rates(calibration, {"x": sample}, (50,))


def test_markdown_has_one_row_for_each_sample_and_score():
    scores = np.arange(200)
    samples = {"mergers": {"s": scores + 100, "kmeans": scores - 197.5}}
    table = detection_rates({"s": scores}, samples, (85, 90), fixed={"kmeans": 0})
    lines = rates_markdown(table).splitlines()
    assert lines[0] == "| sample | score | objects | 85% | 90% | fixed |"
    # 171st of 0 to 199 is 170: 129 of 100 to 299 are above it; 119 above 180.
    low, high = binomial_interval(129, 200)
    assert lines[2] == (
        f"| mergers | s | 200 | 64 ({100 * low:.0f} to {100 * high:.0f}), 129/200 | "
        "60 (53 to 66), 119/200 |  |"
    )
    assert lines[3] == "| mergers | kmeans | 200 |  |  | 1.0 (0.3 to 3.6), 2/200 |"
    assert "(Wilson)" in lines[-1]


def test_markdown_prefers_intervals_over_systems():
    groups, scores = clustered(2)
    args = {"s": scores}, {"x": {"s": scores}}, (85,), {"x": groups}
    table = detection_rates(*args)
    page = rates_markdown(table)
    assert "210 in 70 systems" in page
    assert f"({100 * table['low_clustered'][0]:.0f} to" in page
    assert "(bootstrap over systems)" in page
    plain = rates_markdown(table, clustered=False)
    assert f"({100 * table['low'][0]:.0f} to" in plain
    table.remove_column("low_clustered")
    with pytest.raises(ValueError, match="no column 'low_clustered'"):
        rates_markdown(table, clustered=True)


def test_p_value_is_that_of_the_law_of_exceedances():
    # Of 19 calibration and 10 fresh objects in random order, k fresh ones lie above
    # the 18th: C(k + 1, 1) C(27 - k, 17) / C(29, 10), counted by hand.
    def log_c(n, k):
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    k = np.arange(11)
    law = np.exp(log_c(k + 1, 1) + log_c(27 - k, 17) - log_c(29, 10))
    assert law.sum() == pytest.approx(1)
    for seen in (0, 3, 6):
        fresh = np.r_[np.full(seen, 99.0), np.full(10 - seen, -1.0)]
        table = detection_rates({"s": range(19)}, {"isolated": {"s": fresh}}, (90,))
        assert table["threshold"][0] == 17
        tails = law[: seen + 1].sum(), law[seen:].sum()
        found = false_positive_check(table)["p_value"][0]
        assert found == pytest.approx(min(1, 2 * min(tails)))


def test_check_by_hand():
    fresh = {"isolated": {"s": np.arange(200.0)}, "mergers": {"s": [1.0]}}
    table = detection_rates({"s": np.arange(200.0)}, fresh, (90, 95), fixed={"s": 3.0})
    found = false_positive_check(table)
    assert found["level"].tolist() == [90, 95]
    assert found["n_flagged"].tolist() == [19, 9]
    np.testing.assert_allclose(found["promised"], [0.1, 0.05])
    ends = binomtest(19, 200).proportion_ci(method="exact")
    np.testing.assert_allclose([found["low"][0], found["high"][0]], ends)
    assert found["inside"].all()
    assert found["as_promised"].all()
    assert "as often as promised by 2 of 2 scores" in found.meta["verdict"]


def test_a_broken_promise_is_named():
    rng = np.random.default_rng(4)
    fresh = {"fresh": {"s": rng.normal(1, 1, 300), "t": rng.normal(size=300)}}
    normal = {"s": rng.normal(size=300), "t": rng.normal(size=300)}
    found = false_positive_check(detection_rates(normal, fresh, (90,)), "fresh")
    assert found["as_promised"].tolist() == [False, True]
    assert not found["inside"][0]
    verdict = found.meta["verdict"]
    assert "1 of 2 scores and levels; not by s at 90 (" in verdict
    assert "per cent in place of 10, adjusted p " in verdict


def p_values(repeats, groups=None, shared=0.0):
    found = []
    for seed in range(repeats):
        codes, normal = clustered(2 * seed, shared=shared)
        _, fresh = clustered(2 * seed + 1, shared=shared)
        given = {"isolated": codes} if groups else None
        table = detection_rates(
            {"s": normal}, {"isolated": {"s": fresh}}, (85,), given, n_bootstrap=10
        )
        check = false_positive_check(table)
        found.append((check["p_value"][0], check["inside"][0]))
    return np.array(found).T


def test_p_is_uniform_where_the_promise_is_kept():
    p, inside = p_values(400)
    for alpha in (0.05, 0.2, 0.5):
        error = 3 * np.sqrt(alpha * (1 - alpha) / 400)
        assert (p <= alpha).mean() == pytest.approx(alpha, abs=error + 0.02)
    # Calibration and test of one size: the variance is twice the binomial one.
    assert inside.mean() < 0.9


def test_p_stays_valid_for_clustered_objects():
    divided = p_values(300, groups=True, shared=0.9)[0]
    naive = p_values(300, shared=0.9)[0]
    assert (divided <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert (naive <= 0.05).mean() > 0.1


def test_check_needs_fresh_objects_and_a_level():
    table = detection_rates({"s": range(20)}, {"x": {"s": [1.0]}}, (90,))
    with pytest.raises(ValueError, match=r"`sample` must be .*'isolated'; .* \['x'\]"):
        false_positive_check(table)
    with pytest.raises(ValueError, match="no column 'n_calibration'"):
        false_positive_check(table["sample", "score", "level", "threshold"], "x")
    table = detection_rates({}, {"x": {"s": [1.0]}}, (), fixed={"s": 0.0})
    with pytest.raises(ValueError, match="with objects and a level. Received: 'x'"):
        false_positive_check(table, "x")
