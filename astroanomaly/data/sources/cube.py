"""Many objects in one FITS file: a cube, or an extension for each object."""

import os
import warnings
from pathlib import Path

from astropy.io import fits

from astroanomaly.data import headers
from astroanomaly.data.options import BadCutout, Cutout
from astroanomaly.data.planes import pixels, stem
from astroanomaly.data.sources.array import ArraySource, channel_names, numbered


class ExtensionSource:
    """Objects in the extensions of one FITS file, one each.

    Parameters
    ----------
    path : str
        The file.
    images : list of ImageHDU
        The extensions, all of two axes.
    band : str
        The band's name.
    """

    in_workers = False

    def __init__(self, path, images, band: str):
        self.path, self.images, self.bands = str(path), list(images), (band,)
        names = [image.name or f"{image.index:04d}" for image in self.images]
        if len(set(names)) < len(names):
            names = [f"{image.index:04d}" for image in self.images]
        self.object_ids = [f"{stem(path)}_{name}" for name in names]
        # Opening anew for each object would read all headers before it again.
        self._hdus = None

    @property
    def files(self) -> list[str]:
        """The file of each object, for the table."""
        return [f"{self.path}[{image.index}]" for image in self.images]

    def select(self, index: list[int]) -> "ExtensionSource":
        """Return the source itself: it has one band."""
        return self

    def signature(self) -> list[str]:
        """Return one text per object: its extension and the file's size."""
        size = os.path.getsize(self.path)
        return [f"{Path(self.path).name}[{i.index}]:{size}" for i in self.images]

    def read(self, row: int, mask_extension: str | None = None) -> Cutout:
        """Read one object; see `FileSource.read`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if self._hdus is None:
                    self._hdus = fits.open(self.path, memmap=True)
                hdu = self._hdus[self.images[row].index]
                plane, header = pixels(hdu), hdu.header
            except (OSError, ValueError, TypeError, IndexError) as error:
                raise BadCutout(f"cannot be read as FITS ({error})") from error
        ny, nx = plane.shape
        ra, dec = headers.sky_position(header, (nx - 1) / 2, (ny - 1) / 2)
        return Cutout(
            [plane],
            [headers.pixel_scale(header)],
            ra,
            dec,
            [headers.unit(header)],
            [headers.zero_point(header)],
        )

    def release(self) -> None:
        """Close the file."""
        if self._hdus is not None:
            self._hdus.close()
        self._hdus = None


def from_cube(path: str, image, header, bands) -> ArraySource:
    """Return the source for a FITS cube.

    Parameters
    ----------
    path : str
        The file.
    image : ImageHDU
        The extension, of shape (n, ny, nx) or (n, n_bands, ny, nx).
    header : Header
        Its header.
    bands : sequence of str or None
        One name per channel.

    Returns
    -------
    ArraySource
        The file is mapped while it is read; object ids are running numbers.

    Raises
    ------
    ValueError
        If the number of bands disagrees, or the cube holds no image.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> from astroanomaly.data.planes import ImageHDU
    >>> from_cube("cube.fits", ImageHDU(0, "", (2, 8, 8)), Header(), None).bands
    ('image',)
    """
    n, n_bands = image.shape[0], 1 if len(image.shape) == 3 else image.shape[1]
    if len(image.shape) not in (3, 4) or n == 0:
        raise ValueError(
            f"{path} must hold a cube of shape (n, ny, nx) or (n, n_bands, ny, nx). "
            f"Received: {image.shape}."
        )
    names = channel_names(bands, n_bands, headers.band_name(header), path)
    ids = numbered(stem(path), n)
    return ArraySource(ids, names, range(n_bands), None, path, image.index, header)
