"""A small calibrated run and a survey in one file, to score in parts."""

import numpy as np
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import runs

SIDE, N, PART = 32, 60, 8
# Of these two nothing can be read; all objects of the third part are among them.
BROKEN = [3, *range(16, 24)]


def make(folder):
    """Write run, survey.npy and one table of all; return the table."""
    rng = np.random.default_rng(3)
    images = rng.normal(size=(140 + N, SIDE, SIDE)).astype("f4")
    np.save(folder / "train.npy", images[:140])
    survey = images[140:]
    # One of the training, which its part warns of.
    survey[0] = images[0]
    # Twins have equal scores, which stand in the order of their names.
    survey[40:50] = survey[30:40]
    survey[50:56, 12:20, 12:20] += 30
    survey[BROKEN] = np.nan
    np.save(folder / "survey.npy", survey)
    settings = {
        "model": {"name": "dcae", "latent_dim": 4},
        "training": {"epochs": 1, "batch_size": 49, "hold_out": 0.3},
        "data": {"size": SIDE},
    }
    runs.train(folder / "train.npy", folder / "run", settings)
    # Workers that never import TensorFlow start in a second.
    runs.calibrate(folder / "run", levels=(90, 95), onnx=True)
    run = runs.load_run(folder / "run", "onnx")
    stream = run.read(folder / "survey.npy")
    return runs.score_survey(run.detector, stream, folder / "one.fits", fdr=0.5)


def score(folder, out, run="run", **options):
    """Score the survey in parts, by the engine onnx."""
    run = runs.load_run(folder / run, "onnx")
    options = {"part": PART} | options
    return runs.score_parts(run, folder / "survey.npy", out, **options)


def content(folder):
    """Give what the parts of a folder hold, to the byte."""
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


def write_part(folder, k, rows, **meta):
    """Write rows as part `k` of a folder, without a survey."""
    meta = {"key": str(k), "skipped": [], "warnings": [], "n_skipped": 0} | meta
    meta |= {"detector_digest": "d", "n_rows": len(rows), "n_calibration": 999}
    rows = Table(rows, meta=meta)
    aa.tables.write_table(rows, folder / f"part-{k:05d}.parquet")
