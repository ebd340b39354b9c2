"""Tables of the lens-finder study's page, in markdown."""

import numpy as np
from astropy.table import Table
from pages import markdown, span

from finders import headline, shown
from finders.claims import KEYS, NOT_RUN, entry_words, percent, share, verdict
from finders.headline import finder_rows, main_rows, rows
from finders.sets import View

LENS_SETS = ("test", "arcs", "rings")


def counts(table: Table) -> str:
    """Return what the sets hold."""
    lines = []
    for name, words in shown.SET_WORDS.items():
        part = rows(table, set=name)
        if not len(part):
            continue
        kinds = [
            f"{row['n']:,} {shown.KINDS.get(str(row['kind']), str(row['kind']))}"
            for row in part[np.argsort(-np.asarray(part["n"]), kind="stable")]
        ]
        n = f"{part['n'].sum():,}", f"{part['n_lenses'].sum():,}"
        lines.append((words, *n, ", ".join(kinds)))
    return markdown(("set", "frames", "lenses", "of which"), lines)


def aims(tables: dict[str, Table]) -> str:
    """Return what was asked for and what is reached."""
    lines = []
    for one in headline.aims(tables):
        got = span(one["got"], one["low"], one["high"])
        word = NOT_RUN if one["met"] is None else f"**{verdict(one)}**"
        beside = _two(one["precision"]), percent(one["false"])
        lines.append((one["aim"], f"{one['value']:g}", got, word, *beside))
    names = ("aim", "at least", "here", "met", "precision", "false-positive rate")
    return markdown(names, lines)


def table_1(tables: dict[str, Table], rule: str) -> str:
    """Return table 1 of the reference beside the study's finder."""
    lines = []
    for row in main_rows(tables, "sets", rule=rule):
        old = [_two(row[f"published_{k}"]) for k in ("f1", "recall")]
        ours = [_triple(row, k) for k in ("f1", "recall", "precision")]
        false = share(row, "false_positive_rate")
        lines.append((row["set"], f"{row['n_lenses']:,}", *old, *ours, false))
    names = ("set", "lenses", "poster F1", "poster recall", "F1", "recall")
    return markdown((*names, "precision", "false-positive rate"), lines)


def _two(value) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""


