"""Scores over features against scikit-learn, and against sums by hand."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from astroanomaly.detector.methods import METHODS

RNG = np.random.default_rng(1)
TRAIN = RNG.normal(size=(300, 6)) @ RNG.normal(size=(6, 6)) + 5
NEW = RNG.normal(size=(70, 6)) * 3 + 5
UNITS = StandardScaler().fit(TRAIN)


def test_knn_is_scikit_learns_distance():
    near = NearestNeighbors(n_neighbors=5).fit(UNITS.transform(TRAIN))
    expected = near.kneighbors(UNITS.transform(NEW))[0][:, -1]
    found = METHODS["knn"]().fit(TRAIN).score(NEW)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    few = METHODS["knn"](50).fit(TRAIN[:3]).score(TRAIN[:3])
    assert few.shape == (3,)


def test_bagged_knn_is_the_mean_over_its_parts():
    method = METHODS["bagged_knn"](n_bags=4).fit(TRAIN, seed=3)
    assert method.bags.shape == (4, 30)
    parts = []
    for bag in method.bags:
        near = NearestNeighbors(n_neighbors=1).fit(UNITS.transform(TRAIN)[bag])
        parts.append(near.kneighbors(UNITS.transform(NEW))[0][:, 0])
    np.testing.assert_allclose(method.score(NEW), np.mean(parts, axis=0), rtol=1e-10)
    other = METHODS["bagged_knn"](n_bags=4).fit(TRAIN, seed=4)
    assert (other.bags != method.bags).any()


def test_bagged_knn_finds_what_has_a_few_twins_in_the_training_set():
    odd = RNG.normal(size=(36, 6)) * 0.3 + 40
    train, test = np.concatenate([TRAIN, odd[:6]]), np.concatenate([NEW, odd[6:]])
    bagged, plain = (
        METHODS[name]().fit(train).score(test) for name in ("bagged_knn", "knn")
    )
    assert plain[70:].mean() < np.median(plain[:70])
    assert bagged[70:].mean() / np.median(bagged[:70]) > 2 * (
        plain[70:].mean() / np.median(plain[:70])
    )


@pytest.mark.parametrize("n", [300, 150, 3, 2])
def test_the_forest_is_scikit_learns(n):
    found = METHODS["isolation_forest"](50).fit(TRAIN[:n], seed=2).score(NEW)
    forest = IsolationForest(n_estimators=50, random_state=2).fit(TRAIN[:n])
    np.testing.assert_allclose(found, -forest.score_samples(NEW), rtol=1e-12)


def test_mahalanobis_is_scikit_learns():
    fitted = LedoitWolf().fit(UNITS.transform(TRAIN))
    expected = np.sqrt(fitted.mahalanobis(UNITS.transform(NEW)))
    found = METHODS["mahalanobis"]().fit(TRAIN).score(NEW)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_patch_gaussians_take_the_largest_position():
    maps = RNG.normal(size=(200, 2, 3, 4))
    method = METHODS["patch_gaussian"]().fit(maps)
    alone = METHODS["mahalanobis"]().fit(maps[:, 1, 2]).score(maps[:50, 1, 2])
    distances = method.distances(maps[:50])
    np.testing.assert_allclose(distances[:, 1, 2], alone, rtol=1e-10)
    odd = maps[:50].copy()
    odd[:, 1, 2] += 20
    distances = method.distances(odd)
    assert (distances.reshape(50, -1).argmax(axis=1) == 5).all()
    np.testing.assert_array_equal(method.score(odd), distances[:, 1, 2])


@pytest.mark.parametrize("name", METHODS)
def test_a_score_does_not_depend_on_the_rows_beside_it_and_constants_do_no_harm(name):
    train = np.column_stack([TRAIN, np.full(300, 7.0)])
    new = np.column_stack([NEW, np.full(70, 7.0)])
    if METHODS[name].by_position:
        train, new = (a[:, None, None] for a in (train, new))
    method = METHODS[name]().fit(train)
    found = method.score(new)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(method.score(new[9:10]), found[9:10])
    np.testing.assert_array_equal(method.score(new[:33]), found[:33])
    assert len(method.score(new[:0])) == 0
    odd = new.copy()
    odd[..., -1] = 9.0
    # A forest cannot split what never varied.
    assert (method.score(odd) > found).all() or name == "isolation_forest"
    # Two equal objects have no spread at all.
    same = METHODS[name]().fit(np.repeat(train[:1], 2, axis=0))
    assert np.isfinite(same.score(new)).all()


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("knn", {"n_neighbors": 0}, "`n_neighbors`.*Received: 0"),
        ("bagged_knn", {"share": 0.0}, "`share`.*Received: 0"),
        ("bagged_knn", {"n_bags": 10_001}, "`n_bags`.*Received: 10001"),
        ("isolation_forest", {"n_trees": 1.5}, "`n_trees`.*Received: 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(name, options, word):
    with pytest.raises(ValueError, match=word):
        METHODS[name](**options)
