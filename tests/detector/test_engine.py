"""A detector's networks as ONNX: the same scores, without TensorFlow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blobs import blobs

from astroanomaly import runs
from astroanomaly.data import Cutouts
from astroanomaly.detector import AnomalyDetector, load_detector, load_engine
from astroanomaly.models import DCAE
from astroanomaly.tables import read_table

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
SAVED = Path(__file__).resolve().parents[1] / "golden" / "saved"
ROOT = SAVED.parents[2]


@pytest.fixture(scope="module")
def detector(parts):
    return AnomalyDetector(*parts).calibrate(blobs(60, 2), (50, 90))


@pytest.fixture(scope="module")
def folder(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("engine") / "detector"
    assert detector.export("onnx", path, blobs(40, 4)) < 1e-5
    return path


def test_onnx_scores_as_tensorflow_does(detector, folder):
    cutouts = blobs(45, 3)
    # One pixel far beyond the range of the stretch.
    cutouts.images[2, 0, 0] = 1e4
    engine = load_engine(folder)
    ours, theirs = detector.score(cutouts, scores="ranking"), engine.score(cutouts)
    assert ours.colnames == theirs.colnames
    assert list(ours["object_id"]) == list(theirs["object_id"])
    for name in ("anomaly_score", "peak_score", "latent_norm"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ours["flag"], theirs["flag"])
    assert theirs.meta["engine"] == "onnx"
    # What lies beside an image in a chunk changes no bit.
    alone = engine.score_block(cutouts[7:8])["anomaly_score"][0]
    assert alone == engine.score_block(cutouts)["anomaly_score"][7]


@pytest.mark.parametrize("score", ["whitened", "orthogonal", "mse", "wasserstein"])
def test_each_score_of_the_reconstruction_and_the_views(parts, tmp_path, score):
    options = {"score": score, "views": 3}
    detector = AnomalyDetector(*parts, **options).calibrate(blobs(60, 2), (50,))
    assert detector.export("onnx", tmp_path / "d", blobs(20, 4)) < 1e-5


def test_a_model_that_encodes_by_itself(parts, tmp_path):
    detector = AnomalyDetector(DCAE((32, 32, 1)), parts[1])
    with pytest.warns(UserWarning, match="NOT TRAINED"):
        detector.calibrate(blobs(40, 2), (50,))
    assert detector.export("onnx", tmp_path / "d", blobs(20, 4)) < 1e-5


def test_what_cannot_be_exported_leaves_the_folder(parts, detector, tmp_path):
    cutouts, out = blobs(20, 4), tmp_path / "d"
    with pytest.raises(ValueError, match="`kind`.*Received: trt"):
        detector.export("trt", out, cutouts)
    with pytest.raises(ValueError, match="not calibrated"):
        AnomalyDetector(*parts).export("onnx", out, cutouts)
    total = AnomalyDetector(*parts, score="total").calibrate(blobs(40, 2), (50,))
    with pytest.raises(ValueError, match="`export`.*Received: the score total"):
        total.export("onnx", out, cutouts)
    search = AnomalyDetector(*parts[:2], "mapping")
    search.calibrations["mapping"] = detector.calibration
    with pytest.raises(ValueError, match="`export`.*Received: .* mapping"):
        search.export("onnx", out, cutouts)
    assert not out.exists()


def test_other_scores_than_tensorflows_are_refused(detector, monkeypatch, tmp_path):
    from astroanomaly.detector import export

    monkeypatch.setattr(export, "TOLERANCE", -1)
    with pytest.raises(ValueError, match="`export`.*Received: a difference of"):
        detector.export("onnx", tmp_path / "d", blobs(20, 4))
    assert not (tmp_path / "d").exists()


def test_a_changed_or_missing_file_is_refused(detector, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    network = copy / "engine.onnx"
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="engine.onnx must be as.*Received: another"):
        load_engine(copy)
    # A hash that fits does not make a network of it.
    network.write_bytes(b"no network")
    sums = json.loads((copy / "checksums.json").read_text())
    from astroanomaly.utils.files import checksums

    sums |= checksums(copy, ["engine.onnx"])
    (copy / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(ValueError, match="engine.onnx must be the ONNX file"):
        load_engine(copy)
    # A detector that is saved again may be another: it has no such file.
    load_detector(folder).save(copy)
    with pytest.raises(ValueError, match="must hold engine.onnx.*Received: none"):
        load_engine(copy)


def test_what_the_engine_cannot_do(folder):
    engine = load_engine(folder)
    cutouts = blobs(3, 4)
    with pytest.raises(ValueError, match="`scores`.*Received: all"):
        engine.score(cutouts, scores="all")
    with pytest.raises(ValueError, match="`calibrate`.*Received: the engine onnx"):
        engine.calibrate(cutouts)
    with pytest.raises(ValueError, match="`method`.*Received: refine"):
        engine.use("refine")
    with pytest.raises(ValueError, match=r"`cutouts`.*Received: \(16, 16, 1\)"):
        engine.score_block(Cutouts(np.zeros((2, 16, 16, 1)), bands=("i",)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux counts it")
def test_a_run_is_scored_without_tensorflow(tmp_path):
    run = shutil.copytree(SAVED / "run", tmp_path / "run")
    assert not runs.has_onnx(run)
    with pytest.raises(ValueError, match="must hold engine.onnx"):
        runs.load_run(run, "onnx").detector  # noqa: B018
    with pytest.raises(ValueError, match="`engine`.*Received: jax"):
        runs.load_run(run, "jax")
    opened = runs.load_run(run)
    # Its network is untrained and draws one value everywhere: the noise at a brightness
    # that differs by 3e-8 is another, and no peak score equal to 1e-5.
    opened.detector.score_name = "mse"
    opened.detector.save(run / "detector")
    runs.calibrate(run, SAVED / "cutouts", (50,), onnx=True)
    assert runs.has_onnx(run)
    opened = runs.load_run(run)
    expected = opened.detector.score(opened.read(SAVED / "cutouts"))
    code = (
        "import re, sys\n"
        "from astroanomaly.cli import main\n"
        f"sys.argv = ['astroanomaly', 'score', {str(run)!r},"
        f" {str(SAVED / 'cutouts')!r}, '--out', {str(tmp_path / 'scores.ecsv')!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        # Of this program; `ru_maxrss` would count the parent's before the start.
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "loaded = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "print('\\nLAST', peak, loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _, peak, loaded = done.stdout.splitlines()[-1].split(maxsplit=2)
    assert loaded == "set()"
    # kB.
    assert int(peak) < 400e3
    table = read_table(tmp_path / "scores.ecsv")
    assert list(table["object_id"]) == list(expected["object_id"])
    np.testing.assert_allclose(
        table["anomaly_score"], expected["anomaly_score"], rtol=1e-5, atol=1e-5
    )
    assert table.meta["engine"] == "onnx"
    found = runs.verify(run, tmp_path / "scores.ecsv")
    assert not [line for line in found.changed if " with " not in line]
    assert any("was scored by" in line for line in found.checked)
