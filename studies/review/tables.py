"""Tables of the page: what was found after how many labels."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import stats

from studies.review.sessions import LEARNED, PLAIN
from studies.study import column

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
}
HALF, WHOLE = 50, 100  # labels


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
    return float(mean), float(mean - half), float(mean + half)


def _means(name: str, heading: str, values, form=".1f") -> list:
    """Return three columns of means and their intervals."""
    parts = zip(*map(mean_interval, values), strict=True)
    return [
        column(f"{name}{end}", part, heading, form)
        for end, part in zip(("", "_low", "_high"), parts, strict=True)
    ]


def found(sessions: Table, case, error: float) -> Table:
    """Return what each method found in a case, by a reviewer of so many errors."""
    own = {"case": case[0], "view": "every", "error": error}
    followed = case[1].followed
    # Of a small pool half as many are looked at.
    half, whole = (HALF, WHOLE) if followed >= 2 * WHOLE else (followed // 4,) * 2
    whole = max(whole, followed // 2)
    methods = [
        m
        for m in (*PLAIN, *LEARNED)
        if len(counted(sessions, "interesting", 0, 1, method=m, **own))
    ]

    def count(kind, start, stop):
        return [counted(sessions, kind, start, stop, method=m, **own) for m in methods]

    first = count("interesting", 0, whole)
    following = count("interesting", whole, 2 * whole)
    columns = [
        column("method", [METHODS[m] for m in methods], "list"),
        *_means("first", f"interesting in the first {whole}", first),
        *_means("next", f"in the next {whole}", following),
        *_means(
            "left",
            "left after both",
            [
                case[1].n_interesting - a - b
                for a, b in zip(first, following, strict=True)
            ],
        ),
    ]
    if case[1].n_artefacts:
        columns += _means(
            "artefacts",
            f"artefacts in the {2 * half} after {half} labels",
            count("artefact", half, half + 2 * half),
        )
    return Table(columns)


def helped(sessions: Table, case) -> Table:
    """Return what the learner and a forest find on each kind of features alone."""
    own = {"case": case[0], "error": 0.0}
    views = [
        v
        for v in VIEWS
        if len(
            counted(sessions, "interesting", 0, 1, view=v, method="regression", **own)
        )
    ]

    def count(method):
        return [
            counted(
                sessions,
                "interesting",
                0,
                case[1].followed,
                view=v,
                method=method,
                **own,
            )
            for v in views
        ]

    n = case[1].followed
    return Table(
        [
            column("view", [VIEWS[v] for v in views], "features"),
            *_means(
                "forest", f"isolation forest, first {n}", count("isolation_forest")
            ),
            *_means("learned", f"Gaussian process, first {n}", count("regression")),
        ]
    )


def every(sessions: Table, cases: dict) -> dict[str, Table]:
    """Return the tables of the page by name."""
    made = {}
    for case in cases.items():
        for error in sorted(set(sessions["error"][sessions["case"] == case[0]])):
            name = f"{case[0]}_{round(100 * error)}_errors" if error else case[0]
            made[name] = found(sessions, case, error)
        kinds = helped(sessions, case)
        if len(kinds) > 1:
            made[f"{case[0]}_kinds"] = kinds
    return made
