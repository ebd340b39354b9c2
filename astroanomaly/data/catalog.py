"""Catalogs: reading them, joining them to cutouts, positions in them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table

from astroanomaly.tables.objects import fill_missing

CATALOG_NAMES = ("catalog.ecsv", "catalog.csv", "catalog.fits")

_ID_NAMES = ("object_id", "objectid", "objid", "id", "number", "source_id", "name")
_FILE_NAMES = ("file", "filename", "file_name", "path")
_RA_NAMES = (
    "ra",
    "alpha_j2000",
    "alphawin_j2000",
    "raj2000",
    "ra_j2000",
    "_raj2000",
    "ra_deg",
    "radeg",
    "right_ascension",
)
_DEC_NAMES = (
    "dec",
    "delta_j2000",
    "deltawin_j2000",
    "dej2000",
    "decj2000",
    "dec_j2000",
    "_dej2000",
    "dec_deg",
    "decdeg",
    "de",
    "declination",
)
# SExtractor counts pixels from 1 (FITS), everything here counts from 0.
_X_NAMES = {"x": 0, "xcentroid": 0, "x_image": 1, "xwin_image": 1}
_Y_NAMES = {"y": 0, "ycentroid": 0, "y_image": 1, "ywin_image": 1}

_FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".parquet": "parquet",
    ".vot": "votable",
    ".xml": "votable",
    ".txt": "ascii",
    ".dat": "ascii",
    ".cat": "ascii",
}


def _find_column(table: Table, names) -> str | None:
    lower = {name.lower(): name for name in reversed(table.colnames)}
    return next((lower[name] for name in names if name in lower), None)


def read_catalog(catalog: str | Path | Table) -> Table:
    """Read a catalog.

    Parameters
    ----------
    catalog : str, Path or Table
        A file whose ending tells its form: .ecsv, .csv, .fits, .parquet, .vot, or
        .txt, .dat and .cat for what astropy guesses (SExtractor's among them); or a
        table, which is copied.

    Returns
    -------
    Table
        Missing numbers are NaN, missing text is "". A column that names the
        objects (OBJECT_ID, ID, NUMBER, ...) is called `object_id` and holds text; one
        that names files is called `file`.

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
    if isinstance(catalog, Table):
        table = catalog.copy()
    else:
        table = _read_file(Path(catalog))
    if len(table) == 0:
        name = "" if isinstance(catalog, Table) else f" {catalog}"
        raise ValueError(
            f"The catalog{name} must have a row. Received: an empty table."
        )
    table.convert_bytestring_to_unicode()
    table = fill_missing(table)
    for names, name in ((_ID_NAMES, "object_id"), (_FILE_NAMES, "file")):
        found = _find_column(table, names)
        if found is None:
            continue
        text = [str(value).strip() for value in table[found]]
        if found != name:
            table.rename_column(found, name)
        table[name] = np.array(text, str)
    return table


def _read_file(path: Path) -> Table:
    if not path.exists():
        raise FileNotFoundError(f"There is no catalog {str(path)!r}.")
    name = path.name.lower()
    form = next((f for ending, f in _FORMATS.items() if name.endswith(ending)), None)
    if form is None:
        raise ValueError(
            f"A catalog's name must end in one of {', '.join(_FORMATS)}. "
            f"Received: {str(path)!r}."
        )
    try:
        return Table.read(path, format=form)
    except ImportError as error:
        raise ImportError(
            f'Reading {path.name} needs another package: pip install "astroanomaly'
            '[survey]"'
        ) from error
    except Exception as error:
        # Each of astropy's readers has its own kinds of error for a damaged file.
        text = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path} must be a table of the form {form}. Received: "
            f"{type(error).__name__}: {text}."
        ) from error


