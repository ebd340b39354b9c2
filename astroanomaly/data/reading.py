"""read_cutouts: the one door through which images come in."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data import catalog as catalogs
from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.files import FILES, FileSource, Layout
from astroanomaly.data.finding import find_layout, find_objects
from astroanomaly.data.mosaic import from_mosaic
from astroanomaly.data.naming import sample_rows
from astroanomaly.data.planes import (
    BadCutout,
    candidates,
    is_fits_name,
    list_images,
    open_fits,
)
from astroanomaly.data.prepare import Settings
from astroanomaly.data.stream import CutoutStream, none_readable
from astroanomaly.data.workers import read_batch, worker_count
from astroanomaly.tables.columns import check_unique
from astroanomaly.tables.objects import skipped_table

_SAMPLE = 32


def read_cutouts(
    path: str | Path | Sequence | dict | np.ndarray,
    *,
    catalog: str | Path | Table | None = None,
    size: int | tuple[int, int] | None = None,
    bands: Sequence[str] | str | None = None,
    band_pattern: str | None = None,
    pixel_scale: float | None = None,
    input_pixel_scale: float | None = None,
    edge: str = "pad",
    nan: str = "fill",
    mask_extension: str | None = None,
    stream: bool = False,
    n_workers: int | None = None,
    progress: bool = False,
    on_error: str = "skip",
    cache: str | Path | None = None,
) -> Cutouts | CutoutStream:
    """Read cutouts: FITS files, cubes, arrays, or a mosaic with a catalog.

    An object that cannot be used does not end the reading: it is left out and
    listed, with the reason, in `skipped`.

    Parameters
    ----------
    path : str, Path, sequence or dict of them, or ndarray
        - a folder or glob of FITS files, or a list of them, one object each
          (.fits, .fit, .fts, also .gz and .fz): one image, or an extension per band;
        - one FITS file: a cube (n, ny, nx) or (n, bands, ny, nx), one object with
          extensions named like Euclid's VIS_FLUX, or an object per extension;
        - a .npy or .npz file, or an array, of shape (n, ny, nx) or
          (n, ny, nx, n_bands);
        - with `catalog`, one FITS file with a large image: a mosaic, or a dict of
          them, ``{band: file}``, on the same pixel grid.
    catalog : str, Path or Table, optional
        ECSV, FITS or CSV. Beside cutouts it is joined by `object_id` or `file`; for
        a mosaic it gives the positions: ra and dec in degrees through the WCS, or x
        and y in pixels from 0. A ``catalog.ecsv`` or ``catalog.csv`` in the folder
        that is read is joined by itself, and gives the order.
    size : int or tuple of int, optional
        Rows and columns wanted: the centre is kept, too small an image is padded
        with its background and flagged. Needed for a mosaic and for files of
        different shapes.
    bands : sequence of str, optional
        The bands wanted, by name and in order; the name of the only band when there
        is one; by default all, named by the files.
    band_pattern : str, optional
        ``"{band}_FLUX"`` for extensions, ``"{object_id}_{band}.fits"`` for files.
    pixel_scale : float, optional
        Resample to pixels of so many arcsec before the size is made; the flux is
        conserved.
    input_pixel_scale : float, optional
        Pixel size, in arcsec, of files that state none.
    edge : str
        "pad", or "error": objects smaller than `size`, or reaching over the edge of
        a mosaic, are not used.
    nan : str
        "fill": NaN, infinite and masked pixels become the local background and the
        object is flagged; "refuse": such an object is not used.
    mask_extension : str, optional
        Extension whose pixels other than 0 are bad, such as "DQ" or "{band}_MASK".
    stream : bool
        Return a `CutoutStream`, which reads when it is iterated.
    n_workers : int, optional
        Worker processes; by default none below 256 files, else one per core.
    progress : bool
        Show a bar with count, rate and time left.
    on_error : str
        "skip", or "raise" for the first object that cannot be used.
    cache : str or Path, optional
        A .npy file to hold the pixels, which are then mapped and not in memory. It
        is written anew.

    Returns
    -------
    Cutouts or CutoutStream
        Linear float32 pixels in the files' unit, and their table.

    Raises
    ------
    FileNotFoundError
        If a named file or folder does not exist.
    ValueError
        If there is nothing to read, nothing can be read, shapes or pixel scales
        differ without `size` or `pixel_scale`, bands are not there, object ids occur
        twice, the catalog does not fit, or an argument has no such value.

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(4, 32, 32))
    >>> read_cutouts(images, size=24, bands=["F814W"])
    <Cutouts: 4 objects, 24x24 pixels, bands F814W>
    """
    settings = _settings(
        size, pixel_scale, input_pixel_scale, edge, nan, mask_extension
    )
    _check_choice("on_error", on_error, ("skip", "raise"))
    worker_count(n_workers, 1)
    if stream and cache is not None:
        raise ValueError(
            "`cache` is for stream=False; a stream's read(cache=...) writes one. "
            f"Received: cache={str(cache)!r} with stream=True."
        )
    bands = (
        [bands] if isinstance(bands, str) else None if bands is None else list(bands)
    )
    source, columns = _objects(path, catalog, band_pattern, bands, settings)
    check_unique(source.object_ids)
    settings, scale = _probe(source, settings)
    found = CutoutStream(
        source, settings, columns, scale, n_workers, progress, on_error
    )
    return found if stream else found.read(cache)


def _check_choice(name: str, value, allowed) -> None:
    if value not in allowed:
        words = " or ".join(f'"{word}"' for word in allowed)
        raise ValueError(f"`{name}` must be {words}. Received: {value!r}.")


def _positive(name: str, value) -> float | None:
    if value is None:
        return None
    if not (isinstance(value, int | float | np.number) and 0 < value < math.inf):
        raise ValueError(f"`{name}` must be a number above 0. Received: {value!r}.")
    return float(value)


def _size(size) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    whole = all(isinstance(n, int | np.integer) for n in pair)
    if len(pair) != 2 or not whole or min(pair) < 1:
        raise ValueError(
            "`size` must be a whole number of pixels above 0, or two (rows, columns). "
            f"Received: {size!r}."
        )
    return int(pair[0]), int(pair[1])


def _settings(size, pixel_scale, input_pixel_scale, edge, nan, mask) -> Settings:
    _check_choice("edge", edge, ("pad", "error"))
    _check_choice("nan", nan, ("fill", "refuse"))
    return Settings(
        size=_size(size),
        pixel_scale=_positive("pixel_scale", pixel_scale),
        input_pixel_scale=_positive("input_pixel_scale", input_pixel_scale),
        edge=edge,
        nan=nan,
        mask_extension=mask,
    )


def _is_mosaic(path) -> bool:
    """Tell whether one image for many objects is named: a single flat FITS file."""
    if not isinstance(path, str | Path) or not os.path.isfile(path):
        return False
    if not is_fits_name(path):
        return False
    try:
        with open_fits(path, memmap=True) as hdus:
            found = candidates(list_images(hdus))
    except BadCutout as error:
        raise ValueError(f"{path}: {error}.") from error
    return all(len(image.shape) == 2 for image in found)


def _mosaic_per_band(path: dict, table, bands) -> tuple[tuple[str, ...], Layout]:
    """Return the files and the layout of {band: mosaic}."""
    if table is None:
        raise ValueError(
            "A dict of mosaics, one per band, needs `catalog`. Received: None."
        )
    names = tuple(path) if bands is None else tuple(bands)
    paths = [os.fspath(item) for item in path.values()]
    index = band_index(names, tuple(path))
    for item in paths:
        if not os.path.exists(item):
            raise FileNotFoundError(f"There is no file or folder {item!r}.")
    return tuple(paths[i] for i in index), Layout(FILES, names)


def _cut_from(paths, layout: Layout, table: Table, settings: Settings):
    try:
        return from_mosaic(paths, layout, table, settings)
    except BadCutout as error:
        raise ValueError(f"The mosaic {', '.join(paths)}: {error}.") from error


def _objects(path, catalog, band_pattern, bands, settings):
    """Return the source and the catalog columns of its objects."""
    table = None if catalog is None else catalogs.read_catalog(catalog)
    if isinstance(path, dict):
        path, layout = _mosaic_per_band(path, table, bands)
    elif table is not None and _is_mosaic(path):
        path = (os.fspath(path),)
        layout = find_layout(path, band_pattern, bands)
    else:
        layout = None
    if layout is not None:
        source = _cut_from(path, layout, table, settings)
        # Positions went through the WCS already and come with each object.
        rest = [n for n in table.colnames if n.lower() not in ("ra", "dec")]
        return source, table[rest] if rest else None
    source, found = find_objects(path, band_pattern, bands)
    if table is None:
        table, source = _beside(path, source)
    columns = Table(found) if found else None
    if table is None:
        return source, columns
    joined, ids = catalogs.join(table, source.object_ids, source.files)
    if joined is None:
        if catalog is None:
            return source, columns
        raise ValueError(
            "The catalog must have a column object_id or file that names the objects "
            f"read, such as {source.object_ids[0]!r}. Received: the columns "
            f"{table.colnames}, none of which names one."
        )
    source.object_ids = ids
    for name, values in found.items():
        joined[name] = values
    return source, joined


def _beside(path, source):
    """Return the catalog that lies in the folder read, and the source in its order."""
    if not isinstance(path, str | Path) or not os.path.isdir(path):
        return None, source
    names = [Path(path) / name for name in catalogs.CATALOG_NAMES]
    name = next((name for name in names if name.exists()), None)
    if name is None or not isinstance(source, FileSource):
        return None, source
    table = catalogs.read_catalog(name)
    rows, _ = catalogs.match_rows(table, source.object_ids, source.files)
    rows = np.where(rows < 0, len(table), rows)
    return table, source.take(np.argsort(rows, kind="stable"))


def _probe(source, settings: Settings) -> tuple[Settings, float | None]:
    """Look at a sample: the shape that all must have, and their pixel scale."""
    n = len(source.object_ids)
    sample = sample_rows(n, _SAMPLE)
    looked, bad = _look(source, settings, sample)
    if not looked:
        rest = sorted(set(range(n)) - set(sample))
        for row in rest:
            looked, more = _look(source, settings, [row])
            bad += more
            if looked:
                break
    source.release()
    if not looked:
        files = source.files
        pairs = [(files[row], reason) for row, reason in sorted(bad)]
        raise ValueError(none_readable(skipped_table(pairs)))
    shape = _one_shape([(file, shape) for file, shape, _ in looked])
    scale = settings.pixel_scale
    native = [(file, s) for file, _, s in looked if s]
    if scale is None and native:
        scale = _one_scale(native)
    if scale is None:
        scale = settings.input_pixel_scale
    return replace(settings, shape=shape, scale=scale), scale


def _look(source, settings: Settings, rows):
    """Read some objects: (file, shape, native scale) of each, and what is bad."""
    looked, bad, files = [], [], source.files
    for row in rows:
        # One at a time: a batch is of one shape, which is what is asked here.
        batch = read_batch(source, settings, [row])
        bad += batch.skipped
        if batch.rows:
            shape = batch.images.shape[1:3]
            looked.append((files[row], shape, batch.records[0][5]))
    return looked, bad


def _one_shape(found) -> tuple[int, int]:
    counts = Counter(shape for _, shape in found)
    if len(counts) > 1:
        first = {shape: file for file, shape in reversed(found)}
        shown = ", ".join(
            f"{k} of {s[0]}x{s[1]} pixels (such as {first[s]})"
            for s, k in counts.most_common(3)
        )
        raise ValueError(
            "The images must have one shape, or `size` must be given. "
            f"Received, of {len(found)} looked at: {shown}."
        )
    return next(iter(counts))


def _one_scale(found) -> float:
    file, scale = found[0]
    for other_file, other in found:
        if abs(other / scale - 1.0) > 0.01:
            raise ValueError(
                "The images must have one pixel scale, or `pixel_scale` must be given. "
                f'Received: {scale:.4g}" ({file}) and {other:.4g}" ({other_file}).'
            )
    return scale
