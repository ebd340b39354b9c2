"""Checked labels and probabilities of a lens finder, and rates with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from astroanomaly.evaluation.resampling import vector
from astroanomaly.evaluation.roc_auc import binomial_interval

_COUNTS = ("n", "tp", "fp", "tn", "fn")
_RATES = ("precision", "recall", "f1", "false_positive_rate", "accuracy")


class Rate(NamedTuple):
    """A rate and its 95 per cent interval.

    Attributes
    ----------
    value, low, high : float
        The rate and the ends of its interval; NaN where nothing was counted.
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
            Plain numbers, which JSON can hold where none is NaN.
        """
        row = {"threshold": self.threshold}
        row |= {name: getattr(self, name) for name in _COUNTS}
        for name in _RATES:
            found = getattr(self, name)
            row |= {
                name: found.value,
                f"{name}_low": found.low,
                f"{name}_high": found.high,
            }
        return row


def checked_probabilities(
    probabilities: ArrayLike, name: str = "probabilities"
) -> np.ndarray:
    """Return probabilities as a float64 vector, or refuse them by `name`."""
    values = vector(probabilities, name)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise ValueError(
            f"`{name}` must lie between 0 and 1; logits are not probabilities. "
            f"Received: {int(outside.sum())} outside among {len(values)}, from "
            f"{values.min():.4g} to {values.max():.4g}."
        )
    return values


def checked_labels(labels: ArrayLike, name: str = "labels") -> np.ndarray:
    """Return labels as a bool vector, or refuse what is not 0 or 1 by `name`."""
    values = np.ma.asarray(labels)
    if values.ndim != 1:
        raise ValueError(
            f"`{name}` must have one dimension. Received: shape {values.shape}."
        )
    if missing := int(np.ma.count_masked(values)):
        raise ValueError(
            f"`{name}` must be known for every object. "
            f"Received: {missing} masked among {len(values)}."
        )
    values = np.ma.getdata(values)
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        odd = (
            values[~np.isin(values, (0, 1))] if values.dtype.kind in "biuf" else values
        )
        raise ValueError(
            f"`{name}` must hold 1 (lens) or 0 (not a lens). "
            f"Received: {np.unique(odd)[:5].tolist()}."
        )
    return values.astype(bool)


def same_length(labels: np.ndarray, values: np.ndarray, name: str) -> None:
    """Refuse labels that do not belong to the values called `name`."""
    if len(labels) != len(values):
        raise ValueError(
            f"`labels` and `{name}` must have one length. "
            f"Received: {len(labels)} labels, {len(values)} {name}."
        )


def both_kinds(labels: np.ndarray, what: str) -> None:
    """Refuse labels of one class only, saying what needs both."""
    n_lenses = int(labels.sum())
    if not 0 < n_lenses < len(labels):
        raise ValueError(
            f"{what} needs lenses and non-lenses in `labels`. Received: "
            f"{n_lenses} lenses, {len(labels) - n_lenses} non-lenses."
        )


def checked_pair(
    labels: ArrayLike, probabilities: ArrayLike, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of both classes and their probabilities, or refuse them."""
    truth = checked_labels(labels)
    values = checked_probabilities(probabilities)
    same_length(truth, values, "probabilities")
    both_kinds(truth, what)
    return truth, values


def checked_sets(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return probabilities and labels of each set, or refuse them by name."""
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
        truth = None if pair[1] is None else checked_labels(pair[1], f"{name}: labels")
        if truth is not None:
            same_length(truth, values, "probabilities")
            both_kinds(truth, f"The set {name!r} (labels None for lenses alone)")
        checked[str(name)] = values, truth
    return checked


def checked_share(share: float, name: str) -> float:
    """Return a share strictly between 0 and 1, or refuse it by `name`."""
    if not 0 < share < 1:
        raise ValueError(
            f"`{name}` must lie strictly between 0 and 1. Received: {share}."
        )
    return float(share)


def checked_threshold(threshold: float) -> float:
    """Return a threshold in [0, 1], or refuse it."""
    if not 0 <= threshold <= 1:
        raise ValueError(
            f"`threshold` must lie between 0 and 1. Received: {threshold}."
        )
    return float(threshold)


def rates(k: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k / n with Wilson's interval, NaN where n is 0."""
    k, n = np.asarray(k), np.asarray(n)
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
    of J's interval give those of F1: no resampling, and a width at F1 = 1, where
    every bootstrap draw would be 1 too.
    """
    return Rate(*(2 * j / (1 + j) for j in rate(tp, tp + fp + fn)))


def with_odds(share: ArrayLike, factor: ArrayLike) -> np.ndarray:
    """Return shares whose odds are multiplied by a factor; 0, 1, NaN stay."""
    share = np.asarray(share, dtype=np.float64)
    return factor * share / (1 - share + factor * share)


def purities(
    tp: ArrayLike,
    n_lenses: int,
    fp: ArrayLike,
    n_negatives: int,
    lens_fraction: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the purity of the flagged and its interval, NaN where nothing is.

    With the mixture at hand, Wilson's interval of tp / (tp + fp). At another
    `lens_fraction` f the odds of purity are ``f / (1 - f)`` times the ratio of
    recall to false-positive rate, two independent binomial rates; the ratio's
    interval joins Wilson's two (MOVER-R, Donner & Zou 2012, Statistical Methods in
    Medical Research 21, 347, equation 6).
    """
    tp, fp = np.asarray(tp), np.asarray(fp)
    if lens_fraction is None:
        return rates(tp, tp + fp)
    share = checked_share(lens_fraction, "lens_fraction")
    ratios = _ratio(rates(tp, n_lenses), rates(fp, n_negatives))
    # The share of odds x is x / (1 + x), written so that infinity gives 1.
    with np.errstate(divide="ignore"):
        values = [1 / (1 + (1 - share) / share / ratio) for ratio in ratios]
    return tuple(np.where(tp + fp > 0, value, np.nan) for value in values)


def _ratio(first: tuple, second: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Both ends of equation 6, the lower one multiplied out by its conjugate, which
    # takes away the 0 / 0 where the second rate's upper end is twice that rate.
    (p, low_p, high_p), (q, low_q, high_q) = first, second
    with np.errstate(divide="ignore", invalid="ignore"):
        below_p, above_q = p**2 - (p - low_p) ** 2, q**2 - (high_q - q) ** 2
        low = below_p / (p * q + np.sqrt((p * q) ** 2 - below_p * above_q))
        above_p, below_q = p**2 - (high_p - p) ** 2, q**2 - (q - low_q) ** 2
        high = (p * q + np.sqrt((p * q) ** 2 - above_p * below_q)) / below_q
        value = p / q
    return value, np.where(p > 0, low, 0.0), np.where(q > 0, high, np.inf)


def difference(first: Rate, second: Rate) -> Rate:
    """Return the difference of two independent rates.

    Newcombe's (1998, Statistics in Medicine 17, 873) method 10, which joins
    Wilson's intervals of the two.
    """
    value = first.value - second.value
    low = np.hypot(first.value - first.low, second.high - second.value)
    high = np.hypot(first.high - first.value, second.value - second.low)
    return Rate(value, value - float(low), value + float(high))


def counted(truth: np.ndarray, values: np.ndarray, threshold: float) -> Metrics:
    """Return the metrics of checked labels and probabilities."""
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
