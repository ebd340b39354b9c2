"""The tables of docs/results/lens_finder.md."""

import numpy as np
from astropy.table import MaskedColumn, Table
from scipy.special import expit

from astroanomaly.evaluation import classifier
from studies.lens_finder import names
from studies.lens_finder.real import TARGETS
from studies.lens_finder.results import Run
from studies.lens_finder.sets import View
from studies.study import column, times

STAGES = {
    "sets": "simulating all frames",
    "finders": "training the finders, scoring all sets",
    "detectors": "training and scoring the detectors and the floor",
    "real": "scoring the real lenses",
    "explained": "occlusion maps, dreams, Grad-CAM, filters",
    "results": "tables and figures",
}
# Lenses among the objects of a survey.
FRACTIONS = (0.01, 0.001, 0.0001)
ROOM = 2  # finders whose maps the page has room for
PERCENT = ".1%"


def span(name: str, values, heading: str = "", form: str = ".3f") -> list:
    """Return the columns of a number and of its interval, from triples."""
    value, low, high = np.reshape(np.array(values, float), (-1, 3)).T
    ends = column(f"{name}_low", low), column(f"{name}_high", high)
    return [column(name, value, heading, form), *ends]


def triples(rows, name: str) -> list[tuple]:
    """Return a rate and its interval, row by row."""
    return [tuple(row[f"{name}{end}"] for end in ("", "_low", "_high")) for row in rows]


def shown(run: Run, seconds: dict) -> dict[str, Table]:
    """Return all tables of the page that the run has something for."""
    tables = {
        "counts": counts(run),
        "settings": settings(run),
        "training": training(run),
        "times": times(seconds, STAGES),
    }
    if run.chosen:
        tables |= {"aims": aims(run), "thresholds": thresholds(run)}
        tables |= {"difference": difference(run), "negatives": negatives(run)}
        tables |= {"purity": purity(run), "calibration": calibration(run)}
        tables |= {"missed": missed(run)}
        for rule in names.RULES:
            tables[f"sets_{rule}"] = sets(run, rule)
            tables[f"finders_{rule}"] = finders(run, rule)
    if run.assigned:
        tables |= {"named": named(run), "real": real(run)}
    if run.chosen and run.detectors:
        tables |= {"contests": contests(run), "detectors": detectors(run)}
        tables["every_score"] = every_score(run)
    for k, finder in enumerate(run.looked[:ROOM]):
        tables[f"focus_{k + 1}"] = focus(run, finder)
    return {name: table for name, table in tables.items() if len(table)}


def counts(run: Run) -> Table:
    """Return how many frames of each kind the sets hold, and how many lenses."""
    known = [name for name in names.SET_WORDS if name in run.truths]
    kinds = {name: run.kinds(name) for name in known}
    columns = [
        column("set", [names.SET_WORDS[name] for name in known]),
        column("frames", [len(kinds[name]) for name in known]),
        column("lenses", [int(run.labels(name).sum()) for name in known]),
    ]
    for kind, words in names.KINDS.items():
        if kind != "all":
            n = [int((kinds[name] == kind).sum()) for name in known]
            columns.append(column(kind, n, words if kind != "lens" else "simple lens"))
    return Table(columns)


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
    if not rows:
        return Table()
    heads = "finder bands frame stretch epochs seeds batch learning_rate dropout"
    table = Table(rows=rows, names=heads.split())
    table["learning_rate"].meta |= {"heading": "learning rate", "format": "g"}
    table["dropout"].meta["format"] = "g"
    return table


def training(run: Run) -> Table:
    """Return what each training cost and where it ended; several together cost 0."""
    columns = [column("finder", [entry.name for entry in run.entries])]
    together = [not entry.cost for entry in run.entries]
    for name, heading in (
        ("parameters", ""),
        ("epochs", ""),
        ("best_epoch", "best epoch"),
        ("seconds", "minutes"),
    ):
        values = [entry.cost.get(name, 0) for entry in run.entries]
        if name == "seconds":
            values, meta = np.array(values) / 60, {"format": ".1f"}
            name, heading = "minutes", ""
        else:
            meta = {"heading": heading} if heading else {}
        columns.append(MaskedColumn(values, name, mask=together, meta=meta))
    columns.append(column("loss", list(map(run.loss, run.entries)), "validation loss"))
    return Table(columns)


