"""HDF5 files and Zarr stores: a stack of images, or a group for each object."""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.bytes import FileBytes
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions, plain_words
from astroanomaly.data.prepare import expected
from astroanomaly.data.sources.array import band_axis, channel_names
from astroanomaly.data.sources.columns import object_columns
from astroanomaly.data.sources.counted import Counted, Repeated, chosen, named
from astroanomaly.data.sources.files import size_of
from astroanomaly.tables.files import read_table
from astroanomaly.utils.optional import require

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
ZARR_ENDINGS = (".zarr", ".zarr.zip")

# What the images are called where a file has more than one stack; the first there is.
_IMAGE_NAMES = ("images", "image", "cutouts", "cutout", "stamps", "data", "flux", "x")
_BAND_NAMES = ("bands", "band", "band_names", "filters", "filter")
_SCALE_NAMES = ("pixel_scale", "pxscale", "pixscale", "pixelscale")
# Of each array, at most: chunks are of a few megabytes, but may be of any size.
_HELD_BYTES = 2**26
_ORDER_NAMES = ("channel_order", "data_format", "dimension_order", "axes")
# As Keras, PyTorch and TensorFlow say it, and as axes are spelled out.
_ORDERS = {
    "channels_first": "first",
    "channels_last": "last",
    "nchw": "first",
    "nhwc": "last",
    "first": "first",
    "last": "last",
}


def is_store_name(path) -> bool:
    """Return whether a name ends as those of HDF5 files and Zarr stores do."""
    name = str(path).lower().rstrip("/")
    if name.endswith((*HDF5_ENDINGS, *ZARR_ENDINGS)):
        return True
    # A Zarr store is a folder of any name, with its description in it.
    described = ("zarr.json", ".zgroup", ".zarray")
    return os.path.isdir(path) and any(
        os.path.isfile(os.path.join(path, name)) for name in described
    )


def open_store(path: str):
    """Open an HDF5 file or a Zarr store for reading.

    Parameters
    ----------
    path : str
        A file, a folder, or a .zip.

    Returns
    -------
    h5py.File, zarr.Group or zarr.Array
        Open.

    Raises
    ------
    BadCutout
        If it is neither.
    """
    if path.lower().endswith(HDF5_ENDINGS):
        h5py = require("h5py", "io")
        # Refuses pipes and devices, which h5py would wait for.
        FileBytes(path, 1).close()
        try:
            return h5py.File(path, "r")
        except Exception as error:
            raise BadCutout(f"is no HDF5 file ({plain_words(error)})") from error
    zarr = require("zarr", "io")
    try:
        if os.path.isfile(path):
            FileBytes(path, 1).close()
            return zarr.open(zarr.storage.ZipStore(path, mode="r"), mode="r")
        return zarr.open(path, mode="r")
    except BadCutout:
        raise
    except Exception as error:
        # zarr, zipfile and json have their own kinds of error for damaged stores.
        raise BadCutout(f"is no Zarr store ({plain_words(error)})") from error


def members(group) -> tuple[dict, dict]:
    """Return the arrays and the groups that lie in a group and in its own file.

    Parameters
    ----------
    group : h5py.Group or zarr.Group
        Links that lead out of an HDF5 file are left out, and so are arrays whose
        numbers lie in other files.

    Returns
    -------
    dict, dict
        By name.
    """
    if hasattr(group, "arrays"):
        with warnings.catch_warnings():
            # zarr warns of a table that lies in the folder of a store.
            warnings.simplefilter("ignore")
            return dict(sorted(group.arrays())), dict(sorted(group.groups()))
    h5py = require("h5py", "io")
    arrays, groups = {}, {}
    for name in group:
        # A soft link may lead to an external one.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            groups[name] = item
        elif isinstance(item, h5py.Dataset) and not (item.external or item.is_virtual):
            arrays[name] = item
    return arrays, groups


def _check_codecs(array) -> None:
    """Refuse a Zarr array one of whose filters would run code from the file."""
    metadata = getattr(array, "metadata", None)
    if metadata is not None and "pickle" in str(metadata.to_dict()).lower():
        raise BadCutout("has an array packed by pickle, which could run any code")


def _is_images(array) -> bool:
    return array.ndim in (2, 3, 4) and np.dtype(array.dtype).kind in "fiub"