def _match(keys: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Return the row of each wanted key, -1 where there is none."""
    rows = {key: row for row, key in reversed(list(enumerate(keys)))}
    return np.array([rows.get(key, -1) for key in wanted], int)


def match_rows(
    catalog: Table, object_ids: Sequence[str], files: Sequence[str]
) -> tuple[np.ndarray, bool]:
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
    bool
        True when the column `file` matched and not `object_id`.

    Raises
    ------
    ValueError
        If an object's id occurs in two rows.

    Examples
    --------
    >>> match_rows(Table({"object_id": ["b", "a"]}), ["a"], ["a.fits"])
    (array([1]), False)
    """
    best, by_file = np.full(len(object_ids), -1), False
    names = [Path(name).name for name in files]
    if "file" in catalog.colnames and len(set(names)) == len(names):
        keys = [Path(name).name for name in catalog["file"].tolist()]
        # In the catalog of a cube every row names the same file.
        if len(set(keys)) == len(keys):
            best, by_file = _match(keys, names), True
    if "object_id" in catalog.colnames:
        keys = catalog["object_id"].tolist()
        ids = _match(keys, object_ids)
        if (ids >= 0).sum() > (best >= 0).sum():
            wanted = set(object_ids)
            twice = [k for k, n in Counter(keys).items() if n > 1 and k in wanted]
            if twice:
                raise ValueError(
                    "The catalog must have one row per object_id. Received: "
                    f"{len(twice)} duplicate object_id value(s), such as {twice[0]!r}."
                )
            return ids, False
    return best, by_file


def join(
    catalog: Table, object_ids: Sequence[str], files: Sequence[str]
) -> tuple[Table | None, list[str]]:
    """Bring the catalog's columns to the objects.

    Parameters
    ----------
    catalog : Table
        As from `read_catalog`.
    object_ids, files : sequence of str
        The objects.

    Returns
    -------
    Table of n rows, or None
        The catalog's columns, a row per object; an object without one has NaN or
        "" there. None when no object has a row.
    list of str
        The objects' ids: the catalog's `object_id` where its `file` matched.

    Examples
    --------
    >>> join(Table({"object_id": ["a"], "mag": [24.0]}), ["a"], ["a.fits"])[1]
    ['a']
    """
    rows, by_file = match_rows(catalog, object_ids, files)
    found = rows >= 0
    if not found.any():
        return None, list(object_ids)
    ids = list(object_ids)
    if by_file and "object_id" in catalog.colnames:
        names = catalog["object_id"].tolist()
        ids = [
            names[row] if row >= 0 else old for row, old in zip(rows, ids, strict=True)
        ]
    columns = _normalize(catalog)[np.where(found, rows, 0)]
    if not found.all():
        columns = Table(columns, masked=True)
        for name in columns.colnames:
            if isinstance(columns[name], MaskedColumn):
                columns[name].mask |= ~found
        columns = fill_missing(columns)
    return columns, ids


def _normalize(catalog: Table) -> Table:
    """Return the catalog with positions, when it has any, named ra and dec."""
    table = Table(catalog, copy=False)
    for aliases, name in ((_RA_NAMES, "ra"), (_DEC_NAMES, "dec")):
        found = _find_column(table, aliases)
        if found is not None and table[found].dtype.kind in "fiu":
            degrees = _degrees(table[found])
            if found.lower() == name and found != name:
                table.remove_column(found)
            table[name] = degrees
    return table


def _degrees(column) -> np.ndarray:
    unit = getattr(column, "unit", None)
    values = np.asarray(column, float)
    if unit is None or not unit.is_equivalent(u.deg):
        return values
    return (values * unit).to_value(u.deg)


def sky_columns(catalog: Table) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the catalog's right ascensions and declinations.

    Parameters
    ----------
    catalog : Table
        With columns of numbers named ra and dec, or as SExtractor, CDS and others
        name them, in degrees unless the column has another unit of angle.

    Returns
    -------
    tuple of ndarray of shape (n,), or None
        Degrees; None when there are no such columns.

    Examples
    --------
    >>> sky_columns(Table({"RA": [150.0], "DEC": [2.2]}))[0].tolist()
    [150.0]
    """
    names = _find_column(catalog, _RA_NAMES), _find_column(catalog, _DEC_NAMES)
    if None in names or any(catalog[n].dtype.kind not in "fiu" for n in names):
        return None
    return _degrees(catalog[names[0]]), _degrees(catalog[names[1]])


def pixel_columns(catalog: Table) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the catalog's pixel positions, counted from 0.

    Parameters
    ----------
    catalog : Table
        With columns x and y (or xcentroid, ycentroid), counted from 0 at the centre
        of the first pixel; or SExtractor's X_IMAGE, Y_IMAGE, XWIN_IMAGE, YWIN_IMAGE,
        which count from 1.

    Returns
    -------
    tuple of ndarray of shape (n,), or None
        Columns and rows; None when there are no such columns.

    Examples
    --------
    >>> pixel_columns(Table({"X_IMAGE": [1.0], "Y_IMAGE": [3.0]}))[1].tolist()
    [2.0]
    """
    found = []
    for names in (_X_NAMES, _Y_NAMES):
        name = _find_column(catalog, names)
        if name is None or catalog[name].dtype.kind not in "fiu":
            return None
        found.append(np.asarray(catalog[name], float) - names[name.lower()])
    return found[0], found[1]
