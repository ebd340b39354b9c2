"""What the command line shows: results, warnings, one sentence for an error."""

import csv
import os
import sys

from astroanomaly.tables.columns import p_value_texts, shown
from astroanomaly.tables.flags import not_trained

# Rows on the terminal; the table has all.
_STRANGEST = 10


def sentence(error: Exception) -> str:
    """Return an error as one line that says what is wrong and where."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.strerror}: {os.fspath(error.filename)}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def fail(text: str, status: int = 2) -> int:
    """Write one unwrapped line to standard error and return the exit status."""
    sys.stderr.write(f"astroanomaly: {text}\n")
    return status


def usage(error) -> str:
    """Return what is wrong with a command line as one sentence."""
    text = error.format_message().rstrip(".")
    if "unexpected extra argument" in text:
        # Most often the shell wrote a pattern out, with thousands of names.
        short = text if len(text) < 100 else f"{text[:100]}..."
        return f"{short}; put a pattern such as 'cutouts/*.fits' in quotes."
    return text if text.endswith("?") else f"{text}."


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Write a warning without the place in the code where it arose."""
    sys.stderr.write(f"astroanomaly: warning: {' '.join(str(message).split())}\n")


def _console():
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _table(title: str, names, rows):
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for k, name in enumerate(names):
        table.add_column(name, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    return table


def show_run(run) -> None:
    """Show the folder of a training and the next command."""
    console = _console()
    console.print(
        f"Trained on bands {', '.join(run.bands)}: {run.folder}", markup=False
    )
    if not run.classifies:
        following = f"calibrate {run.folder}{'' if run.holds_out else ' CUTOUTS'}"
    else:
        history = run.folder / "history.csv"
        with history.open(newline="", encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))
        try:
            kept = min(epochs, key=lambda row: float(row["val_loss"]))
            shown = float(kept["val_loss"]), float(kept["val_accuracy"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{history} must hold `val_loss` and `val_accuracy` of each epoch. "
                f"Received: {error}"
            ) from None
        console.print(
            f"Kept epoch {kept['epoch']} of {len(epochs)}: validation loss "
            f"{shown[0]:.4g}, accuracy {shown[1]:.3f}"
        )
        following = f"score {run.folder} CUTOUTS --out TABLE"
    console.print(f"Next: astroanomaly {following}", markup=False)


def show_calibration(detector) -> None:
    """Show the thresholds with their intervals."""
    from astroanomaly.scores.explained import in_words

    calibration = detector.calibration
    names = ("level", "threshold", "95% interval", "objects above")
    rows = [
        (
            f"{row['level']:g}",
            shown(row["threshold"], ".5g"),
            f"{shown(row['low'], '.5g')} to {shown(row['high'], '.5g')}",
            f"{row['n_above']} of {row['n']}",
        )
        for row in calibration.intervals()
    ]
    title = f"Thresholds of the {detector.score_name} score ({detector.method})"
    console = _console()
    console.print(_table(title, names, rows))
    console.print(
        f"{len(calibration)} objects calibrate, by the rule {calibration.rule}; the "
        f"smallest p-value is {1 / (len(calibration) + 1):.2g}.",
        markup=False,
    )
    if detector.draws:
        console.print(in_words(detector.reconstruction), markup=False)
    learned = getattr(detector, "probability_calibration", None)
    if learned is not None:
        console.print(
            f"p_lens is calibrated ({learned.method}) on {learned.n_} objects, "
            f"{learned.n_lenses_} of them lenses.",
            markup=False,
        )


def show_scores(table, out) -> None:
    """Show the strangest objects and how many are above each threshold."""
    counts = {n: int(table[n].sum()) for n in table.colnames if n.startswith("is_")}
    _show_ranking(table[:_STRANGEST], counts, len(table), f"{out}.skipped.ecsv")
    _console().print(f"Scores written to {out}.", markup=False)


def show_parts(found, out, fdr: float | None) -> None:
    """Show the same of a survey that lies in folders of parts."""
    counts = dict(found.counts)
    if fdr is not None:
        counts["is_selected"] = found.n_selected(fdr)
    top = found.table(_STRANGEST, fdr)
    _show_ranking(top, counts, found.n_rows, f"{found.folders[0]}/_skipped.ecsv")
    _console().print(f"Scores written to {out}.", markup=False)


def _show_ranking(top, counts: dict, n_rows: int, listed: str) -> None:
    """Show the first rows of a ranking and how many of all are above thresholds."""
    from astroanomaly.scores.explained import in_words

    console = _console()
    flags = [name for name in top.colnames if name.startswith("is_anomaly_")]
    likely = "p_lens" in top.colnames
    calibrated = "p_lens_calibrated" in top.colnames
    rows = []
    texts = p_value_texts(top, ".3g")
    for row, p_value in zip(top, texts, strict=True):
        lens = ()
        if likely:
            learned = f"{row['p_lens_calibrated']:.4f}" if calibrated else "-"
            call = "yes" if row["is_lens"] else "no"
            lens = (f"{row['p_lens']:.4f}", learned, call)
        passed = (f.rpartition("_")[2] for f in flags if row[f])
        level, score = (
            max(passed, key=float, default=""),
            shown(row["anomaly_score"], ".5g"),
        )
        rows.append((row["object_id"], score, *lens, p_value, level))
    names = ["object_id", "anomaly_score", "p_value", "above level"]
    if likely:
        names[2:] = ["p_lens", "calibrated", "is_lens", "p_value", "level"]
    what = "likeliest lenses" if likely else "strangest"
    console.print(_table(f"The {len(rows)} {what}", names, rows))
    if likely:
        console.print(
            f"called lenses, p_lens of {top.meta['threshold']:g} or above: "
            f"{counts['is_lens']} of {n_rows}"
        )
    for name in flags:
        level = name.rpartition("_")[2]
        console.print(f"above the {level} per cent level: {counts[name]} of {n_rows}")
    if "is_selected" in counts:
        console.print(
            f"selected at a false-discovery rate of {top.meta['fdr']:g}: "
            f"{counts['is_selected']} of {n_rows}"
        )
    if not_trained(top):
        console.print(in_words(top.meta.get("reconstruction")), markup=False)
    skipped = top.meta.get("n_skipped", 0)
    where = f", listed in {listed}" if skipped else ""
    console.print(f"skipped: {skipped}{where}", markup=False)


def show_evaluation(found) -> None:
    """Show the areas of every score and baseline, in all and by bin."""
    console = _console()
    bins = [] if found.by is None else list(dict.fromkeys(found.by["bin"]))
    by = {} if found.by is None else {(r["score"], r["bin"]): r for r in found.by}
    rows = [
        (
            row["score"],
            row["kind"],
            f"{row['auc']:.3f}",
            f"{row['low']:.3f}-{row['high']:.3f}",
            *(f"{by[row['score'], name]['auc']:.3f}" for name in bins),
        )
        for row in found.auc
    ]
    names = ("score", "kind", "AUC", "95% interval")
    title = "Area under the ROC curve"
    if bins:
        title += f", and by {found.by_name}"
    short = [str(name).replace(" to ", "-") for name in bins]
    console.print(_table(title, (*names, *short), rows))
    if len(found.rates):
        names = ("level", "population", "flagged", "per cent", "95% interval")
        shown = [row for row in found.rates if row["bin"] == "all"]
        rows = [
            (
                f"{row['level']:g}",
                row["population"],
                f"{row['k']} of {row['n']}",
                f"{100 * row['rate']:.1f}",
                f"{100 * row['low']:.1f} to {100 * row['high']:.1f}",
            )
            for row in shown
        ]
        console.print(_table("Objects above the thresholds", names, rows))
    for line in (*found.notes, found.winner):
        console.print(line, markup=False)


def show_comparison(table) -> None:
    """Show how well each score finds each kind of anomaly, best first."""
    # The simulators take a second to import, which other commands need not wait for.
    from astroanomaly.simulate.planted import SOUGHT

    kinds = list(dict.fromkeys(table["kind"]))
    cells = {(r["detector"], r["score"], r["kind"]): r for r in table}
    shown = {kind: [kind] for kind in kinds}
    if set(kinds) & set(SOUGHT):
        # A column for each of seven kinds would be cut on a terminal of 80 columns.
        shown = {
            "objects": [kind for kind in kinds if kind in SOUGHT],
            "artefacts": [kind for kind in kinds if kind not in (*SOUGHT, "all")],
            "all": ["all"],
        }
    rows = []
    for name in dict.fromkeys(zip(table["detector"], table["score"], strict=True)):
        means = [
            sum(cells[*name, kind]["auc"] for kind in own) / len(own)
            for own in shown.values()
            if own
        ]
        ends = "{:.3f}-{:.3f}".format(*cells[*name, "all"]["low", "high"])
        rows.append((means[0], " ".join(name), *map("{:.3f}".format, means), ends))
    console = _console()
    console.print(
        _table(
            f"AUC, {table.meta.get('anomalies', 'planted')} anomalies",
            (
                "detector and score",
                *(n for n, own in shown.items() if own),
                "95% of all",
            ),
            [row[1:] for row in sorted(rows, key=lambda row: -row[0])],
        )
    )
    if "chosen" in table.meta:
        console.print(
            f"Chosen: {table.meta['chosen']} by its score {table.meta['score']}.",
            markup=False,
        )


def show_models(table) -> None:
    """Show the pre-trained models of the package."""
    console = _console()
    for row in table:
        # A table would cut the names, which are typed, on a terminal of 80 columns.
        console.print(
            f"{row['name']}: {row['about']}\n    {row['model']}, bands {row['bands']}, "
            f"{row['size']} pixels of {row['pixel_scale']:g} arcsec, "
            f"{row['megabytes']:.1f} MB",
            markup=False,
        )
    console.print(
        "The card of one: astroanomaly models NAME. Each ranks at once, and gives "
        "p-values after `calibrate --pretrained NAME CUTOUTS --out RUN`.",
        markup=False,
    )


def show_quickstart(result) -> None:
    """Show what a quickstart found, where it lies and how long each stage took."""
    console = _console()
    show_evaluation(result.evaluation)
    show_calibration(result.detector)
    rows = [(title, f"{seconds:.0f} s") for title, seconds in result.seconds.items()]
    rows.append(("All", f"{sum(result.seconds.values()):.0f} s"))
    console.print(_table("Time", ("stage", "took"), rows))
    places = {
        "report.html": "the strangest galaxies, to sort and filter in a browser",
        "figures": "gallery, reconstructions, ROC and more",
        "scores.ecsv": "the score table",
        "results": "evaluation.md and its tables",
        "run": "the trained and calibrated run",
        "cutouts": "the simulated survey",
    }
    for name, what in places.items():
        console.print(f"{result.folder / name}: {what}", markup=False)


def show_review(path, reviewers=None) -> None:
    """Show what reviewers labelled, how well, and how far they agree."""
    from astroanomaly.review.labels import LABELS, LabelStore, class_of
    from astroanomaly.review.reviewers import agreement, check_of

    console = _console()
    with LabelStore(path, read_only=True) as store:
        rows = []
        for name in store.reviewers if reviewers is None else reviewers:
            words = [class_of(row) for row in store.rows(name)]
            rows.append((name, len(words), *(words.count(word) for word in LABELS)))
            for what, found in check_of(store, name).items():
                if found["n"]:
                    console.print(
                        f"{name}, {what}: {found['k']} of {found['n']} "
                        f"(95%: {found['low']:.2f} to {found['high']:.2f})",
                        markup=False,
                    )
        names = ("reviewer", "labelled", *LABELS)
        console.print(_table(f"Labels in {path}", names, rows))
        found = agreement(store) if reviewers is None else ()
    if len(found):
        rows = [
            (row["reviewers"], row["measure"], row["n"], shown(row["agree"], ".3f"))
            + (shown(row["kappa"], ".3f"),)
            for row in found
        ]
        names = ("reviewers", "measure", "objects", "agree", "kappa")
        console.print(_table("Agreement", names, rows))


def show_learned(ranked, out) -> None:
    """Show what a learned list was learned from, and what it may miss."""
    learned = ranked.meta["learned"]
    missed = learned["missed"]
    lines = [
        f"{len(ranked)} objects, sorted by {learned['n_labels']} labels "
        f"({learned['method']}) on {', '.join(learned['kinds'])}: {out}"
    ]
    if missed["n_drawn"]:
        rate, low, high = (100 * missed[name] for name in ("rate", "low", "high"))
        lines.append(
            f"Of {missed['n_drawn']} objects drawn at random {missed['n_interesting']} "
            f"were interesting: {rate:.2g}% ({low:.2g} to {high:.2g}) of the "
            f"{missed['n_unlabelled']} unlabelled ones may be."
        )
    else:
        lines.append(
            "No labelled object is known to be drawn at random: what the list misses "
            "cannot be estimated. Label what `drawn_at_random` marks."
        )
    for line in lines:
        _console().print(line, markup=False)
