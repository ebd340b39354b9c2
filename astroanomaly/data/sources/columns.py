"""Columns that lie in one file with the images they describe."""

from collections.abc import Sequence

from astropy.table import Table

from astroanomaly.data.catalog import read_catalog, sky_columns
from astroanomaly.data.sources.array import numbered


def object_columns(table: Table, n: int, prefix: str) -> tuple[Sequence[str], dict]:
    """Return the object ids that a table holds, and its columns by their usual names.

    Parameters
    ----------
    table : Table
        A row for each image; it may have no column.
    n : int
        The number of images.
    prefix : str
        What running numbers begin with, where no column names the objects.

    Returns
    -------
    sequence of str
        Object ids.
    dict
        The columns; a position, whatever it is called, is `ra` and `dec` in degrees.

    Raises
    ------
    ValueError
        If positions are of a unit that is no angle.
    """
    if not table.colnames:
        return numbered(prefix, n), {}
    table = read_catalog(table)
    columns = {name: table[name] for name in table.colnames}
    position = sky_columns(table)
    if position is not None:
        # FITS cannot hold two columns whose names differ in capitals alone.
        columns = {k: v for k, v in columns.items() if k.lower() not in ("ra", "dec")}
        columns["ra"], columns["dec"] = position
    ids = columns.pop("object_id", None)
    if ids is None:
        return numbered(prefix, n), columns
    return [str(value) for value in ids], columns