def aims(run: Run) -> Table:
    """Return what the study set out to reach, and whether it does."""
    main, rows, got = run.rates(run.chosen, 0.5), [], []
    for name, words, least, key in names.AIMS:
        (row,) = main[main["set"] == name]
        got += triples([row], key)
        rates = float(row["precision"]), float(row["false_positive_rate"])
        rows.append((words, least, bool(row[key] >= least), *rates))
    for name, entry in run.assigned.items():
        p = float(expit(entry.real[name][0]))
        got.append((p, np.nan, np.nan))
        table = run.rates(entry, 0.5)
        (row,) = table[table["set"] == "single test"]
        rates = float(row["precision"]), float(row["false_positive_rate"])
        rows.append((f"P(lens) of {name}", names.AIM_REAL, p >= names.AIM_REAL, *rates))
    words, least, met, precision, false = zip(*rows, strict=True)
    return Table(
        [
            column("aim", words),
            column("least", least, "at least", "g"),
            *span("got", got, "here"),
            column("met", met),
            column("precision", precision),
            column("false_rate", false, "false-positive rate", PERCENT),
        ]
    )


def sets(run: Run, rule: str) -> Table:
    """Return table 1 of the reference next to the study's finder."""
    if run.chosen.key not in (found := run.thresholds(rule)):
        return Table()
    threshold = found[run.chosen.key][0]
    table = run.rates(run.chosen, threshold, real=rule == names.HALF)
    return Table(
        [
            column("set", list(table["set"])),
            column("lenses", list(table["n_lenses"])),
            column("poster_f1", list(table["published_f1"]), "poster F1"),
            column("poster_recall", list(table["published_recall"]), "poster recall"),
            *span("f1", triples(table, "f1"), "F1", ".2f"),
            *span("recall", triples(table, "recall"), form=".2f"),
            *span("precision", triples(table, "precision"), form=".2f"),
            *false_rates(triples(table, "false_positive_rate")),
        ]
    )


def false_rates(values) -> list:
    """Return the columns of false-positive rates."""
    return span("false_rate", values, "false-positive rate", PERCENT)


def difference(run: Run) -> Table:
    """Return recall less false-positive rate, which blind guessing would leave at 0."""
    table = run.rates(run.chosen, 0.5)
    table = table[table["set"] != "single train"]
    return Table(
        [
            column("set", list(table["set"])),
            column("found", list(table["n_found"]), "lenses found"),
            column("lenses", list(table["n_lenses"]), "of"),
            column("recall", list(table["recall"]), form=PERCENT),
            column("false", list(table["n_false"]), "non-lenses called lenses"),
            column("others", list(table["n_negatives"]), "of"),
            column("false_rate", list(table["false_positive_rate"]), "rate", PERCENT),
            *span("difference", triples(table, "excess"), form="+.1%"),
        ]
    )


def finders(run: Run, rule: str) -> Table:
    """Return what every training reaches at a threshold."""
    found = run.thresholds(rule)
    kept = [entry for entry in run.entries if entry.key in found]
    if not kept:
        return Table()
    tables = [run.rates(entry, found[entry.key][0]) for entry in kept]
    rows = {
        name: [table[list(table["set"]).index(name)] for table in tables]
        for name in names.SETS
    }
    test = rows["single test"]
    return Table(
        [
            column("finder", [entry.name for entry in kept]),
            column("shown", [entry is run.chosen for entry in kept]),
            column("threshold", [found[e.key][0] for e in kept], form=".3g"),
            *span("f1", triples(test, "f1"), "F1", ".2f"),
            *span("precision", triples(test, "precision"), form=".2f"),
            *span("recall", triples(test, "recall"), form=".2f"),
            *false_rates(triples(test, "false_positive_rate")),
            *span("arcs", triples(rows["compound arcs"], "recall"), form=".2f"),
            *span("rings", triples(rows["compound rings"], "recall"), form=".2f"),
        ]
    )


def thresholds(run: Run) -> Table:
    """Return the thresholds of 1 per cent, and the rates that they reach."""
    found = run.thresholds(names.STRICT)
    kept = [entry for entry in run.shown if entry.key in found]
    if not kept:
        return Table()
    test = []
    for entry in kept:
        table = run.rates(entry, found[entry.key][0])
        test += triples(table[table["set"] == "single test"], "false_positive_rate")
    reached = [found[entry.key][1] for entry in kept]
    return Table(
        [
            column("finder", [names.finder_name(entry.finder) for entry in kept]),
            column("threshold", [found[e.key][0] for e in kept], form=".4f"),
            *span("reached", reached, "where chosen", PERCENT),
            *span("test", test, "test set", PERCENT),
        ]
    )


