"""Scoring that several studies share: all scores, components, a forest."""

from collections.abc import Callable
from copy import copy

import numpy as np
from astropy.table import Table
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest


def stretched(stretch, *sets) -> np.ndarray:
    """Return the stretched images of all cutouts of some sets, float32."""
    # In chunks: the stretch of a whole set at once needs several times its memory.
    chunks = (chunk for cutouts in sets for chunk in cutouts.chunks(512))
    return np.concatenate([np.float32(stretch(chunk.images)) for chunk in chunks])


def every_score(detector, cutouts, wasserstein=True, more=()) -> Table:
    """Return every score of a detector whose noise is measured, in the set's order.

    `more` are further columns. The Wasserstein score is slow and may be left out.
    """
    every = copy(detector)
    if wasserstein:
        # It is computed only where it ranks.
        every.score_name = "wasserstein"
    blocks = [rows for rows, _ in every.score_blocks(cutouts)]
    names = [n for n in blocks[0].colnames if n.endswith("_score")]
    names = [n for n in names if n != "anomaly_score"] + list(more)
    found = {n: np.concatenate([np.asarray(b[n]) for b in blocks]) for n in names}
    return Table({n.removesuffix("_score"): values for n, values in found.items()})


def finite(table: Table) -> dict[str, np.ndarray]:
    """Return the columns of a table of scores that are finite everywhere."""
    found = {name: np.asarray(table[name]) for name in table.colnames}
    return {name: v for name, v in found.items() if np.isfinite(v).all()}


def forest(train: np.ndarray, seed: int) -> Callable:
    """Return a function that says how strange an isolation forest finds rows."""
    fitted = IsolationForest(random_state=seed).fit(train)
    return lambda found: -fitted.score_samples(found)


class Components:
    """At most `n` principal components of stretched images as a model.

    `astroanomaly.scores.baseline_scores` has only their squared error; as a model
    they get every score of a detector. At most half as many as images are fitted.
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
