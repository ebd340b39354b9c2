"""Thresholds, p-values and selections from the scores of ordinary objects."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import binom, false_discovery_control

from astroanomaly.calibration.levels import (
    DEFAULT_LEVELS,
    check_levels,
    check_rule,
    checked_level,
    checked_scores,
    levels_for,
    rank_of,
    required_size,
)
from astroanomaly.calibration.shift import Comparison, compare, warn_if_shifted
from astroanomaly.calibration.tail import ExtremeThreshold, Tail, fit_tail

__all__ = [
    "Calibration",
    "Comparison",
    "ExtremeThreshold",
    "Tail",
    "benjamini_hochberg",
    "calibration_needed",
    "compare",
    "q_values",
    "required_size",
    "warn_if_shifted",
]


class Calibration:
    """The scores of normal objects, and what they say about other scores.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Scores of normal objects, higher = stranger, of any unit. NaN and
        infinite scores are refused.
    levels : sequence of float or None
        Levels in per cent; each gets a threshold. None: 90, 95 and 99 as far as the
        sample carries them, with one warning that names the others.
    extrapolate : bool
        Give levels beyond the sample the threshold of a generalised Pareto tail
        (`extreme_threshold`) in place of an error.
    rule : {"conformal", "percentile"}
        Which score is the threshold. "conformal": the order statistic
        ``ceil((n + 1) * level / 100)``, so that an object is above it exactly where
        its p-value is at most ``1 - level / 100``; a fresh ordinary object is so with
        at most that probability. "percentile": the source paper's percentile of the
        sample, the order statistic ``ceil(n * level / 100)`` (Hyndman & Fan 1996,
        definition 1), which flags somewhat more: 1.98 per cent at level 99 of 100.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        The scores in rising order, float64.
    levels : tuple of float
        The levels in rising order, each once.
    thresholds : dict
        From level to threshold. A fresh normal object lies above the k-th of n scores
        with probability ``(n + 1 - k) / (n + 1)``.
    rule : str
        How they were chosen.

    Raises
    ------
    ValueError
        If there are no scores, one is not finite, a level lies outside (0, 100)
        or needs more objects than there are, or the rule is unknown.

    Examples
    --------
    >>> calibration = Calibration(range(1, 101), levels=(90, 95))
    >>> calibration.thresholds
    {90: 91.0, 95: 96.0}
    >>> calibration.p_values([95.5, 1000.0]).round(4).tolist()
    [0.0594, 0.0099]
    """

    def __init__(
        self,
        scores: ArrayLike,
        levels: Sequence[float] | None = DEFAULT_LEVELS,
        extrapolate: bool = False,
        rule: str = "conformal",
    ) -> None:
        self.rule = check_rule(rule)
        # Sorted once: thresholds are order statistics and p-values binary searches.
        self.scores = np.sort(checked_scores(scores, "scores"))
        if not len(self.scores) or not np.isfinite(self.scores).all():
            n_infinite = int(np.isinf(self.scores).sum())
            raise ValueError(
                "`scores` must hold at least one score and only finite ones. "
                f"Received: {len(self.scores)} scores, {n_infinite} infinite."
            )
        if extrapolate and levels is not None:
            self.levels = check_levels(levels, None, rule)
        else:
            self.levels = levels_for(levels, len(self), rule)
        self.thresholds = {
            level: self.extreme_threshold(level).threshold
            if self._beyond(level)
            else self._order_statistic(level)
            for level in self.levels
        }

    def __len__(self) -> int:
        """Return the number of calibration objects."""
        return len(self.scores)

    def __repr__(self) -> str:
        """Return one line with the size and the thresholds."""
        cuts = ", ".join(f"{level}: {t:.4g}" for level, t in self.thresholds.items())
        return f"Calibration(n={len(self)}, thresholds={{{cuts}}})"

    def _beyond(self, level: int | float) -> bool:
        """Return whether the sample is too small for a level."""
        return len(self) < required_size(level, rule=self.rule)

    def _order_statistic(self, level: int | float) -> float:
        check_levels((level,), len(self), self.rule)
        return float(self.scores[rank_of(level, len(self), self.rule) - 1])

    def p_values(self, scores: ArrayLike) -> np.ndarray:
        """Return conformal p-values.

        ``p = (1 + #{calibration >= score}) / (n + 1)`` (Vovk et al. 2005; Bates
        et al. 2023). If the object is exchangeable with the calibration
        objects, ``P(p <= alpha) <= alpha`` for every n and alpha. The smallest
        possible value is ``1 / (n + 1)``.

        Parameters
        ----------
        scores : array_like of shape (m,)
            Scores of new objects, of the same kind as the calibration scores.

        Returns
        -------
        ndarray of shape (m,)
            p-values in (0, 1], small = strange.

        Raises
        ------
        ValueError
            If a score is NaN; the message counts them.
        """
        scores = checked_scores(scores, "scores")
        # "left": equal scores count as at least as strange, which keeps p valid.
        below = np.searchsorted(self.scores, scores, side="left")
        # 1 for the new object itself: it is one of n + 1 that could be in any order.
        return (1 + len(self) - below) / (len(self) + 1)

    def is_anomaly(self, scores: ArrayLike, level: float) -> np.ndarray:
        """Flag the scores above the threshold of a level.

        Parameters
        ----------
        scores : array_like of shape (m,)
            Scores of new objects.
        level : float
            Level in per cent; one that was not calibrated is taken from the sample.

        Returns
        -------
        ndarray of shape (m,)
            True where the score is greater than the threshold, not equal to it; by the
            rule "conformal" exactly where the p-value is at most ``1 - level / 100``.

        Raises
        ------
        ValueError
            If a score is NaN, or the level lies outside (0, 100) or beyond the
            sample.
        """
        level = checked_level(level)
        # Strictly above: an object equal to a calibration object has its p-value.
        if level not in self.thresholds:
            return checked_scores(scores, "scores") > self._order_statistic(level)
        return checked_scores(scores, "scores") > self.thresholds[level]

    def intervals(self, confidence: float = 0.95) -> Table:
        """Return each threshold with its interval.

        For a percentile it is the order-statistic interval: [x_l, x_u], where l
        and u are binomial quantiles of (n, level), contains the percentile of the
        population with at least the given probability, whatever the distribution
        (Conover 1999, section 3.2). An end that the sample cannot bound is
        infinite. An extrapolated threshold has its profile-likelihood interval.

        Parameters
        ----------
        confidence : float
            Two-sided confidence, between 0 and 1.

        Returns
        -------
        Table
            Columns level (per cent), threshold, low, high, n_above, n.
        """
        rows = []
        for level, cut in self.thresholds.items():
            low, high = self._interval(level, confidence)
            n_above = int((self.scores > cut).sum())
            rows.append((float(level), cut, low, high, n_above, len(self)))
        names = ("level", "threshold", "low", "high", "n_above", "n")
        return Table(rows=rows, names=names)

    def _interval(self, level: int | float, confidence: float) -> tuple[float, float]:
        if self._beyond(level):
            return self.extreme_threshold(level, confidence=confidence)[2:]
        ends = (1 - confidence) / 2, (1 + confidence) / 2
        # How many of n scores lie below the population's percentile is binomial.
        low, high = binom.ppf(ends, len(self), level / 100).astype(int)
        # Ranks 0 and n + 1: the sample sets no bound on that side.
        padded = np.concatenate([[-np.inf], self.scores, [np.inf]])
        return float(padded[low]), float(padded[high + 1])

    def tail(self, tail_fraction: float = 0.1) -> Tail:
        """Fit a generalised Pareto distribution to the highest scores.

        Parameters
        ----------
        tail_fraction : float
            Share of the calibration scores that makes the tail; a tenth is
            DuMouchel's (1983) rule. Vary it: a threshold that moves by more than
            its interval says that the tail is not yet Pareto there.

        Returns
        -------
        Tail
            Start, scale, shape, counts; its method ``threshold(level)``.

        Raises
        ------
        ValueError
            If `tail_fraction` is outside (0, 0.5] or leaves fewer than 20
            different scores.
        """
        return fit_tail(self.scores, tail_fraction)

    def extreme_threshold(
        self, level: float, tail_fraction: float = 0.1, confidence: float = 0.95
    ) -> ExtremeThreshold:
        """Extrapolate a threshold beyond the sample by a generalised Pareto tail.

        Parameters
        ----------
        level : float
            Level in per cent, inside the tail: above ``100 * (1 - tail_fraction)``.
        tail_fraction : float
            Share of the calibration scores that makes the tail (see `tail`).
        confidence : float
            Confidence of the profile-likelihood interval (Coles 2001, section
            4.3.3). It holds the uncertainty of scale and shape, not that of the
            share ``n_above / n``, nor of the tail being Pareto.

        Returns
        -------
        ExtremeThreshold
            Named tuple (level, threshold, low, high).

        Raises
        ------
        ValueError
            If the level lies outside the tail or more than ten times beyond the
            sample, with the number of objects that it needs; or as `tail` does.
        """
        level, needed = checked_level(level), required_size(level, tail=True)
        if len(self) < needed:
            raise ValueError(
                f"Level {level} needs at least {needed} calibration objects for a "
                f"generalised Pareto tail. Received: {len(self)}."
            )
        fitted = self.tail(tail_fraction)
        # Below its start the tail says nothing; the sample itself knows better.
        if (1 - level / 100) * fitted.n >= fitted.n_above:
            raise ValueError(
                f"Level {level} lies below the tail, which starts at level "
                f"{100 * (1 - fitted.n_above / fitted.n):g}: its threshold is a "
                f"percentile of the sample. Received: `tail_fraction` {tail_fraction}."
            )
        ends = (end(level, confidence) for end in (fitted.low, fitted.high))
        return ExtremeThreshold(level, fitted.threshold(level), *ends)

    def select(self, scores: ArrayLike, false_discovery_rate: float) -> np.ndarray:
        """Select objects so that few of the selected are normal.

        Benjamini & Hochberg's (1995) procedure on the conformal p-values, which
        depend on each other through the shared calibration scores but positively,
        so the rate holds (Bates et al. 2023). As no p-value is below
        ``1 / (n + 1)``, k of m objects can be selected only where
        ``n + 1 >= m / (k * false_discovery_rate)``.

        Parameters
        ----------
        scores : array_like of shape (m,)
            Scores of all objects searched, normal ones included.
        false_discovery_rate : float
            Bound on the expected share of normal objects among the selected.

        Returns
        -------
        ndarray of shape (m,)
            True where an object is selected.

        Raises
        ------
        ValueError
            If a score is NaN or the rate is outside (0, 1).
        """
        return benjamini_hochberg(self.p_values(scores), false_discovery_rate)

    def to_dict(self) -> dict:
        """Return plain numbers and lists that JSON can hold.

        Returns
        -------
        dict
            Keys scores, levels, thresholds, rule; floats keep every bit.
        """
        return {
            "rule": self.rule,
            "scores": self.scores.tolist(),
            "levels": list(self.levels),
            "thresholds": [self.thresholds[level] for level in self.levels],
        }

    @classmethod
    def from_dict(cls, d: Mapping) -> "Calibration":
        """Return the calibration that `to_dict` described, without a new fit.

        Parameters
        ----------
        d : mapping
            What `to_dict` returned, also after a round through JSON.

        Returns
        -------
        Calibration
            Equal to the first one to the bit. One without `rule` was made before
            there was a choice, by "percentile".

        Raises
        ------
        ValueError
            If a key is missing.
        """
        if missing := {"scores", "levels", "thresholds"} - set(d):
            raise ValueError(
                "A calibration needs the keys scores, levels and thresholds. "
                f"Received: {sorted(d)}, without {sorted(missing)}."
            )
        # Not by the class itself: it would fit the tail again and choose thresholds
        # anew, by today's rule.
        new = cls.__new__(cls)
        new.rule = check_rule(d.get("rule", "percentile"))
        new.scores = np.asarray(d["scores"], dtype=np.float64)
        new.levels = tuple(checked_level(level) for level in d["levels"])
        new.thresholds = dict(zip(new.levels, d["thresholds"], strict=True))
        return new


def q_values(p_values: ArrayLike) -> np.ndarray:
    """Return p-values adjusted for the number of objects (Benjamini & Hochberg 1995).

    The objects with a q-value of at most a rate are those that `benjamini_hochberg`
    selects at this rate.

    Parameters
    ----------
    p_values : array_like of shape (m,)
        p-values of all objects searched.

    Returns
    -------
    ndarray of shape (m,)
        q-values in [0, 1], not below the p-values.

    Raises
    ------
    ValueError
        If a p-value is NaN or outside [0, 1].

    Examples
    --------
    >>> q_values([0.01, 0.04, 0.03, 0.9]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.9]
    """
    return false_discovery_control(checked_scores(p_values, "p_values"), method="bh")


def calibration_needed(
    p_values: ArrayLike, false_discovery_rate: float, n: int
) -> int | None:
    """Return how many calibration objects a selection would take, where n are too few.

    No p-value is below ``1 / (n + 1)``. Where k of m objects have this smallest one,
    they are selected only if ``1 / (n + 1) <= k * rate / m``.

    Parameters
    ----------
    p_values : array_like of shape (m,)
        p-values of all objects searched.
    false_discovery_rate : float
        Rate to keep, between 0 and 1.
    n : int
        Number of calibration objects.

    Returns
    -------
    int or None
        Objects that would let those k pass (one, where there is none); None where
        something is selected, or n are enough.

    Raises
    ------
    ValueError
        As `benjamini_hochberg`.

    Examples
    --------
    >>> calibration_needed([1 / 100, *[0.5] * 99], 0.05, 99)
    1999
    """
    p_values = checked_scores(p_values, "p_values")
    if benjamini_hochberg(p_values, false_discovery_rate).any():
        return None
    # p-values are k / (n + 1): half a step above the smallest needs no exact equality.
    at_least = max(1, int((p_values < 1.5 / (n + 1)).sum()))
    # The rate as typed, 0.05 as 1/20, so that rounding asks for no object more.
    rate = Fraction(str(float(false_discovery_rate)))
    needed = math.ceil(Fraction(len(p_values), at_least) / rate) - 1
    return needed if needed > n else None


def benjamini_hochberg(p_values: ArrayLike, false_discovery_rate: float) -> np.ndarray:
    """Select by Benjamini and Hochberg's (1995) step-up procedure.

    The k smallest p-values are selected, k the largest with
    ``p_(k) <= k * false_discovery_rate / m``.

    Parameters
    ----------
    p_values : array_like of shape (m,)
        p-values of all objects searched.
    false_discovery_rate : float
        Rate to keep, between 0 and 1.

    Returns
    -------
    ndarray of shape (m,)
        True where selected; nothing is selected from an empty array.

    Raises
    ------
    ValueError
        If a p-value is NaN or outside [0, 1], or the rate is outside (0, 1).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.9], 0.05).tolist()
    [True, True, True, False]
    """
    if not 0 < false_discovery_rate < 1:
        raise ValueError(
            "`false_discovery_rate` must lie between 0 and 1. "
            f"Received: {false_discovery_rate}."
        )
    # The same objects as by the step-up procedure, and the q-values can be shown.
    return q_values(p_values) <= false_discovery_rate
