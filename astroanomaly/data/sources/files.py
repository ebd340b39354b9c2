"""Objects that lie in FITS files of their own: one file, or one per band."""

import math
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from astroanomaly.data.bytes import MemoryFile
from astroanomaly.data.filters import NO_FILTER, plane_names
from astroanomaly.data.fits import FitsFile, ImageHDU, candidates, check_room
from astroanomaly.data.masks import bad_pixels
from astroanomaly.data.options import (
    MAX_BYTES,
    BadCutout,
    Cutout,
    ReadOptions,
    mask_name,
)
from astroanomaly.data.prepare import expected
from astroanomaly.data.roles import role_of_file

# Files of a survey have a kind or two of headers; all that is kept is small.
_MOST_KINDS = 256

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
    filters : tuple of str
        The filter that the header of each band must state if it states one; "" for
        any. Without them every filter is taken.
    names : tuple of str
        For "planes", the bands of all planes as the first file's header has them.
    check_role : bool
        Refuse a file that is a weight map or the like, by its name or its header.
    """

    kind: str
    bands: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    planes: tuple[int, ...] = ()
    filters: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    check_role: bool = False

    def select(self, index: list[int]) -> "Layout":
        """Return the layout of the chosen bands, in the order of `index`."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in index),
            extensions=tuple(self.extensions[i] for i in index if self.extensions),
            planes=tuple(self.planes[i] for i in index if self.planes),
            filters=tuple(self.filters[i] for i in index if self.filters),
        )


def labels(images: list[ImageHDU]) -> list[str]:
    """Return the names of extensions, with EXTVER where several have one name.

    Parameters
    ----------
    images : list of ImageHDU
        As `FitsFile` lists them.

    Returns
    -------
    list of str
        The number of an extension where it has no name.

    Examples
    --------
    >>> labels([ImageHDU(1, "SCI", (8, 8)), ImageHDU(4, "SCI", (8, 8), "", 2)])
    ['SCI,1', 'SCI,2']
    """
    counts = Counter(image.name.upper() for image in images)
    return [
        f"{image.name},{image.version}"
        if image.name and counts[image.name.upper()] > 1
        else image.name or str(image.index)
        for image in images
    ]


def find_image(images: list[ImageHDU], name: str, what: str) -> ImageHDU:
    """Return the extension of a name.

    Parameters
    ----------
    images : list of ImageHDU
        As `FitsFile` lists them.
    name : str
        EXTNAME, also with EXTVER, "SCI,2"; capitals do not matter, as in FITS.
    what : str
        What it is for, for the message.

    Returns
    -------
    ImageHDU
        The only one of that name.

    Raises
    ------
    BadCutout
        If there is none, or more than one.

    Examples
    --------
    >>> find_image([ImageHDU(1, "DQ", (8, 8))], "dq", "the mask").index
    1
    """
    wanted, _, version = name.upper().partition(",")
    found = [image for image in images if image.name.upper() == name.upper()]
    if not found and version.strip().isdigit():
        found = [
            image
            for image in images
            if image.name.upper() == wanted and image.version == int(version)
        ]
    if len(found) == 1:
        return found[0]
    present = ", ".join(labels(images))
    if found:
        raise BadCutout(
            f"has {len(found)} extensions {name} ({what}), told apart by EXTVER as in "
            f"{name},2; it has: {present}"
        )
    raise BadCutout(f"has no extension {name} ({what}); it has: {present}")


def only_image(images: list[ImageHDU]) -> ImageHDU:
    """Return the one image of a file.

    Parameters
    ----------
    images : list of ImageHDU
        As `FitsFile` lists them.

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
    found = [image for image in images if not image.why_not] or candidates(images)
    science = [image for image in found if image.name.upper() == "SCI"]
    if len(found) > 1 and len(science) == 1:
        found = science
    if len(found) > 1:
        found = science or found
        raise BadCutout(
            f"has {len(found)} image extensions ({', '.join(labels(found))}) where one "
            "was expected; name those that are bands with bands= or band_pattern="
            '"{band}...", or read the file alone, where each is an object'
        )
    return found[0]


def find_images(images: list[ImageHDU], layout: Layout) -> list[ImageHDU]:
    """Return the extensions that a layout names.

    Parameters
    ----------
    images : list of ImageHDU
        As `FitsFile` lists them.
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


