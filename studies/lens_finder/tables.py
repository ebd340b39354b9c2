"""The tables of docs/results/lens_finder.md."""

import numpy as np
from astropy.table import MaskedColumn, Table
from scipy.special import expit

from astroanomaly.evaluation import classifier
from studies.lens_finder import names
from studies.lens_finder.real import TARGETS
from studies.lens_finder.results import Run
from studies.lens_finder.sets import View
from studies.tables import NOTHING, column, span, times, triple

STAGES = {
    "sets": "simulating all frames",
    "finders": "training the finders, scoring all sets",
    "detectors": "training and scoring the detectors and the floor",
    "real": "scoring the real lenses",
    "explained": "occlusion maps, dreams, Grad-CAM, filters",
    "results": "tables and figures",
}
FRACTIONS = (0.01, 0.001, 0.0001)  # lenses among the objects of a survey
ROOM = 2  # finders whose maps the page has room for
FALSE_RATE = "false_positive_rate"
FALSE = "false-positive rate|.1%"


def build(rows: list, **heads: str) -> Table:
    """Return a table from rows, with "heading|format" of each column by its name.

    Tuples are a number with its interval; None is a masked value.
    """
    columns = []
    for name, values in zip(heads, zip(*rows, strict=True), strict=bool(rows)):
        heading, _, form = heads[name].partition("|")
        if isinstance(values[0], tuple):
            columns += span(name, values, heading, form)
            continue
        mask = [value is None for value in values]
        fill = next((value for value in values if value is not None), 0)
        values = [fill if value is None else value for value in values]
        one = column(name, values, heading, form)
        columns.append(MaskedColumn(one, mask=mask) if any(mask) else one)
    return Table(columns)


def by_set(run: Run, *args, **more) -> dict:
    """Return the rows of `Run.rates` by the name of the set."""
    return {str(row["set"]): row for row in run.rates(*args, **more)}


def shown(run: Run, seconds: dict) -> dict[str, Table]:
    """Return all tables of the page that the run has something for."""
    tables = {"counts": counts(run), "settings": settings(run)}
    tables |= {"training": training(run), "times": times(seconds, STAGES)}
    if run.chosen:
        made = (aims, thresholds, difference, negatives, purity, calibration, missed)
        made += (named, real, contests, detectors, every_score)
        tables |= {one.__name__: one(run) for one in made}
        for rule in names.RULES:
            tables[f"sets_{rule}"] = sets(run, rule)
            tables[f"finders_{rule}"] = finders(run, rule)
    for k, finder in enumerate(run.looked[:ROOM]):
        tables[f"focus_{k + 1}"] = focus(run, finder)
    return {name: table for name, table in tables.items() if len(table)}


def counts(run: Run) -> Table:
    """Return how many frames of each kind the sets hold, and how many lenses."""
    heads = {kind: words for kind, words in names.KINDS.items() if kind != "all"}
    rows = []
    for name, words in names.SET_WORDS.items():
        if name in run.truths:
            kinds, n = run.kinds(name), int(run.labels(name).sum())
            rows.append(
                (words, len(kinds), n, *(int((kinds == k).sum()) for k in heads))
            )
    heads["lens"] = "simple lens"
    return build(rows, set="", frames="", lenses="", **heads)


def settings(run: Run) -> Table:
    """Return what each finder sees and how it is trained."""
    rows = []
    for name, one in run.record.get("finders", {}).items():
        view, soft = View(one["frame"], tuple(one["bands"])), one.get("softening")
        side = view.side(run.record["size"])
        rows.append(
            (
                names.finder_name(name),
                ", ".join(one["bands"]),
                f'{side} pixels of {view.pixel_scale:.1f}"',
                f"asinh, {soft:g} σ of the sky" if soft else "linear",
                f"{one.get('first_epochs', 0)} + {one['epochs']}",
                len(one["seeds"]),
                one["batch_size"],
                one["learning_rate"],
                one.get("dropout", 0.2),
            )
        )
    heads = dict.fromkeys("finder bands frame stretch epochs seeds batch".split(), "")
    heads |= {"learning_rate": "learning rate|g", "dropout": "|g"}
    return build(rows, **heads)


