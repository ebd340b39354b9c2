"""Tables of objects: standard columns, missing values, joining, skipped files."""

from collections.abc import Sequence

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table, vstack
from astropy.table.serialize import represent_mixins_as_columns
from astropy.time import Time

from astroanomaly.tables.columns import id_texts
from astroanomaly.tables.positions import degrees

# Whole numbers above it are not exact as floats.
_EXACT = 2**53
# Columns of these kinds stay; their missing rows are NaN, or masked for a time.
_MIXINS = (SkyCoord, Time)


def _fill_column(column):
    if not isinstance(column, MaskedColumn):
        return column
    kind, missing = column.dtype.kind, np.ma.getmaskarray(column)
    if not missing.any():
        return column.filled()
    if kind in "fc":
        return column.filled(np.nan)
    present = np.ma.getdata(column)[~missing]
    if kind in "iu" and ((present > _EXACT) | (present < -_EXACT)).any():
        # Ids of 64 bits: as floats they would lose their last digits.
        kind, column = "U", column.astype(str)
    # Only floats have a value that means "missing".
    if kind in "iub":
        return column.astype(float).filled(np.nan)
    if kind in "US":
        return column.astype(str).filled("")
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
        Missing numbers and truth values are NaN (such a column becomes float, or text
        where a float would lose digits), missing text is "", and a missing array (of a
        column of arrays) is empty.

    Examples
    --------
    >>> float(fill_missing(Table({"a": np.ma.array([1, 2], mask=[0, 1])}))["a"][1])
    nan
    """
    columns = {name: _fill_column(table[name]) for name in table.colnames}
    return Table(columns, meta=table.meta, copy=False)


def plain_table(table: Table) -> Table:
    """Return a table of columns, SkyCoord and Time; text is text, not bytes.

    Quantities become columns with a unit, and other mixins the columns they are made
    of, such as ``name.x`` and ``name.y``.
    """
    if type(table) is Table and not any(
        column.dtype.kind == "S" if isinstance(column, Column) else True
        for column in table.itercols()
    ):
        return table
    # An astropy Table, unlike a QTable, holds quantities as columns with a unit.
    plain = Table(table, copy=False)
    kept = {n: plain[n] for n in plain.colnames if isinstance(plain[n], _MIXINS)}
    names = plain.colnames
    # An empty list would choose no rows, not no columns.
    rest = [name for name in names if name not in kept]
    plain = represent_mixins_as_columns(plain[rest]) if rest else Table()
    plain.meta.pop("__serialized_columns__", None)
    plain.convert_bytestring_to_unicode()
    for name, column in kept.items():
        plain.add_column(column, names.index(name), name)
    return plain


def take_rows(table: Table, rows: np.ndarray) -> Table:
    """Return the rows of a table in another order, -1 for a missing row.

    Parameters
    ----------
    table : Table
        At least one row.
    rows : ndarray of int of shape (n,)
        Which rows; -1 for one that is missing.

    Returns
    -------
    Table of n rows
        In a missing row numbers are NaN, text is "", a SkyCoord is NaN, and a Time is
        masked.

    Examples
    --------
    >>> take_rows(Table({"mag": [20.5]}), np.array([0, -1]))["mag"].tolist()
    [20.5, nan]
    """
    lost = np.asarray(rows) < 0
    taken = table[np.where(lost, 0, rows)]
    if not lost.any():
        return taken
    for name in taken.colnames:
        column = taken[name]
        if isinstance(column, SkyCoord):
            # All that it is made of becomes NaN: astropy before 7 has no mask for it.
            gone = column[lost]
            parts = [gone.data, *gone.data.differentials.values()]
            parts = [
                type(p)(**{c: getattr(p, c) * np.nan for c in p.components})
                for p in parts
            ]
            data = parts[0].with_differentials(
                dict(zip(gone.data.differentials, parts[1:], strict=True))
            )
            column[lost] = SkyCoord(gone.frame.realize_frame(data))
        elif isinstance(column, Time):
            column[lost] = np.ma.masked
        else:
            column = MaskedColumn(column, copy=True)
            column[lost] = np.ma.masked
            taken[name] = column
    return fill_missing(taken)


def stack_tables(tables: Sequence[Table]) -> Table:
    """Join tables row after row; a column that a table lacks is filled.

    Parameters
    ----------
    tables : sequence of Table
        At least one.

    Returns
    -------
    Table
        All rows, all columns; what is missing as `take_rows` fills it. A SkyCoord has
        the frame of the first table.

    Examples
    --------
    >>> len(stack_tables([Table({"a": [1]}), Table({"a": [2]})]))
    2
    """
    if len(tables) == 1:
        return tables[0]
    # Without copies of the pixels' tables: only the lists of columns are new.
    tables = [Table(table, copy=False) for table in tables]
    mixins = {
        name: table
        for table in reversed(tables)
        for name in table.colnames
        if isinstance(table[name], _MIXINS) and len(table)
    }
    for name, held in mixins.items():
        for table in tables:
            # astropy cannot mask a SkyCoord before version 7.
            if name not in table.colnames and len(table):
                none = np.full(len(table), -1)
                table[name] = take_rows(held[[name]], none)[name]
            elif isinstance(held[name], SkyCoord) and len(table):
                frame = held[name].frame
                # Only where they differ: a transformation costs the last bits.
                if not table[name].is_equivalent_frame(frame):
                    table[name] = table[name].transform_to(frame)
    stacked = vstack(tables, metadata_conflicts="silent")
    for name, held in mixins.items():
        # Some versions of astropy that are allowed lose the masks of stacked times.
        if isinstance(held[name], Time):
            lost = np.concatenate([table[name].mask for table in tables if len(table)])
            if lost.any():
                stacked[name][lost] = np.ma.masked
    return fill_missing(stacked)


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
    table = plain_table(table)
    columns = {**first, **{k: table[k] for k in table.colnames}}
    for name in ("object_id", "file"):
        if columns[name].dtype.kind != "U" or isinstance(columns[name], MaskedColumn):
            columns[name] = id_texts(columns[name])
        columns[name] = np.asarray(columns[name])
    columns["flag"] = np.asarray(columns["flag"]).astype(np.int32)
    for name in ("ra", "dec"):
        column = columns[name]
        if column.dtype.kind not in "fiu" or getattr(column, "unit", None):
            columns[name] = Column(degrees(column, hours=name == "ra"), unit="deg")
    for name, value in last.items():
        columns.setdefault(name, value)
    return fill_missing(Table(columns, meta=table.meta, copy=False))
