"""Merge a survey of ten million scored objects and select at 5 per cent FDR.

Parts as `score --out FOLDER` writes them are made first, with scores as 100,000
calibration objects rank them and one object in a thousand strange. Then each way of
merging runs in a process of its own, whose peak memory and time are noted. What is
selected is compared with scipy's procedure on all p-values at once.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from harness import Report, parse, show
from scipy.stats import false_discovery_control

from astroanomaly import tables
from astroanomaly.runs import ScoredParts

CALIBRATION, STRANGE, RATE = 100_000, 0.001, 0.05


def make(folder: Path, n: int, part: int, seed: int) -> np.ndarray:
    """Write parts; return all p-values."""
    rng, all_p = np.random.default_rng(seed), []
    calibration = np.sort(rng.exponential(size=CALIBRATION))
    for k in range(-(-n // part)):
        size = min(part, n - k * part)
        scores = rng.exponential(size=size)
        # Far beyond the calibration: these are to be found.
        scores += 15 * (rng.random(size) < STRANGE)
        below = np.searchsorted(calibration, scores, side="left")
        p_values = (1 + CALIBRATION - below) / (CALIBRATION + 1)
        ids = np.char.mod("survey_%010d", rng.permutation(size) + k * part)
        order = np.lexsort((ids, -scores))
        rows = Table({"object_id": ids[order]})
        rows["file"] = f"/data/survey/tile_{k:05d}.h5"
        rows["ra"], rows["dec"] = rng.uniform(0, 360, size), rng.uniform(-90, 90, size)
        rows["anomaly_score"] = scores[order]
        rows["peak_score"], rows["latent_norm"] = scores[order], rng.normal(size=size)
        rows["p_value"] = p_values[order]
        for level in (90, 95, 99):
            rows[f"is_anomaly_{level}"] = rows["p_value"] <= 1 - level / 100
        rows["flag"] = np.zeros(size, np.int32)
        rows.meta = {"key": str(k), "skipped": [], "warnings": [], "n_skipped": 0}
        rows.meta |= {"n_rows": size, "detector_digest": "d"}
        rows.meta["n_calibration"] = CALIBRATION
        tables.write_table(rows, folder / f"part-{k:05d}.parquet")
        all_p.append(p_values)
    record = {"score_columns": [], "n_objects": n}
    (folder / "_manifest.json").write_text(json.dumps(record))
    return np.concatenate(all_p)


def merge(folder: Path, what: str) -> dict:
    """Merge in this process; return rows, seconds and the peak memory."""
    began = time.perf_counter()
    scored = ScoredParts(folder)
    if what == "count alone":
        rows = scored.n_selected(RATE)
    elif what == "all rows, .parquet":
        scored.write(folder.parent / "all.parquet", fdr=RATE)
        rows = scored.n_rows
    else:
        chosen = {"top": 10_000} if what == "strangest 10,000" else {"selected": True}
        rows = len(scored.table(fdr=RATE, **chosen))
    return {
        "merge": what,
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }


def main(argv=None) -> dict:
    """Make, merge and compare."""
    if argv is None and sys.argv[1:2] == ["--merge"]:
        sys.stdout.write(json.dumps(merge(Path(sys.argv[2]), sys.argv[3])))
        return {}
    args = parse(argv, __doc__, rows=(10_000_000, 20_000), part=(20_000, 2_000))
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "scores"
        folder.mkdir()
        p_values = make(folder, args.rows, args.part, args.seed)
        expected = int((false_discovery_control(p_values) <= RATE).sum())
        found = []
        ways = ("count alone", "strangest 10,000", "selected", "all rows, .parquet")
        for what in ways:
            command = [sys.executable, __file__, "--merge", str(folder), what]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout))
    if {found[0]["rows"], found[2]["rows"]} != {expected}:
        raise SystemExit(f"scipy selects {expected} rows, the histogram {found}")
    report = Report("merge_parts", "Merging the parts of a survey", args)
    n_parts = -(-args.rows // args.part)
    report.table(f"{args.rows:,} rows in {n_parts} parts, FDR {RATE:.0%}", found)
    report.note(f"scipy's false_discovery_control selects {expected:,} rows too.")
    result = report.write()
    show(result)
    return result


if __name__ == "__main__":
    main()
