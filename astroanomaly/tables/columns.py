"""Read columns of a table: text, numbers, truth values, levels, rank, ids."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from astroanomaly.tables.flags import flag_words as flag_words

_LEVEL = re.compile(r"is_anomaly_(\d+(?:\.\d+)?)")
# CSV files of several programs write truth values in these ways; case does not matter.
_TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
# How missing text arrives: FITS has no mask for text, numpy and astropy print these.
_NOTHING = ("", "nan", "--")
# Columns that name the objects, the most explicit first, as `plain_name` spells them.
ID_NAMES = (
    "objectid",
    "objid",
    "sourceid",
    "coaddobjectid",
    "coaddobjectsid",
    "targetid",
    "id",
    "number",
    "name",
    "iauname",
    "designation",
)
FILE_NAMES = ("file", "filename", "path", "filepath")
# The first so many always name an object; `number` and `name` may be of something else.
_N_SURE = 7
_OWN = ("object_id", "file")
AT_MOST = "\N{LESS-THAN OR EQUAL TO}"
# What sums of float64 numbers around 1 leave of a zero, such as 3.469e-18.
_ZERO = 1e-15
# A message names only the first few objects of what may be thousands.
_MAX_NAMED = 3


def require(table, *names: str) -> None:
    """Raise if a table lacks a column; the message lists the columns it has."""
    missing = [name for name in names if name not in table.colnames]
    if missing:
        raise ValueError(
            f"The table has no column {missing[0]!r}. Columns: {table.colnames}."
        )


def plain_name(name: str) -> str:
    """Return the letters and digits of a column's name in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_columns(table, names: Sequence[str]) -> list[str]:
    """Return the columns of a table that have one of the plain `names`, in order."""
    known = {name: place for place, name in enumerate(names)}
    found = [name for name in table.colnames if plain_name(name) in known]
    # Where several are spelled alike, our own spelling goes first: object_id, file.
    return sorted(found, key=lambda n: (known[plain_name(n)], n not in _OWN))


def text_of(column) -> np.ndarray:
    """Return a column as text, to the character; masked and None are "".

    Bytes are UTF-8, and the blanks at their end are FITS's padding.
    """
    values = np.ma.asarray(column)
    missing, data = np.ma.getmaskarray(values), np.ma.getdata(values)
    if values.dtype.kind == "S":
        text = np.char.rstrip(np.char.decode(data, "utf-8"), " ")
    elif values.dtype.kind == "O":
        missing = missing | np.array([v is None or v is np.ma.masked for v in data])
        found = [v.decode() if isinstance(v, bytes) else str(v) for v in data]
        text = np.array(found, dtype=str)
    else:
        text = data.astype(str)
    return np.where(missing, "", text)


def words(column) -> np.ndarray:
    """Return a column as text without blanks at the ends; masked is ""."""
    return np.char.strip(text_of(column))


def id_texts(column) -> np.ndarray:
    """Return a column of ids as text, to the character; a missing id is "".

    Whole floats, which pandas makes of integers when one is missing, are written as
    integers; a float too large to be exact raises ValueError.
    """
    text = text_of(column)
    if column.dtype.kind == "f":
        values = np.ma.filled(np.ma.asarray(column), np.nan)
        # Above this a float no longer tells neighbouring integers apart.
        limit = 2.0 ** (np.finfo(values.dtype).nmant + 1)
        if len(inexact := np.flatnonzero(np.abs(values) > limit)):
            raise ValueError(
                f"Column {column.name!r} must hold ids as text or integers. Received: "
                f"{values.dtype} numbers too large to be exact, such as "
                f"{values[inexact[0]]} in row {inexact[0]}."
            )
        for row in np.flatnonzero(values == np.floor(values)):
            text[row] = str(int(values[row]))
        text[np.isnan(values)] = ""
    text[np.char.strip(text) == ""] = ""
    return text