def _words(value) -> list[str]:
    """Return text, or several, from an attribute or a column, as a list."""
    if hasattr(value, "shape") and hasattr(value, "chunks"):
        value = _column(value)
    values = np.atleast_1d(np.asarray(value)).ravel().tolist()
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def _column(array) -> np.ndarray:
    """Return a whole small array; text as str."""
    _check_codecs(array)
    if hasattr(array, "asstr") and array.dtype.kind == "O":
        return np.asarray(array.asstr()[()]).astype(str)
    value = np.asarray(array[...])
    return value.astype(str) if value.dtype.kind in "OT" else value


def _stated(name_list, arrays: dict, *attributes):
    """Return what a sibling array or an attribute of one of the names holds."""
    for name in name_list:
        for held in (*attributes, arrays):
            found = {key.lower(): key for key in held}.get(name)
            if found is not None:
                return held[found]
    return None


class StoreSource:
    """Objects in one HDF5 file or Zarr store.

    Parameters
    ----------
    path : str
        The file or folder.
    object_ids : sequence of str
        One per object.
    bands : tuple of str
        One per channel.
    places : sequence of tuple
        For each object the names of its arrays, and its row in them; the row is
        None where the arrays are the object's own.
    axis : int or None
        Which axis of an image holds the bands; None where each array is one band.
    channels : list of int
        Which band along `axis`, or which array.
    facts : sequence of tuple
        For each object its pixel scale in arcsec, or None, and its position.
    units : tuple
        The unit and the zero point of all bands.
    """

    in_workers = True

    def __init__(self, path, object_ids, bands, places, axis, channels, facts, units):
        self.path, self.object_ids = str(path), object_ids
        self.bands, self.places = tuple(bands), places
        self.axis, self.channels = axis, list(channels)
        self.facts, self.units = facts, units
        self._store = None
        # By the array's name, the first row that is held, and the images from it on.
        self._held: dict[str, tuple[int, Sequence[np.ndarray]]] = {}

    def _like(self, **changes) -> "StoreSource":
        names = "path object_ids bands places axis channels facts units".split()
        values = {name: getattr(self, name) for name in names}
        return StoreSource(**{**values, **changes})

    @property
    def files(self) -> Sequence[str]:
        """The file of each object, and its row or group in it."""
        path, places = self.path, self.places
        if isinstance(places, Counted):
            return named(f"{path}[", places.numbers, "]")
        return [f"{path}[{names[0]}]" for names, _ in places]

    def take(self, rows: Sequence[int]) -> "StoreSource":
        """Return the source of the chosen objects."""
        lists = {n: getattr(self, n) for n in ("object_ids", "places", "facts")}
        return self._like(**{n: chosen(v, rows) for n, v in lists.items()})

    def select(self, index: list[int]) -> "StoreSource":
        """Return the source that reads only the chosen bands."""
        return self._like(
            bands=[self.bands[i] for i in index],
            channels=[self.channels[i] for i in index],
        )

    def signature(self) -> Iterator[str]:
        """Return one text per object, each with the size of the file."""
        name, size = os.path.basename(self.path), size_of(self.path)
        return (f"{name}:{size}:{names[0]}:{row}" for names, row in self.places)

    def _array(self, name: str, options: ReadOptions, stack: bool):
        """Return an array of the store, refused if an image of it is too large."""
        if self._store is None:
            self._store = open_store(self.path)
        try:
            array = self._store[name] if name else self._store
            shape, chunks = array.shape, array.chunks or ()
        except KeyError as error:
            raise BadCutout(f"has no array {name}") from error
        _check_codecs(array)
        image = shape[1:] if stack else shape
        # A whole chunk is unpacked for one image of it.
        n_bytes = 4 * max(np.prod(image, dtype=float), np.prod(chunks, dtype=float))
        if n_bytes > options.max_bytes:
            raise BadCutout(
                f"has images or chunks of {n_bytes:.0f} bytes in {name}, more than the "
                f"{options.max_bytes} that `max_bytes` allows"
            )
        return array

    def _image(self, name: str, row: int | None, options: ReadOptions) -> np.ndarray:
        first, images = self._held.get(name, (0, ()))
        if row is not None and 0 <= row - first < len(images):
            return images[row - first]
        array = self._array(name, options, row is not None)
        try:
            if row is None:
                return np.asarray(array[...])
            # A chunk is unpacked whole, whatever is asked of it.
            depth = (array.chunks or (1,))[0]
            image = math.prod(array.shape[1:]) * array.dtype.itemsize
            depth = depth if depth * image <= _HELD_BYTES else 1
            first = row - row % depth
            images = np.asarray(array[first : first + depth])
        except Exception as error:
            # A filter that is not installed, a damaged or a missing chunk.
            raise BadCutout(
                f"has an image in {name} that cannot be read ({plain_words(error)})"
            ) from error
        self._held[name] = first, images
        return images[row - first]

    def _planes(self, row: int, options: ReadOptions) -> list[np.ndarray]:
        names, at = self.places[row]
        if self.axis is None:
            return [self._image(names[c], at, options) for c in self.channels]
        image = np.moveaxis(self._image(names[0], at, options), self.axis, 0)
        if max(self.channels) >= len(image):
            raise BadCutout(
                f"has {len(image)} bands where {max(self.channels) + 1} or more were "
                "expected"
            )
        return [image[c] for c in self.channels]

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        names, at = self.places[row]
        shape = list(self._array(names[0], options, at is not None).shape)
        shape = shape if at is None else shape[1:]
        if self.axis is not None:
            del shape[self.axis]
        scale = self.facts[row][0]
        return expected([(tuple(shape), scale)] * len(self.channels), options)

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        planes = [np.array(p, np.float32) for p in self._planes(row, options)]
        for plane in planes:
            if plane.ndim != 2:
                raise BadCutout(f"has an image of shape {plane.shape}, not of two axes")
        if options.mask_extension is not None:
            names, at = self.places[row]
            for band, plane in zip(self.bands, planes, strict=True):
                name = options.mask_extension.replace("{band}", band)
                folder = names[0].rpartition("/")[0]
                mask = self._image(f"{folder}/{name}" if folder else name, at, options)
                if mask.shape != plane.shape:
                    raise BadCutout(
                        f"has a mask {name} of shape {mask.shape} for an image of "
                        f"{plane.shape}"
                    )
                plane[mask != 0] = np.nan
        scale, ra, dec = self.facts[row]
        n, (unit, zero) = len(planes), self.units
        return Cutout(planes, [scale] * n, ra, dec, [unit] * n, [zero] * n)

    def release(self) -> None:
        """Close the file."""
        if self._store is not None and hasattr(self._store, "close"):
            self._store.close()
        self._store = None
        self._held.clear()


