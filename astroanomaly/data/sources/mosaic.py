"""Objects cut out of one large image at the positions of a catalog."""

import math
import os

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import NoOverlapError, overlap_slices
from astropy.table import Table

from astroanomaly.data.catalog import pixel_columns, sky_columns
from astroanomaly.data.fits import FitsFile, stem
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.prepare import expected
from astroanomaly.data.resize import same_scale
from astroanomaly.data.sky import (
    celestial_wcs,
    pixel_scale,
    sky_position,
    to_pixels,
    to_sky,
)
from astroanomaly.data.sources.array import numbered
from astroanomaly.data.sources.counted import Repeated
from astroanomaly.data.sources.files import (
    FILES,
    SINGLE,
    Layout,
    check_axes,
    cutout_of,
    find_images,
    find_mask,
    masked_plane,
    size_of,
)

# In sizes of the mosaic: a gnomonic projection puts a source 90 degrees away 1e8 pixels
# out, a number that helps nobody.
_FAR = 10


def positions(
    path: str, header, catalog: Table, tables: str = ""
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return where a catalog's objects lie in a mosaic.

    Parameters
    ----------
    path : str
        The mosaic, for messages.
    header : Header
        Its header.
    catalog : Table of n rows
        With ra and dec in degrees, ICRS, which go through the mosaic's WCS (frame and
        distortions included), or with x and y counted from 0. Where it has both, the
        sky positions count if the mosaic has a WCS.
    tables : str
        The mosaic's path where it has tables that add to the WCS.

    Returns
    -------
    tuple of ndarray of shape (n,)
        x, y (pixels, from 0), ra, dec (deg, NaN when unknown). An object without a
        position has NaN, one that the projection cannot show is infinitely far.

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
    wcs = celestial_wcs(header, tables)
    if sky is not None and wcs is not None:
        return *to_pixels(wcs, *sky), *sky
    if grid is None:
        raise ValueError(
            f"The mosaic {path} must have a celestial WCS (CTYPE1 RA---TAN or the "
            "like) for a catalog with ra and dec; give x and y columns instead. "
            "Received: a header without one."
        )
    if sky is None and wcs is not None:
        sky = to_sky(wcs, *grid)
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
    unpacked : bool
        True for gzip and compressed tiles, which are unpacked once and held in
        memory, by this process alone.
    """

    def __init__(self, paths, layout: Layout, object_ids, places, box, unpacked=False):
        self.paths, self.layout, self.box = tuple(paths), layout, tuple(box)
        self.object_ids = list(object_ids)
        self.places = np.asarray(places, float)
        self.unpacked, self.in_workers = unpacked, not unpacked
        self._open = None

    @property
    def bands(self) -> tuple[str, ...]:
        """The band names."""
        return self.layout.bands

    @property
    def files(self) -> Repeated:
        """The file of each object, for the table."""
        return Repeated(self.paths[0], len(self.object_ids))

    def take(self, rows) -> "MosaicSource":
        """Return the source of the chosen objects only."""
        ids = [self.object_ids[i] for i in rows]
        places = self.places[list(rows)]
        return MosaicSource(
            self.paths, self.layout, ids, places, self.box, self.unpacked
        )

    def select(self, index: list[int]) -> "MosaicSource":
        """Return the source that reads only the chosen bands."""
        paths = self.paths
        if self.layout.kind == FILES:
            paths = [paths[i] for i in index]
        layout = self.layout.select(index)
        return MosaicSource(
            paths, layout, self.object_ids, self.places, self.box, self.unpacked
        )

    def signature(self) -> list[str]:
        """Return one text per object: its position and the files' sizes."""
        sizes = [f"{os.path.basename(p)}:{size_of(p)}" for p in self.paths]
        return [f"{'|'.join(sizes)}@{x:.3f},{y:.3f}" for x, y, *_ in self.places]

    def _images(self, options: ReadOptions) -> list[tuple]:
        """Open the files if they are not; return file, image, mask of each band."""
        if self._open is None:
            self._open = []
            for path, layout in parts(self.paths, self.layout):
                file = FitsFile(path, options.max_bytes)
                found = find_images(file.images, layout)
                for image, band in zip(found, layout.bands, strict=True):
                    check_axes(image, 2)
                    mask = find_mask(file.images, image, band, options)
                    self._open.append((file, image, mask))
        return self._open

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        self._overlap(row, self._images(options)[0][1].shape)
        scales = [file.position(image)[1] for file, image, _ in self._images(options)]
        return expected([(self.box, scale) for scale in scales], options)

    def _overlap(self, row: int, shape):
        """Return the slices of the mosaic and of the box that belong together."""
        name, (x, y) = self.object_ids[row], self.places[row, :2]
        if math.isnan(x) or math.isnan(y):
            raise BadCutout(f"{name} has no position in the catalog")
        # Pixels say nothing of a position that is many images away.
        if not (abs(x) < _FAR * shape[1] and abs(y) < _FAR * shape[0]):
            raise BadCutout(
                f"{name} lies outside the mosaic, far from it on the sky: ra="
                f"{self.places[row, 2]:.5f}, dec={self.places[row, 3]:.5f}"
            )
        # A position that went through a WCS is off by 1e-10, which must not move the
        # box: rounded, the centre is that of astropy's Cutout2D.
        try:
            return overlap_slices(
                shape, self.box, (round(y, 6), round(x, 6)), "partial"
            )
        except NoOverlapError as error:
            raise BadCutout(
                f"{name} lies outside the mosaic, at x={x:.1f}, y={y:.1f} of "
                f"{shape[1]}x{shape[0]} pixels (x, y)"
            ) from error

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        images = self._images(options)
        large, small = self._overlap(row, images[0][1].shape)
        outside = np.ones(self.box, bool)
        outside[small] = False
        planes = []
        taken = 0.0
        for file, image, mask in images:
            plane = np.full(self.box, np.nan, np.float32)
            plane[small], share = masked_plane(file, image, mask, options, 0, *large)
            planes.append(plane)
            taken = max(taken, share)
        found = [(file, image) for file, image, _ in images]
        cutout = cutout_of(planes, found, taken, in_sky=False)
        cutout.ra, cutout.dec = (float(value) for value in self.places[row, 2:])
        cutout.outside = outside if outside.any() else None
        return cutout

    def release(self) -> None:
        """Close the files, unless they would have to be unpacked again."""
        if self._open is not None and not self.unpacked:
            for file, *_ in self._open:
                file.close()
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


