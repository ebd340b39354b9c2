"""Time FITS reading: read_cutouts, a loop with astropy and a loop with fitsio.

Cold: before each pass the operating system is asked to drop the files from memory
(posix_fadvise). Warm: they are in memory.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from harness import Report, alternate, parse, ratio, show


def forget(paths: list[str]) -> None:
    """Ask the operating system to drop files from its memory."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def astropy_loop(paths: list[str]) -> np.ndarray:
    from astropy.io import fits

    return np.stack([np.asarray(fits.getdata(path), np.float32) for path in paths])


def fitsio_loop(paths: list[str]) -> np.ndarray:
    import fitsio

    return np.stack([np.asarray(fitsio.read(path), np.float32) for path in paths])


def contenders(folder: Path, paths: list[str], workers: list[int]) -> dict:
    """Return the ways to read by name; each returns the pixels."""
    from astroanomaly import read_cutouts

    ways = {"astropy loop": lambda: astropy_loop(paths)}
    try:
        import fitsio  # noqa: F401

        ways["fitsio loop"] = lambda: fitsio_loop(paths)
    except ModuleNotFoundError:
        pass
    for n in workers:
        ways[f"read_cutouts, {n} process(es)"] = lambda n=n: read_cutouts(
            folder, n_workers=n
        ).images[..., 0]
    return ways


def check_same(ways: dict) -> None:
    """Raise if two ways do not read the same pixels."""
    pixels = {name: way() for name, way in ways.items()}
    first = pixels.pop("astropy loop")
    for name, other in pixels.items():
        if not np.array_equal(first, other):
            raise ValueError(f"{name} must read the pixels that astropy reads")


def measure(folder: Path, args) -> list[dict]:
    paths = sorted(str(path) for path in folder.glob("*.fits"))
    ways = contenders(folder, paths, args.workers)
    check_same(ways)
    rows = []
    for state in ("warm", "cold"):
        if state == "cold":
            # macOS does not have it.
            if not hasattr(os, "posix_fadvise"):
                break
            # Dropping the files is a separate contender, so that readers are not
            # charged for it.
            ways = {
                key: way
                for name, function in ways.items()
                for key, way in (
                    (f"forget {name}", lambda: forget(paths)),
                    (name, function),
                )
            }
        seconds = alternate(ways, args.rounds, warm_up=int(state == "warm"))
        for name, values in seconds.items():
            if name.startswith("forget "):
                continue
            rows.append(
                {
                    "files": state,
                    "reader": name,
                    "files/s": float(len(paths) / np.median(values)),
                    "speed over astropy's": ratio(seconds["astropy loop"], values),
                    "speed over fitsio's": ratio(seconds["fitsio loop"], values)
                    if "fitsio loop" in seconds
                    else "",
                }
            )
    return rows


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv, __doc__, n=(4000, 48), rounds=(5, 1), size=(64, 32), workers=([1, 2], [1])
    )
    report = Report("reading", "Reading FITS files", args)
    from detectors import write_files

    from astroanomaly import simulate

    some = simulate.galaxies(min(args.n, 256), size=args.size, seed=args.seed)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder) / "cutouts", some, args.n)
        rows = measure(Path(folder) / "cutouts", args)
    report.table(
        f"{args.n} float32 files of {args.size} pixels, medians of {args.rounds}", rows
    )
    report.note(
        "the time of read_cutouts includes joining the catalog, checking names, units "
        "and NaNs, and starting worker processes; the loops only read pixels"
    )
    if "fitsio loop" not in [row["reader"] for row in rows]:
        report.note("no rows for fitsio, which is not installed: `pip install fitsio`")
    return report.write()


if __name__ == "__main__":
    show(main())