def _only_stack(arrays: dict, options: ReadOptions, where: str) -> list[str]:
    """Return the names of the arrays that hold the images: one, or one per band."""
    stacks = {n: a for n, a in arrays.items() if a.ndim in (3, 4) and _is_images(a)}
    if options.mask_extension is not None:
        stacks.pop(options.mask_extension, None)
    if options.bands and set(options.bands) <= set(stacks):
        return list(options.bands)
    if len(stacks) > 1:
        lower = {name.lower(): name for name in stacks}
        named = [lower[name] for name in _IMAGE_NAMES if name in lower]
        if not named:
            raise ValueError(
                f"{where} must have one array of images, or one named images; `bands` "
                "may name arrays that hold a band each. Received: "
                + ", ".join(f"{n} of shape {a.shape}" for n, a in stacks.items())
                + "."
            )
        return named[:1]
    return list(stacks)


def _order(array, bands, attributes, what: str) -> int | None:
    """Return which axis of an image of a stack holds the bands."""
    stated = _stated(_ORDER_NAMES, {}, *attributes)
    order = None
    if stated is not None:
        text = "".join(_words(stated)).lower().replace(" ", "").replace("-", "_")
        order = _ORDERS.get(text)
        if order is None and array.ndim == 4:
            raise ValueError(
                f"{what} must state its order as channels_first or channels_last. "
                f"Received: {stated!r}."
            )
    return band_axis(array.shape, bands, order, what)


