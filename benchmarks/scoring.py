"""Time encoder scoring, from FITS files on disk to the table on disk.

The networks have the default size and are untrained, because the weights do not
change the time. One more pass with stopwatches shows where the time goes.
"""

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from harness import Report, alternate, parse, ratio, show

from astroanomaly import read_cutouts
from astroanomaly.runs import survey


class Stopwatch:
    """Add up the time spent in functions, by stage."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, stage: str, function):
        """Wrap a function so that its time is added to a stage."""

        def wrapped(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += time.perf_counter() - start

        return wrapped

    def waited(self, stage: str, iterator):
        """Add the time spent waiting for an iterator to a stage."""
        iterator = iter(iterator)
        while True:
            start = time.perf_counter()
            part = next(iterator, None)
            self.seconds[stage] += time.perf_counter() - start
            if part is None:
                return
            yield part


def score(
    detector, folder: Path, out: Path, n_workers: int | None, scores: str
) -> float:
    """Read, score and write; return the seconds."""
    start = time.perf_counter()
    stream = read_cutouts(folder, stream=True, n_workers=n_workers)
    survey.score_survey(detector, stream, out, scores=scores)
    return time.perf_counter() - start


def breakdown(detector, folder: Path, out: Path, n_workers) -> list[dict]:
    """Score once more with a stopwatch in every stage."""
    watch = Stopwatch()
    start = time.perf_counter()
    stream = read_cutouts(folder, stream=True, n_workers=n_workers)
    watch.seconds["open the folder and its catalog"] = time.perf_counter() - start
    chunks = stream.chunks
    stream.chunks = lambda *a, **k: watch.waited("wait for pixels", chunks(*a, **k))
    images = detector.images
    stages = [
        (images, "stretched", "stretch"),
        (images, "reconstruct", "encode and draw"),
        (images, "features", "features"),
        (detector.noise, "scores", "peak score"),
        (detector.stretch, "count_clipped", "count clipped pixels"),
        (detector, "rank", "calibrate and rank"),
        (survey.Parts, "add", "write finished blocks"),
        (survey, "write_table", "write the table"),
    ]
    originals = [(owner, name, vars(owner).get(name)) for owner, name, _ in stages]
    for owner, name, stage in stages:
        setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    try:
        survey.score_survey(detector, stream, out)
    finally:
        for owner, name, original in originals:
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
    # Two blocks are scored at a time, so that stages overlap.
    total = sum(watch.seconds.values())
    return [
        {
            "stage": stage,
            "ms/image": 1000 * seconds / len(stream),
            "share of the sum (%)": 100 * seconds / total,
        }
        for stage, seconds in watch.seconds.items()
    ]


def quicker(detector, cutouts, rounds: int) -> list[dict]:
    """Compare the parts of a score with plainer ways to compute them, in CPU time."""
    from astroanomaly.detector.drawing import QuickGenerator
    from astroanomaly.detector.image_model import ImageModel
    from astroanomaly.utils.chunks import in_chunks

    images, noise = detector.images, detector.noise
    plain = ImageModel(detector.model, detector.stretch, detector.encoder)
    pixels, stretched = images.chosen(cutouts).images, images.stretched(cutouts)
    knows = QuickGenerator.knows
    # The graph that is traced here keeps the layers as they are.
    QuickGenerator.knows = staticmethod(lambda generator: False)
    drawn = plain.reconstruct(stretched)[0]
    QuickGenerator.knows = staticmethod(knows)
    ways = {
        "stretch, 32 images a call": lambda: in_chunks(detector.stretch, pixels),
        "stretch, all at once": lambda: images.stretched(cutouts),
        "encode and draw, layer by layer": lambda: plain.reconstruct(stretched),
        "encode and draw, slow layers by phases": lambda: images.reconstruct(stretched),
        "peak of a whole map": lambda: noise.significance(stretched, drawn).max(
            axis=(1, 2, 3)
        ),
        "peak where it may be": lambda: noise.peak(stretched, drawn),
    }
    seconds = alternate(ways, rounds, clock=time.process_time)
    names, rows = list(ways), []
    for k, name in enumerate(names):
        before = seconds[names[k - k % 2]]
        rows.append(
            {
                "way": name,
                "CPU ms/image": 1000 * float(np.median(seconds[name])) / len(cutouts),
                "faster": ratio(before, seconds[name]),
            }
        )
    return rows


def engines(detector, cutouts, rounds: int) -> list[dict]:
    """Time the networks alone, by TensorFlow and by ONNX, in turn."""
    from astroanomaly.detector import load_engine

    images = detector.images
    with tempfile.TemporaryDirectory() as name:
        difference = detector.export("onnx", f"{name}/detector", cutouts)
        engine = load_engine(f"{name}/detector").images
    contenders = {
        "tf": lambda: images.reconstruct(images.stretched(cutouts)),
        "onnx": lambda: engine.drawn(cutouts),
    }
    seconds = alternate(contenders, rounds)
    return [
        {
            "engine": name,
            "ms/image": 1000 * float(np.median(found)) / len(cutouts),
            "faster than TensorFlow": ratio(seconds["tf"], found),
            "largest difference of a score": difference if name == "onnx" else 0.0,
        }
        for name, found in seconds.items()
    ]


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        n=(6000, 64),
        width=(32, 4),
        size=(64, 32),
        rounds=(3, 1),
        workers=([1, 2], [1]),
        table=("fits", "fits"),
    )
    report = Report("scoring", "Encoder scoring, from FITS files to the table", args)
    from detectors import untrained, write_files

    from astroanomaly import simulate

    some = simulate.galaxies(min(args.n, 512), size=args.size, seed=args.seed)
    detector = untrained(some, args.width)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "cutouts", Path(name) / f"scores.{args.table}"
        write_files(folder, some, args.n)
        # The first round traces functions and brings files into memory: not counted.
        ways = [(n, which) for n in args.workers for which in ("all", "ranking")]
        seconds = np.zeros((args.rounds + 1, len(ways)))
        for k in range(args.rounds + 1):
            for j, way in enumerate(ways):
                seconds[k, j] = score(detector, folder, out, *way)
        for j, (n_workers, which) in enumerate(ways):
            speeds = args.n / seconds[1:, j]
            # The pairs stand side by side: of each, all scores are the first.
            both = seconds[1:, j - j % 2]
            rows.append(
                {
                    "reading processes": n_workers,
                    "scores": which,
                    "images/s": float(np.median(speeds)),
                    "range": f"{speeds.min():.0f} to {speeds.max():.0f}",
                    "speed over that of all scores": ratio(both, seconds[1:, j]),
                }
            )
        stages = breakdown(detector, folder, out, args.workers[-1])
    report.table(
        f"{args.n} files of {args.size} pixels, {args.width} filters, .{args.table} "
        f"table, medians of {args.rounds} passes after an untimed one",
        rows,
    )
    report.table(
        f"parts of a score, {len(some)} images, CPU time of all threads",
        quicker(detector, some, args.rounds),
    )
    report.table(
        f"stretch, encode and draw {len(some)} images, medians of {args.rounds} rounds",
        engines(detector, some, args.rounds),
    )
    report.table(f"where the time goes ({args.workers[-1]} reading processes)", stages)
    return report.write()


if __name__ == "__main__":
    show(main())
