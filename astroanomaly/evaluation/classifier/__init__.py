"""How well a lens finder tells lenses from other galaxies.

Everything works on probabilities and labels, whichever network gave them. An
object is called a lens where its probability is at or above the threshold, the
rule of Wilde et al. (2022, arXiv:2202.12776). Every rate stands with its counts
and a 95 per cent interval. Purity is precision, completeness is recall.

A share of false alarms belongs to the finder; purity belongs to the finder *and*
to how common lenses are. Simulated sets hold about as many lenses as other
galaxies. Of the 1.5 billion galaxies that Euclid will see, 170,000 are expected to be
lenses that can be found (Collett 2015, ApJ 811, 20), one in 9000; the first search, of
about a million objects, came to 250 almost certain and 247 probable ones, one in 2000
(Euclid Collaboration 2025, arXiv:2503.15326). `purity_at` says what is left there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, precision_recall_curve

from astroanomaly.evaluation.classifier.counts import (
    Metrics,
    Rate,
    checked_pair,
    checked_share,
    checked_threshold,
    counted,
    purities,
)
from astroanomaly.evaluation.classifier.names import (
    PUBLISHED_OUTPUTS,
    named_table,
    negatives_table,
)
from astroanomaly.evaluation.classifier.probability import (
    ProbabilityCalibration,
    reliability,
)
from astroanomaly.evaluation.classifier.tables import (
    PUBLISHED_SETS,
    set_table,
    trivial_recall,
)
from astroanomaly.evaluation.classifier.threshold import Threshold, threshold_for

__all__ = [
    "PUBLISHED_OUTPUTS",
    "PUBLISHED_SETS",
    "Metrics",
    "ProbabilityCalibration",
    "PurityCompleteness",
    "Rate",
    "Threshold",
    "metrics_at",
    "named_table",
    "negatives_table",
    "purity_at",
    "purity_completeness",
    "reliability",
    "set_table",
    "threshold_for",
    "trivial_recall",
]


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
    truth, values = checked_pair(labels, probabilities, "Precision and recall")
    return counted(truth, values, checked_threshold(threshold))


def purity_at(metrics: Metrics, lens_fraction: float) -> Rate:
    """Return the purity where another share of the objects are lenses.

    ``recall * f / (recall * f + false_positive_rate * (1 - f))``: both rates keep,
    the mixture changes. The interval joins Wilson's intervals of the two (Donner &
    Zou 2012, MOVER-R).

    Parameters
    ----------
    metrics : Metrics
        What `metrics_at` returned.
    lens_fraction : float
        Share of lenses among all objects searched, between 0 and 1; 0.0005 is what
        the first search of Euclid's images came to, see the module's docstring.

    Returns
    -------
    Rate
        NaN where nothing is called a lens. With no false positive counted the
        value is 1 and only `low` is of use.

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
    truth, values = checked_pair(labels, probabilities, "Purity")
    own = float(truth.mean())
    share = own
    if lens_fraction is not None:
        share = checked_share(lens_fraction, "lens_fraction")
    weights = np.where(truth, share / own, (1 - share) / (1 - own))
    purity, completeness, cuts = precision_recall_curve(
        truth, values, sample_weight=weights
    )
    area = average_precision_score(truth, values, sample_weight=weights)
    return PurityCompleteness(cuts, purity[:-1], completeness[:-1], float(area), share)
