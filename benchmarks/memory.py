"""Measure the peak memory of score_survey from disk, in a new process.

For each case: `ru_maxrss` of the scoring process and of its largest child
(getrusage). Where /proc exists, also the peaks of two sums over all these processes,
sampled ten times a second: resident memory (VmRSS), and its part that is not backed
by a file (RssAnon).
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from harness import Report, parse, show

# Images written at a time: 16 MB at 64 pixels.
_BLOCK = 1000
# Linux adds the pages of a parent process to the ru_maxrss of its child. A small
# process between the two keeps the pages of this one out of it.
_BETWEEN = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"


def write_array(path: Path, images: np.ndarray, n: int) -> Path:
    """Write `n` images as .npy, repeating them, in constant memory."""
    shape = (n, *images.shape[1:3])
    out = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n)) % len(images)
        out[start : start + len(rows)] = images[rows, ..., 0]
    out.flush()
    return path


def write_cube(path: Path, images: np.ndarray, n: int) -> Path:
    """Write `n` images as one FITS cube, repeating them, in constant memory."""
    from astropy.io import fits

    header = fits.PrimaryHDU(np.zeros((1, *images.shape[1:3]), np.float32)).header
    header["NAXIS3"] = n
    with fits.StreamingHDU(str(path), header) as out:
        for start in range(0, n, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, n)) % len(images)
            out.write(np.ascontiguousarray(images[rows, ..., 0]))
    return path


class Sampler(threading.Thread):
    """Sample the memory of a process and of its descendants."""

    fields = ("VmRSS", "RssAnon")

    def __init__(self, pid: int, interval: float = 0.1):
        super().__init__(daemon=True)
        self.pid, self.interval = pid, interval
        self.peaks = np.zeros(len(self.fields))
        self.done = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self.done.wait(self.interval):
            held = [memory_of(pid, self.fields) for pid in family(self.pid)]
            self.peaks = np.maximum(self.peaks, np.sum(held, axis=0))

    def stop(self) -> dict[str, float]:
        """Stop and return the peaks in MB; NaN without /proc."""
        self.done.set()
        self.join()
        peaks = np.where(self.peaks > 0, self.peaks, np.nan)
        return dict(zip(self.fields, peaks.tolist(), strict=True))


def family(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    known, new = [pid], [pid]
    while new:
        parent = new.pop()
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = [int(child) for child in file.read_text().split()]
            except OSError:
                # It ended between the listing and the reading.
                continue
            known += children
            new += children
    return known


def memory_of(pid: int, fields: tuple[str, ...]) -> list[float]:
    """Return fields of a process's status in MB; zeros once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        lines = []
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return [int(found.get(field, "0 kB").split()[0]) / 1024 for field in fields]


def child(detector: str, cutouts: str, out: str) -> None:
    """Score in the measured process and write its peak as JSON."""
    import astroanomaly as aa

    loaded = aa.load_detector(detector)
    start = time.perf_counter()
    stream = aa.read_cutouts(cutouts, bands=list(loaded.bands), stream=True)
    table = aa.runs.score_survey(loaded, stream, out)
    seconds = time.perf_counter() - start
    # macOS reports bytes, Linux kilobytes.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    peak = {
        who: resource.getrusage(kind).ru_maxrss / unit
        for who, kind in (
            ("self", resource.RUSAGE_SELF),
            ("child", resource.RUSAGE_CHILDREN),
        )
    }
    result = {"n": len(table), "seconds": seconds, **peak}
    sys.stdout.write(json.dumps(result) + "\n")


def measure(detector: Path, cutouts: Path, out: Path) -> dict:
    """Score in a new process and return its peaks."""
    scoring = [sys.executable, __file__, "--child", detector, cutouts, out]
    command = [sys.executable, "-c", _BETWEEN, *scoring]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    sampler = Sampler(process.pid)
    sampler.start()
    text = process.communicate()[0].decode()
    sampled = sampler.stop()
    if process.returncode:
        raise RuntimeError(
            f"scoring {cutouts.name} must end with status 0. "
            f"Received: {process.returncode}"
        )
    return {**json.loads(text.splitlines()[-1]), **sampled}


def cases(folder: Path, images, args):
    """Yield form, number and writer of each survey."""
    from detectors import write_files

    for n in args.n:
        yield (
            ".npy array",
            n,
            lambda n=n: write_array(folder / "a.npy", images.images, n),
        )
    if args.n_cube:
        yield (
            "FITS cube",
            args.n_cube,
            lambda: write_cube(folder / "cube.fits", images.images, args.n_cube),
        )
    if args.n_files:
        yield (
            "FITS files",
            args.n_files,
            lambda: write_files(folder / "files", images, args.n_files),
        )


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        n=([10_000, 100_000], [300]),
        n_cube=(10_000, 300),
        n_files=(10_000, 300),
        size=(64, 32),
        width=(8, 4),
    )
    report = Report("memory", "Peak memory of scoring a survey", args)
    from detectors import untrained

    from astroanomaly import simulate

    images = simulate.galaxies(min(args.n[0], 500), size=args.size, seed=args.seed)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        untrained(images, args.width, latent_dim=16).save(folder / "detector")
        for form, n, write in cases(folder, images, args):
            cutouts = write()
            peak = measure(folder / "detector", cutouts, folder / "scores.fits")
            if cutouts.is_file():
                cutouts.unlink()
            rows.append(
                {
                    "survey": form,
                    "cutouts": peak["n"],
                    "on disk (MB)": n * args.size**2 * 4 / 1024**2,
                    "ru_maxrss, scoring (MB)": peak["self"],
                    "ru_maxrss, largest child (MB)": peak["child"],
                    "VmRSS, all processes (MB)": peak["VmRSS"],
                    "RssAnon, all processes (MB)": peak["RssAnon"],
                    "images/s": peak["n"] / peak["seconds"],
                }
            )
    report.table(f"{args.size}x{args.size} pixels, {args.width} filters", rows)
    report.note(
        "ru_maxrss and VmRSS include libraries and the pages of a memory-mapped file, "
        "in every process that uses them; the system reclaims these pages when "
        "needed. RssAnon does not include them. The ru_maxrss of a newly forked child "
        "includes its parent's pages"
    )
    return report.write()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        show(main())
