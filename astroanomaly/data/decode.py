"""FITS files: their bytes, the images in them and the pixels of an image.

The structure of a file and its plain pixels are read here and not by astropy, which
takes 0.5 ms a file and raises half a dozen kinds of error for cards that have nothing
to do with pixels. Compressed tiles are astropy's. The tests compare every form.
"""

import bz2
import gzip
import io
import lzma
import math
import os
import stat
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from astroanomaly.data.headers import Inherited, PlainHeader
from astroanomaly.data.options import MAX_BYTES, BadCutout
from astroanomaly.data.remote import RemoteFile, is_remote
from astroanomaly.data.roles import role_of_extension

FITS_ENDINGS = (".fits", ".fit", ".fts")
PACKED_ENDINGS = ("", ".gz", ".fz", ".bz2", ".xz")

_BLOCK = 2880
_CARD = 80
_END = b"END     "
# By the first three bytes of a file.
_UNPACKERS = {b"BZh": bz2.BZ2File, b"\xfd7z": lzma.LZMAFile}
# Most headers are shorter; the longest seen in archives have some 10,000 cards.
_HEADER = 4 * _BLOCK
_LONGEST_HEADER = 2**22
# A file up to here is read at once, which is quicker than asking for its parts.
_SMALL = 2**20
_PIECE = 2**20
# FITS standard 4.0, section 7.3.1.
_MOST_FIELDS = 999
# A header and what it led to take some ten kilobytes.
_MOST_TWINS = 256
_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# What a table of compressed tiles is decoded by; other cards are no concern of it.
_TILE_CARDS = (b"XTENSION", b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"TFIELDS")
_TILE_CARDS += (b"TTYPE", b"TFORM", b"TSCAL", b"TZERO", b"TNULL", b"THEAP", b"Z")


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
    name = os.path.basename(path)
    for endings in (PACKED_ENDINGS[1:], (*FITS_ENDINGS, ".npy", ".npz")):
        for ending in endings:
            name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


class MemoryFile(str):
    """The name of a file whose bytes are in memory, for whatever takes a path.

    Parameters
    ----------
    name : str
        Its name.
    data : bytes
        What it holds.
    """

    def __new__(cls, name: str, data: bytes):
        """Return the name, which carries the bytes."""
        made = super().__new__(cls, name)
        made.data = data
        return made

    def __getnewargs__(self):
        """Return the arguments that make it again in another process."""
        return str(self), self.data


def _opened(path: str, max_bytes: int):
    """Return an open file, wherever it is, and its size in bytes."""
    if isinstance(path, MemoryFile):
        return io.BytesIO(path.data), len(path.data)
    if is_remote(path):
        file = RemoteFile(path, max_bytes)
        return file, file.size
    found = os.stat(path)
    # A pipe would be waited for without end.
    if not stat.S_ISREG(found.st_mode):
        raise BadCutout("is no regular file: a folder, pipe or device")
    # Without a buffer, which would be filled for the header alone.
    return open(path, "rb", buffering=0), found.st_size


def exists(path: str) -> bool:
    """Return whether a path is there, so far as that is known without fetching it."""
    return isinstance(path, MemoryFile) or is_remote(path) or os.path.lexists(path)


