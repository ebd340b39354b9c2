"""From the pixels of a file to a finished cutout: scale, size, gaps, refusals."""

import math
from dataclasses import dataclass, field

import numpy as np

from astroanomaly.data.planes import BadCutout
from astroanomaly.data.resize import background, crop_or_pad, resample, same_scale
from astroanomaly.tables.flags import FLAG_NAN_FILLED, FLAG_PADDED


@dataclass(frozen=True)
class Settings:
    """What the caller asked of the reader; each worker process gets a copy.

    Parameters
    ----------
    size : tuple of int, optional
        Rows and columns wanted.
    pixel_scale : float, optional
        Pixel size wanted, arcsec.
    input_pixel_scale : float, optional
        Pixel size of files that state none, arcsec.
    edge : str
        "pad" or "error".
    nan : str
        "fill" or "refuse".
    mask_extension : str, optional
        Name of the extension whose pixels other than 0 are bad.
    shape : tuple of int, optional
        Rows and columns every cutout must come out with.
    scale : float, optional
        Pixel size every file must have when none is asked for, arcsec.
    """

    size: tuple[int, int] | None = None
    pixel_scale: float | None = None
    input_pixel_scale: float | None = None
    edge: str = "pad"
    nan: str = "fill"
    mask_extension: str | None = None
    shape: tuple[int, int] | None = None
    scale: float | None = None


@dataclass
class RawCutout:
    """One object as its file has it.

    Parameters
    ----------
    planes : list of ndarray of shape (ny, nx)
        One image per band, float32; masked pixels are NaN.
    scales : list of float or None
        Pixel size of each plane, arcsec.
    ra, dec : float
        Degrees; NaN when unknown.
    units : list of str
        One per band.
    zero_points : list of float
        One per band, mag; NaN when unknown.
    outside : ndarray of bool of shape (ny, nx), optional
        The pixels that lay outside the mosaic (they are NaN).
    """

    planes: list[np.ndarray]
    scales: list[float | None]
    ra: float = math.nan
    dec: float = math.nan
    units: list[str] = field(default_factory=list)
    zero_points: list[float] = field(default_factory=list)
    outside: np.ndarray | None = None


def _text(shape) -> str:
    return f"{shape[0]}x{shape[1]}"


def _rescale(plane: np.ndarray, scale: float | None, settings: Settings) -> np.ndarray:
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
        raise BadCutout(
            "states no pixel scale, which pixel_scale= needs; give input_pixel_scale="
        )
    if same_scale(scale, wanted):
        return plane
    factor = wanted / scale
    if min(plane.shape) < factor:
        raise BadCutout(f'is {_text(plane.shape)} pixels, less than one of {wanted}"')
    return resample(plane, factor, whole=True)


def _fit(plane: np.ndarray, settings: Settings) -> np.ndarray:
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


def _fill(plane: np.ndarray, added: np.ndarray, settings: Settings):
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


def _added(plane, native, scaled, outside, settings) -> np.ndarray:
    """Return which pixels of the finished plane the file did not have."""
    inside = np.ones(scaled.shape, np.float32)
    if outside is not None:
        # The same way as the pixels went: NaN marks what was touched.
        inside = np.where(outside, np.float32(np.nan), np.ones_like(plane))
        inside = _rescale(inside, native, settings)
    return ~np.isfinite(_fit(inside, settings))


def _one_plane(plane, native, raw, settings) -> tuple[np.ndarray, int]:
    scaled = _rescale(plane, native, settings)
    fitted = _fit(scaled, settings)
    if np.isfinite(fitted).all():
        lowest = fitted.min()
        if lowest == fitted.max():
            raise BadCutout(f"constant: every pixel is {lowest:g}")
        return fitted, 0
    added = _added(plane, native, scaled, raw.outside, settings)
    if settings.edge == "error" and added.any():
        raise BadCutout('reaches over the edge of the mosaic with edge="error"')
    filled, repaired = _fill(fitted, added, settings)
    if np.ptp(filled) == 0:
        raise BadCutout(f"constant: every pixel is {filled[0, 0]:g}")
    flag = FLAG_NAN_FILLED if repaired else 0
    return filled, flag | (FLAG_PADDED if added.any() else 0)


def prepare(raw: RawCutout, settings: Settings) -> tuple[np.ndarray, int]:
    """Make the finished cutout of one object.

    Parameters
    ----------
    raw : RawCutout
        The object as its file has it.
    settings : Settings
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
    >>> raw = RawCutout([np.eye(8, dtype="f4")], [None])
    >>> prepare(raw, Settings(size=(4, 4)))[0].shape
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
