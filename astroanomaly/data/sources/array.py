"""Objects along the first axis of one array: in memory, in a .npy or .npz file."""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import numpy as np

from astroanomaly.data.bytes import FileBytes
from astroanomaly.data.fits import stem
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions, plain_words
from astroanomaly.data.prepare import expected
from astroanomaly.data.sources.counted import Counted, Repeated, chosen, named

_DIGITS = 6
# No survey has more bands; an axis that is longer holds pixels.
_MAX_BANDS = 12


def numbered(prefix: str, n: int) -> Counted:
    """Return `n` object ids that sort in their order.

    Parameters
    ----------
    prefix : str
        What the ids begin with.
    n : int
        How many.

    Returns
    -------
    Counted
        ``prefix_000000``, ``prefix_000001``, ...

    Examples
    --------
    >>> list(numbered("cube", 2))
    ['cube_000000', 'cube_000001']
    """
    digits = max(_DIGITS, len(str(n)))
    return named(f"{prefix}_", range(n), digits=digits)


def channel_names(bands, n: int, default: str, what: str) -> tuple[str, ...]:
    """Return a name per channel: `bands`, or `default` or running numbers."""
    if bands is None:
        return (default,) if n == 1 else tuple(f"band_{i}" for i in range(n))
    if len(bands) != n or len(set(bands)) != n:
        raise ValueError(
            f"`bands` must give {n} different name(s), one per channel of {what}. "
            f"Received: {list(bands)}."
        )
    return tuple(bands)


def band_axis(shape, bands, stated: str | None, what: str) -> int | None:
    """Return which axis of the images of a stack holds their bands.

    Parameters
    ----------
    shape : tuple of int
        Of the stack: images, then two or three axes.
    bands : sequence of str or None
        The bands asked for, or stated: their number decides where both ends could be
        the bands.
    stated : str or None
        "first" or "last", where the file says so.
    what : str
        What to call the stack in a message.

    Returns
    -------
    int or None
        0 or 2; None for images of two axes.

    Raises
    ------
    ValueError
        If it cannot be told.

    Examples
    --------
    >>> band_axis((10, 3, 64, 64), None, None, "images")
    0
    """
    if len(shape) == 3:
        return None
    if stated is not None:
        return 0 if stated == "first" else 2
    first, middle, last = shape[1:]
    ends = {axis: n for axis, n in ((0, first), (2, last)) if n <= _MAX_BANDS}
    if len(ends) == 2 and bands is not None:
        ends = {axis: n for axis, n in ends.items() if n == len(bands)} or ends
    if len(ends) == 2 and first != last:
        # Images are square more often than not.
        square = {0: middle == last, 2: first == middle}
        ends = {axis: n for axis, n in ends.items() if square[axis]} or ends
    if len(ends) != 1:
        raise ValueError(
            f"{what} must have its bands first, (n, n_bands, ny, nx), or last, (n, ny, "
            f"nx, n_bands), {_MAX_BANDS} at most; `bands` or an attribute "
            f"channel_order tells which. Received: shape {tuple(shape)}."
        )
    return next(iter(ends))


