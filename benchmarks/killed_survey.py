"""Score a large survey in parts, killed three times, in bounded memory.

Run ``python -m benchmarks.killed_survey [NUMBER]`` in the repository's root. An array
of NUMBER images of 32 x 32 pixels is made, every 997th of them NaN, and a tenth of it
once more; the smallest DCAE learns in seconds and scores by the engine onnx. First both
are scored by two workers without a break, with the peak memory of all processes
together. Then a worker is killed, then the client with its workers, and then, with a
scheduler and workers of their own, the scheduler. What is there in the end is compared
with the parts of the undisturbed scoring, byte by byte.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

SIDE, BROKEN = 32, 997
PORT = 18786


def make(path: Path, n: int) -> None:
    """Write noise; every 997th image is NaN."""
    images = open_memmap(path, "w+", np.float32, (n, SIDE, SIDE))
    rng = np.random.default_rng(1)
    for first in range(0, n, 10_000):
        part = images[first : first + 10_000]
        part[:] = rng.standard_normal(part.shape, np.float32)
    images[BROKEN - 1 :: BROKEN] = np.nan
    images.flush()


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for one in found:
        # Any thread may have started a child.
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in file.read_text().split()]
    return found


def memory(pids) -> np.ndarray:
    """Return the memory of processes and what of it lies in no file, MB.

    What they share is counted once.
    """
    total = np.zeros(2)
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        words = dict(line.split()[:2] for line in lines[1:])
        total += [int(words["Pss:"]), int(words["Pss_Anon:"])]
    return total / 1024


def scoring(out: Path, *words) -> subprocess.Popen:
    """Begin, or resume, a scoring; its output goes beside the folder."""
    command = [sys.executable, "-m", "astroanomaly", "score", *map(str, words)]
    command += ["--out", str(out), "--resume"]
    with open(f"{out}.log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def parts(out: Path) -> int:
    """Return how many parts there are."""
    return len(list(out.glob("part-*.parquet")))


def watched(child, out: Path, n: int | None = None) -> np.ndarray:
    """Wait until n parts are there, or the scoring ends; return the peak memory."""
    peak, due = np.zeros(2), 0.0
    while child.poll() is None and (n is None or parts(out) < n):
        # The kernel walks through all pages for it, which costs what is measured.
        if time.monotonic() >= due:
            peak = np.maximum(peak, memory(family(child.pid)))
            due = time.monotonic() + 2
        time.sleep(0.5)
    return peak


def digest(out: Path) -> str:
    """Return the SHA-256 of all parts."""
    found = hashlib.sha256()
    for file in sorted(out.glob("*.parquet")):
        found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


def main() -> int:
    """Make, train, score, kill, and compare; return 0 if all is as it must be."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    block = max(100, n // 100)
    from astroanomaly import runs

    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        for name, number in (("train", 300), ("tenth", n // 10), ("survey", n)):
            make(work / f"{name}.npy", number)
        settings = {
            "model": {"name": "dcae", "latent_dim": 8},
            "training": {"epochs": 1, "batch_size": 50, "hold_out": 0.4},
            "data": {"size": SIDE},
        }
        runs.train(work / "train.npy", work / "run", settings)
        runs.calibrate(work / "run", onnx=True)
        two = ("--workers", 2, "--block", block)
        for name in ("tenth", "survey"):
            began = time.monotonic()
            child = scoring(work / name, work / "run", work / f"{name}.npy", *two)
            peak = watched(child, work / name)
            seconds = time.monotonic() - began
            number = runs.ScoredParts(work / name).n_rows
            print(
                f"{number:,} scored: status {child.returncode}, {seconds:.0f} s, peak "
                f"{peak[0]:.0f} MB, of which {peak[1]:.0f} MB lie in no file",
                flush=True,
            )
        n_parts, out = parts(work / "survey"), work / "killed"
        arguments = (work / "run", work / "survey.npy")
        child = scoring(out, *arguments, *two)
        watched(child, out, n_parts // 4)
        # Of the processes below the client, those that hold the most are workers.
        worker = max(family(child.pid)[1:], key=lambda pid: memory([pid])[0])
        os.kill(worker, signal.SIGKILL)
        print(f"a worker killed at {parts(out)} of {n_parts} parts", flush=True)
        watched(child, out, n_parts // 2)
        child.kill()
        child.wait()
        print(f"the client killed at {parts(out)} parts", flush=True)
        address = f"tcp://127.0.0.1:{PORT}"
        dask = [sys.executable, "-m"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler = [*dask, "distributed.cli.dask_scheduler", "--port", str(PORT)]
        scheduler += ["--host", "127.0.0.1", "--no-dashboard"]
        scheduler = subprocess.Popen(scheduler, **quiet)
        worker = [*dask, "distributed.cli.dask_worker", address, "--nthreads", "1"]
        worker += ["--nworkers", "2", "--death-timeout", "30", "--no-dashboard"]
        workers = subprocess.Popen(worker, **quiet)
        time.sleep(5)
        cluster = ("--scheduler", address, "--block", block)
        child = scoring(out, *arguments, *cluster)
        watched(child, out, 3 * n_parts // 4)
        scheduler.kill()
        status = child.wait()
        workers.terminate()
        print(f"the scheduler killed at {parts(out)} parts: status {status}")
        print(Path(f"{out}.log").read_text().strip().splitlines()[-1], flush=True)
        child = scoring(out, *arguments, *two)
        watched(child, out)
        same = digest(out) == digest(work / "survey")
        print(f"resumed: status {child.returncode}, the same to the byte: {same}")
        return int(not same or child.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
