"""How well reconstructions draw objects, beside what costs no training at all."""

import numpy as np
from threadpoolctl import threadpool_limits

# Each part is judged by what the others teach: four fifths come close to all.
N_PARTS = 5
# As many as the simplest baseline of our studies, which often beats a network.
N_COMPONENTS = 20


def random_parts(n: int, seed: int, n_parts: int = N_PARTS) -> list[np.ndarray]:
    """Divide the numbers 0 to n - 1 at random into parts of about equal size.

    Parameters
    ----------
    n : int
        How many numbers.
    seed : int
        Same seed, same parts.
    n_parts : int
        How many parts, at most n.

    Returns
    -------
    list of ndarray of int
        Rising numbers; each number is in one part.

    Examples
    --------
    >>> [len(part) for part in random_parts(11, seed=0)]
    [3, 2, 2, 2, 2]
    """
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(part) for part in np.array_split(order, min(n_parts, n))]


def explained_variance(
    images: np.ndarray, reconstructions: np.ndarray, seed: int = 0
) -> dict | None:
    """Return the share of the images' variance that reconstructions explain.

    The variance is that about the mean image, so the mean image explains 0 and a
    perfect reconstruction 1; below 0 it is worse than the mean image. The mean image
    and the principal components of a fifth of the objects come from the other four.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ny, nx, n_bands)
        Stretched images, none of which trained the model, and what it made of them.
    seed : int
        Seed of the parts and of the components.

    Returns
    -------
    dict or None
        ``n`` objects; shares ``explained`` and ``pca`` of principal components, whose
        number is ``n_components`` (20, fewer where there are fewer objects). None
        where it cannot be told: fewer than three objects, equal images, NaN.

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(40, 8, 8, 1))
    >>> explained_variance(images, images)["explained"]
    1.0
    """
    # Here and not above: a worker that scores does without.
    from sklearn.decomposition import PCA

    n = len(images)
    if n < 3:
        return None
    flat = np.asarray(images, np.float32).reshape(n, -1)
    parts = random_parts(n, seed)
    # One of the components is the mean's, which takes one object and one pixel.
    least = n - len(parts[0])
    n_components = min(N_COMPONENTS, least - 1, flat.shape[1] - 1)
    total = error = 0.0
    for part in parts:
        rest = np.delete(flat, part, axis=0)
        mean = rest.mean(axis=0, dtype=np.float64)
        total += float(((flat[part] - mean) ** 2).sum())
        if not np.isfinite(total):
            return None
        if n_components:
            found = PCA(n_components, svd_solver="randomized", random_state=seed)
            # Of matrices this small a second thread mostly waits for the first.
            with threadpool_limits(1, "blas"):
                along = found.fit(rest).inverse_transform(found.transform(flat[part]))
            error += float(((flat[part] - along.astype(np.float64)) ** 2).sum())
    left = np.asarray(images, np.float64) - reconstructions
    explained = 1 - float((left**2).sum()) / total if total else np.nan
    if not np.isfinite(explained):
        return None
    return {
        "n": n,
        "explained": explained,
        "mean_image": 0.0,
        "pca": 1 - error / total if n_components else 0.0,
        "n_components": n_components,
    }


def in_words(found: dict | None) -> str:
    """Say in one sentence what :func:`explained_variance` found.

    Examples
    --------
    >>> in_words(None)
    'How well it reconstructs ordinary objects is not known.'
    """
    if found is None:
        return "How well it reconstructs ordinary objects is not known."
    ours, pca = (f"{100 * found[name]:.3g}" for name in ("explained", "pca"))
    sentence = (
        f"Its reconstructions explain {ours} per cent of the variance of "
        f"{found['n']} calibration objects; the mean image explains 0, "
        f"{found['n_components']} principal components {pca}."
    )
    if found["explained"] < 0:
        sentence = (
            f"NOT TRAINED: it reconstructs worse than the mean image. {sentence} Its "
            "scores and p-values rank objects by what no network has learned."
        )
    elif found["explained"] < found["pca"]:
        sentence += " It reconstructs less than they do."
    return sentence
