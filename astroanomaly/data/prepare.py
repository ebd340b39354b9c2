"""From the pixels of a file to a finished cutout: scale, size, gaps, refusals."""

import math
from collections.abc import Sequence

import numpy as np

from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.resize import (
    background,
    crop_or_pad,
    resample,
    resampled_shape,
    same_scale,
)
from astroanomaly.data.units import how_to_merge
from astroanomaly.tables.flags import FLAG_NAN_FILLED, FLAG_PADDED

# A side after resampling; more is a slip in a pixel scale, and would fill the memory.
_MOST_PIXELS = 16_384
_NO_SCALE = "states no pixel scale, which pixel_scale= needs; give input_pixel_scale="


def expected(found, options: ReadOptions) -> tuple[tuple[int, int], float | None]:
    """Return the shape and the pixel scale that `prepare` will give an object.

    Parameters
    ----------
    found : sequence of tuple
        Shape (rows, columns) and pixel scale (arcsec or None) of each band's image.
    options : ReadOptions
        Size and scale wanted.

    Returns
    -------
    tuple of int
        Rows and columns.
    float or None
        Arcsec per pixel.

    Raises
    ------
    BadCutout
        If the object cannot be brought to that size and scale, or its bands differ.

    Examples
    --------
    >>> expected([((8, 8), 0.1)], ReadOptions(pixel_scale=0.2))
    ((4, 4), 0.2)
    """
    shapes = []
    for shape, native in found:
        scale, wanted = native or options.input_pixel_scale, options.pixel_scale
        if wanted is not None:
            if scale is None:
                raise BadCutout(_NO_SCALE)
            if not same_scale(scale, wanted):
                shape = resampled_shape(shape, wanted / scale, whole=True)
                if min(shape) < 1:
                    raise BadCutout(f'is smaller than one pixel of {wanted:g}"')
        if options.size is not None:
            if options.edge == "error" and any(
                n < size for n, size in zip(shape, options.size, strict=True)
            ):
                raise BadCutout(
                    f"is {_text(shape)} pixels, smaller than the size "
                    f'{_text(options.size)} asked for with edge="error"'
                )
            shape = options.size
        shapes.append(tuple(shape))
    for shape in shapes:
        if shape != shapes[0]:
            raise BadCutout(
                f"has bands of {_text(shapes[0])} and {_text(shape)} pixels; give size="
            )
    return shapes[0], options.pixel_scale or found[0][1]


def _text(shape) -> str:
    return f"{shape[0]}x{shape[1]}"


def prepare(
    raw: Cutout, options: ReadOptions, bands: Sequence[str] = ()
) -> tuple[np.ndarray, int]:
    """Make the finished cutout of one object.

    Parameters
    ----------
    raw : Cutout
        The object as its file has it.
    options : ReadOptions
        Size, scale and what to do with gaps.
    bands : sequence of str, optional
        The bands' names, for the reason why one of several cannot be used.

    Returns
    -------
    ndarray of shape (ny, nx, n_bands)
        Float32 without NaN: resampled, then cropped or padded at the centre, then
        filled with the local background. Resampling sums the flux of pixels, or
        averages a brightness per solid angle, whose zero point in `raw` then becomes
        that of the new pixel.
    int
        The bits FLAG_NAN_FILLED and FLAG_PADDED.

    Raises
    ------
    BadCutout
        If the object cannot be used: too small, other shape or scale than the
        rest, all NaN, constant, or NaN with ``nan="refuse"``.

    Examples
    --------
    >>> raw = Cutout([np.eye(8, dtype="f4")], [None])
    >>> prepare(raw, ReadOptions(size=(4, 4)))[0].shape
    (4, 4, 1)
    """
    flag, planes = 0, []
    wanted, reference = options.pixel_scale, options.scale
    for i, (plane, native) in enumerate(zip(raw.planes, raw.scales, strict=True)):
        scale, how, bits = native or options.input_pixel_scale, "sum", 0
        if wanted is not None and raw.units:
            how = how_to_merge(raw.units[i])
        try:
            # One per cent shifts the edge of a cutout of 100 pixels by half a pixel.
            if (
                wanted is None
                and scale
                and reference
                and abs(scale / reference - 1) > (0.01)
            ):
                raise BadCutout(
                    f'has pixels of {scale:.4g}" where the others have '
                    f'{reference:.4g}"; give pixel_scale= to resample all to one'
                )
            finished = plane
            if wanted is not None or options.size is not None:
                finished = _fit(plane, scale, options, how)
            # Minimum and maximum are NaN or infinite if any pixel is.
            lowest, highest = finished.min(), finished.max()
            if not (math.isfinite(lowest) and math.isfinite(highest)):
                finished, bits = _filled(plane, finished, scale, raw.outside, options)
            elif lowest == highest:
                raise BadCutout(f"constant: every pixel is {lowest:g}")
        except BadCutout as error:
            if len(raw.planes) == 1 or len(bands) < len(raw.planes):
                raise
            raise BadCutout(f"{error} (band {bands[i]})") from error
        planes.append(finished)
        flag |= bits
        if how == "mean" and raw.zero_points and not same_scale(scale, wanted):
            # The brightness stays, the area that it shines from does not.
            raw.zero_points[i] -= 5.0 * math.log10(wanted / scale)
    shape = options.shape or planes[0].shape
    for plane in planes:
        if plane.shape != shape:
            raise BadCutout(
                f"is {_text(plane.shape)} pixels where the others are {_text(shape)}; "
                "give size="
            )
    # A view where there is one band: its pixels are copied soon enough.
    one = len(planes) == 1
    return (planes[0][..., None] if one else np.stack(planes, axis=-1)), flag


