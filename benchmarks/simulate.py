"""Time the galaxy simulator by instrument, companions and worker processes."""

import time

import numpy as np
from harness import Report, alternate, parse, ratio, show

INSTRUMENTS = ("wfc3_f160w", "acs_f814w")


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        n=(256, 8),
        size=(64, 32),
        rounds=(3, 1),
        companions=([0.0, 1.0], [1.0]),
        workers=([1, 2], [1]),
    )
    from astroanomaly.simulate import galaxies

    report = Report("simulate", "Simulating galaxies", args)

    def draw(instrument, fraction, n_workers):
        return lambda: galaxies(
            args.n,
            instrument=instrument,
            size=args.size,
            companion_fraction=fraction,
            n_workers=n_workers,
            seed=args.seed,
        )

    cases = {
        (instrument, fraction, n_workers): draw(instrument, fraction, n_workers)
        for instrument in INSTRUMENTS
        for fraction in args.companions
        for n_workers in args.workers
    }
    start = time.perf_counter()
    for instrument in INSTRUMENTS:
        galaxies(2, instrument=instrument, size=args.size, n_workers=1)
    report.note(
        "importing GalSim and drawing the first two images of each instrument took "
        f"{time.perf_counter() - start:.2g} s, not counted below"
    )
    seconds = alternate(cases, args.rounds, warm_up=0)
    rows = [
        {
            "instrument": instrument,
            "with a companion": fraction,
            "processes": n_workers,
            "images/s": float(args.n / np.median(values)),
            "speed over one process": ratio(
                seconds[instrument, fraction, args.workers[0]], values
            ),
        }
        for (instrument, fraction, n_workers), values in seconds.items()
    ]
    report.table(
        f"{args.n} images of {args.size} pixels, medians of {args.rounds}", rows
    )
    report.note("starting the processes is within the time")
    return report.write()


if __name__ == "__main__":
    show(main())