@dataclass(eq=False, repr=False)
class Looked(dict):
    """FITS files by path, closed: the headers of a file are read once.

    Parameters
    ----------
    max_bytes : int
        See `FitsFile`.
    """

    max_bytes: int = MAX_BYTES

    def __missing__(self, path: str) -> FitsFile:
        """Read the headers of a file; raise BadCutout if it is no FITS file."""
        self[path] = file = FitsFile(path, self.max_bytes)
        file.close()
        return file


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
    looked : Looked, optional
        The headers read so far.
    """

    in_workers = True

    def __init__(self, object_ids, paths, layout: Layout, looked: Looked | None = None):
        self.object_ids, self.paths = list(object_ids), list(paths)
        self.layout, self.bands = layout, layout.bands
        # The first file of each object, for the table.
        firsts = [next(filter(None, own), "") for own in self.paths]
        self.files = ["" if isinstance(p, MemoryFile) else p for p in firsts]
        # Headers found on the way are kept: a probe opens no file again.
        self._looked = looked
        # By the images of a file, which files with the same headers share.
        self._chosen: dict[tuple, list] = {}

    def take(self, rows) -> "FileSource":
        """Return the source of the chosen objects only."""
        # Without the headers: a worker process gets what it reads and no more.
        ids = [self.object_ids[i] for i in rows]
        return FileSource(ids, [self.paths[i] for i in rows], self.layout)

    def select(self, index: list[int]) -> "FileSource":
        """Return the source that reads only the chosen bands."""
        paths = self.paths
        if self.layout.kind == FILES:
            paths = [tuple(p[i] for i in index) for p in paths]
        return FileSource(
            self.object_ids, paths, self.layout.select(index), self._looked
        )

    def signature(self) -> list[str]:
        """Return one text per object: its files and their sizes in bytes."""
        return [
            "|".join(f"{os.path.basename(p)}:{size_of(p)}" for p in paths)
            for paths in self.paths
        ]

    def _parts(self, row: int) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each file of an object and its bands; name both in a BadCutout."""
        paths, bands = self.paths[row], self.bands
        if self.layout.check_role and (role := role_of_file(paths[0])):
            raise BadCutout(f"is {role} by its name, not an image of the sky")
        if self.layout.kind != FILES:
            yield paths[0], bands
            return
        for path, band in zip(paths, bands, strict=True):
            if not path:
                raise BadCutout(f"has no file for the band {band}")
            yield path, (band,)

    def _choose(self, images: list[ImageHDU], names, options: ReadOptions) -> list:
        """Return image, plane and mask of the bands `names` that a file holds."""
        key = (names, options.mask_extension, *images)
        if (known := self._chosen.get(key)) is not None:
            return known
        layout = self.layout
        found = (
            find_images(images, layout)
            if layout.kind == EXTENSIONS
            else [only_image(images)]
        )
        if layout.check_role and found[0].role:
            raise BadCutout(
                f"is {found[0].role} by its header, not an image of the sky"
            )
        for image, name in zip(found, names, strict=False):
            expected_band = layout.filters and layout.filters[layout.bands.index(name)]
            if expected_band and image.band not in (expected_band, NO_FILTER):
                raise BadCutout(
                    f"is of the filter {image.band} where the others are of "
                    f"{expected_band}; tell the bands apart with "
                    'band_pattern="{object_id}_{band}.fits" or the like'
                )
        if layout.names:
            other = plane_names(found[0].header, found[0].n_planes)
            if other not in (None, layout.names):
                raise BadCutout(
                    f"has the bands {', '.join(other)} where the others have "
                    f"{', '.join(layout.names)}"
                )
        planes = layout.planes or (0,) * len(found)
        if layout.kind == PLANES:
            check_axes(found[0], 3, max(planes) + 1)
            found = found * len(planes)
        else:
            for image in found:
                if len(image.shape) != 2:
                    check_axes(image, 2)
        masked = options.mask_extension
        chosen = [
            (image, k, masked and find_mask(images, image, name, options))
            for image, k, name in zip(found, planes, names, strict=True)
        ]
        if len(self._chosen) >= _MOST_KINDS:
            self._chosen.clear()
        self._chosen[key] = chosen
        return chosen

    def _named(self, error: BadCutout, path: str, names) -> BadCutout:
        """Return the error with file and band, where an object has a file per band."""
        if self.layout.kind != FILES:
            return error
        name = os.path.basename(path)
        return BadCutout(f"{error} (band {names[0]}, file {name})")

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        found = []
        if self._looked is None:
            self._looked = Looked(options.max_bytes)
        for path, names in self._parts(row):
            try:
                file = self._looked[path]
                for image, *_ in self._choose(file.images, names, options):
                    ny, nx = image.shape[-2:]
                    check_room(ny * nx, image.bitpix, options.max_bytes)
                    found.append((image.shape[-2:], file.position(image)[1]))
            except BadCutout as error:
                raise self._named(error, path, names) from error
        return expected(found, options)

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        planes, found, masked = [], [], 0.0
        for path, names in self._parts(row):
            file = None
            try:
                file = FitsFile(path, options.max_bytes)
                for image, k, mask in self._choose(file.images, names, options):
                    if mask is None:
                        planes.append(file.plane(image, k))
                    else:
                        plane, share = masked_plane(file, image, mask, options, k)
                        planes.append(plane)
                        masked = max(masked, share)
                    found.append((file, image))
            except BadCutout as error:
                raise self._named(error, path, names) from error
            finally:
                if file is not None:
                    file.close()
        return cutout_of(planes, found, masked)

    def release(self) -> None:
        """Close what `read` left open: nothing."""


