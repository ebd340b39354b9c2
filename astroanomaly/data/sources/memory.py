"""Images in memory: HDUs, Cutout2D, NDData, arrays of other libraries, dicts."""

import io
import os
import sys
import warnings
from collections.abc import Iterable

import numpy as np
from astropy.io import fits

from astroanomaly.data.bytes import MemoryFile
from astroanomaly.data.fits import stem
from astroanomaly.data.options import plain_words
from astroanomaly.data.sources.array import numbered

_HDUS = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


class LazyImages:
    """The images of an array of another library, fetched one by one.

    Parameters
    ----------
    array : h5py.Dataset, zarr.Array, dask.array.Array or the like
        Anything with `shape`, `dtype` and rows.
    """

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        """Return one image, or all for an ellipsis."""
        return np.asanyarray(self._array[row])


def as_array(value, what: str):
    """Return an array of another library as one of ours; None if it is no array.

    Parameters
    ----------
    value : object
        Anything.
    what : str
        What to call it in a message.

    Returns
    -------
    ndarray, LazyImages or None
        Tensors become arrays; what fetches its rows itself is left to do so.

    Raises
    ------
    ValueError
        If an array cannot be made of it, such as a tensor that needs a gradient.
    """
    if isinstance(value, np.ndarray):
        return value
    # h5py, zarr and dask have chunks; to make arrays of them would read them all.
    if all(hasattr(value, name) for name in ("shape", "dtype", "chunks")):
        return LazyImages(value)
    if not hasattr(value, "__array__"):
        return None
    try:
        return np.asarray(value)
    except Exception as error:
        # Each library has its own kinds of error, for its own kinds of tensor.
        raise ValueError(
            f"{what} must be an array of numbers in memory. Received: "
            f"{type(value).__name__}, {plain_words(error)}."
        ) from error


def _is_image(value) -> bool:
    """Return whether a value is one of astropy's images."""
    # What has not been imported, and takes its time, cannot have been made.
    nddata = sys.modules.get("astropy.nddata")
    kinds = () if nddata is None else (nddata.NDData, nddata.Cutout2D)
    return isinstance(value, (fits.HDUList, *_HDUS, *kinds))


def _pixels(data, what: str) -> np.ndarray:
    """Return pixels of a type that FITS has."""
    data = np.asarray(data)
    if data.dtype.kind not in "fiub":
        raise ValueError(
            f"{what} must hold numbers. Received: shape {data.shape}, dtype "
            f"{data.dtype}."
        )
    if data.dtype.kind == "b":
        return data.astype(np.uint8)
    return (
        data.astype(np.float32)
        if data.dtype.itemsize in (2, 16) and (data.dtype.kind == "f")
        else data
    )


def _as_hdu(image, what: str):
    """Return a Cutout2D, an NDData or an HDU as an ordinary image HDU."""
    if isinstance(image, _HDUS):
        if image.data is None:
            return fits.ImageHDU(None, image.header, name=image.name)
        # Compressed anew, its floats would be rounded once more.
        return fits.ImageHDU(_pixels(image.data, what), image.header)
    data, header = _pixels(image.data, what), fits.Header()
    # A Cutout2D has neither of these.
    if hasattr(image, "meta") and hasattr(image, "mask"):
        if isinstance(image.meta, fits.Header):
            header = image.meta.copy()
        elif image.meta:
            # What FITS cannot hold says nothing that is read here.
            for key, value in image.meta.items():
                if isinstance(value, str | int | float) and len(str(key)) <= 8:
                    header[str(key)] = value
        if image.unit is not None:
            header["BUNIT"] = image.unit.to_string()
        if image.mask is not None:
            data = data.astype(np.result_type(data, np.float32))
            try:
                data[np.broadcast_to(image.mask, data.shape)] = np.nan
            except ValueError as error:
                raise ValueError(
                    f"The mask of {what} must have its shape, {data.shape}. Received: "
                    f"{np.shape(image.mask)}."
                ) from error
    # A WCS of another kind than FITS knows gives no position.
    if hasattr(image.wcs, "to_header"):
        header.update(image.wcs.to_header(relax=True))
    return fits.ImageHDU(data, header)