def training(run: Run) -> Table:
    """Return what each training cost and where it ended."""
    rows = []
    for entry in run.entries:
        cost = [entry.cost.get(k) for k in ("parameters", "epochs", "best_epoch")]
        minutes = entry.cost["seconds"] / 60 if entry.cost else None
        rows.append((entry.name, *cost, minutes, run.loss(entry)))
    heads = {"finder": "", "parameters": "", "epochs": "", "best_epoch": "best epoch"}
    return build(rows, **heads, minutes="|.1f", loss="validation loss")


def aims(run: Run) -> Table:
    """Return what the study set out to reach, and whether it does."""
    rows, main = [], by_set(run, run.chosen, 0.5)
    for name, words, least, key in names.AIMS:
        value = triple(main[name], key)
        rows.append((words, least, value, main[name]))
    for name, entry in run.assigned.items():
        value = float(expit(entry.real[name][0])), np.nan, np.nan
        test = by_set(run, entry, 0.5)["single test"]
        rows.append((f"P(lens) of {name}", names.AIM_REAL, value, test))
    rows = [
        (words, least, value, value[0] >= least, row["precision"], row[FALSE_RATE])
        for words, least, value, row in rows
    ]
    heads = {"aim": "", "least": "at least|g", "got": "here", "met": ""}
    return build(rows, **heads, precision="", false_rate=FALSE)


def sets(run: Run, rule: str) -> Table:
    """Return table 1 of the reference next to the study's finder."""
    if run.chosen.key not in (found := run.thresholds(rule)):
        return Table()
    table = by_set(run, run.chosen, found[run.chosen.key][0], real=rule == names.HALF)
    rows = [
        (name, row["n_lenses"], row["published_f1"], row["published_recall"])
        + tuple(triple(row, k) for k in ("f1", "recall", "precision", FALSE_RATE))
        for name, row in table.items()
    ]
    heads = {"set": "", "lenses": "", "poster_f1": "poster F1"}
    heads |= {"poster_recall": "poster recall", "f1": "F1|.2f", "recall": "|.2f"}
    return build(rows, **heads, precision="|.2f", false_rate=FALSE)


def difference(run: Run) -> Table:
    """Return recall less false-positive rate, which is 0 for blind guessing."""
    table = by_set(run, run.chosen, 0.5)
    keys = ("n_found", "n_lenses", "recall", "n_false", "n_negatives", FALSE_RATE)
    rows = [
        (name, *(row[key] for key in keys), triple(row, "excess"))
        for name, row in table.items()
        if name != "single train"
    ]
    heads = {"set": "", "found": "lenses found", "lenses": "of", "recall": "|.1%"}
    heads |= {"false": "non-lenses called lenses", "others": "of", "false_rate": FALSE}
    return build(rows, **heads, difference="|+.1%")


def finders(run: Run, rule: str) -> Table:
    """Return what every training reaches at a threshold."""
    found, rows = run.thresholds(rule), []
    for entry in run.entries:
        if entry.key in found:
            threshold = found[entry.key][0]
            table = by_set(run, entry, threshold)
            keys = "f1", "precision", "recall", FALSE_RATE
            test = [triple(table["single test"], key) for key in keys]
            two = [triple(table[f"compound {k}"], "recall") for k in ("arcs", "rings")]
            rows.append((entry.name, entry is run.chosen, threshold, *test, *two))
    heads = {"finder": "", "shown": "", "threshold": "|.3g", "f1": "F1|.2f"}
    heads |= {"precision": "|.2f", "recall": "|.2f", "false_rate": FALSE}
    return build(rows, **heads, arcs="|.2f", rings="|.2f")


def thresholds(run: Run) -> Table:
    """Return the thresholds of 1 per cent, and the rates that they reach."""
    found, rows = run.thresholds(names.STRICT), []
    for entry in run.shown:
        if entry.key in found:
            threshold, reached = found[entry.key]
            test = triple(by_set(run, entry, threshold)["single test"], FALSE_RATE)
            rows.append((names.finder_name(entry.finder), threshold, reached, test))
    heads = {"reached": "where chosen|.1%", "test": "test set|.1%"}
    return build(rows, finder="", threshold="|.4f", **heads)


