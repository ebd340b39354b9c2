"""Thresholds, intervals, conformal p-values and selections."""

import doctest
import json

import numpy as np
import pytest
from scipy.stats import betabinom, binom, false_discovery_control, kstest, norm

from astroanomaly import calibration
from astroanomaly.calibration import (
    Calibration,
    benjamini_hochberg,
    calibration_needed,
    q_values,
    required_size,
)


def test_examples_run():
    assert doctest.testmod(calibration).failed == 0


def test_thresholds_contain_the_per_cent_that_they_say():
    scores = np.random.default_rng(0).normal(size=1000)
    levels = (85, 90, 95, 99, 99.9)
    thresholds = Calibration(scores, levels, rule="percentile").thresholds
    contained = [(scores <= thresholds[level]).mean() * 100 for level in levels]
    np.testing.assert_allclose(contained, levels, rtol=1e-12)
    # numpy rounds 99.9 per cent of 1000 up to the last score: compare the others.
    theirs = np.percentile(scores, levels[:4], method="inverted_cdf")
    np.testing.assert_array_equal(list(thresholds.values())[:4], theirs)


def test_levels_are_sorted_once_each_and_whole_ones_are_int():
    found = Calibration(np.arange(999), (99.9, 90.0, 90))
    assert found.levels == (90, 99.9)
    assert [type(level) for level in found.levels] == [int, float]
    assert repr(found) == "Calibration(n=999, thresholds={90: 899, 99.9: 998})"


@pytest.mark.parametrize(
    ("rule", "n", "above"), [("conformal", 99, 0), ("percentile", 100, 1)]
)
def test_a_level_at_its_required_size(rule, n, above):
    found = Calibration(np.arange(float(n)), levels=(99,), rule=rule)
    assert found.intervals()["n_above"].tolist() == [above]
    assert required_size(99, rule=rule) == n
    with pytest.raises(ValueError, match=f"at least {n} calibration objects"):
        Calibration(np.arange(n - 1.0), levels=(99,), rule=rule)


def test_is_anomaly_is_above_not_at_the_threshold():
    found = Calibration(np.arange(1, 100), levels=(90,))
    assert found.is_anomaly([90, 90.5], 90).tolist() == [False, True]
    assert found.is_anomaly([95, 96], 95).tolist() == [False, True]


@pytest.mark.parametrize("n", [9, 19, 50, 66, 99, 100, 101, 999, 1000])
@pytest.mark.parametrize("level", [50, 85, 90, 95, 99, 99.9])
def test_an_object_is_above_a_level_exactly_where_its_p_value_says(n, level):
    if n < required_size(level):
        pytest.skip("the sample does not carry this level")
    rng = np.random.default_rng(n)
    # Ties too: the threshold's own value, and scores equal to each other.
    scores = np.round(rng.normal(size=n), 2)
    found = Calibration(scores, levels=(level,))
    tried = np.r_[scores, scores + 1e-9, scores - 1e-9, -99, 99]
    counts = [1 + int((scores >= one).sum()) for one in tried]
    # In whole numbers: p = count / (n + 1) <= 1 - level / 100.
    wanted = [1000 * count <= (n + 1) * round(10 * (100 - level)) for count in counts]
    np.testing.assert_array_equal(found.is_anomaly(tried, level), wanted)


def test_floats_do_not_move_an_order_statistic():
    # (n + 1) * 0.99 and (n + 1) * 0.999 as floats round above whole numbers.
    for n, level, rank in ((99, 99, 99), (999, 99.9, 999), (1999, 99.95, 1999)):
        found = Calibration(np.arange(1, n + 1), levels=(level,))
        assert found.thresholds[level] == rank