def named(run: Run) -> Table:
    """Return table 2 of the reference next to each real lens and its own finder."""
    logits = [entry.real[name][0] for name, entry in run.assigned.items()]
    table = classifier.named_table(list(run.assigned), expit(np.array(logits)))
    lost = [str(name) not in run.assigned for name in table["name"]]
    own = [run.assigned.get(str(name)) for name in table["name"]]
    notes = {one.name: one.note for one in TARGETS}
    return Table(
        [
            column("lens", list(table["name"])),
            column("poster", list(table["published_output"])),
            column("here", list(table["output"]), form=".4f"),
            MaskedColumn(list(table["found"]), "found", mask=lost),
            column("finder", [names.finder_name(e.finder) if e else "" for e in own]),
            column("bands", [", ".join(run.bands(e.finder)) if e else "" for e in own]),
            column(
                "note",
                [
                    "not available" if gone else notes.get(str(name), "")
                    for name, gone in zip(table["name"], lost, strict=True)
                ],
            ),
        ]
    )


def real(run: Run) -> Table:
    """Return P(lens) of each finder for each real lens, and for sky next to them."""
    kept = [entry for entry in run.shown if entry.real]
    columns = [column("finder", [names.finder_name(entry.finder) for entry in kept])]
    for name in (one.name for one in TARGETS):
        logits = [entry.real.get(name, (np.nan,))[0] for entry in kept]
        if np.isfinite(logits).any():
            columns.append(column(name, expit(np.array(logits))))
    sky = [
        [expit(logit) for logit, kind in entry.real.values() if kind == "sky"]
        for entry in kept
    ]
    flagged = [sum(p >= names.AIM_REAL for p in one) for one in sky]
    empty = [not one for one in sky]
    head = {"heading": "sky called a lens"}
    columns.append(MaskedColumn(flagged, "sky_lenses", mask=empty, meta=head))
    n = list(map(len, sky))
    columns.append(MaskedColumn(n, "sky", mask=empty, meta={"heading": "of"}))
    return Table(columns)


def negatives(run: Run) -> Table:
    """Return how often each kind of non-lens is called a lens, at both thresholds."""
    half = run.negatives(0.5)
    strict, found = {}, run.thresholds(names.STRICT).get(run.chosen.key)
    if found:
        strict = {str(row["kind"]): row for row in run.negatives(found[0])}
    none = dict.fromkeys(("false_positive_rate", "low", "high"), np.nan)
    values = [
        [tuple(row[k] for k in none) for row in part]
        for part in (half, [strict.get(str(kind), none) for kind in half["kind"]])
    ]
    return Table(
        [
            column("kind", [names.KINDS.get(str(k), str(k)) for k in half["kind"]]),
            column("frames", list(half["n"])),
            *span("half", values[0], "called lenses at 0.5", PERCENT),
            *span("strict", values[1], "at the 1% threshold", PERCENT),
            column("median", list(half["median_probability"]), "median output"),
        ]
    )


def ranking(run: Run) -> list[tuple]:
    """Return the keys of `Run.areas`, each finder and detector once, best first."""
    keys = {entry.key for entry in run.shown}
    found = [
        key
        for key in run.areas
        if key[0] == "floor"
        or (key[0] == "finder" and key[1:] in keys)
        or (key[0] == "detector" and names.OWN.get(key[1]) == key[2])
    ]
    return sorted(found, key=lambda key: -run.areas[key]["test"][0][0])


def ranking_name(run: Run, key: tuple) -> str:
    """Return the name of a key of `Run.areas`."""
    if key[0] == "finder":
        return next(entry.name for entry in run.entries if entry.key == key[1:])
    return names.detector_name(*key[1:])


def contests(run: Run) -> Table:
    """Return how far the finder is above the best without labels and the best floor."""
    keys = {key[0]: key for key in reversed(ranking(run)) if key[0] != "finder"}
    known = {"detector": "the best outlier detector"}
    known["floor"] = "the better classifier on simple features"
    kept = {words: keys[kind] for kind, words in known.items() if kind in keys}
    areas = [run.areas[key]["test"][0][0] for key in kept.values()]
    main = run.areas["finder", *run.chosen.key]["test"][0][0]
    differences = [run.versus(key) for key in kept.values()]
    return Table(
        [
            column("against", list(kept)),
            column("name", [names.detector_name(*key[1:]) for key in kept.values()]),
            column("auc", areas, "AUC"),
            column("finder", [main] * len(kept), "AUC of the finder"),
            *span("difference", differences, form="+.3f"),
            column("above", [low > 0 for _, low, _ in differences], "finder above"),
        ]
    )


