"""Write tables and numbers with their intervals for people to read."""

import numpy as np
from astropy.table import Table

__all__ = ["interval", "markdown"]


def interval(
    value: float, low: float | None = None, high: float | None = None, form: str = ".3f"
) -> str:
    """Format a number with its interval.

    Parameters
    ----------
    value : float
        The number; "" is returned for None, NaN or a masked value.
    low, high : float, optional
        Ends of the interval; left out where either is missing or not finite.
    form : str, optional
        Format of all three, as in :func:`format`.

    Returns
    -------
    str
        Such as "0.929 (0.911 to 0.945)".

    Examples
    --------
    >>> interval(0.929, 0.911, 0.945)
    '0.929 (0.911 to 0.945)'
    """
    if _missing(value):
        return ""
    if _missing(low) or _missing(high):
        return format(value, form)
    return f"{value:{form}} ({low:{form}} to {high:{form}})"


def markdown(table: Table) -> str:
    """Write a table in Markdown.

    Three columns ``x``, ``x_low`` and ``x_high`` become one, "value (low to high)".
    A column's ``meta`` may hold its ``heading`` (by default its name) and its
    ``format`` (as in :func:`format`; by default ".3f" for floats, "," for integers).
    Truth values become yes and no; masked values and NaN are left empty.

    Parameters
    ----------
    table : Table
        What to write.

    Returns
    -------
    str
        The lines, without a newline at the end.

    Examples
    --------
    >>> from astropy.table import Table
    >>> print(markdown(Table({"score": ["peak"], "auc": [0.9]})))
    | score | auc |
    | --- | --- |
    | peak | 0.900 |
    """
    names = table.colnames
    ends = {f"{n}{e}" for n in names for e in ("_low", "_high") if f"{n}_low" in names}
    shown = [name for name in names if name not in ends]
    headings = [str(table[name].meta.get("heading", name)) for name in shown]
    columns = [_cells(table, name) for name in shown]
    rows = [headings, ["---"] * len(shown), *zip(*columns, strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(table: Table, name: str) -> list[str]:
    column = table[name]
    if column.dtype.kind not in "biuf":
        return ["" if value is np.ma.masked else str(value) for value in column]
    if column.dtype.kind == "b":
        words = {True: "yes", False: "no"}
        return ["" if v is np.ma.masked else words[bool(v)] for v in column]
    form = column.meta.get("format", ".3f" if column.dtype.kind == "f" else ",")
    if f"{name}_low" not in table.colnames:
        return [interval(value, form=form) for value in column]
    ends = table[f"{name}_low"], table[f"{name}_high"]
    return [interval(*v, form=form) for v in zip(column, *ends, strict=True)]


def _missing(value) -> bool:
    return value is None or value is np.ma.masked or not np.isfinite(value)
