"""Many objects in one FITS file: a cube, or an extension for each object."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, repeat

from astroanomaly.data.fits import FitsFile, ImageHDU, check_room, stem
from astroanomaly.data.options import Cutout, ReadOptions
from astroanomaly.data.prepare import expected
from astroanomaly.data.sources.array import channel_names, numbered
from astroanomaly.data.sources.counted import Counted, Repeated, chosen
from astroanomaly.data.sources.files import (
    cutout_of,
    find_mask,
    labels,
    masked_plane,
    size_of,
)


class CubeSource:
    """Objects in one FITS file, each a plane or some planes of an extension.

    The file stays open between objects: opening it anew for each would read all the
    headers before it again.

    Parameters
    ----------
    path : str
        The file.
    object_ids : sequence of str
        One per object.
    bands : tuple of str
        One per channel.
    places : sequence of tuple
        The extension of each object, an ImageHDU, and its planes, one for each band
        of the file.
    in_sky : bool
        Whether the WCS of its extension gives an object's position; that of a cube
        belongs to one of its planes at most.
    channels : list of int, optional
        Which bands of the file to read; all by default.
    """

    in_workers = False

    def __init__(
        self, path: str, object_ids, bands, places, in_sky: bool, channels=None
    ):
        self.path, self.bands, self.in_sky = str(path), tuple(bands), in_sky
        self.object_ids, self.places = object_ids, places
        self.channels = range(len(self.bands)) if channels is None else channels
        self._file = None

    @property
    def files(self) -> Sequence[str]:
        """The file of each object; with its extension if each has its own."""
        if not self.in_sky:
            return Repeated(self.path, len(self.places))
        return [f"{self.path}[{image.index}]" for image, _ in self.places]

    def take(self, rows: Sequence[int]) -> "CubeSource":
        """Return the source of the chosen objects."""
        ids, places = chosen(self.object_ids, rows), chosen(self.places, rows)
        return CubeSource(
            self.path, ids, self.bands, places, self.in_sky, self.channels
        )

    def select(self, index: list[int]) -> "CubeSource":
        """Return the source that reads only the chosen bands."""
        bands = [self.bands[i] for i in index]
        channels = [self.channels[i] for i in index]
        return CubeSource(
            self.path, self.object_ids, bands, self.places, self.in_sky, channels
        )

    def signature(self) -> Iterator[str]:
        """Return one text per object, the first at least with the file's size."""
        name, size = os.path.basename(self.path), size_of(self.path)
        # As from the first version on: a scoring begun under it can be resumed.
        if self.in_sky:
            return (f"{name}[{image.index}]:{size}" for image, _ in self.places)
        return chain([f"{name}{size}"], repeat("", len(self.places) - 1))

    def _place(self, row: int) -> tuple[ImageHDU, list[int]]:
        """Return the extension of an object and its planes, one per channel."""
        image, planes = self.places[row]
        return image, [planes[channel] for channel in self.channels]

    def _masks(self, row: int, options: ReadOptions) -> list:
        """Open the file if it is not; return the mask of each band."""
        if self._file is None:
            self._file = FitsFile(self.path, options.max_bytes)
        images, image = self._file.images, self.places[row][0]
        return [find_mask(images, image, band, options) for band in self.bands]

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        self._masks(row, options)
        image, planes = self._place(row)
        ny, nx = image.shape[-2:]
        check_room(ny * nx, image.bitpix, options.max_bytes)
        _, scale = self._file.position(image)
        return expected([(image.shape[-2:], scale)] * len(planes), options)

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        masks = self._masks(row, options)
        image, planes = self._place(row)
        found = [
            masked_plane(self._file, image, mask, options, k)
            for k, mask in zip(planes, masks, strict=True)
        ]
        pixels, shares = zip(*found, strict=True)
        found = [(self._file, image)] * len(pixels)
        return cutout_of(list(pixels), found, max(shares), self.in_sky)

    def release(self) -> None:
        """Close the file, unless its tiles or its gzip would be unpacked again."""
        if self._file is not None and not self._file.unpacked:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict:
        """Leave the open file out when a worker process gets a copy."""
        return {**self.__dict__, "_file": None}


def from_cube(path: str, image: ImageHDU, bands) -> CubeSource:
    """Return the source for a FITS cube.

    Parameters
    ----------
    path : str
        The file.
    image : ImageHDU
        The extension, of shape (n, ny, nx) or (n, n_bands, ny, nx).
    bands : sequence of str or None
        One name per channel.

    Returns
    -------
    CubeSource
        Object ids are running numbers.

    Raises
    ------
    ValueError
        If the number of bands disagrees, or the cube holds no image.
    """
    if len(image.shape) not in (3, 4) or 0 in image.shape:
        raise ValueError(
            f"{path} must hold a cube of shape (n, ny, nx) or (n, n_bands, ny, nx). "
            f"Received: {image.shape}."
        )
    # Planes of one object lie behind one another.
    n, n_bands = image.shape[0], image.n_planes // image.shape[0]
    names = channel_names(bands, n_bands, image.band, path)
    places = Counted(partial(_planes_of, image, n_bands), range(n))
    return CubeSource(path, numbered(stem(path), n), names, places, False)


def _planes_of(image: ImageHDU, n_bands: int, k: int) -> tuple[ImageHDU, range]:
    return image, range(k * n_bands, (k + 1) * n_bands)


def from_extensions(path: str, images: list[ImageHDU], band: str) -> CubeSource:
    """Return the source for a FITS file with an extension per object.

    Parameters
    ----------
    path : str
        The file.
    images : list of ImageHDU
        The extensions, of two axes each.
    band : str
        The band's name.

    Returns
    -------
    CubeSource
        Object ids are the file's name and the extension's, with EXTVER where names
        occur twice, or its number where both do or there is none.
    """
    # Numbers of four digits sort as they are counted.
    names = [
        label.replace(",", "_") if image.name else f"{image.index:04d}"
        for image, label in zip(images, labels(images), strict=True)
    ]
    if len(set(names)) < len(names):
        names = [f"{image.index:04d}" for image in images]
    ids = [f"{stem(path)}_{name}" for name in names]
    return CubeSource(path, ids, (band,), [(image, [0]) for image in images], True)
