"""Application 3: whether two surveys score alike, and what goes with the difference."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import resampling, surveys, trends
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables import columns
from mergers.paper import CATALOG, MEASURED, REFERENCES
from mergers.samples import read_set, scores_of, stacked, systems

SMALLEST = 20  # objects that a reference needs
PER_BIN = 6


def tables(run: Path, score: str) -> dict[str, Table]:
    """Compute the tables of application 3.

    Parameters
    ----------
    run : Path
        The study's folder.
    score : str
        The score of the headline.

    Returns
    -------
    dict of str to Table
        compared, paired, by_property, held, survey_trends, survey_drivers: see the
        functions of this module. A set that is absent, or whose reference has
        fewer than 20 systems, has no row.
    """
    pairs = dict(_pairs(run))
    by = {name: properties(*pair, score) for name, pair in pairs.items()}
    others = {name: other for name, (_, other) in pairs.items()}
    references = {REFERENCES[name]: old for name, (old, _) in pairs.items()}
    return {
        "compared": compared(pairs),
        "paired": paired(pairs),
        "by_property": stacked(by, ("set",)),
        "held": held(by),
        "survey_trends": stacked(
            {
                name: _trends(table, score)
                for name, table in (references | others).items()
            },
            ("set",),
        ),
        "survey_drivers": stacked(
            {name: set_drivers(*pair, score) for name, pair in pairs.items()},
            ("set",),
        ),
    }


def _pairs(run: Path):
    for name, reference in REFERENCES.items():
        old, other = read_set(run, reference), read_set(run, name)
        if old is not None and other is not None:
            if len(np.unique(systems(old))) >= SMALLEST and len(other):
                yield name, (old, other)


def compared(pairs: dict) -> Table:
    """Compare each set's scores with its reference's.

    Parameters
    ----------
    pairs : dict of str to (Table, Table)
        Reference and other set, by the other's name.

    Returns
    -------
    Table
        One row for each set and score: the numbers of `surveys.two_samples`, and
        p_adjusted (Holm 1979, over the sets compared by one score).
    """
    rows = []
    for name, (old, other) in pairs.items():
        before, now = scores_of(old), scores_of(other)
        groups = {"reference_groups": systems(old), "other_groups": systems(other)}
        for score in before:
            if score in now:
                found = surveys.two_samples(before[score], now[score], **groups)
                head = {"set": name, "reference": REFERENCES[name], "score": score}
                rows.append(head | vars(found))
    table = Table(rows=rows)
    if rows:
        table["p_adjusted"] = np.nan
        for score in set(table["score"]):
            same = table["score"] == score
            table["p_adjusted"][same] = resampling.holm(table["p_value"][same])
    return table


def paired(pairs: dict) -> Table:
    """Count how often the same galaxy scores higher than in the reference.

    Parameters
    ----------
    pairs : dict of str to (Table, Table)
        Reference and other set; galaxies drawn from one seed share their object_id.

    Returns
    -------
    Table
        One row for each set and score: n pairs, n_higher (ties count half), share,
        low, high (Wilson). Sets without common galaxies have no row.
    """
    rows = []
    for name, (old, other) in pairs.items():
        place = {key: k for k, key in enumerate(columns.texts(old))}
        match = np.array([place.get(key, -1) for key in columns.texts(other)])
        both = match >= 0
        before, now = scores_of(old), scores_of(other)
        for score in before:
            if both.any() and score in now:
                gain = now[score][both] - before[score][match[both]]
                k, n = (gain > 0).sum() + 0.5 * (gain == 0).sum(), int(both.sum())
                ends = binomial_interval(round(k), n)
                rows.append((name, score, n, float(k), k / n, *ends))
    names = ("set", "score", "n", "n_higher", "share", "low", "high")
    return Table(rows=rows, names=names) if rows else Table()


def measured(table: Table, catalog: bool = False) -> dict[str, np.ndarray]:
    """Return the properties that are measured alike on mocks and real galaxies.

    Parameters
    ----------
    table : Table
        A set.
    catalog : bool
        Whether to add those of `paper.CATALOG`: truth of mocks, a user's catalog
        of real galaxies.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Those of `paper.MEASURED` that the table has; NaN where a property is not
        known, mass as a logarithm.
    """
    found = {}
    for name in (*MEASURED, *(CATALOG if catalog else ())):
        if name in table.colnames:
            values = columns.numbers(table, name)
            found[name] = np.where(np.isfinite(values), values, np.nan)
    if "stellar_mass" in found:
        found["stellar_mass"] = np.log10(found["stellar_mass"])
    return found


def _pair(old: Table, other: Table) -> tuple[dict, dict]:
    """Return the properties of a reference and of what is compared with it.

    Between two simulated sets what is measured suffices.
    """
    real = "structure" not in other.colnames
    return measured(old, catalog=real), measured(other, catalog=real)


def properties(old: Table, other: Table, score: str) -> Table:
    """Return how both sets score in bins of each measured property (figure 16)."""
    before, now = _pair(old, other)
    n_bins = max(2, min(5, len(other) // PER_BIN))
    found = {}
    for name in now:
        values = now[name][np.isfinite(now[name])]
        if name in before and len(np.unique(values)) > n_bins:
            edges = trends.quantile_bins(now[name], n_bins)
            found[name] = surveys.by_property(
                scores_of(other)[score],
                now[name],
                edges,
                scores_of(old)[score],
                before[name],
            )
    return stacked(found, ("property",))


def held(by: dict[str, Table]) -> Table:
    """Return what is left of each difference among objects alike in one property.

    Parameters
    ----------
    by : dict of str to Table
        What `properties` returned, by set.

    Returns
    -------
    Table
        One row for each set and property: area_held, the mean of the areas of the
        bins, weighted by the objects of the set, over bins where the reference has
        at least 5 objects; n_held, the objects in those; n, all with the property.
        A property that explains the difference brings the area to 0.5.
    """
    rows = []
    for name, table in by.items():
        for prop in dict.fromkeys(table["property"]) if len(table) else ():
            part = table[table["property"] == prop]
            usable = part[(part["n_reference"] >= 5) & (part["n"] > 0)]
            n, total = int(np.sum(usable["n"])), int(np.sum(part["n"]))
            area = float(np.average(usable["area"], weights=usable["n"])) if n else None
            rows.append((name, prop, np.nan if area is None else area, n, total))
    names = ("set", "property", "area_held", "n_held", "n")
    return Table(rows=rows, names=names) if rows else Table()


def set_drivers(old: Table, other: Table, score: str) -> Table:
    """Tell what a score runs with in both sets together.

    Parameters
    ----------
    old, other : Table
        Reference and other set.
    score : str
        The score.

    Returns
    -------
    Table
        As `trends.drivers`, the property "set" being 1 for the other set: its
        coefficient is the difference that the measured properties leave. Empty
        where there are too few objects.
    """
    before, now = _pair(old, other)
    known = {
        name: np.concatenate([before[name], now[name]])
        for name in before
        if name in now
    }
    known["set"] = np.repeat([0.0, 1.0], [len(old), len(other)])
    both = np.concatenate([scores_of(t)[score] for t in (old, other)])
    # One galaxy of both sets is one system.
    groups = np.concatenate([systems(old), systems(other)])
    try:
        table = trends.drivers(both, known, groups)
    except ValueError:
        return Table()
    table["n"], table["r_squared"] = table.meta["n"], table.meta["r_squared"]
    table.meta = {}
    return table


def _trends(table: Table, score: str) -> Table:
    known = measured(table)
    if not known:
        return Table()
    return trends.trends(scores_of(table)[score], known, systems(table))
