"""Scoring that several studies share: all scores, and components as a model."""

from copy import copy

import numpy as np
from astropy.table import Table
from sklearn.decomposition import PCA


def stretched(stretch, cutouts) -> np.ndarray:
    """Return the stretched images of all cutouts, float32."""
    parts = [np.float32(stretch(chunk.images)) for chunk in cutouts.chunks(512)]
    return np.concatenate(parts)


def every_score(detector, cutouts) -> Table:
    """Return every score of a detector whose noise is measured, in the set's order.

    Columns `mse`, `wasserstein`, `whitened`, `orthogonal` and the others.
    """
    # The Wasserstein score is computed only where it ranks.
    every = copy(detector)
    every.score_name = "wasserstein"
    blocks = [rows for rows, _ in every.score_blocks(cutouts)]
    table = Table()
    for name in blocks[0].colnames:
        if name.endswith("_score") and name != "anomaly_score":
            values = np.concatenate([np.asarray(rows[name]) for rows in blocks])
            table[name.removesuffix("_score")] = values
    return table


class Components:
    """Principal components as a model that reconstructs.

    `astroanomaly.scores.baseline_scores` has only their squared error; as a model
    they get every score of a detector.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Stretched training images.
    n : int
        Components; at most half as many as images.
    seed : int
        Seed of the randomized solver.
    """

    def __init__(self, images: np.ndarray, n: int, seed: int):
        self.image_shape = images.shape[1:]
        flat = images.reshape(len(images), -1)
        n = min(n, len(flat) // 2)
        self.pca = PCA(n, svd_solver="randomized", random_state=seed).fit(flat)

    def reconstruct(self, images):
        """Return the images rebuilt from their components."""
        drawn = self.pca.inverse_transform(self.features(images))
        return drawn.reshape(-1, *self.image_shape).astype(np.float32)

    def features(self, images):
        """Return the weights of the components."""
        return self.pca.transform(np.asarray(images).reshape(len(images), -1))
