"""Compare the scores of two surveys, as a whole and in bins of a property.

Section 4.2 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346): a detector trained on
one set of galaxies scores another; what scores higher is what the first set lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp

from astroanomaly.calibration import Calibration
from astroanomaly.calibration.levels import checked_scores
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import AUC, auc, binomial_interval
from astroanomaly.tables.markdown import interval

__all__ = ["TwoSamples", "by_property", "two_samples"]

# Percentile of the reference above which an object counts as strange, the highest of
# the paper's three.
LEVEL = 95
# p-value from which on no difference is claimed.
_ALPHA = 0.05


@dataclass(frozen=True)
class TwoSamples:
    """The outcome of `two_samples`.

    Attributes
    ----------
    n_reference, n_other : int
        Objects that were compared.
    statistic, p_value : float
        Two-sample Kolmogorov-Smirnov statistic and its p-value.
    area, area_low, area_high : float
        Probability that an object of the other sample scores above one of the
        reference, ties one half, with its 95 per cent bootstrap interval.
    median_reference, median_other : float
        Medians of the scores.
    limit : float
        The reference's 95th percentile.
    fraction_above, fraction_low, fraction_high : float
        Share of the other scores above it, with its Wilson interval.
    message : str
        The outcome in a sentence or two.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = two_samples(rng.normal(size=300), rng.normal(1, 1, 200))
    >>> found.n_other, found.fraction_above > 0.05
    (200, True)
    """

    n_reference: int
    n_other: int
    statistic: float
    p_value: float
    area: float
    area_low: float
    area_high: float
    median_reference: float
    median_other: float
    limit: float
    fraction_above: float
    fraction_low: float
    fraction_high: float
    message: str


def two_samples(
    reference: ArrayLike,
    other: ArrayLike,
    seed: int = 0,
    n_bootstrap: int = 1000,
    *,
    reference_groups: ArrayLike | None = None,
    other_groups: ArrayLike | None = None,
) -> TwoSamples:
    """Compare the scores of two samples, such as a simulation and a survey.

    Kolmogorov & Smirnov's test (Hodges 1958, asymptotic p-value) tells whether the
    distributions differ at all, the area under the ROC curve by how much and in
    which direction. Use fresh reference objects: objects that trained the detector
    score too low.

    Parameters
    ----------
    reference : array_like of shape (n,)
        Scores of the objects like those that trained the detector; at least 20.
    other : array_like of shape (m,)
        Scores of the other sample.
    seed, n_bootstrap : int
        Random seed, also of the draw from each system, and number of resamplings.
    reference_groups, other_groups : array_like of shape (n,) and (m,), optional
        The system of each object. The test needs independent objects, so one object
        of each system, drawn at random, is kept.

    Returns
    -------
    TwoSamples
        Counts, statistic, area, medians, share above the reference's 95th
        percentile, and the sentence.

    Raises
    ------
    ValueError
        If a score is NaN, there is none, the reference has fewer than 19 objects
        (systems) or an infinite score, or an object has no system.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = two_samples(rng.normal(size=300), rng.normal(1, 1, 200))
    >>> print(found.message)
    The other scores are higher: ...
    """
    old = _one_each_system(reference, reference_groups, "reference", seed)
    new = _one_each_system(other, other_groups, "other", seed)
    # The conformal order statistic, as a detector's threshold.
    limit = Calibration(old, (LEVEL,)).thresholds[LEVEL]
    # scipy's exact p-value falls back with a RuntimeWarning for large samples.
    test = ks_2samp(old, new, method="asymp")
    area = _area(old, new, n_bootstrap, seed)
    k = int((new > limit).sum())
    if test.pvalue >= _ALPHA:
        verdict = "No difference of the scores is seen"
    # 0.5: neither sample above the other.
    elif area.low > 0.5:
        verdict = "The other scores are higher"
    elif area.high < 0.5:
        verdict = "The other scores are lower"
    else:
        verdict = "The scores differ, neither sample above the other"
    share, (low, high) = k / len(new), binomial_interval(k, len(new))
    medians = float(np.median(old)), float(np.median(new))
    per_cent = [f"{100 * x:.1f}" for x in (share, low, high)]
    message = (
        f"{verdict}: one of the {len(new)} other objects scores above one of the "
        f"{len(old)} of the reference with probability {interval(*area[:3])}, "
        f"Kolmogorov-Smirnov statistic {test.statistic:.3f}, p-value "
        f"{test.pvalue:.2g}. Medians are {medians[1]:.4g} and {medians[0]:.4g}; "
        f"{per_cent[0]} per cent ({per_cent[1]} to {per_cent[2]}) of the other objects "
        f"lie above the reference's {LEVEL}th percentile, {limit:.4g}."
    )
    return TwoSamples(
        *(len(old), len(new), float(test.statistic), float(test.pvalue)),
        *(*area[:3], *medians, limit, share, low, high, message),
    )


def _one_each_system(
    scores: ArrayLike, groups: ArrayLike | None, name: str, seed: int
) -> np.ndarray:
    scores = checked_scores(scores, name)
    if not len(scores):
        raise ValueError(f"`{name}` must hold at least one score. Received: none.")
    if groups is None:
        return scores
    # The p-value assumes independent objects; a mean over a system would change the
    # distribution that is compared.
    codes = resampling.system_codes(groups, len(scores), f"{name}_groups")
    return scores[resampling.one_per_system(codes, seed)]


def by_property(
    scores: ArrayLike,
    values: ArrayLike,
    bins: Sequence | int | None = None,
    reference_scores: ArrayLike | None = None,
    reference_values: ArrayLike | None = None,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Table:
    """Return how scores are distributed in bins of a property.

    Figure 16 of Margalef-Bentabol et al. (2020) as a table. With `reference_values`
    each bin is also compared with the reference's objects of the same bin: if small
    galaxies score high in both samples, this is no difference between them.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Scores of the objects.
    values : array_like of shape (n,)
        A property, in any unit: numbers, or words such as a morphological type;
        missing where masked, NaN or empty.
    bins : sequence or int, optional
        Rising edges (a bin holds its lower edge, the last one its upper edge
        too), a number of bins of equal counts, or categories. None makes
        quartiles of numbers and all categories of words.
    reference_scores : array_like of shape (m,), optional
        Scores of the reference, at least 20; their 95th percentile is the limit.
    reference_values : array_like of shape (m,), optional
        The same property of the reference's objects.
    seed, n_bootstrap : int
        Random seed and number of the resamplings for the interval of each area.

    Returns
    -------
    Table
        One row a bin: bin, low_edge, high_edge, value (median of the members;
        these are NaN for words), n, q25, median, q75 of the scores. With
        `reference_scores` also n_above, fraction_above, low, high (Wilson, 95 per
        cent). With `reference_values` also n_reference, q25_reference,
        median_reference, q75_reference and area, area_low, area_high: the
        probability that an object scores above one of the reference in the same
        bin. What an empty bin cannot have is NaN. ``meta`` counts n_missing and
        n_outside, with `reference_values` n_missing_reference and
        n_outside_reference too, and holds limit and reference_quartiles.

    Raises
    ------
    ValueError
        If a score is NaN, lengths differ, no value is known, edges do not rise, a
        category does not occur, the reference has fewer than 20 scores or an
        infinite one, or values come without scores.

    Examples
    --------
    >>> table = by_property([1, 2, 3, 9], [0.1, 0.2, 0.8, 0.9], (0, 0.5, 1), range(100))
    >>> table["n", "median", "n_above"].as_array().tolist()
    [(2, 1.5, 0), (2, 6.0, 0)]
    """
    scores = checked_scores(scores, "scores")
    bins_found, meta = resampling.binned(values, bins, len(scores))
    inside = [scores[part.members] for part in bins_found]
    limit, reference, beside = None, None, [None] * len(inside)
    if reference_scores is not None:
        reference = checked_scores(reference_scores, "reference_scores")
        limit = Calibration(reference, (LEVEL,)).thresholds[LEVEL]
        meta |= {"limit": limit, "reference_quartiles": _quartiles(reference)}
    if reference_values is not None:
        if reference is None:
            raise ValueError(
                "`reference_values` need the scores of the same objects. "
                "Received: `reference_scores` None."
            )
        beside, lost = _reference_bins(reference, reference_values, bins_found)
        meta |= lost
    rows = []
    for part, here, there in zip(bins_found, inside, beside, strict=True):
        n = len(here)
        row = dict(zip(("bin", "low_edge", "high_edge", "value"), part, strict=False))
        row["n"] = n
        row |= zip(("q25", "median", "q75"), _quartiles(here), strict=True)
        if limit is not None:
            k = int((here > limit).sum())
            row |= {"n_above": k, "fraction_above": k / n if n else float("nan")}
            row["low"], row["high"] = binomial_interval(k, n)
        if there is not None:
            row["n_reference"] = len(there)
            names = "q25_reference", "median_reference", "q75_reference"
            row |= zip(names, _quartiles(there), strict=True)
            # An empty sample has no area.
            area = (float("nan"),) * 3
            if n and len(there):
                area = _area(there, here, n_bootstrap, seed)[:3]
            row |= zip(("area", "area_low", "area_high"), area, strict=True)
        rows.append(row)
    return Table(rows=rows, meta=meta)


def _area(old: np.ndarray, new: np.ndarray, n_bootstrap: int, seed: int) -> AUC:
    # The other sample takes the place of the anomalous objects.
    is_new = np.arange(len(old) + len(new)) >= len(old)
    return auc(is_new, np.concatenate([old, new]), n_bootstrap, seed)


def _quartiles(scores: np.ndarray) -> tuple[float, float, float]:
    if not len(scores):
        return (float("nan"),) * 3
    return tuple(map(float, np.percentile(scores, (25, 50, 75))))


def _reference_bins(
    reference: np.ndarray, values: ArrayLike, bins: list[resampling.Bin]
) -> tuple[list[np.ndarray], dict[str, int]]:
    """Return the reference's scores in the same bins, and how many are in none."""
    # Bins of words have no edges.
    words = np.isnan(bins[0].low_edge)
    edges = [part.low_edge for part in bins] + [bins[-1].high_edge]
    # All words of the reference, not the bins': it may lack some of them.
    own, counts = resampling.binned(
        values, None if words else edges, len(reference), "reference_values"
    )
    members = {part.name: part.members for part in own}
    nothing = np.zeros(len(reference), bool)
    masks = [members.get(part.name, nothing) for part in bins]
    # Words of the reference that make no bin are outside too.
    n_missing = counts["n_missing"]
    lost = len(reference) - int(np.any(masks, axis=0).sum()) - n_missing
    meta = {"n_missing_reference": n_missing, "n_outside_reference": lost}
    return [reference[mask] for mask in masks], meta
