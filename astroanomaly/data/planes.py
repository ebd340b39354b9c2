"""The images inside one FITS file: which are bands, which are not, and why."""

import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from astroanomaly.data.headers import PlainHeader
from astroanomaly.data.options import BadCutout

FITS_ENDINGS = (".fits", ".fit", ".fts")
PACKED_ENDINGS = ("", ".gz", ".fz", ".bz2")

_NOT_BANDS = {
    "PSF": "a point-spread function",
    "RMS": "a noise map",
    "ERR": "a noise map",
    "ERROR": "a noise map",
    "SIGMA": "a noise map",
    "STD": "a noise map",
    "VAR": "a noise map",
    "VARIANCE": "a noise map",
    "IVAR": "a noise map",
    "INVVAR": "a noise map",
    "WHT": "a weight map",
    "WT": "a weight map",
    "WEIGHT": "a weight map",
    "EXP": "an exposure map",
    "EXPTIME": "an exposure map",
    "CTX": "a context map",
    "CON": "a context map",
    "DQ": "a mask",
    "MASK": "a mask",
    "FLAG": "a mask",
    "FLAGS": "a mask",
    "BKG": "a background map",
    "SEG": "a segmentation map",
    "SEGM": "a segmentation map",
}
_BLOCK = 2880
_CARD = 80
_START = b"SIMPLE  =                    T"
_END = b"END" + b" " * 77
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# Scaled, blank or named images, and values over several cards, are astropy's.
_SPECIAL = ("BSCALE", "BZERO", "BLANK", "EXTNAME", "GROUPS", "ZIMAGE")
_LARGEST = 2**26
_READ_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    MemoryError,
    zlib.error,
    fits.VerifyError,
)


@dataclass(frozen=True)
class ImageHDU:
    """One image extension as the file declares it.

    Parameters
    ----------
    index : int
        Its place in the file, 0 for the primary one.
    name : str
        EXTNAME, or "" when it has none.
    shape : tuple of int
        The array's shape, rows before columns.
    why_not : str
        Why it is no band ("a noise map"), or "" when it may be one.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    why_not: str = ""


def is_fits_name(path: str | Path) -> bool:
    """Tell whether a file's name ends as FITS files end.

    Parameters
    ----------
    path : str or Path
        A file name: .fits, .fit or .fts, also with .gz, .fz or .bz2 behind.

    Returns
    -------
    bool
        True for a FITS name; the file is not opened.

    Examples
    --------
    >>> is_fits_name("a.FITS.gz"), is_fits_name("a.csv")
    (True, False)
    """
    name = str(path).lower()
    return any(name.endswith(e + p) for e in FITS_ENDINGS for p in PACKED_ENDINGS)


def stem(path: str | Path) -> str:
    """Return a file's name without folder and FITS endings.

    Parameters
    ----------
    path : str or Path
        A file name.

    Returns
    -------
    str
        What serves as `object_id` when nothing else names the object.

    Examples
    --------
    >>> stem("stamps/NGC_12.v2.fits.gz")
    'NGC_12.v2'
    """
    name = Path(path).name
    for packed in PACKED_ENDINGS[1:]:
        name = name[: -len(packed)] if name.lower().endswith(packed) else name
    for ending in (*FITS_ENDINGS, ".npy", ".npz"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def _describe(path, error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if "truncated" in text or "buffer is too small" in text or "EOF" in text:
        return f"is a truncated FITS file ({text})"
    if "ompressed file ended" in text or isinstance(error, EOFError | zlib.error):
        return f"is a truncated or damaged compressed file ({text})"
    if "No SIMPLE card" in text or "Empty or corrupt" in text:
        with suppress(OSError), open(path, "rb") as file:
            # gzip's magic number: astropy went by it and found nothing inside.
            if file.read(2) == b"\x1f\x8b":
                return "is a truncated or damaged compressed file, or no FITS in it"
        return "is not a FITS file (it does not begin with SIMPLE)"
    return f"cannot be read as FITS ({type(error).__name__}: {text[:200]})"


@contextmanager
def open_fits(path: str | Path, memmap: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file so that every fault of the file is a `BadCutout`.

    Parameters
    ----------
    path : str or Path
        The file.
    memmap : bool
        Map the pixels instead of reading them; for large mosaics and cubes.

    Yields
    ------
    astropy.io.fits.HDUList
        The open file. Malformed header cards that are not used do not matter.

    Raises
    ------
    BadCutout
        If the file does not exist, is not FITS, or is truncated.

    Examples
    --------
    >>> with open_fits("absent.fits") as hdus:
    ...     pass
    Traceback (most recent call last):
    astroanomaly.data.options.BadCutout: does not exist
    """
    with warnings.catch_warnings(record=True) as remarks:
        # Archive headers break the standard in ways that do not touch pixels;
        # a short file, however, is a fault and not a remark.
        warnings.simplefilter("always")
        try:
            # None and not True: scaled pixels, which cannot be mapped, are read.
            with fits.open(path, memmap=None if memmap else False) as hdus:
                yield hdus
        except BadCutout:
            raise
        except _READ_ERRORS as error:
            raise BadCutout(_describe(path, error)) from error
        for remark in remarks:
            if "truncated" in str(remark.message):
                raise BadCutout(f"is a truncated FITS file ({remark.message})")


