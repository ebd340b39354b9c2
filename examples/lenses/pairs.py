"""Paired differences of areas: the published order, baselines, the ceiling."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import auc_difference
from lenses import headline, published
from lenses.samples import (
    N_BOOTSTRAP,
    NOTHING,
    PARTS,
    SECTORS,
    areas,
    joined,
    study,
    table_of,
)

# What every network is held against, besides the best baseline.
AGAINST = ("pca_60", "pca_300")
WEIGHED = (("pca", "orthogonal"),)


def ordering(out: Path, redshifts: str, scores: dict) -> Table:
    """Return paired differences of areas: the published order, and baselines.

    Parameters
    ----------
    out : Path
        The study's folder.
    redshifts : {"fixed", "varying"}
        The setting.
    scores : dict
        What `read_scores` returned.

    Returns
    -------
    Table
        kind ("order" of two published models by one score, "variant" of a published
        model and one of another setting, "baseline" of a network and a baseline,
        "ceiling" of the supervised network and a network), sector,
        left, left_score, right, right_score, difference, low, high, positive, and
        sure (the interval too). Baselines are those of `AGAINST` and the best one
        by the AUC of these same sets, which favors it.
    """
    record = study(out)
    whole = [name for name in scores if _complete(scores, name)]
    supervised = published.CEILING in scores
    rows = []
    for sector in PARTS:
        best = _best_baseline(scores, sector)
        for model in whole:
            for score in headline.main_scores(model, scores[model]["smooth"], record):
                pairs = [("baseline", model, score, *one) for one in best]
                if supervised:
                    top = published.CEILING, "supervised"
                    pairs.append(("ceiling", *top, model, score))
                before = _before(model)
                if before in whole and score in scores[before]["smooth"].colnames:
                    pairs.insert(0, ("order", model, score, before, score))
                for other in whole:
                    if model in published.MODELS and other.startswith(f"{model}_"):
                        pairs.append(("variant", model, score, other, score))
                for kind, *pair in pairs:
                    rows.append((kind, sector, *pair, *_paired(scores, sector, *pair)))
    names = "kind sector left left_score right right_score difference low high"
    table = table_of(rows, names)
    if len(table):
        table["positive"], table["sure"] = table["difference"] > 0, table["low"] > 0
    return table


def _complete(scores, model):
    known = published.kind(model) in ("published", "network")
    sets = scores[model]
    if not known or not all(name in sets for name in ("smooth", *SECTORS)):
        return False
    most = max(len(one["smooth"]) for one in scores.values() if "smooth" in one)
    return len(sets["smooth"]) == most


def _before(model):
    if model not in published.MODELS[1:]:
        return None
    return published.MODELS[published.MODELS.index(model) - 1]


def _best_baseline(scores, sector):
    found = {}
    for model, sets in scores.items():
        names = ("smooth", *PARTS[sector])
        if published.kind(model) == "baseline" and all(n in sets for n in names):
            parts = [sets[n] for n in names[1:]]
            for score, area in areas(sets["smooth"], parts, n_bootstrap=0).items():
                found[model, score] = area.value
    found = {pair: value for pair, value in found.items() if np.isfinite(value)}
    ranked = sorted(found, key=found.get, reverse=True)
    fixed = [pair for pair in ranked if pair[1] in AGAINST or pair in WEIGHED]
    return list(dict.fromkeys([*ranked[:1], *fixed]))


def _paired(scores, sector, left, left_score, right, right_score):
    pair = []
    for model, score in ((left, left_score), (right, right_score)):
        sets = scores[model]
        _same(sets, scores[left], sector)
        labels, found = joined(sets["smooth"], [sets[n] for n in PARTS[sector]])
        if score not in found or not np.isfinite(found[score]).all():
            return NOTHING
        pair.append(found[score])
    return auc_difference(labels, *pair, N_BOOTSTRAP)


def _same(sets, others, sector):
    """Refuse two models that scored other lenses, or in another order."""
    for name in ("smooth", *PARTS[sector]):
        if list(sets[name]["object_id"]) != list(others[name]["object_id"]):
            raise ValueError(f"The models did not score the same lenses of {name}.")
