"""Objects cut out of one large image at the positions of a catalog."""

import math
import os
from pathlib import Path

import numpy as np
from astropy.nddata import Cutout2D, NoOverlapError
from astropy.table import Table

from astroanomaly.data import headers
from astroanomaly.data.catalog import pixel_columns, sky_columns
from astroanomaly.data.files import EXTENSIONS, Layout, find_images
from astroanomaly.data.planes import BadCutout, list_images, open_fits, pixels
from astroanomaly.data.prepare import RawCutout, Settings
from astroanomaly.data.resize import same_scale

_PACKED = (".gz", ".bz2", ".fz")


def positions(
    path: str, header, catalog: Table
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return where a catalog's objects lie in a mosaic.

    Parameters
    ----------
    path : str
        The mosaic, for messages.
    header : Header
        Its header.
    catalog : Table of n rows
        With ra and dec in degrees, which go through the mosaic's WCS (distortions
        included), or with x and y counted from 0. Where it has both, the sky
        positions count if the mosaic has a WCS.

    Returns
    -------
    tuple of ndarray of shape (n,)
        x, y (pixels, from 0), ra, dec (deg, NaN when unknown). An object without a
        position has NaN.

    Raises
    ------
    ValueError
        If the catalog has no usable columns, or has only sky positions and the
        mosaic no WCS.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> positions("m.fits", Header(), Table({"x": [3.0], "y": [4.0]}))[0].tolist()
    [3.0]
    """
    sky, grid = sky_columns(catalog), pixel_columns(catalog)
    if sky is None and grid is None:
        raise ValueError(
            "The catalog must have the columns ra and dec (numbers, degrees) or x and "
            f"y (pixels from 0). Received: the columns {catalog.colnames}."
        )
    wcs = headers.celestial_wcs(header)
    if sky is not None and wcs is not None:
        x, y = np.full((2, len(catalog)), np.nan)
        good = np.isfinite(sky[0]) & np.isfinite(sky[1])
        x[good], y[good] = wcs.all_world2pix(sky[0][good], sky[1][good], 0, quiet=True)
        return x, y, *sky
    if grid is None:
        raise ValueError(
            f"The mosaic {path} must have a celestial WCS (CTYPE1 RA---TAN or the "
            "like) for a catalog with ra and dec; give x and y columns instead. "
            "Received: a header without one."
        )
    if sky is None and wcs is not None:
        sky = tuple(np.asarray(v, float) for v in wcs.all_pix2world(*grid, 0))
    unknown = np.full(len(catalog), np.nan)
    return *grid, *(sky or (unknown, unknown))


class MosaicSource:
    """Objects at positions in one image.

    Parameters
    ----------
    path : str
        The FITS file.
    layout : Layout
        Where the bands are; all have the same pixel grid.
    object_ids : list of str
        One per object.
    places : ndarray of shape (n, 4)
        x, y, ra, dec of each object.
    box : tuple of int
        Rows and columns to cut, in pixels of the mosaic.
    """

    def __init__(self, path, layout: Layout, object_ids, places, box):
        self.path, self.layout, self.box = str(path), layout, tuple(box)
        self.object_ids = list(object_ids)
        self.places = np.asarray(places, float)
        # A packed mosaic cannot be mapped: one process holds it.
        self.packed = self.path.lower().endswith(_PACKED)
        self.in_workers = not self.packed
        self._open = None

    @property
    def bands(self) -> tuple[str, ...]:
        """The band names."""
        return self.layout.bands

    @property
    def files(self) -> list[str]:
        """The file of each object, for the table."""
        return [self.path] * len(self.object_ids)

    def take(self, rows) -> "MosaicSource":
        """Return the source of the chosen objects only."""
        ids = [self.object_ids[i] for i in rows]
        places = self.places[list(rows)]
        return MosaicSource(self.path, self.layout, ids, places, self.box)

    def select(self, index: list[int]) -> "MosaicSource":
        """Return the source that reads only the chosen bands."""
        layout = self.layout.select(index)
        return MosaicSource(
            self.path, layout, self.object_ids, self.places, self.box
        )

    def signature(self) -> list[str]:
        """Return one text per object: its position and the file's size."""
        size = f"{Path(self.path).name}:{os.path.getsize(self.path)}"
        return [f"{size}@{x:.3f},{y:.3f}" for x, y, *_ in self.places]

    def _load(self, mask_extension):
        with open_fits(self.path, memmap=not self.packed) as hdus:
            images = list_images(hdus)
            found = find_images(images, self.layout)
            planes = [_mapped(hdus[image.index]) for image in found]
            own = [hdus[image.index].header for image in found]
            masks = [
                None
                if mask_extension is None
                else _mapped(hdus[mask_image(images, mask_extension, band)])
                for band in self.bands
            ]
        return (
            planes,
            masks,
            [headers.pixel_scale(header) for header in own],
            [headers.unit(header) for header in own],
            [headers.zero_point(header) for header in own],
        )

    def read(self, row: int, mask_extension: str | None = None) -> RawCutout:
        """Read one object; see `FileSource.read`."""
        if self._open is None:
            self._open = self._load(mask_extension)
        planes, masks, scales, units, zero_points = self._open
        x, y, ra, dec = self.places[row]
        if not (math.isfinite(x) and math.isfinite(y)):
            raise BadCutout(f"{self.object_ids[row]} has no position in the catalog")
        cut = [self._cut(plane, x, y, row) for plane in planes]
        outside = ~np.isfinite(self._cut(_Ones(planes[0].shape), x, y, row))
        for plane, mask in zip(cut, masks, strict=True):
            if mask is not None:
                plane[self._cut(mask, x, y, row) > 0] = np.nan
        return RawCutout(
            cut,
            scales,
            float(ra),
            float(dec),
            units,
            zero_points,
            outside if outside.any() else None,
        )
