"""Critic features of the merger study: maps, and how well they tell sets apart."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from astroanomaly import evaluation, plots
from astroanomaly.plots import panels
from astroanomaly.tables import columns
from mergers.paper import SHORT, SURVEYS
from mergers.samples import need_set, systems
from studies import Missing

SHOWN = 500  # objects of one kind in a map
COMPONENTS = 30
FOLDS = 5
# What is told apart: the first kind from the second, by sample or set.
PAIRS = (
    ("isolated", "pre_merger_neighbor"),
    ("isolated", "pre_merger_alone"),
    ("isolated", "post_merger"),
    ("f160w_mocks", "f160w_white"),
    ("f160w_mocks", "f160w_plain"),
    ("f160w_mocks", "f160w_real"),
    ("f814w_mocks", "f814w_real"),
)


def figures(run: Path) -> dict:
    """Return a function that draws each map, by its name."""
    maps = {
        "features_neighbors": ("isolated", "pre_merger_neighbor"),
        "features_subtle": ("isolated", "pre_merger_alone", "post_merger"),
        "features_f160w": ("f160w_mocks", "f160w_real"),
        "features_f814w": ("f814w_mocks", "f814w_real"),
    }
    return {
        name: lambda kinds=kinds: feature_map(run, kinds)
        for name, kinds in maps.items()
    }


def features(run: Path, kind: str, most: int | None = None):
    """Return critic features of one kind of objects, or raise Missing.

    Parameters
    ----------
    run : Path
        The study's folder.
    kind : str
        A set, or a stage of the set `mergers`.
    most : int, optional
        As many objects at most, drawn at random with seed 0.

    Returns
    -------
    tuple of ndarray
        Features (n, k) and the objects' systems (n,).
    """
    name = kind if kind == "isolated" or kind in SURVEYS else "mergers"
    table, path = need_set(run, name), run / "features" / f"{name}.npy"
    if not path.is_file():
        raise Missing(f"this run has no critic features of {name}")
    keep = np.arange(len(table))
    if name == "mergers":
        stage = np.array(columns.texts(table, "stage"), dtype=str)
        keep = np.flatnonzero(stage == kind)
    if most is not None:
        keep = np.sort(np.random.default_rng(0).permutation(keep)[:most])
    return np.load(path, mmap_mode="r")[keep], systems(table)[keep]


def feature_map(run: Path, kinds: tuple[str, ...]) -> Figure:
    """Show critic features of several kinds by t-SNE (figures 7 and 14)."""
    found = {kind: features(run, kind, SHOWN)[0] for kind in kinds}
    rows = np.concatenate([part for part in found.values()])
    labels = [
        panels.words((SHORT | SURVEYS).get(kind, kind))
        for kind, part in found.items()
        for _ in part
    ]
    return plots.feature_map(rows, labels, seed=0)


def separability(run: Path) -> Table:
    """Return how well a line through the critic's features tells kinds apart.

    The number behind the maps, whose distances mean nothing: the area under the
    ROC curve of a logistic regression on 30 principal components, each object
    judged by a fit that saw no object of its system (5 folds).

    Parameters
    ----------
    run : Path
        The study's folder.

    Returns
    -------
    Table
        first, second, n_first, n_second, area, low, high (95 per cent bootstrap
        over objects). Pairs of which one has fewer than 10 systems or no features
        are left out.
    """
    rows = []
    for pair in PAIRS:
        try:
            parts = [features(run, kind) for kind in pair]
        except Missing:
            continue
        if min(len(np.unique(own)) for _, own in parts) < 2 * FOLDS:
            continue
        sizes = [len(part) for part, _ in parts]
        label = np.repeat([0, 1], sizes)
        area = evaluation.auc(label, _judged(parts, label), seed=0)
        rows.append((*pair, *sizes, area.value, area.low, area.high))
    names = ("first", "second", "n_first", "n_second", "area", "low", "high")
    return Table(rows=rows, names=names) if rows else Table()


def _judged(parts: list, label: np.ndarray) -> np.ndarray:
    points = np.concatenate([part for part, _ in parts]).astype(np.float64)
    groups = np.concatenate([own for _, own in parts])
    n = min(COMPONENTS, points.shape[1], len(points) // 2)
    steps = (
        PCA(n, svd_solver="randomized", random_state=0),
        StandardScaler(),
        LogisticRegression(max_iter=2000, class_weight="balanced"),
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    # Threads of many small fits would wait for each other.
    with threadpool_limits(1):
        return cross_val_predict(
            make_pipeline(*steps),
            points,
            label,
            groups=groups,
            cv=folds,
            method="decision_function",
        )
