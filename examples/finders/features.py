"""A dozen simple numbers of a frame's brightest galaxy: a floor for every finder."""

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from astroanomaly.stretches import sky_noise

# Apertures, arcsec: the core of a galaxy, its body, what may be a ring about it.
RADII = (0.6, 1.5, 3.6)
N_TREES = 300


def noise(images: np.ndarray) -> np.ndarray:
    """Return the sky's standard deviation of each band, of at most 256 images."""
    sample = np.asarray(images[:: -(-len(images) // 256)])
    return np.array([sky_noise(sample[..., b]) for b in range(sample.shape[3])])


def measure(images: np.ndarray, pixel_scale: float, sky: np.ndarray) -> np.ndarray:
    """Measure flux, color and concentration, band by band.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Linear pixels, the sky subtracted.
    pixel_scale : float
        Size of a pixel, arcsec.
    sky : ndarray of shape (n_bands,)
        Standard deviation of the sky's noise, which fluxes are counted in.

    Returns
    -------
    ndarray of shape (n, 8 * n_bands - 2)
        About the brightest place of the mean over bands: the flux within each
        radius and in the whole frame, core over body, the color (each band over the
        next) of core and of the ring; all but the concentration as asinh of the flux
        in units of the noise.
    """
    return np.stack([_one(image, pixel_scale, sky) for image in images])


def _one(image, pixel_scale, sky) -> np.ndarray:
    bright = np.asarray(image, np.float64) / sky
    smooth = uniform_filter(bright.mean(axis=2), 3)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    y, x = np.indices(smooth.shape)
    distance = pixel_scale * np.hypot(y - row, x - column)
    masks = [distance <= radius for radius in RADII]
    fluxes = [bright[mask].sum(axis=0) / mask.sum() ** 0.5 for mask in masks]
    ring = masks[2] & ~masks[1]
    outside = bright[ring].sum(axis=0) / ring.sum() ** 0.5
    whole = bright.sum(axis=(0, 1)) / smooth.size**0.5
    logs = [np.arcsinh(flux) for flux in (*fluxes, outside, whole)]
    body = np.maximum(bright[masks[1]].sum(axis=0), 1.0)
    concentration = bright[masks[0]].sum(axis=0) / body
    colors = [-np.diff(logs[0]), -np.diff(logs[3])]
    return np.concatenate([*logs, np.clip(concentration, -1, 2), *colors])


def classifiers(seed: int) -> dict:
    """Return the two that learn from labels and these numbers, by name."""
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
        ),
        "forest": RandomForestClassifier(
            N_TREES, class_weight="balanced", min_samples_leaf=3, random_state=seed
        ),
    }
