"""Read cutouts from files, arrays or a mosaic."""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.units import Quantity

from astroanomaly.data import catalog as catalogs
from astroanomaly.data.bytes import MemoryFile, exists
from astroanomaly.data.cutouts import Cutouts, band_index
from astroanomaly.data.filters import NO_FILTER, plane_names, same_band
from astroanomaly.data.find import (
    FLUX_PATTERN,
    extension_bands,
    extension_layout,
    filters_of,
    from_named_files,
    list_files,
    pick,
    sample_rows,
)
from astroanomaly.data.fits import (
    FITS_NAME,
    FitsFile,
    candidates,
    is_fits_name,
    stem,
)
from astroanomaly.data.options import BadCutout, ReadOptions, plain_words
from astroanomaly.data.remote import is_remote, local_copy
from astroanomaly.data.roles import role_of_file
from astroanomaly.data.sources import Source
from astroanomaly.data.sources.array import from_array, from_numpy
from astroanomaly.data.sources.counted import Counted
from astroanomaly.data.sources.cube import CubeSource, from_cube, from_extensions
from astroanomaly.data.sources.files import (
    EXTENSIONS,
    FILES,
    PLANES,
    SINGLE,
    FileSource,
    Layout,
    Looked,
    labels,
    only_image,
)
from astroanomaly.data.sources.memory import LazyImages, from_memory
from astroanomaly.data.sources.mosaic import from_mosaic
from astroanomaly.data.sources.pictures import from_pictures, is_picture_name
from astroanomaly.data.sources.stores import from_store, is_store_name
from astroanomaly.data.sources.tables import from_table, table_of
from astroanomaly.data.stream import CutoutStream, none_readable, places
from astroanomaly.tables.columns import check_unique
from astroanomaly.tables.objects import skipped_table
from astroanomaly.utils.parallel import worker_count

# Objects looked at before the reading: shapes and pixel scales rarely differ in few.
_SAMPLE = 32
_SHOWN = 5


