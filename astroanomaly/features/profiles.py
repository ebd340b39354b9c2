"""Light, scatter and asymmetry by ring: features that no turn of an object changes."""

import numpy as np

from astroanomaly.features.base import Features, check_images

# Rings are narrower in the middle, where a galaxy's light changes fastest.
_POWER = 1.5
# From a median absolute deviation to a standard deviation.
_NORMAL = 1.4826
# Images in float64 at a time: 256 of 64 x 64 pixels are 8 MB a band.
_BLOCK = 256


class Profiles(Features):
    """Rotation-invariant profiles: three numbers for every ring and band.

    The median of the pixels beyond the largest circle in the frame is taken as the
    sky of a band and subtracted. Then, summed over each ring of pixels I, with their
    mean m and with J the image turned by 180 degrees,

    - the light, ``sum(I) / F``,
    - the scatter, ``sqrt(sum((I - m)^2)) / F``,
    - the asymmetry, ``sum(|I - J|) / (2 F)``,

    where F is the flux of all bands within the circle, or its noise where that is
    larger. The pixels beyond the circle are one more ring.

    Parameters
    ----------
    n_rings : int, optional
        Rings within the circle; those that hold no pixel are left out.

    Raises
    ------
    ValueError
        If `n_rings` is below 1.

    Notes
    -----
    Turns by 90 degrees and reflections change nothing (of square images). An image
    with a NaN pixel has NaN features, and no other one has.

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(5, 32, 32, 1))
    >>> Profiles()(images).shape
    (5, 27)
    """

    name = "profiles"
    arguments = ("n_rings",)

    def __init__(self, n_rings: int = 8) -> None:
        if int(n_rings) != n_rings or n_rings < 1:
            raise ValueError(
                f"`n_rings` must be a whole number >= 1. Received: {n_rings}"
            )
        self.n_rings = int(n_rings)

    def rings(self, ny: int, nx: int) -> np.ndarray:
        """Return the ring of every pixel, from 0 in the middle; the last is beyond."""
        y, x = np.indices((ny, nx))
        radius = np.hypot(y - (ny - 1) / 2, x - (nx - 1) / 2) / (min(ny, nx) / 2)
        edges = np.linspace(0, 1, self.n_rings + 1) ** _POWER
        ring = np.digitize(radius, edges[1:], right=True)
        return np.unique(ring, return_inverse=True)[1].reshape(ny, nx)

    def __call__(self, images):
        """Turn linear pixels (n, ny, nx, n_bands) into features (n, d)."""
        images = check_images(images)
        ring = self.rings(*images.shape[1:3]).ravel()
        # Sums over runs of one sorted axis: each image's do not depend on the others.
        order = np.argsort(ring, kind="stable")
        counts = np.bincount(ring)
        starts = np.r_[0, np.cumsum(counts)[:-1]]
        beyond = ring == ring.max()

        def sums(values):
            return np.add.reduceat(values[..., order], starts, axis=-1)

        found = [np.empty((0, 3 * len(counts) * images.shape[3]))]
        for start in range(0, len(images), _BLOCK):
            part = images[start : start + _BLOCK]
            flat = np.moveaxis(part, -1, 1).reshape(len(part), part.shape[3], -1)
            flat = flat.astype(np.float64)
            corners = flat[..., beyond]
            sky = np.median(corners, axis=-1, keepdims=True)
            noise = _NORMAL * np.median(np.abs(corners - sky), axis=-1)
            flat = flat - sky
            light = sums(flat)
            flux = light[..., :-1].sum(axis=(1, 2))
            # A faint object's flux may be 0, or below.
            least = np.sqrt((noise**2).sum(axis=1) * np.count_nonzero(~beyond))
            flux = np.maximum(np.maximum(flux, least), np.finfo(float).tiny)
            mean = (light / counts)[..., ring]
            scatter = np.sqrt(sums((flat - mean) ** 2))
            asymmetry = sums(np.abs(flat - flat[..., ::-1])) / 2
            rows = np.stack([light, scatter, asymmetry], axis=1)
            found.append((rows / flux[:, None, None, None]).reshape(len(part), -1))
        return np.concatenate(found)
