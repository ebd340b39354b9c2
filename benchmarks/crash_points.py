"""Crash before and after each rename and fsync, and compare the final files.

Run ``python -m benchmarks.crash_points [COMMAND ...]`` in the repository's root. Every
command (simulate, train, calibrate, score, report, quickstart) runs once as it should.
It runs again, and at each call of os.replace, os.rename, os.fsync and os.sync the
folder is copied before and after the call: that is what a process killed there
leaves. From each different copy the command is repeated, with ``--resume`` where it
has it, in a process of its own, and the final files are compared with those of the
first run. Prints for each command the calls, the points, the different states and how
many ended with the same files.
"""

import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
import zipfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np

CALLS = ("replace", "rename", "fsync", "sync")
TRAINING = {
    "data": {"size": 32},
    "model": {"name": "dcae", "latent_dim": 4},
    "training": {"epochs": 2, "batch_size": 4, "sample_grid": 2},
}


def _galaxies(folder, again):
    from astroanomaly.cli import main

    words = ["simulate", "galaxies", "--n", "3", "--size", "32", "--workers", "1"]
    words += ["--out", str(folder / "galaxies"), *(["--overwrite"] if again else [])]
    if main(words):
        raise RuntimeError("simulate failed")


def _train(folder, again):
    from astroanomaly import runs

    runs.train(folder / "train.npy", folder / "run", TRAINING, resume=again)


def _calibrate(folder, again):
    from astroanomaly import runs

    runs.calibrate(folder / "run", folder / "train.npy", levels=(50,))


def _score(folder, again):
    from astroanomaly import runs

    run = runs.load_run(folder / "run")
    out = folder / "scores.ecsv"
    runs.score_survey(run.detector, run.read(folder / "train.npy"), out, 3, again)


def _report(folder, again):
    from astroanomaly import report, runs

    run = runs.load_run(folder / "run")
    table = runs.survey.read_table(folder / "scores.ecsv")
    stream = run.read(folder / "train.npy")
    report.write(folder / "report.html", run.detector, stream, table, n=2)


def _quickstart(folder, again):
    from astroanomaly import evaluation
    from astroanomaly.runs import demo

    # Each file written is four points: few files, fewer images than 60 components.
    evaluation.baseline_scores = partial(
        evaluation.baseline_scores, n_components=(2,), n_forest_components=2
    )
    tiny = demo.Settings(
        n_train=8,
        n_calibration=4,
        n_isolated=2,
        n_companions=2,
        size=32,
        model={"width": 1, "latent_dim": 4, "n_critic": 1},
        training={"epochs": 1, "batch_size": 8, "sample_grid": 2},
        encoder={"epochs": 1},
        detector={"score": "peak"},
    )
    demo.LEVELS = (50,)
    demo.quickstart(folder / "quickstart", scale=tiny, n_workers=1, resume=again)


# In the order in which one needs what the other made.
COMMANDS = {
    "simulate": _galaxies,
    "train": _train,
    "calibrate": _calibrate,
    "score": _score,
    "report": _report,
    "quickstart": _quickstart,
}