def from_store(path: str, options: ReadOptions) -> tuple[StoreSource, dict]:
    """Return the source for an HDF5 file or a Zarr store, and the columns in it.

    Parameters
    ----------
    path : str
        With an array of shape (n, ny, nx), (n, ny, nx, n_bands) or
        (n, n_bands, ny, nx), and arrays of one value per object; or with a group, or
        an array of two axes, for each object.
    options : ReadOptions
        Its `bands` name the channels, or arrays that hold a band each.

    Returns
    -------
    StoreSource
        An attribute or array `bands` names the channels, `pixel_scale` is in arcsec.
    dict
        Arrays with one value per object, and the columns of a Parquet file of the
        same name; object_id, id or name among them names the objects.

    Raises
    ------
    ValueError
        If there is no such array, or more than one, or it cannot be told where the
        bands are.
    """
    try:
        root = open_store(path)
    except BadCutout as error:
        raise ValueError(f"{path} {error}. Received: that file.") from error
    try:
        if hasattr(root, "shape"):
            return _from_stack(path, "", {"": root}, [""], options)
        return _from_group(path, root, "", options)
    except BadCutout as error:
        raise ValueError(f"{path} {error}. Received: that file.") from error
    finally:
        if hasattr(root, "close"):
            root.close()


def _from_group(path: str, group, prefix: str, options: ReadOptions):
    arrays, groups = members(group)
    where = f"{path}, group {prefix}," if prefix else path
    stacks = _only_stack(arrays, options, where)
    flat = {n: a for n, a in arrays.items() if a.ndim == 2 and _is_images(a)}
    # A table of numbers beside a stack has two axes too.
    if stacks and not (arrays[stacks[0]].shape[0] == 1 and len(groups) > 1):
        return _from_stack(path, prefix, arrays, stacks, options, group.attrs)
    if not stacks and not groups and len(flat) > 0:
        return _from_objects(path, {n: ("", a, {}) for n, a in flat.items()}, options)
    found = {}
    for name, child in groups.items():
        inside, deeper = members(child)
        images = {n: a for n, a in inside.items() if _is_images(a)}
        lower = {n.lower(): n for n in images}
        named = [lower[n] for n in _IMAGE_NAMES if n in lower]
        if len(images) == 1 or named:
            key = named[0] if named else next(iter(images))
            if images[key].ndim < 4 and (len(groups) > 1 or images[key].ndim == 2):
                found[name] = (f"{prefix}{name}/{key}", images[key], child.attrs)
        if len(groups) == 1 and name not in found and (images or deeper):
            return _from_group(path, child, f"{prefix}{name}/", options)
    if not found:
        held = ", ".join(
            [*(f"{n} of shape {a.shape}" for n, a in arrays.items()), *groups]
        )
        raise ValueError(
            f"{where} must hold an array of images of shape (n, ny, nx) or of four "
            "axes, or a group with an image for each object; links to other files are "
            f"not followed. Received: {held or 'nothing that lies in the file'}."
        )
    return _from_objects(path, found, options)


def _from_stack(path, prefix, arrays, names, options, attributes=None):
    first = arrays[names[0]]
    attributes = (first.attrs, attributes if attributes is not None else {})
    _check_codecs(first)
    n, what = first.shape[0], f"{path}, array {prefix}{names[0]},"
    if 0 in first.shape:
        raise ValueError(f"{path} holds zero images. Received: shape {first.shape}.")
    columns = {}
    for name, array in arrays.items():
        text = np.dtype(array.dtype).kind in "SUOT"
        if (
            array.ndim in (1, 2)
            and array.shape[0] == n
            and (array.ndim == 1 or not text)
        ):
            columns[name] = array
    if any(arrays[name].shape[0] != n for name in names):
        raise ValueError(
            f"{what} must have as many images as the other bands. Received: the shapes "
            f"{[arrays[name].shape for name in names]}."
        )
    by_array = names == list(options.bands or ())
    stated = _stated(_BAND_NAMES, arrays, *attributes)
    stated = None if stated is None else _words(stated)
    if by_array and first.ndim == 3:
        axis, bands, channels = None, names, range(len(names))
    else:
        wanted = stated or options.bands
        axis = _order(first, None if by_array else wanted, attributes, what)
        n_bands = 1 if axis is None else first.shape[1:][axis]
        if stated is not None and len(stated) != n_bands:
            stated = None
        bands, channels = stated, range(n_bands)
        if options.bands and stated and set(options.bands) <= set(stated):
            bands = options.bands
            channels = [stated.index(band) for band in bands]
        elif options.bands or stated is None:
            given = None if by_array else options.bands
            bands = channel_names(given, n_bands, "image", what)
    columns = {
        name: _column(array)
        for name, array in columns.items()
        if not (name.lower() in _BAND_NAMES and len(_words(array)) == len(bands) != n)
    }
    scale = _stated(_SCALE_NAMES, columns, *attributes)
    if np.size(scale) == 1:
        only = None if scale is None else float(np.ravel(scale)[0])
        facts: Sequence = Repeated((only, np.nan, np.nan), n)
    else:
        scales = np.broadcast_to(np.ravel(scale), n)
        facts = [(float(s), np.nan, np.nan) for s in scales]
    places = Counted(partial(_row_of, [prefix + name for name in names]), range(n))
    units = _units(*attributes)
    table = _with_parquet(path, Table(columns), n)
    ids, columns = object_columns(table, n, _store_stem(path))
    return StoreSource(path, ids, bands, places, axis, channels, facts, units), columns


