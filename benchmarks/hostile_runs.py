"""Edited run folders, and whether each command ends in a sentence within 2 GB.

Run ``python -m benchmarks.hostile_runs [WORD ...]`` in the repository's root. Every
edit of ``tests/hostile.py`` (whose name holds one of the words) is made to a copy of a
saved run; `score`, `verify` and ``train --resume`` run on it, and where `score` works
`report`, `explain` and `calibrate` too, each in a process of its own. Status 0 or 2
without a traceback is good. Prints a line for each bad end and the counts.
"""

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_GB = 2.0


def ends(command, run: Path, log: Path) -> tuple[int, float]:
    """Run a command line in a child; return its status and its peak memory in GB."""
    child = os.fork()
    if child == 0:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        # An attack on the memory must not stop the whole machine.
        resource.setrlimit(resource.RLIMIT_AS, (24 * 2**30, 24 * 2**30))
        from astroanomaly.cli import main

        status = 1
        try:
            status = main(command)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 2**20


def main() -> int:
    """Try every edit; return 0 if all end well."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hostile import EDITS, SAVED

    # Imported once, before the processes part; nothing is computed here.
    import astroanomaly.cli
    import astroanomaly.detector
    import astroanomaly.runs.training  # noqa: F401

    work = Path(tempfile.mkdtemp())
    cutouts, bad, worst, n = str(SAVED / "cutouts"), 0, 0.0, 0
    chosen = sys.argv[1:]
    for name, edit in EDITS.items():
        if chosen and not any(word in name for word in chosen):
            continue
        run = work / "run"
        shutil.copytree(SAVED / "run", run)
        edit(run)
        commands = [
            ["score", str(run), cutouts, "--out", str(work / "t.ecsv")],
            ["verify", str(run)],
            ["train", cutouts, "--out", str(run), "--resume"],
        ]
        works = [
            ["report", str(run), str(work / "t.ecsv"), cutouts]
            + ["--out", str(work / "r.html")],
            ["explain", str(run), cutouts, "--object-id", "test_00"]
            + ["--out", str(work / "x.png")],
            ["calibrate", str(run), cutouts, "--levels", "50"],
        ]
        for command in commands:
            n += 1
            status, gigabytes = ends(command, run, work / "log")
            text = (work / "log").read_text(errors="replace")
            worst = max(worst, gigabytes)
            lines = text.strip().splitlines()
            odd = status not in (0, 2) or "Traceback" in text or gigabytes > LIMIT_GB
            if status == 2 and command[0] != "verify":
                odd |= not lines or not lines[-1].startswith("astroanomaly: ")
            if command[0] == "score" and status == 0:
                commands += works
            if odd:
                bad += 1
                last = lines[-1] if lines else ""
                print(
                    f"{name} | {command[0]} | {status} | {gigabytes:.2f} | {last}",
                    flush=True,
                )
        shutil.rmtree(run)
        for path in work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{n} commands on edited runs: {n - bad} good, peak {worst:.2f} GB")
    shutil.rmtree(work)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
