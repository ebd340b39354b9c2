"""A short way for the commonest file: one plain image in the primary HDU.

astropy.io.fits reads any FITS file; most of its time goes into what a survey's
cutouts do not have. This module reads the plain ones, several times as fast, and
returns None for every other file, damaged ones included, so that astropy decides.
"""

import os

import numpy as np
from astropy.io.fits import Header

_BLOCK = 2880
_CARD = 80
_START = b"SIMPLE  =                    T"
_END = b"END" + b" " * 77
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# Scaled, blank or named images, and values over several cards, are astropy's.
_SPECIAL = ("BSCALE", "BZERO", "BLANK", "EXTNAME", "GROUPS", "ZIMAGE")
_LARGEST = 2**26


class PlainHeader:
    """The keywords of one header, looked up in its text when asked for.

    Parameters
    ----------
    text : bytes
        The cards, 80 characters each.
    """

    def __init__(self, text: bytes):
        self._text = text

    def _find(self, key: str) -> int:
        card = key.encode().ljust(8) + b"="
        place = self._text.find(card)
        while place >= 0 and place % _CARD:
            place = self._text.find(card, place + 1)
        return place

    def __contains__(self, key: str) -> bool:
        """Tell whether the header has a keyword."""
        return self._find(key) >= 0

    def get(self, key: str, default=None):
        """Return a keyword's value; `default` where there is none to be read."""
        place = self._find(key)
        if place < 0:
            return default
        value = _value(self._text[place + 9 : place + _CARD].decode("latin-1"))
        return default if value is None else value

    def full(self) -> Header:
        """Return astropy's header."""
        return Header.fromstring(self._text)


def _value(text: str) -> str | bool | int | float | None:
    """Return the value of a card, FITS 4.0 section 4.2, or None."""
    text = text.lstrip()
    if text.startswith("'"):
        parts = text[1:].replace("''", "\0").split("'", 1)
        return parts[0].replace("\0", "'").rstrip()
    text = text.split("/", 1)[0].strip()
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text.upper().replace("D", "E"))
        except ValueError:
            continue
    return None


def read_plain(path: str) -> tuple[np.ndarray, PlainHeader] | None:
    """Read a file that holds one plain image and nothing else.

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
