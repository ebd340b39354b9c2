"""Bootstrap over systems, rank correlations, adjusted p-values and bins.

Projections of one galaxy, or snapshots of one pair at several times, are not
independent objects: they belong to one *system*, and systems are drawn, permuted and
counted as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Column, Table
from numpy.typing import ArrayLike

from astroanomaly.evaluation.roc_auc import CELLS, binomial_interval
from astroanomaly.tables.columns import is_missing
from astroanomaly.tables.join import bin_masks

# Default number of bins of a property: few, so that each holds enough objects.
QUARTILES = 4


def _one_each(values: ArrayLike, name: str, n: int) -> np.ma.MaskedArray:
    column = np.ma.asarray(values)
    if column.shape != (n,):
        raise ValueError(
            f"`{name}` must have one value for each of the {n} scores. "
            f"Received: shape {column.shape}."
        )
    return column


def property_values(values: ArrayLike, name: str, n: int) -> np.ndarray:
    """Return a property as float64, NaN where it is missing."""
    column = _one_each(values, name, n)
    if column.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers. Received: {column.dtype}.")
    numbers = np.ma.filled(column.astype(np.float64), np.nan)
    if np.isinf(numbers).any():
        raise ValueError(
            f"`{name}` must be finite, or NaN where it is missing. "
            f"Received: {int(np.isinf(numbers).sum())} infinite values."
        )
    return numbers


def named(properties: Mapping[str, ArrayLike] | Table) -> dict[str, ArrayLike]:
    """Return the columns of a table or a mapping by name; raise if there are none."""
    names = getattr(properties, "colnames", properties)
    found = {str(name): properties[name] for name in names}
    if not found:
        raise ValueError(
            "`properties` must hold at least one property. Received: none."
        )
    return found


def system_codes(groups: ArrayLike | None, n: int, name: str = "groups") -> np.ndarray:
    """Return the number of each object's system, from 0; None makes n systems."""
    if groups is None:
        return np.arange(n)
    column = np.ma.asarray(groups)
    if column.shape != (n,):
        raise ValueError(
            f"`{name}` must name the system of each of the {n} objects. "
            f"Received: shape {column.shape}."
        )
    if lost := int(is_missing(column).sum()):
        raise ValueError(
            f"`{name}` must name the system of every object. "
            f"Received: {lost} of {n} objects without one."
        )
    data = np.ma.getdata(column)
    # numpy cannot sort a mixture of words and numbers.
    data = data.astype(str) if data.dtype.kind == "O" else data
    return np.unique(data, return_inverse=True)[1]


