"""Objects cut out of one large image at the positions of a catalog."""

import math
import os
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.fits import CompImageHDU
from astropy.nddata import NoOverlapError, overlap_slices
from astropy.table import Table

from astroanomaly.data import headers
from astroanomaly.data.catalog import pixel_columns, sky_columns
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.planes import list_images, open_fits, stem
from astroanomaly.data.resize import same_scale
from astroanomaly.data.sources.array import numbered
from astroanomaly.data.sources.files import (
    FILES,
    SINGLE,
    Layout,
    find_image,
    find_images,
)

_PACKED = (".gz", ".bz2", ".fz")
_SCALED = ("BSCALE", "BZERO", "BLANK")


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
    """Objects at positions in one image, or in one image per band.

    Parameters
    ----------
    paths : tuple of str
        The FITS file, or one per band.
    layout : Layout
        Where the bands are; all have the same pixel grid.
    object_ids : list of str
        One per object.
    places : ndarray of shape (n, 4)
        x, y, ra, dec of each object.
    box : tuple of int
        Rows and columns to cut, in pixels of the mosaic.
    mapped : bool
        False for packed or scaled pixels, which cannot be mapped from the disk:
        they are held in memory, by this process alone.
    """

    def __init__(self, paths, layout: Layout, object_ids, places, box, mapped=True):
        self.paths, self.layout, self.box = tuple(paths), layout, tuple(box)
        self.object_ids = list(object_ids)
        self.places = np.asarray(places, float)
        self.mapped = self.in_workers = mapped
        self._open = None

    @property
    def bands(self) -> tuple[str, ...]:
        """The band names."""
        return self.layout.bands

    @property
    def files(self) -> list[str]:
        """The file of each object, for the table."""
        return [self.paths[0]] * len(self.object_ids)

    def take(self, rows) -> "MosaicSource":
        """Return the source of the chosen objects only."""
        ids = [self.object_ids[i] for i in rows]
        places = self.places[list(rows)]
        return MosaicSource(self.paths, self.layout, ids, places, self.box, self.mapped)

    def select(self, index: list[int]) -> "MosaicSource":
        """Return the source that reads only the chosen bands."""
        paths = self.paths
        if self.layout.kind == FILES:
            paths = [paths[i] for i in index]
        layout = self.layout.select(index)
        return MosaicSource(
            paths, layout, self.object_ids, self.places, self.box, self.mapped
        )

    def signature(self) -> list[str]:
        """Return one text per object: its position and the files' sizes."""
        sizes = [f"{Path(p).name}:{os.path.getsize(p)}" for p in self.paths]
        return [f"{'|'.join(sizes)}@{x:.3f},{y:.3f}" for x, y, *_ in self.places]

    def _load(self, mask_extension):
        planes, masks, own = [], [], []
        for path, layout in parts(self.paths, self.layout):
            with open_fits(path, memmap=self.mapped) as hdus:
                images = list_images(hdus)
                found = find_images(images, layout)
                planes += [_image(hdus[image.index]) for image in found]
                own += [headers.inherited(hdus, image.index) for image in found]
                for band in layout.bands:
                    mask = None
                    if mask_extension is not None:
                        name = mask_extension.replace("{band}", band)
                        place = find_image(images, name, "the mask").index
                        mask = _image(hdus[place])
                    masks.append(mask)
        return (
            planes,
            masks,
            [headers.pixel_scale(headers.own(header)) for header in own],
            [headers.unit(header) for header in own],
            [headers.zero_point(header) for header in own],
        )

    def _overlap(self, row: int, shape):
        """Return the slices of the mosaic and of the box that belong together."""
        name, (x, y) = self.object_ids[row], self.places[row, :2]
        if not (math.isfinite(x) and math.isfinite(y)):
            raise BadCutout(f"{name} has no position in the catalog")
        # The nearest pixel first: a position that went through a WCS is off a whole
        # number by 1e-10, which must not move the box.
        nearest = math.floor(y + 0.5), math.floor(x + 0.5)
        try:
            return overlap_slices(shape, self.box, nearest, "partial")
        except NoOverlapError as error:
            raise BadCutout(
                f"{name} lies outside the mosaic, at x={x:.1f}, y={y:.1f} of "
                f"{shape[1]}x{shape[0]} pixels (x, y)"
            ) from error

    def read(self, row: int, mask_extension: str | None = None) -> Cutout:
        """Read one object; see `FileSource.read`."""
        if self._open is None:
            self._open = self._load(mask_extension)
        planes, masks, scales, units, zero_points = self._open
        ra, dec = self.places[row, 2:]
        large, small = self._overlap(row, planes[0].shape)
        outside = np.ones(self.box, bool)
        outside[small] = False
        cut = []
        for plane, mask in zip(planes, masks, strict=True):
            image = np.full(self.box, np.nan, np.float32)
            image[small] = plane[large]
            if mask is not None:
                image[small][mask[large] != 0] = np.nan
            cut.append(image)
        return Cutout(
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
        if self.mapped:
            self._open = None

    def __getstate__(self) -> dict:
        """Leave the open mosaic out when a worker process gets a copy."""
        return {**self.__dict__, "_open": None}


def parts(paths, layout: Layout) -> list[tuple[str, Layout]]:
    """Return the files of a mosaic, each with the layout of its bands.

    Parameters
    ----------
    paths : sequence of str
        One file, or one per band.
    layout : Layout
        Where the bands are.

    Returns
    -------
    list of tuple
        File and layout.

    Examples
    --------
    >>> parts(["h.fits", "j.fits"], Layout(FILES, ("h", "j")))[1][1].bands
    ('j',)
    """
    if layout.kind != FILES:
        return [(paths[0], layout)]
    pairs = zip(paths, layout.bands, strict=True)
    return [(path, Layout(SINGLE, (band,))) for path, band in pairs]


def _image(hdu) -> np.ndarray:
    data = hdu.data
    return data.reshape(data.shape[-2:])


def native_box(
    size: tuple[int, int], scale: float | None, settings: ReadOptions
) -> tuple[int, int]:
    """Return how many pixels of a mosaic a cutout of `size` needs.

    Parameters
    ----------
    size : tuple of int
        Rows and columns of the finished cutout.
    scale : float or None
        Pixel size of the mosaic, arcsec.
    settings : ReadOptions
        With the pixel scale wanted, if any.

    Returns
    -------
    tuple of int
        `size` itself when nothing is resampled; else the same angle and a pixel
        more on each side, so that every finished pixel lies inside.

    Examples
    --------
    >>> native_box((32, 32), 0.05, ReadOptions(pixel_scale=0.1))
    (66, 66)
    """
    scale = scale or settings.input_pixel_scale
    wanted = settings.pixel_scale
    if wanted is None or scale is None or same_scale(scale, wanted):
        return size
    rows, columns = (math.ceil(n * wanted / scale - 1e-9) + 2 for n in size)
    return rows, columns


def _grid(paths, layout: Layout):
    """Return the first band's header and whether all can be mapped.

    All bands must have one pixel grid: the same shape and the same sky, to half a
    pixel, in the first and in the last corner.
    """
    found, mapped = [], True
    for path, part in parts(paths, layout):
        with open_fits(path, memmap=True) as hdus:
            for image in find_images(list_images(hdus), part):
                hdu = hdus[image.index]
                found.append((path, image.shape, hdu.header.copy()))
                packed = path.lower().endswith(_PACKED) or isinstance(hdu, CompImageHDU)
                scaled = any(key in hdu.header for key in _SCALED)
                mapped = mapped and not packed and not scaled
    path, shape, header = found[0]
    for other, other_shape, other_header in found:
        if other_shape != shape or len(shape) != 2:
            raise ValueError(
                f"The bands of a mosaic must be images of one shape. Received: {shape} "
                f"({path}) and {other_shape} ({other})."
            )
        if not _same_sky(header, other_header, shape):
            raise ValueError(
                "The bands of a mosaic must lie on one pixel grid. Received: "
                f"{path} and {other}, whose positions differ by half a pixel or more."
            )
    return header, mapped


def _same_sky(first, second, shape) -> bool:
    scale = headers.pixel_scale(first)
    if first is second or scale is None or headers.pixel_scale(second) is None:
        return True
    for x, y in ((0, 0), (shape[1] - 1, shape[0] - 1)):
        a = SkyCoord(*headers.sky_position(first, x, y), unit="deg")
        b = SkyCoord(*headers.sky_position(second, x, y), unit="deg")
        if a.separation(b).arcsec >= 0.5 * scale:
            return False
    return True


def from_mosaic(paths, layout: Layout, catalog: Table, settings: ReadOptions):
    """Return the source for a mosaic and a catalog.

    Parameters
    ----------
    paths : sequence of str
        The FITS file, or one per band on the same pixel grid.
    layout : Layout
        Where the bands are.
    catalog : Table of n rows
        As from `read_catalog`.
    settings : ReadOptions
        With the size, which a mosaic needs.

    Returns
    -------
    MosaicSource
        One object per row of the catalog.

    Raises
    ------
    ValueError
        If no size is given, the catalog has no usable columns or the mosaic no WCS,
        or its bands have different shapes or positions.
    BadCutout
        If a file cannot be opened.
    """
    if settings.size is None:
        raise ValueError(
            f"`size` must be given to cut objects out of the mosaic {paths[0]}. "
            "Received: None."
        )
    header, mapped = _grid(paths, layout)
    places = np.column_stack(positions(paths[0], header, catalog))
    if "object_id" in catalog.colnames:
        ids = catalog["object_id"].tolist()
    else:
        ids = numbered(stem(paths[0]), len(catalog))
    box = native_box(settings.size, headers.pixel_scale(header), settings)
    return MosaicSource(paths, layout, ids, places, box, mapped)
