"""Cutouts that are read while they are used, in constant memory."""

import hashlib
import math
import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.masks import SHARE_TOLD
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions, plain_words
from astroanomaly.data.prepare import prepare
from astroanomaly.data.sources import Source
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
    cutouts : list of Cutout
        Their records, without the planes.
    skipped : list of tuple
        Row and reason of the others.
    """

    rows: list[int] = field(default_factory=list)
    images: np.ndarray | None = None
    cutouts: list[Cutout] = field(default_factory=list)
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
            # The pixels are in `images`: a record that held them would double them.
            cutout.planes, cutout.outside, cutout.flag = [], None, flag
            batch.cutouts.append(cutout)
    if source is not None:
        source.release()
    batch.images = room[:n] if n else None
    return batch


def places(source: Source) -> list[str]:
    """Return where each object lies, for the list of what could not be read.

    Parameters
    ----------
    source : Source
        Where the objects are.

    Returns
    -------
    list of str
        The file; with the object's row, "cube.fits[3]", where several share one.
    """
    files = source.files
    if "" not in files and len(set(files)) == len(files):
        return files
    return [f"{file}[{row}]" for row, file in enumerate(files)]


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
        self._cutouts: list[Cutout] = []

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
        self._cutouts += batch.cutouts
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
        taken = [
            (c.masked, files[row]) for c, row in zip(self._cutouts, rows, strict=True)
        ]
        taken = [pair for pair in taken if pair[0] > SHARE_TOLD]
        if taken:
            share, file = max(taken)
            warnings.warn(
                f"The mask took more than {SHARE_TOLD:.0%} of the pixels of "
                f"{len(taken)} object(s), at most {share:.0%} of {file}. If it marks "
                'the sources, choose its planes: mask_extension="MASK:BAD,SAT".',
                UserWarning,
                stacklevel=2,
            )
        table = Table(
            {
                "object_id": np.array([ids[row] for row in rows], str),
                "file": np.array([files[row] for row in rows], str),
                "ra": np.array([c.ra for c in self._cutouts], float),
                "dec": np.array([c.dec for c in self._cutouts], float),
                "flag": np.array([c.flag for c in self._cutouts], np.int32),
            }
        )
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
        for i, band in enumerate(bands):
            units = [c.units[i] if c.units else "" for c in self._cutouts]
            zero = [
                c.zero_points[i] if c.zero_points else np.nan for c in self._cutouts
            ]
            if any(units) or f"unit_{band}" not in table.colnames:
                table[f"unit_{band}"] = np.array(units, str)
            if np.isfinite(zero).any() or f"zero_point_{band}" not in table.colnames:
                table[f"zero_point_{band}"] = np.array(zero, float)
        return table


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
        options: ReadOptions,
        columns: Table | None = None,
        pixel_scale: float | None = None,
        n_workers: int | None = None,
        progress: bool | None = None,
    ):
        self._source = source
        self._options = options
        self._columns = columns
        self.pixel_scale = pixel_scale
        self.n_workers = n_workers
        self.progress = progress
        self.on_error = options.on_error
        self._reasons: dict[int, str] = {}
        self._files, self._places = source.files, places(source)

    @property
    def bands(self) -> tuple[str, ...]:
        """The name of each channel."""
        return tuple(self._source.bands)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (ny, nx, n_bands) of one cutout."""
        return (*self._options.shape, len(self.bands))

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
        return skipped_table([(self._places[row], reason) for row, reason in pairs])

    def _batches(self, first: int, stop: int, size: int) -> Iterator[Batch]:
        """Read the rows from `first` on; no batch crosses a chunk of `size`."""
        source, options = self._source, self._options
        n_bytes = 4 * math.prod(self.image_shape)
        step = max(_FEWEST, min(_MOST, _BATCH_BYTES // n_bytes))
        ranges = (
            (a, min(a + step, chunk + size, stop))
            for chunk in range(first, stop, size)
            for a in range(chunk, min(chunk + size, stop), step)
        )
        if not source.in_workers or worker_count(self.n_workers, stop - first) == 1:
            # Fresh memory takes longer than the copy out of it.
            room = np.empty((step, *self.image_shape), np.float32)
            for a, b in ranges:
                yield read_batch(source, options, range(a, b), 0, room)
            return
        tasks = (
            (source.take(range(a, b)), options, range(b - a), a) for a, b in ranges
        )
        n_workers = worker_count(self.n_workers, stop - first)
        yield from parallel(read_batch, tasks, n_workers)

    def _checked(self, batch: Batch) -> Batch:
        for row, reason in batch.skipped:
            if self.on_error == "raise":
                raise ValueError(f"{self._places[row]}: {reason}.")
            self._reasons[row] = reason
        return batch

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
        total = len(self) - start
        with progress_bar("Reading cutouts", total, self.progress) as advance:
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
        with (
            self._sink(len(self), cache) as sink,
            progress_bar("Reading cutouts", len(self), self.progress) as advance,
        ):
            for batch in self._batches(0, len(self), max(len(self), 1)):
                sink.add(self._checked(batch))
                advance(len(batch.rows) + len(batch.skipped), len(batch.skipped))
            if not sink.rows:
                raise ValueError(none_readable(self._skipped(sink.skipped)))
            sink.close()
            return self._cutouts(sink)

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
        rows = np.array_split(np.arange(len(self)), n)[k - 1]
        return CutoutStream(
            self._source.take(rows),
            self._options,
            None if self._columns is None else self._columns[rows],
            self.pixel_scale,
            self.n_workers,
            self.progress,
        )

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
