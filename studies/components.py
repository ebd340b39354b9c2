"""Principal components as a model, for a detector to score with."""

import numpy as np
from sklearn.decomposition import PCA


class Components:
    """Principal components as a model that reconstructs.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Stretched training images.
    n : int
        Components; fewer where there are fewer images.
    seed : int
        Of the randomized solver.
    """

    def __init__(self, images: np.ndarray, n: int, seed: int):
        self.image_shape = images.shape[1:]
        flat = images.reshape(len(images), -1)
        n = min(n, len(flat) // 2)
        self.pca = PCA(n, svd_solver="randomized", random_state=seed).fit(flat)

    def reconstruct(self, images):
        """Return the images as their components draw them."""
        drawn = self.pca.inverse_transform(self.features(images))
        return drawn.reshape(-1, *self.image_shape).astype(np.float32)

    def features(self, images):
        """Return the weights of the components."""
        return self.pca.transform(np.asarray(images).reshape(len(images), -1))
