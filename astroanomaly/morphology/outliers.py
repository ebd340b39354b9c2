"""Outliers among measured morphologies, by k-means and by an isolation forest."""

import numpy as np
from astropy.table import Table
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

from astroanomaly.morphology.statistics import FEATURES
from astroanomaly.tables.columns import numbers


class KMeansOutliers(OutlierMixin, BaseEstimator):
    """Outliers as the smaller one of two clusters (k-means) of morphology.

    The five numbers of `FEATURES` are standardized by mean and standard deviation
    of the training set, and k-means (MacQueen 1967) with two clusters divides the
    objects. The cluster with most of the training objects is the normal one.

    Pass the objects to judge to `fit` as `others`. The source paper (Margalef-Bentabol
    et al. 2020, section 4.1.2) measures "the two samples (training and test)", applies
    k-means, and finds 99 per cent of the training sample in one cluster; it does not
    say which objects were clustered. Clustering both samples reproduces this: on 300
    simulated galaxies with a companion against 300 without, `normal_fraction_` is 0.99
    and the AUC 0.85. The training set alone splits into compact and extended galaxies
    (0.52 to 0.56), and the AUC is 0.35 to 0.67. In return, a score depends on the other
    objects, and anomalies are found only if they are many: both are properties of the
    paper's baseline.

    k-means uses squared distances, so a few objects with an extreme smoothness or
    asymmetry can form a cluster alone. A sign of it is `normal_fraction_` close to 1
    with hardly an outlier among the others.

    Parameters
    ----------
    n_init : int
        Random starts, of which the best is used.
    seed : int
        Random seed.

    Attributes
    ----------
    scaler_ : StandardScaler
        Mean and standard deviation of the training set.
    kmeans_ : KMeans
        The two clusters.
    normal_cluster_ : int
        The normal one.
    normal_fraction_ : float
        Share of the measured training objects in it; the paper's is 0.99.
    neutral_score_ : float
        Score of an object without measurement: the median of the training objects'
        scores, at least 0, so that it is never an outlier.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> normal, odd = rng.normal(0, 1, (90, 5)), rng.normal(8, 1, (10, 5))
    >>> KMeansOutliers().fit(normal, others=odd).predict(odd).tolist()
    [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1]
    """

    def __init__(self, n_init: int = 10, seed: int = 0) -> None:
        self.n_init = n_init
        self.seed = seed

    def fit(
        self,
        train: Table | np.ndarray,
        y: None = None,
        *,
        others: Table | np.ndarray | None = None,
    ) -> "KMeansOutliers":
        """Find the two clusters.

        Parameters
        ----------
        train : Table or ndarray of shape (n, 5)
            What `measure` returned for normal objects, or the five numbers in the
            order of `FEATURES`. Rows with NaN are left out.
        y : None
            Ignored; scikit-learn's convention.
        others : Table or ndarray of shape (n, 5), optional
            Objects to judge. They are clustered too, but do not affect the
            standardization or the choice of the normal cluster.

        Returns
        -------
        KMeansOutliers
            Itself.

        Raises
        ------
        ValueError
            If columns are missing, or fewer than two training objects are measured.
        """
        normal, _ = _measured(train, "train", at_least=2)
        # Units of the normal objects: the others must not set their own scale.
        self.scaler_ = StandardScaler().fit(normal)
        points = [self.scaler_.transform(normal)]
        judged = None if others is None else _measured(others, "others")[0]
        if judged is not None and len(judged):
            points.append(self.scaler_.transform(judged))
        self.kmeans_ = KMeans(2, n_init=self.n_init, random_state=self.seed)
        # The training objects come first.
        members = self.kmeans_.fit_predict(np.concatenate(points))[: len(normal)]
        # k-means numbers clusters at random; most training objects are normal.
        self.normal_cluster_ = int(np.bincount(members, minlength=2).argmax())
        self.normal_fraction_ = float((members == self.normal_cluster_).mean())
        # 0 at least, so that a missing measurement is never an outlier.
        self.neutral_score_ = max(float(np.median(self._margin(normal))), 0.0)
        return self

    def _margin(self, rows: np.ndarray) -> np.ndarray:
        """Return the distance to the other center minus that to the normal one."""
        # scikit-learn refuses an empty array.
        if not len(rows):
            return np.zeros(0)
        distance = self.kmeans_.transform(self.scaler_.transform(rows))
        normal = self.normal_cluster_
        return distance[:, 1 - normal] - distance[:, normal]

    def decision_function(self, measurements: Table | np.ndarray) -> np.ndarray:
        """Return how much nearer an object is to the normal center.

        Parameters
        ----------
        measurements : Table or ndarray of shape (n, 5)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n,)
            Standard deviations; positive is normal, as in scikit-learn. Rows with
            NaN get `neutral_score_`; never NaN.

        Raises
        ------
        ValueError
            If columns are missing.
        """
        rows, known = _measured(measurements, "measurements")
        scores = np.full(len(known), self.neutral_score_)
        scores[known] = self._margin(rows)
        return scores

    def predict(self, measurements: Table | np.ndarray) -> np.ndarray:
        """Return +1 for normal objects and -1 for outliers.

        Parameters
        ----------
        measurements : Table or ndarray of shape (n, 5)
            As in `fit`; rows with NaN get +1.

        Returns
        -------
        ndarray of shape (n,)
            +1 where `decision_function` is not negative.

        Raises
        ------
        ValueError
            If columns are missing.
        """
        return np.where(self.decision_function(measurements) < 0, -1, 1)


