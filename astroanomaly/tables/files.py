"""Tables as files: the ending names the format."""

import json
import re
from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from astropy.table.serialize import represent_mixins_as_columns

from astroanomaly.tables.columns import ID_NAMES, find_columns, id_texts, text_of
from astroanomaly.tables.formats import META, READERS, WRITERS
from astroanomaly.tables.objects import fill_missing, plain_table
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.optional import require

ENDINGS = (".ecsv", ".fits", ".csv", ".parquet", ".vot")
# Also read: other endings of the same formats, and text that astropy guesses.
_FORMS = {
    **{ending: ending for ending in ENDINGS},
    **dict.fromkeys((".fit", ".fits.gz", ".fit.gz", ".ldac"), ".fits"),
    **dict.fromkeys((".tsv", ".tab"), ".csv"),
    **dict.fromkeys((".xml", ".votable"), ".vot"),
    **dict.fromkeys((".txt", ".dat", ".cat"), ".txt"),
}
# In `meta`: the columns whose text is written with Python's escapes.
_ESCAPED = "AA_TEXT"
# What a format cannot hold: FITS has printable ASCII and pads with blanks; the reader
# of ECSV strips blanks, breaks lines, and takes a # that begins a row for a comment.
_ODD = {
    ".fits": re.compile(r"[^ -~]| $"),
    ".ecsv": re.compile(r"^[\s#]|\s$|[^\S \u00a0]"),
    # VOTable characters have two bytes.
    ".vot": re.compile(r"[^\0-\uffff]"),
}
# Tables of older versions have these escapes, without a word in `meta`.
_OLD_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def _form(path: str | Path, forms) -> str:
    """Return the ending of a table's name that stands in `forms`, or raise."""
    name = Path(path).name.lower()
    found = next((ending for ending in forms if name.endswith(ending)), None)
    if found is None:
        raise ValueError(
            f"A table's file must end in {', '.join(forms)}. Received: {path}"
        )
    return found


def check_ending(path: str | Path) -> str:
    """Return the ending of a table's file that is to be written.

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
        If it is none of .ecsv, .fits, .csv, .parquet, .vot.
    ImportError
        If it is .parquet and pyarrow is missing.

    Examples
    --------
    >>> check_ending("scores.ECSV")
    '.ecsv'
    """
    ending = _form(path, ENDINGS)
    if ending == ".parquet":
        require("pyarrow", "survey")
    return ending


def write_table(table: Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all.

    Parameters
    ----------
    table : Table
        Score table, or any table of numbers, truth values and text. Columns such as
        SkyCoord are taken apart (``name.ra``, ``name.dec``), but not in .ecsv.
    path : str or Path
        File that ends in .ecsv, .fits, .csv, .parquet or .vot (VOTable). Every format
        keeps every bit of a float and every character of a text; all but .csv keep
        ``table.meta``. A FITS text column with letters beyond ASCII, which FITS does
        not have, is written with Python's escapes, an ECSV one with blanks at its ends
        likewise; a .csv text that a spreadsheet would run as a formula gets
        an apostrophe in front. `read_table` undoes all three.

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
    plain = Table({n: table[n] for n in table.colnames}, meta=dict(table.meta))
    if ending != ".ecsv":
        plain = represent_mixins_as_columns(plain)
        plain.meta.pop("__serialized_columns__", None)
    escaped = []
    for name in plain.colnames:
        column = plain[name]
        if not isinstance(column, Column) or column.dtype.kind not in "SUO":
            continue
        if column.dtype.kind == "O" and ending in (".ecsv", ".parquet"):
            # These have columns of arrays.
            if any(isinstance(value, np.ndarray | list | dict) for value in column):
                continue
        text = text_of(column)
        if ending in _ODD and any(map(_ODD[ending].search, text.flat)):
            escaped.append(name)
            flat = [
                # The codec leaves ASCII as it is, also a blank or # at an end.
                re.sub(
                    "^[ #]| $",
                    lambda end: f"\\x{ord(end[0]):02x}",
                    word.encode("unicode_escape").decode("ascii"),
                )
                for word in text.flat
            ]
            text = np.array(flat, str).reshape(text.shape)
        plain[name] = text
    if escaped or ending == ".fits":
        plain.meta[_ESCAPED] = escaped
    with atomic_path(path) as partial:
        if ending not in (".ecsv", ".csv"):
            # None of these holds nested values: all of `meta` is one text, in JSON.
            plain.meta = {META: json.dumps(plain.meta, default=str)}
        WRITERS[ending](plain, partial)


def read_table(path: str | Path) -> Table:
    """Read a table that :func:`write_table` wrote, or another of these formats.

    Parameters
    ----------
    path : str or Path
        File that ends in .ecsv, .fits (.fit, .ldac, also .gz), .csv (.tsv, .tab),
        .parquet, .vot (.xml, .votable), or .txt, .dat or .cat for what astropy guesses.
        Of a FITS file the first table is read, of one by SExtractor LDAC_OBJECTS.

    Returns
    -------
    Table
        Text is text in every format, to the character; ids (object_id, source_id, ...)
        in text files are never read as numbers. Missing text is "", missing numbers are
        NaN, and whole numbers with a missing one that floats cannot hold become text.

    Raises
    ------
    ValueError
        If the ending is another, or the content is not of that format.
    FileNotFoundError
        If there is no such file.
    ImportError
        If it is .parquet and pyarrow is missing.

    Examples
    --------
    >>> table = read_table("scores.fits")
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path} must be one table. Received: a folder; of a folder of parts "
            f"`astroanomaly merge {path} --out TABLE --top 10000` writes the strangest."
        )
    form = _FORMS[_form(path, _FORMS)]
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {str(path)!r}.")
    if form == ".parquet":
        require("pyarrow", "survey")
    try:
        table = READERS[form](path)
    except Exception as error:
        # Each of astropy's readers has its own kinds of error for a damaged file.
        first = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ValueError(
            f"{path} must be a table of the format that its ending "
            f"{path.suffix.lower()} names. Received: {first[:200]}"
        ) from error
    meta = dict(table.meta)
    ours = META in meta
    meta = json.loads(meta[META]) if ours else meta
    escaped = meta.pop(_ESCAPED, None)
    if form == ".fits" and escaped is not None:
        for name in table.colnames:
            table.rename_column(name, name.encode().decode("unicode_escape"))
    for name in escaped or ():
        text = text_of(table[name])
        flat = [word.encode("ascii").decode("unicode_escape") for word in text.flat]
        table[name] = np.array(flat, str).reshape(text.shape)
    table = plain_table(table)
    if form == ".fits" and ours and escaped is None:
        for name in [n for n in table.colnames if table[n].dtype.kind == "U"]:
            table[name] = [
                _OLD_ESCAPE.sub(lambda found: chr(int(found[1][1:], 16)), word)
                for word in table[name].tolist()
            ]
    table.meta = meta
    for name in find_columns(table, ID_NAMES[:1]):
        table[name] = id_texts(table[name])
    return fill_missing(table)
