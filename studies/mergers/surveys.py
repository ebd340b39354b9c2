"""Application 3: whether two surveys score alike, and what explains the difference."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from astroanomaly import evaluation
from astroanomaly.evaluation.resampling import holm
from studies.mergers import results
from studies.mergers.paper import CATALOG, MEASURED, REFERENCES, SURVEYS
from studies.study import Missing
from studies.tables import rows, stacked, table_of

SMALLEST = 20  # systems that a reference needs
PER_BIN = 6
# As few mocks as that in a bin say nothing of where a real galaxy lies among them.
IN_BIN = 5
COMPONENTS, FOLDS = 30, 5
# Kinds that the critic's features are to separate.
PAIRS = (
    ("isolated", "pre_merger_neighbor"),
    ("isolated", "pre_merger_alone"),
    ("isolated", "post_merger"),
    *(pair[::-1] for pair in REFERENCES.items()),
)


def survey_tables(run: Path) -> dict[str, Table]:
    """Return the tables of application 3; a set that is absent has no row."""
    pairs = {}
    for name, reference in REFERENCES.items():
        try:
            old, other = results.read_set(run, reference), results.read_set(run, name)
        except Missing:
            continue
        if len(np.unique(results.systems(old))) >= SMALLEST and len(other):
            pairs[name] = old, other
    by = {name: by_property(*pair) for name, pair in pairs.items()}
    every = {REFERENCES[name]: old for name, (old, _) in pairs.items()}
    every |= {name: other for name, (_, other) in pairs.items()}
    alone = {
        name: evaluation.trends(peak(table), known, results.systems(table))
        for name, table in every.items()
        if (known := measured(table))
    }
    together = {name: set_drivers(*pair) for name, pair in pairs.items()}
    return {
        "compared": compared(pairs),
        "paired": paired(pairs),
        "by_property": stacked(by, "set"),
        "held": held(by),
        "survey_trends": stacked(alone, "set"),
        "survey_drivers": stacked(together, "set"),
        "separability": separability(run),
    }


def peak(table: Table) -> np.ndarray:
    """Return the score that ranks."""
    return np.array(table[results.SCORE], float)


def compared(pairs: dict) -> Table:
    """Compare each set's scores with its reference's, (reference, other) by name.

    `p_adjusted` is Holm's (1979), over the sets compared by one score.
    """
    found = []
    for name, (old, other) in pairs.items():
        before, now = results.scores_of(old), results.scores_of(other)
        groups = results.systems(old), results.systems(other)
        own = dict(zip(("reference_groups", "other_groups"), groups, strict=True))
        for score in (score for score in before if score in now):
            both = evaluation.two_samples(before[score], now[score], **own)
            head = {"set": name, "reference": REFERENCES[name], "score": score}
            found.append(head | vars(both))
    table = Table(rows=found)
    if found:
        table["p_adjusted"] = np.nan
        for score in set(table["score"]):
            same = table["score"] == score
            table["p_adjusted"][same] = holm(table["p_value"][same])
    return table


def paired(pairs: dict) -> Table:
    """Count how often the same galaxy scores higher than in the reference."""
    found = []
    for name, (old, other) in pairs.items():
        place = {str(key): k for k, key in enumerate(old["object_id"])}
        match = np.array([place.get(str(key), -1) for key in other["object_id"]])
        both = match >= 0
        before, now = results.scores_of(old), results.scores_of(other)
        for score in before:
            if both.any() and score in now:
                gain = now[score][both] - before[score][match[both]]
                # Ties count half.
                k, n = (gain > 0).sum() + 0.5 * (gain == 0).sum(), int(both.sum())
                ends = evaluation.binomial_interval(round(k), n)
                found.append((name, score, n, float(k), k / n, *ends))
    return table_of("set score n n_higher share low high", found)


def measured(table: Table, catalog: bool = False) -> dict[str, np.ndarray]:
    """Return the measured properties, with those of the catalog if asked for."""
    found = results.properties(table, (*MEASURED, *(CATALOG if catalog else ())))
    return {n: np.where(np.isfinite(v), v, np.nan) for n, v in found.items()}


def both_measured(old: Table, other: Table) -> tuple[dict, dict]:
    """Return the properties of a reference and of what is compared with it."""
    # Between two simulated sets what is measured suffices.
    real = "structure" not in other.colnames
    return measured(old, catalog=real), measured(other, catalog=real)


def by_property(old: Table, other: Table) -> Table:
    """Return how both sets score in bins of each measured property (figure 16)."""
    before, now = both_measured(old, other)
    n_bins = max(2, min(5, len(other) // PER_BIN))
    found = {}
    for name, values in now.items():
        n_values = len(np.unique(values[np.isfinite(values)]))
        if name in before and n_values > n_bins:
            edges = evaluation.quantile_bins(values, n_bins)
            found[name] = evaluation.by_property(
                peak(other), values, edges, peak(old), before[name]
            )
    return stacked(found, "property")


def held(by: dict[str, Table]) -> Table:
    """Return what is left of each difference at the same value of one property.

    `area_held` is the mean of the areas of the bins, weighted by the objects of the
    set, over bins where the reference has at least 5 objects; `n_held` counts the
    objects in those, `n` all. A property that explains the difference brings the area
    to 0.5.
    """
    found = []
    for name, table in by.items():
        for prop in dict.fromkeys(table["property"]) if len(table) else ():
            part = rows(table, property=prop)
            usable = part[(part["n_reference"] >= IN_BIN) & (part["n"] > 0)]
            n, total = int(np.sum(usable["n"])), int(np.sum(part["n"]))
            area = np.average(usable["area"], weights=usable["n"]) if n else np.nan
            found.append((name, prop, float(area), n, total))
    return table_of("set property area_held n_held n", found)


def set_drivers(old: Table, other: Table) -> Table:
    """Return what the score depends on in both sets together.

    The property "set" is 1 for the other set: its coefficient is the difference that
    the measured properties leave.
    """
    before, now = both_measured(old, other)
    known = {n: np.concatenate([before[n], now[n]]) for n in before if n in now}
    known["set"] = np.repeat([0.0, 1.0], [len(old), len(other)])
    # A galaxy that is in both sets is one system.
    own = np.concatenate([results.systems(old), results.systems(other)])
    return results.driven(np.concatenate([peak(old), peak(other)]), known, own)


def features(run: Path, kind: str, most: int | None = None):
    """Return critic features (n, k) and systems (n,) of a set or stage of mergers.

    At most `most` objects, drawn at random with seed 0.
    """
    name = kind if kind == "isolated" or kind in SURVEYS else "mergers"
    table, path = results.read_set(run, name), run / "features" / f"{name}.npy"
    if not path.is_file():
        raise Missing(f"this run has no critic features of {name}")
    keep = np.arange(len(table))
    if name == "mergers":
        keep = np.flatnonzero(table["stage"] == kind)
    if most is not None:
        keep = np.sort(np.random.default_rng(0).permutation(keep)[:most])
    return np.load(path, mmap_mode="r")[keep], results.systems(table)[keep]


def separability(run: Path) -> Table:
    """Return how well a plane in the critic's features separates two kinds.

    The number behind the maps, whose distances mean nothing: the area under the ROC
    curve of a logistic regression on 30 principal components, each object judged by a
    fit that saw no object of its system (5 folds).
    """
    found = []
    for pair in PAIRS:
        try:
            parts = [features(run, kind) for kind in pair]
        except Missing:
            continue
        # Every fold needs systems of both kinds, to fit and to judge.
        if min(len(np.unique(own)) for _, own in parts) < 2 * FOLDS:
            continue
        sizes = [len(part) for part, _ in parts]
        label = np.repeat([0, 1], sizes)
        points = np.concatenate([part for part, _ in parts]).astype(np.float64)
        n = min(COMPONENTS, points.shape[1], len(points) // 2)
        model = make_pipeline(
            PCA(n, svd_solver="randomized", random_state=0),
            StandardScaler(),
            LogisticRegression(max_iter=2000, class_weight="balanced"),
        )
        # Threads of many small fits would wait for each other.
        with threadpool_limits(1):
            judged = cross_val_predict(
                model,
                points,
                label,
                groups=np.concatenate([own for _, own in parts]),
                cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0),
                method="decision_function",
            )
        area = evaluation.auc(label, judged, seed=0)
        found.append((*pair, *sizes, area.value, area.low, area.high))
    return table_of("first second n_first n_second area low high", found)
