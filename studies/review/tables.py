"""Tables of the page: what was found after how many labels."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import stats

from studies.review.sessions import LEARNED, PLAIN
from studies.tables import column, span

METHODS = {
    "static": "the detector's list",
    "random": "random order",
    "isolation_forest": "isolation forest",
    "aad": "active anomaly discovery",
    "pineforest": "pine forest",
    "astronomaly": "Astronomaly's rule",
    "regression": "Gaussian process (`auto`)",
}
CASES = {
    "mocks": "(a) mergers, 20,000",
    "real": "(b) COSMOS composites",
    "lens_frames": "(c) lens frames",
}
VIEWS = {
    "every": "all, chosen by the labels",
    "components": "principal components",
    "profiles": "rings",
    "harmonics": "angular harmonics",
    "contrastive": "learned without labels",
    "known": "all, and five known ones to begin with",
}


def read(folder: Path) -> Table:
    """Return every session: its settings, and the truth of what was shown."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.iterdir())]
    names = ("case", "method", "view", "error", "seed")
    table = Table({name: [one[name] for one in found] for name in names})
    table["shown"] = np.empty(len(found), object)
    for row, one in enumerate(found):
        table["shown"][row] = np.array(one["shown"])
    return table


def counted(sessions: Table, kind: str, start: int, stop: int, **wanted) -> np.ndarray:
    """Return how many of a kind were shown in some places, a number per seed."""
    keep = np.ones(len(sessions), bool)
    for name, value in wanted.items():
        keep &= np.asarray(sessions[name]) == value
    chosen = sessions[keep]
    chosen = chosen[np.argsort(chosen["seed"])]
    return np.array([(s[start:stop] == kind).sum() for s in chosen["shown"]], float)


def mean_interval(values) -> tuple[float, float, float]:
    """Return a mean and Student's interval (95 per cent); NaN of nothing."""
    values = np.asarray(values, float)
    if not len(values):
        return (np.nan,) * 3
    mean = values.mean()
    half = np.nan
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    # A count is not below 0.
    return float(mean), float(max(mean - half, 0.0)), float(mean + half)


def means(name: str, heading: str, values) -> list:
    """Return three columns of means and their intervals."""
    return span(name, [mean_interval(one) for one in values], heading, ".1f")


def found(sessions: Table, case, error: float) -> Table:
    """Return what each method found in a case, by a reviewer of so many errors."""
    own = {"case": case[0], "view": "every", "error": error}
    # Of 200 labels, the first 100 and the next.
    half = case[1].followed // 2
    methods = [
        m
        for m in (*PLAIN, *LEARNED)
        if len(counted(sessions, "interesting", 0, 1, method=m, **own))
    ]

    def count(kind, start, stop):
        return [counted(sessions, kind, start, stop, method=m, **own) for m in methods]

    first = count("interesting", 0, half)
    left = [case[1].n_interesting - one for one in first]
    columns = [
        column("method", [METHODS[m] for m in methods], "list"),
        *means("first", f"interesting in the first {half}", first),
        *means("left", "left then", left),
        *means("next", f"in the next {half}", count("interesting", half, 2 * half)),
    ]
    if case[1].n_artefacts:
        columns += means(
            "artefacts",
            f"artefacts in the {half} after {half // 2} labels",
            count("artefact", half // 2, half // 2 + half),
        )
    return Table(columns)


def helped(sessions: Table, case) -> Table:
    """Return what a forest and the learner find on some features, or with a start."""
    own, n = {"case": case[0], "error": 0.0}, case[1].followed
    methods = {m: METHODS[m] for m in ("isolation_forest", "regression")}
    done = sessions[np.asarray(sessions["case"]) == case[0]]
    views = [view for view in VIEWS if view in set(done["view"])]
    table = Table([column("view", [VIEWS[view] for view in views], "features")])
    for method, words in methods.items():
        counts = [
            counted(sessions, "interesting", 0, n, view=view, method=method, **own)
            for view in views
        ]
        table.add_columns(means(method, f"{words}, first {n}", counts))
    return table


def every(sessions: Table, cases: dict) -> dict[str, Table]:
    """Return the tables of the page by name."""
    made = {}
    for case in cases.items():
        for error in sorted(set(sessions["error"][sessions["case"] == case[0]])):
            name = f"{case[0]}_{round(100 * error)}_errors" if error else case[0]
            made[name] = found(sessions, case, error)
        made[f"{case[0]}_kinds"] = helped(sessions, case)
    return made
