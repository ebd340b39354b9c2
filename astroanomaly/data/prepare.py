"""From the pixels of a file to a finished cutout: scale, size, gaps, refusals."""

import numpy as np

from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.resize import (
    background,
    crop_or_pad,
    resample,
    resampled_shape,
    same_scale,
)
from astroanomaly.tables.flags import FLAG_NAN_FILLED, FLAG_PADDED

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


def _rescale(
    plane: np.ndarray, scale: float | None, settings: ReadOptions
) -> np.ndarray:
    scale = scale or settings.input_pixel_scale
    wanted = settings.pixel_scale
    if wanted is None:
        reference = settings.scale
        if scale and reference and abs(scale / reference - 1.0) > 0.01:
            raise BadCutout(
                f'has pixels of {scale:.4g}" where the others have {reference:.4g}"; '
                "give pixel_scale= to resample all to one"
            )
        return plane
    if scale is None:
        raise BadCutout(_NO_SCALE)
    if same_scale(scale, wanted):
        return plane
    factor = wanted / scale
    if min(plane.shape) < factor:
        raise BadCutout(f'is {_text(plane.shape)} pixels, less than one of {wanted}"')
    return resample(plane, factor, whole=True)


def _fit(plane: np.ndarray, settings: ReadOptions) -> np.ndarray:
    size = settings.size
    if size is None or plane.shape == size:
        return plane
    if settings.edge == "error" and any(
        n < wanted for n, wanted in zip(plane.shape, size, strict=True)
    ):
        raise BadCutout(
            f"is {_text(plane.shape)} pixels, smaller than the size {_text(size)} "
            'asked for with edge="error"'
        )
    return crop_or_pad(plane, size)


def _fill(plane: np.ndarray, added: np.ndarray, settings: ReadOptions):
    """Replace NaN and infinite pixels; tell whether any was the file's own."""
    bad = ~np.isfinite(plane)
    if not bad.any():
        return plane, False
    if bad.all():
        raise BadCutout("has no finite pixel: every pixel is NaN")
    own = bool((bad & ~added).any())
    if own and settings.nan == "refuse":
        count = int((bad & ~added).sum())
        raise BadCutout(f'has {count} NaN, infinite or masked pixels and nan="refuse"')
    return np.where(bad, np.float32(background(plane)), plane), own


def _one_plane(plane, native, raw, settings) -> tuple[np.ndarray, int]:
    scaled = _rescale(plane, native, settings)
    fitted = _fit(scaled, settings)
    if np.isfinite(fitted).all():
        lowest = fitted.min()
        if lowest == fitted.max():
            raise BadCutout(f"constant: every pixel is {lowest:g}")
        return fitted, 0
    # What the file did not have: the padding, and what lay outside the mosaic.
    inside = np.ones(scaled.shape, np.float32)
    if raw.outside is not None:
        # The same way as the pixels went: NaN marks what was touched.
        inside = np.where(raw.outside, np.float32(np.nan), np.ones_like(plane))
        inside = _rescale(inside, native, settings)
    added = ~np.isfinite(_fit(inside, settings))
    if settings.edge == "error" and added.any():
        raise BadCutout('reaches over the edge of the mosaic with edge="error"')
    filled, repaired = _fill(fitted, added, settings)
    if np.ptp(filled) == 0:
        raise BadCutout(f"constant: every pixel is {filled[0, 0]:g}")
    flag = FLAG_NAN_FILLED if repaired else 0
    return filled, flag | (FLAG_PADDED if added.any() else 0)


def prepare(raw: Cutout, settings: ReadOptions) -> tuple[np.ndarray, int]:
    """Make the finished cutout of one object.

    Parameters
    ----------
    raw : Cutout
        The object as its file has it.
    settings : ReadOptions
        Size, scale and what to do with gaps.

    Returns
    -------
    ndarray of shape (ny, nx, n_bands)
        Float32 without NaN: resampled, then cropped or padded at the centre, then
        filled with the local background.
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
    for plane, native in zip(raw.planes, raw.scales, strict=True):
        finished, bits = _one_plane(plane, native, raw, settings)
        planes.append(finished)
        flag |= bits
    shape = settings.shape or planes[0].shape
    for plane in planes:
        if plane.shape != shape:
            raise BadCutout(
                f"is {_text(plane.shape)} pixels where the others are {_text(shape)}; "
                "give size="
            )
    return np.stack(planes, axis=-1), flag