def read_cutouts(
    path: str | Path | Sequence | dict | np.ndarray,
    *,
    catalog: str | Path | Table | SkyCoord | None = None,
    size: int | tuple[int, int] | None = None,
    bands: Sequence[str] | str | None = None,
    band_pattern: str | None = None,
    pixel_scale: float | Quantity | None = None,
    input_pixel_scale: float | Quantity | None = None,
    edge: str = "pad",
    nan: str = "fill",
    mask_extension: str | None = None,
    stream: bool = False,
    n_workers: int | None = None,
    progress: bool | None = None,
    on_error: str = "skip",
    cache: str | Path | None = None,
    max_bytes: int | None = None,
    options: ReadOptions | None = None,
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
    catalog : str, Path, Table, SkyCoord or DataFrame, optional
        ECSV, FITS (also LDAC), CSV, Parquet, VOTable or text. Beside cutouts it is
        joined by the column that names them: `file`, object_id, objid, source_id,
        coadd_object_id, id, NUMBER, name or label. For a mosaic it gives the
        positions: ra and dec (or as archives name them, in degrees or their own unit,
        or a SkyCoord, as a column or alone) through the WCS, or x and y in pixels
        from 0. A
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
    pixel_scale : float or Quantity, optional
        Resample to pixels of so many arcsec before the size is made; the flux is
        conserved.
    input_pixel_scale : float or Quantity, optional
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
    options : ReadOptions, optional
        `size`, `bands`, `band_pattern`, `pixel_scale`, `input_pixel_scale`, `edge`,
        `nan`, `mask_extension`, `on_error` and `max_bytes` as one object, in place of
        these arguments.

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
    asked = {
        "size": size,
        "bands": bands,
        "band_pattern": band_pattern,
        "pixel_scale": pixel_scale,
        "input_pixel_scale": input_pixel_scale,
        "edge": edge,
        "nan": nan,
        "mask_extension": mask_extension,
        "max_bytes": max_bytes,
        "on_error": on_error,
    }
    if options is None:
        options = ReadOptions(**asked)
    else:
        usual = {"edge": "pad", "nan": "fill", "on_error": "skip"}
        twice = [
            name
            for name, value in asked.items()
            if value is not None and not (name in usual and value == usual[name])
        ]
        if twice:
            raise ValueError(
                "`options` stands for the arguments that it holds, which cannot be "
                f"given beside it. Received: {', '.join(twice)}."
            )
    if n_workers is not None:
        worker_count(n_workers, 1)
    if stream and cache is not None:
        raise ValueError(
            "`cache` is for stream=False; a stream's read(cache=...) writes one. "
            f"Received: cache={str(cache)!r} with stream=True."
        )
    source, columns = _find(path, catalog, options)
    ids = source.object_ids
    # Running numbers differ.
    if not isinstance(ids, Counted) and ("" in ids or len(set(ids)) < len(ids)):
        check_unique(ids)
    options = _probe(source, options)
    found = CutoutStream(source, options, columns, options.scale, n_workers, progress)
    return found if stream else found.read(cache)


def _find(path, catalog, options: ReadOptions):
    """Return the source and the catalog columns of its objects."""
    table = None if catalog is None else catalogs.read_catalog(catalog)
    ids = None
    items = path if isinstance(path, list | tuple) else (path,)
    if not items or not all(isinstance(item, str | os.PathLike) for item in items):
        path, ids = from_memory(path)
    if isinstance(path, dict) or (table is not None and _is_mosaic(path, options)):
        return _find_in_mosaic(path, table, options)
    source, found = find_objects(path, options)
    if ids is not None:
        source.object_ids = ids
    matched = None
    if (
        table is None
        and isinstance(source, FileSource)
        and isinstance(path, str | Path)
        and os.path.isdir(path)
    ):
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


def find_objects(path, options: ReadOptions) -> tuple[Source, dict]:
    """Return the source for what the caller named, and columns found with it.

    Parameters
    ----------
    path : str, Path, sequence of them, ndarray or list of ndarray
        See `read_cutouts`; not a mosaic.
    options : ReadOptions
        What the caller asked of the reader.

    Returns
    -------
    Source
        Of files, a cube or an array.
    dict
        Columns that came with the pixels (.npz).
    """
    arrays = np.ndarray | LazyImages
    listed = isinstance(path, list | tuple) and len(path) > 0
    if isinstance(path, arrays) or (
        isinstance(path, list | tuple)
        and len(path) > 0
        and all(isinstance(item, arrays) for item in path)
    ):
        if options.mask_extension is not None:
            raise ValueError(
                "`mask_extension` is for files; mask an array with np.ma.array. "
                f"Received: {options.mask_extension!r}."
            )
        return from_array(path, options.bands), {}
    if isinstance(path, str | Path):
        name = os.fspath(path)
        numpy, store = name.endswith((".npy", ".npz")), is_store_name(name)
        if numpy or store:
            if is_remote(name) and not name.rstrip("/").endswith(".zarr"):
                name = local_copy(name, options.max_bytes)
            if not exists(name):
                raise FileNotFoundError(f"There is no file or folder {name!r}.")
            return (from_numpy if numpy else from_store)(name, options)
    if options.band_pattern is not None and "{object_id}" in options.band_pattern:
        return from_named_files(path, options), {}
    paths = [os.fspath(p) for p in path] if listed else list_files(path)
    # Whether a folder is a store takes a look into it; FITS files are most of all.
    others = [p for p in paths if not FITS_NAME.search(p) or os.path.isdir(p)]
    pictures = [p for p in others if is_picture_name(p)]
    if len(pictures) == len(paths):
        return from_pictures(paths, options), {}
    other = next(
        (p for p in others if is_store_name(p) or p.endswith((".npy", ".npz"))), None
    )
    if pictures or other:
        odd = other or pictures[0]
        raise ValueError(
            "A list or pattern of files must name FITS files alone or pictures alone; "
            f".npy, .npz, HDF5 and Zarr are read one by one. Received: {odd} among "
            f"{len(paths)} files."
        )
    looked = Looked(options.max_bytes)
    if isinstance(path, str | Path) and paths == [os.fspath(path)]:
        found = _table_in(paths[0], options, looked)
        if found is not None:
            return from_table(paths[0], found, options)
        source = _many_in_one(paths[0], options, looked)
        if source is not None:
            return source, {}
    return from_files(paths, options, looked), {}


def _table_in(path: str, options: ReadOptions, looked: Looked):
    """Return the table of images of a file that has no image of its own, or None."""
    try:
        if any(not image.why_not for image in looked[path].images):
            return None
        return table_of(path, options)
    except BadCutout as error:
        raise ValueError(
            f"None of the 1 objects could be read. Received: {path}: {error}."
        ) from error


def _many_in_one(path: str, options: ReadOptions, looked: Looked) -> CubeSource | None:
    """Return the source for a file of many objects, or None for a file of one."""
    bands = options.bands
    images = looked[_first_readable([path], looked)[0]].images
    found = candidates(images)
    if len(found) == 1 and len(found[0].shape) > 2:
        # As many names as planes, or the header's: these are the bands of one object.
        if len(found[0].shape) == 3 and (
            (bands and 1 < len(bands) == found[0].shape[0])
            or plane_names(found[0].header, found[0].shape[0])
        ):
            return None
        return from_cube(path, found[0], bands)
    flux = options.band_pattern is not None or extension_bands(images, FLUX_PATTERN)
    flat = all(len(image.shape) == 2 for image in found)
    if len(found) == 1 or flux or not flat or (bands and len(bands) > 1):
        return None
    if bands and bands[0] in {image.name for image in found} | set(labels(found)):
        return None
    try:
        only_image(images)
    except BadCutout:
        science = [image for image in found if image.name.upper() == "SCI"]
        found = science or found
        if bands is None:
            named = zip(labels(found), found, strict=True)
            names = {label: image.band for label, image in named}
            if not same_band(list(names.values())):
                raise ValueError(
                    f"{path} must have extensions of one filter, one for each object, "
                    "or `bands` must name those that are bands. Received: "
                    f"{', '.join(f'{k} of {v}' for k, v in names.items())}."
                ) from None
            known = [name for name in names.values() if name != NO_FILTER]
            bands = known[:1] or [NO_FILTER]
        return from_extensions(path, found, bands[0])
    return None


def from_files(
    paths: list[str], options: ReadOptions, looked: Looked | None = None
) -> FileSource:
    """Return the source for FITS files with one object each.

    Parameters
    ----------
    paths : list of str
        The files.
    options : ReadOptions
        See `find_layout`.
    looked : Looked, optional
        The headers read so far.

    Returns
    -------
    FileSource
        The object ids are the files' names without their endings, with as much of
        the folders before them as tells files of one name apart.

    Raises
    ------
    ValueError
        If two files give one id, such as a.fits and a.fits.gz.
    """
    looked = Looked(options.max_bytes) if looked is None else looked
    layout = find_layout(paths, options, looked)
    ids = [stem(path) for path in paths]
    if len(set(ids)) < len(ids):
        root = os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])
        folders = [os.path.relpath(os.path.dirname(p) or ".", root) for p in paths]
        ids = [
            name if folder == "." else f"{folder.replace(os.sep, '/')}/{name}"
            for folder, name in zip(folders, ids, strict=True)
        ]
        first: dict[str, str] = {}
        for name, path in zip(ids, paths, strict=True):
            if name in first:
                raise ValueError(
                    "The files must give each object_id once. Received: "
                    f"{name!r} from {first[name]} and {path}."
                )
            first[name] = path
    return FileSource(ids, [(path,) for path in paths], layout, looked)


