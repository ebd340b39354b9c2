"""Crop, pad and resample images; fill what is missing from the background."""

import math
from functools import lru_cache

import numpy as np

# Differences of pixel scale below this change no pixel by a tenth over 128.
_SAME_SCALE = 1e-3
# Not astropy.stats.sigma_clipped_stats: with "mad_std" it gives the same bits and takes
# twice as long (1.2 ms and 0.57 ms for a cutout of 64x64 pixels).
_CLIP_ROUNDS = 3
_CLIP_SIGMA = 3.0
_MAD_TO_SIGMA = 1.4826


@lru_cache(maxsize=64)
def overlap_matrix(n_in: int, step: float, n_out: int) -> np.ndarray:
    """Return the share of each input pixel that falls into each output pixel.

    Both axes have the same centre. Along one axis the input pixels are intervals
    of length 1 and the output pixels intervals of length `step`; an element is the
    length that the two share.

    Parameters
    ----------
    n_in, n_out : int
        Numbers of pixels.
    step : float
        Size of an output pixel in input pixels.

    Returns
    -------
    ndarray of shape (n_out, n_in)
        A column sums to 1 where the output covers that input pixel.

    Examples
    --------
    >>> overlap_matrix(4, 2.0, 2).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    """
    edges_in = np.arange(n_in + 1) - n_in / 2
    edges_out = (np.arange(n_out + 1) - n_out / 2) * step
    low = np.maximum(edges_out[:-1, None], edges_in[None, :-1])
    high = np.minimum(edges_out[1:, None], edges_in[None, 1:])
    matrix = np.clip(high - low, 0.0, None)
    matrix[matrix < 1e-12] = 0.0
    matrix.flags.writeable = False
    return matrix


def resampled_shape(shape, factor: float, whole: bool) -> tuple[int, int]:
    """Return the shape that `resample` gives an image.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    factor : float
        Size of an output pixel in input pixels.
    whole : bool
        See `resample`.

    Returns
    -------
    tuple of int
        Rows and columns; 0 where no output pixel fits.

    Examples
    --------
    >>> resampled_shape((5, 4), 2.0, whole=True)
    (2, 2)
    """
    rounding = math.floor if whole else math.ceil
    # A factor that went through arcsec is off a whole number by some 1e-12.
    slack = 1e-6 if whole else -1e-6
    rows, columns = (int(rounding(n / factor + slack)) for n in shape)
    return rows, columns


def resample(image: np.ndarray, factor: float, whole: bool = False) -> np.ndarray:
    """Resample an image to pixels `factor` times as large; the flux is conserved.

    Every input pixel is a square of even brightness whose flux is shared among the
    output pixels by area: ``out = R_y image R_x^T`` with the overlap matrices of
    the two axes. Both images have the same centre.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Flux per pixel. An output pixel that touches a NaN or infinite pixel is NaN.
    factor : float
        Size of an output pixel in input pixels, above 0.
    whole : bool
        True keeps only the output pixels that lie inside the image; False (the
        default) adds those at the edge that the image covers in part, so that the
        sum of the image stays what it was.

    Returns
    -------
    ndarray of shape (my, mx)
        Flux per output pixel, the dtype of `image` (float64 for whole numbers).

    Raises
    ------
    ValueError
        If `factor` is not above 0, or no output pixel fits into the image.

    Examples
    --------
    >>> resample(np.ones((4, 4)), 2.0).tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    if not factor > 0 or not math.isfinite(factor):
        raise ValueError(f"`factor` must be a number above 0. Received: {factor}.")
    shape = resampled_shape(image.shape, factor, whole)
    if min(shape) < 1:
        raise ValueError(
            f"A pixel {factor:g} times as large does not fit into the image. "
            f"Received: an image of shape {image.shape}."
        )
    rows, columns = (
        overlap_matrix(n, float(factor), m)
        for n, m in zip(image.shape, shape, strict=True)
    )
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(float)
    bad = ~np.isfinite(image)
    if not bad.any():
        return (rows @ image.astype(float) @ columns.T).astype(dtype)
    out = rows @ np.where(bad, 0.0, image).astype(float) @ columns.T
    out[rows @ bad.astype(float) @ columns.T > 1e-9] = np.nan
    return out.astype(dtype)


def same_scale(first: float, second: float) -> bool:
    """Tell whether two pixel scales agree to one part in a thousand.

    Parameters
    ----------
    first, second : float
        Arcsec per pixel.

    Returns
    -------
    bool
        True when resampling from one to the other would change nothing to see.

    Examples
    --------
    >>> same_scale(0.03, 0.03000001)
    True
    """
    return abs(first / second - 1.0) < _SAME_SCALE


def crop_or_pad(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut the centre of an image, and surround it with NaN where it is too small.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Any float image.
    size : tuple of int
        The shape wanted, (rows, columns).

    Returns
    -------
    ndarray of shape `size`
        The centre of the image: pixel ``n // 2`` lies on pixel ``size // 2``.

    Examples
    --------
    >>> crop_or_pad(np.ones((2, 3)), (2, 1)).shape
    (2, 1)
    """
    pairs = list(zip(image.shape, size, strict=True))
    if any(have < want for have, want in pairs):
        before = [max(want // 2 - have // 2, 0) for have, want in pairs]
        total = [max(want - have, 0) for have, want in pairs]
        widths = [(b, t - b) for b, t in zip(before, total, strict=True)]
        image = np.pad(image, widths, constant_values=np.nan)
    y, x = (n // 2 - want // 2 for n, want in zip(image.shape, size, strict=True))
    return image[y : y + size[0], x : x + size[1]]


def background(image: np.ndarray) -> float:
    """Return the level of the empty sky around an object.

    The median of the finite pixels in a border one eighth of the image wide,
    without those more than 3 robust standard deviations (1.4826 times the median
    absolute deviation) from it, three times over. When fewer than a quarter of
    the border pixels are finite, all finite pixels of the image are used.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        NaN and infinite pixels are left out.

    Returns
    -------
    float
        The level; NaN when no pixel is finite.

    Examples
    --------
    >>> background(np.full((16, 16), 2.0))
    2.0
    """
    width = max(1, min(image.shape) // 8)
    inner = np.zeros(image.shape, bool)
    inner[width:-width, width:-width] = True
    finite = np.isfinite(image)
    values = image[finite & ~inner]
    if values.size < 0.25 * np.count_nonzero(~inner):
        values = image[finite]
    if values.size == 0:
        return math.nan
    for _ in range(_CLIP_ROUNDS):
        middle = np.median(values)
        distance = np.abs(values - middle)
        keep = distance <= _CLIP_SIGMA * _MAD_TO_SIGMA * np.median(distance)
        # A spread of 0 (whole counts) would keep the middle alone: stop there.
        if keep.all() or keep.sum() < 0.5 * len(values):
            break
        values = values[keep]
    return float(np.median(values))