def _row_of(names: list[str], row: int) -> tuple[list[str], int]:
    return names, row


def _store_stem(path: str) -> str:
    name = os.path.basename(path.rstrip("/"))
    ending = next(
        (
            e
            for e in (*HDF5_ENDINGS, *reversed(ZARR_ENDINGS))
            if name.lower().endswith(e)
        ),
        "",
    )
    return name[: len(name) - len(ending)]


def _units(*attributes) -> tuple[str, float]:
    unit = _stated(("unit", "units", "bunit"), {}, *attributes)
    zero = _stated(("zero_point", "zeropoint", "magzero"), {}, *attributes)
    return (
        "" if unit is None else _words(unit)[0],
        np.nan if zero is None else float(np.ravel(zero)[0]),
    )


def _with_parquet(path: str, table: Table, n: int) -> Table:
    """Return a table with the columns of a Parquet file beside or in a store."""
    base = Path(path.rstrip("/"))
    beside = [base.with_name(f"{_store_stem(path)}.parquet"), base / "catalog.parquet"]
    beside.append(base.with_name(f"{base.name}.parquet"))
    found = next((file for file in beside if file.is_file()), None)
    if found is None:
        return table
    other = read_table(found)
    if len(other) != n:
        raise ValueError(
            f"{found} must have a row for each of the {n} images of {path}. "
            f"Received: {len(other)} rows."
        )
    for name in table.colnames:
        # What lies in the store itself goes first.
        other[name] = table[name]
    return other


def _from_objects(path: str, found: dict, options: ReadOptions):
    """Return the source for a file with an image, or a group, for each object."""
    name, array, attributes = next(iter(found.values()))
    image = (1, *array.shape)
    axis = None
    stated = _stated(_BAND_NAMES, {}, array.attrs, attributes)
    stated = None if stated is None else _words(stated)
    if array.ndim == 3:
        wanted = stated or options.bands
        what = f"{path}, array {name},"
        axis = band_axis(image, wanted, None, what)
    n_bands = 1 if axis is None else array.shape[axis]
    bands, channels = stated, range(n_bands)
    if stated and options.bands and set(options.bands) <= set(stated):
        bands = options.bands
        channels = [stated.index(band) for band in bands]
    elif not stated or options.bands or len(stated) != n_bands:
        bands = channel_names(options.bands, n_bands, "image", path)
    places, facts = [], []
    for key, (where, one, attributes) in found.items():
        places.append(([where or key], None))
        scale = _stated(_SCALE_NAMES, {}, one.attrs, attributes)
        position = [
            _stated((word,), {}, one.attrs, attributes) for word in ("ra", "dec")
        ]
        ra, dec = (np.nan if v is None else float(np.ravel(v)[0]) for v in position)
        facts.append((None if scale is None else float(np.ravel(scale)[0]), ra, dec))
    units = _units(array.attrs, next(iter(found.values()))[2])
    ids = [
        _words(_stated(("object_id", "id", "name"), {}, a, g.attrs) or key)[0]
        for key, (_, g, a) in found.items()
    ]
    return StoreSource(path, ids, bands, places, axis, channels, facts, units), {}