def baseline_scores(
    train: Table, test: Table, seed: int = 0, joint: bool = True
) -> dict[str, np.ndarray]:
    """Score measured objects by k-means and by an isolation forest.

    * ``kmeans``: minus `KMeansOutliers.decision_function`; above 0 is an outlier.
    * ``morphology_forest``: minus scikit-learn's ``score_samples`` of an isolation
      forest (Liu, Ting & Zhou 2008, 100 trees) fitted to the training objects.

    Parameters
    ----------
    train : Table or ndarray of shape (n_train, 5)
        What `measure` returned for normal objects.
    test : Table or ndarray of shape (n, 5)
        The same for the objects to score.
    seed : int
        Seed of both methods.
    joint : bool
        Whether k-means clusters both sets at once, as the source paper did (see
        `KMeansOutliers`), or the training set alone.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Scores in the order of `test`, higher = stranger, never NaN. An object without
        measurement (see ``test["measured"]``) gets the median score of the training
        objects, because a failed measurement is no evidence.

    Raises
    ------
    ValueError
        If columns are missing, or fewer than two training objects are measured.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> normal, odd = rng.normal(0, 1, (90, 5)), rng.normal(8, 1, (10, 5))
    >>> bool((baseline_scores(normal, odd)["kmeans"] > 0).all())
    True
    """
    normal, _ = _measured(train, "train", at_least=2)
    rows, known = _measured(test, "test")
    clusters = KMeansOutliers(seed=seed).fit(normal, others=rows if joint else None)
    forest = IsolationForest(random_state=seed).fit(normal)
    # Neutral for what has no measurement: the median of normal objects.
    trees = np.full(len(known), float(np.median(-forest.score_samples(normal))))
    if len(rows):
        trees[known] = -forest.score_samples(rows)
    kmeans = np.full(len(known), -clusters.neutral_score_)
    kmeans[known] = -clusters.decision_function(rows)
    return {"kmeans": kmeans, "morphology_forest": trees}


def _measured(data, name: str, at_least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the five numbers of the measured rows, and which rows those are."""
    if isinstance(data, Table):
        missing = [column for column in FEATURES if column not in data.colnames]
        if missing:
            raise ValueError(
                f"`{name}` must have the columns {', '.join(FEATURES)}. "
                f"Received no {', '.join(missing)}."
            )
        values = np.stack([numbers(data, column) for column in FEATURES], axis=1)
    else:
        values = np.asarray(data, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(FEATURES):
        raise ValueError(
            f"`{name}` must be a Table or have shape (n, {len(FEATURES)}). "
            f"Received: shape {values.shape}."
        )
    known = np.isfinite(values).all(axis=1)
    if known.sum() < at_least:
        raise ValueError(
            f"`{name}` must hold at least {at_least} measured objects. "
            f"Received: {int(known.sum())} of {len(known)}."
        )
    return values[known], known