class NpyFile:
    """The images of a .npy file, read one by one.

    The file is not mapped: one that becomes shorter would end the process.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str):
        self.path, self._bytes = path, FileBytes(path, 1)
        # Mapped for a moment and not looked into, since that checks the header.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        self.shape, self.dtype, self._offset = found.shape, found.dtype, found.offset
        self.c_order = found.flags.c_contiguous
        self.ndim = found.ndim

    def __reduce__(self):
        """Let another process open the file anew."""
        return NpyFile, (self.path,)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        """Return one image."""
        shape = self.shape[1:]
        n = int(np.prod(shape)) * self.dtype.itemsize
        raw = self._bytes.read(self._offset + row * n, n)
        if len(raw) < n:
            raise BadCutout("became shorter while it was read")
        return np.frombuffer(raw, self.dtype).reshape(shape)


class ArraySource:
    """Objects along the first axis of one array.

    Parameters
    ----------
    object_ids : sequence of str
        One per object.
    bands : tuple of str
        One per channel.
    channels : list of int
        Which channels to read.
    images : sequence of ndarray of shape (ny, nx) or (ny, nx, n_bands), or NpyFile
        The pixels of each object; masked ones of a masked array are undefined.
    path : str
        The file they came from; "" for an array in memory.
    rows : sequence of int, optional
        Which image is which object's; all in order by default.
    """

    in_workers = False

    def __init__(self, object_ids, bands, channels, images, path="", rows=None):
        self.object_ids = object_ids
        self.bands = tuple(bands)
        self.channels = list(channels)
        self.images, self.path = images, str(path)
        self.rows = range(len(images)) if rows is None else rows

    @property
    def files(self) -> Repeated:
        """The file of each object, for the table."""
        return Repeated(self.path, len(self.object_ids))

    def take(self, rows: Sequence[int]) -> "ArraySource":
        """Return the source of the chosen objects."""
        ids, own = chosen(self.object_ids, rows), chosen(self.rows, rows)
        return ArraySource(ids, self.bands, self.channels, self.images, self.path, own)

    def select(self, index: list[int]) -> "ArraySource":
        """Return the source that reads only the chosen bands."""
        bands = [self.bands[i] for i in index]
        channels = [self.channels[i] for i in index]
        return ArraySource(
            self.object_ids, bands, channels, self.images, self.path, self.rows
        )

    def signature(self) -> Iterator[str]:
        """Return one text per object; the first holds the file's size or a digest."""
        if isinstance(self.images, NpyFile):
            first = str(os.path.getsize(self.path))
        elif isinstance(self.images, np.ndarray):
            data = np.ascontiguousarray(np.ma.getdata(self.images))
            first = hashlib.sha256(data.view(np.uint8).data).hexdigest()
        else:
            digest = hashlib.sha256()
            for image in self.images:
                digest.update(np.ascontiguousarray(np.ma.getdata(image)).data)
            first = digest.hexdigest()
        first = os.path.basename(self.path) + first
        return chain([first], repeat("", len(self.object_ids) - 1))

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        images = self.images
        same = hasattr(images, "shape")
        shape = images.shape[1:3] if same else images[self.rows[row]].shape[:2]
        return expected([(shape, None)] * len(self.channels), options)

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        image = self.images[self.rows[row]]
        image = image[..., np.newaxis] if image.ndim == 2 else image
        planes = []
        for channel in self.channels:
            plane = np.array(np.ma.getdata(image)[..., channel], np.float32)
            if np.ma.is_masked(image):
                plane[np.ma.getmaskarray(image)[..., channel]] = np.nan
            planes.append(plane)
        return Cutout(planes, [None] * len(planes))

    def release(self) -> None:
        """Close what `read` left open: nothing."""


def check_array(array, what: str) -> None:
    """Raise ValueError if an array is no stack of images with their bands last."""
    if array.dtype.kind not in "fiub" or array.ndim not in (3, 4):
        hint = "; an image alone is image[np.newaxis]" if array.ndim == 2 else ""
        raise ValueError(
            f"{what} must hold numbers of shape (n, ny, nx) or (n, ny, nx, n_bands)"
            f"{hint}. Received: shape {array.shape}, dtype {array.dtype}."
        )
    if 0 in array.shape:
        raise ValueError(f"{what} holds zero images. Received: shape {array.shape}.")
    if array.ndim == 4:
        rows, columns, last = array.shape[1:]
        if last > _MAX_BANDS and (rows <= _MAX_BANDS or columns == last != rows):
            raise ValueError(
                f"{what} must have its bands last, (n, ny, nx, n_bands); of bands "
                "first, as in PyTorch, give np.moveaxis(array, 1, 3). Received: shape "
                f"{array.shape}."
            )


def from_array(array, bands) -> ArraySource:
    """Return the source for an array, or a list of arrays, in memory.

    Parameters
    ----------
    array : ndarray of shape (n, ny, nx) or (n, ny, nx, n_bands), or list of ndarray
        The pixels; a list holds an image of shape (ny, nx) or (ny, nx, n_bands) for
        each object. Masked pixels are undefined.
    bands : sequence of str or None
        One name per channel.

    Returns
    -------
    ArraySource
        Object ids are running numbers.

    Raises
    ------
    ValueError
        If the array has another shape, no image, or another number of bands.

    Examples
    --------
    >>> list(from_array(np.zeros((2, 8, 8)), ["H"]).object_ids)
    ['image_000000', 'image_000001']
    """
    if hasattr(array, "shape"):
        check_array(array, "The array")
        n = 1 if array.ndim == 3 else array.shape[3]
    else:
        array = [np.asanyarray(image) for image in array]
        for k, image in enumerate(array):
            check_array(image[np.newaxis], f"Image {k} of the list")
        # Shapes may differ, `size` makes them one; bands may not.
        kinds = {image.shape[2:] for image in array}
        if len(kinds) > 1:
            raise ValueError(
                "The images of a list must have one number of bands. Received: the "
                f"shapes {sorted({image.shape for image in array})}."
            )
        (kind,) = kinds
        n = kind[0] if kind else 1
    names = channel_names(bands, n, "image", "the array")
    return ArraySource(numbered("image", len(array)), names, range(n), array)


