"""Catalogs: reading them, joining them to cutouts."""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from astroanomaly.data.options import MAX_BYTES
from astroanomaly.data.remote import is_remote, local_copy
from astroanomaly.tables.columns import (
    FILE_NAMES,
    ID_NAMES,
    find_columns,
    id_texts,
    plain_name,
    rows_of_ids,
    text_of,
)
from astroanomaly.tables.files import read_table
from astroanomaly.tables.objects import fill_missing, plain_table, take_rows
from astroanomaly.tables.positions import pixel_columns, sky_columns

__all__ = [
    "CATALOG_NAMES",
    "join",
    "match_rows",
    "pixel_columns",
    "read_catalog",
    "sky_columns",
]

CATALOG_NAMES = ("catalog.ecsv", "catalog.csv", "catalog.fits")

# Often of something else: a class, an observer's word. They count where they join, or
# where no other column names the objects and no two rows have the same.
_UNSURE = ("number", "name", "iauname", "designation", "label")
# Columns that only a catalog of `write_cutouts` has together: its flag is ours.
_OURS = ("object_id", "file", "ra", "dec", "flag")


def read_catalog(catalog: str | Path | Table | SkyCoord) -> Table:
    """Read a catalog.

    Parameters
    ----------
    catalog : str, Path, Table, SkyCoord or DataFrame
        A file as `read_table` reads it (ECSV, FITS, CSV, Parquet, VOTable, SExtractor's
        and others), a URL of one, a table of astropy or pandas, which is copied, or
        positions on the sky alone.

    Returns
    -------
    Table
        Missing numbers are NaN, missing text is "". The first of the columns object_id,
        objid, source_id, coadd_object_id, id, NUMBER, name (in any capitals) and label
        that has a different value in every row is also there as `object_id`, in text;
        one that names files as `file`. A column `flag`, other than that of
        `write_cutouts`, is called `catalog_flag`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the ending is unknown, the file is no such table, or it has no row.

    Examples
    --------
    >>> str(read_catalog(Table({"ID": [7]}))["object_id"][0])
    '7'
    """
    if type(catalog).__module__.partition(".")[0] == "pandas":
        # An index without a name counts the rows.
        catalog = Table.from_pandas(catalog, index=any(catalog.index.names))
    if isinstance(catalog, SkyCoord):
        catalog = Table({"coord": catalog.reshape(-1)})
    if isinstance(catalog, Table):
        name, table = "", plain_table(catalog.copy())
        # Before the filling, which would make floats of ids with a missing one.
        for column in find_columns(table, ID_NAMES[:1]):
            table[column] = id_texts(table[column])
        table = fill_missing(table)
    elif isinstance(catalog, str | Path):
        if is_remote(catalog):
            catalog = local_copy(catalog, MAX_BYTES)
        if not Path(catalog).exists():
            raise FileNotFoundError(f"There is no catalog {str(catalog)!r}.")
        name, table = f" {catalog}", read_table(catalog)
    else:
        raise TypeError(
            "`catalog` must be a file, an astropy Table or SkyCoord, or a pandas "
            f"DataFrame. Received: {type(catalog).__name__}."
        )
    if len(table) == 0:
        raise ValueError(
            f"The catalog{name} must have a row. Received: an empty table."
        )
    ours = {*_OURS} <= {*table.colnames} and any(
        name.startswith("zero_point_") for name in table.colnames
    )
    for column in [n for n in table.colnames if n.lower() == "flag" and not ours]:
        kept = "catalog_flag"
        while kept in table.colnames:
            kept += "_"
        table.rename_column(column, kept)
    ids = _id_columns(table)
    explicit = [name for name in ids if plain_name(name) == "objectid"]
    whole = [n for n, text in ids.items() if len({*text} - {""}) == len(table)]
    sure = [name for name in ids if plain_name(name) not in _UNSURE]
    if chosen := next(iter([*explicit, *whole, *sure]), None):
        # FITS cannot hold two columns whose names differ in capitals alone.
        if chosen.lower() == "object_id":
            table.rename_column(chosen, "object_id")
        table["object_id"] = ids[chosen]
    for chosen in find_columns(table, FILE_NAMES)[:1]:
        if chosen.lower() == "file":
            table.rename_column(chosen, "file")
            chosen = "file"
        table["file"] = text_of(table[chosen])
    return table


