"""Objects along the first axis of one array: in memory, .npy, .npz, FITS cube."""

import hashlib
import mmap
import os
from pathlib import Path

import numpy as np

from astroanomaly.data import headers
from astroanomaly.data.options import Cutout
from astroanomaly.data.planes import open_fits, stem

_DIGITS = 6


def numbered(prefix: str, n: int) -> list[str]:
    """Return `n` object ids that sort in their order.

    Parameters
    ----------
    prefix : str
        What the ids begin with.
    n : int
        How many.

    Returns
    -------
    list of str
        ``prefix_000000``, ``prefix_000001``, ...

    Examples
    --------
    >>> numbered("cube", 2)
    ['cube_000000', 'cube_000001']
    """
    digits = max(_DIGITS, len(str(n)))
    return [f"{prefix}_{i:0{digits}d}" for i in range(n)]


class ArraySource:
    """Objects along the first axis of one array.

    Parameters
    ----------
    object_ids : list of str
        One per object.
    bands : tuple of str
        One per channel.
    array : ndarray of shape (n, ny, nx) or (n, ny, nx, n_bands), optional
        The pixels, in memory.
    path : str
        A .npy or FITS file that is mapped while it is read, when `array` is None.
    hdu : int
        The extension of a FITS file, whose axes are (n, ny, nx) or
        (n, n_bands, ny, nx).
    channels : list of int
        Which channels to read.
    header : Header, optional
        The header of a FITS cube, for units, zero points and pixel scale.
    """

    in_workers = False

    def __init__(
        self, object_ids, bands, channels, array=None, path="", hdu=0, header=None
    ):
        self.object_ids = list(object_ids)
        self.bands = tuple(bands)
        self.channels = list(channels)
        self.path, self.hdu, self.header = str(path), hdu, header
        self._memory = array
        self._mapped = None

    @property
    def files(self) -> list[str]:
        """The file of each object, for the table."""
        return [self.path] * len(self.object_ids)

    def select(self, index: list[int]) -> "ArraySource":
        """Return the source that reads only the chosen bands."""
        bands = [self.bands[i] for i in index]
        channels = [self.channels[i] for i in index]
        return ArraySource(
            self.object_ids,
            bands,
            channels,
            self._memory,
            self.path,
            self.hdu,
            self.header,
        )

    def signature(self) -> list[str]:
        """Return one text per object; the first holds the file's size or a digest."""
        if self._memory is None:
            first = str(os.path.getsize(self.path))
        else:
            data = np.ascontiguousarray(self._memory)
            first = hashlib.sha256(data.view(np.uint8).data).hexdigest()
        return [Path(self.path).name + first] + [""] * (len(self.object_ids) - 1)

    def pixels(self) -> np.ndarray:
        """Return the whole array, mapped when it lies in a file."""
        if self._memory is not None:
            return self._memory
        if self._mapped is None:
            self._mapped = self._map()
        return self._mapped

    def _map(self) -> np.ndarray:
        if self.path.endswith(".npy"):
            return np.load(self.path, mmap_mode="r", allow_pickle=False)
        with open_fits(self.path, memmap=True) as hdus:
            data = hdus[self.hdu].data
        return data if data.ndim == 3 else np.moveaxis(data, 1, 3)

    def read(self, row: int, mask_extension: str | None = None) -> Cutout:
        """Read one object; see `FileSource.read`."""
        image = self.pixels()[row]
        image = image[..., np.newaxis] if image.ndim == 2 else image
        planes = [np.array(image[..., c], np.float32) for c in self.channels]
        if self.header is None:
            return Cutout(planes, [None] * len(planes))
        n = len(planes)
        return Cutout(
            planes,
            [headers.pixel_scale(headers.own(self.header))] * n,
            units=[headers.unit(self.header)] * n,
            zero_points=[headers.zero_point(self.header)] * n,
        )

    def release(self) -> None:
        """Unmap the file: pages that were read would count as used memory."""
        # A packed or scaled cube is no map, and would have to be read again.
        if _is_mapped(self._mapped):
            self._mapped = None


def _is_mapped(array) -> bool:
    while array is not None:
        if isinstance(array, np.memmap | mmap.mmap):
            return True
        array = getattr(array, "base", None)
    return False


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


def _check_array(array, what: str) -> None:
    if array.dtype.kind not in "fiub" or array.ndim not in (3, 4):
        raise ValueError(
            f"{what} must hold numbers of shape (n, ny, nx) or (n, ny, nx, n_bands). "
            f"Received: shape {array.shape}, dtype {array.dtype}."
        )
    if 0 in array.shape:
        raise ValueError(f"{what} holds zero images. Received: shape {array.shape}.")


def from_array(array: np.ndarray, bands) -> ArraySource:
    """Return the source for an array in memory.

    Parameters
    ----------
    array : ndarray of shape (n, ny, nx) or (n, ny, nx, n_bands)
        The pixels.
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
    >>> from_array(np.zeros((2, 8, 8)), ["H"]).object_ids
    ['image_000000', 'image_000001']
    """
    _check_array(array, "The array")
    n = 1 if array.ndim == 3 else array.shape[3]
    names = channel_names(bands, n, "image", "the array")
    return ArraySource(numbered("image", len(array)), names, range(n), array)


def from_numpy(path: str, bands) -> tuple[ArraySource, dict]:
    """Return the source for a .npy or .npz file, and the columns found in it.

    Parameters
    ----------
    path : str
        A .npy file of shape (n, ny, nx) or (n, ny, nx, n_bands), or a .npz file with
        one such array, or one named `images`. Pickled objects are refused.
    bands : sequence of str or None
        One name per channel.

    Returns
    -------
    ArraySource
        A .npy file is mapped, a .npz file is held in memory.
    dict
        The one-dimensional arrays of a .npz file with one value per image;
        `object_id` among them names the objects.

    Raises
    ------
    ValueError
        If the file is no NumPy file, or has no array of such a shape.

    Examples
    --------
    >>> np.save("images.npy", np.zeros((2, 8, 8)))
    >>> from_numpy("images.npy", None)[0].object_ids
    ['images_000000', 'images_000001']
    """
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        columns = {}
        if isinstance(loaded, np.ndarray):
            array, memory = loaded, None
        else:
            with loaded:
                array, columns = _from_npz(path, loaded)
            memory = array
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(
            f"{path} must be a .npy or .npz file of numbers. Received: {error}."
        ) from error
    _check_array(array, str(path))
    n = 1 if array.ndim == 3 else array.shape[3]
    names = channel_names(bands, n, "image", path)
    ids = numbered(stem(path), len(array))
    if "object_id" in columns:
        ids = [str(value) for value in columns.pop("object_id")]
    return ArraySource(ids, names, range(n), memory, path), columns


def _from_npz(path, archive) -> tuple[np.ndarray, dict]:
    names = list(archive.files)
    key = "images" if "images" in names else names[0] if len(names) == 1 else None
    if key is None:
        raise ValueError(
            f"{path} must hold one array, or one named 'images'. Received: {names}."
        )
    array, columns = archive[key], {}
    for name in names:
        if name == key:
            continue
        try:
            value = archive[name]
        except ValueError:
            # An array of Python objects would need pickle: it is left out.
            continue
        if value.shape == array.shape[:1]:
            columns[name] = value
    return array, columns
