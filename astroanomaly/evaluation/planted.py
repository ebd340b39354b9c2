"""Which score of which detector finds planted, or labelled, anomalies."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.evaluation.resampling import draws, system_codes
from astroanomaly.evaluation.roc_auc import CELLS, Ranks, bootstrap_interval

__all__ = ["best_score", "what_finds"]

# The row over all kinds, each of which counts the same.
ALL = "all"


def what_finds(
    scores: Mapping[tuple[str, str], tuple[ArrayLike, ArrayLike]],
    kinds: ArrayLike,
    hosts: ArrayLike | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Table:
    """Compute how well each score separates each kind of anomaly.

    Parameters
    ----------
    scores : mapping
        By (detector, score): the scores of the ordinary objects and those of the
        anomalies, each in one order for all; higher = stranger.
    kinds : array_like of shape (n_anomalies,)
        The kind of each anomaly.
    hosts : array_like of shape (n_anomalies,), optional
        The object that an anomaly was planted in: those in the same object are drawn
        together. By default each is an object of its own.
    n_bootstrap : int, optional
        Resamplings; all scores share them.
    seed : int, optional
        Their seed.

    Returns
    -------
    Table
        `detector`, `score`, `kind`, `n_normal`, `n_anomalous`, `auc`, and `low` and
        `high`, its 95 per cent bootstrap interval. The kind "all" is the mean over the
        kinds.

    Raises
    ------
    ValueError
        If a score is NaN or there is none, or lengths differ.

    Examples
    --------
    >>> table = what_finds({("pca", "mse"): ([1, 2, 3, 4], [2.5, 5])}, ["a", "b"])
    >>> table["kind", "auc"].as_array().tolist()
    [('a', 0.5), ('b', 1.0), ('all', 0.75)]
    """
    kinds = np.asarray(kinds).astype(str)
    codes = system_codes(hosts, len(kinds), "hosts")
    checked = {}
    for name, (normal, anomalous) in scores.items():
        checked[name] = (
            checked_scores(normal, f"scores of {' '.join(name)}"),
            checked_scores(anomalous, f"scores of {' '.join(name)}"),
        )
        if len(checked[name][1]) != len(kinds) or not len(checked[name][0]):
            raise ValueError(
                f"`scores` must hold one score for each of the {len(kinds)} anomalies, "
                f"and some of ordinary objects. Received: {len(checked[name][1])} and "
                f"{len(checked[name][0])} of {' '.join(name)}."
            )
    if not checked or not len(kinds):
        raise ValueError(
            "`scores` must hold a score, and `kinds` an anomaly. Received: "
            f"{len(checked)} scores, {len(kinds)} anomalies."
        )
    n_normal = len(next(iter(checked.values()))[0])
    members = {kind: kinds == kind for kind in dict.fromkeys(kinds)}
    ranks, areas = {}, {}
    for name, (normal, anomalous) in checked.items():
        for kind, own in members.items():
            labels = np.arange(n_normal + own.sum()) >= n_normal
            ranks[name, kind] = Ranks(labels, np.concatenate([normal, anomalous[own]]))
    # First every object once, then the resamplings, as many at a time as memory holds.
    step = max(1, CELLS // max(n_normal, len(kinds)))
    sizes = [1] + [min(step, n_bootstrap - k) for k in range(0, n_bootstrap, step)]
    for part, size in enumerate(sizes):
        drawn = [np.ones((1, n_normal)), np.ones((1, len(kinds)))]
        if part:
            drawn = [
                next(draws(these, size, (seed, part, side)))
                for side, these in enumerate((np.arange(n_normal), codes))
            ]
        for (name, kind), own in ranks.items():
            # In a rare resampling no host of a kind is drawn: all then count the same.
            weights = np.maximum(drawn[1][:, members[kind]], 1e-12)
            areas.setdefault((name, kind), []).append(own.area(drawn[0], weights))
    found = {}
    for name in checked:
        found[name] = {kind: np.concatenate(areas[name, kind]) for kind in members}
        found[name][ALL] = np.mean(list(found[name].values()), axis=0)
    rows = [
        {
            "detector": detector,
            "score": score,
            "kind": kind,
            "n_normal": n_normal,
            "n_anomalous": len(kinds) if kind == ALL else int(members[kind].sum()),
            "auc": values[0],
            **dict(zip(("low", "high"), bootstrap_interval(values[1:]), strict=True)),
        }
        for (detector, score), by_kind in found.items()
        for kind, values in by_kind.items()
    ]
    return Table(rows=rows)


def best_score(table: Table, kinds: Sequence[str] = (ALL,)) -> tuple[str, str]:
    """Return the detector and the score with the largest mean area.

    Parameters
    ----------
    table : Table
        As :func:`what_finds` gives it. Of equal areas the first row wins.
    kinds : sequence of str, optional
        The kinds that count; those that the table lacks do not.

    Returns
    -------
    tuple of str
        Detector and score.

    Examples
    --------
    >>> scores = {("pca", "mse"): ([1, 2], [3]), ("pca", "peak"): ([1, 2], [0])}
    >>> best_score(what_finds(scores, ["a"]))
    ('pca', 'mse')
    """
    areas = {}
    for row in table[np.isin(np.asarray(table["kind"], str), list(kinds))]:
        name = str(row["detector"]), str(row["score"])
        areas.setdefault(name, []).append(float(row["auc"]))
    return max(areas, key=lambda name: np.mean(areas[name]))
