"""Small table helpers that the studies share."""

from collections.abc import Callable

import numpy as np
from astropy.table import Column, Table, vstack

NOTHING = (np.nan,) * 3  # a number and its interval that are not known


def table_of(names: str, rows) -> Table:
    """Return a table from rows; without rows it has no columns either."""
    rows = list(rows)
    return Table(rows=rows, names=names.split()) if rows else Table()


def column(name: str, values, heading: str = "", form: str = "") -> Column:
    """Return a column with its heading and format on the page (see `fill.py`)."""
    meta = {"heading": heading, "format": form}
    return Column(values, name=name, meta={k: v for k, v in meta.items() if v})


def span(name: str, triples, heading: str = "", form: str = ".3f") -> list[Column]:
    """Return the columns of numbers and of their intervals, from triples."""
    value, low, high = np.reshape(np.array(triples, float), (-1, 3)).T
    ends = column(f"{name}_low", low), column(f"{name}_high", high)
    return [column(name, value, heading, form), *ends]


def triple(row, name: str) -> tuple[float, float, float]:
    """Return a number of a row with its interval."""
    return tuple(float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))


def rows(table: Table, **wanted) -> Table:
    """Return the rows of a table with these values; NaN finds NaN."""
    keep = np.ones(len(table), bool)
    for name, value in wanted.items() if len(table) else ():
        values = np.asarray(table[name])
        keep &= np.isnan(values) if value != value else values == value
    return table[keep]


def those(table: Table, keep: Callable) -> Table:
    """Return the rows for which `keep` is true."""
    return table[np.array([bool(keep(row)) for row in table], bool)]


def stacked(found: dict, *names: str) -> Table:
    """Return tables one below the other, their keys (or parts of them) in front."""
    parts = []
    for key, table in found.items():
        keys = key if isinstance(key, tuple) else (key,)
        if len(table):
            head = {n: [k] * len(table) for n, k in zip(names, keys, strict=True)}
            parts.append(Table({**head, **{c: table[c] for c in table.colnames}}))
    return vstack(parts, metadata_conflicts="silent") if parts else Table()


def wide(table: Table, keys, along, places: dict, value: str, form=".3f") -> Table:
    """Spread rows over columns: a line for equal `keys`, a number for each place.

    `along` names the column of the places, or holds the place of each row; `places`
    has the name and heading of each place's column, `value` names the number.
    """
    found = table[along] if isinstance(along, str) and len(table) else along
    lines = {}
    for row, place in zip(table, found if len(table) else (), strict=True):
        line = lines.setdefault(tuple(row[key] for key in keys), {})
        line[place] = triple(row, value)
    lines = {key: line for key, line in lines.items() if set(line) & set(places)}
    made = table_of(" ".join(keys), lines)
    for place, (name, heading) in places.items() if lines else ():
        triples = [line.get(place, NOTHING) for line in lines.values()]
        made.add_columns(span(name, triples, heading, form))
    return made


def times(seconds: dict[str, float], stages: dict[str, str], part=str) -> Table:
    """Return a table of the minutes of each stage, of its parts, and of all.

    `stages` and `part` say what to call stages and parts. A part, "<stage>_<part>" in
    `seconds`, lies within the time of its stage and is not added to the total again.
    """
    owners = {n: s for n in seconds for s in stages if n.startswith(f"{s}_")}
    found, total = [], 0.0
    for stage in (n for n in {**stages, **seconds} if n in {*seconds} - {*owners}):
        found.append((stages.get(stage, stage), seconds[stage] / 60))
        total += seconds[stage] / 60
        for name in sorted(n for n in owners if owners[n] == stage):
            words = part(name.removeprefix(f"{stage}_"))
            found.append((f"- of it {words}", seconds[name] / 60))
    names, minutes = zip(*found, ("**all**", total), strict=True)
    return Table([column("stage", names), column("minutes", minutes, form=".1f")])


def verdict(low: float, high: float, unclear: str = "not clear") -> str:
    """Return "yes" for an interval above zero, "no" for one below it."""
    if low > 0:
        return "yes"
    return "no" if high < 0 else unclear
