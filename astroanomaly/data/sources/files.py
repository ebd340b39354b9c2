"""Objects that lie in FITS files of their own: one file, or one per band."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from astroanomaly.data import headers
from astroanomaly.data.options import BadCutout, Cutout
from astroanomaly.data.planes import (
    ImageHDU,
    candidates,
    list_images,
    open_fits,
    pixels,
    read_plain,
)

SINGLE, EXTENSIONS, FILES, PLANES = "single", "extensions", "files", "planes"


@dataclass(frozen=True)
class Layout:
    """Where the bands of one object are.

    Parameters
    ----------
    kind : str
        "single" (one image per file), "extensions" (one per band), "files" (one
        file per band) or "planes" (one image of shape (bands, ny, nx)).
    bands : tuple of str
        The names, one per channel.
    extensions : tuple of str
        The extension of each band, for "extensions".
    planes : tuple of int
        The plane of each band, for "planes".
    check_filter : bool
        Refuse a file whose header states another filter than the band's name.
    """

    kind: str
    bands: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    planes: tuple[int, ...] = ()
    check_filter: bool = False

    def select(self, index: list[int]) -> "Layout":
        """Return the layout of the chosen bands, in the order of `index`."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in index),
            extensions=tuple(self.extensions[i] for i in index if self.extensions),
            planes=tuple(self.planes[i] for i in index if self.planes),
        )


def find_image(images: list[ImageHDU], name: str, what: str) -> ImageHDU:
    """Return the extension of a name.

    Parameters
    ----------
    images : list of ImageHDU
        As from `list_images`.
    name : str
        EXTNAME; capitals do not matter, as in FITS.
    what : str
        What it is for, for the message.

    Returns
    -------
    ImageHDU
        The first of that name.

    Raises
    ------
    BadCutout
        If there is none.

    Examples
    --------
    >>> find_image([ImageHDU(1, "DQ", (8, 8))], "dq", "the mask").index
    1
    """
    for image in images:
        if image.name.upper() == name.upper():
            return image
    present = ", ".join(i.name or str(i.index) for i in images)
    raise BadCutout(f"has no extension {name} ({what}); it has: {present}")


def only_image(images: list[ImageHDU]) -> ImageHDU:
    """Return the one image of a file.

    Parameters
    ----------
    images : list of ImageHDU
        As from `list_images`.

    Returns
    -------
    ImageHDU
        The only one that may be a band, or the only one named SCI.

    Raises
    ------
    BadCutout
        If there is none, or more than one.

    Examples
    --------
    >>> only_image([ImageHDU(0, "", (8, 8))]).index
    0
    """
    found = candidates(images)
    science = [image for image in found if image.name.upper() == "SCI"]
    if len(found) > 1 and len(science) == 1:
        found = science
    if len(found) > 1:
        names = ", ".join(image.name or str(image.index) for image in found)
        raise BadCutout(
            f"has {len(found)} image extensions ({names}) where one was expected; "
            'name those that are bands with bands= or band_pattern="{band}..."'
        )
    return found[0]


def find_images(images: list[ImageHDU], layout: Layout) -> list[ImageHDU]:
    """Return the extensions that a layout names.

    Parameters
    ----------
    images : list of ImageHDU
        As from `list_images`.
    layout : Layout
        Where the bands are.

    Returns
    -------
    list of ImageHDU
        One per band for "extensions", else the only image.

    Raises
    ------
    BadCutout
        If one is missing.

    Examples
    --------
    >>> find_images([ImageHDU(0, "", (8, 8))], Layout(SINGLE, ("H",)))[0].index
    0
    """
    if layout.kind != EXTENSIONS:
        return [only_image(images)]
    return [
        find_image(images, name, f"the band {band}")
        for name, band in zip(layout.extensions, layout.bands, strict=True)
    ]


def _shape_of(image: ImageHDU, dimensions: int) -> None:
    if len(image.shape) != dimensions:
        raise BadCutout(
            f"has an image of shape {image.shape} where {dimensions} axes were expected"
        )


