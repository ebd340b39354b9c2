"""Brightness and structure of small windows by position, without a network."""

import numpy as np
from scipy.fft import dctn

from astroanomaly.features.base import Features, check_images

# From the quartiles of the sky's pixels to a standard deviation.
_NORMAL = 1.349
# As in `Profiles`.
_BLOCK = 256


class Patches(Features):
    """The slowest cosine waves of overlapping windows, by position.

    Pixels are taken in units of the noise in the frame's outermost rows and columns,
    less their median, as ``asinh``; then each window has its cosine transform (type
    II, orthonormal), of which the waves with a frequency index below `order` are kept.
    A detector of patch-wise Gaussians (Defard et al. 2021) takes them by position.

    Parameters
    ----------
    size : int, optional
        Side of a window, pixels.
    stride : int, optional
        Step from one window to the next, pixels.
    order : int, optional
        Waves whose two frequency indices sum to less than this are kept: 6 for 3.

    Raises
    ------
    ValueError
        If a number is below 1, or the images are smaller than a window.

    References
    ----------
    Defard et al. 2021, ICPR, PaDiM (arXiv:2011.08785).

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(2, 32, 32, 1))
    >>> Patches().maps(images).shape
    (2, 7, 7, 6)
    """

    name = "patches"
    arguments = ("size", "stride", "order")

    def __init__(self, size: int = 8, stride: int = 4, order: int = 3) -> None:
        for name, value in (("size", size), ("stride", stride), ("order", order)):
            if int(value) != value or value < 1:
                raise ValueError(
                    f"`{name}` must be a whole number >= 1. Received: {value}"
                )
        self.size, self.stride, self.order = int(size), int(stride), int(order)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Turn linear pixels into features by position (n, gy, gx, d)."""
        images = check_images(images)
        n, ny, nx, n_bands = images.shape
        if min(ny, nx) < self.size:
            raise ValueError(
                f"`images` must be at least as large as a window, {self.size} pixels. "
                f"Received: {ny} x {nx} pixels."
            )
        edge = np.ones((ny, nx), bool)
        edge[2:-2, 2:-2] = False
        waves = np.add.outer(np.arange(self.size), np.arange(self.size)) < self.order
        found = []
        for start in range(0, n, _BLOCK):
            part = np.asarray(images[start : start + _BLOCK], np.float64)
            low, sky, high = np.percentile(part[:, edge], (25, 50, 75), axis=1)
            # A frame without noise has windows in its own unit.
            noise = np.where(high > low, (high - low) / _NORMAL, 1.0)
            part = np.arcsinh((part - sky[:, None, None]) / noise[:, None, None])
            window = (self.size, self.size)
            views = np.lib.stride_tricks.sliding_window_view(part, window, (1, 2))
            views = views[:, :: self.stride, :: self.stride]
            found.append(dctn(views, axes=(-2, -1), norm="ortho")[..., waves])
        if not found:
            return self.maps(np.zeros((1, *images.shape[1:])))[:0]
        maps = np.concatenate(found)
        return maps.reshape(*maps.shape[:3], -1)

    def __call__(self, images):
        """Return all positions' features in one row (n, d)."""
        maps = self.maps(images)
        return maps.reshape(len(maps), int(np.prod(maps.shape[1:])))
