"""How far vectors lie from those of ordinary objects: one number each, higher = odder.

Each method is fitted to features (n, d) and kept as arrays. A score depends on its own
row alone, to the bit, so that blocks of any size give one table.
"""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import IsolationForest as Forest

from astroanomaly.features.whitening import gaussian, whitened
from astroanomaly.utils.arrays import load_arrays

# Distances at a time, 64 MB of float64: rows of a block by all of the training.
_DISTANCES = 2**23
# Euler's constant, of the mean depth of a search tree.
_EULER = 0.5772156649015329


class Method:
    """The base of the methods.

    Attributes
    ----------
    name : str
        How settings and tables name it.
    by_position : bool
        Whether it takes features by position (n, gy, gx, d).
    """

    name = ""
    by_position = False
    # The features that a run takes unless others are named.
    usual = "profiles"
    # Arguments of the class, which are attributes too.
    arguments: tuple[str, ...] = ()
    # What it learns, each with its number of dimensions.
    learned: dict[str, int] = {}

    def fit(self, features: np.ndarray, seed: int = 0) -> "Method":
        """Learn from the features of ordinary objects."""
        raise NotImplementedError

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return one number per row, higher for odder ones."""
        raise NotImplementedError

    def get_config(self) -> dict:
        """Return the arguments that make this method again."""
        return {name: getattr(self, name) for name in self.arguments}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned."""
        return {name: getattr(self, name) for name in self.learned}

    def restore(self, path) -> "Method":
        """Take back what :meth:`arrays` gave, from a file."""
        for name, array in load_arrays(path, self.learned).items():
            setattr(self, name, array)
        return self


def _whole(name: str, value, most: float = np.inf) -> int:
    if int(value) != value or not 1 <= value <= most:
        raise ValueError(f"`{name}` must be a whole number >= 1. Received: {value}.")
    return int(value)


