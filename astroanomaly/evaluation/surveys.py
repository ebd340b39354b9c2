"""Whether two surveys score alike, and which properties go with the difference.

Section 4.2 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346): a detector trained
on one set of galaxies scores another; what scores higher is what the first set
lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp

from astroanomaly.calibration import Calibration
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import AUC, auc, binomial_interval

__all__ = ["TwoSamples", "by_property", "two_samples"]

LEVEL = 95
_ALPHA = 0.05
_QUARTILES = (25, 50, 75)
_NAMES = ("bin", "low_edge", "high_edge", "value", "n", "q25", "median", "q75")
_ABOVE = ("n_above", "fraction_above", "low", "high")
_BESIDE = ("n_reference", "q25_reference", "median_reference", "q75_reference")
_AREA = ("area", "area_low", "area_high")


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

    Kolmogorov & Smirnov's test (Hodges 1958, asymptotic p-value) says whether the
    distributions differ at all, the area under the ROC curve by how much and in
    which direction. Score the reference's objects fresh: those that trained the
    detector score low for having trained it.

    Parameters
    ----------
    reference : array_like of shape (n,)
        Scores of the objects like those that trained the detector; at least 20.
    other : array_like of shape (m,)
        Scores of the other sample.
    seed : int
        Seed of the bootstrap and of the drawing from systems.
    n_bootstrap : int
        Number of resamplings.
    reference_groups, other_groups : array_like of shape (n,) and (m,), optional
        The system of each object. The test needs independent objects: of each
        system one object, drawn at random, is kept.

    Returns
    -------
    TwoSamples
        Counts, statistic, area, medians, share above the reference's 95th
        percentile, and the sentence.

    Raises
    ------
    ValueError
        If a score is NaN, there is none, the reference has fewer than 20 objects
        (systems) or an infinite score, or an object has no system.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = two_samples(rng.normal(size=300), rng.normal(1, 1, 200))
    >>> print(found.message)
    The other scores are higher: ...
    """
    old = _thinned(reference, reference_groups, "reference", seed)
    new = _thinned(other, other_groups, "other", seed)
    limit = Calibration(old, (LEVEL,)).thresholds[LEVEL]
    # scipy's exact p-value falls back with a RuntimeWarning for large samples.
    test = ks_2samp(old, new, method="asymp")
    area = _area(old, new, n_bootstrap, seed)
    k = int((new > limit).sum())
    share = k / len(new), *binomial_interval(k, len(new))
    medians = float(np.median(old)), float(np.median(new))
    numbers = (float(test.statistic), float(test.pvalue), *area[:3], *medians)
    result = (len(old), len(new), *numbers, limit, *share)
    return TwoSamples(*result, _sentence(TwoSamples(*result, "")))


def _thinned(
    scores: ArrayLike, groups: ArrayLike | None, name: str, seed: int
) -> np.ndarray:
    scores = resampling.vector(scores, name)
    if not len(scores):
        raise ValueError(f"`{name}` must hold at least one score. Received: none.")
    if groups is None:
        return scores
    codes = resampling.system_codes(groups, len(scores), f"{name}_groups")
    return scores[resampling.one_per_system(codes, seed)]


def _area(old: np.ndarray, new: np.ndarray, n_bootstrap: int, seed: int) -> AUC:
    is_new = np.arange(len(old) + len(new)) >= len(old)
    return auc(is_new, np.concatenate([old, new]), n_bootstrap, seed)


