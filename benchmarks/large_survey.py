"""Score 100,000 cutouts, one in a hundred of them broken, killed twice on the way.

Run ``python -m benchmarks.large_survey [NUMBER]`` in the repository's root. One .npy
array of 64 x 64 float32 pixels is made, 1.6 GB, in which every hundredth row is NaN
throughout. The smallest DCAE is trained on 200 others. The scoring is killed when a
third and when two thirds of the blocks are there, and repeated with ``--resume``; it
runs once more without a break, on a twentieth as many rows, for its memory. Prints
what the table holds, which rows were skipped, times and the peak memory.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

SIDE, BROKEN, BLOCK = 64, 100, 512
CONFIG = {
    "model": {"name": "dcae", "latent_dim": 8},
    "training": {"epochs": 2, "batch_size": 50},
}


def make(path: Path, n: int, broken: int) -> None:
    """Write Gaussian blobs in noise, every `broken`-th row NaN (0: none)."""
    images = open_memmap(path, "w+", np.float32, (n, SIDE, SIDE))
    y, x = np.mgrid[-32:32, -32:32].astype(np.float32)
    rng = np.random.default_rng(1)
    for first in range(0, n, 1000):
        part = images[first : first + 1000]
        width = rng.uniform(20, 120, (len(part), 1, 1)).astype(np.float32)
        part[:] = 50 * np.exp(-(x**2 + y**2) / width)
        part += rng.standard_normal(part.shape, np.float32)
    if broken:
        images[broken - 1 :: broken] = np.nan
    images.flush()


def score(run: Path, cutouts: Path, out: Path, kill_at: int | None = None):
    """Score in a process of its own; return seconds, memory in MB and status."""
    command = [sys.executable, "-m", "astroanomaly", "score", str(run), str(cutouts)]
    command += ["--out", str(out), "--block", str(BLOCK), "--resume"]
    began = time.monotonic()
    with open(out.with_suffix(".log"), "w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
    parts = out.with_name(f"{out.name}.parts")
    while kill_at is not None and child.poll() is None:
        if len(list(parts.glob("*.npz"))) >= kill_at:
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.2)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    return seconds, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def main() -> int:
    """Make, train, score, kill, and show; return 0 if all is as it must be."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    from astroanomaly import runs

    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        make(work / "train.npy", 200, 0)
        make(work / "part.npy", n // 20, BROKEN)
        make(work / "survey.npy", n, BROKEN)
        runs.train(work / "train.npy", work / "run", CONFIG)
        runs.calibrate(work / "run", work / "train.npy", levels=(90,))
        blocks, out = -(-n // BLOCK), work / "scores.fits"
        seconds, memory, status = score(
            work / "run", work / "part.npy", work / "part.fits"
        )
        print(f"{n // 20:,} objects: {seconds:.0f} s, peak {memory:.0f} MB")
        for kill_at in (blocks // 3, 2 * blocks // 3, None):
            seconds, memory, status = score(
                work / "run", work / "survey.npy", out, kill_at
            )
            print(f"status {status}: {seconds:.0f} s, peak {memory:.0f} MB", flush=True)
        if status:
            print(out.with_suffix(".log").read_text())
            return 1
        table = runs.survey.read_table(out)
        skipped = runs.survey.read_table(work / "scores.fits.skipped.ecsv")
        rows = [re.search(r"\[(\d+)\]$", name) for name in skipped["file"]]
        named = [int(row[1]) for row in rows if row]
        good = named == list(range(BROKEN - 1, n, BROKEN))
        print(
            f"{len(table):,} rows, {len(skipped):,} skipped, {len(named):,} named by "
            f"row, all right: {good}; first: {skipped['file'][0].split('/')[-1]}: "
            f"{skipped['reason'][0]}"
        )
        found = runs.verify(work / "run", out)
        print(*found.changed, *found.checked, sep="\n")
        return int(not (good and found.good and len(table) == n - n // BROKEN))


if __name__ == "__main__":
    sys.exit(main())