@pytest.mark.parametrize("n", [50, 99, 100, 1000])
def test_fresh_normals_pass_a_level_as_often_as_it_says(n):
    rng, repeats, fresh = np.random.default_rng(n), 200, 100
    levels = [level for level in (90, 95, 99) if n >= required_size(level)]
    flagged, p_values = dict.fromkeys(levels, 0), []
    for _ in range(repeats):
        normal = Calibration(rng.gumbel(size=n), levels)
        scores = rng.gumbel(size=fresh)
        p_values.append(normal.p_values(scores[:1])[0])
        for level in levels:
            flagged[level] += int(normal.is_anomaly(scores, level).sum())
    for level, k in flagged.items():
        # Beta-binomial: the fresh objects of one repetition share their threshold.
        share = np.floor((n + 1) * (100 - level) / 100 + 1e-9) / (n + 1)
        law = betabinom(fresh, (n + 1) * share, (n + 1) * (1 - share))
        error = law.std() / fresh / np.sqrt(repeats)
        assert k / (fresh * repeats) == pytest.approx(share, abs=3.5 * error)
        assert share <= 1 - level / 100 + 1e-12
    # One of each repetition, so independent; p-values are whole parts of n + 1.
    jitter = np.asarray(p_values) - rng.random(repeats) / (n + 1)
    assert kstest(jitter, "uniform").pvalue > 0.001


def test_levels_that_are_not_asked_for_by_name_are_left_out_with_one_warning():
    with pytest.warns(UserWarning, match=r"41 .* 99 \(99 objects\)") as caught:
        assert Calibration(np.arange(41.0), levels=None).levels == (90, 95)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="too few for the levels 90"):
        few = Calibration(np.arange(5.0), levels=None)
    assert few.levels == ()
    assert few.p_values([9.0]) == pytest.approx(1 / 6)
    assert Calibration(np.arange(99.0), levels=None).levels == (90, 95, 99)


def test_a_saved_calibration_says_its_rule_and_an_old_one_had_the_paper_s():
    scores = np.arange(1.0, 101)
    new = Calibration(scores, (90, 99))
    assert (new.rule, new.thresholds) == ("conformal", {90: 91, 99: 100})
    kept = new.to_dict()
    assert Calibration.from_dict(kept).rule == "conformal"
    del kept["rule"]
    kept["thresholds"] = [90.0, 99.0]
    old = Calibration.from_dict(kept)
    assert (old.rule, old.thresholds) == ("percentile", {90: 90, 99: 99})
    # Another level of an old detector follows its own rule.
    assert old.is_anomaly([95, 95.5], 95).tolist() == [False, True]
    with pytest.raises(ValueError, match="`rule` must be one of .* Received: best"):
        Calibration(scores, rule="best")


def test_q_values_are_those_of_the_selection():
    p = np.r_[np.random.default_rng(3).random(90), np.full(10, 0.002)]
    np.testing.assert_allclose(q_values(p), false_discovery_control(p))
    for rate in (0.05, 0.3):
        chosen = benjamini_hochberg(p, rate)
        np.testing.assert_array_equal(q_values(p) <= rate, chosen)
    assert q_values([]).shape == (0,)


@pytest.mark.parametrize(("k", "needed"), [(0, 1999), (1, 1999), (4, 499)])
def test_how_many_calibration_objects_a_rate_needs(k, needed):
    n, m, rate = 99, 100, 0.05
    p = np.r_[np.full(k, 1 / (n + 1)), np.full(m - k, 0.5)]
    assert calibration_needed(p, rate, n) == needed
    k = max(k, 1)
    # At that size the k strangest pass, with one object fewer they do not.
    for size, passes in ((needed, True), (needed - 1, False)):
        p = np.r_[np.full(k, 1 / (size + 1)), np.full(m - k, 0.5)]
        assert benjamini_hochberg(p, rate).any() == passes
    assert calibration_needed(np.full(10, 0.001), rate, 999) is None


def test_p_values_by_hand_with_ties():
    found = Calibration([1, 2, 2, 3], levels=(50,))
    expected = [1.0, 4 / 5, 2 / 5, 1 / 5]
    np.testing.assert_allclose(found.p_values([1, 2, 2.5, 9]), expected)
    assert found.p_values([]).shape == (0,)


