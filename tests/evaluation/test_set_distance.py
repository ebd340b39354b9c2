"""The interval holds the truth, and the p-value is fair, where both are known."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from astroanomaly.evaluation.generated import compare


def normal(seed, n_real, n_generated, shift, repeats=99):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n_real + n_generated)
    values[n_real:] += shift
    rows = np.split(np.arange(len(values)), [n_real])

    def between(one, two):
        return wasserstein_distance(values[one], values[two])

    return compare(between, *rows, repeats, 10, seed)


@pytest.mark.parametrize("shift", [0.05, 0.5])
def test_intervals_hold_the_true_distance(shift):
    found = [normal(seed, 60, 60, shift) for seed in range(60)]
    held = np.mean([one.low <= shift <= one.high for one in found])
    assert held >= 0.9
    assert all(one.low <= one.distance <= one.high for one in found)


def test_p_values_are_uniform_for_samples_of_one_distribution():
    p_values = [normal(seed, 40, 30, 0.0).p_value for seed in range(100)]
    for level in (0.1, 0.5):
        # Three binomial standard deviations.
        margin = 3 * np.sqrt(level * (1 - level) / 100)
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=margin)
    assert normal(1, 40, 30, 3.0).p_value == 0.01


def test_the_floor_is_of_halves_of_the_real_set():
    sizes = []

    def between(one, two):
        assert not set(one) & set(two)
        sizes.append((len(one), len(two)))
        return float(len(two))

    rows = np.arange(50), np.arange(50, 72)
    found = compare(between, *rows, 0, 4, 1)
    assert sizes == [(50, 22), *[(25, 22)] * 4]
    assert (found.distance, found.floor) == (22, 22)
    assert np.isnan([found.low, found.high, found.p_value]).all()
    sizes.clear()
    compare(between, np.arange(51), np.arange(51, 151), 0, 1, 1)
    assert sizes[1] == (25, 25)


def test_too_small_sets_have_no_distance():
    assert np.isnan(normal(1, 40, 19, 0.0)).all()
    assert np.isnan(compare(None, np.arange(40), np.arange(40), 9, 9, 1)).all()
