"""FITS files: the images in them, what their headers say, and their pixels.

The structure of a file and its plain pixels are read here and not by astropy, which
takes 0.5 ms a file and raises half a dozen kinds of error for cards that have nothing
to do with pixels. The tests compare every form.
"""

import math
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from astroanomaly.data import filters, masks, roles, sky
from astroanomaly.data.bytes import SMALL, FileBytes, MemoryFile
from astroanomaly.data.headers import Inherited, PlainHeader, card_number, text
from astroanomaly.data.options import MAX_BYTES, BadCutout

FITS_ENDINGS = (".fits", ".fit", ".fts")
PACKED_ENDINGS = ("", ".gz", ".fz", ".bz2", ".xz")
# How the names of FITS files end.
FITS_NAME = re.compile(r"\.(fits|fit|fts)(\.(gz|fz|bz2|xz))?$", re.IGNORECASE)

_BLOCK, _CARD = 2880, 80
_END = b"END     "
# Most headers are shorter; the longest seen in archives have some 10,000 cards.
_HEADER = 4 * _BLOCK
_LONGEST_HEADER = 2**22
# FITS standard 4.0, section 7.3.1.
_MOST_FIELDS = 999
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# What decides about structure and pixels. CONTINUE goes with the card before it.
_STRUCTURE = (
    r"XTENSION|Z?BITPIX|Z?NAXIS\d*|PCOUNT|GCOUNT|GROUPS|TFIELDS|EXTNAME|EXTVER|BSCALE"
    r"|BZERO|BOFFSET|BSOFTEN|Z?BLANK|BUNIT|ZIMAGE|ZCMPTYPE|ZTILE\d*|HIERARCH"
)
_COUNTS = re.compile(
    "|".join((_STRUCTURE, filters.CARDS, masks.CARDS, roles.CARDS, sky.WORDS))
)


def is_fits_name(path: str | Path) -> bool:
    """Return whether a file's name ends as those of FITS files do.

    Parameters
    ----------
    path : str or Path
        A file name: .fits, .fit or .fts, also followed by .gz, .fz, .bz2
        or .xz.

    Returns
    -------
    bool
        True for a FITS name; the file is not opened.

    Examples
    --------
    >>> is_fits_name("a.FITS.gz"), is_fits_name("a.csv")
    (True, False)
    """
    return FITS_NAME.search(str(path)) is not None


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
    name = os.path.basename(path)
    for endings in (PACKED_ENDINGS[1:], (*FITS_ENDINGS, ".npy", ".npz")):
        for ending in endings:
            name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


