"""The objects of a survey as points: who is like whom, and what a ranking learns on."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from astroanomaly.utils.arrays import save_arrays

# Of thousands of numbers of a network these hold what differs; the rest is noise.
_N_COMPONENTS = 32
# Directions of so many objects move no more with further ones.
_SAMPLE = 2000
# A page that waits for its picture waits for at most so many objects.
_BLOCK = 64


class FeatureSpace:
    """The features of every object, computed while somebody already looks.

    Parameters
    ----------
    features : callable
        From row numbers to the rows that could be read and their features (n, d).
    n : int
        How many objects there are.
    path : callable, optional
        Returns the .npz file that keeps them for the next time, under another name
        whenever other features would be computed.
    ids : sequence of str
        The objects, kept in that file as `object_id`.
    seed : int, optional
        Of the sample that the principal components are learned from.

    Attributes
    ----------
    matrix : ndarray of shape (n, d)
        Principal components of the standardized features; NaN where they are not
        computed yet or the object could not be read.
    done : int
        Objects computed so far, the first ones.

    Examples
    --------
    >>> images = np.random.default_rng(1).random((50, 12))
    >>> space = FeatureSpace(lambda rows: (rows, images[rows]), 50)
    >>> space.compute()
    >>> len(space.similar(3, 5))
    5
    """

    def __init__(
        self,
        features: Callable,
        n: int,
        path: Callable[[], Path] | None = None,
        ids: Sequence[str] = (),
        seed: int = 0,
    ):
        self._features, self.n, self._ids, self._seed = features, n, ids, seed
        self._path = path
        self.matrix, self.done = np.full((n, 1), np.nan, np.float32), 0
        self.error: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether every object is computed."""
        return self.done == self.n

    def start(self) -> None:
        """Begin to compute in the background, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._try, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread after its block."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _try(self) -> None:
        try:
            self.compute()
        except (ValueError, OSError, MemoryError, RuntimeError) as error:
            # The page shows it where neighbours would be; labels need no features.
            self.error = " ".join(str(error).split())

    def compute(self) -> None:
        """Compute all features, or take those of the file."""
        path = None if self._path is None else self._path()
        if path is not None and path.is_file():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    if kept["object_id"].tolist() == list(self._ids):
                        self.matrix, self.done = kept["features"], self.n
                        return
            except (OSError, ValueError, KeyError, BadZipFile):
                # It is made from the survey again; nothing else is in it.
                pass
        rng = np.random.default_rng(self._seed)
        sample = np.sort(rng.permutation(self.n)[:_SAMPLE])
        known, parts = [], []
        for k in range(0, len(sample), _BLOCK):
            if self._stop.is_set():
                return
            rows, part = self._features(sample[k : k + _BLOCK])
            if len(rows):
                known.append(rows)
                parts.append(part.reshape(len(part), -1))
        found = np.concatenate(parts)
        n_components = min(_N_COMPONENTS, *found.shape)
        pca = PCA(n_components, svd_solver="full", random_state=self._seed)
        project = make_pipeline(StandardScaler(), pca).fit(found)
        matrix = np.full((self.n, n_components), np.nan, np.float32)
        matrix[np.concatenate(known)] = project.transform(found)
        self.matrix = matrix
        for start in range(0, self.n, _BLOCK):
            if self._stop.is_set():
                return
            stop = min(start + _BLOCK, self.n)
            # The network and the reader have been through the sample already.
            left = np.setdiff1d(np.arange(start, stop), sample)
            rows, part = self._features(left) if len(left) else ((), ())
            if len(rows):
                self.matrix[rows] = project.transform(part.reshape(len(part), -1))
            self.done = stop
        if path is not None:
            ids = np.array(self._ids, str)
            save_arrays(path, {"object_id": ids, "features": self.matrix})

    def similar(self, row: int, n: int) -> Sequence[int]:
        """Return the rows of the nearest objects computed so far, the nearest first."""
        own = self.matrix[row]
        if not np.isfinite(own).all():
            return []
        distance = ((self.matrix - own) ** 2).sum(axis=1)
        distance[row] = np.nan
        known = np.flatnonzero(np.isfinite(distance))
        n = min(n, len(known))
        if not n:
            return []
        nearest = known[np.argpartition(distance[known], n - 1)[:n]]
        return nearest[np.argsort(distance[nearest], kind="stable")].tolist()

    def complete(self) -> np.ndarray:
        """Return the features of all, the mean (0) where an object has none."""
        return np.nan_to_num(self.matrix)
