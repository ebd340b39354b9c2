"""The threshold of a wanted purity or false-positive rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from astroanomaly.evaluation.classifier.counts import (
    Metrics,
    Rate,
    checked_pair,
    counted,
    purities,
    rates,
)


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
        The purity, at `lens_fraction` where one was given, or the false-positive
        rate, on the validation set. It was chosen there, so fresh objects will on
        average do slightly worse.
    lens_fraction : float or None
        The share of lenses for which the purity holds; None for the validation
        set's own.
    metrics : Metrics
        Everything else at this threshold.
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

    Of all thresholds that keep the promise, the lowest, which finds most lenses.
    Objects of one probability are flagged together or not at all, and the
    threshold is itself a probability of the validation set: the highest one that
    flags the same objects.

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
        Ask that the 95 per cent interval, and not its middle alone, keep the
        promise: its lower end for purity, its upper end for the rate. With many
        thresholds to choose from the best of them was also lucky; this guards
        against it.

    Returns
    -------
    Threshold
        The threshold, and what it reaches on this set, with intervals.

    Raises
    ------
    ValueError
        If neither or both goals are given, a goal or `lens_fraction` is out of
        range, no threshold reaches the goal (the sentence says what the best one
        reaches), or as `metrics_at`.

    Examples
    --------
    >>> labels, outputs = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.3, 0.1]
    >>> threshold_for(labels, outputs, purity=0.75).threshold
    0.6
    >>> threshold_for(labels, outputs, false_positive_rate=0.1).threshold
    0.8
    """
    truth, values = checked_pair(labels, probabilities, "A threshold")
    rule, wanted = _goal(purity, false_positive_rate, lens_fraction)
    # roc_curve's first threshold is above every probability: it flags nothing.
    shares = roc_curve(truth, values, drop_intermediate=False)
    n = int(truth.sum()), int((~truth).sum())
    # sklearn gives shares; times the class size they are whole counts again.
    tp, fp = np.rint(shares[1][1:] * n[0]), np.rint(shares[0][1:] * n[1])
    cuts = shares[2][1:]
    if rule == "purity":
        reached = np.array(purities(tp, n[0], fp, n[1], lens_fraction))
        kept = reached[1 if assured else 0] >= wanted
        best = float(np.max(reached[1 if assured else 0]))
    else:
        reached = np.array(rates(fp, n[1]))
        kept = reached[2 if assured else 0] <= wanted
        best = float(np.min(reached[2 if assured else 0]))
    if not kept.any():
        raise ValueError(_out_of_reach(rule, wanted, best, assured, len(truth)))
    k = int(np.flatnonzero(kept)[-1])
    cut = float(cuts[k])
    found = Rate(*map(float, reached[:, k]))
    return Threshold(
        cut, rule, wanted, found, lens_fraction, counted(truth, values, cut)
    )


def _goal(
    purity: float | None, false_positive_rate: float | None, lens_fraction: float | None
) -> tuple[str, float]:
    if (purity is None) == (false_positive_rate is None):
        raise ValueError(
            "Give one of `purity` and `false_positive_rate`. "
            f"Received: {purity} and {false_positive_rate}."
        )
    if purity is None:
        if lens_fraction is not None:
            raise ValueError(
                "`lens_fraction` belongs to `purity`; a false-positive rate does not "
                f"depend on it. Received: {lens_fraction}."
            )
        if not 0 <= false_positive_rate < 1:
            raise ValueError(
                "`false_positive_rate` must lie in [0, 1). "
                f"Received: {false_positive_rate}."
            )
        return "false_positive_rate", float(false_positive_rate)
    if not 0 < purity <= 1:
        raise ValueError(f"`purity` must lie in (0, 1]. Received: {purity}.")
    return "purity", float(purity)


def _out_of_reach(rule: str, wanted: float, best: float, assured: bool, n: int) -> str:
    best_is = "highest purity" if rule == "purity" else "lowest rate that flags any"
    if assured:
        end = "lower" if rule == "purity" else "upper"
        best_is = f"{best_is} by the {end} end of its interval"
    return (
        f"No threshold keeps the wanted `{rule}` on these {n} objects: the {best_is} "
        f"is {best:.4g}. Received: {wanted:g}. Ask for less, or validate on more."
    )
