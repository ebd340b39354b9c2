"""Cutouts that are read while they are used, in constant memory."""

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.masks import SHARE_TOLD
from astroanomaly.data.npy import NpyWriter
from astroanomaly.data.options import BadCutout, ReadOptions, plain_words
from astroanomaly.data.prepare import prepare
from astroanomaly.data.shared import SharedRoom, images_in
from astroanomaly.data.sources import Source
from astroanomaly.data.sources.counted import Counted, Repeated, chosen, named
from astroanomaly.tables.objects import skipped_table
from astroanomaly.utils.parallel import parallel, worker_count
from astroanomaly.utils.progress import progress_bar

# Files written by a worker at a time: few enough to hold, enough to be worth the trip.
BATCH = 48
# Files read at a time go by their size: handing a batch to a worker and back takes as
# long as reading ten small files, and several batches wait in memory.
_BATCH_BYTES = 2**22
_FEWEST, _MOST = 8, 256
_SHOWN = 3


@dataclass
class Batch:
    """What one call of `read_batch` brought.

    Parameters
    ----------
    rows : list of int
        The objects that could be read.
    images : ndarray of shape (n, ny, nx, n_bands), or None
        Their pixels; None when there is none.
    ra, dec : list of float
        Their positions, degrees.
    flags : list of int
        Bits of what was repaired.
    masked : list of float
        The share of the pixels that a mask took.
    units, zero_points : list of list
        Of each band.
    skipped : list of tuple
        Row and reason of the others.
    """

    rows: list[int] = field(default_factory=list)
    images: np.ndarray | None = None
    ra: list[float] = field(default_factory=list)
    dec: list[float] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    masked: list[float] = field(default_factory=list)
    units: list[list[str]] = field(default_factory=list)
    zero_points: list[list[float]] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)


def read_batch(
    source: Source | None,
    options: ReadOptions,
    rows: Sequence[int],
    start: int = 0,
    room: np.ndarray | None = None,
) -> Batch:
    """Read and prepare some objects, here and now.

    Parameters
    ----------
    source : Source
        Where the objects are.
    options : ReadOptions
        What to make of them.
    rows : list of int
        Which rows of `source`.
    start : int
        What is added to each row in the result, when `source` is only a part.
    room : ndarray of shape (n, ny, nx, n_bands), optional
        Memory for the images, an image for each of `rows` or more.

    Returns
    -------
    Batch
        Every row is either among `rows` or among `skipped`.

    Examples
    --------
    >>> read_batch(None, ReadOptions(), []).rows
    []
    """
    batch, n = Batch(), 0
    with warnings.catch_warnings():
        # Pixels beyond float32 become infinite, and are filled and flagged.
        warnings.simplefilter("ignore", RuntimeWarning)
        for row in rows:
            try:
                cutout = source.read(row, options)
                image, flag = prepare(cutout, options, source.bands)
            except BadCutout as error:
                batch.skipped.append((row + start, str(error)))
                continue
            except Exception as error:
                # No object ends a run, whatever library complains of it.
                batch.skipped.append(
                    (row + start, f"cannot be read ({plain_words(error)})")
                )
                continue
            if room is None:
                room = np.empty((len(rows), *image.shape), np.float32)
            # Here and now: the memory of one image serves for all.
            room[n] = image
            n += 1
            batch.rows.append(row + start)
            batch.ra.append(cutout.ra)
            batch.dec.append(cutout.dec)
            batch.flags.append(flag)
            batch.masked.append(cutout.masked)
            batch.units.append(cutout.units)
            batch.zero_points.append(cutout.zero_points)
    if source is not None:
        source.release()
    batch.images = room[:n] if n else None
    return batch


def read_apart(source, options, start: int, shape, shared) -> Batch:
    """Read a batch in a worker process.

    Parameters
    ----------
    source : Source
        All its objects are read.
    options : ReadOptions
        What to make of them.
    start : int
        What is added to each row in the result.
    shape : tuple of int
        The shape of one image.
    shared : tuple or None
        Memory for the images, see `SharedRoom`.

    Returns
    -------
    Batch
        Without images where they went into the shared memory.
    """
    n = len(source.object_ids)
    room = images_in(shared, (n, *shape))
    batch = read_batch(source, options, range(n), start, room)
    if room is not None:
        batch.images = None
    return batch


