"""Rates of a lens finder at a threshold, the choice of one, and reliability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_curve,
)

from astroanomaly.calibration.probability import checked_probabilities, checked_share
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables.labels import check_labels


class Rate(NamedTuple):
    """A rate and its 95 per cent interval.

    Attributes
    ----------
    value, low, high : float
        The rate and the ends of its interval; NaN where nothing was counted.

    Examples
    --------
    >>> rate = metrics_at([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7, 0.1]).recall
    >>> rate.low < rate.value < rate.high
    True
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Metrics:
    """What a finder gets right and wrong at one threshold.

    Attributes
    ----------
    threshold : float
        Objects at or above it are called lenses.
    n : int
        Objects.
    tp, fp, tn, fn : int
        Lenses found, non-lenses called lenses, non-lenses left alone, lenses lost.
    precision, recall, f1, false_positive_rate, accuracy : Rate
        Each with value, low and high. Precision is NaN where nothing is called a
        lens. Wilson's interval; that of F1 follows from it (F1 is a function of
        the binomial share ``tp / (tp + fp + fn)``).

    Examples
    --------
    >>> found = metrics_at([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7, 0.1])
    >>> found.tp, found.fn, round(found.precision.value, 3)
    (2, 1, 0.667)
    """

    threshold: float
    n: int
    tp: int
    fp: int
    tn: int
    fn: int
    precision: Rate
    recall: Rate
    f1: Rate
    false_positive_rate: Rate
    accuracy: Rate

    def as_row(self) -> dict[str, float]:
        """Return a row of a table: threshold, counts, and rate, rate_low, rate_high.

        Returns
        -------
        dict
            Plain numbers, which JSON can hold if none is NaN.
        """
        row = {}
        # Fields in their order: threshold, counts, rates.
        for name, value in vars(self).items():
            if isinstance(value, Rate):
                row[name], row[f"{name}_low"], row[f"{name}_high"] = value
            else:
                row[name] = value
        return row


