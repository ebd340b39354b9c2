"""Read cutouts from files, arrays or a mosaic."""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data import catalog as catalogs
from astroanomaly.data.bytes import MemoryFile, exists
from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.find import find_layout, find_objects, sample_rows
from astroanomaly.data.fits import FitsFile, is_fits_name
from astroanomaly.data.options import MAX_BYTES, BadCutout, ReadOptions, plain_words
from astroanomaly.data.remote import is_remote
from astroanomaly.data.sources import Source
from astroanomaly.data.sources.files import FILES, FileSource, Layout, Looked
from astroanomaly.data.sources.memory import from_memory
from astroanomaly.data.sources.mosaic import from_mosaic
from astroanomaly.data.stream import CutoutStream, none_readable, places
from astroanomaly.tables.columns import check_unique
from astroanomaly.tables.objects import skipped_table
from astroanomaly.utils.parallel import worker_count

# Objects looked at before the reading: shapes and pixel scales rarely differ in few.
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
    progress: bool | None = None,
    on_error: str = "skip",
    cache: str | Path | None = None,
    max_bytes: int | None = None,
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
        - an HDF5 file (.h5, .hdf5) or a Zarr store (.zarr, .zarr.zip): a stack of
          images with its columns, or a group per object; a FITS table with a column
          of images; PNG, JPEG or TIFF files, whose bands are R, G and B;
        - HDUs, Cutout2D, NDData and arrays of other libraries, one or a list of
          them, or a dict from object id to image;
        - URLs (https://, s3://, gs://) of these, by fsspec;
        - with `catalog`, one FITS file with a large image: a mosaic, or a dict of
          them, ``{band: file}``, on the same pixel grid.
    catalog : str, Path or Table, optional
        ECSV, FITS (also LDAC), CSV, Parquet, VOTable or text. Beside cutouts it is
        joined by the column that names them: `file`, object_id, objid, source_id,
        coadd_object_id, id, NUMBER, name or label. For a mosaic it gives the
        positions: ra and dec (or as archives name them, in degrees or their own unit,
        or a SkyCoord) through the WCS, or x and y in pixels from 0. A
        ``catalog.ecsv``, ``catalog.csv`` or ``catalog.fits`` in the folder that is
        read is joined by itself, and gives the order.
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
        Extension that marks bad pixels, such as "DQ" or "{band}_MASK": of masks with
        named planes (HSC, Rubin) the planes BAD, SAT, CR and NO_DATA, of Hubble's and
        JWST's DQ the bits that spoil a pixel, of others every value but 0.
        "MASK:BAD,INTRP" chooses planes by name, "DQ:4,16" bits by value.
    stream : bool
        Return a `CutoutStream`, which reads when it is iterated.
    n_workers : int, optional
        Worker processes; by default none below 256 files, else one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.
    on_error : str
        "skip", or "raise" for the first object that cannot be used.
    cache : str or Path, optional
        A .npy file to hold the pixels, which are then mapped and not in memory. It
        is written anew.
    max_bytes : int, optional
        The most that one file may unpack to, and that one image may declare, in
        bytes; 1 GiB by default. What is larger is refused before it is unpacked.

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
    options = ReadOptions(
        bands,
        band_pattern,
        size,
        pixel_scale,
        input_pixel_scale,
        edge,
        nan,
        mask_extension,
        on_error,
        MAX_BYTES if max_bytes is None else max_bytes,
    )
    worker_count(n_workers, 1)
    if stream and cache is not None:
        raise ValueError(
            "`cache` is for stream=False; a stream's read(cache=...) writes one. "
            f"Received: cache={str(cache)!r} with stream=True."
        )
    source, columns = _find(path, catalog, options)
    check_unique(source.object_ids)
    options = _probe(source, options)
    found = CutoutStream(source, options, columns, options.scale, n_workers, progress)
    return found if stream else found.read(cache)


def _find(path, catalog, options: ReadOptions):
    """Return the source and the catalog columns of its objects."""
    table = None if catalog is None else catalogs.read_catalog(catalog)
    path, ids = from_memory(path)
    if isinstance(path, dict) or (table is not None and _is_mosaic(path, options)):
        return _find_in_mosaic(path, table, options)
    source, found = find_objects(path, options)
    if ids is not None:
        source.object_ids = ids
    matched = None
    if table is None and isinstance(source, FileSource):
        table, source, matched = _catalog_of_folder(path, source)
    columns = Table(found) if found else None
    if table is None:
        return source, columns
    joined, ids = catalogs.join(table, source.object_ids, source.files, matched)
    if joined is None:
        held = [n for n in ("object_id", "file") if n in table.colnames]
        sentence = (
            "The catalog must have a column object_id or file that names the objects "
            f"read, such as {source.object_ids[0]!r}. Received: the columns "
            f"{table.colnames}, none of which names one"
            + "".join(f"; {n} is {str(table[n][0])!r} in the first row" for n in held)
        )
        if catalog is None:
            warnings.warn(f"{sentence}; the catalog is not used.", stacklevel=4)
            return source, columns
        raise ValueError(f"{sentence}.")
    source.object_ids = ids
    for name, values in found.items():
        joined[name] = values
    return source, joined


def _is_mosaic(path, options: ReadOptions) -> bool:
    """Return whether a path is one FITS file of flat images."""
    if isinstance(path, MemoryFile):
        pass
    elif not isinstance(path, str | Path) or not is_fits_name(path):
        return False
    elif not os.path.isfile(path) and not (is_remote(path) and "*" not in path):
        return False
    try:
        with FitsFile(os.fspath(path), options.max_bytes) as file:
            found = [image for image in file.images if not image.why_not]
    except BadCutout as error:
        raise ValueError(f"{path}: {error}.") from error
    # Without an image it may be a table of images.
    return bool(found) and all(len(image.shape) == 2 for image in found)


def _find_in_mosaic(path, table: Table | None, options: ReadOptions):
    """Return the source for a mosaic, or one per band, and the catalog's columns."""
    if isinstance(path, dict):
        if table is None:
            raise ValueError(
                "A dict of mosaics, one per band, needs `catalog`. Received: None."
            )
        names = tuple(path) if options.bands is None else tuple(options.bands)
        files = [os.fspath(item) for item in path.values()]
        index = band_index(names, tuple(path))
        for item in files:
            if not exists(item):
                raise FileNotFoundError(f"There is no file or folder {item!r}.")
        paths, layout = tuple(files[i] for i in index), Layout(FILES, names)
    else:
        paths = (os.fspath(path),)
        layout = find_layout(list(paths), options, Looked(options.max_bytes))
    try:
        source = from_mosaic(paths, layout, table, options)
    except BadCutout as error:
        raise ValueError(f"The mosaic {', '.join(paths)}: {error}.") from error
    # Positions went through the WCS already and come with each object.
    rest = [n for n in table.colnames if n.lower() not in ("ra", "dec")]
    return source, table[rest] if rest else None


def _catalog_of_folder(path, source: FileSource):
    """Return the folder's catalog, the source in its order, and what matched."""
    if not isinstance(path, str | Path) or not os.path.isdir(path):
        return None, source, None
    names = [Path(path) / name for name in catalogs.CATALOG_NAMES]
    name = next((name for name in names if name.exists()), None)
    if name is None:
        return None, source, None
    table = catalogs.read_catalog(name)
    rows, by = catalogs.match_rows(table, source.object_ids, source.files)
    # Files without a row come last.
    order = np.argsort(np.where(rows < 0, len(table), rows), kind="stable")
    return table, source.take(order), (rows[order], by)


def _probe(source: Source, options: ReadOptions) -> ReadOptions:
    """Look at a sample: the shape that all must have, and their pixel scale."""
    n, files = len(source.object_ids), places(source)
    sample = sample_rows(n, _SAMPLE)
    looked, bad, seen = [], [], set(sample)
    # If the sample has no readable object, any other one will do.
    rest = (row for row in range(n) if row not in seen)
    for k, row in enumerate((*sample, *rest)):
        if k >= len(sample) and looked:
            break
        try:
            looked.append((files[row], *source.probe(row, options)))
        except BadCutout as error:
            bad.append((files[row], str(error)))
        except Exception as error:
            # As in the reading: no object ends a run, whatever library complains.
            bad.append((files[row], f"cannot be read ({plain_words(error)})"))
    source.release()
    if not looked:
        raise ValueError(none_readable(skipped_table(bad)))
    shapes = Counter(shape for _, shape, _ in looked)
    if len(shapes) > 1:
        first = {shape: file for file, shape, _ in reversed(looked)}
        shown = ", ".join(
            f"{k} of {s[0]}x{s[1]} pixels (such as {first[s]})"
            for s, k in shapes.most_common(3)
        )
        raise ValueError(
            "The images must have one shape, or `size` must be given. "
            f"Received, of {len(looked)} looked at: {shown}."
        )
    scale = options.pixel_scale
    native = [(file, s) for file, _, s in looked if s]
    if scale is None and native:
        file, scale = native[0]
        for other_file, other in native:
            # One per cent shifts the edge of a cutout of 100 pixels by half a pixel.
            if abs(other / scale - 1.0) > 0.01:
                raise ValueError(
                    "The images must have one pixel scale, or `pixel_scale` must be "
                    f'given. Received: {scale:.4g}" ({file}) and {other:.4g}" '
                    f"({other_file})."
                )
    if scale is None:
        scale = options.input_pixel_scale
    return replace(options, shape=next(iter(shapes)), scale=scale)
