"""Score tables as files: the ending names the format."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.tables.objects import fill_missing
from astroanomaly.utils.files import atomic_path

ENDINGS = (".ecsv", ".fits", ".csv", ".parquet")
_META = "AA_META"
# Read as text even where every value looks like a number.
_TEXT = ("object_id", "file")


def check_ending(path: str | Path) -> str:
    """Return the ending of a table's file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        Its ending, in lower case.

    Raises
    ------
    ValueError
        If it is none of .ecsv, .fits, .csv, .parquet.
    ImportError
        If it is .parquet and pyarrow is missing.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(
            f"A table's file must end in {', '.join(ENDINGS)}. Received: {path}"
        )
    if ending == ".parquet":
        _pyarrow()
    return ending


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet tables need pyarrow, which is missing: "
            'pip install "astroanomaly[survey]".'
        ) from error
    return pyarrow


def write_table(table: Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all.

    Parameters
    ----------
    table : Table
        Score table, or any table of numbers, truth values and text.
    path : str or Path
        File that ends in .ecsv, .fits, .csv or .parquet. Every format keeps every
        bit of a float; all but .csv keep ``table.meta``. Letters beyond ASCII,
        which FITS does not have, are spelled out as Python escapes in .fits.

    Raises
    ------
    ValueError
        If the ending is another.
    ImportError
        If a .parquet file is asked for and pyarrow is missing.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> write_table(Table({"object_id": ["a"], "anomaly_score": [1.5]}), "t.csv")
    >>> float(read_table("t.csv")["anomaly_score"][0])
    1.5
    """
    ending = check_ending(path)
    plain = Table({name: table[name] for name in table.colnames}, meta=table.meta)
    with atomic_path(path) as partial:
        if ending == ".fits":
            _write_fits(plain, partial)
        elif ending == ".parquet":
            _write_parquet(plain, partial)
        else:
            plain.write(partial, format=f"ascii{ending}")


def _write_fits(table: Table, path: Path) -> None:
    from astropy.io import fits

    # FITS cards hold no nested values: all of `meta` is one long text, in JSON.
    meta, table.meta = json.dumps(table.meta, default=str), {}
    for name in table.colnames:
        if table[name].dtype.kind in "UO":
            # FITS has no other letters; a survey must not fail at its end for one.
            table[name] = [
                str(text).encode("ascii", "backslashreplace").decode()
                for text in table[name]
            ]
    hdu = fits.table_to_hdu(table)
    hdu.header["EXTNAME"] = "SCORES"
    hdu.header[_META] = meta
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def _write_parquet(table: Table, path: Path) -> None:
    pyarrow = _pyarrow()
    columns = {
        name: np.ma.asarray(table[name]).tolist()
        if table[name].dtype.kind in "SUO"
        else np.ascontiguousarray(table[name])
        for name in table.colnames
    }
    meta = {_META: json.dumps(table.meta, default=str)}
    pyarrow.parquet.write_table(pyarrow.table(columns, metadata=meta), path)


def read_table(path: str | Path) -> Table:
    """Read a table that :func:`write_table` wrote, or another of these formats.

    Parameters
    ----------
    path : str or Path
        File that ends in .ecsv, .fits, .csv or .parquet.

    Returns
    -------
    Table
        Text is text in every format, ids that look like numbers too; missing text
        is "", missing numbers are NaN.

    Raises
    ------
    ValueError
        If the ending is another, or the content is not of that format.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> table = read_table("scores.fits")
    """
    path = Path(path)
    ending = check_ending(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {str(path)!r}.")
    try:
        if ending == ".ecsv":
            return fill_missing(Table.read(path, format="ascii.ecsv"))
        readers = {".csv": _read_csv, ".fits": _read_fits, ".parquet": _read_parquet}
        return readers[ending](path)
    except (ValueError, KeyError, OSError, UnicodeDecodeError) as error:
        first = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ValueError(
            f"{path} must be a table of the format that its ending {ending} names. "
            f"Received: {first}"
        ) from error


def _read_csv(path: Path) -> Table:
    from astropy.io import ascii as text_tables

    text = [text_tables.convert_numpy(str)]
    # The fast reader rounds the last bit of a float.
    table = text_tables.read(
        path,
        format="csv",
        guess=False,
        fast_reader=False,
        converters={name: text for name in _TEXT},
    )
    table = fill_missing(table)
    for name in table.colnames:
        if table[name].dtype.kind == "U" and set(table[name]) <= {"True", "False"}:
            table[name] = np.asarray(table[name]) == "True"
    return table


def _read_fits(path: Path) -> Table:
    table = Table.read(path, format="fits", mask_invalid=False)
    table.convert_bytestring_to_unicode()
    meta = {key.upper(): value for key, value in table.meta.items()}
    table.meta = json.loads(meta[_META]) if _META in meta else dict(table.meta)
    return table


def _read_parquet(path: Path) -> Table:
    found = _pyarrow().parquet.read_table(path)
    columns = {
        name: found[name].to_pylist()
        if str(found[name].type) in ("string", "large_string")
        else found[name].to_numpy()
        for name in found.column_names
    }
    meta = (found.schema.metadata or {}).get(_META.encode())
    return Table(columns, meta=json.loads(meta) if meta else {})