def as_file(image, name: str) -> MemoryFile:
    """Return an image in memory as a FITS file, which all else then reads.

    Parameters
    ----------
    image : HDUList, HDU, NDData or Cutout2D
        Pixels with mask, unit and WCS; masked pixels become NaN.
    name : str
        What to call the file and its object.

    Returns
    -------
    MemoryFile
        Its bytes are in memory.

    Raises
    ------
    ValueError
        If the pixels are no numbers, or astropy cannot write the headers.
    """
    hdus = image if isinstance(image, fits.HDUList) else [image]
    made = fits.HDUList()
    with warnings.catch_warnings():
        # Cards that FITS does not allow are written as they can be, or left out.
        warnings.simplefilter("ignore")
        try:
            for hdu in hdus:
                table = isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and (
                    not isinstance(hdu, fits.CompImageHDU)
                )
                made.append(hdu.copy() if table else _as_hdu(hdu, name))
            buffer = io.BytesIO()
            made.writeto(buffer, output_verify="silentfix+ignore")
        except Exception as error:
            if isinstance(error, ValueError) and "Received" in str(error):
                raise
            raise ValueError(
                f"{name} must be an image that can be written as FITS. Received: "
                f"{type(image).__name__}, {plain_words(error)}."
            ) from error
    return MemoryFile(name, buffer.getvalue())


def from_memory(value):
    """Return what the caller gave as paths, arrays and files in memory.

    Parameters
    ----------
    value : object
        What `read_cutouts` was given.

    Returns
    -------
    object
        Paths as they are; an array or a list of arrays; a MemoryFile for one astropy
        image, or a list of them.
    list of str or None
        Object ids of a collection in memory: the keys of a dict, the names of files
        that were opened, else running numbers.

    Raises
    ------
    TypeError
        If it is neither path nor image, or a collection is of several kinds.
    ValueError
        If an array is of another type or shape.
    """
    paths = value if isinstance(value, list | tuple) else [value]
    if paths and all(isinstance(path, str | os.PathLike) for path in paths):
        return value, None
    if _is_image(value):
        return as_file(value, _name(value) or "image_000000"), None
    array = None if isinstance(value, list | tuple) else as_array(value, "The array")
    if array is not None and array.ndim == 1 and array.dtype.kind in "UOT":
        # A column of file names.
        value = array.tolist()
    elif array is not None:
        return array, None
    if isinstance(value, dict):
        items, ids = list(value.values()), [str(key) for key in value]
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        items = list(value)
        ids = [_name(item) for item in items]
        # Files of one name in two folders, and images without a file.
        if not all(ids) or len(set(ids)) < len(ids):
            ids = numbered("image", len(items))
    else:
        raise TypeError(
            "`path` must be a path, paths, an array, an astropy image, or a list or "
            f"dict of them. Received: {type(value).__name__}."
        )
    if all(isinstance(item, str | os.PathLike) for item in items):
        return value if isinstance(value, dict) else items, None
    if all(map(_is_image, items)):
        return [as_file(i, n) for i, n in zip(items, ids, strict=True)], ids
    arrays = [as_array(item, f"Image {k}") for k, item in enumerate(items)]
    # An NDData is an array too, which would lose its mask and its unit.
    mixed = any(map(_is_image, items))
    if mixed or any(array is None for array in arrays):
        kinds = ", ".join(sorted({type(item).__name__ for item in items}))
        raise TypeError(
            "`path` must hold paths, arrays or astropy images, all of one kind. "
            f"Received: {kinds}."
        )
    return [np.asanyarray(array[...]) for array in arrays], ids


def _name(image) -> str:
    """Return the name of the file that an HDUList was opened from, or ""."""
    opened = image.filename() if isinstance(image, fits.HDUList) else None
    return stem(opened) if opened else ""
