"""Figures of the lens-finder study: rates, curves, outputs, what is missed."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.special import expit

from astroanomaly import plots
from astroanomaly.evaluation.classifier import reliability
from astroanomaly.plots import style as _style
from finders import cells, headline, pictures, results, shown
from finders.headline import main_rows, rows
from finders.samples import Run
from studies import Missing

MOST_LOSS = 1.2
NO_FINDER = "no finder was trained in this run"
SERIES = {
    "test": (_style.BLUE, "o", "single lenses"),
    "arcs": (_style.ORANGE, "s", "compound arcs"),
    "rings": (_style.GREEN, "D", "compound rings"),
}
MOST_CURVES = 6


def figures(out: Path) -> dict:
    """Return a function that draws each figure, by its name.

    Parameters
    ----------
    out : Path
        The study's folder, with `results`.

    Returns
    -------
    dict of str to callable
        Each returns a Figure or raises `studies.Missing`.
    """
    tables, run = results.read(out), Run(out)
    return {
        "rates": lambda: rates(tables),
        "histogram": lambda: histogram(run),
        "roc_finders": lambda: roc_finders(run),
        "roc_detectors": lambda: roc_detectors(tables, run),
        "purity": lambda: purity(run),
        "reliability": lambda: calibration(run),
        "missed": lambda: missed(tables["missed"]),
        "training": lambda: training(run),
        "focus": lambda: focus(tables["focus"]),
        **pictures.figures(run),
    }


def _chosen(run: Run):
    entry = headline.chosen(run)
    if entry is None:
        raise Missing(NO_FINDER)
    return entry


def rates(tables: dict[str, Table]) -> Figure:
    """Show what the finder finds and what deceives it, at 0.5."""
    table = main_rows(tables, "sets", rule=shown.HALF)
    if not len(table):
        raise Missing(NO_FINDER)
    false = main_rows(tables, "negatives", rule=shown.HALF)
    false["kind"] = [
        shown.KINDS.get(str(kind), str(kind)) if kind != "all" else "all"
        for kind in false["kind"]
    ]
    return plots.set_rates(table, false)


def histogram(run: Run) -> Figure:
    """Show the outputs of the finder, set by set: figure 8 of the reference."""
    entry = _chosen(run)
    sets = {
        name: run.pair(entry, one) for name, one in shown.SETS.items() if one != "train"
    }
    real = headline.assigned(run)
    if real:
        logits = [one.real[name][0] for name, one in real.items()]
        sets["real lenses"] = expit(np.array(logits)), None
    return plots.output_histogram(sets)


def roc_finders(run: Run) -> Figure:
    """Show the ROC curve of each finder on the test set."""
    labels, found = run.labels("test") if run.entries else None, {}
    for finder in dict.fromkeys(entry.finder for entry in run.entries):
        entry = headline.own(run, finder)
        found[shown.finder_name(finder)] = entry.p("test"), labels
    if not found:
        raise Missing(NO_FINDER)
    return plots.roc_curves(found)


def roc_detectors(tables: dict[str, Table], run: Run) -> Figure:
    """Show the finder beside what sees no label, and beside the floor."""
    entry, found = _chosen(run), {}
    keys = [key for key in cells.shown_rankings(tables) if key[0] != "finder"]
    for key in keys[:MOST_CURVES]:
        found[cells.ranking_name(tables, key)] = run.detectors[key[1:]]["test"]
    if not found:
        raise Missing("no detector was trained in this run")
    name = shown.finder_name(entry.finder)
    figure = plots.roc(run.labels("test"), {name: entry.logits["test"], **found})
    # Wider than it comes: the names are long.
    figure.set_size_inches(12.0, 6.0)
    figure.axes[0].set(xlabel="non-lenses called lenses", ylabel="lenses found")
    return figure


def purity(run: Run) -> Figure:
    """Show purity against completeness where lenses are rare."""
    entry = _chosen(run)
    sets = {"test set": (entry.p("test"), run.labels("test"))}
    return plots.purity_completeness(sets, lens_fraction=(0.5, *results.FRACTIONS[:2]))


def calibration(run: Run) -> Figure:
    """Show reliability before and after calibration."""
    entry, labels = _chosen(run), run.labels("test")
    after = run.curves[entry.key].apply(entry.logits["test"])
    return plots.reliability(
        {
            "as stated": reliability(labels, entry.p("test")),
            "calibrated": reliability(labels, after),
        }
    )


@_style.styled
def missed(table: Table) -> Figure:
    """Show recall against the properties of the lenses.

    Parameters
    ----------
    table : Table
        Of `results.missed`.

    Returns
    -------
    Figure
        A panel for each property, a point for each quarter of a set at its median.
    """
    if not len(table):
        raise Missing(NO_FINDER)
    figure = _style.new_figure(11.5, 8.2)
    grid = figure.subplots(2, 2, sharey=True)
    for axes, (prop, words) in zip(grid.ravel(), shown.PROPERTIES.items(), strict=True):
        for name, (color, marker, label) in SERIES.items():
            part = rows(table, set=name, property=prop)
            if not len(part):
                continue
            ends = np.stack(
                [part["recall"] - part["low"], part["high"] - part["recall"]]
            )
            style = {"color": color, "marker": marker, "ms": 8, "lw": 1.8}
            axes.errorbar(
                part["median"],
                part["recall"],
                np.maximum(ends, 0),
                capsize=3,
                label=label,
                **style,
            )
        if prop in ("magnification", "n_source_pixels"):
            axes.set_xscale("log")
            column = np.asarray(rows(table, property=prop)["median"], float)
            _style.number_decades(axes.xaxis, column.min(), column.max())
        axes.set(xlabel=words, ylim=(-0.03, 1.03))
        axes.grid(axis="y", color=_style.PALE, lw=0.5)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for line in grid:
        line[0].set_ylabel("lenses found")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@_style.styled
def training(run: Run) -> Figure:
    """Show the validation loss of each training, epoch by epoch.

    Epochs over clear frames alone are numbered up to 0; losses beyond `MOST_LOSS`,
    which only they have, are cut off.
    """
    figure, axes = _style.new_axes(10.5, 5.2)
    finders = list(dict.fromkeys(entry.finder for entry in run.entries))
    for k, finder in enumerate(finders):
        paths = sorted((run.out / "finders" / finder).glob("s*/history.csv"))
        first = run.record.get("finders", {}).get(finder, {}).get("first_epochs", 0)
        for n, path in enumerate(paths):
            history = Table.read(path, format="ascii.csv")
            axes.plot(
                history["epoch"] - first,
                history["val_loss"],
                color=_style.CYCLE[k % len(_style.CYCLE)],
                ls=_style.LINES[n % len(_style.LINES)],
                marker="o",
                ms=5,
                label="" if n else shown.finder_name(finder),
            )
    if not axes.lines:
        raise Missing(NO_FINDER)
    axes.axhline(np.log(2), color=_style.GREY, ls=":", lw=1.2)
    title = "dotted: knows nothing"
    if axes.get_xlim()[0] < 0:
        title += "\nshaded: clear frames alone"
        axes.axvspan(axes.get_xlim()[0], 0.5, color=_style.PALE, alpha=0.4, lw=0)
    axes.set_ylim(top=min(axes.get_ylim()[1], MOST_LOSS))
    axes.set(xlabel="epoch", ylabel="loss on the validation set")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=_style.PALE, lw=0.5)
    figure.legend(loc="outside right upper", title=title)
    return figure


@_style.styled
def focus(table: Table) -> Figure:
    """Show which share of what speaks for a lens lies about the main object.

    Parameters
    ----------
    table : Table
        Of `focus.focus_table`.

    Returns
    -------
    Figure
        A panel for each finder: for each group of objects the share within 3 arcsec
        of the main object, beside the shares of area and of light.
    """
    if not len(table):
        raise Missing(pictures.NO_LOOK)
    table = rows(table, sign="for")
    finders = list(dict.fromkeys(map(str, table["finder"])))
    most = max(len(set(rows(table, finder=f)["group"])) for f in finders)
    figure = _style.new_figure(6.2 * len(finders) + 1.5, 0.62 * most + 2.4)
    panels = figure.subplots(1, len(finders), squeeze=False)[0]
    for axes, finder in zip(panels, finders, strict=True):
        _focus_panel(axes, rows(table, finder=finder))
        axes.set_title(shown.finder_name(finder))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _focus_panel(axes, table) -> None:
    groups, labels = shown.ordered(table["group"]), []
    for y, group in enumerate(groups):
        near = [r for r in rows(table, group=group) if r["zone"] in ("core", "ring")]
        left = 0.0
        for row, color in zip(near, (_style.BLUE, _style.SKY), strict=True):
            name = shown.ZONES[str(row["zone"])]
            axes.barh(y, row["share"], 0.62, left, color=color, label="" if y else name)
            left += row["share"]
        for key, marker, words in (
            ("area", "|", 'area within 3"'),
            ("light", "D", 'light within 3"'),
        ):
            value = sum(row[key] for row in near)
            style = {"color": _style.INK, "marker": marker, "ms": 9, "ls": ""}
            style |= {"mfc": "white"} if marker == "D" else {"mew": 2.5, "ms": 16}
            axes.plot([value], [y], label="" if y else words, **style)
        labels.append(f"{shown.group_name(group)} ({int(near[0]['n'])})")
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set(xlim=(0, 1), xlabel="share of what speaks for a lens")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