class _Neighbors(Method):
    """Distances to the training objects, in units of each number's own spread."""

    def _keep(self, features) -> None:
        self.center = features.mean(axis=0)
        spread = features.std(axis=0)
        # A number that is the same for all says nothing; one that then differs does.
        self.scale = np.where(spread > 0, spread, 1.0)
        self.rows = (features - self.center) / self.scale

    def _distances(self, features):
        """Yield a block's first row and its distances to all training objects."""
        step = max(1, _DISTANCES // len(self.rows))
        for start in range(0, len(features), step):
            part = (features[start : start + step] - self.center) / self.scale
            # Pair by pair; a product of matrices would round by the block's size.
            yield start, cdist(part, self.rows)


class KNN(_Neighbors):
    """Distance to the k-th nearest training object (Ramaswamy et al. 2000).

    Parameters
    ----------
    n_neighbors : int, optional
        k; of fewer training objects the last one.
    """

    name = "knn"
    arguments = ("n_neighbors",)
    learned = {"center": 1, "scale": 1, "rows": 2}

    def __init__(self, n_neighbors: int = 5):
        self.n_neighbors = _whole("n_neighbors", n_neighbors)

    def fit(self, features, seed=0):
        """Keep the features of the training objects."""
        self._keep(features)
        return self

    def score(self, features):
        """Return the distance to the k-th nearest training object."""
        k, found = min(self.n_neighbors, len(self.rows)) - 1, np.empty(len(features))
        for start, distances in self._distances(features):
            found[start : start + len(distances)] = np.partition(distances, k)[:, k]
        return found


class BaggedKNN(_Neighbors):
    """Mean distance to the nearest of several random parts of the training objects.

    In a tenth of them an anomaly's twins are mostly absent, so that it stays far from
    all: this survives training sets of which much is anomalous.

    Parameters
    ----------
    n_bags : int, optional
        Random parts.
    share : float, optional
        Share of the training objects in each of them.
    n_neighbors : int, optional
        The distance is that to the k-th nearest of a part.
    """

    name = "bagged_knn"
    arguments = ("n_bags", "share", "n_neighbors")
    learned = {"center": 1, "scale": 1, "rows": 2, "bags": 2}

    def __init__(self, n_bags: int = 20, share: float = 0.1, n_neighbors: int = 1):
        if not 0 < share <= 1:
            raise ValueError(f"`share` must lie in (0, 1]. Received: {share}.")
        # More parts than this cost minutes and change nothing.
        self.n_bags, self.share = _whole("n_bags", n_bags, 10_000), float(share)
        self.n_neighbors = _whole("n_neighbors", n_neighbors)

    def fit(self, features, seed=0):
        """Keep the features of the training objects, and draw the parts."""
        self._keep(features)
        n, rng = len(features), np.random.default_rng(seed)
        size = min(n, max(self.n_neighbors, round(self.share * n)))
        draws = (np.sort(rng.permutation(n)[:size]) for _ in range(self.n_bags))
        self.bags = np.stack(list(draws))
        return self

    def restore(self, path):
        """Take back what :meth:`arrays` gave, from a file."""
        super().restore(path)
        if self.bags.min() < 0 or self.bags.max() >= len(self.rows):
            raise ValueError(
                f"{path} must name rows in `bags`, below {len(self.rows)}. "
                f"Received: {self.bags.max()}."
            )
        return self

    def score(self, features):
        """Return the mean over the parts of the distance to the k-th nearest."""
        k = min(self.n_neighbors, self.bags.shape[1]) - 1
        found = np.zeros(len(features))
        for start, distances in self._distances(features):
            for bag in self.bags:
                nearest = np.partition(distances[:, bag], k)[:, k]
                found[start : start + len(distances)] += nearest
        return found / len(self.bags)


class Mahalanobis(Method):
    """Mahalanobis distance with a shrunk covariance (Ledoit & Wolf 2004)."""

    name = "mahalanobis"
    learned = {"center": 1, "whitening": 2}

    def fit(self, features, seed=0):
        """Learn mean and covariance."""
        self.center, self.whitening = gaussian(features)
        return self

    def score(self, features):
        """Return the distance from the mean in standard deviations."""
        white = whitened(features, self.center, self.whitening)
        return np.sqrt((white**2).sum(axis=-1))


class IsolationForest(Method):
    """Isolation forest (Liu, Ting & Zhou 2008), fitted by scikit-learn.

    Parameters
    ----------
    n_trees : int, optional
        Number of trees.
    """

    name = "isolation_forest"
    arguments = ("n_trees",)
    learned = {
        "children": 3,
        "column": 2,
        "threshold": 2,
        "depth": 2,
        "n_sampled": 0,
        "n_columns": 0,
    }

    def __init__(self, n_trees: int = 200):
        self.n_trees = _whole("n_trees", n_trees, 10_000)

    def fit(self, features, seed=0):
        """Grow the trees, and keep them as arrays."""
        # scikit-learn takes seeds of 32 bits.
        forest = Forest(n_estimators=self.n_trees, random_state=seed % 2**32).fit(
            features
        )
        trees = [estimator.tree_ for estimator in forest.estimators_]
        shape = len(trees), max(tree.node_count for tree in trees)
        # A leaf is its own child, so that all paths may take the same steps.
        leaf = np.broadcast_to(np.arange(shape[1]), shape)
        self.children = np.stack([leaf, leaf], axis=-1).astype(np.int32)
        self.column = np.zeros(shape, np.int32)
        self.threshold, self.depth = np.zeros(shape), np.zeros(shape)
        for t, tree in enumerate(trees):
            inner = np.flatnonzero(tree.children_left >= 0)
            self.children[t, inner, 0] = tree.children_left[inner]
            self.children[t, inner, 1] = tree.children_right[inner]
            self.column[t, inner] = tree.feature[inner]
            self.threshold[t, inner] = tree.threshold[inner]
            depth = np.zeros(tree.node_count)
            # Children follow their parents.
            for node in inner:
                depth[self.children[t, node]] = depth[node] + 1
            n = tree.n_node_samples
            self.depth[t, : len(n)] = depth + _mean_depth(n)
        self.n_sampled = np.array(forest.max_samples_)
        self.n_columns = np.array(features.shape[1])
        return self

    def restore(self, path):
        """Take back what :meth:`arrays` gave, from a file."""
        super().restore(path)
        n_nodes = self.children.shape[1]
        fits = (
            self.children.shape == (*self.column.shape, 2)
            and self.column.shape == self.threshold.shape == self.depth.shape
            and 0 <= self.children.min()
            and self.children.max() < n_nodes
            and 0 <= self.column.min()
            and self.column.max() < self.n_columns
            # A path that goes down alone ends.
            and (self.children >= np.arange(n_nodes)[:, None]).all()
        )
        if not fits:
            raise ValueError(
                f"{path} must hold trees as `save` writes them. Received: nodes that "
                "do not fit each other."
            )
        return self

    def score(self, features):
        """Return minus scikit-learn's ``score_samples``, within (0, 1)."""
        # As scikit-learn rounds before it compares.
        features = np.asarray(features, np.float32)
        trees = np.arange(len(self.column))
        rows = np.arange(len(features))[:, None]
        node = np.zeros((len(features), len(trees)), np.int32)
        while True:
            value = features[rows, self.column[trees, node]]
            right = (value > self.threshold[trees, node]).astype(np.int32)
            following = self.children[trees, node, right]
            if np.array_equal(following, node):
                break
            node = following
        mean = self.depth[trees, node].sum(axis=1) / len(trees)
        return 2.0 ** (-mean / _mean_depth(np.array([int(self.n_sampled)]))[0])


def _mean_depth(n) -> np.ndarray:
    """Return the mean depth of an unsuccessful search among n (equation 1)."""
    n = np.asarray(n, float)
    many = 2 * (np.log(np.maximum(n - 1, 1)) + _EULER)
    many = many - 2 * (n - 1) / np.maximum(n, 1)
    return np.where(n > 2, many, np.where(n == 2, 1.0, 0.0))


class PatchGaussian(Method):
    """The largest Mahalanobis distance of any position, each with its own Gaussian.

    After PaDiM (Defard et al. 2021, arXiv:2011.08785): mean and shrunk covariance of
    the features at every position; the score is the largest of their distances.
    """

    name = "patch_gaussian"
    by_position = True
    usual = "patches"
    learned = {"center": 3, "whitening": 4}

    def fit(self, features, seed=0):
        """Learn mean and covariance at every position."""
        n, gy, gx, d = features.shape
        found = [gaussian(features[:, y, x]) for y in range(gy) for x in range(gx)]
        self.center = np.stack([f[0] for f in found]).reshape(gy, gx, d)
        self.whitening = np.stack([f[1] for f in found]).reshape(gy, gx, d, d)
        return self

    def distances(self, features) -> np.ndarray:
        """Return the distance at every position (n, gy, gx)."""
        white = np.einsum("nyxi,yxij->nyxj", features - self.center, self.whitening)
        return np.sqrt((white**2).sum(axis=-1))

    def score(self, features):
        """Return the largest distance of any position."""
        return self.distances(features).max(axis=(1, 2), initial=0.0)


# A new method needs its class and one line here.
METHODS = {
    method.name: method
    for method in (KNN, BaggedKNN, IsolationForest, Mahalanobis, PatchGaussian)
}
