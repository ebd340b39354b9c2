"""Tables of the page: what was found after how many labels."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import stats

from studies.review.sessions import LEARNED, PLAIN
from studies.tables import NOTHING, column, rows, span

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
    chosen = rows(sessions, **wanted)
    chosen = chosen[np.argsort(chosen["seed"])]
    return np.array([(s[start:stop] == kind).sum() for s in chosen["shown"]], float)


def mean_interval(values) -> tuple[float, float, float]:
    """Return a mean and Student's interval (95 per cent); NaN of nothing."""
    values = np.asarray(values, float)
    if not len(values):
        return NOTHING
    mean, half = values.mean(), np.nan
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(mean), float(mean - half), float(mean + half)


def means(name: str, heading: str, values) -> list:
    """Return three columns of means and their intervals."""
    columns = span(name, [mean_interval(one) for one in values], heading, ".1f")
    for end in columns[1:]:
        end.meta = dict(columns[0].meta)
    return columns


def found(sessions: Table, case, error: float) -> Table:
    """Return what each method found in a case, by a reviewer of so many errors."""
    name, settings = case
    own = rows(sessions, case=name, view="every", error=error)
    followed = settings.followed
    # Of a small pool half as many are looked at.
    half, whole = (HALF, WHOLE) if followed >= 2 * WHOLE else (followed // 4,) * 2
    whole = max(whole, followed // 2)
    methods = [m for m in (*PLAIN, *LEARNED) if m in set(own["method"])]

    def count(kind, start, stop):
        return [counted(own, kind, start, stop, method=m) for m in methods]

    first = count("interesting", 0, whole)
    following = count("interesting", whole, 2 * whole)
    pairs = zip(first, following, strict=True)
    left = [settings.n_interesting - a - b for a, b in pairs]
    columns = [
        column("method", [METHODS[m] for m in methods], "list"),
        *means("first", f"interesting in the first {whole}", first),
        *means("next", f"in the next {whole}", following),
        *means("left", "left after both", left),
    ]
    if settings.n_artefacts:
        heading = f"artefacts in the {2 * half} after {half} labels"
        columns += means("artefacts", heading, count("artefact", half, 3 * half))
    return Table(columns)


def helped(sessions: Table, case) -> Table:
    """Return what the learner and a forest find on each kind of features alone."""
    name, n = case[0], case[1].followed
    own = rows(sessions, case=name, error=0.0)
    views = [v for v in VIEWS if len(rows(own, view=v, method="regression"))]

    def count(method):
        where = {"method": method}
        return [counted(own, "interesting", 0, n, view=v, **where) for v in views]

    forest, learned = count("isolation_forest"), count("regression")
    return Table(
        [
            column("view", [VIEWS[v] for v in views], "features"),
            *means("forest", f"isolation forest, first {n}", forest),
            *means("learned", f"Gaussian process, first {n}", learned),
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
