import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, vstack

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.detector import AnomalyDetector, load_detector
from astroanomaly.latent import Encoder, Mapping, Refine
from astroanomaly.models import DCAE, WGANGP
from astroanomaly.runs import survey
from astroanomaly.stretches import Asinh

ROOT = Path(__file__).resolve().parents[2]
N, BLOCK = 30, 8
KILLED = """
import os, signal, sys
from astroanomaly.runs import survey
from astroanomaly.data.reading import read_cutouts
from astroanomaly.detector import load_detector

def add(self, k, *block, plain=survey.Parts.add):
    if k == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, k, *block)

survey.Parts.add = add
stream = read_cutouts(sys.argv[2], stream=True)
survey.score_survey(load_detector(sys.argv[1]), stream, sys.argv[3], block=8)
"""


def _cutouts(n, seed):
    images = np.random.default_rng(seed).exponential(size=(n, 32, 32)).astype("f4")
    ids = [f"object_{i:03d}" for i in range(n)]
    return Cutouts(images, Table({"object_id": ids}), bands=["F160W"])


@pytest.fixture(scope="module")
def detector():
    train = _cutouts(40, 1)
    gan = WGANGP((32, 32, 1), width=4, latent_dim=8)
    gan.compile()
    encoder = Encoder(gan)
    encoder.compile()
    detector = AnomalyDetector(gan, Asinh().adapt(train), latent=encoder)
    return detector.measure_noise(train).calibrate(train, levels=(90,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, detector):
    """Thirty objects of which two cannot be read, and a saved detector."""
    folder = tmp_path_factory.mktemp("survey")
    write_cutouts(folder / "cutouts", _cutouts(N, 2))
    for row in (9, 21):
        (folder / "cutouts" / f"object_{row:03d}.fits").write_bytes(b"broken")
    detector.save(folder / "detector")
    return folder


@pytest.fixture
def stream(folder):
    return read_cutouts(folder / "cutouts", stream=True)


@pytest.fixture(scope="module")
def whole(folder, detector):
    stream = read_cutouts(folder / "cutouts", stream=True)
    return survey.score_survey(
        detector, stream, folder / "whole.ecsv", block=BLOCK, resume=True
    )


def test_the_table_is_the_detectors(whole, detector, folder):
    direct = detector.score(read_cutouts(folder / "cutouts"), scores="ranking")
    assert whole.colnames == direct.colnames
    for name in direct.colnames:
        np.testing.assert_array_equal(whole[name], direct[name])
    assert len(whole) == N - 2
    assert whole.meta["n_skipped"] == 2
    assert not (folder / "whole.ecsv.parts").exists()
    read = survey.read_table(folder / "whole.ecsv")
    np.testing.assert_array_equal(read["anomaly_score"], whole["anomaly_score"])
    assert read.meta == whole.meta


def test_what_could_not_be_read_is_listed_with_its_reason(whole, folder):
    skipped = survey.read_table(folder / "whole.ecsv.skipped.ecsv")
    names = [Path(file).name for file in skipped["file"]]
    assert names == ["object_009.fits", "object_021.fits"]
    assert all(reason for reason in skipped["reason"])


def test_the_size_of_a_block_does_not_matter(whole, detector, stream, tmp_path):
    table = survey.score_survey(detector, stream, tmp_path / "t.csv", block=17)
    for name in whole.colnames:
        np.testing.assert_array_equal(table[name], whole[name])


@pytest.mark.parametrize("name", ["refine", "mapping"])
def test_a_search_scores_blocks_side_by_side_as_one_by_one(detector, tmp_path, name):
    gan, encoder = detector.model, detector.encoder
    search = Refine(encoder, 10) if name == "refine" else Mapping(gan, max_iterations=9)
    fresh = AnomalyDetector(gan, detector.images.stretch, search)
    fresh.measure_noise(_cutouts(40, 1)).calibrate(_cutouts(40, 1), levels=(90,))
    cutouts = _cutouts(48, 5)
    one_by_one = vstack([fresh.score_block(part) for part in cutouts.chunks(4)])
    table = survey.score_survey(fresh, cutouts, tmp_path / "scores.fits", block=4)
    found = dict(zip(table["object_id"], table["anomaly_score"], strict=True))
    for row in one_by_one:
        assert found[row["object_id"]] == row["anomaly_score"]


def test_killed_and_resumed_equals_never_stopped(
    whole, folder, stream, tmp_path, monkeypatch
):
    out = tmp_path / "scores.ecsv"
    command = [sys.executable, "-c", KILLED, str(folder / "detector")]
    command += [str(folder / "cutouts"), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not out.exists()
    parts = sorted(p.name for p in (tmp_path / "scores.ecsv.parts").iterdir())
    assert parts == ["000000.npz", "000001.npz", "manifest.json"]

    detector, scored = load_detector(folder / "detector"), []
    plain = survey.Parts.add
    monkeypatch.setattr(
        survey.Parts,
        "add",
        lambda self, k, rows, *block: (
            scored.extend(rows["object_id"]) or plain(self, k, rows, *block)
        ),
    )
    with pytest.raises(ValueError, match=r"scoring that was broken off.*\(--resume\)"):
        survey.score_survey(detector, stream, out, block=BLOCK)
    table = survey.score_survey(detector, stream, out, block=BLOCK, resume=True)
    assert min(scored) == "object_016"
    assert len(scored) == N - 16 - 1
    for name in whole.colnames:
        np.testing.assert_array_equal(table[name], whole[name])
    assert out.read_bytes() == (folder / "whole.ecsv").read_bytes()
    skipped = tmp_path / "scores.ecsv.skipped.ecsv"
    assert skipped.read_bytes() == (folder / "whole.ecsv.skipped.ecsv").read_bytes()
    assert not (tmp_path / "scores.ecsv.parts").exists()


def _break_off(detector, cutouts, out, monkeypatch, **options):
    def stop(self, *block, plain=survey.Parts.add):
        plain(self, *block)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(survey.Parts, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            survey.score_survey(detector, cutouts, out, **options)


def test_blocks_of_another_scoring_are_refused(
    detector, stream, folder, tmp_path, monkeypatch
):
    out = tmp_path / "scores.csv"
    _break_off(detector, stream, out, monkeypatch, block=BLOCK)
    with pytest.raises(ValueError, match="Received: another block; repeat the first"):
        survey.score_survey(detector, stream, out, block=9, resume=True)
    other = read_cutouts(folder / "cutouts", size=32, nan="refuse", stream=True)
    with pytest.raises(ValueError, match="Received: another cutouts; repeat"):
        survey.score_survey(detector, other, out, block=BLOCK, resume=True)
    changed = load_detector(folder / "detector")
    kernel = changed.model.critic.trainable_variables[0]
    kernel.assign(np.asarray(kernel) + 1e-6)
    with pytest.raises(ValueError, match="Received: another detector; repeat"):
        survey.score_survey(changed, stream, out, block=BLOCK, resume=True)


def test_cutouts_in_memory_are_resumed_too(detector, tmp_path, monkeypatch):
    cutouts, out = _cutouts(10, 3), tmp_path / "scores.csv"
    _break_off(detector, cutouts, out, monkeypatch, block=4)
    table = survey.score_survey(detector, cutouts, out, block=4, resume=True)
    expected = detector.score(cutouts, scores="ranking")
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name])


def test_a_break_after_the_last_block_scores_nothing_again(
    whole, folder, stream, tmp_path, monkeypatch
):
    detector, out = load_detector(folder / "detector"), tmp_path / "scores.csv"
    with monkeypatch.context() as patch:
        patch.setattr(survey, "write_table", None)
        with pytest.raises(TypeError):
            survey.score_survey(detector, stream, out, block=BLOCK)
    monkeypatch.setattr(survey.Parts, "add", None)
    table = survey.score_survey(detector, stream, out, block=BLOCK, resume=True)
    np.testing.assert_array_equal(table["anomaly_score"], whole["anomaly_score"])


def _copied(folder, tmp_path):
    """Copy the thirty objects, so that they may change."""
    return shutil.copytree(folder / "cutouts", tmp_path / "copy")


def _rewrite(place, rows, scale=1.0, keep_time=False):
    """Write some objects anew under their names, with other pixels or the same."""
    for row in rows:
        file = place / f"object_{row:03d}.fits"
        before = file.stat()
        with fits.open(file, mode="update") as hdus:
            hdus[0].data = (hdus[0].data * np.float32(scale)).astype("f4")
        assert file.stat().st_size == before.st_size
        later = before.st_mtime_ns + (0 if keep_time else 1)
        os.utime(file, ns=(later, later))


@pytest.mark.parametrize("keep_time", [False, True])
def test_other_pixels_under_the_same_names_are_never_mixed(
    detector, folder, tmp_path, monkeypatch, keep_time
):
    place, out = _copied(folder, tmp_path), tmp_path / "scores.ecsv"
    _break_off(detector, read_cutouts(place, stream=True), out, monkeypatch, block=8)
    _rewrite(place, [2], 1.5, keep_time)
    stream = read_cutouts(place, stream=True)
    with pytest.warns(UserWarning, match="1 finished blocks of .* scored anew"):
        table = survey.score_survey(detector, stream, out, block=8, resume=True)
    expected = survey.score_survey(detector, stream, tmp_path / "fresh.ecsv", block=8)
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name])