def _filled(plane, finished, scale, outside, options) -> tuple[np.ndarray, int]:
    """Return an image with its gaps filled, and the bits of what was repaired."""
    # What the file did not have, the padding and what lay outside the mosaic, goes
    # the same way as the pixels went: NaN marks what was touched.
    inside = np.ones(plane.shape, np.float32)
    if outside is not None:
        inside[outside] = np.nan
    added = ~np.isfinite(_fit(inside, scale, options))
    if options.edge == "error" and added.any():
        raise BadCutout('reaches over the edge of the mosaic with edge="error"')
    bad = ~np.isfinite(finished)
    if bad.all():
        raise BadCutout("has no finite pixel: every pixel is NaN, infinite or masked")
    n_own = int((bad & ~added).sum())
    if n_own and options.nan == "refuse":
        raise BadCutout(f'has {n_own} NaN, infinite or masked pixels and nan="refuse"')
    filled = np.where(bad, np.float32(background(finished)), finished)
    if np.ptp(filled) == 0:
        raise BadCutout(f"constant: every pixel is {filled[0, 0]:g}")
    flag = FLAG_NAN_FILLED if n_own else 0
    return filled, flag | (FLAG_PADDED if added.any() else 0)


def _fit(plane, scale: float | None, options: ReadOptions, how: str = "sum"):
    """Return an image of the scale and the size wanted."""
    wanted, size = options.pixel_scale, options.size
    if wanted is not None:
        if scale is None:
            raise BadCutout(_NO_SCALE)
        if not same_scale(scale, wanted):
            factor = wanted / scale
            if min(plane.shape) < factor:
                raise BadCutout(
                    f'is {_text(plane.shape)} pixels, less than one of {wanted}"'
                )
            if how == "none":
                raise BadCutout(
                    "is in magnitudes or the like (BUNIT), which cannot be resampled; "
                    "leave out pixel_scale="
                )
            shape = resampled_shape(plane.shape, factor, whole=True)
            if max(shape) > _MOST_PIXELS:
                raise BadCutout(
                    f'would be {_text(shape)} pixels of {wanted:g}"; at most '
                    f"{_MOST_PIXELS} a side are made"
                )
            plane = resample(plane, factor, whole=True)
            if how == "mean":
                plane = plane / np.float32(factor**2)
    if size is None or plane.shape == size:
        return plane
    if options.edge == "error" and any(
        n < least for n, least in zip(plane.shape, size, strict=True)
    ):
        raise BadCutout(
            f"is {_text(plane.shape)} pixels, smaller than the size {_text(size)} "
            'asked for with edge="error"'
        )
    return crop_or_pad(plane, size)
