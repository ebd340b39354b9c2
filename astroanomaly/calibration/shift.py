"""Whether two sets of scores come from visibly different distributions."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp

from astroanomaly.calibration.levels import checked_scores

# Percentile of the calibration scores below which ordinary objects are compared.
BULK = 90
# With less of the new scores in the bulk, it alone says too little.
MIN_IN_BULK = 1 / 3
# A statistic of 0.1 moves the 90th percentile visibly, one of 0.02 does not.
VISIBLE = 0.1
# Not by chance: one survey in a thousand warns without a reason.
SIGNIFICANT = 0.001


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare`.

    Attributes
    ----------
    statistic, p_value : float
        Two-sample Kolmogorov-Smirnov statistic and its p-value.
    n_calibration, n_scores : int
        Scores that were compared, of each set.
    bulk_limit : float
        90th percentile of the calibration scores.
    bulk_only : bool
        Whether only scores at or below ``bulk_limit`` were compared.
    fraction_above : float
        Share of the new scores above ``bulk_limit`` (about 0.1 is expected).
    shifted : bool
        Whether the two distributions are visibly different.
    message : str
        One sentence with the numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = compare(rng.normal(0, 1, 500), rng.normal(1, 1, 300))
    >>> found.bulk_only, found.n_calibration, found.fraction_above > 0.1
    (True, 450, True)
    """

    statistic: float
    p_value: float
    n_calibration: int
    n_scores: int
    bulk_limit: float
    bulk_only: bool
    fraction_above: float
    shifted: bool
    message: str


def compare(calibration_scores: ArrayLike, scores: ArrayLike) -> Comparison:
    """Compare new scores with the calibration scores.

    Two-sample Kolmogorov-Smirnov test (Hodges 1958) of the *bulk*: the scores at
    or below the 90th percentile of the calibration scores. Anomalies are what is
    searched for, and they lie above it: some per cent of them, or even half of
    the objects, leave the bulk as it was, while another survey, depth or seeing
    moves the bulk itself. Where less than a third of the new scores lie in the
    bulk there is not enough of it left to compare, and all scores are.

    "Visibly different" asks for two things: a p-value below 0.001, so that it is
    not chance, and a statistic above 0.1, so that it matters: among 100,000
    objects a statistic of 0.02 is significant and moves no threshold. A shift of
    all scores by half their standard deviation gives about 0.16.

    Parameters
    ----------
    calibration_scores : array_like of shape (n,)
        Scores of normal objects.
    scores : array_like of shape (m,)
        Scores of new objects, anomalies included.

    Returns
    -------
    Comparison
        Statistic, p-value, counts, verdict and a sentence.

    Raises
    ------
    ValueError
        If one of them is empty or holds NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> compare(rng.normal(0, 1, 500), rng.normal(1, 1, 300)).shifted
    True
    """
    old = checked_scores(calibration_scores, "calibration_scores")
    new = checked_scores(scores, "scores")
    if not len(old) or not len(new):
        raise ValueError(
            "Two sets of scores are needed. "
            f"Received: {len(old)} calibration scores and {len(new)} new scores."
        )
    limit = float(np.percentile(old, BULK, method="inverted_cdf"))
    fraction_above = float((new > limit).mean())
    bulk_only = bool(1 - fraction_above >= MIN_IN_BULK)
    # Anomalies lie above the limit and may be many, without any shift of the survey.
    if bulk_only:
        old, new = old[old <= limit], new[new <= limit]
    # scipy's exact p-value falls back with a RuntimeWarning for large samples.
    test = ks_2samp(old, new, method="asymp")
    statistic, p_value = float(test.statistic), float(test.pvalue)
    shifted = statistic > VISIBLE and p_value < SIGNIFICANT
    verdict = "a visibly different" if shifted else "no visibly different"
    which = "at or below" if bulk_only else "on both sides of"
    message = (
        f"The new scores come from {verdict} distribution than the calibration "
        f"scores: two-sample Kolmogorov-Smirnov statistic {statistic:.3f}, p-value "
        f"{p_value:.2g}, for {len(old)} calibration and {len(new)} new scores {which} "
        f"the calibration scores' {BULK}th percentile ({limit:.4g}); "
        f"{100 * fraction_above:.1f} per cent of the new scores lie above it."
    )
    if shifted:
        message += (
            " Thresholds and p-values hold only for objects like the calibration "
            "objects: calibrate again on normal objects of this survey."
        )
    return Comparison(
        statistic,
        p_value,
        len(old),
        len(new),
        limit,
        bulk_only,
        fraction_above,
        shifted,
        message,
    )


def warn_if_shifted(
    calibration_scores: ArrayLike, scores: ArrayLike, stacklevel: int = 2
) -> Comparison:
    """Warn where new scores are visibly unlike the calibration scores.

    Parameters
    ----------
    calibration_scores : array_like of shape (n,)
        Scores of normal objects.
    scores : array_like of shape (m,)
        Scores of new objects, anomalies included.
    stacklevel : int
        As in `warnings.warn`: 2 points at the caller.

    Returns
    -------
    Comparison
        What `compare` found.

    Warns
    -----
    UserWarning
        If the distributions are visibly different, with the numbers.

    Raises
    ------
    ValueError
        As `compare`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> warn_if_shifted(rng.normal(size=500), rng.normal(size=300)).shifted
    False
    """
    result = compare(calibration_scores, scores)
    if result.shifted:
        warnings.warn(result.message, UserWarning, stacklevel=stacklevel)
    return result