def in_child(work) -> int:
    """Call a function in a child process; return the exit status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        status = 1
        try:
            with open(os.devnull, "w") as null:
                os.dup2(null.fileno(), 1)
                work()
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def watched(folder: Path, look) -> None:
    """Call `look()` before and after each call that a crash could part."""

    def wrap(call):
        def wrapped(*arguments, **options):
            look()
            try:
                return call(*arguments, **options)
            finally:
                look()

        return wrapped

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, wrap(getattr(os, name)))


def crash_at(point: int) -> None:
    """End this process, as a kill would, at the point of this number from 0."""
    seen = -1

    def look():
        nonlocal seen
        seen += 1
        if seen == point:
            os._exit(77)

    watched(Path(), look)


def content(folder: Path) -> dict:
    """Return what a folder holds, without times and what follows from them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            found[str(path.relative_to(folder))] = "folder"
            continue
        data = path.read_bytes()
        if path.suffix == ".keras":
            data = archived(data)
        elif path.name == "checksums.json":
            data = "".join(json.loads(data)).encode()
        elif path.name == "summary.json":
            data = json.dumps({**json.loads(data), "seconds": None}).encode()
        elif path.suffix == ".html":
            data = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", data)
        found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def archived(data: bytes) -> bytes:
    """Return what a .keras archive holds: its settings and the bits of its arrays."""
    kept = []

    def keep(key, found):
        # Keras counts layers in a process: a model that was loaded before another was
        # built has other layer names in its attributes, and the same arrays.
        if isinstance(found, h5py.Dataset):
            kept.extend([key.encode(), found[()].tobytes()])

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # Archives keep the time of writing.
        for name in sorted(set(archive.namelist()) - {"metadata.json"}):
            if not name.endswith(".h5"):
                kept += [name.encode(), archive.read(name)]
                continue
            with h5py.File(io.BytesIO(archive.read(name))) as weights:
                weights.visititems(keep)
    return b"".join(kept)


def states(command, before: Path, place: Path) -> tuple[int, list[Path]]:
    """Run a command on a copy; return its points and the different states there."""
    folder, kept = place / "folder", place / "states"
    shutil.copytree(before, folder)
    kept.mkdir()

    def work():
        seen, points = set(), 0

        def look():
            nonlocal points
            points += 1
            now = {
                str(p.relative_to(folder)): p.stat().st_size
                if p.is_dir()
                else hashlib.sha256(p.read_bytes()).hexdigest()
                for p in folder.rglob("*")
            }
            key = json.dumps(now, sort_keys=True)
            if key not in seen:
                seen.add(key)
                shutil.copytree(folder, kept / f"{points:04d}")

        watched(folder, look)
        command(folder, False)
        (place / "points").write_text(str(points))

    if in_child(work):
        raise RuntimeError("the command failed while it was watched")
    return int((place / "points").read_text()), sorted(kept.iterdir())


def main() -> int:
    """Go through the commands; return 0 if all points end with the same files."""
    # Imported once, before the processes part; nothing is computed here.
    import galsim  # noqa: F401

    import astroanomaly.cli
    import astroanomaly.runs.demo
    import astroanomaly.runs.training  # noqa: F401
    from astroanomaly import report, simulate  # noqa: F401

    chosen, bad = sys.argv[1:] or list(COMMANDS), 0
    work = Path(tempfile.mkdtemp())
    # One path for all, as tables and records name the files that were read.
    folder = work / "place" / "folder"
    before = work / "before"
    before.mkdir()
    images = np.random.default_rng(1).exponential(size=(8, 32, 32))
    np.save(before / "train.npy", images.astype("f4"))
    for name, command in COMMANDS.items():
        if name == "quickstart":
            shutil.rmtree(before)
            before.mkdir()
        shutil.copytree(before, folder)
        if in_child(lambda command=command, folder=folder: command(folder, False)):
            raise RuntimeError(f"{name} failed")
        expected, after = content(folder), work / "after"
        shutil.copytree(folder, after)
        shutil.rmtree(work / "place")
        if name in chosen:
            points, found = states(command, before, work / "place")
            same = 0
            for state in found:
                shutil.rmtree(folder)
                shutil.copytree(state, folder)
                status = in_child(
                    lambda command=command, folder=folder: command(folder, True)
                )
                now = content(folder)
                if status == 0 and now == expected:
                    same += 1
                    continue
                bad += 1
                odd = {k for k in {*now, *expected} if now.get(k) != expected.get(k)}
                print(f"{name}, state {state.name}: status {status}, {sorted(odd)[:6]}")
            print(
                f"{name}: {points // 2} calls, {points} points, {len(found)} different "
                f"states, {same} end with the same files",
                flush=True,
            )
            shutil.rmtree(work / "place")
        shutil.rmtree(before)
        after.rename(before)
    shutil.rmtree(work)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
