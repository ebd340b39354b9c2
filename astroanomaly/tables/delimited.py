"""CSV tables: text to the character, numbers to the bit."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.table import MaskedColumn, Table

from astroanomaly.tables.columns import FILE_NAMES, ID_NAMES, plain_name, text_of

# Excel writes semicolons where the decimal mark is a comma.
_DELIMITERS = ",;\t|"
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
# 007 is a name, not the number 7.
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_ZEROS_FIRST = re.compile(r"[+-]?0\d+")
_FLOAT = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE
)


def read_text(path: str | Path) -> str:
    """Return the text of a file: UTF-8, or UTF-16 with its byte-order mark."""
    data = Path(path).read_bytes()
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        return data.decode("utf-16" if data.startswith(marks) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} is not UTF-8 text; save the table as UTF-8"
        ) from error


def _split(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def read_csv(path: Path) -> Table:
    """Return the table of a CSV file; a cell without a value is masked.

    The delimiter is the one of comma, semicolon, tab and | that splits the header into
    most columns. Lines that begin with # are comments; the header may be the last one
    before the rows.
    """
    lines: list[str] = []
    comment, quoted = "", False
    # Not str.splitlines, which also breaks at letters that a cell may hold.
    for line in io.StringIO(read_text(path), newline=""):
        if line.startswith("#") and not quoted:
            comment = comment if lines else line.lstrip("#")
        elif quoted or line.strip():
            quoted ^= line.count('"') % 2 == 1
            lines.append(line)
    if not lines:
        raise ValueError("a file without a row")
    # Excel names its delimiter in a line before the header.
    if told := re.fullmatch(r'"?sep=(.)"?\s*', lines[0]):
        delimiter, lines = told[1], lines[1:]
    else:
        delimiter = max(_DELIMITERS, key=lambda mark: len(_split(lines, mark)[0]))
    rows = _split(lines, delimiter)
    # numpy.savetxt writes the header as a comment.
    header = _split([comment], delimiter)[0] if comment.strip() else []
    if len(header) == len(rows[0]) and any(
        _FLOAT.fullmatch(cell.strip()) for cell in rows[0]
    ):
        rows.insert(0, header)
    names, rows = [_unguarded(name.strip()) for name in rows[0]], rows[1:]
    columns = {}
    for i, name in enumerate(names):
        cells = [row[i] if i < len(row) else "" for row in rows]
        # A delimiter at the end of every line makes a column of nothing.
        if not name and not any(cells):
            continue
        # pandas writes its row numbers into a column without a name.
        name = name or f"col{i + 1}"
        if name in columns:
            raise ValueError(f"two columns are called {name!r}")
        columns[name] = column_of_cells(name, cells, comma=delimiter == ";")
    for number, row in enumerate(rows):
        if any(cell.strip() for cell in row[len(names) :]):
            raise ValueError(
                f"row {number} has {len(row)} cells under {len(names)} column names"
            )
    return Table(columns)


def column_of_cells(name: str, cells: list[str], comma: bool = False) -> MaskedColumn:
    """Return the cells of a column as truth values, numbers or text.

    Ids, file names and whole numbers with leading zeros stay text. `comma`: the decimal
    mark is a comma.
    """
    bare = [cell.strip() for cell in cells]
    present = [cell for cell in bare if cell]
    decimal = [c.replace(",", ".") for c in present] if comma else present
    values = None
    if plain_name(name) in (*ID_NAMES, *FILE_NAMES) or not present:
        pass
    elif set(present) <= {"True", "False", "true", "false"}:
        values = np.array([cell.lower() == "true" for cell in present])
    elif all(map(_INTEGER.fullmatch, present)):
        whole = [int(cell) for cell in present]
        # numpy alone would make floats of some, and above 64 bits objects.
        kinds = [
            k
            for k in (np.int64, np.uint64)
            if np.iinfo(k).min <= min(whole) <= max(whole) <= np.iinfo(k).max
        ]
        values = np.array(whole, kinds[0]) if kinds else None
    elif all(map(_FLOAT.fullmatch, decimal)):
        if not any(map(_ZEROS_FIRST.fullmatch, present)):
            values = np.array([float(cell) for cell in decimal])
    missing = np.array([not cell for cell in bare], bool)
    if values is None:
        text = np.array([_unguarded(cell) for cell in cells], str)
        return MaskedColumn(text, mask=missing)
    filled = np.zeros(len(cells), values.dtype)
    filled[~missing] = values
    return MaskedColumn(filled, mask=missing)


def write_csv(table: Table, path: Path) -> None:
    """Write a table as CSV; an apostrophe goes before what would be a formula."""
    columns: list[list] = []
    for name in table.colnames:
        column = table[name]
        if column.ndim > 1:
            # A cell is one text: that of a vector is JSON.
            columns.append([json.dumps(row.tolist()) for row in np.ma.asarray(column)])
        elif column.dtype.kind in "SUO":
            columns.append([_guarded(text) for text in text_of(column).tolist()])
        else:
            columns.append([None if v is np.ma.masked else v for v in column])
    with open(path, "w", encoding="utf-8", newline="") as file:
        # Quotes keep blanks at the ends, and a # that begins a row.
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow([_guarded(name) for name in table.colnames])
        writer.writerows(zip(*columns, strict=True))
