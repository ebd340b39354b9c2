"""A set of cutouts in memory: pixels, one table row per object, band names."""

from collections.abc import Iterator, Sequence

import numpy as np
from astropy.table import Table
from astropy.units import Quantity

from astroanomaly.tables.columns import check_unique, lookup
from astroanomaly.tables.flags import (
    FLAG_CALIBRATED_ON,
    FLAG_CLIPPED,
    FLAG_NAN_FILLED,
    FLAG_NOT_CONVERGED,
    FLAG_ODD_FRAME,
    FLAG_PADDED,
    FLAG_TRAINED_ON,
)
from astroanomaly.tables.objects import skipped_table, stack_tables, standard_table
from astroanomaly.utils.notebook import thumbnails
from astroanomaly.utils.units import without_unit

# One row of pictures fits across a notebook's cell.
_N_SHOWN = 10

# The list of a reading in which all was read.
_NOTHING = skipped_table()

__all__ = [
    "FLAG_CALIBRATED_ON",
    "FLAG_CLIPPED",
    "FLAG_NAN_FILLED",
    "FLAG_NOT_CONVERGED",
    "FLAG_ODD_FRAME",
    "FLAG_PADDED",
    "FLAG_TRAINED_ON",
    "Cutouts",
    "band_index",
    "concatenate",
    "split",
]


