"""Table 1 of the lens-finder reference, and what keeps its recall honest."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.evaluation.classifier.counts import (
    Rate,
    checked_probabilities,
    checked_sets,
    checked_share,
    checked_threshold,
    difference,
    f1,
    purities,
    rate,
)

# Poster of Wilde et al. (2022, arXiv:2202.12776), table 1.
PUBLISHED_SETS = {
    "single train": (0.547, 0.436),
    "single test": (0.580, 0.473),
    "compound arcs": (0.857, 0.751),
    "compound rings": (0.715, 0.557),
    "real lenses": (1.0, 1.0),
}
_TYPES = {
    "set": str,
    "n_lenses": int,
    "n_found": int,
    "n_negatives": int,
    "n_false": int,
    "own_negatives": bool,
    **{
        f"{name}{end}": float
        for name in ("f1", "recall", "precision", "false_positive_rate", "excess")
        for end in ("", "_low", "_high")
    },
    "lens_fraction": float,
    "published_f1": float,
    "published_recall": float,
}


def set_table(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
    threshold: float = 0.5,
    *,
    negatives: str | ArrayLike | None = None,
    lens_fraction: float = 0.5,
    published: Mapping[str, tuple[float, float]] = PUBLISHED_SETS,
) -> Table:
    """Return F1 and recall of each data set, and the false alarms beside them.

    Table 1 of the reference (Wilde et al. 2022, arXiv:2202.12776, and its poster).
    A set of lenses alone has no false positives by construction: its precision is
    1 whatever the finder does and its F1 is ``2 recall / (1 + recall)``, as the
    reference counts it. A finder that says "lens" to everything has F1 = 1 there.
    The precision of such a set is therefore taken against `negatives`.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set by its name: probabilities of shape (n,) and labels of shape (n,),
        1 for lenses, or None where all objects are lenses.
    threshold : float
        Objects at or above it are called lenses.
    negatives : str or array_like of shape (m,), optional
        What sets of lenses are held against: the name of a set with labels, for
        its non-lenses, or the probabilities of non-lenses.
    lens_fraction : float
        Share of lenses for which sets of lenses get their precision; one half
        mixes as many lenses as negatives.
    published : mapping of str to (F1, recall)
        Published numbers by the name of the set; case, spaces, hyphens and
        underscores do not count in comparing names.

    Returns
    -------
    Table
        One row a set, in order: set, n_lenses, n_found, n_negatives, n_false (how
        many of them are called lenses), own_negatives (whether they are of this
        set), f1, recall, precision, false_positive_rate, each with _low and _high
        (95 per cent), lens_fraction (for which precision holds), excess = recall
        less false-positive rate (Newcombe's interval), published_f1,
        published_recall. NaN where there is nothing to count. ``meta["notes"]``
        holds a sentence a set, see `trivial_recall`.

    Raises
    ------
    ValueError
        If there is no set, one has labels of one class, `negatives` names no set
        with labels, or as `metrics_at`.

    Examples
    --------
    >>> outputs = {"single test": ([0.9, 0.2, 0.8, 0.1], [1, 1, 0, 0])}
    >>> outputs["compound arcs"] = [0.9, 0.8, 0.7, 0.3], None
    >>> table = set_table(outputs, negatives="single test")
    >>> table["recall", "false_positive_rate"].as_array().tolist()
    [(0.5, 0.5), (0.75, 0.5)]
    """
    threshold = checked_threshold(threshold)
    checked_share(lens_fraction, "lens_fraction")
    sets = checked_sets(outputs)
    counts = {name: _counts(*pair, threshold) for name, pair in sets.items()}
    beside = _beside(counts, negatives, threshold)
    known = {_key(name): tuple(map(float, pair)) for name, pair in published.items()}
    rows, notes = [], []
    for name, (found, lenses, false, total) in counts.items():
        own = total > 0
        false, total = (false, total) if own else beside
        rows.append(
            (name, lenses, found, total, false, own)
            + _set_rates((found, lenses, false, total), own, lens_fraction)
            + known.get(_key(name), (np.nan, np.nan))
        )
        notes.append(trivial_recall(name, found, lenses, false, total))
    table = Table(rows=rows, names=list(_TYPES), dtype=list(_TYPES.values()))
    table.meta.update(threshold=threshold, notes=notes)
    if not table["own_negatives"].all():
        notes.append(
            "F1 of a set of lenses alone is 2 recall / (1 + recall): it knows no "
            "false alarm."
        )
    return table


def _key(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-")


def _counts(
    values: np.ndarray, truth: np.ndarray | None, threshold: float
) -> tuple[int, int, int, int]:
    # Lenses found, lenses, non-lenses called lenses, non-lenses.
    flagged = values >= threshold
    if truth is None:
        return int(flagged.sum()), len(flagged), 0, 0
    found, false = int((flagged & truth).sum()), int((flagged & ~truth).sum())
    return found, int(truth.sum()), false, int((~truth).sum())


def _beside(
    counts: Mapping[str, tuple[int, int, int, int]],
    negatives: str | ArrayLike | None,
    threshold: float,
) -> tuple[int, int]:
    # Non-lenses called lenses, and non-lenses, for the sets that have none.
    if negatives is None:
        return 0, 0
    if not isinstance(negatives, str):
        values = checked_probabilities(negatives, "negatives")
        return int((values >= threshold).sum()), len(values)
    known = [name for name, count in counts.items() if count[3]]
    if negatives not in known:
        raise ValueError(
            "`negatives` must name a set with labels, or be probabilities. "
            f"Received: {negatives!r}; sets with labels are {known}."
        )
    return counts[negatives][2:]


def _set_rates(
    counts: tuple[int, int, int, int], own: bool, lens_fraction: float
) -> tuple[float, ...]:
    found, lenses, false, total = counts
    recall, false_rate = rate(found, lenses), rate(false, total)
    share = None if own else lens_fraction
    nothing = Rate(*[float("nan")] * 3)
    precision = nothing
    if total:
        precision = Rate(*map(float, purities(found, lenses, false, total, share)))
    score = f1(found, false if own else 0, lenses - found)
    excess = difference(recall, false_rate) if total else nothing
    mixed = lenses / (lenses + total) if own else lens_fraction
    return (*score, *recall, *precision, *false_rate, *excess, mixed)


def trivial_recall(
    name: str, n_found: int, n_lenses: int, n_false: int, n_negatives: int
) -> str:
    """Say in a sentence whether recall is more than a habit of saying "lens".

    A finder that calls any share of all objects lenses, blindly, finds the same
    share of the lenses. Only recall above the share of non-lenses called lenses
    shows that it tells them apart.

    Parameters
    ----------
    name : str
        What the lenses are.
    n_found, n_lenses : int
        Lenses called lenses, and all of them.
    n_false, n_negatives : int
        Non-lenses called lenses, and all of them; 0 of 0 where none were tried.

    Returns
    -------
    str
        Recall, false-positive rate, their difference with its 95 per cent interval
        (Newcombe 1998), and what follows.

    Raises
    ------
    ValueError
        If a count is negative or more are found than there are, or there is no
        lens.

    Examples
    --------
    >>> print(trivial_recall("rings", 52, 100, 50, 100))
    rings: 52 of 100 lenses are found (52.0%) and 50 of 100 non-lenses called \
lenses (50.0%). The difference, +2.0 points (-11.6 to +15.5), may be nothing: \
calling objects lenses at random would do as well.
    """
    if n_lenses < 1:
        raise ValueError(f"`n_lenses` must be at least 1. Received: {n_lenses}.")
    found, false = rate(n_found, n_lenses), rate(n_false, n_negatives)
    head = f"{name}: {n_found} of {n_lenses} lenses are found ({found.value:.1%})"
    if not n_negatives:
        return (
            f"{head}, with no non-lens beside them: calling everything a lens would "
            "find them all."
        )
    excess = [100 * end for end in difference(found, false)]
    span = "{:+.1f} points ({:+.1f} to {:+.1f})".format(*excess)
    head += f" and {n_false} of {n_negatives} non-lenses called lenses"
    head += f" ({false.value:.1%}). The difference, {span}, "
    if excess[1] > 0:
        return f"{head}is the finder's own."
    if excess[2] < 0:
        return f"{head}is the wrong way round: non-lenses are preferred to these."
    return f"{head}may be nothing: calling objects lenses at random would do as well."