class FileSource:
    """Objects in files of their own.

    Parameters
    ----------
    object_ids : list of str
        One per object.
    paths : list of tuple of str
        The files of each object: one, or one per band ("" = this band has none).
    layout : Layout
        Where the bands are.
    """

    in_workers = True

    def __init__(self, object_ids, paths, layout: Layout):
        self.object_ids = list(object_ids)
        self.paths = list(paths)
        self.layout = layout

    @property
    def bands(self) -> tuple[str, ...]:
        """The band names."""
        return self.layout.bands

    @property
    def files(self) -> list[str]:
        """The first file of each object, for the table."""
        return [next((p for p in paths if p), "") for paths in self.paths]

    def take(self, rows) -> "FileSource":
        """Return the source of the chosen objects only."""
        ids = [self.object_ids[i] for i in rows]
        return FileSource(ids, [self.paths[i] for i in rows], self.layout)

    def select(self, index: list[int]) -> "FileSource":
        """Return the source that reads only the chosen bands."""
        paths = self.paths
        if self.layout.kind == FILES:
            paths = [tuple(p[i] for i in index) for p in paths]
        return FileSource(self.object_ids, paths, self.layout.select(index))

    def signature(self) -> list[str]:
        """Return one text per object: its files and their sizes in bytes."""
        return [
            "|".join(f"{Path(p).name}:{_size(p)}" for p in paths)
            for paths in self.paths
        ]

    def read(self, row: int, mask_extension: str | None = None) -> Cutout:
        """Read one object.

        Parameters
        ----------
        row : int
            Which one.
        mask_extension : str, optional
            Pixels that are not 0 there become NaN; "{band}" in it is replaced by
            the band's name.

        Returns
        -------
        Cutout
            One plane per band.

        Raises
        ------
        BadCutout
            If a file is damaged or lacks a band.
        """
        layout, paths = self.layout, self.paths[row]
        if layout.kind == FILES:
            return _read_files(paths, layout, mask_extension)
        if layout.kind == SINGLE:
            parts = _read_single(paths[0], layout.bands[0], mask_extension)
            planes, masks, found_headers = ([part] for part in parts)
        else:
            planes, masks, found_headers = _read_images(
                paths[0], layout, mask_extension
            )
        if layout.check_filter:
            name, band = headers.band_name(found_headers[0]), layout.bands[0]
            if name not in (band, headers.NO_FILTER):
                raise BadCutout(
                    f"is of the filter {name} where the others are of {band}; tell the "
                    'bands apart with band_pattern="{object_id}_{band}.fits" or the '
                    "like"
                )
        if layout.kind == PLANES:
            cube, n = planes[0], len(layout.planes)
            if max(layout.planes) >= len(cube):
                raise BadCutout(
                    f"has {len(cube)} planes where the bands {list(layout.bands)} were "
                    "expected"
                )
            planes = [cube[i] for i in layout.planes]
            masks, found_headers = masks * n, found_headers * n
        return _raw(planes, masks, found_headers)

    def release(self) -> None:
        """Close what `read` left open: nothing."""


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def _mask(hdus, images, name: str | None, band: str, shape):
    if name is None:
        return None
    image = find_image(images, name.replace("{band}", band), "the mask")
    mask = pixels(hdus[image.index]) != 0
    if mask.shape != shape:
        raise BadCutout(
            f"has a mask {image.name} of shape {mask.shape} for an image of {shape}"
        )
    return mask


def _read_single(path: str, band: str, mask_extension):
    """Return pixels, mask and header of the only image of a file."""
    found = None if mask_extension else read_plain(path)
    if found is not None:
        plane, header = found
        if min(plane.shape) > 1:
            return plane, None, header
    with open_fits(path) as hdus:
        images = list_images(hdus)
        image = only_image(images)
        _shape_of(image, 2)
        plane = pixels(hdus[image.index])
        mask = _mask(hdus, images, mask_extension, band, plane.shape)
        return plane, mask, headers.inherited(hdus, image.index)


def _read_images(path: str, layout: Layout, mask_extension):
    """Return pixels, masks and headers of the images that a layout names."""
    with open_fits(path) as hdus:
        images = list_images(hdus)
        found = find_images(images, layout)
        for image in found:
            _shape_of(image, 3 if layout.kind == PLANES else 2)
        planes = [pixels(hdus[image.index]) for image in found]
        masks = [
            _mask(hdus, images, mask_extension, band, plane.shape[-2:])
            for band, plane in zip(layout.bands, planes, strict=False)
        ]
        return planes, masks, [headers.inherited(hdus, i.index) for i in found]


def _read_files(paths, layout: Layout, mask_extension) -> Cutout:
    planes, masks, found_headers = [], [], []
    for path, band in zip(paths, layout.bands, strict=True):
        if not path:
            raise BadCutout(f"has no file for the band {band}")
        try:
            plane, mask, header = _read_single(path, band, mask_extension)
        except BadCutout as error:
            raise BadCutout(f"{error} (band {band}, file {Path(path).name})") from error
        planes.append(plane)
        masks.append(mask)
        found_headers.append(header)
    return _raw(planes, masks, found_headers)


def _raw(planes, masks, found_headers) -> Cutout:
    for plane, mask in zip(planes, masks, strict=True):
        if mask is not None:
            plane[mask] = np.nan
    own = [headers.own(header) for header in found_headers]
    ny, nx = planes[0].shape
    ra, dec = headers.sky_position(own[0], (nx - 1) / 2, (ny - 1) / 2)
    return Cutout(
        planes,
        [headers.pixel_scale(header) for header in own],
        ra if math.isfinite(ra) else math.nan,
        dec if math.isfinite(dec) else math.nan,
        [headers.unit(header) for header in found_headers],
        [headers.zero_point(header) for header in found_headers],
    )
