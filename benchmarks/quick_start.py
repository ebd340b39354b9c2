"""Time the verbs from a folder of FITS cutouts to a ranked, calibrated table and page.

Each verb is a command of its own, as a user types it: the time of starting Python and
importing TensorFlow counts, once a verb.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Report, parse, show

from astroanomaly import simulate, write_cutouts

# What the wait should not exceed, for 2,000 cutouts on two cores.
AIM = 60.0


def commands(cutouts: Path, folder: Path, pretrained: str) -> dict[str, list[list]]:
    """Return the verbs of both ways, each as its arguments."""
    run, adopted = folder / "run", folder / "adopted"
    table, other = folder / "scores.fits", folder / "other.fits"
    page = folder / "report.html"
    return {
        "train --model pca": [
            ["train", cutouts, "--out", run, "--model", "pca", "--hold-out", "0.2"],
            ["calibrate", run],
            ["score", run, cutouts, "--out", table],
            ["report", run, table, cutouts, "--out", page],
        ],
        f"--pretrained {pretrained}": [
            ["calibrate", "--pretrained", pretrained, cutouts, "--out", adopted],
            ["score", adopted, cutouts, "--out", other],
            ["report", adopted, other, cutouts, "--out", page],
        ],
    }


def timed(arguments: list) -> tuple[float, float]:
    """Run one verb; return its seconds of wall-clock and of CPU time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "astroanomaly", *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def main(argv=None) -> dict:
    """Time, write and show the result."""
    args = parse(argv, __doc__, n=(2000, 120), pretrained=("hst-f160w-galaxies",) * 2)
    report = Report("quick_start", "From a folder to a ranked table and a page", args)
    with tempfile.TemporaryDirectory() as place:
        cutouts = Path(place) / "cutouts"
        write_cutouts(cutouts, simulate.galaxies(args.n, seed=args.seed))
        for way, verbs in commands(cutouts, Path(place), args.pretrained).items():
            rows = []
            for verb in verbs:
                wall, cpu = timed(verb)
                rows.append({"verb": verb[0], "wall (s)": wall, "CPU (s)": cpu})
            total = {k: sum(row[k] for row in rows) for k in ("wall (s)", "CPU (s)")}
            rows.append({"verb": "all", **total})
            report.table(f"{way}, {args.n} FITS files of 64x64 pixels", rows)
    report.note(f"the aim is {AIM:g} s for 2,000 cutouts on two cores")
    return report.write()


if __name__ == "__main__":
    show(main())