def checked_pair(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of both classes and their probabilities; raise if they are bad."""
    values = checked_probabilities(probabilities)
    return check_labels(labels, n=len(values), both=True), values


def checked_sets(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return probabilities and labels of each set; raise if a set is bad."""
    if not outputs:
        raise ValueError("`outputs` must hold at least one set. Received: none.")
    checked = {}
    for name, pair in outputs.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(
                "`outputs` must hold a pair (probabilities, labels or None) for each "
                f"set. Received: {type(pair).__name__} for {name!r}."
            )
        values = checked_probabilities(pair[0], f"{name}: probabilities")
        if not len(values):
            raise ValueError(f"The set {name!r} must hold objects. Received: none.")
        truth = pair[1]
        if truth is not None:
            truth = check_labels(truth, f"{name}: labels", n=len(values), both=True)
        checked[str(name)] = values, truth
    return checked


def checked_threshold(threshold: float) -> float:
    """Return a threshold; raise unless it lies in [0, 1]."""
    # NaN fails this comparison too.
    if not 0 <= threshold <= 1:
        raise ValueError(
            f"`threshold` must lie between 0 and 1. Received: {threshold}."
        )
    return float(threshold)


def rates(k: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k / n with Wilson's interval, NaN where n is 0."""
    k, n = np.asarray(k), np.asarray(n)
    # Nothing counted has no rate, and no warning either.
    value = np.where(n > 0, k / np.maximum(n, 1), np.nan)
    return value, *binomial_interval(k, n)


def rate(k: int, n: int) -> Rate:
    """Return one rate k / n; see `rates`."""
    return Rate(*map(float, rates(k, n)))


def f1(tp: int, fp: int, fn: int) -> Rate:
    """Return F1 with the interval that follows from Wilson's.

    ``F1 = 2 tp / (2 tp + fp + fn) = 2 J / (1 + J)`` with the share
    ``J = tp / (tp + fp + fn)``, of which tp is a binomial count once the number
    of objects that are lenses or flagged is given. F1 rises with J, so the ends
    of J's interval give those of F1. No resampling is needed, and the interval has a
    width at F1 = 1, where every bootstrap draw would be 1.
    """
    return Rate(*(2 * j / (1 + j) for j in rate(tp, tp + fp + fn)))


def purities(
    tp: ArrayLike,
    n_lenses: int,
    fp: ArrayLike,
    n_negatives: int,
    lens_fraction: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the purity of the flagged and its interval, NaN where nothing is flagged.

    In the set's own mixture, Wilson's interval of tp / (tp + fp). At another
    `lens_fraction` f the odds of purity are ``f / (1 - f)`` times the ratio of
    recall to false-positive rate, two independent binomial rates; the ratio's
    interval joins Wilson's two (MOVER-R, Donner & Zou 2012, Statistical Methods in
    Medical Research 21, 347, equation 6).
    """
    tp, fp = np.asarray(tp), np.asarray(fp)
    if lens_fraction is None:
        return rates(tp, tp + fp)
    share = checked_share(lens_fraction, "lens_fraction")
    (p, low_p, high_p), (q, low_q, high_q) = rates(tp, n_lenses), rates(fp, n_negatives)
    # Both ends of equation 6, the lower one multiplied out by its conjugate, which
    # removes the 0 / 0 where the second rate's upper end is twice that rate.
    with np.errstate(divide="ignore", invalid="ignore"):
        below_p, above_q = p**2 - (p - low_p) ** 2, q**2 - (high_q - q) ** 2
        low = below_p / (p * q + np.sqrt((p * q) ** 2 - below_p * above_q))
        above_p, below_q = p**2 - (high_p - p) ** 2, q**2 - (q - low_q) ** 2
        high = (p * q + np.sqrt((p * q) ** 2 - above_p * below_q)) / below_q
        ratios = p / q, np.where(p > 0, low, 0.0), np.where(q > 0, high, np.inf)
    # The share of odds x is x / (1 + x), written so that infinity gives 1.
    with np.errstate(divide="ignore"):
        values = [1 / (1 + (1 - share) / share / ratio) for ratio in ratios]
    return tuple(np.where(tp + fp > 0, value, np.nan) for value in values)


def difference(first: Rate, second: Rate) -> Rate:
    """Return the difference of two independent rates.

    Newcombe's (1998, Statistics in Medicine 17, 873) method 10, which joins
    Wilson's intervals of the two.
    """
    value = first.value - second.value
    # The distances to the near ends of both intervals add in quadrature.
    low = np.hypot(first.value - first.low, second.high - second.value)
    high = np.hypot(first.high - first.value, second.value - second.low)
    return Rate(value, value - float(low), value + float(high))


def metrics_at(
    labels: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> Metrics:
    """Return precision, recall, F1, false-positive rate and accuracy.

    Parameters
    ----------
    labels : array_like of shape (n,)
        1 or True for a lens, 0 or False for anything else.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    threshold : float
        Objects at or above it are called lenses.

    Returns
    -------
    Metrics
        Counts and rates with intervals.

    Raises
    ------
    ValueError
        If lengths differ, a label is not 0 or 1 or is masked, a probability is NaN
        or outside [0, 1], the threshold is, or one of the two classes is missing:
        a set of lenses alone has a recall only, see `set_table`.

    Examples
    --------
    >>> found = metrics_at([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7, 0.1])
    >>> found.tp, found.fp, found.tn, found.fn
    (2, 1, 1, 1)
    >>> round(found.recall.value, 3), round(found.recall.low, 3)
    (0.667, 0.208)
    """
    truth, values = checked_pair(labels, probabilities)
    threshold = checked_threshold(threshold)
    flagged = values >= threshold
    n, tp, fp = len(truth), int((flagged & truth).sum()), int((flagged & ~truth).sum())
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    return Metrics(
        threshold=threshold,
        n=n,
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        precision=rate(tp, tp + fp),
        recall=rate(tp, tp + fn),
        f1=f1(tp, fp, fn),
        false_positive_rate=rate(fp, fp + tn),
        accuracy=rate(tp + tn, n),
    )


def purity_at(metrics: Metrics, lens_fraction: float) -> Rate:
    """Return the purity where another share of the objects are lenses.

    ``recall * f / (recall * f + false_positive_rate * (1 - f))``: both rates stay,
    the mixture changes. The interval joins Wilson's intervals of the two (Donner &
    Zou 2012, MOVER-R).

    Parameters
    ----------
    metrics : Metrics
        What `metrics_at` returned.
    lens_fraction : float
        Share of lenses among all objects searched, between 0 and 1; about 0.0005 in
        the first search of Euclid's images, see the module's docstring.

    Returns
    -------
    Rate
        NaN where nothing is called a lens. Without false positives the value is 1 and
        only `low` is informative.

    Raises
    ------
    ValueError
        If `lens_fraction` lies outside (0, 1).

    Examples
    --------
    >>> labels = [1] * 100 + [0] * 100
    >>> found = metrics_at(labels, [0.9] * 80 + [0.1] * 115 + [0.9] * 5)
    >>> round(found.precision.value, 3), round(purity_at(found, 0.0005).value, 3)
    (0.941, 0.008)
    """
    n = metrics.tp + metrics.fn, metrics.fp + metrics.tn
    found = purities(metrics.tp, n[0], metrics.fp, n[1], lens_fraction)
    return Rate(*map(float, found))


@dataclass(frozen=True)
class PurityCompleteness:
    """Purity against completeness, threshold by threshold.

    Attributes
    ----------
    threshold : ndarray of shape (k,)
        Rising probabilities of the set.
    purity, completeness : ndarray of shape (k,)
        Share of lenses among the flagged, and of flagged among the lenses.
    average_precision : float
        Mean purity over completeness, scikit-learn's definition; a finder that
        guesses has the share of lenses.
    lens_fraction : float
        The share of lenses for which purity holds.

    Examples
    --------
    >>> curve = purity_completeness([0, 1, 1], [0.1, 0.8, 0.9])
    >>> curve.threshold.tolist(), curve.average_precision
    ([0.1, 0.8, 0.9], 1.0)
    """

    threshold: np.ndarray
    purity: np.ndarray
    completeness: np.ndarray
    average_precision: float
    lens_fraction: float


def purity_completeness(
    labels: ArrayLike, probabilities: ArrayLike, lens_fraction: float | None = None
) -> PurityCompleteness:
    """Return purity and completeness at every threshold.

    Parameters
    ----------
    labels : array_like of shape (n,)
        1 or True for a lens, 0 or False for anything else.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    lens_fraction : float, optional
        Share of lenses to weight the two classes to; by default the set's own.

    Returns
    -------
    PurityCompleteness
        By `sklearn.metrics.precision_recall_curve`, without its last point, which
        flags nothing.

    Raises
    ------
    ValueError
        As `metrics_at`, or if `lens_fraction` lies outside (0, 1).

    Examples
    --------
    >>> curve = purity_completeness([0, 1, 1], [0.1, 0.8, 0.9])
    >>> curve.purity.round(3).tolist(), curve.completeness.tolist()
    ([0.667, 1.0, 1.0], [1.0, 1.0, 0.5])
    """
    truth, values = checked_pair(labels, probabilities)
    own = float(truth.mean())
    share = own
    if lens_fraction is not None:
        share = checked_share(lens_fraction, "lens_fraction")
    # Each class is weighted to its share of the wanted mixture.
    weights = np.where(truth, share / own, (1 - share) / (1 - own))
    purity, completeness, cuts = precision_recall_curve(
        truth, values, sample_weight=weights
    )
    area = average_precision_score(truth, values, sample_weight=weights)
    # The last point of sklearn flags nothing: purity 1 by convention only.
    return PurityCompleteness(cuts, purity[:-1], completeness[:-1], float(area), share)


@dataclass(frozen=True)
class Threshold:
    """A threshold chosen on a validation set, and what it reaches there.

    Attributes
    ----------
    threshold : float
        Call an object a lens where its probability is at or above it.
    rule : str
        "purity" or "false_positive_rate".
    wanted : float
        What was asked for.
    reached : Rate
        The purity, at `lens_fraction` if one was given, or the false-positive rate,
        on the validation set. The threshold was chosen there, so fresh objects are on
        average slightly worse.
    lens_fraction : float or None
        The share of lenses for which the purity holds; None for the validation
        set's own.
    metrics : Metrics
        Everything else at this threshold.

    Examples
    --------
    >>> labels, outputs = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.3, 0.1]
    >>> found = threshold_for(labels, outputs, purity=0.75)
    >>> found.rule, found.reached.value
    ('purity', 0.75)
    """

    threshold: float
    rule: str
    wanted: float
    reached: Rate
    lens_fraction: float | None
    metrics: Metrics


def threshold_for(
    labels: ArrayLike,
    probabilities: ArrayLike,
    purity: float | None = None,
    false_positive_rate: float | None = None,
    *,
    lens_fraction: float | None = None,
    assured: bool = False,
) -> Threshold:
    """Choose the threshold of a wanted purity or false-positive rate.

    Of all thresholds that reach the goal this is the lowest, which finds most lenses.
    Objects of one probability are flagged together or not at all, and the threshold
    is itself a probability of the validation set: the highest that flags the same
    objects.

    Parameters
    ----------
    labels : array_like of shape (n,)
        1 or True for a lens, 0 or False for anything else. Use a validation set,
        neither the training nor the test set.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    purity : float, optional
        Least share of lenses among the flagged, in (0, 1].
    false_positive_rate : float, optional
        Greatest share of non-lenses flagged, in [0, 1). Give one of the two.
    lens_fraction : float, optional
        With `purity`: the share of lenses among the objects to be searched; by
        default that of the validation set, which is seldom the sky's.
    assured : bool
        Require that the 95 per cent interval reaches the goal, not only the value:
        its lower end for purity, its upper end for the rate. This guards against the
        luck in choosing the best of many thresholds.

    Returns
    -------
    Threshold
        The threshold, and what it reaches on this set, with intervals.

    Raises
    ------
    ValueError
        If neither or both goals are given, a goal or `lens_fraction` is out of
        range, no threshold reaches the goal (the message states what the best one
        reaches), or as `metrics_at`.

    Examples
    --------
    >>> labels, outputs = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.3, 0.1]
    >>> threshold_for(labels, outputs, purity=0.75).threshold
    0.6
    >>> threshold_for(labels, outputs, false_positive_rate=0.1).threshold
    0.8
    """
    truth, values = checked_pair(labels, probabilities)
    if (purity is None) == (false_positive_rate is None):
        raise ValueError(
            "Give one of `purity` and `false_positive_rate`. "
            f"Received: {purity} and {false_positive_rate}."
        )
    if purity is not None and not 0 < purity <= 1:
        raise ValueError(f"`purity` must lie in (0, 1]. Received: {purity}.")
    if purity is None and lens_fraction is not None:
        raise ValueError(
            "`lens_fraction` belongs to `purity`; a false-positive rate does not "
            f"depend on it. Received: {lens_fraction}."
        )
    if purity is None and not 0 <= false_positive_rate < 1:
        raise ValueError(
            "`false_positive_rate` must lie in [0, 1). "
            f"Received: {false_positive_rate}."
        )
    # roc_curve's first threshold is above every probability: it flags nothing.
    shares = roc_curve(truth, values, drop_intermediate=False)
    n = int(truth.sum()), int((~truth).sum())
    # sklearn returns shares; times the class size they are whole counts again.
    tp, fp = np.rint(shares[1][1:] * n[0]), np.rint(shares[0][1:] * n[1])
    # Ties share a threshold, so the flagged are whole groups of equal probability.
    cuts = shares[2][1:]
    if purity is not None:
        rule, wanted = "purity", float(purity)
        reached = np.array(purities(tp, n[0], fp, n[1], lens_fraction))
        # Value, or lower end of the interval.
        decisive = reached[1 if assured else 0]
        kept, best = decisive >= wanted, float(np.max(decisive))
        best_is, end = "highest purity", "lower"
    else:
        rule, wanted = "false_positive_rate", float(false_positive_rate)
        reached = np.array(rates(fp, n[1]))
        # Value, or upper end of the interval.
        decisive = reached[2 if assured else 0]
        kept, best = decisive <= wanted, float(np.min(decisive))
        best_is, end = "lowest rate that flags any", "upper"
    if not kept.any():
        by = f" by the {end} end of its interval" if assured else ""
        raise ValueError(
            f"No threshold keeps the wanted `{rule}` on these {len(truth)} objects: "
            f"the {best_is}{by} is {best:.4g}. Received: {wanted:g}. Ask for less, or "
            "validate on more objects."
        )
    # Thresholds fall, so the last one kept is the lowest.
    k = int(np.flatnonzero(kept)[-1])
    cut = float(cuts[k])
    found = Rate(*map(float, reached[:, k]))
    metrics = metrics_at(truth, values, cut)
    return Threshold(cut, rule, wanted, found, lens_fraction, metrics)


def reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    n_bins: int = 10,
    spacing: str = "uniform",
) -> Table:
    """Return the share of lenses among objects of similar probability.

    Parameters
    ----------
    labels : array_like of shape (n,)
        1 or True for a lens, 0 or False for anything else.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    n_bins : int
        Number of bins, at least 2.
    spacing : {"uniform", "quantile"}
        Bins of equal width over [0, 1], or of equal numbers of objects, which is better
        where nearly all outputs are close to 0 or 1.

    Returns
    -------
    Table
        One row for each bin with objects: start, stop (a bin holds its start, the
        last one its stop too), n, n_lenses, mean_probability, lens_fraction, low,
        high (Wilson, 95 per cent). meta: ``expected_calibration_error``, the mean
        of ``|lens_fraction - mean_probability|`` over objects (Guo et al. 2017);
        ``error_by_chance``, what it would be, by a normal approximation, for
        probabilities that are right, as no finite sample gives 0;
        ``brier_score``, the mean square error of the probabilities; ``n``.

    Raises
    ------
    ValueError
        If `n_bins` or `spacing` is wrong, or as `metrics_at`.

    Examples
    --------
    >>> table = reliability([0, 0, 1, 1, 0, 1], [0.25] * 3 + [0.75] * 3, 2)
    >>> table["n", "n_lenses", "mean_probability"].as_array().tolist()
    [(3, 1, 0.25), (3, 2, 0.75)]
    >>> round(table.meta["expected_calibration_error"], 4)
    0.0833
    """
    truth, values = checked_pair(labels, probabilities)
    # One bin would only compare the two means.
    if int(n_bins) != n_bins or n_bins < 2:
        raise ValueError(
            f"`n_bins` must be an integer of 2 or more. Received: {n_bins}."
        )
    if spacing not in ("uniform", "quantile"):
        raise ValueError(
            f"`spacing` must be uniform or quantile. Received: {spacing!r}."
        )
    edges = np.linspace(0, 1, int(n_bins) + 1)
    if spacing == "quantile":
        # Ties may leave fewer edges, equal probabilities alone a bin of no width.
        edges = np.unique(np.quantile(values, edges))
        edges = edges if len(edges) > 1 else np.repeat(edges, 2)
    # Outer edges left out: 0 and 1 belong to the first and the last bin.
    inner = np.searchsorted(edges[1:-1], values, side="right")
    rows, errors, chances = [], 0.0, 0.0
    for k in np.unique(inner):
        mine = inner == k
        n, lenses, mean = int(mine.sum()), int(truth[mine].sum()), values[mine].mean()
        rows.append((edges[k], edges[k + 1], n, lenses, mean, *rate(lenses, n)))
        # As Guo et al. (2017): each bin counts by its objects.
        errors += abs(lenses - n * mean)
        # Mean of |x| for a normal x of the variance of n coins of these biases.
        spread = (values[mine] * (1 - values[mine])).sum()
        chances += np.sqrt(2 / np.pi * spread)
    names = ("start", "stop", "n", "n_lenses", "mean_probability", "lens_fraction")
    table = Table(rows=rows, names=(*names, "low", "high"))
    table.meta = {
        "expected_calibration_error": float(errors / len(values)),
        "error_by_chance": float(chances / len(values)),
        "brier_score": float(brier_score_loss(truth, values)),
        "n": len(values),
    }
    return table
