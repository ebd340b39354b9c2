"""Cutouts that are read while they are used, in constant memory."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.prepare import Settings
from astroanomaly.data.sink import Sink
from astroanomaly.data.workers import BATCH, Batch, read_batch, worker_count
from astroanomaly.tables.objects import skipped_table
from astroanomaly.utils.parallel import parallel
from astroanomaly.utils.progress import progress_bar

_SHOWN = 3


class CutoutStream:
    """Cutouts with the face of `Cutouts` whose pixels stay on the disk.

    Made by ``read_cutouts(..., stream=True)``. Iterating with `chunks` reads ahead
    by a bounded number of files, in worker processes, so that a survey of any size
    is scored in constant memory.

    Parameters
    ----------
    source : object
        Where the objects are: `object_ids`, `files`, `bands`, ``read(row)``,
        ``take(rows)``, ``select(index)``, ``signature()``.
    settings : Settings
        What to make of each object; its `shape` is set.
    columns : Table of n rows, optional
        Catalog columns, a row per object of `source`.
    pixel_scale : float, optional
        Pixel size of the finished cutouts, arcsec.
    n_workers : int, optional
        Worker processes; by default none below 256 files, else one per core.
    progress : bool
        Show a bar with count, rate and time left while reading.
    on_error : str
        "skip" lists an object that cannot be read in `skipped`; "raise" stops.

    Attributes
    ----------
    bands : tuple of str
        The name of each channel.
    image_shape : tuple of int
        The shape (ny, nx, n_bands) of one cutout.
    pixel_scale : float or None
        Arcsec per pixel.
    object_ids : list of str
        The objects to be tried, in order.
    skipped : Table
        Columns `file` and `reason` of what could not be read so far.

    Examples
    --------
    >>> import numpy as np
    >>> from astroanomaly.data.reading import read_cutouts
    >>> stream = read_cutouts(np.random.default_rng(1).normal(size=(9, 8, 8)),
    ...                       stream=True)
    >>> [len(part) for part in stream.chunks(4)]
    [4, 4, 1]
    """

    def __init__(
        self,
        source,
        settings: Settings,
        columns: Table | None = None,
        pixel_scale: float | None = None,
        n_workers: int | None = None,
        progress: bool = False,
        on_error: str = "skip",
    ):
        self._source = source
        self._settings = settings
        self._columns = columns
        self.pixel_scale = pixel_scale
        self.n_workers = n_workers
        self.progress = progress
        self.on_error = on_error
        self._reasons: dict[int, str] = {}
        self._files: list[str] = source.files

    @property
    def bands(self) -> tuple[str, ...]:
        """The name of each channel."""
        return tuple(self._source.bands)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (ny, nx, n_bands) of one cutout."""
        return (*self._settings.shape, len(self.bands))

    @property
    def object_ids(self) -> list[str]:
        """The objects to be tried, in order."""
        return list(self._source.object_ids)

    @property
    def skipped(self) -> Table:
        """What could not be read so far: columns `file` and `reason`."""
        return self._skipped(sorted(self._reasons.items()))

    def __len__(self) -> int:
        """Return the number of objects to be tried."""
        return len(self._source.object_ids)

    def __repr__(self) -> str:
        """Return one line: number, shape, bands, pixel scale."""
        ny, nx, _ = self.image_shape
        scale = "" if self.pixel_scale is None else f', {self.pixel_scale:.4g}"/pixel'
        return (
            f"<CutoutStream: {len(self)} objects to read, {ny}x{nx} pixels, "
            f"bands {', '.join(self.bands)}{scale}>"
        )

    def _skipped(self, pairs: Sequence[tuple[int, str]]) -> Table:
        return skipped_table([(self._files[row], reason) for row, reason in pairs])

    def _batches(self, first: int, stop: int, size: int) -> Iterator[Batch]:
        """Read the rows from `first` on; no batch crosses a chunk of `size`."""
        source, settings = self._source, self._settings
        ranges = (
            (a, min(a + BATCH, chunk + size, stop))
            for chunk in range(first, stop, size)
            for a in range(chunk, min(chunk + size, stop), BATCH)
        )
        if not source.in_workers or worker_count(self.n_workers, stop - first) == 1:
            for a, b in ranges:
                yield read_batch(source, settings, range(a, b))
            return
        tasks = (
            (source.take(range(a, b)), settings, range(b - a), a) for a, b in ranges
        )
        n_workers = worker_count(self.n_workers, stop - first)
        yield from parallel(read_batch, tasks, n_workers)

    def _checked(self, batch: Batch) -> Batch:
        for row, reason in batch.skipped:
            if self.on_error == "raise":
                raise ValueError(f"{self._files[row]}: {reason}.")
            self._reasons[row] = reason
        return batch

    def _bar(self, total: int):
        return progress_bar("Reading cutouts", total, self.progress)

    def chunks(self, size: int, start: int = 0) -> Iterator[Cutouts]:
        """Iterate over runs of `size` objects, in order, reading ahead.

        Parameters
        ----------
        size : int
            Objects per run, at least 1; the last run may be shorter.
        start : int
            The object to begin with.

        Yields
        ------
        Cutouts
            The objects of the run that could be read; its `skipped` lists the
            others. A run without a readable object yields no image.

        Raises
        ------
        ValueError
            If `size` is below 1 or `start` lies outside the objects, or, with
            ``on_error="raise"``, for the first object that cannot be read.

        Examples
        --------
        >>> from astroanomaly.data.reading import read_cutouts
        >>> images = np.random.default_rng(1).normal(size=(5, 8, 8))
        >>> stream = read_cutouts(images, stream=True)
        >>> [len(part) for part in stream.chunks(2, start=2)]
        [2, 1]
        """
        if size < 1:
            raise ValueError(f"`size` of a chunk must be at least 1. Received: {size}.")
        if not 0 <= start <= len(self):
            raise ValueError(
                f"`start` must lie between 0 and {len(self)}, the number of objects. "
                f"Received: {start}."
            )
        return self._chunks(size, start)

    def _chunks(self, size: int, start: int) -> Iterator[Cutouts]:
        sink, seen = self._sink(size), start
        with self._bar(len(self) - start) as advance:
            for batch in self._batches(start, len(self), size):
                sink.add(self._checked(batch))
                done = len(batch.rows) + len(batch.skipped)
                seen += done
                advance(done, len(batch.skipped))
                if seen == len(self) or (seen - start) % size == 0:
                    yield self._cutouts(sink)
                    sink = self._sink(size)

    def _sink(self, n: int, cache=None) -> Sink:
        return Sink(min(n, len(self)), self.image_shape, cache)

    def _cutouts(self, sink: Sink) -> Cutouts:
        ids = self._source.object_ids
        table = sink.table(ids, self._files, self.bands, self._columns)
        return Cutouts(
            sink.images(),
            table,
            self.bands,
            self.pixel_scale,
            self._skipped(sink.skipped),
        )

    def read(self, cache=None) -> Cutouts:
        """Read everything.

        Parameters
        ----------
        cache : str or Path, optional
            A .npy file to write the pixels to while reading; the result is mapped
            from it and takes no memory.

        Returns
        -------
        Cutouts
            All objects that could be read; `skipped` lists the others.

        Raises
        ------
        ValueError
            If no object could be read; the sentence gives the first reason.
        OSError
            If `cache` cannot be written.

        Examples
        --------
        >>> from astroanomaly.data.reading import read_cutouts
        >>> images = np.random.default_rng(1).normal(size=(5, 8, 8))
        >>> len(read_cutouts(images, stream=True).read())
        5
        """
        with self._sink(len(self), cache) as sink, self._bar(len(self)) as advance:
            for batch in self._batches(0, len(self), max(len(self), 1)):
                sink.add(self._checked(batch))
                advance(len(batch.rows) + len(batch.skipped), len(batch.skipped))
            if not sink.rows:
                raise ValueError(none_readable(self._skipped(sink.skipped)))
            sink.close()
            return self._cutouts(sink)

    def select_bands(self, bands: Sequence[str]) -> "CutoutStream":
        """Return the stream that reads only the named bands, in the order named.

        Parameters
        ----------
        bands : sequence of str
            Names out of `self.bands`.

        Returns
        -------
        CutoutStream
            The same objects.

        Raises
        ------
        ValueError
            If a name is not among the bands, or occurs twice.

        Examples
        --------
        >>> from astroanomaly.data.reading import read_cutouts
        >>> images = np.random.default_rng(1).normal(size=(5, 8, 8, 2))
        >>> stream = read_cutouts(images, bands=["J", "H"], stream=True)
        >>> stream.select_bands(["H"]).image_shape
        (8, 8, 1)
        """
        index = band_index(bands, self.bands)
        return CutoutStream(
            self._source.select(index),
            self._settings,
            self._columns,
            self.pixel_scale,
            self.n_workers,
            self.progress,
            self.on_error,
        )

    def fingerprint(self) -> str:
        """Return a text that changes when other data or settings are read.

        Returns
        -------
        str
            SHA-256 of the objects' ids, file names and sizes, the bands, and the
            settings of the reader. Pixels are not read.

        Examples
        --------
        >>> from astroanomaly.data.reading import read_cutouts
        >>> images = np.random.default_rng(1).normal(size=(5, 8, 8))
        >>> len(read_cutouts(images, stream=True).fingerprint())
        64
        """
        settings = replace(self._settings, scale=None)
        digest = hashlib.sha256(repr((self.bands, settings)).encode())
        for pair in zip(self._source.object_ids, self._source.signature(), strict=True):
            digest.update(repr(pair).encode())
        return digest.hexdigest()


def none_readable(skipped: Table) -> str:
    """Return the sentence for a reading that brought no object.

    Parameters
    ----------
    skipped : Table
        Columns `file` and `reason`.

    Returns
    -------
    str
        The number of objects and up to three different reasons with a file each.

    Examples
    --------
    >>> none_readable(skipped_table([("a.fits", "is not a FITS file")]))
    'None of the 1 objects could be read. Received: a.fits: is not a FITS file.'
    """
    first: dict[str, str] = {}
    for file, reason in zip(skipped["file"], skipped["reason"], strict=True):
        first.setdefault(str(reason), str(file))
    shown = "; ".join(f"{f}: {r}" for r, f in list(first.items())[:_SHOWN])
    return f"None of the {len(skipped)} objects could be read. Received: {shown}."
