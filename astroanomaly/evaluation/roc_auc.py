"""ROC curves, their areas and the intervals of both and of rates."""

from typing import NamedTuple

import numpy as np
from astropy.stats import binom_conf_interval
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.tables.labels import check_labels

# Cells of one array of bootstrap weights: 16 MB, small on any machine.
CELLS = 2_000_000


class AUC(NamedTuple):
    """The area under a ROC curve.

    Attributes
    ----------
    value, low, high : float
        Area and the ends of its 95 per cent bootstrap interval.
    n_normal, n_anomalous : int
        Objects of each kind.

    Examples
    --------
    >>> found = auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> found.value, found.n_normal, found.n_anomalous
    (0.75, 2, 2)
    """

    value: float
    low: float
    high: float
    n_normal: int
    n_anomalous: int


class AUCDifference(NamedTuple):
    """The difference of two areas on the same objects.

    Attributes
    ----------
    value, low, high : float
        First area less second, and the ends of its paired bootstrap interval.

    Examples
    --------
    >>> found = auc_difference([0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4], seed=1)
    >>> found.low <= found.value <= found.high
    True
    """

    value: float
    low: float
    high: float


class ROC(NamedTuple):
    """A ROC curve.

    Attributes
    ----------
    false_positive_rate, true_positive_rate : ndarray of shape (k,)
        Shares of the normal and of the anomalous objects at or above a threshold.
    threshold : ndarray of shape (k,)
        Falling scores; the first is inf, where nothing is flagged.

    Examples
    --------
    >>> curve = roc([0, 0, 1, 1], [1, 2, 3, 4])
    >>> curve.false_positive_rate.tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    threshold: np.ndarray


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores = checked_scores(scores, "scores")
    return check_labels(labels, n=len(scores), both=True), scores


def bootstrap_weights(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
    """Return how often each of n objects is drawn, shape (repeats, n)."""
    drawn = rng.integers(n, size=(repeats, n))
    # Each repeat gets its own block of numbers, so that one bincount serves all.
    drawn += n * np.arange(repeats)[:, None]
    return np.bincount(drawn.ravel(), minlength=repeats * n).reshape(repeats, n)


class Ranks:
    """Ranks of the anomalous scores among the sorted normal ones."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        normal, anomalous = scores[~labels], scores[labels]
        self.order = np.argsort(normal, kind="stable")
        sides = ("left", "right")
        self.places = [np.searchsorted(normal[self.order], anomalous, s) for s in sides]

    def area(self, normal: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
        """Return the area for each row of weights."""
        # Weighted Mann-Whitney statistic; a tie counts one half, hence both sides.
        below = np.zeros((len(normal), normal.shape[1] + 1))
        np.cumsum(normal[:, self.order], axis=1, out=below[:, 1:])
        wins = (below[:, self.places[0]] + below[:, self.places[1]]) / 2
        pairs = normal.sum(axis=1) * anomalous.sum(axis=1)
        return (wins * anomalous).sum(axis=1) / pairs


def bootstrap_areas(
    labels: np.ndarray, columns: list[np.ndarray], n_bootstrap: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return areas (n_columns,) and their bootstrap draws (n_columns, n_bootstrap).

    Each draw takes the same objects for every column, so differences are paired.
    """
    ranks = [Ranks(labels, scores) for scores in columns]
    n = int((~labels).sum()), int(labels.sum())
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // len(labels))
    draws = np.empty((len(columns), n_bootstrap))
    # Other chunks draw other numbers: their size depends on the number of objects only,
    # so that a seed gives identical results.
    for start in range(0, n_bootstrap, chunk):
        stop = min(start + chunk, n_bootstrap)
        weights = [bootstrap_weights(rng, size, stop - start) for size in n]
        for row, rank in zip(draws, ranks, strict=True):
            row[start:stop] = rank.area(*weights)
    # Weights of one for each object give the area of the sample itself.
    once = [np.ones((1, size)) for size in n]
    return np.array([rank.area(*once)[0] for rank in ranks]), draws


def bootstrap_interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 and 97.5 per cent quantiles of draws; NaN if there are none."""
    if not draws.size:
        return float("nan"), float("nan")
    # The percentile bootstrap, two-sided 95 per cent.
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def aucs(
    labels: ArrayLike,
    scores: dict[str, ArrayLike],
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, AUC]:
    """Return the AUC of several scores of the same objects; see `auc`."""
    pairs = {name: _checked(labels, column) for name, column in scores.items()}
    labels = next(iter(pairs.values()))[0]
    # All scores share the draws, so that their areas can be compared.
    columns = [column for _, column in pairs.values()]
    values, draws = bootstrap_areas(labels, columns, n_bootstrap, seed)
    n = int((~labels).sum()), int(labels.sum())
    return {
        name: AUC(float(value), *bootstrap_interval(row), *n)
        for name, value, row in zip(pairs, values, draws, strict=True)
    }


def auc(
    labels: ArrayLike, scores: ArrayLike, n_bootstrap: int = 1000, seed: int = 0
) -> AUC:
    """Return the area under the ROC curve with a bootstrap interval.

    The area is the probability that an anomalous object scores above a normal
    one, ties counting one half (Hanley & McNeil 1982). The interval holds the 2.5
    to 97.5 per cent quantiles of areas of resampled objects, normal and anomalous
    drawn separately so that their numbers are fixed (Efron & Tibshirani 1993,
    chapter 13). Where the two kinds do not overlap, every draw is 1 and the interval
    has no width: it says nothing about the next object.

    Parameters
    ----------
    labels : array_like of shape (n,)
        True or 1 for anomalous objects.
    scores : array_like of shape (n,)
        Scores, higher = stranger.
    n_bootstrap, seed : int
        Number of resamplings, 0 for no interval (NaN), and their random seed.

    Returns
    -------
    AUC
        Named tuple (value, low, high, n_normal, n_anomalous).

    Raises
    ------
    ValueError
        If shapes differ, a score is NaN, a label is not 0 or 1, or one of the two
        kinds is missing.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    return aucs(labels, {"score": scores}, n_bootstrap, seed)["score"]


def auc_difference(
    labels: ArrayLike,
    scores: ArrayLike,
    other_scores: ArrayLike,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> AUCDifference:
    """Return the area of one score minus that of another.

    Both are resampled together, object by object, so what makes an object easy or
    hard for both cancels: the difference may be significant although the two
    intervals overlap.

    Parameters
    ----------
    labels : array_like of shape (n,)
        True or 1 for anomalous objects.
    scores, other_scores : array_like of shape (n,)
        Two scores of the same objects, higher = stranger.
    n_bootstrap, seed : int
        Number of resamplings, 0 for no interval (NaN), and their random seed.

    Returns
    -------
    AUCDifference
        Named tuple (value, low, high); positive where `scores` is better.

    Raises
    ------
    ValueError
        As `auc`, for either score.

    Examples
    --------
    >>> auc_difference([0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4], seed=1).value
    0.25
    """
    labels, scores = _checked(labels, scores)
    columns = [scores, _checked(labels, other_scores)[1]]
    values, draws = bootstrap_areas(labels, columns, n_bootstrap, seed)
    return AUCDifference(
        float(values[0] - values[1]), *bootstrap_interval(draws[0] - draws[1])
    )


def roc(labels: ArrayLike, scores: ArrayLike) -> ROC:
    """Return the ROC curve of a score.

    Parameters
    ----------
    labels : array_like of shape (n,)
        True or 1 for anomalous objects.
    scores : array_like of shape (n,)
        Scores, higher = stranger.

    Returns
    -------
    ROC
        Named tuple (false_positive_rate, true_positive_rate, threshold), by
        `sklearn.metrics.roc_curve`.

    Raises
    ------
    ValueError
        As `auc`.

    Examples
    --------
    >>> roc([0, 0, 1, 1], [1, 2, 3, 4]).true_positive_rate.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    return ROC(*roc_curve(*_checked(labels, scores)))


def binomial_interval(
    k: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[ArrayLike, ArrayLike]:
    """Return Wilson's interval of a binomial proportion.

    Wilson (1927), which Brown, Cai & DasGupta (2001) recommend: unlike k / n plus
    or minus its error it stays inside [0, 1] and keeps a width at k = 0 and k = n.

    Parameters
    ----------
    k : int or array_like of int
        Successes.
    n : int or array_like of int
        Trials.
    confidence : float
        Two-sided confidence, between 0 and 1.

    Returns
    -------
    low, high : float or ndarray
        Ends of the interval of the proportion; NaN where n is 0.

    Raises
    ------
    ValueError
        If k is negative or greater than n.

    Examples
    --------
    >>> low, high = binomial_interval(5, 10)
    >>> round(low, 4), round(high, 4)
    (0.2366, 0.7634)
    """
    k, n = np.broadcast_arrays(np.asarray(k), np.asarray(n))
    if (k < 0).any() or (k > n).any():
        raise ValueError(
            "`k` must lie between 0 and `n`. "
            f"Received: k {k.ravel()[:5].tolist()}, n {n.ravel()[:5].tolist()}."
        )
    # astropy refuses n = 0; these ends become NaN below.
    ends = binom_conf_interval(k, np.maximum(n, 1), confidence, interval="wilson")
    # Rounding may leave an end at -1e-18.
    low, high = np.where(n > 0, np.clip(ends, 0, 1), np.nan)
    return (float(low), float(high)) if k.ndim == 0 else (low, high)
