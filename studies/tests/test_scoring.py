"""Scoring that several studies share."""

import numpy as np
import pytest
from blobs import blobs
from scipy.stats import wasserstein_distance

import astroanomaly as aa
from studies.scoring import Components, every_score, stretched


class Counted(Components):
    """Principal components that count how often they draw."""

    calls = 0

    def reconstruct(self, images):
        self.calls += 1
        return super().reconstruct(images)


def test_a_set_is_reconstructed_once_for_all_scores():
    train, test = blobs(40, 1), blobs(6, 2)
    stretch = aa.stretches.Asinh().adapt(train)
    model = Counted(stretched(stretch, train), 5, seed=0)
    detector = aa.AnomalyDetector(model, stretch, score="orthogonal")
    detector.measure_noise(train)
    model.calls = 0
    found = every_score(detector, test)
    assert model.calls == 1
    assert detector.score_name == "orthogonal"
    assert {"mse", "wasserstein", "whitened", "orthogonal"} <= set(found.colnames)
    assert "anomaly" not in found.colnames
    images = stretched(stretch, test)
    pairs = zip(images, model.reconstruct(images), strict=True)
    expected = [wasserstein_distance(x.ravel(), y.ravel()) for x, y in pairs]
    assert found["wasserstein"].tolist() == pytest.approx(expected, rel=1e-5)


def test_components_rebuild_what_lies_in_their_span():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(3, 5, 4, 1))
    images = np.tensordot(rng.normal(size=(30, 3)), basis, 1).astype(np.float32)
    model = Components(images, 3, seed=0)
    np.testing.assert_allclose(model.reconstruct(images), images, atol=1e-4)
    assert model.features(images).shape == (30, 3)
    # No more components than half the images.
    assert Components(images[:4], 3, seed=0).features(images).shape == (30, 2)