@dataclass(frozen=True, eq=False)
class ImageHDU:
    """One image extension as its header declares it.

    Files whose headers say the same, but for the position, share it: an image is
    equal to itself alone.

    Parameters
    ----------
    index : int
        Its place in the file, 0 for the primary one.
    name : str
        EXTNAME, or "" when it has none.
    shape : tuple of int
        The array's shape, rows before columns, without leading axes of length 1.
    why_not : str
        Why it is no band ("a noise map"), or "" when it may be one.
    version : int
        EXTVER, which tells extensions of one name apart.
    header : PlainHeader or Inherited, optional
        The cards that count, completed from the primary header; without the numbers
        of the position.
    bitpix : int
        The number type, as FITS codes it.
    tiled : bool
        True for compressed tiles.
    places : tuple of int
        Where its header and its data begin, and where the data end, in bytes.
    scaling : tuple
        BSCALE, BZERO and BLANK (None where there is none), or the reason why they
        cannot be read.
    asinh : tuple of float, optional
        BOFFSET and BSOFTEN, of pixels that are stored as asinh magnitudes.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    why_not: str = ""
    version: int = 1
    header: object = None
    bitpix: int = -32
    tiled: bool = False
    places: tuple[int, int, int] = (0, 0, 0)
    scaling: tuple | str = (1.0, 0.0, None)
    asinh: tuple[float, float] | None = None

    @property
    def n_planes(self) -> int:
        """The number of images of two axes in it."""
        return math.prod(self.shape[:-2])

    @cached_property
    def plain(self) -> sky.PlainForm | None:
        """The form of its WCS, see `sky.plain_form`."""
        return sky.plain_form(getattr(self.header, "own", self.header))

    @cached_property
    def role(self) -> str:
        """What its header says that it is besides the sky, or ""."""
        return "" if self.header is None else roles.role_of_header(self.header)

    @cached_property
    def band(self) -> str:
        """Its filter, or "image"."""
        known = self.header is not None
        return filters.band_name(self.header) if known else filters.NO_FILTER

    @cached_property
    def unit(self) -> str:
        """BUNIT, or ""."""
        return text(self.header, "BUNIT")

    @cached_property
    def zero_point(self) -> float:
        """The AB magnitude of one unit; NaN when unknown."""
        return filters.zero_point(self.header)


@lru_cache(maxsize=256)
def _form(keys: bytes) -> tuple[list[slice], bytes, dict[str, int]]:
    """Return what a header of these keywords, eight letters each, is read from.

    The places of the cards that count, cards that only name the other ones of the WCS,
    and where the values of the latter are.
    """
    spans, names, places, counted = [], [], {}, False
    for i in range(0, len(keys), 8):
        key, at = keys[i : i + 8].decode("latin-1").rstrip(), i * 10
        counted = bool(_COUNTS.fullmatch(key)) or (counted and key == "CONTINUE")
        if counted and spans and spans[-1].stop == at:
            spans[-1] = slice(spans[-1].start, at + _CARD)
        elif counted:
            spans.append(slice(at, at + _CARD))
        elif sky.is_card(key):
            names.append(keys[i : i + 8].ljust(_CARD))
            # Of a keyword that occurs twice the first card counts.
            places.setdefault(key, at)
    return spans, b"".join(names), places


@lru_cache(maxsize=256)
def _described(cards: bytes, first: bytes, index: int, at: int, start: int):
    """Return the image that a header declares, or None, and the length of its data.

    `first` has the cards of the primary header, which hold for all extensions, and
    header and data begin at `at` and `start`. Files of a survey share the result, which
    rests on nothing but these arguments.
    """
    own = PlainHeader(cards)
    header = own if index == 0 else Inherited(own, PlainHeader(first))

    def count(key, default=None):
        value = own.number(key, default)
        if not isinstance(value, int) or value < 0:
            raise BadCutout(
                f"has {key} = {value}, which must be a whole number, 0 or more"
            )
        return value

    sizes = [count(f"NAXIS{i}") for i in range(count("NAXIS"), 0, -1)]
    bitpix = own.number("BITPIX")
    if bitpix not in _DTYPES:
        raise BadCutout(f"has BITPIX = {bitpix}, which is no FITS number type")
    # Random groups, of radio visibilities, have a first axis of length 0.
    grouped = bool(sizes) and sizes[-1] == 0 and own.get("GROUPS") is True
    elements = math.prod(sizes[:-1] if grouped else sizes) if sizes else 0
    heap, groups = count("PCOUNT", 0), count("GCOUNT", 1)
    n_bytes = abs(bitpix) // 8 * groups * (heap + elements)
    # astropy, which some of them go to, would count up to it for hours.
    if (n_fields := count("TFIELDS", 0)) > _MOST_FIELDS:
        raise BadCutout(f"has TFIELDS = {n_fields}, more than {_MOST_FIELDS}")
    kind = own.get("XTENSION", "IMAGE")
    tiled = own.get("ZIMAGE") is True
    if tiled:
        sizes = [count(f"ZNAXIS{i}") for i in range(count("ZNAXIS"), 0, -1)]
        bitpix = own.number("ZBITPIX")
    kind = "TILES" if tiled else kind
    if not sizes or not elements or grouped or kind not in ("IMAGE", "TILES"):
        return None, n_bytes, kind
    while len(sizes) > 2 and sizes[0] == 1:
        del sizes[0]
    name = own.get("EXTNAME", "")
    name = name.strip() if isinstance(name, str) else str(name)
    why_not = roles.role_of_extension(name)
    if not why_not and (len(sizes) < 2 or min(sizes) < 2):
        why_not = f"an array of shape {tuple(sizes)}, no image"
    version = own.get("EXTVER", 1)
    try:
        scaling = (own.number("BSCALE", 1.0), own.number("BZERO", 0.0), None)
        if isinstance(bitpix, int) and bitpix > 0:
            blank = own.number("BLANK", own.number("ZBLANK"))
            scaling = (*scaling[:2], blank)
        asinh = own.number("BOFFSET"), own.number("BSOFTEN")
    except BadCutout as error:
        # Of a mask that nobody asks for, it may be.
        scaling, asinh = str(error), (None, None)
    image = ImageHDU(
        index,
        name,
        tuple(sizes),
        why_not,
        version if isinstance(version, int) else 1,
        header,
        bitpix,
        tiled,
        (at, start, start + n_bytes),
        scaling,
        None if None in asinh else asinh,
    )
    return image, n_bytes, kind


class FitsFile:
    """The images of one FITS file, and their pixels when they are asked for.

    Parameters
    ----------
    path : str
        The file; gzip, bzip2 and xz are unpacked as they are read.
    max_bytes : int, optional
        The most that the file may unpack to, and an image may take in memory.

    Attributes
    ----------
    images : list of ImageHDU
        All extensions with pixels, also those that are no bands.
    tables : list of tuple
        Header of each binary table, and where its data begin.
    with_tables : str
        The path where other extensions may add to a WCS, else "".

    Raises
    ------
    BadCutout
        If the file does not exist, is not FITS, or is truncated.
    """

    def __init__(self, path: str, max_bytes: int = MAX_BYTES):
        self.images: list[ImageHDU] = []
        self.tables: list[tuple[PlainHeader, int]] = []
        self._max_bytes, self._bytes, self._held = max_bytes, None, b""
        self._untiled: dict[int, np.ndarray] = {}
        # By the number of the extension: its cards, and where those of the WCS are.
        self._cards: dict[int, tuple[bytes, dict[str, int]]] = {}
        try:
            # Most files: on the disk, small and not packed. All others are opened, or
            # refused with a reason, by `FileBytes`.
            found = None if isinstance(path, MemoryFile) else os.stat(path)
            if found and stat.S_ISREG(found.st_mode) and found.st_size <= SMALL:
                with open(path, "rb", buffering=0) as file:
                    self._held = file.read(found.st_size + 1)
        except (OSError, ValueError):
            pass
        if not self._held.startswith(b"SIMPLE"):
            self._held, self._bytes = b"", FileBytes(path, max_bytes)
        try:
            self._list_images(path)
        except BaseException:
            self.close()
            raise

    @property
    def unpacked(self) -> bool:
        """Whether pixels are held that would have to be unpacked again."""
        packed = self._bytes is not None and self._bytes.packed
        return packed or bool(self._untiled)

    def __enter__(self) -> "FitsFile":
        """Return the file itself."""
        return self

    def __exit__(self, *error) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Let the pixels go; what the headers say stays."""
        self._held = b""
        if self._bytes is not None:
            self._bytes.close()

    def _read(self, start: int, n: int) -> bytes:
        if self._bytes is None:
            return self._held[start : start + n]
        return self._bytes.read(start, n)

    def _list_images(self, path: str) -> None:
        """Read the headers one after the other."""
        at, index, first, more = 0, 0, b"", False
        while True:
            cards = self._read(at, _HEADER)
            # What follows the last extension is not ours: archives pad with anything.
            if not cards.startswith(b"XTENSION=" if index else b"SIMPLE  ="):
                break
            end = cards.find(_END)
            while end < 0 or end % _CARD:
                if end >= 0:
                    end = cards.find(_END, end + 1)
                    continue
                longer = self._read(at, 4 * len(cards))
                if len(longer) == len(cards) or len(cards) > _LONGEST_HEADER:
                    raise BadCutout(
                        "is a truncated or damaged FITS file: a header has no END card"
                    )
                cards, end = longer, longer.find(_END)
            cards = cards[:end]
            # Keywords alone tell where to look; files of a survey have the same.
            spans, names, places = _form(np.frombuffer(cards, "V8")[::10].tobytes())
            counting = b"".join([cards[span] for span in spans]) + names
            start = at + -(-(end + _CARD) // _BLOCK) * _BLOCK
            image, n_bytes, kind = _described(counting, first, index, at, start)
            stop = start + n_bytes
            if stop > len(self._held) and not (self._bytes and self._bytes.has(stop)):
                raise BadCutout(
                    f"is a truncated FITS file: extension {index} needs {n_bytes} "
                    "bytes of data and has fewer"
                )
            if image is not None:
                self.images.append(image)
                self._cards[index] = cards, places
                more |= image.name in ("WCSDVARR", "D2IMARR")
            if kind == "BINTABLE":
                self.tables.append((PlainHeader(cards), start))
            more |= kind not in ("IMAGE", "TILES")
            # Keywords of the first header hold for all extensions.
            first = first or counting
            at, index = start + -(-n_bytes // _BLOCK) * _BLOCK, index + 1
        if index == 0:
            raise BadCutout("is not a FITS file (it does not begin with SIMPLE)")
        # For the sky alone: tables of a distortion, or of the axes, may lie there.
        self.with_tables = path if more else ""

    def header(self, image: ImageHDU) -> PlainHeader:
        """Return the own header of one of `images`, all its cards."""
        return PlainHeader(self._cards[image.index][0])

    def position(self, image: ImageHDU):
        """Return where the centre of an image lies, and how large its pixels are.

        Parameters
        ----------
        image : ImageHDU
            One of `images`.

        Returns
        -------
        tuple of float
            Right ascension and declination in degrees, ICRS; NaN when not known.
        scale : float or None
            Arcsec per pixel.
        """
        # An array of one axis is listed, too.
        *_, ny, nx = (1, *image.shape)
        x, y = (nx - 1) / 2, (ny - 1) / 2
        if image.plain is not None and not self.with_tables:
            cards, places = self._cards[image.index]
            values = [
                card_number(cards[places[key] : places[key] + _CARD])
                if key in places
                else math.nan
                for key in image.plain.keys
            ]
            if (found := sky.plain_sky(image.plain, values, x, y)) is not None:
                return found
        return sky.sky_and_scale(self.header(image), x, y, self.with_tables)

    def plane(
        self, image: ImageHDU, k: int = 0, rows=None, columns=None, bits: bool = False
    ) -> np.ndarray:
        """Return one image of two axes, or a part of it.

        Parameters
        ----------
        image : ImageHDU
            One of `images`.
        k : int
            Which one, where the extension has more than two axes.
        rows, columns : slice, optional
            The part; all by default.
        bits : bool
            Return the integers of a mask as they are; float32 would lose bits.

        Returns
        -------
        ndarray of shape (ny, nx)
            Native float32, scaled as BSCALE and BZERO say; undefined integers
            (BLANK) are NaN. The asinh magnitudes of Pan-STARRS1 stacks become fluxes.

        Raises
        ------
        BadCutout
            If the pixels are damaged, or are more than `max_bytes`.
        """
        ny, nx = image.shape[-2:]
        top, bottom, _ = (rows or slice(None)).indices(ny)
        left, right, _ = (columns or slice(None)).indices(nx)
        if isinstance(image.scaling, str):
            raise BadCutout(image.scaling)
        if image.bitpix not in _DTYPES:
            raise BadCutout(f"has ZBITPIX = {image.bitpix}, no FITS number type")
        if image.tiled:
            raw = self._tiles(image)[k, top:bottom, left:right]
            return _physical(raw, image, bits)
        dtype = np.dtype(_DTYPES[image.bitpix])
        width, height = right - left, bottom - top
        check_room(width * height, image.bitpix, self._max_bytes)
        first = image.places[1] + k * ny * nx * dtype.itemsize
        if width == nx:
            raw = self._read(
                first + top * nx * dtype.itemsize, height * nx * dtype.itemsize
            )
        else:
            # A box of a mosaic is few bytes of each of its rows.
            raw = b"".join(
                self._read(
                    first + (y * nx + left) * dtype.itemsize, width * dtype.itemsize
                )
                for y in range(top, bottom)
            )
        if len(raw) != width * height * dtype.itemsize:
            raise BadCutout("became shorter while it was read")
        raw = np.frombuffer(raw, dtype).reshape(height, width)
        if image.scaling == (1, 0, None) and not (bits or image.asinh):
            return raw.astype(np.float32)
        return _physical(raw, image, bits)

    def _tiles(self, image: ImageHDU) -> np.ndarray:
        """Return the stored numbers of compressed tiles, shape (n_planes, ny, nx)."""
        if image.index not in self._untiled:
            from astroanomaly.data.tiles import decompress

            check_room(math.prod(image.shape), image.bitpix, self._max_bytes)
            _, start, stop = image.places
            data, header = self._read(start, stop - start), self.header(image)
            cards = self._cards[image.index][0]
            self._untiled[image.index] = decompress(cards, data, header, image.shape)
        return self._untiled[image.index]


def check_room(n_pixels: int, bitpix: int, max_bytes: int) -> None:
    """Raise BadCutout if pixels take more than `max_bytes` of memory."""
    # Pixels become float32, which may take more room than those of the file.
    n_bytes = n_pixels * max(abs(bitpix) // 8, 4)
    if n_bytes > max_bytes:
        raise BadCutout(
            f"declares an image of {n_bytes} bytes, more than the {max_bytes} that "
            "`max_bytes` allows"
        )


def _physical(raw: np.ndarray, image: ImageHDU, bits: bool) -> np.ndarray:
    """Return float32 pixels, BSCALE x + BZERO and NaN for BLANK; or a mask's bits."""
    scale, zero, blank = image.scaling
    size = raw.dtype.itemsize
    if scale == 1 and zero == 0:
        if bits:
            return raw.astype(raw.dtype.newbyteorder("="))
        pixels = raw.astype(np.float32)
    elif raw.dtype.kind == "i" and scale == 1 and zero == 1 << (8 * size - 1):
        # Unsigned integers: in floats the largest of them would lose digits.
        unsigned = raw.astype(raw.dtype.newbyteorder("=")).view(f"u{size}")
        unsigned = unsigned ^ np.array(1 << (8 * size - 1), f"u{size}")
        if bits:
            return unsigned
        pixels = unsigned.astype(np.float32)
    else:
        # The precision in which astropy scales.
        wide = size > 2 if raw.dtype.kind in "iu" else size == 8
        scaled = raw.astype(np.float64 if wide else np.float32)
        scaled *= scale
        scaled += zero
        pixels = scaled.astype(np.float32)
    if blank is not None and raw.dtype.kind in "iu":
        pixels[raw == blank] = np.nan
    if image.asinh is not None:
        # v = 2.5 log10(e) asinh((flux - BOFFSET) / (2 BSOFTEN)), in float64, since the
        # exponential multiplies the rounding.
        offset, soft = image.asinh
        flux = np.sinh(pixels.astype(np.float64) * (0.4 * math.log(10)))
        pixels = (offset + 2 * soft * flux).astype(np.float32)
    return pixels


def candidates(images: list[ImageHDU]) -> list[ImageHDU]:
    """Return the images that may be bands.

    Parameters
    ----------
    images : list of ImageHDU
        As `FitsFile` lists them.

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
    # A file of one weight map or PSF can be read if that is all there is.
    if not bands and len(images) == 1 and roles.role_of_extension(images[0].name):
        bands = images
    if not bands:
        what = ", ".join(f"{i.name or i.index} ({i.why_not})" for i in images)
        raise BadCutout(f"has no image HDU; found: {what or 'none with pixels'}")
    return bands
