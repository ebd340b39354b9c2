"""What drives a score when the properties of the objects are correlated."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.evaluation import resampling


def drivers(
    scores: ArrayLike,
    properties: Mapping[str, ArrayLike] | Table,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Table:
    """Tell which of several correlated properties a score runs with.

    Massive galaxies are large and bright: each property alone then seems to drive
    the score. The standardized coefficients of a linear regression of the score's
    ranks on the properties' ranks say what each adds when the others are held
    fixed (Conover & Iman 1981, rank transformation). It sees monotonic and
    additive effects and none but those of the properties given; it is no proof of
    cause.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Scores, or true and false.
    properties : Table or mapping of str to array_like of shape (n,)
        Numbers; an object that lacks any of them is left out and counted.
    groups : array_like of shape (n,), optional
        The system of each object, resampled whole.
    seed : int
        Seed of the bootstrap.
    n_bootstrap : int
        Number of resamplings; 0 leaves the intervals NaN.

    Returns
    -------
    Table
        One row a property, the largest coefficient first: property, coefficient
        (standard deviations of rank of the score for one of the property), low,
        high, rho, rho_low, rho_high (Spearman, the property alone, the same
        objects), vif (variance inflation factor: above about 10 the properties
        cannot be told apart). ``meta`` holds n, n_missing, n_groups, r_squared.

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
    scores = resampling.vector(scores, "scores")
    names, columns, codes = _complete(scores, resampling.named(properties), groups)
    ones = np.ones((1, columns.shape[1]))
    full = resampling.rank_correlations(columns, ones)
    inside = full[0, 1:, 1:]
    if np.linalg.matrix_rank(inside) < len(names):
        raise ValueError(
            "`properties` must not follow from each other. Received: "
            f"{', '.join(names)}, of which one is a combination of the others' ranks."
        )
    (slope,), inflation = _slopes(full), np.diag(np.linalg.inv(inside))
    ends = _driver_ends(columns, codes, n_bootstrap, seed)
    table = Table({"property": names, "coefficient": slope})
    table["low"], table["high"] = ends[:, 0]
    table["rho"] = full[0, 0, 1:]
    table["rho_low"], table["rho_high"] = ends[:, 1]
    table["vif"] = inflation
    table = table[np.argsort(-np.abs(slope), kind="stable")]
    n = columns.shape[1]
    table.meta |= {"n": n, "n_missing": len(scores) - n}
    table.meta["n_groups"] = resampling.n_systems(codes)
    table.meta["r_squared"] = float(slope @ full[0, 0, 1:])
    return table


def _complete(
    scores: np.ndarray, properties: dict[str, ArrayLike], groups: ArrayLike | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    # Names, the columns (score first) of the objects that have all, their systems.
    named = {
        key: resampling.property_values(values, key, len(scores))
        for key, values in properties.items()
    }
    columns = np.stack([scores, *named.values()])
    known = ~np.isnan(columns).any(axis=0)
    columns = columns[:, known]
    if columns.shape[1] < len(columns) + 1:
        raise ValueError(
            f"{len(named)} properties need at least {len(columns) + 1} objects that "
            f"have them all. Received: {columns.shape[1]} of {len(scores)}."
        )
    flat = np.ptp(columns, axis=1) == 0
    if flat.any():
        lost = np.array(["scores", *named])[flat]
        raise ValueError(
            f"The score and each property must vary. Received: only one value of "
            f"{', '.join(lost)}."
        )
    return list(named), columns, resampling.system_codes(groups, len(scores))[known]


def _slopes(correlations: np.ndarray) -> np.ndarray:
    inverse = np.linalg.pinv(correlations[:, 1:, 1:], hermitian=True)
    return (inverse @ correlations[:, 1:, :1])[:, :, 0]


def _driver_ends(
    columns: np.ndarray, codes: np.ndarray, n_bootstrap: int, seed: int
) -> np.ndarray:
    # Ends, of (coefficients, Spearman), of each property: (2, 2, k).
    if not n_bootstrap:
        return np.full((2, 2, len(columns) - 1), np.nan)
    both = []
    for weights in resampling.draws(codes, n_bootstrap, seed):
        found = resampling.rank_correlations(columns, weights)
        # A property may not vary in a draw: that draw says nothing.
        found = found[np.isfinite(found).all(axis=(1, 2))]
        both.append(np.stack([_slopes(found), found[:, 0, 1:]], axis=1))
    return resampling.percentile_interval(np.concatenate(both))
