"""Time one re-ranking of a survey against one fit of an isolation forest.

The list is sorted anew while a person looks at a picture: it must take about as long as
that. Both see the same features; the forest is scikit-learn's with its defaults, fitted
and scored.
"""

import time

import numpy as np
from harness import Report, parse, show
from sklearn.ensemble import IsolationForest

from astroanomaly.review import ActiveRanker


def survey(n: int, d: int, seed: int):
    """Return features, ids, scores and labels; 1 object in 200 is interesting."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    rare = rng.permutation(n)[: n // 200]
    x[rare, :3] += 3
    interesting = np.zeros(n, bool)
    interesting[rare] = True
    ids = [f"g{k:07d}" for k in range(n)]
    rows = np.r_[rare[:40], rng.permutation(n)[:60]]
    labels = {
        ids[row]: "interesting" if interesting[row] else "ordinary" for row in rows
    }
    return x, ids, np.abs(x).max(axis=1), labels


def main(argv=None) -> dict:
    """Time, write and show the result."""
    args = parse(
        argv,
        __doc__,
        n=([100_000, 1_000_000], [2000]),
        features=(32, 8),
        rounds=(3, 1),
    )
    report = Report("reranking", "Re-ranking of a labelled survey", args)
    rows = []
    for n in args.n:
        x, ids, score, labels = survey(n, args.features, args.seed)
        halves = {"first": x[:, ::2], "second": x[:, 1::2]}
        start = time.perf_counter()
        ranker = ActiveRanker(halves, ids, {"anomaly_score": score})
        setting_up = time.perf_counter() - start
        seconds = {"re-rank": [], "isolation forest": []}
        for _ in range(args.rounds):
            start = time.perf_counter()
            table = ranker.fit(labels).rank()
            seconds["re-rank"].append(time.perf_counter() - start)
            start = time.perf_counter()
            forest = IsolationForest(random_state=args.seed).fit(x)
            forest.score_samples(x)
            seconds["isolation forest"].append(time.perf_counter() - start)
        ratios = np.divide(*seconds.values())
        rows.append(
            {
                "objects": n,
                "re-rank (s)": float(np.median(seconds["re-rank"])),
                "isolation forest (s)": float(np.median(seconds["isolation forest"])),
                "ratio": f"{np.median(ratios):.2g} "
                f"({ratios.min():.2g} to {ratios.max():.2g})",
                "set up once (s)": setting_up,
                "rows of the list": len(table),
            }
        )
    report.table(f"100 labels, {args.features} features of two kinds", rows)
    report.note("Times are medians; the ratio is taken round by round.")
    return report.write()


if __name__ == "__main__":
    show(main())