class FileBytes:
    """The bytes of a regular file, plain or packed, read as they are asked for.

    A packed file is unpacked no further than it is read, and never beyond
    `max_bytes`: a file of a kilobyte may unpack to a gigabyte.

    Parameters
    ----------
    path : str
        The file.
    max_bytes : int
        The most that a packed file may unpack to.

    Raises
    ------
    BadCutout
        If there is no such file, or it is a pipe, a device or a folder.
    """

    def __init__(self, path: str, max_bytes: int):
        self._max_bytes, self._packed = max_bytes, None
        try:
            self._file, self._size = _opened(path, max_bytes)
            # One byte more shows the end of the file without a second call.
            small = self._size <= _SMALL
            self._held = self._file.read(self._size + 1) if small else b""
            start = self._held[:3] or self._file.read(3)
        except FileNotFoundError as error:
            raise BadCutout(
                "is a link to a file that does not exist"
                if os.path.islink(path)
                else "does not exist"
            ) from error
        except OSError as error:
            raise BadCutout(f"cannot be opened ({error.strerror or error})") from error
        if start.startswith(b"\x1f\x8b") or start in _UNPACKERS:
            source = io.BytesIO(self._held) if self._held else self._file
            source.seek(0)
            # The ending does not matter: services send gzip under the name .fits.
            if start in _UNPACKERS:
                self._packed = _UNPACKERS[start](source)
            else:
                self._packed = gzip.GzipFile(fileobj=source)
            self._held = bytearray()
        if self._size <= _SMALL:
            self._file.close()

    @property
    def held(self) -> bytes:
        """The whole file, if it is small and not packed, else nothing."""
        return self._held if self._packed is None else b""

    @property
    def packed(self) -> bool:
        """Whether the file is gzip, bzip2 or xz."""
        return self._packed is not None

    def read(self, start: int, n: int) -> bytes:
        """Return up to `n` bytes from `start` on, fewer at the end of the file."""
        if self._packed is not None:
            self.has(start + n)
            return bytes(self._held[start : start + n])
        if self._size <= _SMALL:
            return self._held[start : start + n]
        try:
            self._file.seek(start)
            return self._file.read(n)
        except OSError as error:
            raise BadCutout(f"cannot be read ({error.strerror or error})") from error

    def has(self, n: int) -> bool:
        """Return whether the file has `n` bytes, unpacking no more than these."""
        if self._packed is None:
            return n <= self._size
        while len(self._held) < min(n, self._max_bytes):
            try:
                piece = self._packed.read(min(_PIECE, n - len(self._held)))
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise BadCutout(
                    f"is a truncated or damaged compressed file ({error})"
                ) from error
            if not piece:
                return False
            self._held += piece
        if n > self._max_bytes:
            raise BadCutout(
                f"unpacks to more than {self._max_bytes} bytes, which `max_bytes` "
                "allows"
            )
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self):
        """Close the file: cubes and mosaics keep theirs open between objects."""
        if hasattr(self, "_file"):
            self._file.close()


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
        The array's shape, rows before columns, without leading axes of length 1.
    why_not : str
        Why it is no band ("a noise map"), or "" when it may be one.
    version : int
        EXTVER, which tells extensions of one name apart.
    header : PlainHeader or Inherited, optional
        Its header, completed from the primary one.
    bitpix : int
        The number type, as FITS codes it.
    tiled : bool
        True for compressed tiles.
    places : tuple of int
        Where its header and its data begin, and where the data end, in bytes.
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

    @property
    def n_planes(self) -> int:
        """The number of images of two axes in it."""
        return math.prod(self.shape[:-2])


class Twins:
    """What was found out about files, for those whose headers say the same.

    The files of a survey have the same keywords and differ in few values, most of
    which nobody asks for. A file that has all keywords of an earlier one in their
    places, and all values that were asked for, gives the same answers.
    """

    def __init__(self):
        # By the bytes that count: where they are, which, and what they led to.
        self._kinds: dict = {}
        self._n = 0

    def find(self, held: bytes):
        """Return what `add` was given for a file of such headers, or None.

        Parameters
        ----------
        held : bytes
            The whole file.

        Returns
        -------
        object or None
            What was found out.
        """
        for spans, counts, known in self._kinds.values():
            text = b"".join([held[a:b] for a, b in spans])
            if len(text) == len(counts):
                seen = (np.frombuffer(text, np.uint8) & counts).tobytes()
                if (found := known.get((len(held), seen))) is not None:
                    return found
        return None

    def add(self, held: bytes, headers: dict[int, PlainHeader], answer) -> None:
        """Keep what was found out from the headers of a file.

        Parameters
        ----------
        held : bytes
            The whole file.
        headers : dict of PlainHeader
            All its headers by their place, asked for all that the answer rests on.
        answer : object
            What `find` shall return.
        """
        if self._n >= _MOST_TWINS:
            return
        kept = {start: header.what_counts() for start, header in headers.items()}
        spans = [(start, start + len(mask)) for start, mask in kept.items()]
        counts = np.concatenate(list(kept.values()))
        kind = self._kinds.setdefault((*spans, counts.tobytes()), (spans, counts, {}))
        text = b"".join([held[a:b] for a, b in spans])
        seen = (np.frombuffer(text, np.uint8) & counts).tobytes()
        kind[2][len(held), seen] = answer
        self._n += 1