def one_per_system(codes: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows of one object of each system, drawn at random, ascending."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    return np.sort(shuffled[np.unique(codes[shuffled], return_index=True)[1]])


def draws(codes: np.ndarray, n_repeats: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each object is drawn when systems are resampled whole.

    The arrays have shape (repeats, n) and together hold `n_repeats` repeats; each is
    small enough for the memory.
    """
    # Codes of a part of the objects have gaps, which would be drawn as empty systems.
    codes = np.unique(codes, return_inverse=True)[1]
    n = int(codes.max()) + 1
    rng, chunk = np.random.default_rng(seed), max(1, CELLS // len(codes))
    for start in range(0, n_repeats, chunk):
        repeats = min(chunk, n_repeats - start)
        yield rng.multinomial(n, np.full(n, 1 / n), repeats)[:, codes].astype(float)


class ClusteredRates(NamedTuple):
    """Intervals of rates whose objects share systems, one element a rate."""

    low: np.ndarray
    high: np.ndarray
    design_effect: np.ndarray


def clustered_rates(
    flagged: np.ndarray, codes: np.ndarray, n_repeats: int, seed: int
) -> ClusteredRates:
    """Return bootstrap intervals of rates over systems, and design effects.

    `flagged` holds 0 and 1, one column a rate; `codes` the system of each row. Low and
    high are the 2.5 and 97.5 per cent quantiles. The design effect is the variance of
    the rate (linearized ratio estimator, Cochran 1977, section 9A) over that of n
    independent objects, between 1 and its value for systems whose members all agree.
    All are NaN where there are fewer than two systems.
    """
    k = flagged.shape[1]
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    # One system has no spread between systems.
    if len(sizes) < 2:
        return ClusteredRates(*np.full((3, k), np.nan))
    n, n_sys, rate = len(flagged), len(sizes), flagged.mean(axis=0)
    rates = [
        w @ flagged / w.sum(axis=1)[:, None] for w in draws(codes, n_repeats, seed)
    ]
    low, high = np.percentile(np.concatenate(rates), (2.5, 97.5), axis=0)
    # Where none or all are flagged a bootstrap has no width: Wilson's interval that
    # counts each system once takes its place.
    flat = (rate == 0) | (rate == 1)
    whole = binomial_interval(np.where(rate == 1, n_sys, 0), np.full(k, n_sys))
    low, high = np.where(flat, whole, (low, high))
    sums = np.zeros((int(codes.max()) + 1, k))
    np.add.at(sums, codes, flagged - rate)
    variance = n_sys / (n_sys - 1) * (sums**2).sum(axis=0) / n**2
    # Where all members agree: the size of a system, if all are of one size.
    largest = float((sizes**2).sum() / n)
    # Flat columns keep this largest value.
    effect = np.full(k, largest)
    np.divide(variance * n, rate * (1 - rate), out=effect, where=~flat)
    return ClusteredRates(low, high, np.clip(effect, 1.0, largest))


def rank_correlations(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation matrix of columns (k, n) for each row of weights.

    An object drawn w times counts as w tied objects: the ranks are made anew in each
    draw, as if the bootstrap sample were written out. NaN where a column does not vary
    in a draw.
    """
    total = weights.sum(axis=1)
    ranks = np.empty((len(weights), *columns.shape))
    for k, column in enumerate(columns):
        # Mid-ranks of the drawn objects: numbers drawn below and up to each value.
        order = np.argsort(column, kind="stable")
        below = np.zeros((len(weights), len(column) + 1))
        np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
        ends = (np.searchsorted(column[order], column, s) for s in ("left", "right"))
        ranks[:, k] = sum(below[:, end] for end in ends) / 2 - total[:, None] / 2
    products = (ranks * weights[:, None]) @ ranks.transpose(0, 2, 1)
    # The mean rank is half the total, so these are central moments already.
    moments = np.diagonal(products, axis1=1, axis2=2)
    scale = np.sqrt(moments[:, :, None] * moments[:, None, :])
    return products / np.where(scale > 0, scale, np.nan)


def percentile_interval(values: np.ndarray) -> np.ndarray:
    """Return the 2.5 and 97.5 per cent quantiles over the first axis, NaN left out."""
    flat = values.reshape(len(values), -1)
    ends = np.full((2, flat.shape[1]), np.nan)
    # np.nanpercentile warns about columns that are all NaN.
    for k, column in enumerate(flat.T):
        known = column[~np.isnan(column)]
        if len(known):
            ends[:, k] = np.percentile(known, (2.5, 97.5))
    return ends.reshape(2, *values.shape[1:])


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return Holm's (1979) adjusted p-values; NaN stays NaN and is not counted.

    The k-th smallest of m is multiplied by m + 1 - k, cut at 1 and never below the
    one before it: rejecting those at most alpha makes one or more errors with
    probability at most alpha, whatever the dependence.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    # scipy adjusts for false discovery rates only, a weaker promise than Holm's.
    adjusted = np.full(p_values.shape, np.nan)
    order = np.argsort(p_values)[: int((~np.isnan(p_values)).sum())]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def quantile_bins(values: ArrayLike, n: int) -> np.ndarray:
    """Return the edges of bins that hold about equally many objects.

    Parameters
    ----------
    values : array_like of shape (m,)
        A property; masked, NaN and infinite values are left out.
    n : int
        Number of bins.

    Returns
    -------
    ndarray of shape (n + 1,)
        Rising edges from the least to the greatest value; fewer where quantiles
        coincide.

    Raises
    ------
    ValueError
        If n is below 1 or fewer than two different values are finite.

    Examples
    --------
    >>> quantile_bins([0, 1, 2, 3, 4, np.nan], 2).tolist()
    [0.0, 2.0, 4.0]
    """
    values = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    finite = values[np.isfinite(values)]
    if n < 1 or not len(finite):
        raise ValueError(
            "Quantile bins need at least one bin and one finite value. "
            f"Received: `n` {n} and {len(finite)} finite values."
        )
    # Quantiles of many equal values coincide.
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, n + 1)))
    if len(edges) < 2:
        raise ValueError(
            f"`values` must differ to be divided into bins. Received: only {edges[0]}."
        )
    return edges


class Bin(NamedTuple):
    """The members of one bin of a property, its edges and its typical value."""

    name: str
    low_edge: float
    high_edge: float
    value: float
    members: np.ndarray


def binned(
    values: ArrayLike, bins: Sequence | int | None, n: int, name: str = "values"
) -> tuple[list[Bin], dict[str, int]]:
    """Return the bins of a property, and the counts n_missing and n_outside.

    `values` are numbers or words, missing where masked, NaN or empty. `bins` are rising
    edges or a number of quantile bins; for words the categories, None for all. Edges
    and value, the median of the members, are NaN for words.
    """
    column = _one_each(values, name, n)
    missing, numeric = is_missing(column), column.dtype.kind in "iuf"
    if missing.all():
        raise ValueError(f"`{name}` must not all be missing. Received: {n} missing.")
    # Words have no order to make quantiles from.
    if numeric and np.ndim(bins) == 0:
        bins = quantile_bins(column, QUARTILES if bins is None else bins)
    masks = bin_masks(Column(column, name=name), bins, ~missing)
    inside = np.any(list(masks.values()), axis=0)
    pairs = np.full((len(masks), 2), np.nan)
    if numeric:
        pairs = np.stack([np.asarray(bins, float)[:-1], np.asarray(bins, float)[1:]], 1)
    found = []
    for (key, members), (low, high) in zip(masks.items(), pairs, strict=True):
        # Words have no median, and neither has an empty bin.
        known = numeric and members.any()
        value = float(np.median(np.ma.getdata(column)[members])) if known else np.nan
        found.append(Bin(key, float(low), float(high), value, members))
    lost = int(missing.sum())
    return found, {"n_missing": lost, "n_outside": int((~inside).sum()) - lost}
