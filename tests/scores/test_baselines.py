"""Baselines against scikit-learn used plainly, and their errors."""

import doctest

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from astroanomaly.scores import baselines
from astroanomaly.scores.baselines import baseline_scores


@pytest.fixture(scope="module")
def images():
    # Blobs of changing width in faint noise: few components hold most of them.
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-6:6, -6:6] + 0.5
    width = rng.uniform(1.5, 3, 90)[:, None, None]
    blobs = np.exp(-(x**2 + y**2) / (2 * width**2)) + rng.normal(0, 0.02, (90, 12, 12))
    pair = np.stack([blobs, 0.5 * blobs], axis=-1).astype(np.float32)
    return pair[:60], pair[60:]


@pytest.fixture(scope="module")
def scores(images):
    return baseline_scores(*images, seed=1, n_components=(2, 5))


def test_examples_run():
    assert doctest.testmod(baselines).failed == 0


def test_names_and_shapes(scores):
    assert list(scores) == ["brightness", "pca_2", "pca_5", "isolation_forest"]
    assert all(value.shape == (30,) for value in scores.values())


def test_brightness_is_the_sum_of_the_pixels(images, scores):
    expected = [image.astype(np.float64).sum() for image in images[1]]
    np.testing.assert_allclose(scores["brightness"], expected, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 5])
def test_pca_error_equals_the_exact_solver(images, scores, n):
    train, test = (part.reshape(len(part), -1).astype(np.float64) for part in images)
    pca = PCA(n, svd_solver="full").fit(train)
    expected = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum(axis=1)
    np.testing.assert_allclose(scores[f"pca_{n}"], expected, rtol=1e-3)


def test_isolation_forest_is_scikit_learns(images):
    found = baseline_scores(*images, seed=1, n_components=(5,), n_forest_components=5)
    train, test = (part.reshape(len(part), -1) for part in images)
    components = baselines._Components(train, 5, seed=1)
    forest = IsolationForest(random_state=1).fit(components.features(train))
    expected = -forest.score_samples(components.features(test))
    np.testing.assert_array_equal(found["isolation_forest"], expected)


def test_a_planted_companion_ranks_first(images):
    train, test = images
    test = test.copy()
    test[7, 2:4, 9:11] += 0.8
    scores = baseline_scores(train, test, n_components=(5,), n_forest_components=10)
    assert scores["pca_5"].argmax() == 7
    assert scores["isolation_forest"].argmax() == 7


def test_same_seed_same_bits_other_seed_other_forest(images, scores):
    again = baseline_scores(*images, seed=1, n_components=(2, 5))
    for name, value in scores.items():
        np.testing.assert_array_equal(again[name], value)
    other = baseline_scores(*images, seed=2, n_components=(2, 5))
    assert (other["isolation_forest"] != scores["isolation_forest"]).any()


def test_a_score_does_not_depend_on_the_other_images(images, scores):
    train, test = images
    alone = baseline_scores(train, test[4:5], seed=1, n_components=(2, 5))
    for name, value in alone.items():
        np.testing.assert_allclose(value, scores[name][4:5], rtol=1e-10)


def test_a_memory_map_is_read(images, scores, tmp_path):
    np.save(tmp_path / "train.npy", images[0])
    train = np.load(tmp_path / "train.npy", mmap_mode="r")
    found = baseline_scores(train, images[1], seed=1, n_components=(2, 5))
    np.testing.assert_array_equal(found["pca_5"], scores["pca_5"])


def test_the_forest_takes_what_few_images_allow(images):
    train, test = images
    found = baseline_scores(train[:10], test, n_components=(3,))
    assert found["isolation_forest"].shape == (30,)


def test_errors(images):
    train, test = images
    with pytest.raises(
        ValueError, match=r"`train_images` must have shape \(n, ny.*60,"
    ):
        baseline_scores(train[..., 0], test)
    with pytest.raises(ValueError, match=r"`test_images` must .* with n above 0. Rec"):
        baseline_scores(train, test[:0])
    with pytest.raises(
        ValueError, match=r"one image shape. Received: \(12, 12, 2\) and"
    ):
        baseline_scores(train, test[..., :1])
    with pytest.raises(ValueError, match=r"between 1 and 60, .* Received: \(20, 61\)"):
        baseline_scores(train, test, n_components=(20, 61))
    bad = test.copy()
    bad[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="infinite pixels in 1 of 30 images"):
        baseline_scores(train, bad)