def _sentence(found: TwoSamples) -> str:
    if found.p_value >= _ALPHA:
        verdict = "No difference of the scores is seen"
    elif found.area_low > 0.5:
        verdict = "The other scores are higher"
    elif found.area_high < 0.5:
        verdict = "The other scores are lower"
    else:
        verdict = "The scores differ, neither sample above the other"
    percent = [
        f"{100 * share:.1f}"
        for share in (found.fraction_above, found.fraction_low, found.fraction_high)
    ]
    return (
        f"{verdict}: one of the {found.n_other} other objects scores above one of the "
        f"{found.n_reference} of the reference with probability {found.area:.3f} "
        f"({found.area_low:.3f} to {found.area_high:.3f}), Kolmogorov-Smirnov "
        f"statistic {found.statistic:.3f}, p-value {found.p_value:.2g}. Medians are "
        f"{found.median_other:.4g} and {found.median_reference:.4g}; {percent[0]} per "
        f"cent ({percent[1]} to {percent[2]}) of the other objects lie above the "
        f"reference's {LEVEL}th percentile, {found.limit:.4g}."
    )


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

    Figure 16 of Margalef-Bentabol et al. (2020) as a table. With
    `reference_values` each bin is also held against the reference's objects of
    the same bin: small galaxies that score high in both samples are no difference
    between them.

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
    seed : int
        Seed of the bootstrap.
    n_bootstrap : int
        Number of resamplings for the interval of each area.

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
    scores = resampling.vector(scores, "scores")
    found, counts = resampling.binned(values, bins, len(scores))
    names, meta, rows = [*_NAMES], dict(counts), []
    rows = [(*part[:4], *_quartiles(scores[part.members])) for part in found]
    if reference_scores is not None:
        reference = resampling.vector(reference_scores, "reference_scores")
        limit = Calibration(reference, (LEVEL,)).thresholds[LEVEL]
        meta |= {"limit": limit, "reference_quartiles": _quartiles(reference)[1:]}
        above = [_above(scores[part.members], limit) for part in found]
        rows, names = _joined(rows, above), [*names, *_ABOVE]
    if reference_values is not None:
        if reference_scores is None:
            raise ValueError(
                "`reference_values` need the scores of the same objects. "
                "Received: `reference_scores` None."
            )
        beside, lost = _beside(reference, reference_values, found)
        areas = [
            _area_or_nan(there, scores[part.members], n_bootstrap, seed)
            for there, part in zip(beside, found, strict=True)
        ]
        quartiles = [_quartiles(there) for there in beside]
        rows = _joined(rows, quartiles, areas)
        names, meta = [*names, *_BESIDE, *_AREA], meta | lost
    return Table(rows=rows, names=names, meta=meta)


def _joined(*parts: list[tuple]) -> list[tuple]:
    return [sum(row, ()) for row in zip(*parts, strict=True)]


def _quartiles(scores: np.ndarray) -> tuple[int, float, float, float]:
    if not len(scores):
        return (0, *[float("nan")] * 3)
    return (len(scores), *map(float, np.percentile(scores, _QUARTILES)))


def _above(scores: np.ndarray, limit: float) -> tuple[int, float, float, float]:
    n, k = len(scores), int((scores > limit).sum())
    return k, k / n if n else float("nan"), *binomial_interval(k, n)


def _beside(
    reference: np.ndarray, values: ArrayLike, bins: list[resampling.Bin]
) -> tuple[list[np.ndarray], dict[str, int]]:
    # The reference's scores in the same bins, and how many lie in none.
    words = np.isnan(bins[0].low_edge)
    edges = [part.low_edge for part in bins] + [bins[-1].high_edge]
    own, counts = resampling.binned(
        values, None if words else edges, len(reference), "reference_values"
    )
    members = {part.name: part.members for part in own}
    nothing = np.zeros(len(reference), bool)
    masks = [members.get(part.name, nothing) for part in bins]
    inside = int(np.any(masks, axis=0).sum())
    lost = len(reference) - inside - counts["n_missing"]
    scores = [reference[mask] for mask in masks]
    return scores, {
        "n_missing_reference": counts["n_missing"],
        "n_outside_reference": lost,
    }


def _area_or_nan(
    old: np.ndarray, new: np.ndarray, n_bootstrap: int, seed: int
) -> tuple[float, float, float]:
    if not len(old) or not len(new):
        return (float("nan"),) * 3
    return _area(old, new, n_bootstrap, seed)[:3]