def texts(table, name: str = "object_id") -> list[str]:
    """Return a column as plain strings, as :func:`id_texts` does."""
    require(table, name)
    return id_texts(table[name]).tolist()


def numbers(table, name: str) -> np.ndarray:
    """Return a column as float64, NaN where it is masked."""
    require(table, name)
    values = np.ma.asarray(table[name])
    try:
        return np.ma.filled(values.astype(np.float64), np.nan)
    except (TypeError, ValueError):
        raise ValueError(
            f"Column {name!r} must hold numbers. Received: {values.dtype}."
        ) from None


def is_missing(column) -> np.ndarray:
    """Return where a column has no value: masked, NaN or an empty string."""
    missing = np.ma.getmaskarray(np.ma.asarray(column)).copy()
    kind = column.dtype.kind
    if kind == "f":
        missing |= np.isnan(np.ma.getdata(column))
    elif kind in "SUO":
        missing |= np.isin(words(column), _NOTHING)
    return missing


def as_bool(column, name: str) -> np.ndarray:
    """Return truth values as bool, whatever file format they came through.

    Parameters
    ----------
    column : Column or ndarray of shape (n,)
        Booleans, the numbers 0 and 1, or true, t, yes, y, 1, 1.0 and false, f, no, n,
        0, 0.0 as text in any case. A missing value gives False: the caller decides.
    name : str
        Subject of the message, such as "Column is_lens".

    Returns
    -------
    ndarray of bool
        True where the value is true.

    Raises
    ------
    ValueError
        If a value is anything else; the message gives its row (from 0).
    """
    if column.dtype.kind in "SUO":
        text = np.char.lower(words(column))
    else:
        values = np.ma.getdata(column)
        text = np.where(values == 1, "1", np.where(values == 0, "0", "other"))
    true = np.isin(text, [word for word, truth in _TRUTHS.items() if truth])
    known = true | np.isin(text, [w for w, truth in _TRUTHS.items() if not truth])
    missing = is_missing(column)
    if len(odd := np.flatnonzero(~known & ~missing)):
        raise ValueError(
            f"{name} must hold true and false (or 1 and 0). "
            f"Received: {str(np.ma.getdata(column)[odd[0]])!r} in row {odd[0]}."
        )
    return true & ~missing


def truths(table, name: str) -> np.ndarray:
    """Return a column of truth values as bool, as :func:`as_bool` does."""
    require(table, name)
    return as_bool(table[name], f"Column {name!r}")


def levels(table) -> list[str]:
    """Return the levels of the ``is_anomaly_*`` columns as text, ascending."""
    found = (_LEVEL.fullmatch(name) for name in table.colnames)
    return sorted((match[1] for match in found if match), key=float)


def highest_level(table) -> list[str]:
    """Return the highest level each row is above, "" where it is above none."""
    highest = [""] * len(table)
    for level in levels(table):
        for row in np.flatnonzero(truths(table, f"is_anomaly_{level}")):
            highest[row] = level
    return highest


def ranking(table, by: str = "anomaly_score") -> np.ndarray:
    """Return row numbers by falling score; NaN last, ties in table order."""
    return np.argsort(-numbers(table, by), kind="stable")


def score_names(table) -> list[str]:
    """Return the score columns of a table, the ranking one first."""
    names = [name for name in table.colnames if name.endswith("_score")]
    names += [name for name in ("latent_norm",) if name in table.colnames]
    return sorted(names, key=lambda name: name != "anomaly_score")


def shown(value: float, form: str) -> str:
    """Return a formatted number; what rounding left of a zero is 0."""
    return format(0.0 if abs(value) < _ZERO else value, form)


