"""Finders beside detectors: areas, recall at equal false alarms, differences."""

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.classifier.counts import rate
from astroanomaly.evaluation.roc_auc import auc_difference, aucs
from finders import headline, shown
from finders.samples import Run

N_BOOTSTRAP = 1000
LENSES = ("test", "arcs", "rings")


def recall_at(
    lenses: np.ndarray, others: np.ndarray, false_rate: float
) -> tuple[int, float]:
    """Return how many lenses lie above the threshold of a false-positive rate.

    Parameters
    ----------
    lenses, others : ndarray
        Scores of lenses and of non-lenses.
    false_rate : float
        Share of the non-lenses that may lie above the threshold.

    Returns
    -------
    n : int
        Lenses above it.
    threshold : float
        The lowest score that at most this share of the non-lenses exceed.
    """
    k = int(np.floor(false_rate * len(others) + 1e-9))
    if k >= len(others):
        return len(lenses), -np.inf
    threshold = float(np.sort(others)[::-1][k])
    return int((lenses > threshold).sum()), threshold


def _scores(run: Run) -> dict[tuple, dict[str, np.ndarray]]:
    """Return all that ranks: (kind, name, score), then by set."""
    found = {("finder", *entry.key): entry.logits for entry in run.entries}
    for (name, score), sets in run.detectors.items():
        if all(known in sets for known in LENSES):
            kind = "floor" if name == shown.FLOOR else "detector"
            found[(kind, name, score)] = sets
    return found


def own_rate(run: Run) -> float:
    """Return the false-positive rate of the study's finder at 0.5, on the test set."""
    entry = headline.chosen(run)
    if entry is None:
        return float("nan")
    return float((entry.p("test")[~run.labels("test")] >= 0.5).mean())


def area_table(run: Run) -> Table:
    """Return finders, detectors and the floor on the same sets.

    Parameters
    ----------
    run : Run
        A study.

    Returns
    -------
    Table
        kind ("finder", "detector", "floor"), name, score (of a finder the member),
        set (test, arcs, rings; the non-lenses are always the test set's), auc, low,
        high, n_lenses, n_negatives, own_rate (false positives of the study's finder
        at 0.5), and the lenses above the threshold of that rate (recall_own) and of
        five per cent (recall_five), each with _low and _high.
    """
    if not run.entries:
        return Table()
    rows, own, every = [], own_rate(run), _scores(run)
    truth = run.labels("test")
    for name in LENSES:
        parts = {key: _parts(sets, name, truth) for key, sets in every.items()}
        n = [len(part) for part in next(iter(parts.values()))]
        labels = np.repeat([True, False], n)
        joined = {key: np.concatenate(part) for key, part in parts.items()}
        areas = aucs(labels, joined, N_BOOTSTRAP)
        for key, (lenses, others) in parts.items():
            told = [rate(recall_at(lenses, others, f)[0], n[0]) for f in _rates(own)]
            recalls = [value for one in told for value in one]
            rows.append((*key, name, *areas[key][:3], *n, own, *recalls))
    names = "kind name score set auc low high n_lenses n_negatives own_rate"
    names += " recall_own recall_own_low recall_own_high"
    names += " recall_five recall_five_low recall_five_high"
    return Table(rows=rows, names=names.split())


def _rates(own: float) -> tuple[float, float]:
    return own, shown.FIVE


def _parts(sets, name, truth) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of a set's lenses and of the test set's non-lenses."""
    lenses = sets["test"][truth] if name == "test" else sets[name]
    return lenses, sets["test"][~truth]


def versus_table(run: Run) -> Table:
    """Return the AUC of the study's finder less that of everything else.

    Parameters
    ----------
    run : Run
        A study.

    Returns
    -------
    Table
        kind, name, score, set, difference, low, high: paired bootstrap over frames,
        above zero where the finder is better.
    """
    entry = headline.chosen(run)
    if entry is None:
        return Table()
    rows, truth = [], run.labels("test")
    for key, sets in _scores(run).items():
        if key[0] == "finder" and key[1:] == entry.key:
            continue
        for name in LENSES:
            ours, theirs = (_parts(s, name, truth) for s in (entry.logits, sets))
            labels = np.repeat([True, False], [len(part) for part in ours])
            pair = (np.concatenate(part) for part in (ours, theirs))
            rows.append((*key, name, *auc_difference(labels, *pair, N_BOOTSTRAP)))
    names = "kind name score set difference low high"
    return Table(rows=rows, names=names.split()) if rows else Table()
