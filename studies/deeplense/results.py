"""Results of the study: areas, differences and rates, from its scores."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import evaluation
from astroanomaly.calibration import required_size
from astroanomaly.evaluation.roc_auc import AUC, aucs
from studies.deeplense import names
from studies.deeplense.scores import DETECTOR
from studies.tables import NOTHING, stacked, table_of, those

OWN = DETECTOR["score"]
BOTH = ["subhalos", "vortex"]
PARTS = {"subhalos": ["subhalos"], "vortex": ["vortex"], "both": BOTH}
SETS = ("train", "labelled", "calibration", "smooth", *BOTH)
N_BOOTSTRAP = 1000
LEVELS = (90, 95, 99)
# The baselines that every network is compared with, besides the best one.
AGAINST = {("baselines", "pca_60"), ("baselines", "pca_300"), ("pca", "orthogonal")}
# Percentiles of the calibration scores, as in the source paper.
RULE = "percentile"


def measured(out: Path) -> dict[str, Table]:
    """Return all results of a run by name; a table is empty where it has nothing."""
    scores = {redshifts: read_scores(out, redshifts) for redshifts in names.REDSHIFTS}
    found = {
        "areas": {r: area_table(one) for r, one in scores.items()},
        "differences": {r: difference_table(one) for r, one in scores.items()},
        "rates": {r: rate_table(one) for r, one in scores.items()},
        "sets": {r: set_table(out, r) for r in scores},
        "training": {r: training_table(out, r) for r in scores},
    }
    return {name: stacked(parts, "redshifts") for name, parts in found.items()}


def read_scores(out: Path, redshifts: str) -> dict[str, dict[str, Table]]:
    """Return the scores of a setting, by model and set."""
    folder = Path(out) / redshifts / "scores"
    models = [path.name for path in folder.glob("*") if path.is_dir()]
    return {
        model: {
            path.stem: Table.read(path, format="ascii.ecsv")
            for path in sorted((folder / model).glob("*.ecsv"))
        }
        for model in names.ordered(models)
    }


def catalog(out: Path, redshifts: str, name: str) -> Table:
    """Return a set's truth; empty where the run no longer has it."""
    path = Path(out) / "sets" / f"{redshifts}_{name}" / "catalog.ecsv"
    return Table.read(path, format="ascii.ecsv") if path.is_file() else Table()


def columns(table: Table) -> dict[str, np.ndarray]:
    """Return the scores of a table by name."""
    scores = [name for name in table.colnames if name != "object_id"]
    return {name: np.asarray(table[name], float) for name in scores}


def of_kind(table: Table, *wanted: str) -> Table:
    """Return the rows of models of some kinds."""
    return those(table, lambda row: names.kind(row["model"]) in wanted)


def networks(areas: Table) -> Table:
    """Return the rows of unsupervised networks that scored whole test sets."""
    if not len(areas):
        return areas
    whole = areas[areas["n_normal"] == areas["n_normal"].max()]
    return of_kind(whole, "published", "network")


def best(areas: Table):
    """Return the row of the highest AUC, or None."""
    areas = areas[np.isfinite(areas["auc"])] if len(areas) else areas
    return areas[int(np.argmax(areas["auc"]))] if len(areas) else None


def main_scores(model: str, table: Table) -> list[str]:
    """Return the detector's score and the published error; without a detector, all."""
    found = list(columns(table))
    if names.single(model):
        return found
    return [name for name in (OWN, "mse") if name in found] or found[:1]


def joined(sets: dict, parts=BOTH, smooth="smooth") -> tuple[np.ndarray, dict]:
    """Return labels (True with substructure) and scores by name, set after set."""
    found = [columns(sets[name]) for name in (smooth, *parts)]
    sizes = [len(sets[name]) for name in (smooth, *parts)]
    labels = np.repeat([False] + [True] * len(parts), sizes)
    return labels, {k: np.concatenate([one[k] for one in found]) for k in found[0]}