def size_of(path: str) -> int | str:
    """Return a file's size in bytes, -1 where there is none, or it is far away."""
    if isinstance(path, MemoryFile):
        return f"{len(path.data)}-{zlib.crc32(path.data)}"
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def check_axes(image: ImageHDU, n_axes: int, n_planes: int = 1) -> None:
    """Raise BadCutout if an image has other axes, or fewer planes."""
    if len(image.shape) != n_axes:
        raise BadCutout(
            f"has an image of shape {image.shape} where {n_axes} axes were expected"
        )
    if image.n_planes < n_planes:
        raise BadCutout(
            f"has {image.n_planes} planes where {n_planes} or more were expected"
        )


def find_mask(images: list[ImageHDU], image: ImageHDU, band: str, options: ReadOptions):
    """Return the mask of an image that `mask_extension` names; None without one.

    Parameters
    ----------
    images : list of ImageHDU
        All images of the file.
    image : ImageHDU
        The one to be masked.
    band : str
        The name of its band, for "{band}" in `mask_extension`.
    options : ReadOptions
        With `mask_extension`.

    Returns
    -------
    ImageHDU or None
        Of the image's own EXTVER where several have the name.

    Raises
    ------
    BadCutout
        If the file has no such extension, or one of another shape.
    """
    if options.mask_extension is None:
        return None
    name = mask_name(options.mask_extension)[0].replace("{band}", band)
    # Of several masks of one name the one of the image's own version counts.
    same = [i for i in images if i.version == image.version]
    try:
        mask = find_image(same, name, "the mask")
    except BadCutout:
        mask = find_image(images, name, "the mask")
    if mask.shape not in (image.shape, image.shape[-2:]):
        raise BadCutout(
            f"has a mask {mask.name} of shape {mask.shape} for an image of shape "
            f"{image.shape}"
        )
    return mask


def masked_plane(
    file: FitsFile, image, mask, options: ReadOptions, k=0, rows=None, columns=None
) -> tuple[np.ndarray, float]:
    """Return pixels as `FitsFile.plane` does, NaN where the mask says they are bad.

    Parameters
    ----------
    file : FitsFile
        The open file.
    image, mask : ImageHDU
        The image and its mask, as from `find_mask`; None for no mask.
    options : ReadOptions
        With the planes of the mask that count, see `bad_pixels`.
    k : int
        Which plane; a mask of two axes holds for all.
    rows, columns : slice, optional
        The part; all by default.

    Returns
    -------
    ndarray of shape (ny, nx)
        Float32.
    float
        The share of the pixels that the mask took.
    """
    plane = file.plane(image, k, rows, columns)
    if mask is None:
        return plane, 0.0
    # A mask of two axes holds for every plane.
    k = k if mask.n_planes > 1 else 0
    found = file.plane(mask, k, rows, columns, bits=True)
    wanted = mask_name(options.mask_extension)[1]
    bad = bad_pixels(found, [mask.header, image.header], wanted)
    plane[bad] = np.nan
    return plane, float(bad.mean())


def cutout_of(
    planes: list[np.ndarray], found: list, masked: float = 0.0, in_sky: bool = True
) -> Cutout:
    """Return the record of one object: its pixels, and what their headers say.

    Parameters
    ----------
    planes : list of ndarray of shape (ny, nx)
        One per band.
    found : list of tuple
        The FitsFile of each, which may be closed, and its ImageHDU.
    masked : float
        The share of the pixels that a mask took.
    in_sky : bool
        Whether the first header's WCS is that of the object.

    Returns
    -------
    Cutout
        The position is that of the first band's centre.
    """
    (ra, dec), scale = found[0][0].position(found[0][1])
    return Cutout(
        planes,
        [scale, *(file.position(image)[1] for file, image in found[1:])],
        ra if in_sky else math.nan,
        dec if in_sky else math.nan,
        [image.unit for _, image in found],
        [image.zero_point for _, image in found],
        masked=masked,
    )
