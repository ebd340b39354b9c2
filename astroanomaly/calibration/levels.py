"""Levels in per cent, the sizes that they need, and checked scores."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from astroanomaly.calibration.tail import MIN_EXCESSES, REACH


def exact_fraction(level: float) -> Fraction:
    """Return a level as an exact share, 99.9 as 999/1000.

    Float rounding would move an order statistic by one.
    """
    return Fraction(str(float(level))) / 100


def checked_level(level: float) -> int | float:
    """Return a level as an int where it is whole, or refuse it."""
    if not 0 < level < 100:
        raise ValueError(
            "Levels must lie strictly between 0 and 100 per cent. "
            f"Received: {float(level):g}."
        )
    return int(level) if float(level).is_integer() else float(level)


def checked_scores(scores: ArrayLike, name: str) -> np.ndarray:
    """Return scores as a float64 vector; raise if one is masked or NaN."""
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


def required_size(level: float, tail: bool = False) -> int:
    """Return how many calibration objects a level needs.

    A percentile needs ``ceil(1 / (1 - level / 100))`` objects: then at least one
    of them lies beyond it. An extrapolated threshold needs a tenth of that, for
    beyond ten times the sample its interval says next to nothing, and at least
    the 200 objects whose top tenth gives the 20 excesses of a fit.

    Parameters
    ----------
    level : float
        Level in per cent, between 0 and 100.
    tail : bool
        Count for `Calibration.extreme_threshold` in place of a percentile.

    Returns
    -------
    int
        Number of objects.

    Raises
    ------
    ValueError
        If the level lies outside (0, 100).

    Examples
    --------
    >>> [required_size(level) for level in (90, 95, 99, 99.9)]
    [10, 20, 100, 1000]
    """
    size = 1 / (1 - exact_fraction(checked_level(level)))
    if not tail:
        return math.ceil(size)
    return max(math.ceil(size / REACH), 10 * MIN_EXCESSES)


def check_levels(levels: Sequence[float], n: int | None = None) -> tuple:
    """Return levels in rising order, each once.

    Parameters
    ----------
    levels : sequence of float
        Levels in per cent.
    n : int, optional
        Number of calibration objects; by default any number will do.

    Returns
    -------
    tuple of int or float
        Whole levels as int.

    Raises
    ------
    ValueError
        If there is no level, or one lies outside (0, 100) or needs more than `n`
        objects.

    Examples
    --------
    >>> check_levels((95, 90.0), 100)
    (90, 95)
    """
    levels = tuple(sorted({checked_level(level) for level in levels}))
    if not levels:
        raise ValueError("`levels` must name at least one level. Received: none.")
    for level in levels:
        if n is not None and n < (needed := required_size(level)):
            raise ValueError(
                f"Level {level} needs at least {needed} calibration objects, so that "
                f"one of them lies beyond it. Received: {n}. Calibrate on "
                "more objects, lower the level, or extrapolate: extreme_threshold "
                f"needs {required_size(level, tail=True)} objects for this level."
            )
    return levels
