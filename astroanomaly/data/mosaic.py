"""Objects cut out of one large image at the positions of a catalog."""

import math
import os
from pathlib import Path

import numpy as np
from astropy.nddata import NoOverlapError, overlap_slices
from astropy.table import Table

from astroanomaly.data import headers
from astroanomaly.data.arrays import numbered
from astroanomaly.data.catalog import pixel_columns, sky_columns
from astroanomaly.data.files import Layout, find_image, find_images
from astroanomaly.data.planes import BadCutout, list_images, open_fits, stem
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
        return MosaicSource(self.path, layout, self.object_ids, self.places, self.box)

    def signature(self) -> list[str]:
        """Return one text per object: its position and the file's size."""
        size = f"{Path(self.path).name}:{os.path.getsize(self.path)}"
        return [f"{size}@{x:.3f},{y:.3f}" for x, y, *_ in self.places]

    def _load(self, mask_extension):
        with open_fits(self.path, memmap=not self.packed) as hdus:
            images = list_images(hdus)
            found = find_images(images, self.layout)
            planes = [_image(hdus[image.index]) for image in found]
            own = [hdus[image.index].header for image in found]
            masks = [
                None
                if mask_extension is None
                else _mask(hdus, images, mask_extension, band)
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
        try:
            large, small = overlap_slices(planes[0].shape, self.box, (y, x), "partial")
        except NoOverlapError as error:
            raise BadCutout(
                f"{self.object_ids[row]} lies outside the mosaic, at x={x:.1f}, "
                f"y={y:.1f} of {planes[0].shape[1]}x{planes[0].shape[0]} pixels (x, y)"
            ) from error
        outside = np.ones(self.box, bool)
        outside[small] = False
        cut = []
        for plane, mask in zip(planes, masks, strict=True):
            image = np.full(self.box, np.nan, np.float32)
            image[small] = plane[large]
            if mask is not None:
                image[small][mask[large] != 0] = np.nan
            cut.append(image)
        return RawCutout(
            cut,
            scales,
            float(ra),
            float(dec),
            units,
            zero_points,
            outside if outside.any() else None,
        )

    def release(self) -> None:
        """Unmap the mosaic: pages that were read would count as used memory."""
        if not self.packed:
            self._open = None

    def __getstate__(self) -> dict:
        """Leave the open mosaic out when a worker process gets a copy."""
        return {**self.__dict__, "_open": None}


def _image(hdu) -> np.ndarray:
    data = hdu.data
    return data.reshape(data.shape[-2:])


def _mask(hdus, images, mask_extension: str, band: str) -> np.ndarray:
    name = mask_extension.replace("{band}", band)
    return _image(hdus[find_image(images, name, "the mask").index])


def native_box(
    size: tuple[int, int], scale: float | None, settings: Settings
) -> tuple[int, int]:
    """Return how many pixels of a mosaic a cutout of `size` needs.

    Parameters
    ----------
    size : tuple of int
        Rows and columns of the finished cutout.
    scale : float or None
        Pixel size of the mosaic, arcsec.
    settings : Settings
        With the pixel scale wanted, if any.

    Returns
    -------
    tuple of int
        `size` itself when nothing is resampled; else the same angle and a pixel
        more on each side, so that every finished pixel lies inside.

    Examples
    --------
    >>> native_box((32, 32), 0.05, Settings(pixel_scale=0.1))
    (66, 66)
    """
    scale = scale or settings.input_pixel_scale
    wanted = settings.pixel_scale
    if wanted is None or scale is None or same_scale(scale, wanted):
        return size
    rows, columns = (math.ceil(n * wanted / scale - 1e-9) + 2 for n in size)
    return rows, columns


def from_mosaic(path: str, layout: Layout, catalog: Table, settings: Settings):
    """Return the source for a mosaic and a catalog.

    Parameters
    ----------
    path : str
        The FITS file.
    layout : Layout
        Where its bands are.
    catalog : Table of n rows
        As from `read_catalog`.
    settings : Settings
        With the size, which a mosaic needs.

    Returns
    -------
    MosaicSource
        One object per row of the catalog.

    Raises
    ------
    ValueError
        If no size is given, the catalog has no usable columns or the mosaic no WCS,
        or its bands have different shapes.
    BadCutout
        If the mosaic cannot be opened.
    """
    if settings.size is None:
        raise ValueError(
            f"`size` must be given to cut objects out of the mosaic {path}. "
            "Received: None."
        )
    with open_fits(path, memmap=True) as hdus:
        found = find_images(list_images(hdus), layout)
        header = hdus[found[0].index].header.copy()
    shapes = {image.shape for image in found}
    if len(shapes) > 1 or len(found[0].shape) != 2:
        raise ValueError(
            f"The bands of the mosaic {path} must be images of one shape. "
            f"Received: {sorted(shapes)}."
        )
    places = np.column_stack(positions(path, header, catalog))
    if "object_id" in catalog.colnames:
        ids = catalog["object_id"].tolist()
    else:
        ids = numbered(stem(path), len(catalog))
    box = native_box(settings.size, headers.pixel_scale(header), settings)
    return MosaicSource(path, layout, ids, places, box)