def from_numpy(path: str, options: ReadOptions) -> tuple[ArraySource, dict]:
    """Return the source for a .npy or .npz file, and the columns found in it.

    Parameters
    ----------
    path : str
        A .npy file of shape (n, ny, nx) or (n, ny, nx, n_bands), or a .npz file with
        one such array, or one named `images`. Pickled objects are refused.
    options : ReadOptions
        With the bands, `max_bytes`, and `mask_extension`, which names an array of a
        .npz file.

    Returns
    -------
    ArraySource
        A .npy file is read image by image, a .npz file is held in memory.
    dict
        The one-dimensional arrays of a .npz file with one value per image;
        `object_id` among them names the objects.

    Raises
    ------
    ValueError
        If the file is no NumPy file, has no array of such a shape, or unpacks to more
        than `max_bytes`.

    Examples
    --------
    >>> np.save("images.npy", np.zeros((2, 8, 8)))
    >>> list(from_numpy("images.npy", ReadOptions())[0].object_ids)
    ['images_000000', 'images_000001']
    """
    columns = {}
    try:
        # Refuses pipes and devices, which numpy would wait for.
        FileBytes(path, 1).close()
        if zipfile.is_zipfile(path):
            images, columns = _from_npz(path, options)
        else:
            images = NpyFile(path)
            check_array(images, str(path))
            if not images.c_order:
                # Its pixels do not lie together: they are read all at once.
                size = os.path.getsize(path)
                if size > options.max_bytes:
                    raise BadCutout(
                        f"is in Fortran order and holds {size} bytes, more than the "
                        f"{options.max_bytes} that `max_bytes` allows"
                    )
                images = np.load(path, allow_pickle=False)
    except BadCutout as error:
        raise ValueError(f"{path} {error}. Received: that file.") from error
    except Exception as error:
        if str(error).startswith(str(path)):
            raise
        # zipfile, zlib and numpy have their own kinds of error for damaged files.
        raise ValueError(
            f"{path} must be a .npy or .npz file of numbers. Received: "
            f"{plain_words(error)}."
        ) from error
    check_array(images, str(path))
    if options.mask_extension is not None and not np.ma.isMaskedArray(images):
        raise ValueError(
            f"`mask_extension` must name an array of a .npz file. Received: "
            f"{options.mask_extension!r} with {path}, which has none."
        )
    n = 1 if images.ndim == 3 else images.shape[3]
    names = channel_names(options.bands, n, "image", path)
    ids = numbered(stem(path), len(images))
    if "object_id" in columns:
        ids = [str(value) for value in columns.pop("object_id")]
    return ArraySource(ids, names, range(n), images, path), columns


def _from_npz(path: str, options: ReadOptions) -> tuple[np.ndarray, dict]:
    with zipfile.ZipFile(path) as archive:
        size = sum(item.file_size for item in archive.infolist())
    if size > options.max_bytes:
        raise BadCutout(
            f"unpacks to {size} bytes, more than the {options.max_bytes} that "
            "`max_bytes` allows"
        )
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        key = "images" if "images" in names else names[0] if len(names) == 1 else None
        if key is None:
            raise ValueError(
                f"{path} must hold one array, or one named 'images'. Received: {names}."
            )
        array, columns = archive[key], {}
        if (mask := options.mask_extension) in names:
            array = np.ma.array(array, mask=archive[mask] != 0)
        for name in names:
            if name in (key, mask):
                continue
            try:
                value = archive[name]
            except ValueError:
                # An array of Python objects would need pickle: it is left out.
                continue
            if value.shape == array.shape[:1]:
                columns[name] = value
    return array, columns
