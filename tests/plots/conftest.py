"""A few cutouts, a score table in another order, and a detector that is not one."""

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts

SCORES = {"a": 1.0, "b": 5.0, "c": 3.0, "d": 2.0, "e": 4.0}


def build(n_bands=1):
    # The pixels of object k are k everywhere but for one corner.
    images = np.tile(
        np.arange(5.0, dtype=np.float32)[:, None, None, None], (1, 8, 8, n_bands)
    )
    images[:, 0, 0] += 10.0
    return Cutouts(images, Table({"object_id": list(SCORES)}))


class FakeDetector:
    calibration = Calibration(np.arange(1.0, 101.0))

    def explain(self, cutouts):
        original = cutouts.images / 20.0
        reconstruction = np.zeros_like(original)
        return {
            "original": original,
            "reconstruction": reconstruction,
            "residual": original - reconstruction,
        }


@pytest.fixture
def make_cutouts():
    return build


@pytest.fixture
def cutouts():
    return build()


@pytest.fixture
def detector():
    return FakeDetector()


@pytest.fixture
def table():
    ids = ["e", "a", "d", "b", "c"]
    score = np.array([SCORES[name] for name in ids])
    return Table(
        {
            "object_id": ids,
            "anomaly_score": score,
            "feature_score": -score,
            "p_value": 1.0 / (1.0 + score),
            "is_anomaly_90": score > 3.5,
            "is_anomaly_99": score > 4.5,
        }
    )