@pytest.mark.parametrize("n", [3, 7, 20])
def test_p_values_are_valid_for_small_samples(n):
    rng, repeats = np.random.default_rng(n), 4000
    p = np.array(
        [
            Calibration(s[:-1], levels=(50,)).p_values(s[-1:])[0]
            for s in rng.gumbel(size=(repeats, n + 1))
        ]
    )
    for alpha in (1 / (n + 1), 0.1, 0.2, 0.3, 0.5):
        # Exactly floor(alpha (n + 1)) / (n + 1) without ties; three sigma of it.
        truth = np.floor(alpha * (n + 1) + 1e-9) / (n + 1)
        error = 3 * np.sqrt(truth * (1 - truth) / repeats)
        assert (p <= alpha + 1e-12).mean() == pytest.approx(truth, abs=error + 1e-12)
        assert truth <= alpha + 1e-12


def test_p_values_stay_valid_with_ties():
    rng = np.random.default_rng(5)
    draws = rng.integers(0, 4, size=(4000, 10)).astype(float)
    p = np.array([Calibration(d[1:], (50,)).p_values(d[:1])[0] for d in draws])
    for alpha in (0.1, 0.3, 0.5):
        assert (p <= alpha).mean() <= alpha


def test_interval_is_the_binomial_order_statistic_interval():
    n, level = 500, 90
    found = Calibration(np.arange(1, n + 1), levels=(level,)).intervals()
    low, high = int(found["low"][0]), int(found["high"][0])
    # P(low <= B < high) for the number B of scores below the percentile.
    inside = binom.cdf(high - 1, n, 0.9) - binom.cdf(low - 1, n, 0.9)
    assert 0.95 <= inside < 0.965
    assert binom.cdf(low, n, 0.9) > 0.025
    assert low < found["threshold"][0] < high
    assert found.colnames == ["level", "threshold", "low", "high", "n_above", "n"]


def test_interval_covers_the_true_percentile():
    rng, truth = np.random.default_rng(1), norm.ppf(0.95)
    rows = [Calibration(rng.normal(size=100), (95,)).intervals()[0] for _ in range(500)]
    hits = [row["low"] <= truth <= row["high"] for row in rows]
    assert np.mean(hits) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 500)


def test_an_end_beyond_the_sample_is_infinite():
    row = Calibration(np.arange(100.0), levels=(99,)).intervals()[0]
    assert row["high"] == np.inf
    assert np.isfinite(row["low"])


def test_benjamini_hochberg_equals_scipy():
    rng = np.random.default_rng(2)
    for rate in (0.05, 0.2):
        p = np.r_[rng.random(80), rng.random(20) ** 6]
        expected = false_discovery_control(p) <= rate
        np.testing.assert_array_equal(benjamini_hochberg(p, rate), expected)
    assert benjamini_hochberg([], 0.1).shape == (0,)
    assert not benjamini_hochberg([0.9, 0.8], 0.1).any()


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_selection_keeps_the_false_discovery_rate(rate):
    rng, proportions, power = np.random.default_rng(3), [], []
    truth = np.arange(100) < 20
    for _ in range(600):
        normal = Calibration(rng.normal(size=300), levels=(90,))
        selected = normal.select(rng.normal(np.where(truth, 4.0, 0.0), 1), rate)
        proportions.append((selected & ~truth).sum() / max(selected.sum(), 1))
        power.append(selected[truth].mean())
    # Expected at rate times the share of normal objects, 0.8.
    assert np.mean(proportions) <= rate
    assert np.mean(power) > 0.7


def test_select_needs_enough_calibration_objects():
    few = Calibration(np.arange(20.0), levels=(90,))
    assert not few.select([100.0, *np.zeros(99)], 0.1).any()
    many = Calibration(np.arange(1000.0), levels=(90,))
    assert many.select([5000.0, *np.zeros(99)], 0.1).sum() == 1


