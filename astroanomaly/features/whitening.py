"""Mean and shrunk covariance of features, and features in units of them."""

import numpy as np
from sklearn.covariance import LedoitWolf


def gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (d,) and W (d, d) of the shrunk covariance, W W' its inverse."""
    center, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    # Shrinking toward a multiple of 1 needs numbers of one unit.
    fitted = LedoitWolf(assume_centered=True).fit((features - center) / scale)
    covariance = fitted.covariance_
    if not covariance.any():
        covariance = np.eye(len(center))
    # Numbers that never varied would have no inverse.
    covariance = covariance + 1e-9 * np.eye(len(center))
    return center, np.linalg.cholesky(np.linalg.inv(covariance)) / scale[:, None]


def whitened(features: np.ndarray, center, whitening) -> np.ndarray:
    """Return features (..., d) from the mean, in standard deviations."""
    # Not `@`, whose rounding depends on how many rows there are.
    return np.einsum("...i,ij->...j", features - center, whitening)
