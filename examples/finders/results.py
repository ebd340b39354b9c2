"""Tables of the lens-finder study, computed from what it keeps."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from scipy.special import expit

from astroanomaly.evaluation import classifier
from astroanomaly.evaluation.classifier.counts import rate
from astroanomaly.utils.files import atomic_path
from finders import contests, focus, headline, shown
from finders.samples import TOGETHER, Run

# Lenses among the objects that a survey looks through: `classifier.purity_at`.
FRACTIONS = (0.01, 0.001, 0.0001)
N_BINS = 4


def write(out: Path) -> dict[str, Table]:
    """Compute all tables and write them into the study's folder `results`.

    Parameters
    ----------
    out : Path
        The study's folder, each stage as far as it is done.

    Returns
    -------
    dict of str to Table
        The tables by name; one without a row is empty and has no file.
    """
    run = Run(out)
    tables = {name: make(run) for name, make in TABLES.items()}
    for name, table in tables.items():
        path = run.out / "results" / f"{name}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if len(table):
            with atomic_path(path) as partial:
                table.write(partial, format="ascii.ecsv")
    return defaultdict(Table, tables)


def read(out: Path) -> dict[str, Table]:
    """Return the tables that `write` wrote; one that is not there is empty."""
    folder = Path(out) / "results"
    found = {
        path.stem: Table.read(path, format="ascii.ecsv")
        for path in sorted(folder.glob("*.ecsv"))
    }
    return defaultdict(Table, found)


def counts(run: Run) -> Table:
    """Return how many frames of each kind a set has, and how many are lenses."""
    rows = []
    for name in shown.SET_WORDS:
        if name not in run.truths:
            continue
        kinds, labels = run.kinds(name), run.labels(name)
        for kind in dict.fromkeys(kinds):
            mask = kinds == kind
            rows.append((name, kind, int(mask.sum()), int(labels[mask].sum())))
    return _table(rows, "set kind n n_lenses")


def entries(run: Run) -> Table:
    """Return all trainings: their cost, their loss, and which one the study shows."""
    main, rows = headline.chosen(run), []
    for entry in run.entries:
        told = run.record.get("finders", {}).get(entry.finder, {})
        cost = entry.cost
        own = headline.own(run, entry.finder)
        members = [one for one in run.entries if one.finder == entry.finder]
        rows.append(
            (
                *entry.key,
                len(members) - 1 if entry.member == TOGETHER else 1,
                str(told.get("network", "")),
                str(told.get("frame", "")),
                " ".join(told.get("bands", ())),
                int(cost.get("parameters", 0)),
                int(cost.get("epochs", 0)),
                int(cost.get("best_epoch", 0)),
                float(cost.get("seconds", np.nan)),
                headline.validation_loss(run, entry),
                entry.key == own.key,
                entry.key == main.key,
            )
        )
    names = "finder member n_seeds network frame bands parameters epochs best_epoch "
    return _table(rows, names + "seconds loss shown chosen")


def thresholds(run: Run) -> Table:
    """Return the thresholds of each entry: 0.5, and 1 per cent false positives.

    The second is chosen on the calibration set; an entry that cannot reach it has no
    such row.
    """
    rows = []
    for entry in run.entries:
        rows.append((*entry.key, shown.HALF, 0.5, *(np.nan,) * 3))
        labels = run.labels("calibration")
        try:
            found = classifier.threshold_for(
                labels, entry.p("calibration"), false_positive_rate=shown.RATE
            )
        except ValueError:
            # Too few non-lenses, or one of them on top.
            continue
        rows.append(
            (*entry.key, shown.ONE_PERCENT, found.threshold, *map(float, found.reached))
        )
    return _table(rows, "finder member rule threshold reached low high")


def _ruled(run: Run):
    """Yield each entry with each of its thresholds."""
    found = thresholds(run)
    for entry in run.entries:
        finder, member = entry.key
        for row in headline.rows(found, finder=finder, member=member):
            yield entry, str(row["rule"]), float(row["threshold"])


def set_rates(run: Run) -> Table:
    """Return table 1 of the reference for every entry and threshold."""
    main, real = headline.chosen(run), headline.assigned(run)
    parts = []
    for entry, rule, threshold in _ruled(run):
        sets = {name: run.pair(entry, one) for name, one in shown.SETS.items()}
        if entry.key == main.key and rule == shown.HALF and real:
            logits = [one.real[name][0] for name, one in real.items()]
            sets["real lenses"] = expit(np.array(logits)), None
        table = classifier.set_table(sets, threshold, negatives="single test")
        parts.append(_marked(table, entry, rule, threshold))
    return _stacked(parts)


def negatives(run: Run) -> Table:
    """Return how often each kind of non-lens is called a lens."""
    parts = []
    for entry, rule, threshold in _ruled(run):
        others = ~run.labels("test")
        kinds, p = run.kinds("test")[others], entry.p("test")[others]
        table = classifier.negatives_table(kinds, p, threshold)
        parts.append(_marked(table, entry, rule, threshold))
    return _stacked(parts)


def _marked(table: Table, entry, rule: str, threshold: float) -> Table:
    head = {"finder": entry.finder, "member": entry.member, "rule": rule}
    for k, (name, value) in enumerate((head | {"threshold": threshold}).items()):
        table.add_column([value] * len(table), k, name)
    table.meta = {}
    return table


def purity(run: Run) -> Table:
    """Return the purity where lenses are as rare as on the sky."""
    rows = []
    for entry, rule, threshold in _ruled(run):
        found = classifier.metrics_at(run.labels("test"), entry.p("test"), threshold)
        for fraction in FRACTIONS:
            value = classifier.purity_at(found, fraction)
            head = (*entry.key, rule, threshold, fraction)
            rows.append((*head, *map(float, (*value, *found.recall)), found.fp))
    names = "finder member rule threshold lens_fraction purity low high"
    return _table(rows, f"{names} recall recall_low recall_high n_false")


def reliability(run: Run) -> Table:
    """Return bins of probability, before and after calibration, on the test set."""
    parts = []
    for entry, which, p in _calibrated(run):
        table = classifier.reliability(run.labels("test"), p)
        parts.append(_marked(table, entry, which, np.nan))
    return _stacked(parts)


def calibration(run: Run) -> Table:
    """Return the calibration's errors before and after, on the test set."""
    rows = []
    for entry, which, p in _calibrated(run):
        meta = classifier.reliability(run.labels("test"), p).meta
        names = ("expected_calibration_error", "error_by_chance", "brier_score")
        rows.append((*entry.key, which, *(meta[name] for name in names)))
    return _table(rows, "finder member rule error by_chance brier")