def find_layout(paths: list[str], options: ReadOptions, looked: Looked) -> Layout:
    """Tell from the first readable file where its bands are.

    Parameters
    ----------
    paths : list of str
        FITS files, one object each.
    options : ReadOptions
        With `band_pattern`, the extension of a band such as "{band}_FLUX", and
        `bands`, the bands wanted, or the name of the only one.
    looked : Looked
        The headers read so far.

    Returns
    -------
    Layout
        One image: the band's name is `bands`, else the header's filter. Extensions
        that end in _FLUX: Euclid's form. One image of three axes: its planes are the
        bands, which `bands` must name. Several images: `bands` names the extensions.

    Raises
    ------
    ValueError
        If the bands are not in the files, or no file can be read.
    """
    bands = options.bands
    path, check_role = _first_readable(paths, looked)
    # Weight maps and the like are objects that cannot be used, and so are listed.
    made = partial(Layout, check_role=check_role)
    if check_role:
        paths = [p for p in paths if not role_of_file(p)]
    images = looked[path].images
    if options.band_pattern is not None:
        return made(*extension_layout(paths, path, options.band_pattern, bands, looked))
    if any(image.name.upper().endswith("_FLUX") for image in images) and (
        extension_bands(images, FLUX_PATTERN)
    ):
        return made(*extension_layout(paths, path, FLUX_PATTERN, bands, looked))
    try:
        image = only_image(images)
    except BadCutout as error:
        if bands is None:
            raise ValueError(f"{path} {error}. Received: no bands.") from error
        found = candidates(images)
        named = zip(found, labels(found), strict=True)
        present = {label: label for image, label in named if image.name}
        return made(EXTENSIONS, *pick(present, bands, path))
    if len(image.shape) == 3:
        names = plane_names(image.header, image.shape[0])
        if names is not None and set(bands or names) <= set(names):
            wanted = tuple(bands or names)
            planes = tuple(names.index(band) for band in wanted)
            return made(PLANES, wanted, (), planes, names=names)
        if bands is None or len(bands) != image.shape[0]:
            raise ValueError(
                f"`bands` must give {image.shape[0]} names: {path} has an image of "
                f"shape {image.shape}, a plane per band. Received: {bands}."
            )
        return made(PLANES, tuple(bands), (), tuple(range(len(bands))))
    if bands is not None:
        if len(bands) != 1:
            raise ValueError(
                f"`bands` must give one name: {path} has one image, of the filter "
                f"{image.band!r}. Received: {list(bands)}."
            )
        return made(SINGLE, tuple(bands))
    # One file is all of its sample.
    found = {image.band: path} if len(paths) == 1 else filters_of(paths, looked)
    # A file that does not say is taken for one of the others.
    named = [name for name in found if name != NO_FILTER]
    if len(named) > 1:
        shown = ", ".join(f"{name} ({found[name]})" for name in named)
        raise ValueError(
            "Files of several filters must be told apart with band_pattern="
            '"{object_id}_{band}.fits" or the like; bands=[name] takes them for one. '
            f"Received: {shown}."
        )
    name = named[0] if named else NO_FILTER
    # Where no file of the sample says, the first that does is another filter, too.
    return made(SINGLE, (name,), filters=(name,))


def _first_readable(paths: list[str], looked: Looked) -> tuple[str, bool]:
    """Return the first file with an image of the sky, and True.

    If there are only weight maps and the like, the first of these, and False.
    """
    reasons, companion = [], ""
    # By their names first: no need to open what is called a weight map.
    for path in sorted(paths, key=lambda p: bool(role_of_file(p))):
        by_name = role_of_file(path)
        try:
            images = looked[path].images
            found = [image for image in images if not image.why_not]
            image = (found or candidates(images))[0]
        except BadCutout as error:
            reasons.append(f"{path}: {error}")
            continue
        if not by_name and not image.role:
            return path, True
        companion = companion or path
        if by_name:
            break
    if companion:
        return companion, False
    shown = "; ".join(reasons[:_SHOWN])
    raise ValueError(
        f"None of the {len(paths)} objects could be read. Received: {shown}."
    )


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
    sample = list(range(n)) if n <= _SAMPLE else sample_rows(n, _SAMPLE)
    looked, bad, seen = [], [], set(sample)
    # If the sample has no readable object, any other one will do.
    rest = (row for row in range(n) if row not in seen)
    for k, row in enumerate(chain(sample, rest)):
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