def p_value_texts(table, form: str = ".2g", n: int | None = None) -> list[str]:
    """Return p-values as text, with a bound's sign before the smallest possible one.

    Parameters
    ----------
    table : Table
        With a column p_value.
    form : str
        Of a number.
    n : int, optional
        Number of calibration objects; by default that of the table's `meta`. The
        smallest p-value is 1 / (n + 1): the object may be stranger than it says.

    Returns
    -------
    list of str
        "nan" where there is none.
    """
    n = int(n or table.meta.get("n_calibration") or 0)
    # Half a step above the smallest, as numbers in files may be rounded.
    smallest = 1.5 / (n + 1) if n else 0.0
    return [
        f"{AT_MOST} " * bool(value < smallest) + shown(value, form)
        for value in numbers(table, "p_value")
    ]


def check_unique(object_ids: Sequence[str], what: str = "The cutouts") -> None:
    """Raise if an id in `what` is missing ("") or occurs more than once."""
    if "" in object_ids:
        rows = [row for row, name in enumerate(object_ids) if name == ""]
        raise ValueError(
            f"{what} must hold an object_id in every row. Received: none in row "
            f"{rows[0]} (from 0), {len(rows)} of {len(object_ids)} rows without one."
        )
    if len(set(object_ids)) == len(object_ids):
        return
    names, counts = np.unique(np.asarray(object_ids, str), return_counts=True)
    twice = names[counts > 1]
    shown = ", ".join(repr(str(name)) for name in twice[:_MAX_NAMED])
    raise ValueError(
        f"{what} must hold each object_id once. "
        f"Received: {len(twice)} repeated, such as {shown}."
    )


def object_ids(table, name: str) -> np.ndarray:
    """Return the object ids of a table as text, each once, or raise."""
    found = find_columns(table, ID_NAMES[:_N_SURE])
    if not found:
        raise ValueError(
            f"`{name}` needs a column object_id. Received: columns "
            f"{', '.join(table.colnames) or 'none'}."
        )
    ids = id_texts(table[found[0]])
    check_unique(ids.tolist(), f"`{name}`")
    return ids


def _loose(text: str) -> str:
    """Return an id without what programs change in it."""
    # macOS writes file names in decomposed letters, pandas writes 101.0 for 101.
    text = unicodedata.normalize("NFC", str(text)).strip()
    whole = re.fullmatch(r"(\d+)\.0+", text)
    return whole[1] if whole else text


def rows_of_ids(wanted, ids) -> np.ndarray:
    """Return the row in `ids` of each wanted id, -1 where it is not there.

    What is not there to the character is found where it differs only by blanks at the
    ends, by composed letters, or by the .0 that a float adds, and by that from one id.
    """
    wanted, ids = np.asarray(wanted, str), np.asarray(ids, str)
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    rows = np.where(ids[order][place] == wanted, order[place], -1)
    if len(lost := np.flatnonzero(rows < 0)):
        free = np.setdiff1d(np.arange(len(ids)), rows)
        names, keys = ([_loose(t) for t in some] for some in (wanted[lost], ids[free]))
        asked, held = Counter(names), Counter(keys)
        known = {k: row for k, row in zip(keys, free, strict=True) if held[k] == 1}
        for row, name in zip(lost, names, strict=True):
            if asked[name] == 1 and name:
                rows[row] = known.get(name, -1)
    return rows


def match(table, ids: list[str], what: str = "the table") -> np.ndarray:
    """Return the row of each id; raise if one is absent or `table` holds one twice."""
    present = texts(table)
    check_unique(present, what)
    return lookup({name: row for row, name in enumerate(present)}, ids, what)


def lookup(rows: dict[str, int], ids: list[str], what: str) -> np.ndarray:
    """Return ``rows[id]`` for each id, or one clear error for the absent."""
    missing = [name for name in ids if name not in rows]
    if missing:
        raise ValueError(
            f"object_id {missing[0]!r} is not in {what} "
            f"({len(missing)} of {len(ids)} wanted objects are missing; "
            f"{what} has {len(rows)})."
        )
    return np.array([rows[name] for name in ids], dtype=np.intp)
