"""Scores without a network, which every detector has to beat.

Brightness, the reconstruction error of principal components and an isolation
forest on them cost seconds; a table that leaves them out says little.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

# Rows at a time in float64: 256 images of 64 x 64 pixels are 8 MB.
_CHUNK = 256
# Halko et al. 2011: more power iterations, smaller errors of slowly falling spectra.
_POWER_ITERATIONS = 7


def _checked(images: np.ndarray, name: str) -> np.ndarray:
    if np.ndim(images) != 4 or not len(images):
        raise ValueError(
            f"`{name}` must have shape (n, ny, nx, n_bands) with n above 0. "
            f"Received: shape {np.shape(images)}."
        )
    flat = np.asarray(images, dtype=np.float32).reshape(len(images), -1)
    bad = sum(int((~np.isfinite(part).all(axis=1)).sum()) for part in _parts(flat))
    if bad:
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinite pixels in {bad} of "
            f"{len(flat)} images."
        )
    return flat


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]


class _Components:
    """Principal components of the training images, with scores in float64."""

    # Not PCA.inverse_transform: in float32, as it comes, it differs by 2e-7, and
    # given float64 it takes half as long again and the whole set's memory.

    def __init__(self, train: np.ndarray, n_components: int, seed: int) -> None:
        pca = PCA(
            n_components,
            svd_solver="randomized",
            iterated_power=_POWER_ITERATIONS,
            random_state=seed,
        ).fit(train)
        self.mean = pca.mean_.astype(np.float64)
        self.axes = pca.components_.astype(np.float64)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([(p - self.mean) @ self.axes.T for p in _parts(rows)])

    def squared_error(self, rows: np.ndarray, n_components: int) -> np.ndarray:
        axes, errors = self.axes[:n_components], []
        for part in _parts(rows):
            centered = part - self.mean
            errors.append(((centered - centered @ axes.T @ axes) ** 2).sum(axis=1))
        return np.concatenate(errors)


def baseline_scores(
    train_images: np.ndarray,
    test_images: np.ndarray,
    seed: int = 0,
    n_components: Sequence[int] = (20, 60),
    n_forest_components: int = 150,
) -> dict[str, np.ndarray]:
    """Score images by brightness, principal components and an isolation forest.

    * ``brightness``: the sum of the pixels.
    * ``pca_K``: the squared error of the image rebuilt from the first K principal
      components of the training images, ``||x - mu - W^T W (x - mu)||^2``.
    * ``isolation_forest``: minus scikit-learn's ``score_samples`` of an isolation
      forest (Liu, Ting & Zhou 2008, 100 trees) on the principal components.

    The score of an image does not depend on the other test images. Components
    come from a seeded randomized solver (Halko et al. 2011) in float32.

    Parameters
    ----------
    train_images : ndarray of shape (n_train, ny, nx, n_bands)
        Stretched images of normal objects; a memory map is read whole.
    test_images : ndarray of shape (n, ny, nx, n_bands)
        Images to score, stretched in the same way.
    seed : int
        Seed of the solver and of the forest.
    n_components : sequence of int
        Each K gives one ``pca_K``.
    n_forest_components : int
        Components that the forest sees; as many as the training images allow
        where that is less.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Scores in the order of `test_images`, higher = stranger. `evaluate` matches
        them by id: ``{"object_id": test.table["object_id"], **scores}``.

    Raises
    ------
    ValueError
        If the shapes are wrong or differ, a pixel is not finite, or there are fewer
        training images or pixels than components.

    Examples
    --------
    >>> images = np.random.default_rng(1).random((40, 8, 8, 1))
    >>> sorted(baseline_scores(images[:30], images[30:], n_components=(5,)))
    ['brightness', 'isolation_forest', 'pca_5']
    """
    train = _checked(train_images, "train_images")
    test = _checked(test_images, "test_images")
    if np.shape(train_images)[1:] != np.shape(test_images)[1:]:
        raise ValueError(
            "`train_images` and `test_images` must have one image shape. Received: "
            f"{np.shape(train_images)[1:]} and {np.shape(test_images)[1:]}."
        )
    most = min(train.shape)
    if any(not 1 <= n <= most for n in n_components):
        raise ValueError(
            f"`n_components` must lie between 1 and {most}, for {len(train)} training "
            f"images of {train.shape[1]} values. Received: {tuple(n_components)}."
        )
    n_forest = min(n_forest_components, most)
    components = _Components(train, max([n_forest, *n_components]), seed)
    scores = {"brightness": test.sum(axis=1, dtype=np.float64)}
    for n in n_components:
        scores[f"pca_{n}"] = components.squared_error(test, n)
    forest = IsolationForest(random_state=seed)
    forest.fit(components.features(train)[:, :n_forest])
    features = components.features(test)[:, :n_forest]
    scores["isolation_forest"] = -forest.score_samples(features)
    return scores
