"""How far reviewers agree with one another, and with themselves."""

from itertools import combinations

import numpy as np
from astropy.table import Table
from sklearn.metrics import cohen_kappa_score

from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.review.labels import LABELS, LabelStore, class_of


def fleiss_kappa(counts: np.ndarray) -> float:
    """Return how far more than two reviewers agree beyond chance.

    Parameters
    ----------
    counts : ndarray of shape (n_objects, n_classes)
        How many reviewers put each object into each class; the same number of
        reviewers, at least two, for each object.

    Returns
    -------
    float
        Kappa of Fleiss (1971, Psychological Bulletin 76, 378), eq. 7: 1 where all
        agree, 0 by chance; NaN where all is one class or there is no object.

    Raises
    ------
    ValueError
        If the number of reviewers differs, or is below two.

    Examples
    --------
    >>> round(fleiss_kappa(np.array([[2, 0], [0, 2], [1, 1], [2, 0]])), 3)
    0.467
    """
    counts = np.asarray(counts, float)
    if not len(counts):
        return float("nan")
    reviewers = counts.sum(axis=1)
    if reviewers[0] < 2 or (reviewers != reviewers[0]).any():
        raise ValueError(
            "`counts` must have the same number of reviewers, at least 2, for each "
            f"object. Received: {int(reviewers.min())} to {int(reviewers.max())}."
        )
    m = reviewers[0]
    observed = ((counts**2).sum(axis=1) - m).mean() / (m * (m - 1))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    if chance == 1:
        return float("nan")
    return float((observed - chance) / (1 - chance))


def agreement(store: LabelStore) -> Table:
    """Compare the labels of all reviewers.

    Parameters
    ----------
    store : LabelStore
        The labels.

    Returns
    -------
    Table
        `measure`, `reviewers`, `n` (objects that all of them labelled), `agree` (the
        share with the same class) and `kappa` (NaN where it is not defined): a row
        "cohen" for each pair, a row "cohen, grades" (quadratic weights) for each pair
        that graded, and a row "fleiss" for all, where there are more than two. A grade
        without a label counts as its class: 4 and 5 interesting, 3 unsure, 1 and 2
        ordinary.

    Examples
    --------
    >>> store = LabelStore("labels.db")
    >>> for name in ("Ada", "Ben"):
    ...     _ = store.add("a", name, label="ordinary")
    ...     _ = store.add("b", name, label="interesting")
    >>> agreement(store)["kappa"].tolist()
    [1.0]
    """
    own = {
        name: {r["object_id"]: r for r in store.rows(name)} for name in store.reviewers
    }
    classes = {
        name: {k: class_of(r) for k, r in rows.items() if class_of(r)}
        for name, rows in own.items()
    }
    grades = {
        name: {k: r["grade"] for k, r in rows.items() if r["grade"]}
        for name, rows in own.items()
    }
    classes = {name: given for name, given in classes.items() if given}
    rows = []
    for measure, answers, weights in (
        ("cohen", classes, None),
        ("cohen, grades", grades, "quadratic"),
    ):
        for a, b in combinations(answers, 2):
            both = sorted(set(answers[a]) & set(answers[b]))
            pairs = [[answers[name][k] for k in both] for name in (a, b)]
            if not both and measure != "cohen":
                continue
            same, kappa = float("nan"), float("nan")
            if both:
                same = float(np.mean([x == y for x, y in zip(*pairs, strict=True)]))
                if len(set(pairs[0] + pairs[1])) > 1:
                    kappa = cohen_kappa_score(*pairs, weights=weights)
            rows.append((measure, f"{a}, {b}", len(both), same, float(kappa)))
    if len(classes) > 2:
        all_of_them = sorted(set.intersection(*map(set, classes.values())))
        counts = np.array(
            [
                [sum(c[k] == word for c in classes.values()) for word in LABELS]
                for k in all_of_them
            ]
        ).reshape(-1, len(LABELS))
        same = (
            float((counts.max(axis=1) == len(classes)).mean())
            if len(counts)
            else np.nan
        )
        kappa = fleiss_kappa(counts)
        rows.append(("fleiss", ", ".join(classes), len(counts), same, kappa))
    names = ("measure", "reviewers", "n", "agree", "kappa")
    return Table(
        rows=rows or None, names=names, dtype=("U16", "U256", int, float, float)
    )


def proportion(k: int, n: int) -> tuple[float, float, float]:
    """Return a share and its 95 per cent interval (Wilson); NaN, 0, 1 of nothing."""
    if not n:
        return float("nan"), 0.0, 1.0
    return k / n, *binomial_interval(k, n)


def check_of(store: LabelStore, reviewer: str) -> dict:
    """Report how a reviewer did on planted anomalies and on repeats.

    Parameters
    ----------
    store : LabelStore
        The labels.
    reviewer : str
        Whose.

    Returns
    -------
    dict
        "completeness": known anomalies that were called interesting, and
        "consistency": objects that got the same class when they came again; each with
        `k`, `n`, `share`, `low` and `high` (95 per cent, Wilson). An object passed
        over without a label counts in neither.
    """
    planted = [class_of(row) for row in store.rows(reviewer, "planted")]
    planted = [word for word in planted if word]
    first = {row["object_id"]: class_of(row) for row in store.rows(reviewer)}
    again = {row["object_id"]: class_of(row) for row in store.rows(reviewer, "repeat")}
    pairs = [(first[k], word) for k, word in again.items() if word and first.get(k)]
    found = {}
    for name, hits in (
        ("completeness", [word == "interesting" for word in planted]),
        ("consistency", [a == b for a, b in pairs]),
    ):
        share, low, high = proportion(sum(hits), len(hits))
        found[name] = {
            "k": sum(hits),
            "n": len(hits),
            "share": share,
            "low": low,
            "high": high,
        }
    return found