def places(source: Source) -> Sequence[str]:
    """Return where each object lies, for the list of what could not be read.

    Parameters
    ----------
    source : Source
        Where the objects are.

    Returns
    -------
    sequence of str
        The file; with the object's row, "cube.fits[3]", where several share one.
    """
    files = source.files
    if isinstance(files, Repeated) and (len(files) > 1 or not files.value):
        return named(f"{files.value}[", range(len(files)), "]")
    if isinstance(files, Counted | Repeated):
        return files
    if "" not in files and len(set(files)) == len(files):
        return files
    return [f"{file}[{row}]" for row, file in enumerate(files)]


class CutoutStream:
    """Cutouts with the face of `Cutouts` whose pixels stay on the disk.

    Made by ``read_cutouts(..., stream=True)``. Iterating with `chunks` reads ahead
    by a bounded number of files, in worker processes, so that a survey of any size
    is scored in constant memory.

    Parameters
    ----------
    source : Source
        Where the objects are.
    options : ReadOptions
        What to make of each object; its `shape` is set.
    columns : Table of n rows, optional
        Catalog columns, a row per object of `source`.
    pixel_scale : float, optional
        Pixel size of the finished cutouts, arcsec.
    n_workers : int, optional
        Worker processes; by default none below 256 files, else one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Attributes
    ----------
    bands : tuple of str
        The name of each channel.
    image_shape : tuple of int
        The shape (ny, nx, n_bands) of one cutout.
    pixel_scale : float or None
        Arcsec per pixel.
    object_ids : sequence of str
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
        source: Source,
        options: ReadOptions,
        columns: Table | None = None,
        pixel_scale: float | None = None,
        n_workers: int | None = None,
        progress: bool | None = None,
    ) -> None:
        self._source = source
        self._options = options
        self._columns = columns
        self.pixel_scale = pixel_scale
        self.n_workers = n_workers
        self.progress = progress
        self.on_error = options.on_error
        self._reasons: dict[int, str] = {}
        self._places = places(source)
        self.bands = tuple(source.bands)
        self.image_shape = (*options.shape, len(self.bands))

    @property
    def object_ids(self) -> Sequence[str]:
        """The objects to be tried, in order."""
        ids = self._source.object_ids
        return ids if isinstance(ids, Counted) else list(ids)

    @property
    def skipped(self) -> Table:
        """What could not be read so far: columns `file` and `reason`."""
        return self._skipped(sorted(self._reasons.items()))

    @property
    def in_memory(self) -> bool:
        """Whether the pixels are here, so that no other process can open them."""
        images = getattr(self._source, "images", None)
        return isinstance(images, np.ndarray | list) or not self.inputs(0, len(self))

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
        return skipped_table([(self._places[row], reason) for row, reason in pairs])

    def _batches(self, first: int, stop: int, size: int) -> Iterator[Batch]:
        """Read the rows from `first` on; no batch crosses a chunk of `size`.

        The images of a batch hold until the next one is asked for.
        """
        source, options, n = self._source, self._options, stop - first
        n_bytes = 4 * math.prod(self.image_shape)
        step = max(_FEWEST, min(_MOST, _BATCH_BYTES // n_bytes, n))
        ranges = (
            range(a, min(a + step, chunk + size, stop))
            for chunk in range(first, stop, size)
            for a in range(chunk, min(chunk + size, stop), step)
        )
        # One object needs no second process.
        n_workers = 1
        if source.in_workers and n > 1:
            n_workers = worker_count(self.n_workers, n)
        if n_workers == 1:
            # Fresh memory takes longer than the copy out of it.
            room = np.empty((step, *self.image_shape), np.float32)
            for rows in ranges:
                yield read_batch(source, options, rows, 0, room)
            return
        shape = self.image_shape
        # `parallel` has two tasks a worker under way.
        shared = SharedRoom(2 * n_workers, (step, *shape))
        tasks = (
            (source.take(rows), options, rows[0], shape, shared.of(k))
            for k, rows in enumerate(ranges)
        )
        results = parallel(read_apart, tasks, n_workers)
        try:
            for k, batch in enumerate(results):
                if batch.images is None and batch.rows:
                    batch.images = shared.images(k)[: len(batch.rows)]
                yield batch
        finally:
            # What is under way still writes.
            results.close()
            shared.close()

    def _checked(self, batch: Batch) -> None:
        """Note what could not be read, or raise for the first object of these."""
        for row, reason in batch.skipped:
            if self.on_error == "raise":
                raise ValueError(f"{self._places[row]}: {reason}.")
            self._reasons[row] = reason

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
        n, seen, batches, images = len(self), start, [], None
        with progress_bar("Reading cutouts", n - start, self.progress) as advance:
            for batch in self._batches(start, n, size):
                if images is None:
                    # Pages that are never written to are never resident.
                    room = (min(size, n - seen), *self.image_shape)
                    images, n_read = np.empty(room, np.float32), 0
                if batch.skipped:
                    self._checked(batch)
                if batch.rows:
                    images[n_read : n_read + len(batch.rows)] = batch.images
                    n_read += len(batch.rows)
                batch.images = None
                batches.append(batch)
                done = len(batch.rows) + len(batch.skipped)
                seen += done
                advance(done, len(batch.skipped))
                if seen == n or (seen - start) % size == 0:
                    yield self._cutouts(batches, images[:n_read])
                    batches, images = [], None

    def _cutouts(self, batches: list[Batch], images: np.ndarray) -> Cutouts:
        """Return the objects of some batches: their images, and their table.

        A position or flag in the catalog goes before the one found in the file.
        """
        source, columns = self._source, self._columns
        rows = [row for batch in batches for row in batch.rows]
        masked = [share for batch in batches for share in batch.masked]
        if masked and (most := max(masked)) > SHARE_TOLD:
            file = source.files[rows[masked.index(most)]]
            warnings.warn(
                f"The mask took more than {SHARE_TOLD:.0%} of the pixels of "
                f"{sum(share > SHARE_TOLD for share in masked)} object(s), at most "
                f"{most:.0%} of {file}. If it marks the sources, choose its planes: "
                'mask_extension="MASK:BAD,SAT".',
                UserWarning,
                stacklevel=2,
            )
        ids, files = source.object_ids, source.files
        table = {
            "object_id": np.array([ids[row] for row in rows], str),
            "file": np.array([files[row] for row in rows], str),
            "ra": np.array([ra for batch in batches for ra in batch.ra], float),
            "dec": np.array([dec for batch in batches for dec in batch.dec], float),
            "flag": np.array([f for batch in batches for f in batch.flags], np.int32),
        }
        extra = Table() if columns is None else columns[np.array(rows, int)]
        for name in extra.colnames:
            if name == "flag":
                table["flag"] |= np.asarray(extra["flag"]).astype(np.int32)
            elif name in ("ra", "dec"):
                given = np.asarray(extra[name], float)
                known = np.isfinite(given)
                table[name][known] = given[known]
            elif name not in ("object_id", "file"):
                table[name] = extra[name]
        units = [of_bands for batch in batches for of_bands in batch.units]
        zero_points = [of_bands for batch in batches for of_bands in batch.zero_points]
        for i, band in enumerate(self.bands):
            # An array in memory has neither.
            unit = [of_bands[i] if of_bands else "" for of_bands in units]
            zero = [of_bands[i] if of_bands else math.nan for of_bands in zero_points]
            zero = np.array(zero, float)
            if any(unit) or f"unit_{band}" not in table:
                table[f"unit_{band}"] = np.array(unit, str)
            if np.isfinite(zero).any() or f"zero_point_{band}" not in table:
                table[f"zero_point_{band}"] = zero
        lost = [pair for batch in batches for pair in batch.skipped]
        skipped = self._skipped(lost) if lost else None
        parts = (self.bands, self.pixel_scale, skipped)
        if columns is not None:
            # A catalog may hold columns of any kind.
            return Cutouts(images, Table(table, meta=extra.meta), *parts)
        return Cutouts.of_parts(images, Table(table, copy=False), *parts)

    def read(self, cache: str | Path | None = None) -> Cutouts:
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
        n, batches, n_read, writer = len(self._source.object_ids), [], 0, None
        # Pages that are never written to are never resident.
        images = np.empty((n if cache is None else 0, *self.image_shape), np.float32)
        if cache is not None:
            writer = NpyWriter(cache, self.image_shape)
        # One object is read before a bar is drawn.
        bar = nullcontext(lambda *counts: None)
        if n > 1:
            bar = progress_bar("Reading cutouts", n, self.progress)
        try:
            with bar as advance:
                for batch in self._batches(0, n, max(n, 1)):
                    if batch.skipped:
                        self._checked(batch)
                    n_more = len(batch.rows)
                    if writer is not None and n_more:
                        writer.write(batch.images)
                    elif n_more:
                        images[n_read : n_read + n_more] = batch.images
                    n_read += n_more
                    batch.images = None
                    batches.append(batch)
                    advance(n_more + len(batch.skipped), len(batch.skipped))
            if not n_read:
                lost = [pair for batch in batches for pair in batch.skipped]
                raise ValueError(none_readable(self._skipped(lost)))
            if writer is not None:
                writer.close()
                images = np.load(writer.path, mmap_mode="r")
        finally:
            if writer is not None:
                writer.abandon()
        return self._cutouts(batches, images[:n_read])

    def part(self, k: int, n: int) -> "CutoutStream":
        """Return a stream of the k-th of n parts, for one job of many.

        Parameters
        ----------
        k, n : int
            1 for the first part, n for the last. Parts follow one another and differ
            by at most one object.

        Returns
        -------
        CutoutStream
            Reads only those objects.

        Raises
        ------
        ValueError
            If `k` is not from 1 to `n`, or there are fewer objects than parts.
        """
        if not 1 <= k <= n <= len(self):
            raise ValueError(
                f"`k` must be from 1 to `n`, at most one part for each of {len(self)} "
                f"objects. Received: part {k} of {n}."
            )
        return self.take(np.array_split(np.arange(len(self)), n)[k - 1])

    def take(self, rows: Sequence[int]) -> "CutoutStream":
        """Return a stream of the chosen objects.

        Parameters
        ----------
        rows : sequence of int
            Their places in `object_ids`.

        Returns
        -------
        CutoutStream
            Reads only those objects, in the order of `rows`.
        """
        taken = CutoutStream(
            self._source.take(rows),
            self._options,
            None if self._columns is None else self._columns[np.asarray(rows, int)],
            self.pixel_scale,
            self.n_workers,
            self.progress,
        )
        # The row in a file of many objects, not the one among the chosen.
        taken._places = chosen(self._places, rows)
        return taken

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
            self._options,
            self._columns,
            self.pixel_scale,
            self.n_workers,
            self.progress,
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
        o = self._options
        # These words have been hashed from the first version on: a scoring that was
        # interrupted under an older one can be resumed.
        text = (
            f"({self.bands!r}, Settings(size={o.size!r}, "
            f"pixel_scale={o.pixel_scale!r}, "
            f"input_pixel_scale={o.input_pixel_scale!r}, edge={o.edge!r}, "
            f"nan={o.nan!r}, mask_extension={o.mask_extension!r}, shape={o.shape!r}, "
            "scale=None))"
        )
        digest = hashlib.sha256(text.encode())
        for pair in zip(self._source.object_ids, self._source.signature(), strict=True):
            digest.update(repr(pair).encode())
        return digest.hexdigest()

    def inputs(self, start: int, stop: int) -> list[str]:
        """Return the files that some objects lie in.

        Parameters
        ----------
        start, stop : int
            The first object and the one after the last.

        Returns
        -------
        list of str
            Each file once, in order; none for an array in memory.

        Examples
        --------
        >>> from astroanomaly.data.reading import read_cutouts
        >>> images = np.random.default_rng(1).normal(size=(5, 8, 8))
        >>> read_cutouts(images, stream=True).inputs(0, 5)
        []
        """
        paths = getattr(self._source, "paths", None)
        if paths is None:
            paths = [getattr(self._source, "path", "")]
        elif isinstance(paths, list):
            # A list has the files of each object, a tuple those of all.
            paths = [path for own in paths[start:stop] for path in own]
        return [path for path in dict.fromkeys(paths) if path]


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