@pytest.mark.parametrize("rate", [0, 1, 2.0])
def test_false_discovery_rate_outside_its_range(rate):
    with pytest.raises(ValueError, match="`false_discovery_rate` must lie between 0"):
        benjamini_hochberg([0.1], rate)


def test_extreme_threshold_and_extrapolated_levels_agree():
    scores = np.random.default_rng(4).exponential(size=500)
    found = Calibration(scores, levels=(90, 99.9), extrapolate=True)
    extreme = Calibration(scores, levels=(90,)).extreme_threshold(99.9)
    assert found.thresholds[99.9] == extreme.threshold
    assert extreme.low < -np.log(0.001) < extreme.high
    assert extreme.threshold > scores.max() * 0.7
    last = found.intervals()[1]
    assert (last["low"], last["high"]) == (extreme.low, extreme.high)


def test_extreme_threshold_meets_the_percentile_inside_the_sample():
    scores = np.random.default_rng(5).normal(size=5000)
    found = Calibration(scores, levels=(99,))
    extreme = found.extreme_threshold(99)
    assert extreme.threshold == pytest.approx(found.thresholds[99], abs=0.05)


def test_tail_fraction_reaches_the_fit():
    found = Calibration(np.random.default_rng(6).exponential(size=1000))
    assert found.tail(0.2).n_above == 200
    assert found.extreme_threshold(99.9, 0.2) != found.extreme_threshold(99.9)


def test_a_dict_through_json_is_equal_to_the_bit():
    scores = np.random.default_rng(7).normal(size=300)
    found = Calibration(scores, levels=(90, 99.9), extrapolate=True)
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    np.testing.assert_array_equal(again.scores, found.scores)
    assert again.levels == found.levels
    assert again.thresholds == found.thresholds


def test_a_dict_without_a_key_is_refused():
    with pytest.raises(ValueError, match=r"without \['thresholds'\]"):
        Calibration.from_dict({"scores": [1.0], "levels": [90]})


def test_too_few_objects_say_how_many_a_level_needs():
    message = "Level 99 needs at least 99 calibration objects, .* Received: 98. "
    with pytest.raises(ValueError, match=message):
        Calibration(np.arange(98.0))
    with pytest.raises(ValueError, match="Level 99.9 needs at least 999"):
        Calibration(np.arange(100.0)).is_anomaly([1.0], 99.9)


def test_too_few_objects_for_an_extreme_level():
    message = "Level 99.99 needs at least 1000 calibration objects for a gen.*: 500."
    with pytest.raises(ValueError, match=message):
        Calibration(np.arange(500.0)).extreme_threshold(99.99)


def test_an_extreme_level_lies_inside_the_tail():
    with pytest.raises(ValueError, match="Level 80 lies below the tail, which starts"):
        Calibration(np.arange(500.0)).extreme_threshold(80)


@pytest.mark.parametrize("level", [0, 100, -1])
def test_levels_outside_the_range(level):
    with pytest.raises(ValueError, match="strictly between 0 and 100 per cent. Rec"):
        Calibration(np.arange(100.0), levels=(90, level))


def test_no_level_is_refused():
    with pytest.raises(ValueError, match="`levels` must name at least one level."):
        Calibration(np.arange(100.0), levels=())


def test_nan_scores_are_refused_with_their_number():
    with pytest.raises(ValueError, match="`scores` must not be NaN. Received: 1 NaN"):
        Calibration([1, 2, np.nan])
    found = Calibration(np.arange(100.0))
    for method in (found.p_values, lambda s: found.is_anomaly(s, 90)):
        with pytest.raises(ValueError, match="Received: 2 NaN among 3"):
            method([np.nan, 1, np.nan])


def test_empty_and_infinite_scores_are_refused():
    with pytest.raises(ValueError, match="Received: 0 scores, 0 infinite"):
        Calibration([])
    with pytest.raises(ValueError, match="Received: 3 scores, 1 infinite"):
        Calibration([1, 2, np.inf])
