"""Scale an image of large pixels up to small ones: NISP's 0.3" to VIS's 0.1"."""

import numpy as np


def enlarge(image: np.ndarray, factor: float, size: int) -> np.ndarray:
    """Scale an image up by linear interpolation; the flux is conserved.

    The brightness between the centres of two pixels is interpolated along each axis,
    and an output pixel gets its share of the flux, ``1 / factor^2``. Both images have
    the same centre; what the output does not reach is cut off, and beyond the outermost
    centres it has the brightness of the edge.

    `image` (n, n): flux per pixel. An output pixel next to a NaN or infinite pixel is
    NaN; `factor`: size of an input pixel in output pixels, at least 1; `size`: side of
    the output, pixels. Returns (size, size): flux per output pixel, the dtype of
    `image` (float64 for whole numbers).

    >>> enlarge(np.full((2, 2), 9.0), 3.0, 6)[0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if not 1 <= factor < np.inf:
        raise ValueError(f"`factor` must be at least 1. Received: factor={factor}.")
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(
            f"`image` must be a square of pixels. Received: shape {image.shape}."
        )
    # Not scipy.ndimage.zoom(grid_mode=True): it differs in the last digit, spoils 36
    # pixels where a NaN touches 25, and cannot cut the output to `size`.
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(float)
    place = (np.arange(size) - (size - 1) / 2) / float(factor) + (len(image) - 1) / 2
    # Rounding must not let a NaN reach a pixel that it does not touch.
    place = np.where(np.abs(place - np.round(place)) < 1e-9, np.round(place), place)
    place = np.clip(place, 0, len(image) - 1)
    # The input pixel below each output pixel, and the share of the one above it.
    low = np.floor(place).astype(int)
    share = place - low
    out = _along_rows(image.astype(float) / factor**2, low, share)
    return np.ascontiguousarray(_along_rows(out.T, low, share).T, dtype=dtype)


def _along_rows(image, low, share):
    """Interpolate between rows; a row without weight may hold NaN."""
    share = share[:, None]
    upper = np.where(share == 0, 0.0, image[np.minimum(low + 1, len(image) - 1)])
    return (1 - share) * image[low] + share * upper