def detectors(run: Run) -> Table:
    """Return finders, outlier detectors and the floor by what they find."""
    keys = ranking(run)
    columns = [
        column("name", [ranking_name(run, key) for key in keys], "method"),
        column("labels", [key[0] != "detector" for key in keys]),
    ]
    areas = [run.areas[key] for key in keys]
    for one in names.LENS_SETS:
        heading = f"AUC {names.SET_WORDS[one]}"
        columns += span(f"auc_{one}", [area[one][0] for area in areas], heading)
    for k, what in ((1, "own rate"), (2, "5%")):
        for one in names.LENS_SETS:
            heading = f"recall, {what}, {names.SET_WORDS[one]}"
            values = [area[one][k] for area in areas]
            name = f"recall_{'own' if k == 1 else 'five'}_{one}"
            columns.append(column(name, values, heading, PERCENT))
    return Table(columns)


def every_score(run: Run) -> Table:
    """Return the AUC of every score of every detector and of the floor."""
    keys = [key for key in run.areas if key[0] != "finder"]
    columns = [column("name", [names.detector_name(*k[1:]) for k in keys], "score")]
    for one in names.LENS_SETS:
        values = [run.areas[key][one][0] for key in keys]
        columns += span(f"auc_{one}", values, names.SET_WORDS[one])
    return Table(columns)


def purity(run: Run) -> Table:
    """Return purity and completeness where lenses are rare."""
    rows, pure, complete = [], [], []
    for rule, words in names.RULES.items():
        if not (found := run.thresholds(rule).get(run.chosen.key)):
            continue
        rates = classifier.metrics_at(
            run.labels("test"), run.chosen.p("test"), found[0]
        )
        for fraction in FRACTIONS:
            rows.append((words, round(1 / fraction), rates.fp))
            pure.append(classifier.purity_at(rates, fraction))
            complete.append(rates.recall)
    words, one_in, false = zip(*rows, strict=True)
    return Table(
        [
            column("threshold", words),
            column("one_in", one_in, "one lens in"),
            *span("purity", pure, form=".2%"),
            *span("completeness", complete, form=PERCENT),
            column("false_alarms", false, "false alarms counted"),
        ]
    )


def calibration(run: Run) -> Table:
    """Return the errors of the probabilities, before and after calibration."""
    rows, truth = [], run.labels("test")
    for entry in run.shown:
        after = run.curves[entry.key].apply(entry.logits["test"])
        for which, p in (("raw", entry.p("test")), ("calibrated", after)):
            meta = classifier.reliability(truth, p).meta
            keys = "expected_calibration_error", "error_by_chance", "brier_score"
            name = names.finder_name(entry.finder)
            rows.append((name, which, *(meta[key] for key in keys)))
    finder, which, *values = zip(*rows, strict=True)
    heads = {"error": "calibration error", "by_chance": "by chance"}
    heads["brier"] = "Brier score"
    columns = [column("finder", finder), column("probability", which)]
    for (name, heading), each in zip(heads.items(), values, strict=True):
        columns.append(column(name, each, heading, ".4f"))
    return Table(columns)


def missed(run: Run) -> Table:
    """Return recall in quarters of each property."""
    table = run.missed
    return Table(
        [
            column("set", [names.SET_WORDS[str(one)] for one in table["set"]]),
            column("property", [names.PROPERTIES[str(k)] for k in table["property"]]),
            column("start", list(table["start"]), "from", ".4g"),
            column("stop", list(table["stop"]), "to", ".4g"),
            column("lenses", list(table["n"])),
            *span("recall", triples(table, "recall"), "found", PERCENT),
        ]
    )


def focus(run: Run, finder: str) -> Table:
    """Return where a finder looks, zone by zone.

    The last two columns say whether the interval of what speaks for a lens lies above
    the zone's share of the area, and of the light.
    """
    table = run.focus(finder)
    low = np.asarray(table["for_low"], float)
    columns = [
        column("objects", [names.group_name(str(one)) for one in table["group"]]),
        column("maps", list(table["n"])),
        column("zone", [names.ZONES[str(one)] for one in table["zone"]]),
        *span("for", triples(table, "for"), "speaks for a lens", PERCENT),
        *span("against", triples(table, "against"), "speaks against", PERCENT),
        column("area", list(table["area"]), form=PERCENT),
        column("light", list(table["light"]), form=PERCENT),
    ]
    for name in ("area", "light"):
        meta = {"heading": f"more than the {name}"}
        above, unknown = low > np.asarray(table[name]), ~np.isfinite(low)
        columns.append(MaskedColumn(above, f"above_{name}", mask=unknown, meta=meta))
    return Table(columns)
