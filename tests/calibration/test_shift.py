"""When calibration scores and new scores are called visibly different."""

import doctest
import warnings

import numpy as np
import pytest
from scipy.stats import ks_2samp

from astroanomaly.calibration import shift as _shift
from astroanomaly.calibration.shift import compare, warn_if_shifted


def draw(seed, n, m, mean=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(mean, 1, size=m)


def test_examples_run():
    assert doctest.testmod(_shift).failed == 0


def test_statistic_is_that_of_the_bulk_by_hand():
    # Ten calibration scores, bulk up to 9: F jumps by 1/9; new 1 to 3 by 1/3.
    result = compare(np.arange(1, 11), [1, 2, 3, 50])
    assert result.statistic == pytest.approx(1 - 3 / 9)
    assert (result.n_calibration, result.n_scores, result.bulk_limit) == (9, 3, 9.0)
    assert result.fraction_above == 0.25


def test_statistic_equals_scipy_where_all_scores_are_compared():
    old, new = draw(1, 300, 200, mean=3.0)
    result = compare(old, new)
    assert not result.bulk_only
    assert result.statistic == pytest.approx(ks_2samp(old, new).statistic)
    assert (result.n_calibration, result.n_scores) == (300, 200)


def test_false_alarms_are_rare():
    alarms = [compare(*draw(seed, 200, 100)).shifted for seed in range(400)]
    assert np.mean(alarms) <= 0.0025


@pytest.mark.parametrize("shift", [-1.0, 1.0, 2.0, 5.0])
def test_a_global_shift_is_seen(shift):
    assert all(compare(*draw(seed, 500, 300, shift)).shifted for seed in range(20))


@pytest.mark.parametrize(("fraction", "mean"), [(0.03, 4), (0.1, 2), (0.5, 6)])
def test_anomalies_alone_are_no_shift(fraction, mean):
    seen = []
    for seed in range(50):
        old, new = draw(seed, 500, 600)
        new[: int(600 * fraction)] += mean
        seen.append(compare(old, new).shifted)
    assert np.mean(seen) <= 0.02


def test_a_significant_but_small_difference_is_not_visible():
    result = compare(*draw(0, 50_000, 50_000, mean=0.08))
    assert result.p_value < 1e-6
    assert result.statistic < 0.1
    assert not result.shifted
    assert "no visibly different distribution" in result.message


def test_warning_carries_the_numbers():
    old, new = draw(2, 500, 300, mean=1.0)
    expected = compare(old, new)
    with pytest.warns(UserWarning, match="visibly different distribution") as caught:
        assert warn_if_shifted(old, new) == expected
    message = str(caught[0].message)
    assert f"statistic {expected.statistic:.3f}" in message
    assert f"p-value {expected.p_value:.2g}" in message
    assert f"{expected.n_calibration} calibration and {expected.n_scores}" in message
    assert caught[0].filename == __file__


def test_no_warning_without_a_shift():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not warn_if_shifted(*draw(3, 500, 300)).shifted


def test_ties_and_constant_scores():
    assert not compare(np.ones(50), np.ones(30)).shifted
    assert compare(np.ones(50), np.full(30, 2.0)).shifted


def test_nan_and_empty_are_refused():
    with pytest.raises(ValueError, match="`scores` must not be NaN. Received: 1 NaN"):
        compare([1, 2], [1, np.nan])
    with pytest.raises(ValueError, match="2 calibration scores and 0 new scores"):
        compare([1, 2], [])
