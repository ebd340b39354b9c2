"""Sersic galaxies with white noise, for the tests of morphology."""

import numpy as np
from scipy.special import gammaincinv

from astroanomaly import Cutouts

SIGMA = 1.0


def profile(radius, n, effective):
    """Sersic profile (Graham & Driver 2005, eq. 1) of unit brightness there."""
    b = gammaincinv(2 * n, 0.5)
    return np.exp(-b * ((radius / effective) ** (1 / n) - 1))


def galaxy(size, n, effective, peak, axis_ratio=1.0, shift=(0.0, 0.0), sigma=SIGMA):
    """Draw a Sersic profile, averaged over each pixel, with white noise."""
    fine = 11
    steps = (np.arange(size * fine) + 0.5) / fine - size / 2
    y, x = np.meshgrid(steps - shift[1], steps - shift[0], indexing="ij")
    image = profile(np.hypot(x, y / axis_ratio), n, effective)
    image = image.reshape(size, fine, size, fine).mean(axis=(1, 3))
    noise = np.random.default_rng(5).normal(0, sigma, image.shape)
    return peak * image / image.max() + noise


def cutouts_of(*images, **kwargs):
    return Cutouts(np.stack(images), **kwargs)
