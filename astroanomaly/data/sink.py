"""Where finished cutouts are gathered: memory, or a .npy file on the disk."""

import os
import uuid
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.workers import Batch


class NpyWriter:
    """Write a .npy file of float32 images whose number is not known before.

    Parameters
    ----------
    path : str or Path
        The file to appear when `close` is called; its folder is made.
    image_shape : tuple of int
        The shape of one image.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> writer = NpyWriter("cache.npy", (8, 8, 1))
    >>> writer.write(np.zeros((3, 8, 8, 1), "f4")); writer.close()
    >>> np.load("cache.npy", mmap_mode="r").shape
    (3, 8, 8, 1)
    """

    def __init__(self, path: str | Path, image_shape: tuple[int, ...]):
        self.path = Path(path)
        if self.path.suffix != ".npy":
            raise ValueError(f"`cache` must end in .npy. Received: {str(path)!r}.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = f".{uuid.uuid4().hex[:8]}.partial.{self.path.name}"
        self._partial = self.path.with_name(name)
        self._shape, self._n = tuple(image_shape), 0
        self._file = open(self._partial, "wb")
        self._header()

    def _header(self) -> None:
        # numpy leaves room for the first axis to grow: the header keeps its length.
        description = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (self._n, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, description)

    def write(self, images: np.ndarray) -> None:
        """Append images of shape (n, ny, nx, n_bands)."""
        self._file.write(np.ascontiguousarray(images, "<f4").data)
        self._n += len(images)

    def close(self) -> None:
        """Complete the header and put the file in its place."""
        self._file.seek(0)
        self._header()
        self._file.close()
        os.replace(self._partial, self.path)

    def abandon(self) -> None:
        """Remove what was written, unless `close` came first."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


class Sink:
    """Gather the batches of a reading and make their table.

    Parameters
    ----------
    n : int
        At most so many objects come.
    image_shape : tuple of int
        The shape of one image.
    cache : str or Path, optional
        A .npy file for the pixels; memory by default.

    Attributes
    ----------
    rows : list of int
        The objects read, by their place in the source.
    skipped : list of tuple
        Row and reason of the others.
    """

    def __init__(self, n: int, image_shape: tuple[int, ...], cache=None):
        self._writer = None if cache is None else NpyWriter(cache, image_shape)
        # Pages that are never written to are never resident.
        room = (n if cache is None else 0, *image_shape)
        self._images = np.empty(room, np.float32)
        self.rows: list[int] = []
        self.skipped: list[tuple[int, str]] = []
        self._records: list[tuple] = []

    def __enter__(self) -> "Sink":
        """Return the sink itself."""
        return self

    def __exit__(self, *error) -> None:
        """Remove an unfinished cache file."""
        if self._writer is not None:
            self._writer.abandon()

    def add(self, batch: Batch) -> None:
        """Take a batch; objects come in order."""
        if batch.images is not None:
            if self._writer is not None:
                self._writer.write(batch.images)
            else:
                first = len(self.rows)
                self._images[first : first + len(batch.images)] = batch.images
        self.rows += batch.rows
        self._records += batch.records
        self.skipped += batch.skipped

    def close(self) -> None:
        """Put the cache file, if any, in its place."""
        if self._writer is not None:
            self._writer.close()

    def images(self) -> np.ndarray:
        """Return the images gathered, shape (n, ny, nx, n_bands)."""
        if self._writer is not None:
            return np.load(self._writer.path, mmap_mode="r")
        return self._images[: len(self.rows)]

    def table(self, ids, files, bands, columns: Table | None) -> Table:
        """Return the table of the objects gathered.

        Parameters
        ----------
        ids, files : list of str
            Object id and file of every row of the source.
        bands : sequence of str
            The band names.
        columns : Table, optional
            Catalog columns, a row per object of `source`. A position or flag there
            goes before the one found in the file.

        Returns
        -------
        Table
            The columns that `Cutouts` promises, then those of the catalog.
        """
        rows = self.rows
        table = Table(
            {
                "object_id": np.array([ids[row] for row in rows], str),
                "file": np.array([files[row] for row in rows], str),
                "ra": np.array([record[0] for record in self._records], float),
                "dec": np.array([record[1] for record in self._records], float),
                "flag": np.array([record[2] for record in self._records], np.int32),
            }
        )
        extra = None if columns is None else columns[np.array(rows, int)]
        self._join(table, extra)
        for i, band in enumerate(bands):
            units = [r[3][i] if r[3] else "" for r in self._records]
            zero = [r[4][i] if r[4] else np.nan for r in self._records]
            if any(units) or f"unit_{band}" not in table.colnames:
                table[f"unit_{band}"] = np.array(units, str)
            if np.isfinite(zero).any() or f"zero_point_{band}" not in table.colnames:
                table[f"zero_point_{band}"] = np.array(zero, float)
        return table

    @staticmethod
    def _join(table: Table, extra: Table | None) -> None:
        if extra is None:
            return
        for name in extra.colnames:
            if name == "flag":
                table["flag"] |= np.asarray(extra["flag"]).astype(np.int32)
            elif name in ("ra", "dec"):
                given = np.asarray(extra[name], float)
                known = np.isfinite(given)
                table[name][known] = given[known]
            elif name not in ("object_id", "file"):
                table[name] = extra[name]