def _triple(row, name: str) -> str:
    return span(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")), ".2f")


def finders(tables: dict[str, Table], rule: str) -> str:
    """Return every training by what it reaches at a threshold."""
    lines = []
    for entry in tables["entries"]:
        key = {k: str(entry[k]) for k in ("finder", "member")}
        part = {str(r["set"]): r for r in rows(tables["sets"], rule=rule, **key)}
        if not part:
            continue
        test = part["single test"]
        values = [_triple(test, k) for k in ("f1", "precision", "recall")]
        recalls = [_triple(part[f"compound {k}"], "recall") for k in LENS_SETS[1:]]
        name = entry_words(entry)
        name = f"**{name}**" if entry["chosen"] else name
        cut = f"{test['threshold']:.3g}"
        false = share(test, "false_positive_rate")
        lines.append((name, cut, *values, false, *recalls))
    names = ("finder", "threshold", "F1", "precision", "recall")
    return markdown((*names, "false-positive rate", "arcs", "rings"), lines)


def thresholds(tables: dict[str, Table]) -> str:
    """Return the thresholds of 1 per cent, and what they reached where chosen."""
    lines = []
    for row in finder_rows(tables, "thresholds", rule=shown.ONE_PERCENT):
        key = {k: str(row[k]) for k in ("finder", "member")}
        test = rows(tables["sets"], rule=shown.ONE_PERCENT, set="single test", **key)
        reached = percent(row["reached"], row["low"], row["high"])
        then = share(test[0], "false_positive_rate")
        name = shown.finder_name(key["finder"])
        lines.append((name, f"{row['threshold']:.4f}", reached, then))
    return markdown(("finder", "threshold", "where chosen", "test set"), lines)


def table_2(tables: dict[str, Table], notes: dict[str, str]) -> str:
    """Return table 2 of the reference beside the real lenses' own finders."""
    lines = []
    for row in tables["named"]:
        name, old = str(row["name"]), _two(row["published_output"])
        if not row["given"]:
            lines.append((name, old, "could not be had", "", "", ""))
            continue
        word = "yes" if row["found"] else "**no**"
        seen = str(row["bands"]).replace(",", ", ")
        finder = shown.finder_name(str(row["finder"]))
        told = (f"{row['output']:.4f}", word, f"{finder} ({seen})", notes.get(name, ""))
        lines.append((name, old, *told))
    names = ("lens", "poster", "here", "found", "finder (its bands)", "")
    return markdown(names, lines)


def real(tables: dict[str, Table]) -> str:
    """Return what each finder gives for each real lens, and for sky beside them."""
    table = finder_rows(tables, "real")
    if not len(table):
        return markdown((), ())
    names = list(dict.fromkeys(map(str, rows(table, kind="lens")["name"])))
    lines = []
    for finder in dict.fromkeys(map(str, table["finder"])):
        part = rows(table, finder=finder)
        found = {str(r["name"]): f"{r['output']:.3f}" for r in part}
        sky = np.asarray(rows(part, kind="sky")["output"], float)
        words = f"{int((sky >= 0.5).sum())} of {len(sky)}" if len(sky) else ""
        cells = [found.get(name, "") for name in names]
        lines.append((shown.finder_name(finder), *cells, words))
    return markdown(("finder", *names, "sky called a lens"), lines)


def negatives(tables: dict[str, Table]) -> str:
    """Return how often each kind of non-lens is called a lens, at both thresholds."""
    half = main_rows(tables, "negatives", rule=shown.HALF)
    strict = {
        str(row["kind"]): row
        for row in main_rows(tables, "negatives", rule=shown.ONE_PERCENT)
    }
    lines = []
    for row in half:
        kind = str(row["kind"])
        other = strict.get(kind)
        cells = [_false(row), "" if other is None else _false(other)]
        middle = f"{row['median_probability']:.3f}"
        lines.append((shown.KINDS.get(kind, kind), f"{row['n']:,}", *cells, middle))
    names = ("kind", "frames", "called lenses at 0.5", "at the 1% threshold")
    return markdown((*names, "median output"), lines)


def _false(row) -> str:
    return percent(row["false_positive_rate"], row["low"], row["high"])


def detectors(tables: dict[str, Table]) -> str:
    """Return finders, outlier detectors and the floor by what they find."""
    lines = []
    for key in shown_rankings(tables):
        where = dict(zip(KEYS, key, strict=True))
        parts = [rows(tables["areas"], set=name, **where) for name in LENS_SETS]
        row = [ranking_name(tables, key), _label(key[0])]
        row += [_triple_auc(part[0]) for part in parts]
        row += [percent(part["recall_own"][0]) for part in parts]
        row += [percent(part["recall_five"][0]) for part in parts]
        lines.append(row)
    names = ["", "labels"]
    for what in ("AUC", "recall, own rate,", "recall, 5%,"):
        names += [f"{what} {shown.SET_WORDS[name]}" for name in LENS_SETS]
    return markdown(names, lines)


def _label(kind: str) -> str:
    return "none" if kind == "detector" else "yes"


def _triple_auc(row) -> str:
    return span(row["auc"], row["low"], row["high"], ".3f")


def shown_rankings(tables: dict[str, Table]) -> list[tuple[str, str, str]]:
    """Return what the table of detectors has: each by its own score, best first."""
    table = rows(tables["areas"], set="test")
    keys = {
        (str(r["finder"]), str(r["member"]))
        for r in rows(tables["entries"], shown=True)
    }
    found = []
    for row in table[np.argsort(-np.asarray(table["auc"]))] if len(table) else ():
        kind, name, score = (str(row[key]) for key in KEYS)
        own = (name, score) in keys if kind == "finder" else True
        if kind == "detector":
            own = shown.OWN.get(name) == score
        if own:
            found.append((kind, name, score))
    return found


def ranking_name(tables: dict[str, Table], key: tuple[str, str, str]) -> str:
    """Return the words for a row of the table "areas"."""
    kind, name, score = key
    if kind != "finder":
        return shown.detector_name(name, score)
    return entry_words(rows(tables["entries"], finder=name, member=score)[0])


def every_score(tables: dict[str, Table]) -> str:
    """Return the AUC of every score of every detector."""
    table, lines = tables["areas"], []
    part = rows(table, set="test")
    for row in part[np.asarray(part["kind"]) != "finder"] if len(part) else ():
        key = {k: str(row[k]) for k in KEYS}
        cells = [_triple_auc(rows(table, set=s, **key)[0]) for s in LENS_SETS]
        lines.append((shown.detector_name(key["name"], key["score"]), *cells))
    return markdown(("", *(shown.SET_WORDS[s] for s in LENS_SETS)), lines)


def purity(tables: dict[str, Table]) -> str:
    """Return purity and completeness where lenses are rare."""
    lines = []
    for rule, words in shown.RULES.items():
        for row in main_rows(tables, "purity", rule=rule):
            value = percent(row["purity"], row["low"], row["high"], 2)
            one_in = f"1 in {round(1 / row['lens_fraction']):,}"
            done = share(row, "recall")
            lines.append((words, one_in, value, done, f"{row['n_false']:,}"))
    names = ("threshold", "lenses", "purity", "completeness", "false alarms counted")
    return markdown(names, lines)


def calibration(tables: dict[str, Table]) -> str:
    """Return the errors of the probabilities, before and after calibration."""
    lines = []
    for row in finder_rows(tables, "calibration"):
        told = [f"{row[k]:.4f}" for k in ("error", "by_chance", "brier")]
        name = shown.finder_name(str(row["finder"]))
        lines.append((name, str(row["rule"]), *told))
    names = ("finder", "", "calibration error", "by chance", "Brier score")
    return markdown(names, lines)


def missed(tables: dict[str, Table]) -> str:
    """Return recall in quarters of each property."""
    lines = []
    for row in tables["missed"]:
        edges = f"{row['start']:.3g} to {row['stop']:.3g}"
        words = shown.PROPERTIES[str(row["property"])]
        recall = percent(row["recall"], row["low"], row["high"])
        name = shown.SET_WORDS[str(row["set"])]
        lines.append((name, words, edges, row["n"], recall))
    return markdown(("set", "property", "from", "lenses", "found"), lines)


def focus(tables: dict[str, Table], finder: str) -> str:
    """Return where a finder looks, zone by zone."""
    table, lines = rows(tables["focus"], finder=finder), []
    for group in shown.ordered(table["group"] if len(table) else ()):
        part = rows(table, group=group)
        for zone, words in shown.ZONES.items():
            pair = [rows(part, zone=zone, sign=sign) for sign in ("for", "against")]
            if not len(pair[0]) and not len(pair[1]):
                continue
            told = [
                percent(p["share"][0], p["low"][0], p["high"][0]) if len(p) else "none"
                for p in pair
            ]
            some = next(p for p in pair if len(p))
            rest = percent(some["area"][0]), percent(some["light"][0])
            n = int(part["n"].max())
            lines.append((shown.group_name(group), n, words, *told, *rest))
    names = ("objects", "maps", "zone", "speaks for a lens", "speaks against")
    return markdown((*names, "area", "light"), lines)


def training(tables: dict[str, Table]) -> str:
    """Return where each training ended and what it cost."""
    lines = []
    for row in tables["entries"]:
        alone = row["epochs"] > 0
        told = [""] * 4
        if alone:
            told = [f"{row['parameters']:,}", row["epochs"], row["best_epoch"]]
            told.append(f"{row['seconds'] / 60:.1f}")
        lines.append((entry_words(row), *told, f"{row['loss']:.3f}"))
    names = ("finder", "parameters", "epochs", "best epoch", "minutes")
    return markdown((*names, "validation loss"), lines)


def settings(record: dict) -> str:
    """Return how each finder sees and is trained."""
    lines = []
    size = record.get("size", 0)
    for name, told in record.get("finders", {}).items():
        soft = told.get("softening")
        view = View(told["frame"], tuple(told["bands"]))
        lines.append(
            (
                shown.finder_name(name),
                ", ".join(told["bands"]),
                f'{view.side(size)} pixels of {view.pixel_scale:.1f}"',
                f"asinh, {soft:g} σ of the sky" if soft else "linear",
                f"{told.get('first_epochs', 0)} + {told['epochs']}",
                len(told["seeds"]),
                told["batch_size"],
                f"{told['learning_rate']:g}",
                f"{told.get('dropout', 0.2):g}",
            )
        )
    names = ("finder", "bands", "frame", "stretch", "epochs", "seeds", "batch")
    return markdown((*names, "learning rate", "dropout"), lines)