class Cutouts:
    """Cutouts of one shape with a table that names every object.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Linear pixel values, in the unit of the file. Other number types are
        cast to float32; a memory map of float32 stays one. NaN is kept.
    table : Table of n rows, optional
        One row per image. Missing standard columns are added: `object_id` (a
        running number), `file` (""), `ra` and `dec` (deg, NaN = unknown),
        `flag` (int32 bit mask, 0), `unit_<band>` ("") and `zero_point_<band>`
        (mag, NaN = unknown).
    bands : sequence of str, optional
        One name per channel; "image", or "band_0", "band_1", ... by default.
    pixel_scale : float or Quantity, optional
        Pixel size in arcsec.
    skipped : Table, optional
        What could not be read: columns `file` and `reason`.

    Attributes
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        The pixels, float32.
    table : Table of n rows
        What is known of each object; row i belongs to image i.
    bands : tuple of str
        The name of each channel.
    pixel_scale : float or None
        Pixel size in arcsec.
    skipped : Table
        Columns `file` and `reason`; 0 rows when everything was read.

    Raises
    ------
    TypeError
        If `images` does not hold numbers.
    ValueError
        If a shape, the number of rows or of bands disagrees, or an `object_id`
        occurs twice.

    Examples
    --------
    >>> cutouts = Cutouts(np.zeros((2, 32, 32, 1)), bands=["F814W"])
    >>> cutouts.image_shape
    (32, 32, 1)
    """

    def __init__(
        self,
        images: np.ndarray,
        table: Table | None = None,
        bands: Sequence[str] | None = None,
        pixel_scale: float | Quantity | None = None,
        skipped: Table | None = None,
    ) -> None:
        images = images if isinstance(images, np.ndarray) else np.asarray(images)
        if images.dtype.kind not in "fiub":
            raise TypeError(
                f"`images` must be an array of numbers. Received: dtype {images.dtype}."
            )
        if images.ndim == 3:
            images = images[..., np.newaxis]
        if images.ndim != 4:
            raise ValueError(
                "`images` must have shape (n, ny, nx) or (n, ny, nx, n_bands). "
                f"Received: shape {images.shape}."
            )
        n_bands = images.shape[3]
        if bands is None:
            several = tuple(f"band_{i}" for i in range(n_bands))
            bands = ("image",) if n_bands == 1 else several
        bands = (bands,) if isinstance(bands, str) else tuple(str(b) for b in bands)
        if len(bands) != n_bands or len(set(bands)) != n_bands:
            raise ValueError(
                f"`bands` must give {n_bands} different name(s), one per channel of "
                f"`images`. Received: {list(bands)}."
            )
        # Without a copy where possible: a memory map of float32 stays on the disk.
        self.images = images.astype(np.float32, copy=False)
        self.bands = bands
        self.table = standard_table(table, len(self.images), self.bands)
        check_unique(self.table["object_id"].tolist())
        scale = without_unit(pixel_scale, "pixel_scale", "arcsec", "arcsec / pix")
        self.pixel_scale = None if scale is None else float(scale)
        self.skipped = skipped_table() if skipped is None else skipped

    @classmethod
    def of_parts(
        cls,
        images: np.ndarray,
        table: Table,
        bands: tuple[str, ...],
        pixel_scale: float | None = None,
        skipped: Table | None = None,
    ) -> "Cutouts":
        """Return cutouts of parts that are known to fit, which are not checked again.

        Parameters
        ----------
        images, table, bands, pixel_scale, skipped
            As for `Cutouts`, but complete: float32 pixels of four axes, and a table
            with every standard column and each object_id once.

        Returns
        -------
        Cutouts
            Of these very parts.

        Examples
        --------
        >>> one = Cutouts(np.zeros((2, 8, 8)))
        >>> len(Cutouts.of_parts(one.images, one.table, one.bands))
        2
        """
        made = object.__new__(cls)
        made.images, made.table, made.bands = images, table, bands
        made.pixel_scale = pixel_scale
        made.skipped = _NOTHING.copy() if skipped is None else skipped
        return made

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (ny, nx, n_bands) of one cutout."""
        return tuple(int(length) for length in self.images.shape[1:])

    @property
    def object_ids(self) -> list[str]:
        """The object ids, in order."""
        return [str(name) for name in self.table["object_id"]]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.images)

    def __repr__(self) -> str:
        """Return one line: number, shape, bands, pixel scale, skipped."""
        ny, nx, _ = self.image_shape
        scale = "" if self.pixel_scale is None else f', {self.pixel_scale:.4g}"/pixel'
        skipped = f", {len(self.skipped)} skipped" if len(self.skipped) else ""
        return (
            f"<Cutouts: {len(self)} objects, {ny}x{nx} pixels, "
            f"bands {', '.join(self.bands)}{scale}{skipped}>"
        )

    def _repr_html_(self) -> str:
        """Return the first objects as pictures, for a notebook."""
        title = repr(self).strip("<>")
        n = min(_N_SHOWN, len(self))
        return thumbnails(title, self.images[:n], self.object_ids[:n])

    def __getitem__(self, key) -> "Cutouts":
        """Return the chosen objects with their table rows.

        Parameters
        ----------
        key : int, slice, bool array of n, int array, str or sequence of str
            Which objects, in which order; text is an object_id.

        Returns
        -------
        Cutouts
            Rows and pixels of the chosen objects; `skipped` is empty, since it
            tells of a reading, not of a choice.

        Raises
        ------
        ValueError
            If an object_id is not there.
        """
        wanted = np.atleast_1d(np.asarray(key)) if not isinstance(key, slice) else key
        if getattr(wanted, "dtype", None) is not None and wanted.dtype.kind == "U":
            ids = {name: row for row, name in enumerate(self.object_ids)}
            key = lookup(ids, wanted.tolist(), "the cutouts")
        rows = np.arange(len(self))[key]
        rows = np.atleast_1d(rows)
        # A slice of a memory map stays on the disk; a list of rows is copied.
        images = self.images[key] if isinstance(key, slice) else self.images[rows]
        return Cutouts(images, self.table[rows], self.bands, self.pixel_scale)

    def chunks(self, size: int) -> Iterator["Cutouts"]:
        """Iterate over runs of at most `size` objects, in order.

        Parameters
        ----------
        size : int
            Objects per chunk, at least 1; the last chunk may be smaller.

        Yields
        ------
        Cutouts
            The next objects.

        Raises
        ------
        ValueError
            If `size` is below 1.

        Examples
        --------
        >>> [len(part) for part in Cutouts(np.zeros((5, 8, 8))).chunks(2)]
        [2, 2, 1]
        """
        if size < 1:
            raise ValueError(f"`size` of a chunk must be at least 1. Received: {size}.")
        return (self[i : i + size] for i in range(0, len(self), size))

    def select_bands(self, bands: Sequence[str]) -> "Cutouts":
        """Return the cutouts with the named bands, in the order named.

        Parameters
        ----------
        bands : sequence of str
            Names out of `self.bands`.

        Returns
        -------
        Cutouts
            The same objects with those channels; the columns `unit_<band>` and
            `zero_point_<band>` of the others are left out.

        Raises
        ------
        ValueError
            If a name is not among the bands, or occurs twice.

        Examples
        --------
        >>> two = Cutouts(np.zeros((1, 8, 8, 2)), bands=["J", "H"])
        >>> two.select_bands(["H"]).bands
        ('H',)
        """
        index = band_index(bands, self.bands)
        if index == list(range(len(self.bands))):
            return self
        kept = [self.bands[i] for i in index]
        gone = set(self.bands) - set(kept)
        drop = {f"{word}_{b}" for b in gone for word in ("unit", "zero_point")}
        table = self.table[[n for n in self.table.colnames if n not in drop]]
        images = self.images[..., index]
        return Cutouts(images, table, kept, self.pixel_scale, self.skipped)


def band_index(wanted: Sequence[str], present: Sequence[str]) -> list[int]:
    """Return the position of each wanted band among the present ones, by name.

    Parameters
    ----------
    wanted, present : sequence of str
        Band names.

    Returns
    -------
    list of int
        One index into `present` for each name in `wanted`.

    Raises
    ------
    ValueError
        If a name is not present or is wanted twice, naming both sets.

    Examples
    --------
    >>> band_index(["H"], ["J", "H"])
    [1]
    """
    wanted = [wanted] if isinstance(wanted, str) else [str(b) for b in wanted]
    missing = [band for band in wanted if band not in present]
    if missing or not wanted or len(set(wanted)) != len(wanted):
        raise ValueError(
            f"The bands {wanted} are wanted, each once, but the cutouts have the "
            f"bands {list(present)}. Received without a match: {missing}."
        )
    return [list(present).index(band) for band in wanted]


def concatenate(parts: Sequence[Cutouts]) -> Cutouts:
    """Join cutouts of one shape and the same bands into one set.

    Parameters
    ----------
    parts : sequence of Cutouts
        At least one. Bands are matched by name and put in the order of the
        first part.

    Returns
    -------
    Cutouts
        All objects, in order. A column that only some parts have is filled with
        NaN (numbers, truth values), "" (text) or empty arrays (arrays). `skipped`
        lists are joined.

    Raises
    ------
    ValueError
        If there is no part, if shapes, bands or pixel scales differ, or if an
        `object_id` occurs twice.

    Examples
    --------
    >>> both = Cutouts(np.zeros((2, 8, 8)), Table({"object_id": ["a", "b"]}))
    >>> len(concatenate([both[:1], both[1:]]))
    2
    """
    parts = list(parts)
    if not parts:
        raise ValueError("`parts` must hold at least one Cutouts. Received: none.")
    first = parts[0]
    parts = [part.select_bands(first.bands) for part in parts]
    for part in parts[1:]:
        if first.image_shape != part.image_shape:
            raise ValueError(
                "All `parts` must have the same image shape. Received: "
                f"{first.image_shape} and {part.image_shape}."
            )
        scales = (first.pixel_scale, part.pixel_scale)
        if None not in scales and not np.isclose(*scales, rtol=1e-2):
            raise ValueError(
                "All `parts` must have the same pixel scale to 1 per cent. Received: "
                f"{scales[0]} and {scales[1]} arcsec."
            )
    return Cutouts(
        np.concatenate([part.images for part in parts]),
        stack_tables([part.table for part in parts]),
        first.bands,
        first.pixel_scale,
        stack_tables([part.skipped for part in parts]),
    )


def split(
    cutouts: Cutouts, fractions: Sequence[float], seed: int
) -> tuple[Cutouts, ...]:
    """Divide cutouts at random into disjoint sets.

    Parameters
    ----------
    cutouts : Cutouts
        What to divide.
    fractions : sequence of float
        The share of each set, each above 0, together at most 1.
    seed : int
        The same seed gives the same sets, bit for bit.

    Returns
    -------
    tuple of Cutouts
        One per fraction; objects keep the order they had.

    Raises
    ------
    ValueError
        If a fraction is not above 0, if they add up to more than 1, or if a set
        would be empty.

    Examples
    --------
    >>> train, held_out = split(Cutouts(np.zeros((10, 8, 8))), (0.8, 0.2), seed=1)
    >>> len(train), len(held_out)
    (8, 2)
    """
    shares = np.asarray(fractions, float)
    if shares.ndim != 1 or not np.all(shares > 0) or shares.sum() > 1 + 1e-9:
        raise ValueError(
            "`fractions` must be numbers above 0 that add up to at most 1. "
            f"Received: {fractions}."
        )
    # The tiny term keeps 0.1 + 0.2 of 10 objects from being 2.9999 of them.
    edges = np.floor(np.r_[0.0, np.cumsum(shares)] * len(cutouts) + 1e-6).astype(int)
    if np.any(np.diff(edges) == 0):
        raise ValueError(
            f"`fractions` {tuple(fractions)} of {len(cutouts)} cutouts would leave a "
            "set without an object. Received: too few cutouts."
        )
    order = np.random.default_rng(seed).permutation(len(cutouts))
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return tuple(cutouts[np.sort(order[a:b])] for a, b in pairs)
