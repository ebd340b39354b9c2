"""A training whose pixels stay on the disk."""

import os
import signal
import subprocess
import sys
import tracemalloc

import keras
import numpy as np
import pytest

from astroanomaly import runs
from astroanomaly.data.cutouts import Cutouts

SETTINGS = {"data": {"size": 32}, "stretch": {"name": "linear"}}


def images(path, n):
    np.save(path, np.random.default_rng(1).normal(size=(n, 32, 32)).astype("f4"))
    return path


@pytest.mark.parametrize("hold_out", [None, 0.25])
def test_the_same_bits_as_from_memory(tmp_path, hold_out):
    survey, cache = images(tmp_path / "survey.npy", 160), tmp_path / "cache.npy"
    settings = SETTINGS | {"training": {"batch_size": 40}}
    options = {"model": "pca", "hold_out": hold_out}
    here = runs.train(survey, tmp_path / "here", settings, **options)
    runs.train(survey, tmp_path / "there", settings, **options, cache=cache)
    # A finished training is read again, and left as it is.
    there = runs.train(
        survey, tmp_path / "there", settings, **options, cache=cache, resume=True
    )
    for name in ("training_objects.json", "history.csv"):
        first, second = (r.folder / name for r in (here, there))
        assert first.read_bytes() == second.read_bytes()
    cutouts = Cutouts(np.load(survey))
    pair = [r.detector.score_block(cutouts)["whitened_score"] for r in (here, there)]
    np.testing.assert_array_equal(*pair)
    found = sorted(file.name for file in tmp_path.glob("cache*"))
    parts = ["cache.held_out.npy", "cache.npy", "cache.trained.npy"]
    assert found == (parts if hold_out else ["cache.npy"])
    assert len(np.load(tmp_path / found[-1])) == (120 if hold_out else 160)


# The reader dies first, with the cache half written; then the training, in epoch 2.
KILLED = """
import os, signal
from astroanomaly import runs
from astroanomaly.data import npy
from astroanomaly.runs import callbacks

def kill(self, batch=None, logs=None):
    if not hasattr(self, "rows") or (len(self.rows), batch) == (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)

if "{where}" == "reading":
    npy.NpyWriter.close = kill
else:
    callbacks.Checkpoint.on_train_batch_end = kill
runs.train({survey!r}, "there", {settings}, resume=True, cache="cache.npy")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_and_resumed_equals_never_stopped(tmp_path):
    survey = images(tmp_path / "survey.npy", 40)
    settings = SETTINGS | {
        "model": {"name": "dcae", "latent_dim": 4},
        "training": {"batch_size": 8, "epochs": 2, "augment": True, "hold_out": 0.2},
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for where in ("reading", "training"):
        code = KILLED.format(where=where, settings=settings, survey=str(survey))
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        # As large as a survey: the next command removes what a killed one left.
        n_left = len(list(tmp_path.glob(".*.partial.*")))
        assert n_left == (1 if where == "reading" else 0)
    out, cache = tmp_path / "there", tmp_path / "cache.npy"
    assert (out / "checkpoint" / "dcae.keras").is_file()
    assert not (out / "model.keras").exists()
    there = runs.train(survey, out, resume=True, cache=cache).folder
    here = runs.train(survey, tmp_path / "here", settings).folder
    for name in ("history.csv", "training_objects.json", "detector/detector.json"):
        assert (there / name).read_bytes() == (here / name).read_bytes()
    states = [
        [*model.variables, *model.optimizer.variables]
        for model in (keras.saving.load_model(r / "model.keras") for r in (here, there))
    ]
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_pixels_do_not_fill_the_memory(tmp_path):
    n, peaks = 4000, []
    for k in (1, 4):
        survey, out = images(tmp_path / f"{k}.npy", k * n), tmp_path / f"run{k}"
        tracemalloc.start()
        try:
            runs.train(
                survey,
                out,
                SETTINGS | {"training": {"batch_size": 64, "sample_grid": 1}},
                model="pca",
                hold_out=0.2,
                cache=tmp_path / "cache.npy",
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # Four times the images are 47 MB more; names and digests of objects are not pixels.
    assert peaks[1] - peaks[0] < 12e6, peaks


def test_auto_takes_no_cache(tmp_path):
    survey = images(tmp_path / "survey.npy", 20)
    with pytest.raises(ValueError, match="`cache`|cache.*Received"):
        runs.train(survey, tmp_path / "r", model="auto", cache=tmp_path / "c.npy")
