"""How far two sets of objects are apart: interval, floor and p-value of a distance."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

FEWEST = 20


class SetDistance(NamedTuple):
    """What `compare` found, all NaN where there is no distance."""

    distance: float
    low: float
    high: float
    floor: float
    p_value: float


def compare(
    between: Callable | None,
    real: np.ndarray,
    generated: np.ndarray,
    n_bootstrap: int,
    n_splits: int,
    seed: int,
) -> SetDistance:
    """Return the distance between two sets, and what it is worth.

    Parameters
    ----------
    between : callable or None
        Gives the distance of any two arrays of rows.
    real, generated : ndarray of shape (n,)
        Rows of the two sets, no row in both.
    n_bootstrap : int
        Resamplings for the interval and relabelings for the p-value.
    n_splits : int
        Halvings of the real set for the floor.
    seed : int
        Seed of all of them.

    Returns
    -------
    SetDistance
        As `sample_statistics.sample_distance` explains it; interval and p-value are
        NaN where `n_bootstrap` is 0, everything where `between` is None or a set has
        fewer than 20 members.
    """
    if between is None or min(len(real), len(generated)) < FEWEST:
        return SetDistance(*[np.nan] * 5)
    rng = np.random.default_rng(seed)
    distance = between(real, generated)
    half = len(real) // 2
    ends = half, half + min(half, len(generated))
    splits = (np.split(rng.permutation(real), ends)[:2] for _ in range(n_splits))
    floor = np.mean([between(*split) for split in splits])
    drawn = [_drawn(between, real, generated, rng) for _ in range(n_bootstrap)]
    mixed = [_mixed(between, real, generated, rng) for _ in range(n_bootstrap)]
    if not n_bootstrap:
        return SetDistance(distance, np.nan, np.nan, floor, np.nan)
    # Resampling adds distance, so its lower quantile is no lower end of an interval:
    # near 0 that interval would never hold the truth. The upper one is reflected.
    high = np.quantile(drawn, 0.975)
    low = max(0.0, 2 * distance - high)
    # Counts the distance itself: Davison & Hinkley (1997), equation 4.11.
    beyond = np.sum(np.array(mixed) >= distance * (1 - 1e-12))
    return SetDistance(distance, low, high, floor, (1 + beyond) / (1 + n_bootstrap))


def _drawn(between, real, generated, rng) -> float:
    return between(*(rng.choice(rows, len(rows)) for rows in (real, generated)))


def _mixed(between, real, generated, rng) -> float:
    mixed = rng.permutation(np.concatenate([real, generated]))
    return between(*np.split(mixed, [len(real)]))
