"""Levels in per cent, the sizes that they need, and checked scores."""

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from astroanomaly.calibration.tail import MIN_EXCESSES, REACH

# The first keeps its promise for every n; the second is the source paper's, and that of
# all detectors that were saved before there was a choice.
RULES = ("conformal", "percentile")
# Where no level is asked for by name: those of the source paper and a strict one.
DEFAULT_LEVELS = (90, 95, 99)


def exact_fraction(level: float) -> Fraction:
    """Return a level as an exact share, 99.9 as 999/1000.

    Float rounding would move an order statistic by one.
    """
    # Through text: the float 99.9 is 99.900000000000005684, but its digits are meant.
    return Fraction(str(float(level))) / 100


def checked_level(level: float) -> int | float:
    """Return a level as an int where it is whole, or refuse it."""
    if not 0 < level < 100:
        raise ValueError(
            "Levels must lie strictly between 0 and 100 per cent. "
            f"Received: {float(level):g}."
        )
    # Names of columns are made of it: is_anomaly_90, and not is_anomaly_90.0.
    return int(level) if float(level).is_integer() else float(level)


def checked_scores(scores: ArrayLike, name: str) -> np.ndarray:
    """Return scores as a float64 vector; raise if one is masked or NaN."""
    # A masked score, as tables hold it, is a missing one and must not count as 0.
    scores = np.ma.filled(np.ma.asarray(scores).astype(np.float64), np.nan)
    if scores.ndim != 1:
        raise ValueError(
            f"`{name}` must have one dimension. Received: shape {scores.shape}."
        )
    if n_nan := int(np.isnan(scores).sum()):
        raise ValueError(
            f"`{name}` must not be NaN. Received: {n_nan} NaN among {len(scores)}."
        )
    return scores


def check_rule(rule: str) -> str:
    """Return the name of a rule for thresholds, or refuse it."""
    if rule not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: {rule}.")
    return rule


def rank_of(level: float, n: int, rule: str = "conformal") -> int:
    """Return which of n scores in rising order is the threshold, counted from 1.

    Parameters
    ----------
    level : float
        Level in per cent.
    n : int
        Number of calibration objects.
    rule : {"conformal", "percentile"}
        ``ceil((n + 1) * level / 100)``, or ``ceil(n * level / 100)``.

    Returns
    -------
    int
        The rank; above n where the sample is too small.

    Examples
    --------
    >>> rank_of(99, 99), rank_of(99, 100, "percentile")
    (99, 99)
    """
    # In exact fractions: (99 + 1) * 0.99 in floats may round up to the 100th score.
    size = n + 1 if check_rule(rule) == "conformal" else n
    return math.ceil(size * exact_fraction(level))


def required_size(level: float, tail: bool = False, rule: str = "conformal") -> int:
    """Return how many calibration objects a level needs.

    A fresh ordinary object lies above the highest of n scores with probability
    ``1 / (n + 1)``, so a level needs ``ceil(1 / (1 - level / 100)) - 1`` objects; one
    more by the rule "percentile", which leaves one of the sample beyond. An
    extrapolated threshold needs a tenth, for beyond ten times the sample its interval
    says next to nothing, and at least the 200 objects whose top tenth gives the 20
    excesses of a fit.

    Parameters
    ----------
    level : float
        Level in per cent, between 0 and 100.
    tail : bool
        Count for `Calibration.extreme_threshold` in place of an order statistic.
    rule : {"conformal", "percentile"}
        How the threshold is chosen, see `Calibration`.

    Returns
    -------
    int
        Number of objects.

    Raises
    ------
    ValueError
        If the level lies outside (0, 100), or the rule is unknown.

    Examples
    --------
    >>> [required_size(level) for level in (90, 95, 99, 99.9)]
    [9, 19, 99, 999]
    """
    size = 1 / (1 - exact_fraction(checked_level(level)))
    if tail:
        # By no rule: the tail's threshold lies between and beyond the scores.
        return max(math.ceil(size / REACH), 10 * MIN_EXCESSES)
    return math.ceil(size) - (check_rule(rule) == "conformal")


def check_levels(
    levels: Sequence[float], n: int | None = None, rule: str = "conformal"
) -> tuple:
    """Return levels in rising order, each once.

    Parameters
    ----------
    levels : sequence of float
        Levels in per cent.
    n : int, optional
        Number of calibration objects; by default any number will do.
    rule : {"conformal", "percentile"}
        How thresholds are chosen, see `Calibration`.

    Returns
    -------
    tuple of int or float
        Whole levels as int.

    Raises
    ------
    ValueError
        If there is no level, or one lies outside (0, 100) or needs more than `n`
        objects, or the rule is unknown.

    Examples
    --------
    >>> check_levels((95, 90.0), 100)
    (90, 95)
    """
    # 90 and 90.0 are one level, which must not have two columns.
    levels = tuple(sorted({checked_level(level) for level in levels}))
    if not levels:
        raise ValueError("`levels` must name at least one level. Received: none.")
    for level in levels:
        needed = required_size(level, rule=rule)
        if n is not None and n < needed:
            raise ValueError(
                f"Level {level} needs at least {needed} calibration objects, so that "
                "an ordinary object passes as seldom as the level says. "
                f"Received: {n}. Calibrate on more objects, lower the level, or "
                "extrapolate: extreme_threshold needs "
                f"{required_size(level, tail=True)} objects for this level."
            )
    return levels


def levels_for(
    levels: Sequence[float] | None, n: int, rule: str = "conformal", stacklevel: int = 3
) -> tuple:
    """Return the levels that n objects carry.

    Parameters
    ----------
    levels : sequence of float or None
        Levels asked for by name; None for 90, 95 and 99 as far as they are carried.
    n : int
        Number of calibration objects.
    rule : {"conformal", "percentile"}
        How thresholds are chosen, see `Calibration`.
    stacklevel : int
        As in `warnings.warn`: 3 points at the caller's caller.

    Returns
    -------
    tuple of int or float
        Whole levels as int; empty where n objects carry no level at all.

    Raises
    ------
    ValueError
        As `check_levels`, for levels asked for by name.

    Warns
    -----
    UserWarning
        Once, naming every default level that is left out and what it needs.

    Examples
    --------
    >>> levels_for(None, 200)
    (90, 95, 99)
    """
    # Asked for by name, a level that cannot be had is an error: nobody wants to find
    # out from a missing column.
    if levels is not None:
        return check_levels(levels, n, rule)
    needed = {level: required_size(level, rule=rule) for level in DEFAULT_LEVELS}
    if lost := [level for level in DEFAULT_LEVELS if n < needed[level]]:
        each = ", ".join(f"{level} ({needed[level]} objects)" for level in lost)
        warnings.warn(
            f"{n} calibration objects are too few for the levels {each}, which are "
            "left out. p-values hold for any number of objects.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return tuple(level for level in DEFAULT_LEVELS if n >= needed[level])