def areas(
    sets: dict, parts, smooth="smooth", wanted=None, n_bootstrap: int = N_BOOTSTRAP
) -> dict[str, AUC]:
    """Return the AUC of each score; NaN where a score is not finite somewhere."""
    labels, found = joined(sets, parts, smooth)
    wanted = [name for name in wanted or found if name in found]
    nothing = AUC(*NOTHING, int((~labels).sum()), int(labels.sum()))
    fine = {k: found[k] for k in wanted if np.isfinite(found[k]).all()}
    known = aucs(labels, fine, n_bootstrap) if fine else {}
    return {name: known.get(name, nothing) for name in wanted}


def comparisons(sets) -> list[tuple]:
    """Return (what, sector, step, smooth set, sets with substructure), from names.

    The step is the mass fraction in per cent or the exposure time. Sets along the
    exposure are compared with smooth lenses of their own exposure.
    """
    found = [("main", sector, 1.0, "smooth", parts) for sector, parts in PARTS.items()]
    for name in sets:
        sector, _, rest = name.partition("_")
        if sector not in PARTS or not rest:
            continue
        if rest == "exchanged":
            found.append(("exchanged", sector, 1.0, "smooth", [name]))
        elif rest.startswith("x"):
            smooth = f"smooth_{rest}"
            found.append(("exposure", sector, float(rest[1:]), smooth, [name]))
        else:
            found.append(("fraction", sector, float(rest), "smooth", [name]))
    # The sets of 1 per cent at the full exposure are the main ones.
    grids = [one[:2] for one in found if one[0] in ("fraction", "exposure")]
    found += [(*one, 1.0, "smooth", [one[1]]) for one in dict.fromkeys(grids)]
    return [one for one in found if {one[3], *one[4]} <= set(sets)]


def area_table(scores: dict) -> Table:
    """Return the AUC of each model and score in each comparison."""
    found = []
    for model, sets in scores.items():
        for what, sector, step, smooth, parts in comparisons(sets):
            # All scores where the page shows them all.
            wanted = None if what == "main" else main_scores(model, sets[smooth])
            known = areas(sets, parts, smooth, wanted)
            found += [(model, k, what, sector, step, *one) for k, one in known.items()]
    head = "model score what sector step"
    return table_of(f"{head} auc auc_low auc_high n_normal n_anomalous", found)


def difference_table(scores: dict) -> Table:
    """Return paired differences of areas, both sectors together.

    Column `what`: "order" for a published model less the one it should beat,
    "variant" for a published model less the same one of another setting, "baseline"
    for a network less a baseline: those of `AGAINST`, and the best one on these sets.
    """
    needed = {"smooth", *BOTH}
    sets_of = {model: sets for model, sets in scores.items() if needed <= set(sets)}
    known = {
        (model, score): one.value
        for model, sets in sets_of.items()
        if names.kind(model) == "baseline"
        for score, one in areas(sets, BOTH, n_bootstrap=0).items()
        if np.isfinite(one.value)
    }
    ranked = sorted(known, key=known.get, reverse=True)
    against = [pair for k, pair in enumerate(ranked) if k == 0 or pair in AGAINST]
    most = max((len(sets["smooth"]) for sets in sets_of.values()), default=0)
    ours = [
        model
        for model, sets in sets_of.items()
        if names.kind(model) in ("published", "network") and len(sets["smooth"]) == most
    ]

    def difference(left, left_score, right, right_score):
        for name in ("smooth", *BOTH):
            ids = [list(sets_of[one][name]["object_id"]) for one in (left, right)]
            if ids[0] != ids[1]:
                raise ValueError(f"The models did not score the same lenses of {name}.")
        pair = []
        for model, score in ((left, left_score), (right, right_score)):
            labels, found = joined(sets_of[model])
            if score not in found or not np.isfinite(found[score]).all():
                return NOTHING
            pair.append(found[score])
        return evaluation.auc_difference(labels, *pair, N_BOOTSTRAP)

    found = []
    for model in ours:
        for score in main_scores(model, sets_of[model]["smooth"]):
            pairs = [("baseline", *one) for one in against]
            if model in names.MODELS:
                before = names.MODELS[: names.MODELS.index(model)][-1:]
                pairs += [("order", one, score) for one in before if one in ours]
                others = [one for one in ours if one.startswith(f"{model}_")]
                pairs += [("variant", one, score) for one in others]
            for what, *other in pairs:
                value = difference(model, score, *other)
                found.append((what, model, score, *other, *value))
    ends = "difference difference_low difference_high"
    return table_of(f"what model score other other_score {ends}", found)


