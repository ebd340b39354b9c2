"""How scores and rates vary with a property, and whether the trend is real.

Figures 10 and 11 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346), with intervals,
a test of each trend that allows for projections of one system, and a regression that
separates correlated properties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.resampling import quantile_bins
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables.labels import check_labels

__all__ = ["Trend", "binned_rates", "drivers", "quantile_bins", "trend", "trends"]

# A trend is called real below this adjusted p-value.
_ALPHA = 0.05
# With fewer permutations for each property no adjusted p-value could reach _ALPHA:
# the least p-value is 1 / (n_permutations + 1), and Holm multiplies it.
_PER_PROPERTY = 20


@dataclass(frozen=True)
class Trend:
    """The outcome of `trend`.

    Attributes
    ----------
    rho, low, high : float
        Spearman's rank correlation and its 95 per cent bootstrap interval.
    p_value : float
        Two-sided p-value of no association.
    n, n_missing : int
        Objects used, and objects left out because the property is missing.
    n_groups : int
        Systems of the objects used.
    method : str
        "permuted" if values were permuted between systems, "flipped" if the signs of
        the systems' contributions were flipped, "none" if nothing could be tested.

    Examples
    --------
    >>> found = trend([1, 2, 3, 4, 5, 6, 8, 7], [1, 2, 3, 4, 5, 6, 7, 8], seed=1)
    >>> found.n, found.n_missing, found.n_groups
    (8, 0, 8)
    """

    rho: float
    low: float
    high: float
    p_value: float
    n: int
    n_missing: int
    n_groups: int
    method: str


def binned_rates(
    flagged: ArrayLike,
    values: ArrayLike,
    bins: Sequence | int,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Table:
    """Return the fraction flagged in bins of a property.

    Parameters
    ----------
    flagged : array_like of shape (n,)
        True where an object is above the threshold.
    values : array_like of shape (n,)
        A property, such as merger_time or stellar_mass; missing where masked or
        NaN. Words, such as a morphological type, make a bin each.
    bins : sequence or int
        Rising edges (a bin holds its lower edge, the last one its upper edge too),
        or a number of bins of equal counts; for words the categories, an int for
        all of them.
    groups : array_like of shape (n,), optional
        The system of each object: projections of one pair share it.
    seed, n_bootstrap : int
        Random seed and number of the resamplings of systems.

    Returns
    -------
    Table
        One row a bin: bin, low_edge, high_edge, value (median of its members; edges
        and value NaN for words), n, n_flagged, rate, low, high (Wilson, 95 per
        cent), NaN where the bin is empty; with `groups` also n_groups,
        low_clustered, high_clustered, design_effect, as in `detection_rates`.
        ``meta`` counts n_missing and n_outside.

    Raises
    ------
    ValueError
        If lengths differ, a flag is neither true nor false, a system is missing,
        no value is known, or edges do not rise.

    Examples
    --------
    >>> table = binned_rates([0, 1, 1, 1, 0], [0.1, 0.2, 0.6, 0.9, np.nan], (0, 0.5, 1))
    >>> table["n", "n_flagged"].as_array().tolist(), table.meta["n_missing"]
    ([(2, 1), (2, 2)], 1)
    """
    flagged = check_labels(flagged, "flagged", both=False).astype(float)
    # A number of bins means nothing for words: all categories.
    if np.ma.asarray(values).dtype.kind not in "iuf" and np.ndim(bins) == 0:
        bins = None
    found, counts = resampling.binned(values, bins, len(flagged))
    codes = resampling.system_codes(groups, len(flagged))
    rows = []
    for part in found:
        inside = flagged[part.members]
        n, k = len(inside), int(inside.sum())
        row = (*part[:4], n, k, k / n if n else np.nan, *binomial_interval(k, n))
        if groups is not None:
            own = codes[part.members]
            ends = resampling.clustered_rates(inside[:, None], own, n_bootstrap, seed)
            row += (len(np.unique(own)), *(float(end[0]) for end in ends))
        rows.append(row)
    names = "bin low_edge high_edge value n n_flagged rate low high".split()
    if groups is not None:
        names += ["n_groups", "low_clustered", "high_clustered", "design_effect"]
    return Table(rows=rows, names=names, meta=dict(counts))


def trend(
    score_or_flag: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike | None = None,
    n_permutations: int = 2000,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Trend:
    """Test whether a score, or being flagged, varies with a property.

    The measure is Spearman's rank correlation over objects, its interval the
    percentile bootstrap that draws systems whole. How p is found depends on the
    property:

    * constant in each system, as stellar_mass and flux_ratio are, or without
      `groups`: the values are permuted between systems, the scores of each system
      staying together. Exact, whatever the dependence inside a system, where the
      values are exchangeable between systems. The statistic is the covariance of
      the objects' score ranks with the rank of their system's value, among the
      systems.
    * varying inside a system, as merger_time and separation do: each system's
      contribution to the rank covariance, the sum over its objects of the product
      of both centered ranks, has its sign flipped at random (the wild bootstrap
      of the score with Rademacher weights, Kline & Santos 2012). Valid as the
      number of systems grows, whatever the dependence inside a system; below
      about ten systems the p-value is coarse, as there are only 2^n signs.

    In both, ``p = (1 + #{|T*| >= |T|}) / (1 + n_permutations)`` (Davison & Hinkley
    1997, equation 4.11).

    Parameters
    ----------
    score_or_flag : array_like of shape (n,)
        Scores, or true and false.
    values : array_like of shape (n,)
        A property; objects without it (masked or NaN) are left out and counted.
    groups : array_like of shape (n,), optional
        The system of each object; None makes each object its own.
    n_permutations : int
        Number of permutations or of sign flips.
    seed : int
        Seed of both the test and the bootstrap.
    n_bootstrap : int
        Number of resamplings for the interval; 0 leaves it NaN.

    Returns
    -------
    Trend
        Everything but the counts is NaN where fewer than three systems are left,
        or scores or values do not vary.

    Raises
    ------
    ValueError
        If a score is NaN, a system is missing, lengths differ, or `n_permutations`
        is below 1.

    Examples
    --------
    >>> found = trend([1, 2, 3, 4, 5, 6, 8, 7], [1, 2, 3, 4, 5, 6, 7, 8], seed=1)
    >>> round(found.rho, 3), found.p_value < 0.01, found.method
    (0.976, True, 'permuted')
    """
    scores = checked_scores(score_or_flag, "score_or_flag")
    if n_permutations < 1:
        raise ValueError(
            f"`n_permutations` must be at least 1. Received: {n_permutations}."
        )
    values = resampling.property_values(values, "values", len(scores))
    codes = resampling.system_codes(groups, len(scores))
    known = ~np.isnan(values)
    n_missing = int((~known).sum())
    scores, values = scores[known], values[known]
    # Numbered again, as systems without the property are gone.
    codes = np.unique(codes[known], return_inverse=True)[1]
    counts = len(scores), n_missing, len(np.unique(codes))
    # Two systems have one permutation besides the identity: nothing can be tested.
    if counts[2] < 3 or np.ptp(scores) == 0 or np.ptp(values) == 0:
        return Trend(*[float("nan")] * 4, *counts, "none")
    pair = np.stack([scores, values])
    rho = resampling.rank_correlations(pair, np.ones((1, len(scores))))[0, 0, 1]
    low = high = float("nan")
    if n_bootstrap:
        drawn = resampling.draws(codes, n_bootstrap, seed)
        found = [resampling.rank_correlations(pair, w)[:, 0, 1] for w in drawn]
        low, high = resampling.percentile_interval(np.concatenate(found))
    p_value, method = _rank_test(scores, values, codes, n_permutations, seed)
    return Trend(float(rho), float(low), float(high), p_value, *counts, method)


def _centered_ranks(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    # The middle of the ranks of tied values, less the mean rank.
    return (left + right - len(values)) / 2


def _rank_test(
    scores: np.ndarray, values: np.ndarray, codes: np.ndarray, repeats: int, seed: int
) -> tuple[float, str]:
    """Return the p-value of no association, and how it was found."""
    ranks = _centered_ranks(scores)
    first = np.unique(codes, return_index=True)[1]
    # Exchangeability holds between systems, never inside one.
    rng = np.random.default_rng(seed)
    if (values == values[first][codes]).all():
        # Ranks among systems: those among objects would depend on the systems' sizes.
        fixed = np.bincount(codes, ranks)
        moved, method = _centered_ranks(values[first]), "permuted"
    else:
        moved, method = np.ones(len(first)), "flipped"
        fixed = np.bincount(codes, ranks * _centered_ranks(values))
    truth, beyond = abs(moved @ fixed), 0
    chunk = max(1, resampling.CELLS // len(first))
    for start in range(0, repeats, chunk):
        shape = min(chunk, repeats - start), len(first)
        if method == "permuted":
            drawn = rng.permuted(np.broadcast_to(moved, shape), axis=1)
        else:
            drawn = rng.choice((-1.0, 1.0), shape)
        # The margin counts a permutation that differs from the truth by rounding.
        beyond += int((np.abs(drawn @ fixed) >= truth * (1 - 1e-12)).sum())
    return (1 + beyond) / (1 + repeats), method


def trends(
    scores: ArrayLike | Mapping[str, ArrayLike],
    properties: Mapping[str, ArrayLike] | Table,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_permutations: int = 2000,
    n_bootstrap: int = 1000,
) -> Table:
    """Test the trends of scores with several properties, all at once.

    Parameters
    ----------
    scores : array_like of shape (n,) or mapping of str to such
        Scores or flags, one or several by name.
    properties : Table or mapping of str to array_like of shape (n,)
        Numbers; objects without one are left out of its test and counted.
    groups : array_like of shape (n,), optional
        The system of each object.
    seed, n_permutations, n_bootstrap : int
        As in `trend`. At least 20 permutations for each property, or no adjusted
        p-value could fall below 0.05.

    Returns
    -------
    Table
        One row for each score and property, as given: score ("score" where only
        one was given without a name), property, rho, low, high, p_value,
        p_adjusted (Holm 1979, over the properties of one score), real (p_adjusted
        below 0.05), n, n_missing, n_groups, method.

    Raises
    ------
    ValueError
        As `trend`, with the name of the score or property; or if there is no
        property, or there are too few permutations for so many.

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> table = trends(x**2, {"stellar_mass": x, "redshift": np.sin(9 * x)})
    >>> table["real"].tolist()
    [True, False]
    """
    properties = resampling.named(properties)
    if _PER_PROPERTY * len(properties) > n_permutations:
        raise ValueError(
            f"`n_permutations` must be at least {_PER_PROPERTY} for each property. "
            f"Received: {n_permutations} for {len(properties)} properties."
        )
    # One score without a name.
    named = scores if isinstance(scores, Mapping) else {"score": scores}
    draw = {"n_permutations": n_permutations, "seed": seed, "n_bootstrap": n_bootstrap}
    rows = []
    for name, column in named.items():
        column = checked_scores(column, name)
        known = {
            key: resampling.property_values(values, key, len(column))
            for key, values in properties.items()
        }
        found = {key: trend(column, v, groups, **draw) for key, v in known.items()}
        # Over the properties of one score: each score is a study of its own.
        adjusted = resampling.holm([one.p_value for one in found.values()])
        for (key, one), p in zip(found.items(), adjusted, strict=True):
            head = {"score": name, "property": key, **vars(one)}
            rows.append({**head, "p_adjusted": p, "real": bool(p < _ALPHA)})
    table = Table(rows=rows, meta={"seed": seed, "n_permutations": n_permutations})
    return table[
        "score property rho low high p_value p_adjusted real".split()
        + "n n_missing n_groups method".split()
    ]


def drivers(
    scores: ArrayLike,
    properties: Mapping[str, ArrayLike] | Table,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Table:
    """Separate the effects of correlated properties on a score.

    Massive galaxies are large and bright, so each property alone seems to drive the
    score. The standardized coefficients of a linear regression of the score's ranks
    on the properties' ranks (Conover & Iman 1981, rank transformation) measure the
    effect of each with the others held fixed. Only monotonic, additive effects of
    the given properties are seen, and a coefficient does not prove a cause.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Scores, or true and false.
    properties : Table or mapping of str to array_like of shape (n,)
        Numbers; objects that lack any of them are left out and counted.
    groups : array_like of shape (n,), optional
        The system of each object, resampled whole.
    seed, n_bootstrap : int
        Random seed and number of the resamplings, 0 for no intervals (NaN).

    Returns
    -------
    Table
        One row a property, the largest coefficient first: property, coefficient
        (standard deviations of rank of the score for one of the property), low,
        high, rho, rho_low, rho_high (Spearman, the property alone, the same
        objects), vif (variance inflation factor: above about 10 the properties
        cannot be separated). ``meta`` holds n, n_missing, n_groups, r_squared.

    Raises
    ------
    ValueError
        If a score is NaN, lengths differ, fewer than two objects more than there
        are properties have them all, a property or the score does not vary, or one
        property follows from the ranks of the others.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.normal(size=400)
    >>> known = {"size": mass + rng.normal(size=400), "mass": mass}
    >>> drivers(mass + 0.3 * rng.normal(size=400), known)["property"].tolist()
    ['mass', 'size']
    """
    scores = checked_scores(scores, "scores")
    n_given = len(scores)
    named = {
        key: resampling.property_values(values, key, n_given)
        for key, values in resampling.named(properties).items()
    }
    columns = np.stack([scores, *named.values()])
    known = ~np.isnan(columns).any(axis=0)
    columns = columns[:, known]
    n = columns.shape[1]
    # Fewer objects leave no residual to estimate an error from.
    if n < len(columns) + 1:
        raise ValueError(
            f"{len(named)} `properties` need at least {len(columns) + 1} objects that "
            f"have them all. Received: {n} of {n_given}."
        )
    flat = np.ptp(columns, axis=1) == 0
    if flat.any():
        lost = np.array(["scores", *named])[flat]
        raise ValueError(
            "`scores` and each of `properties` must vary. Received: only one value of "
            f"{', '.join(lost)}."
        )
    codes = resampling.system_codes(groups, n_given)[known]
    full = resampling.rank_correlations(columns, np.ones((1, n)))
    inside = full[0, 1:, 1:]
    # Ranks of two properties may coincide where their values do not.
    if np.linalg.matrix_rank(inside) < len(named):
        raise ValueError(
            "`properties` must not follow from each other. Received: "
            f"{', '.join(named)}, of which one is a combination of the others' ranks."
        )
    (slope,) = _slopes(full)
    # Of (coefficient, Spearman's rho) and each property: the ends of the intervals.
    ends = np.full((2, 2, len(named)), np.nan)
    if n_bootstrap:
        both = []
        for weights in resampling.draws(codes, n_bootstrap, seed):
            found = resampling.rank_correlations(columns, weights)
            # A draw in which a property does not vary says nothing: left out.
            found = found[np.isfinite(found).all(axis=(1, 2))]
            both.append(np.stack([_slopes(found), found[:, 0, 1:]], axis=1))
        ends = resampling.percentile_interval(np.concatenate(both))
    table = Table({"property": list(named), "coefficient": slope})
    table["low"], table["high"] = ends[:, 0]
    table["rho"] = full[0, 0, 1:]
    table["rho_low"], table["rho_high"] = ends[:, 1]
    # The variance inflation factors are the diagonal of the inverse correlations.
    table["vif"] = np.diag(np.linalg.inv(inside))
    # The strongest effect first, whatever its sign.
    table = table[np.argsort(-np.abs(slope), kind="stable")]
    table.meta |= {"n": n, "n_missing": n_given - n}
    table.meta["n_groups"] = len(np.unique(codes))
    table.meta["r_squared"] = float(slope @ full[0, 0, 1:])
    return table


def _slopes(correlations: np.ndarray) -> np.ndarray:
    """Return standardized coefficients, for each correlation matrix, score first."""
    # A draw may be singular where the sample is not, hence the pseudo-inverse.
    inverse = np.linalg.pinv(correlations[:, 1:, 1:], hermitian=True)
    return (inverse @ correlations[:, 1:, :1])[:, :, 0]
