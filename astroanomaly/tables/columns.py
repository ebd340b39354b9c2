"""Read score tables safely: text, missing values, levels, rank, flags."""

import re

import numpy as np

FLAG_WORDS = {
    1: "NaN pixels filled",
    2: "padded at an edge",
    4: "clipped by the stretch",
    8: "latent search did not converge",
}
_LEVEL = re.compile(r"is_anomaly_(\d+(?:\.\d+)?)")


def require(table, *names: str) -> None:
    """Refuse a table that lacks a column, naming it and what is there."""
    missing = [name for name in names if name not in table.colnames]
    if missing:
        raise ValueError(
            f"The table has no column {missing[0]!r}. Columns: {table.colnames}."
        )


def texts(table, name: str = "object_id") -> list[str]:
    """Return a column as plain strings, FITS bytes decoded, masked ones empty."""
    require(table, name)
    values = np.ma.filled(np.ma.asarray(table[name]).astype(object), "")
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


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


def truths(table, name: str) -> np.ndarray:
    """Return a column as bool; text such as "True" or "1" counts as true."""
    words = np.char.lower(np.array(texts(table, name), dtype=str))
    return np.isin(words, ["true", "1", "1.0", "t", "yes"])


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


def flag_words(flag: int) -> list[str]:
    """Return what the bits of a flag mean, unknown bits by their value."""
    flag, words = int(flag), []
    for bit in (1 << k for k in range(flag.bit_length())):
        if flag & bit:
            words.append(FLAG_WORDS.get(bit, f"flag {bit}"))
    return words


def match(table, ids: list[str], what: str = "the table") -> np.ndarray:
    """Return the row of each id.

    Raises
    ------
    ValueError
        If an id is not in the table or the table holds it twice.
    """
    present = texts(table)
    rows = {name: row for row, name in enumerate(present)}
    if len(rows) < len(present):
        raise ValueError(f"An object_id occurs twice in {what}.")
    return lookup(rows, ids, what)


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