def native_box(
    size: tuple[int, int], scale: float | None, options: ReadOptions
) -> tuple[int, int]:
    """Return how many pixels of a mosaic a cutout of `size` needs.

    Parameters
    ----------
    size : tuple of int
        Rows and columns of the finished cutout.
    scale : float or None
        Pixel size of the mosaic, arcsec.
    options : ReadOptions
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
    scale = scale or options.input_pixel_scale
    wanted = options.pixel_scale
    if wanted is None or scale is None or same_scale(scale, wanted):
        return size
    rows, columns = (math.ceil(n * wanted / scale - 1e-9) + 2 for n in size)
    return rows, columns


def _grid(paths, layout: Layout, options: ReadOptions):
    """Return the first band's header, if files are packed, and the path of its tables.

    All bands must have one pixel grid: the same shape and the same sky, to half a
    pixel, in the first and in the last corner.
    """
    found, unpacked, tables = [], False, ""
    for path, part in parts(paths, layout):
        with FitsFile(path, options.max_bytes) as file:
            tables = tables if found else file.with_tables
            for image in find_images(file.images, part):
                found.append((path, image.shape, file.header(image)))
                unpacked = unpacked or file.unpacked or image.tiled
    path, shape, header = found[0]
    for other, other_shape, other_header in found:
        if other_shape != shape or len(shape) != 2:
            raise ValueError(
                f"The bands of a mosaic must be images of one shape. Received: {shape} "
                f"({path}) and {other_shape} ({other})."
            )
        scale = pixel_scale(header)
        # A band that states no position is taken to lie where the others do.
        if scale is None or pixel_scale(other_header) is None:
            continue
        for x, y in ((0, 0), (shape[1] - 1, shape[0] - 1)):
            a = SkyCoord(*sky_position(header, x, y), unit="deg")
            b = SkyCoord(*sky_position(other_header, x, y), unit="deg")
            if a.separation(b).arcsec >= 0.5 * scale:
                raise ValueError(
                    "The bands of a mosaic must lie on one pixel grid. Received: "
                    f"{path} and {other}, whose positions differ by half a pixel or "
                    "more."
                )
    return header, unpacked, tables


def from_mosaic(paths, layout: Layout, catalog: Table, options: ReadOptions):
    """Return the source for a mosaic and a catalog.

    Parameters
    ----------
    paths : sequence of str
        The FITS file, or one per band on the same pixel grid.
    layout : Layout
        Where the bands are.
    catalog : Table of n rows
        As from `read_catalog`.
    options : ReadOptions
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
    if options.size is None:
        raise ValueError(
            f"`size` must be given to cut objects out of the mosaic {paths[0]}. "
            "Received: None."
        )
    header, unpacked, tables = _grid(paths, layout, options)
    places = np.column_stack(positions(paths[0], header, catalog, tables))
    if "object_id" in catalog.colnames:
        ids = catalog["object_id"].tolist()
    else:
        ids = numbered(stem(paths[0]), len(catalog))
    box = native_box(options.size, pixel_scale(header, tables), options)
    return MosaicSource(paths, layout, ids, places, box, unpacked)
