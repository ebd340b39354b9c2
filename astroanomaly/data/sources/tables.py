"""FITS binary tables with an image in each row."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from astropy.table import Table

from astroanomaly.data.bytes import FileBytes
from astroanomaly.data.fits import FitsFile, stem
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.prepare import expected
from astroanomaly.data.sources.array import band_axis, channel_names
from astroanomaly.data.sources.columns import object_columns
from astroanomaly.data.sources.counted import Counted, Repeated, chosen
from astroanomaly.data.sources.files import size_of

# FITS 4.0, table 18: the number types of a column, and what a value takes.
_TYPES = {
    "L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8",
    "A": "S1", "C": ">c8", "M": ">c16", "X": "u1", "P": ">i4", "Q": ">i8",
}  # fmt: skip


class TableColumn:
    """One column of a FITS binary table, as its cards describe it.

    Parameters
    ----------
    header : PlainHeader
        Of the table.
    number : int
        Which column, counted from 1.
    offset : int
        Where it begins in a row, in bytes.

    Attributes
    ----------
    name : str
        TTYPE, or "col" and its number.
    shape : tuple of int
        Of a value; rows before columns, as in images.
    n_bytes : int
        Of a value.
    variable : bool
        Whether its values lie behind the table, each of its own length.

    Raises
    ------
    BadCutout
        If TFORM is no form of a column.
    """

    def __init__(self, header, number: int, offset: int):
        form = str(header.get(f"TFORM{number}", "")).strip()
        found = re.match(r"(\d*)([LXBIJKAEDCMPQ])", form)
        if found is None:
            raise BadCutout(f"has a table with TFORM{number} = {form!r}")
        count, self.letter = int(found[1] or 1), found[2]
        self.name = str(header.get(f"TTYPE{number}", f"col{number}")).strip()
        self.offset, self.variable = offset, self.letter in "PQ"
        self.dtype = np.dtype(_TYPES[self.letter])
        # A descriptor is two numbers; bits fill whole bytes.
        n = 2 * count if self.variable else count
        n = -(-count // 8) if self.letter == "X" else n
        self.n_bytes = n * self.dtype.itemsize
        sizes = re.findall(r"\d+", str(header.get(f"TDIM{number}", "")))
        shape = tuple(int(size) for size in reversed(sizes))
        # A TDIM that does not fit is to be ignored (FITS 4.0, section 7.3.2).
        fits = shape and math.prod(shape) <= count and not self.variable
        self.shape = shape if fits else (count,) if count > 1 else ()
        self.scale = header.number(f"TSCAL{number}", 1.0)
        self.zero = header.number(f"TZERO{number}", 0.0)
        self.null = header.number(f"TNULL{number}")

    @property
    def is_image(self) -> bool:
        """Whether a value has the axes of an image, and is of numbers."""
        return len(self.shape) in (2, 3) and self.letter in "BIJKED"

    def values(self, raw: bytes, n: int) -> np.ndarray:
        """Return `n` values from their bytes; undefined integers are NaN."""
        if self.letter == "A":
            texts = np.frombuffer(raw, f"S{self.n_bytes}", n)
            return np.char.decode(texts, "utf-8", "replace")
        values = np.frombuffer(raw, self.dtype).reshape(n, -1)
        values = values[:, : math.prod(self.shape)].reshape(n, *self.shape)
        if self.letter == "L":
            return values == ord("T")
        null = None
        if self.null is not None and self.dtype.kind in "iu":
            null = values == self.null
        values = values.astype(self.dtype.newbyteorder("="))
        unsigned = self.zero == 1 << (8 * self.dtype.itemsize - 1) and self.scale == 1
        if unsigned and self.dtype.kind == "i":
            # In floats the largest of them would lose digits.
            kind = f"u{self.dtype.itemsize}"
            values = values.view(kind) ^ np.array(int(self.zero), kind)
        elif self.scale != 1 or self.zero != 0:
            values = values * self.scale + self.zero
        if null is not None and null.any():
            values = np.where(null, np.nan, values)
        return values


class TableSource:
    """Objects in the rows of one FITS binary table.

    Parameters
    ----------
    path : str
        The file.
    object_ids : sequence of str
        One per object.
    bands : tuple of str
        One per channel.
    columns : list of TableColumn
        The column of images, or one per band.
    axis : int or None
        Which axis of an image holds the bands; None for a column per band.
    channels : list of int
        Which band along `axis`, or which column.
    start, width : int
        Where the table begins in the file, and the length of a row, in bytes.
    rows : sequence of int
        The row of each object.
    scales : sequence of float or None
        The pixel size of each object, arcsec.
    mask : TableColumn, optional
        Pixels other than 0 in it are bad.
    """

    in_workers = True

    def __init__(self, path, object_ids, bands, **places):
        self.path, self.object_ids = path, object_ids
        self.bands, self.places = tuple(bands), places
        for name, value in places.items():
            setattr(self, name, value)
        self._bytes = None

    @property
    def files(self) -> Counted:
        """The file of each object, and its row, counted from 1 as in FITS."""
        return Counted(partial(_row_of, self.path), self.rows)

    def take(self, rows: Sequence[int]) -> "TableSource":
        """Return the source of the chosen objects."""
        own = {name: chosen(self.places[name], rows) for name in ("rows", "scales")}
        ids = chosen(self.object_ids, rows)
        return TableSource(self.path, ids, self.bands, **{**self.places, **own})

    def select(self, index: list[int]) -> "TableSource":
        """Return the source that reads only the chosen bands."""
        places = {**self.places, "channels": [self.channels[i] for i in index]}
        bands = [self.bands[i] for i in index]
        return TableSource(self.path, self.object_ids, bands, **places)

    def signature(self) -> Iterator[str]:
        """Return one text per object, each with the size of the file."""
        name, size = os.path.basename(self.path), size_of(self.path)
        return (f"{name}:{size}:{row}" for row in self.rows)

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        found = []
        for channel in self.channels:
            shape = list(self.columns[channel if self.axis is None else 0].shape)
            if self.axis is not None:
                del shape[self.axis]
            found.append((tuple(shape), self.scales[row]))
        return expected(found, options)

    def _value(self, column: TableColumn, row: int, options: ReadOptions) -> np.ndarray:
        if column.n_bytes > options.max_bytes:
            raise BadCutout(
                f"has images of {column.n_bytes} bytes, more than the "
                f"{options.max_bytes} that `max_bytes` allows"
            )
        if self._bytes is None:
            self._bytes = FileBytes(self.path, options.max_bytes)
        at = self.start + self.rows[row] * self.width + column.offset
        raw = self._bytes.read(at, column.n_bytes)
        if len(raw) < column.n_bytes:
            raise BadCutout("became shorter while it was read")
        return column.values(raw, 1)[0]

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        if self.axis is None:
            columns = [self.columns[c] for c in self.channels]
            planes = [self._value(column, row, options) for column in columns]
        else:
            image = self._value(self.columns[0], row, options)
            image = np.moveaxis(image, self.axis, 0)
            planes = [image[c] for c in self.channels]
        planes = [np.array(plane, np.float32) for plane in planes]
        if self.mask is not None:
            mask = self._value(self.mask, row, options) != 0
            for plane in planes:
                if mask.shape != plane.shape:
                    raise BadCutout(
                        f"has a mask {self.mask.name} of shape {mask.shape} for an "
                        f"image of {plane.shape}"
                    )
                plane[mask] = np.nan
        return Cutout(planes, [self.scales[row]] * len(planes))

    def release(self) -> None:
        """Close the file."""
        if self._bytes is not None:
            self._bytes.close()
        self._bytes = None


def _row_of(path: str, row: int) -> str:
    return f"{path}[row {row + 1}]"


def table_of(path: str, options: ReadOptions):
    """Return the first table of a FITS file that has a column of images.

    Parameters
    ----------
    path : str
        The file.
    options : ReadOptions
        With `max_bytes`.

    Returns
    -------
    tuple or None
        Its columns, where it begins, the length of a row and their number; None for
        a file without such a table.

    Raises
    ------
    BadCutout
        If the file cannot be read, or a column is of variable length and the only
        one that could hold images.
    """
    variable = []
    with FitsFile(path, options.max_bytes) as file:
        for header, start in file.tables:
            columns, offset = [], 0
            for number in range(1, int(header.number("TFIELDS", 0)) + 1):
                columns.append(TableColumn(header, number, offset))
                offset += columns[-1].n_bytes
            width, n = header.number("NAXIS1", 0), header.number("NAXIS2", 0)
            if width >= offset and n and any(c.is_image for c in columns):
                return columns, start, width, n
            variable += [c.name for c in columns if c.variable and c.shape != ()]
            variable += [c.name for c in columns if c.variable and c.shape == ()]
    if variable:
        raise BadCutout(
            f"has a table whose columns {', '.join(variable)} are of variable length, "
            "which is not read as images; columns of images have one TDIM"
        )
    return None


def from_table(path: str, found, options: ReadOptions) -> tuple[TableSource, dict]:
    """Return the source for a FITS table with an image in each row.

    Parameters
    ----------
    path : str
        The file.
    found : tuple
        As from `table_of`.
    options : ReadOptions
        Its `bands` name columns of images, or the bands of the only one;
        `mask_extension` names a column of masks.

    Returns
    -------
    TableSource
        Object ids come from a column such as object_id or id, else they are numbers.
    dict
        The other columns.

    Raises
    ------
    ValueError
        If there are several columns of images and `bands` names none, or it cannot
        be told where the bands of one are.
    """
    columns, start, width, n = found
    names = [column.name for column in columns]
    mask = None
    if options.mask_extension is not None:
        mask = next((c for c in columns if c.name == options.mask_extension), None)
        if mask is None:
            raise ValueError(
                f"`mask_extension` must name a column of {path}. Received: "
                f"{options.mask_extension!r}; it has {names}."
            )
    images = [c for c in columns if c.is_image and c is not mask]
    by_name = {c.name: c for c in images}
    wanted = list(options.bands or [])
    if wanted and set(wanted) <= set(by_name):
        images = [by_name[name] for name in wanted]
    elif len(images) > 1:
        raise ValueError(
            f"`bands` must name one or more of the columns of images of {path}, "
            f"{list(by_name)}. Received: {options.bands}."
        )
    axis, bands, channels = None, tuple(c.name for c in images), range(len(images))
    if len(images) == 1 and len(images[0].shape) == 3:
        what = f"{path}, column {images[0].name},"
        given = None if wanted == [images[0].name] else options.bands
        axis = band_axis((n, *images[0].shape), given, None, what)
        n_bands = images[0].shape[axis]
        bands, channels = channel_names(given, n_bands, "image", what), range(n_bands)
    elif any(len(image.shape) != 2 for image in images):
        raise ValueError(
            f"The columns that `bands` names must hold images of two axes. Received: "
            f"{[image.shape for image in images]} in {path}."
        )
    elif len(images) == 1:
        bands = tuple(wanted) if len(wanted) == 1 else ("image",)
        if len(wanted) > 1:
            channel_names(wanted, 1, "image", path)
    others = [c for c in columns if c.offset + c.n_bytes <= width and len(c.shape) < 2]
    others = [c for c in others if not c.variable and c.letter in "LBIJKAED"]
    raw = {column.name: bytearray() for column in others}
    file = FileBytes(path, options.max_bytes)
    try:
        for row in range(n):
            for column in others:
                at = start + row * width + column.offset
                raw[column.name] += file.read(at, column.n_bytes)
    finally:
        file.close()
    table = Table({c.name: c.values(bytes(raw[c.name]), n) for c in others})
    ids, held = object_columns(table, n, stem(path))
    scale = next((k for k in held if k.lower() in ("pixel_scale", "pixscale")), None)
    scales = Repeated(None, n) if scale is None else [float(s) for s in held[scale]]
    places = {"columns": images, "axis": axis, "channels": list(channels)}
    places |= {"start": start, "width": width, "rows": range(n)}
    places |= {"scales": scales, "mask": mask}
    return TableSource(path, ids, bands, **places), held