def named(run: Run) -> Table:
    """Return table 2 of the reference next to each real lens and its own finder."""
    if not run.assigned:
        return Table()
    logits = [entry.real[name][0] for name, entry in run.assigned.items()]
    notes, rows = {one.name: one.note for one in TARGETS}, []
    for row in classifier.named_table(list(run.assigned), expit(np.array(logits))):
        name, poster, here = str(row["name"]), row["published_output"], row["output"]
        found, last = None, ("", "", "not available")
        if entry := run.assigned.get(name):
            bands = ", ".join(run.bands(entry.finder))
            found = bool(row["found"])
            last = names.finder_name(entry.finder), bands, notes.get(name, "")
        rows.append((name, poster, here, found, *last))
    heads = {"lens": "", "poster": "", "here": "|.4f", "found": "", "finder": ""}
    return build(rows, **heads, bands="", note="")


def real(run: Run) -> Table:
    """Return P(lens) of each finder for each real lens, and for sky next to them."""
    lenses, rows = [t.name for t in TARGETS if t.name in run.assigned], []
    for entry in (one for one in run.shown if one.real):
        p = {name: float(expit(logit)) for name, (logit, _) in entry.real.items()}
        sky = [p[name] for name, (_, kind) in entry.real.items() if kind == "sky"]
        flagged = sum(one >= names.AIM_REAL for one in sky)
        counted = (flagged, len(sky)) if sky else (None, None)
        outputs = [p.get(name, np.nan) for name in lenses]
        rows.append((names.finder_name(entry.finder), *outputs, *counted))
    heads = dict.fromkeys(("finder", *lenses), "")
    return build(rows, **heads, sky_lenses="sky called a lens", sky="of")


def negatives(run: Run) -> Table:
    """Return how often each kind of non-lens is called a lens, at both thresholds."""
    found, strict = run.thresholds(names.STRICT).get(run.chosen.key), {}
    keys = FALSE_RATE, "low", "high"
    if found:
        table = run.negatives(found[0])
        strict = {row["kind"]: tuple(row[key] for key in keys) for row in table}
    rows = [
        (
            names.KINDS.get(row["kind"], row["kind"]),
            row["n"],
            tuple(row[key] for key in keys),
            strict.get(row["kind"], NOTHING),
            row["median_probability"],
        )
        for row in run.negatives(0.5)
    ]
    heads = {"half": "called lenses at 0.5|.1%", "strict": "at the 1% threshold|.1%"}
    return build(rows, kind="", frames="", **heads, median="median output")


def ranking(run: Run) -> list[tuple]:
    """Return the keys of `Run.areas`, each finder and detector once, best first."""
    keys = {entry.key for entry in run.shown}
    found = [
        (kind, name, score)
        for kind, name, score in run.areas
        if kind == "floor" or (name, score) in keys or names.OWN.get(name) == score
    ]
    return sorted(found, key=lambda key: -run.areas[key]["test"][0][0])


def contests(run: Run) -> Table:
    """Return how far the finder is above the best without labels and the best floor."""
    rows = []
    for kind, words in (
        ("detector", "the best outlier detector"),
        ("floor", "the better classifier on simple features"),
    ):
        key = next((key for key in ranking(run) if key[0] == kind), None)
        if key:
            pair = key, ("finder", *run.chosen.key)
            areas = [run.areas[one]["test"][0][0] for one in pair]
            less = run.versus(key)
            name = names.detector_name(*key[1:])
            rows.append((words, name, *areas, less, less[1] > 0))
    heads = {"against": "", "name": "", "auc": "AUC", "finder": "AUC of the finder"}
    return build(rows, **heads, difference="|+.3f", above="finder above")