def test_files_that_were_copied_anew_with_the_same_pixels_keep_their_blocks(
    detector, folder, tmp_path, monkeypatch
):
    place, out = _copied(folder, tmp_path), tmp_path / "scores.ecsv"
    _break_off(detector, read_cutouts(place, stream=True), out, monkeypatch, block=8)
    _rewrite(place, range(8))
    added = []
    plain = survey.Parts.add
    monkeypatch.setattr(
        survey.Parts, "add", lambda self, k, *b: added.append(k) or plain(self, k, *b)
    )
    stream = read_cutouts(place, stream=True)
    survey.score_survey(detector, stream, out, block=8, resume=True)
    assert added == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_a_broken_block_is_scored_anew(
    detector, whole, stream, tmp_path, monkeypatch, content
):
    out = tmp_path / "scores.ecsv"
    with monkeypatch.context() as patch:
        patch.setattr(survey, "write_table", None)
        with pytest.raises(TypeError):
            survey.score_survey(detector, stream, out, block=BLOCK)
    block = tmp_path / "scores.ecsv.parts" / "000001.npz"
    half = block.read_bytes()
    block.write_bytes(half[: len(half) // 2] if content is None else content)
    with pytest.warns(UserWarning, match=r"000001.npz is broken.* 1 broken blocks"):
        table = survey.score_survey(detector, stream, out, block=BLOCK, resume=True)
    for name in whole.colnames:
        np.testing.assert_array_equal(table[name], whole[name])


def test_a_broken_manifest_is_a_sentence(detector, stream, tmp_path, monkeypatch):
    out = tmp_path / "scores.csv"
    _break_off(detector, stream, out, monkeypatch, block=BLOCK)
    (tmp_path / "scores.csv.parts" / "manifest.json").write_text("")
    with pytest.raises(ValueError, match=r"manifest.json must be a JSON.* Remove "):
        survey.score_survey(detector, stream, out, block=BLOCK, resume=True)


def test_the_manifest_says_what_the_blocks_depend_on(
    detector, stream, tmp_path, monkeypatch
):
    out = tmp_path / "scores.csv"
    _break_off(detector, stream, out, monkeypatch, block=BLOCK)
    manifest = json.loads((tmp_path / "scores.csv.parts/manifest.json").read_text())
    assert manifest["cutouts"] == stream.fingerprint()
    assert (manifest["method"], manifest["block"]) == ("encoder", BLOCK)


def test_progress_counts_objects_and_skipped(detector, stream, tmp_path, capsys):
    survey.score_survey(
        detector, stream, tmp_path / "t.csv", block=BLOCK, progress=True
    )
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "30/30" in last
    assert "2 skipped" in last


def test_what_cannot_be_scored_or_written_is_refused(detector, stream, tmp_path):
    with pytest.raises(ValueError, match="must end in .ecsv, .fits, .csv, .parquet"):
        survey.score_survey(detector, stream, tmp_path / "scores.txt")
    with pytest.raises(
        ValueError, match="`block` must be a whole number >= 1. Rec.* 0"
    ):
        survey.score_survey(detector, stream, tmp_path / "scores.csv", block=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        survey.score_survey(detector, stream, tmp_path / "file" / "scores.csv")
    bare = AnomalyDetector(detector.model, detector.stretch, detector.encoder)
    with pytest.raises(ValueError, match="calibrate RUN CUTOUTS --method encoder"):
        survey.score_survey(bare, stream, tmp_path / "scores.csv")
    alone = AnomalyDetector(DCAE((32, 32, 1)), detector.stretch)
    with pytest.raises(ValueError, match="`astroanomaly calibrate RUN CUTOUTS` with"):
        survey.score_survey(alone, stream, tmp_path / "scores.csv")


def test_a_survey_without_a_readable_object_is_refused(
    detector, folder, tmp_path, monkeypatch
):
    write_cutouts(tmp_path / "bad", _cutouts(2, 4))
    stream = read_cutouts(tmp_path / "bad", stream=True)
    for row in (0, 1):
        (tmp_path / "bad" / f"object_{row:03d}.fits").write_bytes(b"broken")
    with pytest.raises(ValueError, match="None of the 2 objects.*object_000.fits: "):
        survey.score_survey(detector, stream, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()