def _shape(hdu) -> tuple[int, ...]:
    """Return the image's shape without leading axes of length 1."""
    header = hdu.header
    naxis = int(header.get("NAXIS", 0))
    shape = [int(header[f"NAXIS{i}"]) for i in range(naxis, 0, -1)]
    while len(shape) > 2 and shape[0] == 1:
        del shape[0]
    return tuple(shape)


def list_images(hdus: fits.HDUList) -> list[ImageHDU]:
    """List the image extensions of an open file.

    Parameters
    ----------
    hdus : HDUList
        An open file.

    Returns
    -------
    list of ImageHDU
        Tables and empty extensions are left out; noise maps, masks and other
        companions of an image are in, with `why_not` set. The pixels are not read.

    Examples
    --------
    >>> list_images(fits.HDUList([fits.PrimaryHDU(np.zeros((8, 8)))]))[0].shape
    (8, 8)
    """
    found = []
    for index, hdu in enumerate(hdus):
        if not hdu.is_image or int(hdu.header.get("NAXIS", 0)) == 0:
            continue
        shape = _shape(hdu)
        name = str(hdu.header.get("EXTNAME", "")).strip()
        # Names end in what they hold: VIS_RMS, SCI-DQ.
        why_not = _NOT_BANDS.get(name.upper().replace("-", "_").split("_")[-1], "")
        if not why_not and (len(shape) < 2 or min(shape) < 2):
            why_not = f"an array of shape {shape}, no image"
        found.append(ImageHDU(index, name, shape, why_not))
    return found


def candidates(images: list[ImageHDU]) -> list[ImageHDU]:
    """Return the images that may be bands.

    Parameters
    ----------
    images : list of ImageHDU
        As from `list_images`.

    Returns
    -------
    list of ImageHDU
        Those without a reason against them.

    Raises
    ------
    BadCutout
        If there is none; the sentence says what there is.

    Examples
    --------
    >>> candidates([ImageHDU(0, "SCI", (8, 8))])[0].name
    'SCI'
    """
    bands = [image for image in images if not image.why_not]
    if not bands:
        what = ", ".join(f"{i.name or i.index} ({i.why_not})" for i in images)
        raise BadCutout(f"has no image HDU; found: {what or 'none with pixels'}")
    return bands


def pixels(hdu) -> np.ndarray:
    """Return an extension's pixels as native float32, leading axes of 1 removed.

    Parameters
    ----------
    hdu : image HDU
        An extension of an open file.

    Returns
    -------
    ndarray of shape (ny, nx) or (k, ny, nx)
        A copy; FITS is big-endian, what computes is not.

    Examples
    --------
    >>> pixels(fits.PrimaryHDU(np.zeros((1, 8, 8)))).shape
    (8, 8)
    """
    data = hdu.data
    data = data.reshape(_shape(hdu))
    return np.array(data, dtype=np.float32)


def read_plain(path: str) -> tuple[np.ndarray, PlainHeader] | None:
    """Read a file that holds one plain image and nothing else.

    astropy spends most of its time on what a survey's cutouts do not have: this is
    several times as fast. Every other file, damaged ones included, is left to it.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    tuple of ndarray of shape (ny, nx) and PlainHeader, or None
        Native float32 pixels, equal to astropy's; None when the file is anything
        but a whole, unpacked FITS file of one image of two axes without scaling.

    Examples
    --------
    >>> read_plain("absent.fits") is None
    True
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                return None
            data = file.read()
    except OSError:
        return None
    if not data.startswith(_START):
        return None
    end = data.find(_END)
    while end >= 0 and end % _CARD:
        end = data.find(_END, end + 1)
    if end < 0 or data.find(b"CONTINUE", 0, end) >= 0:
        return None
    header = PlainHeader(data[:end])
    if header.get("NAXIS") != 2 or any(key in header for key in _SPECIAL):
        return None
    dtype = _DTYPES.get(header.get("BITPIX"))
    shape = header.get("NAXIS2"), header.get("NAXIS1")
    if dtype is None or not all(isinstance(n, int) and n > 0 for n in shape):
        return None
    start = -(-(end + _CARD) // _BLOCK) * _BLOCK
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if len(data) != start + -(-n_bytes // _BLOCK) * _BLOCK:
        return None
    image = np.frombuffer(data, dtype, shape[0] * shape[1], start).reshape(shape)
    return image.astype(np.float32), header