class FitsFile:
    """An open FITS file: its images, whose pixels are read when asked for.

    Parameters
    ----------
    path : str
        The file.
    max_bytes : int
        The most that it may unpack to, and that one array read from it may hold.
    twins : Twins, optional
        The files read before.

    Attributes
    ----------
    known : object or None
        What `keep` was given for a file that says the same, from `twins`. Then
        `images` are those of that file: the places and the shapes are the same.
    images : list of ImageHDU
        Tables and empty extensions are left out; noise maps, masks and other
        companions of an image are in, with `why_not` set.
    tables : list of tuple
        The header of each binary table, and where its rows begin, in bytes.

    Raises
    ------
    BadCutout
        If the file does not exist, is not FITS, or is truncated.
    """

    def __init__(
        self, path: str, max_bytes: int = MAX_BYTES, twins: Twins | None = None
    ):
        self._bytes = FileBytes(path, max_bytes)
        self._twins, self._headers, self._whole = twins, {}, False
        self.known = None
        self._max_bytes = max_bytes
        self._untiled: dict[int, np.ndarray] = {}
        self.images: list[ImageHDU] = []
        self.tables: list[tuple[PlainHeader, int]] = []
        # For the sky alone: tables of a distortion, or of the axes, may lie here.
        self.more_than_images = False
        self._path = path
        if twins is not None and (found := twins.find(self._bytes.held)) is not None:
            self.images, self.known = found
            return
        try:
            self._list_images()
        except BaseException:
            self.close()
            raise

    @property
    def with_tables(self) -> str:
        """The path where other extensions may add to a WCS, else ""."""
        more = self.more_than_images or any(
            image.name in ("WCSDVARR", "D2IMARR") for image in self.images
        )
        return self._path if more else ""

    @property
    def unpacked(self) -> bool:
        """Whether pixels are held that would have to be unpacked again."""
        return self._bytes.packed or bool(self._untiled)

    def __enter__(self) -> "FitsFile":
        """Return the file itself."""
        return self

    def __exit__(self, *error) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()

    def _list_images(self) -> None:
        """Read the headers one after the other."""
        at, index = 0, 0
        while True:
            text = self._bytes.read(at, _HEADER)
            # What follows the last extension is not ours: archives pad with anything.
            if not text.startswith(b"XTENSION=" if index else b"SIMPLE  ="):
                break
            end = self._end(text)
            while end < 0:
                longer = self._bytes.read(at, 4 * len(text))
                if len(longer) == len(text) or len(text) > _LONGEST_HEADER:
                    raise BadCutout(
                        "is a truncated or damaged FITS file: a header has no END card"
                    )
                text, end = longer, self._end(longer)
            header = self._headers[at] = PlainHeader(text[:end])
            start = at + -(-(end + _CARD) // _BLOCK) * _BLOCK
            # Keywords of the first header hold for all extensions.
            if index == 0:
                primary = combined = header
            else:
                combined = Inherited(header, primary)
            n_bytes = self._add(index, header, combined, at, start)
            at, index = start + -(-n_bytes // _BLOCK) * _BLOCK, index + 1
        if index == 0:
            raise BadCutout("is not a FITS file (it does not begin with SIMPLE)")
        # What may follow the last extension is no part of a header.
        self._whole = at >= len(self._bytes.held) > 0

    @staticmethod
    def _end(text: bytes) -> int:
        """Return where the END card begins, or -1."""
        end = text.find(_END)
        while end >= 0 and end % _CARD:
            end = text.find(_END, end + 1)
        return end

    def _add(self, index: int, header, combined, at: int, start: int) -> int:
        """List the image of one header, if it has one; return the data's length."""
        n_axes = _count(header, "NAXIS")
        sizes = [_count(header, f"NAXIS{i}") for i in range(n_axes, 0, -1)]
        bitpix = header.number("BITPIX")
        if bitpix not in _DTYPES:
            raise BadCutout(f"has BITPIX = {bitpix}, which is no FITS number type")
        # Random groups, of radio visibilities, have a first axis of length 0.
        grouped = bool(sizes) and sizes[-1] == 0 and header.get("GROUPS") is True
        elements = math.prod(sizes[:-1] if grouped else sizes) if sizes else 0
        heap, groups = _count(header, "PCOUNT", 0), _count(header, "GCOUNT", 1)
        n_bytes = abs(bitpix) // 8 * groups * (heap + elements)
        tiled = header.get("ZIMAGE") is True
        if tiled:
            sizes = [
                _count(header, f"ZNAXIS{i}")
                for i in range(_count(header, "ZNAXIS"), 0, -1)
            ]
            bitpix = header.number("ZBITPIX")
        if not self._bytes.has(start + n_bytes):
            raise BadCutout(
                f"is a truncated FITS file: extension {index} needs {n_bytes} bytes "
                "of data and has fewer"
            )
        kind = header.get("XTENSION", "IMAGE")
        # astropy, which some of them go to, would count up to it for hours.
        if (n_fields := _count(header, "TFIELDS", 0)) > _MOST_FIELDS:
            raise BadCutout(f"has TFIELDS = {n_fields}, more than {_MOST_FIELDS}")
        if kind == "BINTABLE" and not tiled:
            self.tables.append((header, start))
        self.more_than_images |= kind != "IMAGE" and not tiled
        if sizes and elements and not grouped and (tiled or kind == "IMAGE"):
            while len(sizes) > 2 and sizes[0] == 1:
                del sizes[0]
            name = header.get("EXTNAME", "")
            name = name.strip() if isinstance(name, str) else str(name)
            why_not = role_of_extension(name)
            if not why_not and (len(sizes) < 2 or min(sizes) < 2):
                why_not = f"an array of shape {tuple(sizes)}, no image"
            version = header.get("EXTVER", 1)
            self.images.append(
                ImageHDU(
                    index,
                    name,
                    tuple(sizes),
                    why_not,
                    version if isinstance(version, int) else 1,
                    combined,
                    bitpix,
                    tiled,
                    (at, start, start + n_bytes),
                )
            )
        return n_bytes

    def keep(self, known) -> None:
        """Keep what the headers said so far for the files that say the same."""
        if self._whole and self._twins is not None and not self.with_tables:
            self._twins.add(self._bytes.held, self._headers, (self.images, known))

    def header(self, image: ImageHDU) -> PlainHeader:
        """Return the own header of one of `images`, as it is in this file."""
        own = header_of(image)
        if self.known is None:
            return own
        return own.renewed(self._bytes.held, image.places[0])

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
            (BLANK) are NaN.

        Raises
        ------
        BadCutout
            If the pixels are damaged, or are more than `max_bytes`.
        """
        ny, nx = image.shape[-2:]
        top, bottom, _ = (rows or slice(None)).indices(ny)
        left, right, _ = (columns or slice(None)).indices(nx)
        if image.tiled:
            return self._decompress(image, bits)[k, top:bottom, left:right]
        dtype = np.dtype(_DTYPES[image.bitpix])
        width, height = right - left, bottom - top
        check_room(width * height, image.bitpix, self._max_bytes)
        first = image.places[1] + k * ny * nx * dtype.itemsize
        if width == nx:
            raw = self._bytes.read(
                first + top * nx * dtype.itemsize, height * nx * dtype.itemsize
            )
        else:
            # A box of a mosaic is few bytes of each of its rows.
            raw = b"".join(
                self._bytes.read(
                    first + (y * nx + left) * dtype.itemsize, width * dtype.itemsize
                )
                for y in range(top, bottom)
            )
        if len(raw) != width * height * dtype.itemsize:
            raise BadCutout("became shorter while it was read")
        return _physical(
            np.frombuffer(raw, dtype).reshape(height, width), header_of(image), bits
        )

    def _decompress(self, image: ImageHDU, bits: bool) -> np.ndarray:
        """Return the pixels of compressed tiles, shape (n_planes, ny, nx)."""
        if image.index in self._untiled:
            return self._untiled[image.index]
        if image.bitpix not in _DTYPES:
            raise BadCutout(f"has ZBITPIX = {image.bitpix}, no FITS number type")
        check_room(math.prod(image.shape), image.bitpix, self._max_bytes)
        at, start, stop = image.places
        raw = self._bytes.read(at, stop - at)
        cards = [raw[i : i + _CARD] for i in range(0, start - at, _CARD)]
        cards = [card for card in cards if card.startswith(_TILE_CARDS)]
        head = b"".join(cards) + _END.ljust(_CARD)
        # astropy needs a file that begins with a primary header.
        primary = fits.PrimaryHDU().header.tostring().encode("ascii")
        # Scaling is done below, as for other images: astropy knows no BLANK for
        # unsigned integers.
        made = primary + head + b" " * (-len(head) % _BLOCK) + raw[start - at :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made += b"\0" * (-len(made) % _BLOCK)
                if header_of(image).get("ZCMPTYPE") == "HCOMPRESS_1":
                    _check_hcompress(made, header_of(image), image.shape)
                with fits.open(io.BytesIO(made)) as hdus:
                    data = hdus[1].data.reshape(-1, *image.shape[-2:])
            except Exception as error:
                # Each of the codecs has its own kinds of error for damaged tiles.
                raise BadCutout(
                    f"has compressed tiles that cannot be read ({plain_words(error)})"
                ) from error
        self._untiled[image.index] = _physical(data, header_of(image), bits)
        return self._untiled[image.index]


def _check_hcompress(made: bytes, header: PlainHeader, shape: tuple) -> None:
    """Raise if a tile states another size: the decoder would end the process."""
    n = len(shape)
    # By default a tile is a row, FITS standard 4.0, section 10.1.
    sizes = [
        header.number(f"ZTILE{n - i}", 1 if i < n - 1 else shape[-1]) for i in range(n)
    ]
    grid = [-(-length // size) for length, size in zip(shape, sizes, strict=True)]
    with fits.open(io.BytesIO(made), disable_image_compression=True) as hdus:
        tiles = list(hdus[1].data["COMPRESSED_DATA"])
    for place, tile in zip(np.ndindex(*grid), tiles, strict=True):
        # Two bytes that name the method, then the sides; none where a tile is empty.
        sides = np.frombuffer(np.asarray(tile)[2:10].tobytes(), ">i4").tolist()
        corner = [k * size for k, size in zip(place, sizes, strict=True)]
        room = [min(s, m - c) for s, m, c in zip(sizes, shape, corner, strict=True)]
        if sides and (min(sides) < 1 or math.prod(sides) != math.prod(room)):
            raise ValueError(f"a tile of {room} pixels states {sides}")


def check_room(n_pixels: int, bitpix: int, max_bytes: int) -> None:
    """Raise BadCutout if pixels take more than `max_bytes` of memory."""
    # Pixels become float32, which may take more room than those of the file.
    n_bytes = n_pixels * max(abs(bitpix) // 8, 4)
    if n_bytes > max_bytes:
        raise BadCutout(
            f"declares an image of {n_bytes} bytes, more than the {max_bytes} that "
            "`max_bytes` allows"
        )


def header_of(image: ImageHDU):
    """Return the extension's own header, which describes its pixels."""
    return getattr(image.header, "own", image.header)


def plain_words(error: Exception) -> str:
    """Return an error in one line: its kind and what it says."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _count(header: PlainHeader, key: str, default=None) -> int:
    """Return a keyword that counts something; raise BadCutout if it cannot."""
    value = header.number(key, default)
    if not isinstance(value, int) or value < 0:
        raise BadCutout(f"has {key} = {value}, which must be a whole number, 0 or more")
    return value


def _physical(raw: np.ndarray, header: PlainHeader, bits: bool) -> np.ndarray:
    """Return float32 pixels, BSCALE x + BZERO and NaN for BLANK; or a mask's bits."""
    scale, zero = header.number("BSCALE", 1.0), header.number("BZERO", 0.0)
    blank = None
    if raw.dtype.kind in "iu":
        blank = header.number("BLANK", header.number("ZBLANK"))
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
    if blank is not None:
        pixels[raw == blank] = np.nan
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
    if not bands and len(images) == 1 and role_of_extension(images[0].name):
        bands = images
    if not bands:
        what = ", ".join(f"{i.name or i.index} ({i.why_not})" for i in images)
        raise BadCutout(f"has no image HDU; found: {what or 'none with pixels'}")
    return bands
