"""How the lens study scores its sets."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs
from scipy.stats import wasserstein_distance

import astroanomaly as aa
from astroanomaly.runs.training import stretched

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from lenses import scores  # noqa: E402


class Counted(scores.Components):
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
    found = scores.score(detector, test)
    assert model.calls == 1
    assert detector.score_name == "orthogonal"
    assert {"mse", "wasserstein", "whitened", "orthogonal"} <= set(found.colnames)
    assert "anomaly" not in found.colnames
    images = stretched(stretch, test)
    pairs = zip(images, model.reconstruct(images), strict=True)
    expected = [wasserstein_distance(x.ravel(), y.ravel()) for x, y in pairs]
    assert found["wasserstein"].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_gans_noise_is_measured_on_training_lenses(tmp_path, monkeypatch):
    read = {"train": blobs(9, 1), "calibration": blobs(8, 2), "smooth": blobs(8, 3)}
    for name, cutouts in read.items():
        ids = [f"{name}_{k}" for k in range(len(cutouts))]
        cutouts.table["object_id"] = ids
    noise, scored = {}, {}

    class Detector:
        def use(self, method):
            self.method = method
            return self

        def measure_noise(self, cutouts):
            noise[self.method] = list(cutouts.object_ids)

    def score(detector, cutouts):
        scored.setdefault(detector.method, []).extend(cutouts.object_ids)
        return Table({"mse": np.zeros(len(cutouts))})

    monkeypatch.setattr(scores, "score", score)
    learner = scores.Learner(tmp_path, {name: name for name in read}, 0)
    run = SimpleNamespace(
        detector=Detector(), read=lambda name: SimpleNamespace(read=lambda: read[name])
    )
    learner.train = lambda name, config: run
    learner.gan("wgan_gp", {}, ("calibration", "smooth"), 5)
    every = [f"train_{k}" for k in range(9)]
    assert noise == {"encoder": every, "refine": every[:5], "mapping": every[:5]}
    assert [len(scored[name]) for name in scores.METHODS] == [16, 10, 10]
    found = Table.read(tmp_path / "scores" / "wgan_gp_mapping" / "smooth.ecsv")
    assert list(found["object_id"]) == [f"smooth_{k}" for k in range(5)]
