"""Levels, the sizes that they need, and checked scores."""

import doctest
from fractions import Fraction

import numpy as np
import pytest

from astroanomaly.calibration import levels
from astroanomaly.calibration.levels import checked_level, checked_scores, required_size


def test_examples_run():
    assert doctest.testmod(levels).failed == 0


def test_exact_fraction_has_no_rounding():
    assert levels.exact_fraction(99.9) == Fraction(999, 1000)
    assert levels.exact_fraction(np.float64(90)) == Fraction(9, 10)


@pytest.mark.parametrize(
    ("level", "size"), [(50, 2), (85, 7), (90, 10), (95, 20), (99, 100), (99.99, 10000)]
)
def test_required_size_by_both_rules(level, size):
    assert required_size(level, rule="percentile") == size
    assert size - np.ceil(size * level / 100 - 1e-9) >= 1
    assert size - 1 - np.ceil((size - 1) * level / 100 - 1e-9) < 1
    # By the other the highest score itself may be the threshold.
    assert required_size(level) == size - 1
    assert levels.rank_of(level, size - 1) == size - 1
    assert levels.rank_of(level, size - 2) == size - 1


def test_required_size_of_a_tail():
    assert required_size(99.9, tail=True) == 200
    assert required_size(99.99, tail=True) == 1000
    assert required_size(99.999, tail=True) == 10_000


def test_whole_levels_become_int():
    assert checked_level(90.0) == 90
    assert isinstance(checked_level(np.float32(90)), int)
    assert checked_level(99.9) == 99.9


@pytest.mark.parametrize("level", [0, 100, -5, 101.0, np.nan])
def test_levels_outside_the_range_are_refused(level):
    with pytest.raises(ValueError, match="strictly between 0 and 100 per cent. Rec"):
        required_size(level)


def test_nan_scores_are_counted():
    with pytest.raises(ValueError, match="`x` must not be NaN. Received: 2 NaN amon"):
        checked_scores([1, np.nan, np.nan], "x")


def test_scores_are_a_vector():
    with pytest.raises(ValueError, match=r"`x` must have one dimension.*\(2, 1\)"):
        checked_scores([[1], [2]], "x")
