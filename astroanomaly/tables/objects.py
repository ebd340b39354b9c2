"""Tables of objects: standard columns, missing values, joining, skipped files."""

from collections.abc import Sequence

import numpy as np
from astropy.table import MaskedColumn, Table, vstack


def _fill_column(column):
    if not isinstance(column, MaskedColumn):
        return column
    kind, missing = column.dtype.kind, np.ma.getmaskarray(column)
    if not missing.any():
        return column.filled()
    if kind in "fc":
        return column.filled(np.nan)
    # Only floats have a value that means "missing".
    if kind in "iub":
        return column.astype(float).filled(np.nan)
    if kind in "US":
        return column.astype(str).filled("")
    present = np.ma.getdata(column)[~missing]
    if not all(isinstance(value, np.ndarray) for value in present):
        return column
    # A column of arrays of several lengths: a missing one is empty.
    filled = column.filled(0)
    for row in np.flatnonzero(missing):
        filled[row] = np.zeros(0)
    return filled


def fill_missing(table: Table) -> Table:
    """Return the table with plain columns in place of masked ones.

    Parameters
    ----------
    table : Table
        Any table; columns that are not masked are taken as they are.

    Returns
    -------
    Table
        Missing numbers and truth values are NaN (such a column becomes float),
        missing text is "", and a missing array (of a column of arrays) is empty.

    Examples
    --------
    >>> float(fill_missing(Table({"a": np.ma.array([1, 2], mask=[0, 1])}))["a"][1])
    nan
    """
    columns = {name: _fill_column(table[name]) for name in table.colnames}
    return Table(columns, meta=table.meta, copy=False)


def stack_tables(tables: Sequence[Table]) -> Table:
    """Join tables row after row; a column that a table lacks is filled.

    Parameters
    ----------
    tables : sequence of Table
        At least one.

    Returns
    -------
    Table
        All rows, all columns; what is missing as `fill_missing` fills it.

    Examples
    --------
    >>> len(stack_tables([Table({"a": [1]}), Table({"a": [2]})]))
    2
    """
    if len(tables) == 1:
        return tables[0]
    return fill_missing(vstack(list(tables), metadata_conflicts="silent"))


def skipped_table(pairs: Sequence[tuple[str, str]] = ()) -> Table:
    """Return the table of skipped files.

    Parameters
    ----------
    pairs : sequence of (str, str)
        File and reason of each; none by default.

    Returns
    -------
    Table
        Columns `file` and `reason`.
    """
    files, reasons = zip(*pairs, strict=True) if pairs else ((), ())
    return Table({"file": np.array(files, str), "reason": np.array(reasons, str)})


def standard_table(table: Table | None, n: int, bands: Sequence[str]) -> Table:
    """Return the object table with every standard column present.

    Parameters
    ----------
    table : Table of n rows, or None
        What is known of the objects.
    n : int
        The number of objects.
    bands : sequence of str
        The band names.

    Returns
    -------
    Table
        `object_id`, `file`, `ra`, `dec`, `flag` first, then the columns of
        `table`, then `unit_<band>` and `zero_point_<band>`.

    Raises
    ------
    ValueError
        If `table` has another number of rows.

    Examples
    --------
    >>> str(standard_table(None, 1, ["H"])["object_id"][0])
    '000000'
    """
    table = Table() if table is None else Table(table, copy=False)
    if table.colnames and len(table) != n:
        raise ValueError(
            f"`table` must have one row per image, {n} rows. Received: {len(table)}."
        )
    # Equal widths sort as numbers do; six digits hold a million objects.
    width = max(6, len(str(n)))
    first = {
        "object_id": np.array([f"{i:0{width}d}" for i in range(n)], dtype=str),
        "file": np.full(n, "", dtype=str),
        "ra": np.full(n, np.nan),
        "dec": np.full(n, np.nan),
        "flag": np.zeros(n, np.int32),
    }
    last = {}
    for band in bands:
        last[f"unit_{band}"] = np.full(n, "", dtype=str)
        last[f"zero_point_{band}"] = np.full(n, np.nan)
    columns = {**first, **{k: table[k] for k in table.colnames}}
    for name, dtype in (("object_id", str), ("file", str), ("flag", np.int32)):
        columns[name] = np.asarray(columns[name]).astype(dtype)
    for name, value in last.items():
        columns.setdefault(name, value)
    return fill_missing(Table(columns, meta=table.meta, copy=False))