def detectors(run: Run) -> Table:
    """Return finders, outlier detectors and the floor by what they find."""
    words, rows = {entry.key: entry.name for entry in run.entries}, []
    heads = {"name": "method", "labels": ""}
    for key, head in (
        ("auc", "AUC"),
        ("own", "recall, own rate,"),
        ("five", "recall, 5%,"),
    ):
        for one in names.LENS_SETS:
            form = "" if key == "auc" else "|.1%"
            heads[f"{key}_{one}"] = f"{head} {names.SET_WORDS[one]}{form}"
    for key in ranking(run):
        name = words.get(key[1:]) or names.detector_name(*key[1:])
        cells = [run.areas[key][one][k] for k in range(3) for one in names.LENS_SETS]
        rows.append((name, key[0] != "detector", *cells))
    return build(rows, **heads)


def every_score(run: Run) -> Table:
    """Return the AUC of every score of every detector and of the floor."""
    rows = [
        (names.detector_name(*key[1:]), *(area[k][0] for k in names.LENS_SETS))
        for key, area in run.areas.items()
        if key[0] != "finder"
    ]
    heads = {f"auc_{one}": names.SET_WORDS[one] for one in names.LENS_SETS}
    return build(rows, name="score", **heads)


def purity(run: Run) -> Table:
    """Return purity and completeness where lenses are rare."""
    rows, p = [], run.chosen.p("test")
    for rule, words in names.RULES.items():
        if found := run.thresholds(rule).get(run.chosen.key):
            rates = classifier.metrics_at(run.labels("test"), p, found[0])
            for fraction in FRACTIONS:
                pure = classifier.purity_at(rates, fraction)
                one_in = round(1 / fraction)
                rows.append((words, one_in, pure, rates.recall, rates.fp))
    heads = {"threshold": "", "one_in": "one lens in", "purity": "|.2%"}
    return build(rows, **heads, completeness="|.1%", n_false="false alarms counted")


def calibration(run: Run) -> Table:
    """Return the errors of the probabilities, before and after calibration."""
    rows, keys = [], ("expected_calibration_error", "error_by_chance", "brier_score")
    for entry in run.shown:
        after = run.curves[entry.key].apply(entry.logits["test"])
        for which, p in (("raw", entry.p("test")), ("calibrated", after)):
            meta = classifier.reliability(run.labels("test"), p).meta
            name = names.finder_name(entry.finder)
            rows.append((name, which, *(meta[key] for key in keys)))
    heads = {"error": "calibration error|.4f", "by_chance": "by chance|.4f"}
    return build(rows, finder="", probability="", **heads, brier="Brier score|.4f")


def missed(run: Run) -> Table:
    """Return recall in quarters of each property."""
    rows = [
        (
            names.SET_WORDS[name],
            words,
            *(row[key] for key in ("low_edge", "high_edge", "n")),
            tuple(row[key] for key in ("rate", "low", "high")),
        )
        for name in names.LENS_SETS
        for prop, words in names.PROPERTIES.items()
        for row in run.missed[prop][name]
    ]
    heads = {"set": "", "property": "", "start": "from|.4g", "stop": "to|.4g"}
    return build(rows, **heads, lenses="", recall="found|.1%")


def focus(run: Run, finder: str) -> Table:
    """Return where a finder looks, zone by zone.

    The last two columns say whether the interval of what speaks for a lens lies above
    the zone's share of the area, and of the light; no interval, no answer.
    """
    rows = []
    for row in run.focus(finder):
        parts = [float(row[key]) for key in ("area", "light")]
        low = float(row["for_low"])
        above = [low > part if np.isfinite(low) else None for part in parts]
        group = names.group_name(str(row["group"])), row["n"], names.ZONES[row["zone"]]
        spans = triple(row, "for"), triple(row, "against")
        rows.append((*group, *spans, *parts, *above))
    heads = {"objects": "", "maps": "", "zone": "", "for": "speaks for a lens|.1%"}
    heads |= {"against": "speaks against|.1%", "area": "|.1%", "light": "|.1%"}
    heads |= {f"above_{key}": f"more than the {key}" for key in ("area", "light")}
    return build(rows, **heads)
