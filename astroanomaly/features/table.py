"""Embeddings that were made elsewhere, by object_id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table as AstropyTable

from astroanomaly.features.base import Features
from astroanomaly.tables.columns import object_ids, rows_of_ids
from astroanomaly.tables.files import read_table
from astroanomaly.utils.arrays import load_arrays, save_arrays

if TYPE_CHECKING:
    import astropy.table

    from astroanomaly.data.cutouts import Cutouts

_ARRAYS = "features_table.npz"
_NUMBERED = re.compile(r"\d$")


class Table(Features):
    """Features from a table with a row for each object.

    Parameters
    ----------
    table : str, Path or Table
        A table, or its file, with the column `object_id`.
    columns : sequence of str, optional
        Columns that are features. By default those that hold a vector in each row;
        without any, the numbers whose name ends in a digit, such as ``f_0``.

    Raises
    ------
    ValueError
        If the table has no `object_id` or no such column, a row is not finite, or ids
        occur twice.

    Examples
    --------
    >>> from astroanomaly import Cutouts
    >>> known = AstropyTable({"object_id": ["a", "b"], "f_0": [1.0, 2.0]})
    >>> cutouts = Cutouts(np.zeros((1, 8, 8)), AstropyTable({"object_id": ["b"]}))
    >>> Table(known).of(cutouts)
    array([[2.]])
    """

    name = "table"

    def __init__(
        self,
        table: str | Path | astropy.table.Table,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.source = "the table"
        if not hasattr(table, "colnames"):
            self.source = str(table)
            table = read_table(table)
        self.ids = object_ids(table, f"features table {self.source}")
        arrays = {name: _vectors(table[name]) for name in table.colnames}
        if columns is None:
            columns = [n for n, a in arrays.items() if a is not None and a.ndim == 2]
            columns = columns or [
                n for n, a in arrays.items() if a is not None and _NUMBERED.search(n)
            ]
        lost = [name for name in columns if arrays.get(name) is None]
        if lost or not columns:
            raise ValueError(
                f"`features` {self.source} must have columns of features: vectors, or "
                "numbers whose name ends in a digit. Received: "
                f"{'none' if not lost else lost[0]} among {', '.join(table.colnames)}."
            )
        parts = [arrays[name].reshape(len(table), -1) for name in columns]
        self._keep(np.concatenate(parts, axis=1))

    def _keep(self, values) -> None:
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            raise ValueError(
                f"`features` {self.source} must hold finite numbers. Received: NaN or "
                f"infinity for {bad.sum()} of {len(values)} objects, the first of them "
                f"{str(self.ids[int(np.argmax(bad))])!r}."
            )
        self.values = values.astype(np.float64)

    def joined(self, other: Table) -> Table:
        """Return both tables in one; what both have must be the same."""
        rows = rows_of_ids(other.ids, self.ids)
        if other.values.shape[1] != self.values.shape[1]:
            raise ValueError(
                f"`features` {other.source} must have {self.values.shape[1]} numbers "
                f"for an object, as {self.source} has. Received: "
                f"{other.values.shape[1]}."
            )
        known = rows >= 0
        differs = (other.values[known] != self.values[rows[known]]).any(axis=1)
        if differs.any():
            first = str(other.ids[known][int(np.argmax(differs))])
            raise ValueError(
                f"`features` {other.source} must have the numbers of {self.source} "
                f"for objects that both have. Received: others for {differs.sum()} of "
                f"them, the first {first!r}."
            )
        ids = np.concatenate([self.ids, other.ids[~known]])
        values = np.concatenate([self.values, other.values[~known]])
        found = Table(AstropyTable({"object_id": ids, "values": values}))
        found.source = other.source
        return found

    def __call__(self, images):
        """Raise: a table knows objects, and no pixels."""
        raise ValueError(
            "`features` of a table belong to objects by their object_id and cannot be "
            "computed for other pixels: take features of the images, such as profiles. "
            "Received: images."
        )

    def check_objects(self, ids: Sequence[str]) -> np.ndarray:
        """Return the row of each object; raise if one has none."""
        ids = [str(name) for name in ids]
        rows = rows_of_ids(ids, self.ids)
        if (lost := rows < 0).any():
            raise ValueError(
                f"`features` {self.source} must have a row for every object. Received: "
                f"none for {lost.sum()} of {len(rows)} objects, the first of them "
                f"{ids[int(np.argmax(lost))]!r}."
            )
        return rows

    def of(self, cutouts: Cutouts) -> np.ndarray:
        """Return the rows of the cutouts' objects (n, d)."""
        return self.values[self.check_objects(cutouts.object_ids)]

    def maps_of(self, cutouts: Cutouts) -> np.ndarray:
        """Raise: a table has no positions."""
        return self.maps(cutouts.images)

    def save_more(self, folder: Path) -> None:
        """Write the whole table, as other files are never opened again."""
        arrays = {"ids": np.asarray(self.ids, str), "values": self.values}
        save_arrays(folder / _ARRAYS, arrays)

    @classmethod
    def load_from(cls, folder: Path, config: dict) -> Table:
        """Make the extractor of a folder that `save` wrote."""
        kept = load_arrays(folder / _ARRAYS, {"ids": 1, "values": 2})
        known = AstropyTable({"object_id": kept["ids"], "values": kept["values"]})
        made = cls(known)
        made.source = str(folder / _ARRAYS)
        return made


def _vectors(column) -> np.ndarray | None:
    """Return a column of numbers, or of vectors of one length; else None."""
    values = np.ma.filled(column, np.nan) if column.dtype.kind == "f" else column
    if values.dtype.kind == "O":
        try:
            # As Parquet keeps vectors.
            values = np.stack([np.asarray(value, float) for value in values])
        except (ValueError, TypeError):
            return None
    values = np.asarray(values)
    return values if values.dtype.kind in "fiu" and values.ndim in (1, 2) else None