def rate_table(scores: dict) -> Table:
    """Return how much of each test set lies above the calibration's thresholds.

    Columns of `evaluation.detection_rates`, the model, and for smooth lenses those of
    `evaluation.false_positive_check` (for others `p_adjusted` NaN, `as_promised` True).
    """
    found = {}
    for model, sets in scores.items():
        if not {"calibration", "smooth"} <= set(sets):
            continue
        known = columns(sets["calibration"])
        wanted = main_scores(model, sets["smooth"])
        known = {k: known[k] for k in wanted if np.isfinite(known[k]).all()}
        n = len(sets["calibration"])
        levels = [level for level in LEVELS if required_size(level, rule=RULE) <= n]
        samples = {
            name: {k: columns(sets[name])[k] for k in known}
            for name in ("smooth", *BOTH)
            if name in sets
        }
        if known and levels:
            rates = evaluation.detection_rates(known, samples, levels, rule=RULE)
            found[model] = rates
    table = stacked(found, "model")
    if not len(table):
        return table
    smooth = table["sample"] == "smooth"
    fresh = table[smooth]
    # One family of tests over all models, so each score needs a name of its own.
    fresh["score"] = [f"{row['model']}:{row['score']}" for row in fresh]
    checked = evaluation.false_positive_check(fresh, "smooth")
    table["p_adjusted"], table["as_promised"] = np.nan, True
    for name in ("p_adjusted", "as_promised"):
        table[name][smooth] = checked[name]
    table.rename_columns(["low", "high"], ["rate_low", "rate_high"])
    table.meta = {}
    return table


def set_table(out: Path, redshifts: str) -> Table:
    """Return the sizes of the main sets and of smooth ones of other exposures.

    With the medians of their Einstein radius (arcsec), signal to noise and mass
    fraction (per cent).
    """
    paths = sorted((Path(out) / "sets").glob(f"{redshifts}_smooth_x*"))
    found = []
    for name in (*SETS, *(path.name.removeprefix(f"{redshifts}_") for path in paths)):
        truth = catalog(out, redshifts, name)
        if len(truth):
            share = 100 * truth["substructure_mass"] / truth["lens_mass"]
            values = (truth["theta_E"], truth["snr_peak"], truth["snr_arcs"], share)
            lost = int((~np.asarray(truth["image_in_frame"], bool)).sum())
            found.append((name, len(truth), *map(float, map(np.median, values)), lost))
    return table_of("set n theta_E snr_peak snr_arcs fraction n_no_image", found)


def training_table(out: Path, redshifts: str) -> Table:
    """Return where each training ended: epochs, loss, KL divergence, its weight."""
    found = []
    for path in sorted((Path(out) / redshifts).glob("*/run/history.csv")):
        history = Table.read(path, format="ascii.csv")
        if len(history):
            last = dict(zip(history.colnames, history[-1], strict=True))
            values = [last.get(name, np.nan) for name in ("loss", "kl", "beta")]
            values = [np.nan if np.ma.is_masked(x) else float(x) for x in values]
            found.append((path.parts[-3], len(history), *values))
    return table_of("model epochs loss kl beta", found)