def _id_columns(table: Table) -> dict[str, np.ndarray]:
    """Return the texts of each column that may name the objects, in order of trust."""
    names = find_columns(table, (*ID_NAMES, "label"))
    names = [n for n in names if isinstance(table[n], Column) and table[n].ndim == 1]
    return {name: id_texts(table[name]) for name in names}


def match_rows(
    catalog: Table, object_ids: Sequence[str], files: Sequence[str]
) -> tuple[np.ndarray, str]:
    """Find the catalog's row of each object.

    Parameters
    ----------
    catalog : Table
        As from `read_catalog`.
    object_ids, files : sequence of str
        The objects; of the files only the names count, not the folders.

    Returns
    -------
    ndarray of int
        A row for each object, -1 for none.
    str
        The column that names most of them; of several the first of file, object_id,
        objid, source_id, coadd_object_id, id, number, name, label. "" for none.

    Raises
    ------
    ValueError
        If an object's id occurs in two rows.

    Examples
    --------
    >>> match_rows(Table({"object_id": ["b", "a"]}), ["a"], ["a.fits"])
    (array([1]), 'object_id')
    """
    best, by, twice = np.full(len(object_ids), -1), "", []
    # Not by Path, which takes as long as opening the file.
    names = [os.path.basename(name) for name in files]
    if "file" in catalog.colnames and len(set(names)) == len(names):
        keys = [os.path.basename(name) for name in catalog["file"].tolist()]
        # In the catalog of a cube every row names the same file.
        if len(set(keys)) == len(keys):
            best = rows_of_ids(names, keys)
            by = "file" if (best >= 0).any() else ""
    wanted = set(object_ids)
    for name, ids in _id_columns(catalog).items():
        rows = rows_of_ids(object_ids, ids)
        if (rows >= 0).sum() > (best >= 0).sum():
            counts = Counter(ids.tolist())
            twice = [key for key, n in counts.items() if n > 1 and key in wanted]
            best, by = rows, name
    if twice:
        raise ValueError(
            f"The catalog must have one row per {by}. Received: {len(twice)} "
            f"duplicate {by} value(s), such as {twice[0]!r}."
        )
    return best, by


def join(
    catalog: Table, object_ids: Sequence[str], files: Sequence[str], matched=None
) -> tuple[Table | None, list[str]]:
    """Bring the catalog's columns to the objects.

    Parameters
    ----------
    catalog : Table
        As from `read_catalog`.
    object_ids, files : sequence of str
        The objects.
    matched : tuple, optional
        What `match_rows` returned for them, if it was asked before.

    Returns
    -------
    Table of n rows, or None
        The catalog's columns, a row per object; an object without one has NaN or
        "" there. Positions are in `ra` and `dec`, in degrees. None when no object has
        a row.
    list of str
        The objects' ids: the catalog's `object_id` where its `file` matched.

    Examples
    --------
    >>> join(Table({"object_id": ["a"], "mag": [24.0]}), ["a"], ["a.fits"])[1]
    ['a']
    """
    rows, by = matched or match_rows(catalog, object_ids, files)
    ids = [str(name) for name in object_ids]
    if not by:
        return None, ids
    if by == "file" and "object_id" in catalog.colnames:
        given = catalog["object_id"].tolist()
        # A row without an id leaves the object its own.
        ids = [given[r] or i if r >= 0 else i for r, i in zip(rows, ids, strict=True)]
    elif unnamed := np.flatnonzero(text_of(catalog[by]) == "").tolist():
        warnings.warn(
            f"The catalog must hold {by} in every row. Received: none in row "
            f"{unnamed[0]} (from 0), {len(unnamed)} of {len(catalog)} rows, which are "
            "not used.",
            stacklevel=2,
        )
    columns, sky = Table(catalog, copy=False), sky_columns(catalog)
    for name in [n for n in columns.colnames if n.lower() in ("ra", "dec")]:
        if sky is None:
            # Words, or one without the other: kept, but no position.
            columns.rename_column(name, f"catalog_{name.lower()}")
        else:
            columns.remove_column(name)
    if sky is not None:
        columns["ra"], columns["dec"] = sky
    columns = take_rows(columns, rows)
    if by not in ("file", "object_id") and "object_id" in columns.colnames:
        columns.rename_column("object_id", "catalog_object_id")
    columns["object_id"] = np.array(ids, str)
    return columns, ids
