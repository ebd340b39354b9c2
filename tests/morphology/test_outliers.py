"""Outliers of morphology on hand-made clouds, against centers and scikit-learn."""

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.morphology import FEATURES, KMeansOutliers, baseline_scores


def _clouds(n_normal, n_odd, seed=0):
    """Give a cloud about 0 and one at 8 in every number, in units of its width."""
    rng = np.random.default_rng(seed)
    widths = np.array([0.3, 0.05, 0.01, 0.04, 0.2])
    normal = rng.normal(0, 1, (n_normal, 5)) * widths
    odd = (8 + rng.normal(0, 1, (n_odd, 5))) * widths
    return normal, odd


def _as_table(values):
    return Table(dict(zip(FEATURES, values.T, strict=True)))


def test_two_clouds_are_two_clusters():
    normal, odd = _clouds(200, 40)
    found = KMeansOutliers().fit(normal, others=odd)
    assert found.normal_fraction_ == 1.0
    assert (found.predict(normal) == 1).all()
    assert (found.predict(odd) == -1).all()


def test_the_decision_is_the_difference_of_two_distances():
    normal, odd = _clouds(200, 40)
    found = KMeansOutliers(seed=3).fit(_as_table(normal), others=_as_table(odd))
    mean, width = normal.mean(axis=0), normal.std(axis=0)
    centers = [((part - mean) / width).mean(axis=0) for part in (normal, odd)]
    point = np.full((1, 5), 0.1)
    near, far = (np.linalg.norm((point - mean) / width - c) for c in centers)
    np.testing.assert_allclose(found.decision_function(point), far - near, rtol=1e-9)
    # Half way between the centers nothing is known.
    middle = mean + width * (centers[0] + centers[1]) / 2
    assert found.decision_function(middle[None])[0] == pytest.approx(0, abs=1e-9)


def test_the_cluster_of_the_majority_of_the_training_set_is_normal():
    normal, odd = _clouds(60, 40)
    train = np.concatenate([normal, odd])
    # Many others of the rare kind must not turn the meaning over.
    _, many = _clouds(1, 300, seed=1)
    found = KMeansOutliers().fit(train, others=many)
    assert found.normal_fraction_ == pytest.approx(0.6)
    assert (found.predict(many) == -1).all()


def test_clustering_the_training_set_alone():
    normal, odd = _clouds(200, 40)
    alone = KMeansOutliers().fit(normal)
    # One cloud falls in two halves: why `others` is there.
    assert 0.4 < alone.normal_fraction_ < 0.7
    scores = baseline_scores(normal, odd, joint=False)
    np.testing.assert_array_equal(scores["kmeans"], -alone.decision_function(odd))


def test_what_is_not_measured_is_never_an_outlier():
    normal, odd = _clouds(200, 40)
    odd[3, 2] = np.nan
    train = np.concatenate([normal, np.full((5, 5), np.nan)])
    found = KMeansOutliers().fit(train, others=odd)
    assert found.normal_fraction_ == 1.0
    scores = found.decision_function(odd)
    assert np.isfinite(scores).all()
    assert scores[3] == np.median(found.decision_function(normal)) > 0
    assert found.predict(odd)[3] == 1
    assert (found.predict(np.full((2, 5), np.nan)) == 1).all()
    both = baseline_scores(train, odd)
    assert all(np.isfinite(score).all() for score in both.values())
    assert both["kmeans"][3] == both["kmeans"].min()
    assert both["morphology_forest"][3] == both["morphology_forest"].min()


def test_nothing_measured_in_the_test_set():
    normal, _ = _clouds(50, 1)
    scores = baseline_scores(normal, np.full((3, 5), np.nan))
    assert all(np.ptp(score) == 0 and len(score) == 3 for score in scores.values())


def test_masked_columns_count_as_not_measured():
    normal, odd = _clouds(50, 4)
    table = Table(_as_table(odd), masked=True)
    table["gini"].mask[1] = True
    scores = baseline_scores(normal, table)["kmeans"]
    assert (scores > 0).tolist() == [True, False, True, True]


def test_the_forest_is_scikit_learns():
    from sklearn.ensemble import IsolationForest

    normal, odd = _clouds(80, 10)
    found = baseline_scores(_as_table(normal), _as_table(odd), seed=4)
    forest = IsolationForest(random_state=4).fit(normal)
    expected = -forest.score_samples(odd)
    np.testing.assert_array_equal(found["morphology_forest"], expected)
    assert (expected > -forest.score_samples(normal).min()).all()


def test_same_seed_same_bits():
    normal, odd = _clouds(80, 10)
    first, again = (baseline_scores(normal, odd, seed=2) for _ in range(2))
    for name, score in first.items():
        np.testing.assert_array_equal(score, again[name])


def test_errors_of_the_outliers():
    normal, odd = _clouds(20, 3)
    table = _as_table(normal)
    del table["gini"]
    with pytest.raises(ValueError, match="`train` must have the .* Received no gini"):
        KMeansOutliers().fit(table)
    with pytest.raises(ValueError, match=r"`measurements` .* Received: shape \(3, 4\)"):
        KMeansOutliers().fit(normal).predict(odd[:, :4])
    with pytest.raises(ValueError, match="at least 2 measured .* Received: 1 of 3"):
        KMeansOutliers().fit(np.where(np.arange(3)[:, None] < 2, np.nan, odd))
    with pytest.raises(ValueError, match="`test` must have the columns"):
        baseline_scores(normal, table)