def _calibrated(run: Run):
    """Yield each entry's probabilities of the test set, raw and calibrated."""
    for entry in run.entries:
        yield entry, "raw", entry.p("test")
        calibrated = run.curves[entry.key].apply(entry.logits["test"])
        yield entry, "calibrated", calibrated


def missed(run: Run) -> Table:
    """Return the recall of the study's finder by property, in quarters of each set."""
    entry, rows = headline.chosen(run), []
    if entry is None:
        return Table()
    for name in ("test", "arcs", "rings"):
        lenses = run.labels(name)
        found = entry.p(name)[lenses] >= 0.5
        for prop in shown.PROPERTIES:
            values = np.asarray(run.truths[name][prop], float)[lenses]
            edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)))
            inner = np.searchsorted(edges[1:-1], values, side="right")
            for k in np.unique(inner):
                mask = inner == k
                ends = edges[k], edges[min(k + 1, len(edges) - 1)]
                told = rate(int(found[mask].sum()), int(mask.sum()))
                middle = float(np.median(values[mask]))
                rows.append((name, prop, *ends, middle, int(mask.sum()), *told))
    return _table(rows, "set property start stop median n recall low high")


def named(run: Run) -> Table:
    """Return table 2 of the reference: the real lenses, each by its own finder."""
    real = headline.assigned(run)
    if not real:
        return Table()
    logits = np.array([entry.real[name][0] for name, entry in real.items()])
    table = classifier.named_table(
        list(real),
        expit(logits),
        [headline.bands(run, entry.finder) for entry in real.values()],
    )
    given = [str(name) in real for name in table["name"]]
    for key in ("finder", "member"):
        table[key] = [
            getattr(real[str(name)], key) if ours else ""
            for name, ours in zip(table["name"], given, strict=True)
        ]
    table["given"], table.meta = given, {}
    return table


def real_outputs(run: Run) -> Table:
    """Return what every training gives for every real field, lenses and sky."""
    rows = [
        (*entry.key, name, kind, logit, float(expit(logit)))
        for entry in run.entries
        for name, (logit, kind) in entry.real.items()
    ]
    return _table(rows, "finder member name kind logit output")


def _table(rows: list, names: str) -> Table:
    return Table(rows=rows, names=names.split()) if rows else Table()


def _stacked(parts: list[Table]) -> Table:
    return vstack(parts, metadata_conflicts="silent") if parts else Table()


TABLES = {
    "counts": counts,
    "entries": entries,
    "thresholds": thresholds,
    "sets": set_rates,
    "negatives": negatives,
    "purity": purity,
    "reliability": reliability,
    "calibration": calibration,
    "missed": missed,
    "named": named,
    "real": real_outputs,
    "areas": contests.area_table,
    "versus": contests.versus_table,
    "focus": focus.focus_table,
}
