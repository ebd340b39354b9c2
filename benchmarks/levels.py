"""Count how many fresh ordinary objects the thresholds of both rules flag."""

import numpy as np
from harness import Report, parse, show
from scipy.stats import betabinom, kstest

from astroanomaly.calibration import Calibration, required_size

LEVELS = (90, 95, 99)


def main(argv=None) -> dict:
    """Simulate, write and show the result."""
    args = parse(
        argv,
        __doc__,
        sizes=([50, 99, 100, 1000], [50, 100]),
        repetitions=(200, 20),
        fresh=(1000, 100),
    )
    report = Report("levels", "Fresh ordinary objects above the levels", args)
    rows, p_rows = [], []
    for n in args.sizes:
        for rule in ("conformal", "percentile"):
            rng = np.random.default_rng([args.seed, n])
            found, p_values = count(rng, n, rule, args)
            rows += found
        # The p-values are the same by both rules.
        p_rows.append(
            {
                "calibration objects": n,
                "p of uniform p-values": uniform(rng, p_values, n),
            }
        )
    what = f"{args.repetitions} repetitions, {args.fresh} fresh scores each"
    report.table(f"Above the level, {what}", rows)
    report.table("Kolmogorov-Smirnov test, one p-value a repetition", p_rows)
    report.note(
        "scores are Gumbel distributed; the interval is that of the mean of "
        "beta-binomial counts, 95 per cent: the objects of a repetition share one "
        "threshold"
    )
    return report.write()


def count(rng, n: int, rule: str, args) -> tuple[list[dict], list[float]]:
    """Return the shares above each level, and one p-value of each repetition."""
    levels = [level for level in LEVELS if n >= required_size(level, rule=rule)]
    flagged, p_values = dict.fromkeys(levels, 0), []
    for _ in range(args.repetitions):
        normal = Calibration(rng.gumbel(size=n), levels, rule=rule)
        scores = rng.gumbel(size=args.fresh)
        p_values.append(normal.p_values(scores[:1])[0])
        for level in levels:
            flagged[level] += int(normal.is_anomaly(scores, level).sum())
    rows = []
    total = args.repetitions * args.fresh
    for level, k in flagged.items():
        normal = Calibration(np.arange(float(n)), (level,), rule=rule)
        above = n - int(normal.thresholds[level])
        law = betabinom(args.fresh, above, n + 1 - above)
        half = 1.96 * law.std() / args.fresh / np.sqrt(args.repetitions)
        expected = above / (n + 1)
        rows.append(
            {
                "rule": rule,
                "calibration objects": n,
                "level": level,
                "flagged": f"{k} of {total}",
                "per cent": 100 * k / total,
                "expected": 100 * expected,
                "interval": f"{100 * (expected - half):.3g} to "
                f"{100 * (expected + half):.3g}",
                "promised": 100 - level,
            }
        )
    return rows, p_values


def uniform(rng, p_values, n: int) -> float:
    """Test whether p-values, which are whole parts of n + 1, are uniform."""
    spread = np.asarray(p_values) - rng.random(len(p_values)) / (n + 1)
    return float(kstest(spread, "uniform").pvalue)


if __name__ == "__main__":
    show(main())
