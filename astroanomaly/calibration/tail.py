"""The generalised Pareto tail of a sample of scores.

Above a high threshold u the excesses y = score - u of almost any distribution
follow the generalised Pareto distribution (Pickands 1975; Balkema & de Haan
1974), so a percentile that lies beyond the largest of n scores can be
extrapolated, with an honest interval (Coles 2001, section 4.3).
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import boxcox
from scipy.stats import chi2, genpareto

# Fewer excesses leave the shape free to be anything.
MIN_EXCESSES = 20
# Beyond ten times the sample the interval says next to nothing.
REACH = 10
# Below -0.5 maximum likelihood is irregular, above 1 there is no mean.
_SHAPES = (-0.5, 1.0)


def _log_likelihood(excesses: np.ndarray, scale: Any, shape: Any) -> np.ndarray:
    # Arrays of scales and shapes give one log-likelihood for each pair.
    scale = np.asarray(scale, dtype=np.float64)[..., None]
    shape = np.asarray(shape, dtype=np.float64)[..., None]
    # tensorflow_probability gives the same to 1e-14, takes 4 to 30 times as long for a
    # fit and seconds to load. genpareto.fit has no bounds of the shape: a tail that
    # ends, such as a uniform one, goes to -1, where the interval means nothing.
    total = genpareto.logpdf(excesses, shape, scale=scale).sum(axis=-1)
    # Beyond the end of the tail the density is 0, or undefined.
    return np.where(np.isnan(total), -np.inf, total)


def fit_pareto(excesses: np.ndarray) -> tuple[float, float]:
    """Fit a generalised Pareto distribution by maximum likelihood.

    The log-likelihood is maximised by Nelder and Mead's method from the
    method-of-moments estimate (Hosking & Wallis 1987).

    Parameters
    ----------
    excesses : ndarray of shape (k,)
        Positive excesses over the threshold, in the unit of the score.

    Returns
    -------
    scale : float
        Scale sigma, in the unit of the score.
    shape : float
        Shape xi, held between -0.5 (below it maximum likelihood is irregular)
        and 1 (above it the distribution has no mean).

    Examples
    --------
    >>> y = np.random.default_rng(1).exponential(2.0, 20_000)
    >>> scale, shape = fit_pareto(y)
    >>> round(scale, 1), abs(round(shape, 1))
    (2.0, 0.0)
    """
    mean = excesses.mean()
    y = excesses / mean
    shape = np.clip(0.5 * (1 - 1 / y.var()), -0.4, 0.4)
    shape = max(shape, -0.9 / y.max()) if shape < 0 else shape
    result = minimize(
        lambda v: -float(_log_likelihood(y, np.exp(v[0]), v[1])),
        x0=[np.log(1 - shape), shape],
        method="Nelder-Mead",
        bounds=[(-20, 20), _SHAPES],
        options={"xatol": 1e-6, "fatol": 1e-8},
    )
    return float(np.exp(result.x[0]) * mean), float(result.x[1])


class ExtremeThreshold(NamedTuple):
    """A threshold extrapolated beyond the sample, with its interval.

    Attributes
    ----------
    level : float
        Per cent of normal objects below the threshold.
    threshold : float
        The score, in the unit of the score.
    low, high : float
        Ends of the profile-likelihood interval; inf where it has no end.

    Examples
    --------
    >>> found = ExtremeThreshold(99.99, 12.0, 9.5, 17.0)
    >>> found.low < found.threshold < found.high
    True
    """

    level: float
    threshold: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Tail:
    """A generalised Pareto tail above a threshold.

    The survival function above ``start`` is
    ``(n_above / n) * (1 + shape * (s - start) / scale) ** (-1 / shape)``
    (Coles 2001, section 4.3.3).

    Attributes
    ----------
    start : float
        The threshold u above which the tail is fitted.
    scale, shape : float
        Parameters sigma and xi by maximum likelihood.
    n_above, n : int
        Scores above ``start`` and scores in all.
    excesses : ndarray of shape (n_above,)
        Scores above ``start``, less ``start``.

    Examples
    --------
    >>> scores = np.random.default_rng(1).exponential(1.0, 2_000)
    >>> tail = fit_tail(np.sort(scores))
    >>> bool(tail.low(99.99) < tail.threshold(99.99) < tail.high(99.99))
    True
    """

    start: float
    scale: float
    shape: float
    n_above: int
    n: int
    excesses: np.ndarray = field(repr=False)

    def _returns(self, level: float) -> float:
        # Excesses for every one beyond the wanted threshold.
        return self.n_above / (self.n * (1 - level / 100))

    def threshold(self, level: float) -> float:
        """Return the score below which `level` per cent of normal objects lie.

        Parameters
        ----------
        level : float
            Level in per cent, above that of ``start``.

        Returns
        -------
        float
            ``start + scale / shape * ((n_above / (n p))**shape - 1)``,
            p = 1 - level / 100 (Coles 2001, section 4.3.3).
        """
        return self.start + self.scale * float(boxcox(self._returns(level), self.shape))

    def low(self, level: float, confidence: float = 0.95) -> float:
        """Return the lower end of the profile-likelihood interval.

        Parameters
        ----------
        level : float
            Level in per cent, above that of ``start``.
        confidence : float
            Confidence of the two-sided interval.

        Returns
        -------
        float
            Lower end, in the unit of the score.
        """
        top = self.threshold(level) - self.start
        drop = self._drop(level, confidence)
        bottom = top
        while drop(bottom) > 0:
            bottom /= 2
        return self.start + brentq(drop, bottom, top, rtol=1e-5)

    def high(self, level: float, confidence: float = 0.95) -> float:
        """Return the upper end of the profile-likelihood interval.

        Parameters
        ----------
        level : float
            Level in per cent, above that of ``start``.
        confidence : float
            Confidence of the two-sided interval.

        Returns
        -------
        float
            Upper end, in the unit of the score; inf where it has none.
        """
        bottom = self.threshold(level) - self.start
        drop = self._drop(level, confidence)
        top = bottom
        for _ in range(60):
            if drop(top) <= 0:
                return self.start + brentq(drop, bottom, top, rtol=1e-5)
            top *= 2
        return float("inf")

    def _drop(self, level: float, confidence: float) -> Any:
        # Positive where an excess lies inside the interval (Coles 2001, section 4.3.3).
        best = float(_log_likelihood(self.excesses, self.scale, self.shape))
        allowed = 0.5 * chi2.ppf(confidence, 1)
        returns = self._returns(level)
        return lambda y: self._profile(y, returns) - best + allowed

    def _profile(self, excess: float, returns: float) -> float:
        # Log-likelihood maximised over the shape at a fixed extreme excess: a
        # coarse grid, because part of it is outside the support, then a fine one.
        step = 0.02
        shapes = np.arange(_SHAPES[0], _SHAPES[1] + step / 2, step)
        for _ in range(3):
            scales = excess / boxcox(returns, shapes)
            values = _log_likelihood(self.excesses, scales, shapes)
            best = shapes[np.argmax(values)]
            shapes = np.clip(np.linspace(best - step, best + step, 17), *_SHAPES)
            step /= 8
        return float(values.max())


def fit_tail(sorted_scores: np.ndarray, tail_fraction: float = 0.1) -> Tail:
    """Fit the tail of a sample of scores.

    Parameters
    ----------
    sorted_scores : ndarray of shape (n,)
        Normal scores in rising order, without NaN.
    tail_fraction : float
        Share of the sample that makes the tail. The default 0.1 is DuMouchel's
        (1983) rule: less leaves too few excesses to tell the shape, more lets
        the bulk, which is not Pareto, bend it.

    Returns
    -------
    Tail
        Start of the tail, scale, shape and counts.

    Raises
    ------
    ValueError
        If `tail_fraction` is not between 0 and 0.5, or fewer than 20 scores lie
        above the start of the tail, or all of those are equal.

    Examples
    --------
    >>> scores = np.random.default_rng(1).exponential(1.0, 1_000)
    >>> fit_tail(np.sort(scores)).n_above
    100
    """
    if not 0 < tail_fraction <= 0.5:
        raise ValueError(
            "`tail_fraction` must lie above 0 and at most at 0.5. "
            f"Received: {tail_fraction}."
        )
    n = len(sorted_scores)
    start = float(sorted_scores[max(n - round(n * tail_fraction) - 1, 0)])
    excesses = sorted_scores[sorted_scores > start] - start
    if len(excesses) < MIN_EXCESSES or np.ptp(excesses) == 0:
        raise ValueError(
            f"A generalised Pareto tail needs at least {MIN_EXCESSES} different "
            f"scores above its start, {int(np.ceil(MIN_EXCESSES / tail_fraction))} "
            f"calibration objects at `tail_fraction` {tail_fraction:g}. Received: {n} "
            f"objects, {len(np.unique(excesses))} different scores above {start:g}."
        )
    scale, shape = fit_pareto(excesses)
    return Tail(start, scale, shape, len(excesses), n, excesses)
