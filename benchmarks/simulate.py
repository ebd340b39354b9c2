"""Time the simulators of galaxies, mergers and lenses, by worker processes."""

import time
from functools import partial

import numpy as np
from harness import Report, alternate, parse, ratio, show

# The infrared and the optical camera of HST, with pixels of 0.06 and 0.03 arcsec.
INSTRUMENTS = ("wfc3_f160w", "acs_f814w")
PER_PAIR = 6  # one moment before the merger, one after, from three sides
SETTINGS = ("autolens", "lenstronomy")
SUBSTRUCTURE = ("none", "subhalos", "vortex")


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        n=(256, 8),
        size=(64, 32),
        n_large=(64, 2),
        size_large=(150, 32),
        rounds=(3, 1),
        companions=([0.0, 1.0], [1.0]),
        workers=([1, 2], [1]),
    )
    report = Report("simulate", "Simulating galaxies and lenses", args)
    # Enough pairs for n images, rounded up.
    n_pairs = -(-args.n // PER_PAIR)
    report.note(
        "importing GalSim and lenstronomy and drawing the first two galaxies and the "
        "first pair of each instrument, and the first lens of each setting, took "
        f"{first(args):.2g} s, not included in the tables"
    )
    report.table(
        f"{args.n} images of {args.size} pixels, medians of {args.rounds}",
        time_galaxies(args),
    )
    report.table(
        f"{n_pairs} merging pairs, {PER_PAIR} images each, of {args.size} pixels, "
        f"medians of {args.rounds}",
        time_mergers(args, n_pairs),
    )
    report.table(
        f"{args.n} lenses of {args.size} pixels (autolens), {args.n_large} of "
        f"{args.size_large} (lenstronomy), medians of {args.rounds}",
        time_lenses(args),
    )
    report.note("the times include starting the processes")
    return report.write()


def first(args) -> float:
    """Import the simulators and draw a few objects; return the seconds."""
    start = time.perf_counter()
    from astroanomaly.simulate import galaxies, lenses, mergers

    for instrument in INSTRUMENTS:
        galaxies(2, instrument=instrument, size=args.size, n_workers=1)
        mergers(1, instrument=instrument, size=args.size, n_workers=1)
    for setting in SETTINGS:
        lenses(1, setting=setting, size=args.size, n_workers=1)
    return time.perf_counter() - start


def time_galaxies(args) -> list[dict]:
    """Time isolated galaxies, and galaxies with a companion."""
    from astroanomaly.simulate import galaxies

    cases = {
        (instrument, fraction, n_workers): partial(
            galaxies,
            args.n,
            instrument=instrument,
            size=args.size,
            companion_fraction=fraction,
            n_workers=n_workers,
            seed=args.seed,
        )
        for instrument in INSTRUMENTS
        for fraction in args.companions
        for n_workers in args.workers
    }
    seconds = alternate(cases, args.rounds, warm_up=0)
    return [
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


def time_mergers(args, n_pairs: int) -> list[dict]:
    """Time merger sequences."""
    from astroanomaly.simulate import mergers

    cases = {
        (instrument, n_workers): partial(
            mergers,
            n_pairs,
            instrument=instrument,
            size=args.size,
            n_workers=n_workers,
            seed=args.seed,
        )
        for instrument in INSTRUMENTS
        for n_workers in args.workers
    }
    seconds = alternate(cases, args.rounds, warm_up=0)
    return [
        {
            "instrument": instrument,
            "processes": n_workers,
            "images/s": float(PER_PAIR * n_pairs / np.median(values)),
            "speed over one process": ratio(
                seconds[instrument, args.workers[0]], values
            ),
        }
        for (instrument, n_workers), values in seconds.items()
    ]


def time_lenses(args) -> list[dict]:
    """Time lenses, smooth and with each kind of substructure."""
    from astroanomaly.simulate import lenses

    # Each setting at the size of its paper's images; fewer of the large ones.
    shapes = {
        "autolens": (args.n, args.size),
        "lenstronomy": (args.n_large, args.size_large),
    }
    cases = {
        (setting, sector, n_workers): partial(
            lenses,
            shapes[setting][0],
            setting=setting,
            substructure=sector,
            size=shapes[setting][1],
            n_workers=n_workers,
            seed=args.seed,
        )
        for setting in SETTINGS
        for sector in SUBSTRUCTURE
        for n_workers in args.workers
    }
    seconds = alternate(cases, args.rounds, warm_up=0)
    return [
        {
            "setting": setting,
            "substructure": sector,
            "processes": n_workers,
            "images/s": float(shapes[setting][0] / np.median(values)),
            "speed over one process": ratio(
                seconds[setting, sector, args.workers[0]], values
            ),
        }
        for (setting, sector, n_workers), values in seconds.items()
    ]


if __name__ == "__main__":
    show(main())
