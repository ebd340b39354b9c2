"""Figures of the lens study: areas, and areas along mass and signal to noise."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from astroanomaly import plots
from astroanomaly.plots import style as _style
from lenses import headline, pictures, published, results
from lenses.samples import joined, read_scores, study
from studies import Missing

BLUE, ORANGE, AMBER, INK = _style.BLUE, _style.ORANGE, _style.AMBER, _style.INK
SKY, PURPLE = _style.SKY, _style.PURPLE
COLORS = dict(
    zip(
        published.MODELS,
        (_style.AMBER, _style.GREEN, _style.BLUE, _style.ORANGE),
        strict=True,
    )
)
MARKERS = dict(zip(published.MODELS, "s^Do", strict=True))


def figures(out: Path) -> dict:
    """Return a function that draws each figure, by its name."""
    tables, record = results.read(out), study(out)
    found = {
        "areas": lambda: areas(tables["auc"], record),
        "fraction": lambda: along(
            tables["fraction"],
            tables["auc"],
            record,
            "fraction",
            "substructure over lens mass inside the Einstein radius, per cent",
        ),
        "exposure": lambda: along(
            tables["exposure"],
            tables["auc"],
            record,
            "snr_arcs",
            "median signal to noise of the arcs, whole frame",
        ),
    }
    for redshifts in published.REDSHIFTS:
        found[f"roc_{redshifts}"] = lambda r=redshifts: curves(out, tables, record, r)
    return found | pictures.figures(out)


def settings(table) -> list[str]:
    """Return the settings of the redshifts that a table has, or raise Missing."""
    present = set(table["redshifts"]) if len(table) else ()
    found = [name for name in published.REDSHIFTS if name in present]
    if not found:
        raise Missing("this run has no scores for it")
    return found


@_style.styled
def areas(table, record: dict) -> Figure:
    """Show the area under the ROC curve of every model, beside the published.

    Parameters
    ----------
    table : Table
        Of `results.area_table`.
    record : dict
        What study.json holds.

    Returns
    -------
    Figure
        A panel for each setting, both sectors together: intervals are 95 per cent.
    """
    shown = settings(table)
    table = headline.rows(table, sector="both")
    lines = _lines(table)
    figure = _style.new_figure(12.5, 0.36 * len(lines) + 1.9)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, redshifts in zip(panels, shown, strict=True):
        _areas_panel(axes, headline.rows(table, redshifts=redshifts), lines, record)
        old = published.AUCS[redshifts]
        places = [lines.index((model, "")) for model in old if (model, "") in lines]
        values = [old[model] for model in old if (model, "") in lines]
        label = f"published, MSE ({published.SHORT_SOURCE})"
        axes.plot(values, places, "*", color=INK, ms=13, label=label, zorder=4)
        axes.axvline(published.AIMS[redshifts], color=INK, lw=1.2, ls=":", label="aim")
        axes.set(title=published.REDSHIFTS[redshifts], xlabel="area under the curve")
        axes.set_xlim(min(0.45, axes.get_xlim()[0]), 1.01)
    axes = panels[0]
    names = [
        published.model_name(m) if not s else published.entry_name(m, s)
        for m, s in lines
    ]
    axes.set_yticks(range(len(lines)), names)
    axes.invert_yaxis()
    _legend(figure, panels, 3)
    return figure


def _lines(table) -> list[tuple[str, str]]:
    """Return the lines of the figure: networks once, baselines by their score."""
    found = []
    for row in table:
        alone = published.single(row["model"])
        found.append((str(row["model"]), str(row["score"]) if alone else ""))
    return list(dict.fromkeys(found))


def _areas_panel(axes, table, lines, record) -> None:
    drawn = {
        "mse": ("s", BLUE, "MSE, the published score"),
        "wasserstein": ("^", AMBER, "1-D Wasserstein distance"),
    }
    for k, (model, score) in enumerate(lines):
        if score:
            _dot(axes, headline.rows(table, model=model, score=score), k, "o", INK, "")
            continue
        own = headline.own_score(model, record)
        styles = drawn | {own: ("o", ORANGE, f"the detector's own score ({own})")}
        for j, (name, style) in enumerate(styles.items()):
            row = headline.rows(table, model=model, score=name)
            _dot(axes, row, k + 0.22 * (j - 1), *style)
    axes.axvline(0.5, color=_style.GREY, lw=1.0)
    axes.grid(axis="x", color=_style.PALE, lw=0.5)


def _dot(axes, rows, y, marker, color, label) -> None:
    for row in rows[:1]:
        ends = [[row["auc"] - row["low"]], [row["high"] - row["auc"]]]
        label = label or "baselines and the supervised network"
        style = {"color": color, "marker": marker, "ms": 6, "lw": 1.6, "label": label}
        axes.errorbar([row["auc"]], [y], xerr=np.maximum(ends, 0), ls="", **style)


def _legend(figure, panels, columns) -> None:
    found = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        found.values(), found.keys(), loc="outside upper center", ncols=columns
    )


def chosen_lines(table, areas, record: dict) -> list[tuple]:
    """Return what the figures along a property show.

    Parameters
    ----------
    table : Table
        Of `results.fraction_table` or `exposure_table`.
    areas : Table
        Of `results.area_table`, which tells the best baseline and the best model
        by MSE: of the mean over the settings of the redshifts, both sectors.
    record : dict
        What study.json holds.

    Returns
    -------
    list of tuple
        (model, score, label, style of the line).
    """
    present = {(str(row["model"]), str(row["score"])) for row in table}
    areas = headline.rows(areas, sector="both")
    keep = [(row["model"], row["score"]) in present for row in areas]
    areas = areas[np.array(keep, bool)]
    found = []
    for model in published.MODELS:
        score = headline.own_score(model, record)
        if (model, score) in present:
            style = {"color": COLORS[model], "marker": MARKERS[model], "ls": "-"}
            found.append((model, score, published.entry_name(model, score), style))
    extra = (
        (headline.rows(headline.networks(areas), score="mse"), SKY, "v", "--"),
        (headline.of_kind(areas, "baseline"), PURPLE, "P", "-."),
        (headline.of_kind(areas, "supervised"), INK, "X", ":"),
    )
    for part, color, marker, line in extra:
        if len(part):
            model, score = _best_mean(part)
            name = published.entry_name(model, score).replace(" (the ceiling)", "")
            style = {"color": color, "marker": marker, "ls": line}
            found.append((model, score, name, style))
    return found


def _best_mean(table) -> tuple[str, str]:
    means = {}
    for row in table:
        means.setdefault((str(row["model"]), str(row["score"])), []).append(row["auc"])
    return max(means, key=lambda pair: np.nan_to_num(np.mean(means[pair])))


@_style.styled
def along(table, areas, record: dict, column: str, xlabel: str) -> Figure:
    """Show the area under the curve along a property, sectors and settings apart.

    Parameters
    ----------
    table : Table
        Of `results.fraction_table` or `exposure_table`.
    areas : Table
        Of `results.area_table`.
    record : dict
        What study.json holds.
    column : str
        The property.
    xlabel : str
        Its name.

    Returns
    -------
    Figure
        A row of panels for each setting; intervals are 95 per cent.
    """
    shown = settings(table)
    figure = _style.new_figure(12.0, 3.9 * len(shown) + 1.3)
    grid = figure.subplots(
        len(shown), 2, squeeze=False, sharex=column == "fraction", sharey=True
    )
    lines = chosen_lines(table, areas, record)
    for line, redshifts in zip(grid, shown, strict=True):
        for axes, sector in zip(line, results.SECTORS, strict=True):
            _curves_of(axes, table, lines, column, redshifts=redshifts, sector=sector)
            if redshifts == "fixed" or len(shown) == 1:
                axes.set_title(published.SECTORS[sector])
        line[0].set_ylabel(f"{published.REDSHIFTS[redshifts]}\narea under the curve")
    _legend(figure, grid.ravel(), 3)
    figure.supxlabel(xlabel, fontsize=14)
    return figure


def _curves_of(axes, table, lines, column, **where) -> None:
    for k, (model, score, label, style) in enumerate(lines):
        part = headline.rows(table, model=model, score=score, **where)
        x = np.asarray(part[column], float) if len(part) else np.array([])
        part = part[np.isfinite(x)]
        # Slightly apart, so that intervals do not hide one another.
        x = np.sort(x[np.isfinite(x)]) * 1.012 ** (k - len(lines) / 2)
        part.sort(column)
        ends = np.stack([part["auc"] - part["low"], part["high"] - part["auc"]])
        ends = np.maximum(ends, 0)
        axes.errorbar(x, part["auc"], ends, label=label, ms=6, lw=1.7, **style)
    axes.axhline(0.5, color=_style.GREY, lw=1.0)
    axes.set_xscale("log")
    ticks = np.unique(np.round(np.asarray(table[column], float), 6))
    ticks = ticks[np.isfinite(ticks)]
    if column == "fraction":
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    elif len(ticks):
        _style.number_decades(axes.xaxis, ticks.min(), ticks.max())
    axes.grid(axis="y", color=_style.PALE, lw=0.5)


def curves(out: Path, tables: dict, record: dict, redshifts: str) -> Figure:
    """Show the ROC curves of a setting, both sectors together."""
    table = headline.rows(tables["auc"], redshifts=redshifts)
    settings(table)
    scores, lines = read_scores(out, redshifts), chosen_lines(table, table, record)
    labels, found = None, {}
    for model, score, label, _ in lines:
        sets = scores[model]
        labels, values = joined(sets["smooth"], [sets[s] for s in results.SECTORS])
        # The function draws what begins with these names thinner.
        found[label.replace("PCA", "pca")] = values[score]
    figure = plots.roc(labels, found)
    # Wider than it comes: the names are long.
    figure.set_size_inches(11.0, 6.0)
    return figure
