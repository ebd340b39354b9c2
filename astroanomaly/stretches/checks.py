"""What a stretch is told, checked: numbers per band, ranges, images."""

import numpy as np

from astroanomaly.data.cutouts import Cutouts


def per_band(values) -> tuple[float, ...] | None:
    """Return one number or several as a tuple, to be kept in a file; None as None."""
    if values is None:
        return None
    return tuple(float(v) for v in np.atleast_1d(np.asarray(values, np.float64)))


def check_sigmas(sigmas, per_image: bool) -> tuple[float, float] | None:
    """Check a range in standard deviations of an image's own sky.

    Raises
    ------
    ValueError
        If it is not two rising numbers, or every image has the same range.
    """
    if sigmas is None:
        return None
    found = per_band(sigmas)
    if not per_image or len(found) != 2 or not found[0] < found[1]:
        raise ValueError(
            "`sigmas` must be two rising numbers, and `per_image` True. "
            f"Received: sigmas={sigmas}, per_image={per_image}"
        )
    return found


def pixels_of(images) -> np.ndarray:
    """Return the pixels of cutouts or of an array.

    Raises
    ------
    ValueError
        If there is no image, or the shape is not (n, ny, nx, n_bands).
    """
    pixels = images.images if isinstance(images, Cutouts) else np.asarray(images)
    if pixels.ndim != 4 or len(pixels) == 0:
        raise ValueError(
            "`images` must have shape (n, ny, nx, n_bands) with n >= 1. "
            f"Received: shape {pixels.shape}"
        )
    return pixels


def finite_of(pixels: np.ndarray, band: int) -> np.ndarray:
    """Return the finite pixels of a band.

    Raises
    ------
    ValueError
        If there are no two different ones.
    """
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0 or finite.min() == finite.max():
        raise ValueError(
            f"`images` must hold different finite values in every band; band {band} "
            f"holds {'none' if finite.size == 0 else f'only {finite[0]}'}."
        )
    return finite
