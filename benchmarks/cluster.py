"""Score by one and two worker processes, and see how many tasks a scheduler carries.

The smallest DCAE scores an array by the engine onnx, with one worker and with two in
turn, after the start of the workers and with it. Then 64 workers of one scheduler only
sleep over each part, which is sent to them as a real one is: the share of the time that
they sleep says how long a part must take. They are threads of this one process, so that
its lock slows them: workers of their own get on better.
"""

import tempfile
import time
from pathlib import Path

import distributed
import numpy as np
from distributed import Client, LocalCluster, WorkerPlugin
from harness import Report, parse, ratio, show

from astroanomaly import runs
from astroanomaly.data.reading import read_cutouts
from astroanomaly.runs import cluster

SIDE = 32


class Sleeper:
    """A scorer that sleeps."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def part(self, k: int, stream) -> dict:
        """Take the time of a part; return the record of an empty one."""
        time.sleep(self.seconds)
        return {"n_rows": 0, "n_skipped": 0, "warnings": []}


class Load(WorkerPlugin):
    """Gives each worker its scorer."""

    def __init__(self, scorer: Sleeper):
        self.scorer = scorer


def images(path: Path, n: int, seed: int) -> Path:
    """Write an array of noise."""
    rng = np.random.default_rng(seed)
    np.save(path, rng.standard_normal((n, SIDE, SIDE), np.float32))
    return path


def timed(run, survey: Path, out: Path, n: int, part: int) -> dict:
    """Score with n workers; return seconds without and with their start.

    Workers that are there have loaded the detector.
    """
    began, first = time.perf_counter(), None
    plain = cluster.completed

    def watched(*arguments):
        nonlocal first
        first = time.perf_counter()
        return plain(*arguments)

    # From here on the workers are there and have loaded the detector.
    cluster.completed = watched
    try:
        runs.score_parts(run, survey, out, n_workers=n, part=part)
    finally:
        cluster.completed = plain
    end = time.perf_counter()
    return {"workers": n, "seconds": end - first, "with their start": end - began}


def asleep(client, stream, seconds: float, n_parts: int, n_workers: int) -> dict:
    """Return how many parts a second pass, and the share that workers sleep."""
    client.register_plugin(Load(Sleeper(seconds)), "sleep")
    began = time.perf_counter()
    done = sum(
        1
        for _, found in cluster.completed(
            distributed, client, "sleep", lambda k: stream, range(n_parts)
        )
        if isinstance(found, dict)
    )
    took = time.perf_counter() - began
    return {
        "part takes, s": seconds,
        "parts": done,
        "seconds": took,
        "parts/s": done / took,
        "asleep, per cent": 100 * done * seconds / took / n_workers,
    }


def main(argv=None) -> dict:
    """Time both, and report."""
    args = parse(
        argv,
        __doc__,
        objects=(40_000, 400),
        part=(2_000, 100),
        rounds=(3, 1),
        sleepers=(64, 4),
        sent=(10_000, 100),
    )
    report = Report("cluster", "Scoring by the workers of a cluster", args)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        train = images(work / "train.npy", 300, args.seed)
        survey = images(work / "survey.npy", args.objects, args.seed + 1)
        settings = {
            "model": {"name": "dcae", "latent_dim": 8},
            "training": {"epochs": 1, "batch_size": 50, "hold_out": 0.4},
            "data": {"size": SIDE},
        }
        runs.train(train, work / "run", settings)
        runs.calibrate(work / "run", onnx=True)
        run = runs.load_run(work / "run", "onnx")
        rows = [
            timed(run, survey, work / f"{k}_{n}", n, args.part)
            for k in range(args.rounds)
            for n in (1, 2)
        ]
        for row in rows:
            row["objects/s"] = args.objects / row["seconds"]
        report.table(
            f"{args.objects:,} images of {SIDE} x {SIDE} pixels, {args.part:,} a part",
            rows,
        )
        one, two = ([row["seconds"] for row in rows[k::2]] for k in (0, 1))
        report.note(f"Two workers score {ratio(one, two)} times as fast as one.")
        sent = images(work / "sent.npy", args.sent, args.seed)
        stream = read_cutouts(sent, stream=True)
        with (
            LocalCluster(
                n_workers=args.sleepers,
                threads_per_worker=1,
                processes=False,
                dashboard_address=":0",
                silence_logs=50,
                # Each would take the whole process's memory for its own, and pause.
                memory_limit=0,
            ) as local,
            Client(local, set_as_default=False) as client,
        ):
            times = (0.0, 1.0, 5.0) if not args.quick else (0.0, 0.05)
            rows = [
                asleep(client, stream, seconds, 5 * args.sleepers, args.sleepers)
                for seconds in times
            ]
        report.table(
            f"{args.sleepers} sleeping workers, parts of {args.sent:,} objects", rows
        )
    result = report.write()
    show(result)
    return result


if __name__ == "__main__":
    main()
