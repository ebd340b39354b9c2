"""The detector's folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blobs import blobs

from astroanomaly.detector import AnomalyDetector, load_detector
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.latent import Mapping, Refine
from astroanomaly.models import LensFinder
from astroanomaly.stretches import Linear

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("method", ["encoder", "refine", "mapping", "warm"])
def test_saved_detector_scores_the_same_bits(parts, method, test_set, tmp_path):
    gan, stretch, encoder = parts
    latent = {
        "encoder": encoder,
        "refine": Refine(encoder, n_steps=3),
        "mapping": Mapping(gan, max_iterations=25),
        "warm": Mapping(gan, max_iterations=25, encoder=encoder),
    }[method]
    detector = AnomalyDetector(gan, stretch, latent, score="total", w=0.3)
    detector.calibrate(blobs(40, 2), levels=(90,))
    detector.save(tmp_path / "detector")
    again = load_detector(tmp_path / "detector")
    few = test_set[:6]
    ours, theirs = detector.score(few), again.score(few)
    for name in ours.colnames:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert again.settings() == detector.settings()
    assert {p.suffix for p in (tmp_path / "detector").iterdir()} == {".keras", ".json"}


def test_each_method_keeps_its_own_calibration(parts, tmp_path):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, encoder).calibrate(blobs(40, 2), (90,))
    first = detector.calibration.thresholds
    detector.use("refine")
    assert detector.calibration is None
    detector.calibrate(blobs(40, 2), (80,))
    detector.save(tmp_path / "d")
    again = load_detector(tmp_path / "d")
    assert again.method == "refine"
    assert list(again.calibration.thresholds) == [80]
    assert again.use("encoder").calibration.thresholds == first


def test_other_folders_and_versions_are_refused(detector, tmp_path):
    with pytest.raises(ValueError, match="has no detector.json"):
        load_detector(tmp_path)
    detector.save(tmp_path / "d")
    file = tmp_path / "d" / "detector.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"format": 99}))
    with pytest.raises(ValueError, match="format 1, which astroanomaly .* format 99"):
        load_detector(tmp_path / "d")


def test_a_fresh_session_loads_either_kind(detector, tmp_path):
    finder = LensFinder((58, 58, 1), "ou66")
    ClassifierDetector(finder, Linear(per_image=True)).save(tmp_path / "finder")
    detector.save(tmp_path / "anomaly")
    code = (
        "import astroanomaly as aa;"
        "kinds = [type(aa.load_detector(p)).__name__ for p in ('finder', 'anomaly')];"
        "raise SystemExit(' '.join(kinds))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.split()[-2:] == ["ClassifierDetector", "AnomalyDetector"]
