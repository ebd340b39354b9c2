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
    survey[50:56] *= 3
    survey[BROKEN] = np.nan
    np.save(folder / "survey.npy", survey)
    settings = {"model": {"name": "pca", "n_components": 5}, "data": {"size": SIDE}}
    runs.train(folder / "train.npy", folder / "run", settings, hold_out=0.3)
    runs.calibrate(folder / "run", levels=(90, 95))
    run = runs.load_run(folder / "run")
    stream = run.read(folder / "survey.npy")
    return runs.score_survey(run.detector, stream, folder / "one.fits", fdr=0.5)


def content(folder):
    """Give what the parts of a folder hold, to the byte."""
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


def write_part(folder, k, rows, **meta):
    """Write rows as part `k` of a folder, without a survey."""
    meta = {"key": str(k), "skipped": [], "warnings": [], "n_skipped": 0} | meta
    meta |= {"detector_digest": "d", "n_rows": len(rows), "n_calibration": 999}
    rows = Table(rows, meta=meta)
    aa.tables.write_table(rows, folder / f"part-{k:05d}.parquet")
