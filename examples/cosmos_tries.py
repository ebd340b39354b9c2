"""What else was tried on the COSMOS cutouts: one table, all by models of one half."""

from pathlib import Path

import cosmos_pool
import numpy as np
from astropy.table import Table, vstack

from astroanomaly import evaluation, runs
from astroanomaly.data.cutouts import concatenate
from astroanomaly.runs import survey
from astroanomaly.scores import residual
from astroanomaly.utils.files import atomic_path

SMOOTHINGS = (1.0, 1.5, 3.0)
BRIGHT = 30


def write(out: Path, names: tuple[str, ...]) -> None:
    """Write tries.ecsv.

    Parameters
    ----------
    out : Path
        The study's folder.
    names : tuple of str
        Tags of the score tables beside those of the study itself.
    """
    if (out / "tries.ecsv").exists():
        return
    quarters = cosmos_pool.tested_by(0)
    truth = vstack([cosmos_pool.catalog(out, q) for q in quarters])
    rows = []
    for name in ("", *names):
        tag = f"_{name}" if name else ""
        parts = [survey.read_table(out / f"scores{tag}_{q}.ecsv") for q in quarters]
        for part in parts:
            part.meta = {}
        table = vstack(parts)
        for score in ("peak_score", "total_score", "feature_score"):
            values = dict(zip(table["object_id"], table[score], strict=True))
            found = np.array([values[str(i)] for i in truth["object_id"]])
            rows.append((name or "as above", score, *_areas(truth, found)))
    for smoothing, found in _smoothed(out, quarters, truth).items():
        what = f"smoothing {smoothing:g} px"
        rows.append((what, "peak_score", *_areas(truth, found)))
    table = Table(rows=rows, names=("tried", "score", "all", "alone", "bright"))
    with atomic_path(out / "tries.ecsv") as partial:
        table.write(partial, format="ascii.ecsv")


def _areas(truth: Table, scores: np.ndarray) -> list[str]:
    strange = np.asarray(truth["is_anomaly"])
    bright = ~strange | (np.asarray(truth["companion_snr"]) >= BRIGHT)
    cells = []
    for keep in (np.ones(len(truth), bool), cosmos_pool.alone(truth), bright):
        area = evaluation.auc(strange[keep], scores[keep], seed=0)
        cells.append(f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})")
    return cells


def _smoothed(out: Path, quarters: tuple[int, int], truth: Table) -> dict:
    """Score with other smoothing lengths from the same reconstructions."""
    run = runs.load_run(out / "run_0")
    folders = [out / "inputs" / f"test_{q}" for q in quarters]
    test = concatenate([run.read(path, n_workers=1).read() for path in folders])
    train = run.read(out / "inputs" / "half_0", n_workers=1).read()
    one, other = (run.detector.explain(part) for part in (train, test))
    place = {str(name): i for i, name in enumerate(test.object_ids)}
    rows = [place[str(name)] for name in truth["object_id"]]
    found = {}
    for smoothing in SMOOTHINGS:
        noise = residual.ResidualNoise(smoothing)
        noise.fit(one["original"], one["reconstruction"])
        found[smoothing] = noise.peak(other["original"], other["reconstruction"])[rows]
    return found
