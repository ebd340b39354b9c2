"""Ways of `train --model auto` to choose a detector by planted anomalies."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from astroanomaly.simulate.planted import KINDS, SOUGHT
from studies.quick_detectors.sets import ORDINARY

# What `auto` trains; with patches it would be one more.
GROUPS = ("pca", "profiles", "patches")
TRAINED = ("isolation_forest", "knn", "mahalanobis")
FIRST = KINDS[:4]
# Planted parts of a set are named after this and their kind.
PLANTED = "planted "


class Try(NamedTuple):
    """A way to choose: kinds that count, and what is compared."""

    words: str
    kinds: tuple[str, ...]
    # Planted objects are compared with the other half of the objects, not themselves.
    halves: bool = False
    more: bool = False  # bagged neighbors and Gaussians of patches are candidates too
    n: int = 1  # so many of the best are averaged by their ranks


TRIES = (
    Try("four kinds, two halves of the objects (as before)", FIRST, halves=True),
    Try("four kinds, the same objects with and without", FIRST),
    Try("all seven kinds", KINDS),
    Try("companions and bumps", ("companion", "bump")),
    Try("clumps and distortions", ("clump", "distortion")),
    Try("all but streaks and missing halves (`auto` now)", SOUGHT),
    Try("the same, two more detectors", SOUGHT, more=True),
    Try("the same, mean rank of the best two", SOUGHT, n=2),
)
NOW = next(k for k, one in enumerate(TRIES) if "now" in one.words)


def area(normal, anomalous) -> float:
    """Return an area under a ROC curve."""
    truth = np.arange(len(normal) + len(anomalous)) >= len(normal)
    return float(roc_auc_score(truth, np.concatenate([normal, anomalous])))


def candidates(scores: dict, more: bool) -> dict:
    """Return the scores of what `auto` may choose."""
    return {
        name: parts
        for name, parts in scores.items()
        if name[0] == "pca"
        or (name[0] == "profiles" and (more or name[1] in TRAINED))
        or (name[0] == "patches" and more)
    }


def chosen(scores: dict, one: Try, seed: int) -> list[tuple[str, str]]:
    """Return the best candidates of a way to choose, best first."""
    found = {}
    for name, parts in candidates(scores, one.more).items():
        rows = [np.arange(len(parts["choose"]))] * 2
        if one.halves:
            order = np.random.default_rng(seed).permutation(len(parts["choose"]))
            rows = order[len(order) // 2 :], order[: len(order) // 2]
        areas = [
            area(parts["choose"][rows[0]], parts[PLANTED + kind][rows[1]])
            for kind in one.kinds
        ]
        found[name] = np.mean(areas)
    # Of equals the first, as `auto` does it: `sorted` keeps their order.
    return sorted(found, key=found.get, reverse=True)[: one.n]


def found_by(scores: dict, names: list) -> dict[str, float]:
    """Return the area of each kind of anomaly by the mean rank of some scores."""
    kinds = [p for p in scores[names[0]] if not p.startswith(PLANTED) and p != "cost"]
    ordinary = len(scores[names[0]]["ordinary"])
    areas = {}
    for kind in (k for k in kinds if k not in ORDINARY):
        columns = [
            np.concatenate([scores[n]["ordinary"], scores[n][kind]]) for n in names
        ]
        # One score alone is its own rank.
        mean = np.mean([np.argsort(np.argsort(c)) for c in columns], axis=0)
        mean = columns[0] if len(names) == 1 else mean
        areas[kind] = area(mean[:ordinary], mean[ordinary:])
    return areas
