"""Read columns of a table: text, numbers, truth values, levels, rank, ids."""

import re
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


def words(column) -> np.ndarray:
    """Return a column as stripped text; FITS bytes are decoded, masked is ""."""
    values = np.ma.asarray(column)
    if values.dtype.kind == "S":
        text = np.char.decode(np.ma.getdata(values), "utf-8")
    elif values.dtype.kind == "O":
        found = [v.decode() if isinstance(v, bytes) else str(v) for v in values.data]
        text = np.array(found, dtype=str)
    else:
        # CSV files give numbers where ids look like numbers.
        text = np.ma.getdata(values).astype(str)
    return np.where(np.ma.getmaskarray(values), "", np.char.strip(text))


def texts(table, name: str = "object_id") -> list[str]:
    """Return a column as plain strings, as :func:`words` does."""
    require(table, name)
    return words(table[name]).tolist()


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
    """Raise if an object id occurs more than once in `what`."""
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
    if "object_id" not in table.colnames:
        raise ValueError(
            f"`{name}` needs a column object_id. Received: columns "
            f"{', '.join(table.colnames) or 'none'}."
        )
    ids = words(table["object_id"])
    check_unique(ids.tolist(), f"`{name}`")
    return ids


def rows_of_ids(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the row in `ids` of each wanted id, -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    return np.where(ids[order][place] == wanted, order[place], -1)


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
