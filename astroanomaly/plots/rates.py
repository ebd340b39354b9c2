"""Rates of detection with their intervals: areas, bins, trends with properties.

The figures of samples follow figures 8 to 11, 15 and 16 of Margalef-Bentabol et al.
(2020, MNRAS 496, 2346), drawn from the tables of `rates`, `trends` and `surveys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.plots import parts
from astroanomaly.plots.style import (
    BLUE,
    GREY,
    INK,
    LINES,
    ORANGE,
    curve_color,
    level_colors,
    new_axes,
    number_decades,
    plain,
    styled,
)
from astroanomaly.tables import columns
from astroanomaly.tables.columns import numbers

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

    from astroanomaly.evaluation.summary import Evaluation

# Shapes as well as colours, for print and for colour-blind readers.
_MARKERS = "osD^vPX*"
# As in `scores`: ours are blue.
_COLORS = {"detector": BLUE, "baseline": ORANGE}


@styled
def areas(evaluation: Evaluation) -> Figure:
    """Show the AUC of every score and of the baselines, best on top.

    Parameters
    ----------
    evaluation : Evaluation
        What ``evaluation.evaluate`` returned; of it ``auc``, a table with the
        columns score, kind, auc, low and high.

    Returns
    -------
    matplotlib.figure.Figure
        A point with its 95 per cent interval for each score; an interval that
        is NaN is left out. The dotted line is chance.

    Raises
    ------
    ValueError
        If the table lacks a column or has no row.

    Examples
    --------
    >>> figure = areas(evaluate(table, truth))
    >>> figure.savefig("auc.png")
    """
    table = evaluation.auc
    columns.require(table, "score", "kind", "auc", "low", "high")
    if not len(table):
        raise ValueError("The evaluation holds no score: there is nothing to draw.")
    order = columns.ranking(table, "auc")[::-1]
    names = [columns.texts(table, "score")[row] for row in order]
    kinds = np.array(columns.texts(table, "kind"))[order]
    value, low, high = _triple(table, "auc", order)
    figure, axes = new_axes(8.5, 1.4 + 0.45 * len(order))
    place = np.arange(len(order))
    for kind, color in _COLORS.items():
        keep = kinds == kind
        if keep.any():
            axes.errorbar(
                value[keep],
                place[keep],
                xerr=parts.lengths(value[keep], low[keep], high[keep]),
                label=kind,
                color=color,
                marker="o" if kind == "detector" else "s",
                ms=8,
                ls="",
                capsize=3,
            )
    for y, x in zip(place, value, strict=True):
        text = f"{x:.3f}"
        axes.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center")
    # Chance is drawn only where the axis reaches near it.
    if np.nanmin(low) < 0.55:
        axes.axvline(0.5, color=GREY, ls=":", lw=1.2)
    axes.set_yticks(place, [plain(name.replace("_", " ")) for name in names])
    axes.set(xlabel="area under the ROC curve", ylim=(-0.6, len(order) - 0.4))
    axes.grid(axis="x", alpha=0.25, color=GREY)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@styled
def detection_by(evaluation: Evaluation, quantity: str = "rate") -> Figure:
    """Show how detection depends on a property, such as flux_ratio.

    Parameters
    ----------
    evaluation : Evaluation
        What ``evaluate(table, labels, by=...)`` returned, with its ``rates``,
        ``by`` and ``by_name``.
    quantity : {"rate", "auc"}, default "rate"
        The share of anomalous objects above each level's threshold, or the AUC
        of each score, in each bin.

    Returns
    -------
    matplotlib.figure.Figure
        Points with 95 per cent intervals, bins in the order of the table. An
        empty bin leaves a gap.

    Raises
    ------
    ValueError
        If the evaluation was made without ``by``, without levels where rates
        are asked for, or `quantity` is unknown.

    Examples
    --------
    >>> found = evaluate(table, truth, by="flux_ratio", bins=(0.1, 0.25, 0.5, 1))
    >>> figure = detection_by(found)
    """
    if quantity not in ("rate", "auc"):
        raise ValueError(f"`quantity` must be 'rate' or 'auc'. Received: {quantity!r}.")
    if evaluation.by is None:
        raise ValueError(
            "There are no bins to draw: evaluate with `by=` the name of a column."
        )
    if quantity == "rate":
        rates = evaluation.rates
        if not len(rates):
            raise ValueError(
                "The score table had no is_anomaly columns: there is no rate."
            )
        binned = np.array(columns.texts(rates, "bin")) != "all"
        strange = np.array(columns.texts(rates, "population")) == "anomalous"
        level = columns.numbers(rates, "level")
        colors = level_colors([f"{value:g}" for value in np.unique(level)])
        series = [
            (f"{name}% level", color, rates[binned & strange & (level == float(name))])
            for name, color in colors.items()
            if name
        ]
    else:
        scores = np.array(columns.texts(evaluation.by, "score"))
        series = [
            (
                plain(name.replace("_", " ")),
                curve_color(k),
                evaluation.by[scores == name],
            )
            for k, name in enumerate(dict.fromkeys(scores.tolist()))
        ]
    bins = list(dict.fromkeys(columns.texts(evaluation.by, "bin")))
    figure, axes = new_axes(max(8.0, 3.0 + 1.4 * len(bins)), 5.5)
    # Series stand side by side in a bin: their intervals would hide each other.
    shift = np.linspace(-0.24, 0.24, len(series)) if len(series) > 1 else [0.0]
    for k, (label, color, table) in enumerate(series):
        rows = columns.texts(table, "bin")
        x = np.array([bins.index(name) for name in rows]) + shift[k]
        value, low, high = _triple(table, quantity, np.arange(len(table)))
        axes.errorbar(
            x,
            value,
            yerr=parts.lengths(value, low, high),
            label=label,
            color=color,
            marker=_MARKERS[k % len(_MARKERS)],
            ms=8,
            ls="",
            capsize=3,
        )
    axes.set_xticks(range(len(bins)), [plain(name) for name in bins])
    axes.set_xlabel(plain((evaluation.by_name or "bin").replace("_", " ")))
    if quantity == "rate":
        axes.set(ylabel="anomalous objects flagged", ylim=(-0.02, 1.02))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        axes.set_ylabel("area under the ROC curve")
    axes.grid(axis="y", alpha=0.25, color=GREY)
    figure.legend(loc="outside right upper")
    return figure


@styled
def score_distributions(
    samples: Mapping,
    thresholds: Mapping[float, float] | None = None,
    *,
    xlabel: str = "anomaly score",
    bins: int = 30,
) -> Figure:
    """Show how the scores of several samples are distributed.

    After figures 8, 9 and 15 of Margalef-Bentabol et al. (2020).

    Parameters
    ----------
    samples : mapping of str to array_like of shape (n,)
        Scores by the name of the sample. The first is filled: give the normal or
        the reference objects first.
    thresholds : mapping of float to float, optional
        Thresholds by level in per cent, such as ``calibration.thresholds``.
    xlabel : str
        Name of the score.
    bins : int
        Bins, logarithmic where positive scores span more than a factor of 20.
        They reach from the 0.1 to the 99.9 per cent quantiles; the bins at the
        ends also hold what lies beyond.

    Returns
    -------
    matplotlib.figure.Figure
        Each sample is normalized to one, with its number of objects.

    Raises
    ------
    ValueError
        If there is no sample, one is empty or a score is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> scores = {"isolated": rng.gamma(9, 1, 500), "mergers": rng.gamma(12, 1, 300)}
    >>> figure = score_distributions(scores, {90: 13.0, 95: 14.4})
    """
    named = {}
    for name, scores in samples.items():
        scores = np.ma.filled(np.ma.asarray(scores, float), np.nan)
        named[name] = scores = checked_scores(scores, name)
        if not len(scores) or not np.isfinite(scores).all():
            infinite = int(np.isinf(scores).sum())
            raise ValueError(
                f"The sample {name!r} must have at least one score and only finite "
                f"ones. Received: {len(scores)} scores, {infinite} infinite."
            )
    if not named:
        raise ValueError("`samples` must hold at least one sample. Received: none.")
    cuts = {f"{float(k):g}": float(v) for k, v in (thresholds or {}).items()}
    edges, scale = parts.robust_edges([*named.values()], [*cuts.values()], bins)
    figure, axes = new_axes(10.5, 5.2)
    axes.set_xscale(scale)
    for k, (name, scores) in enumerate(named.items()):
        # One far score neither stretches the axis nor is lost.
        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        style = {"color": curve_color(k), "lw": 2.4}
        heights = counts / len(scores)
        label = f"{parts.words(name)} ({len(scores):,})"
        if k == 0:
            axes.stairs(
                heights, edges, color=curve_color(k), alpha=0.3, lw=0, fill=True
            )
        axes.stairs(heights, edges, label=label, **style)
    parts.mark_thresholds(axes, cuts)
    axes.set(xlabel=xlabel, ylabel="fraction of objects per bin")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    if scale == "log":
        number_decades(axes.xaxis, edges[0], edges[-1])
    figure.legend(loc="outside right upper")
    return figure


@styled
def rates_along(
    tables: Mapping,
    xlabel: str,
    *,
    promised: float | None = None,
    mark: float | None = None,
    mark_label: str = "",
) -> Figure:
    """Show the fraction flagged along a property, such as merger time.

    After figure 10 of Margalef-Bentabol et al. (2020).

    Parameters
    ----------
    tables : mapping of str to Table
        What `trends.binned_rates` returned, by the name of the sample. Intervals
        over systems are drawn where a table has them.
    xlabel : str
        Name of the property, with its unit.
    promised : float, optional
        Fraction of normal objects flagged, such as 0.1, as a dotted line.
    mark : float, optional
        Value to mark by a vertical line, such as 0 where galaxies merge.
    mark_label : str
        Its name in the legend.

    Returns
    -------
    matplotlib.figure.Figure
        A point with its interval for each bin, at the median of its members.

    Raises
    ------
    ValueError
        If there is no table, or one lacks a column.

    Examples
    --------
    >>> from astroanomaly.evaluation.trends import binned_rates
    >>> time = np.linspace(-1, 1, 200)
    >>> table = binned_rates(time > 0.3, time, 5)
    >>> figure = rates_along({"mergers": table}, "merger time", promised=0.1, mark=0)
    """
    parts.require_some(tables, "tables")
    figure, axes = new_axes(9.5, 5.2)
    parts.draw_rates(axes, tables, _colors(tables))
    parts.set_rates(axes, [tables], promised)
    if mark is not None:
        axes.axvline(mark, color=INK, lw=1.2, ls="--", label=mark_label or None)
    axes.set(xlabel=xlabel, ylabel="objects flagged")
    parts.legend(figure, [axes], 2)
    return figure


@styled
def trend_panels(
    panels: Mapping,
    labels: Mapping | None = None,
    *,
    promised: float | None = None,
    columns: int = 2,
) -> Figure:
    """Show the fraction flagged against several properties, a panel each.

    After figure 11 of Margalef-Bentabol et al. (2020).

    Parameters
    ----------
    panels : mapping of str to mapping of str to Table
        By the name of the property, then of the sample, what
        `trends.binned_rates` returned.
    labels : mapping of str to str, optional
        Label of a property's axis, with its unit; its name where it has none.
    promised : float, optional
        Fraction of normal objects flagged, as a dotted line.
    columns : int
        Panels in a row.

    Returns
    -------
    matplotlib.figure.Figure
        One vertical axis for all panels; horizontal ones are logarithmic where
        positive bins span more than a factor of 20.

    Raises
    ------
    ValueError
        If there is no property, one has no table, or a table lacks a column.

    Examples
    --------
    >>> from astroanomaly.evaluation.trends import binned_rates
    >>> mass = np.geomspace(1e9, 1e12, 200)
    >>> panels = {"stellar_mass": {"mergers": binned_rates(mass > 1e11, mass, 5)}}
    >>> figure = trend_panels(panels, {"stellar_mass": r"stellar mass [solar masses]"})
    """
    parts.require_some(panels, "panels")
    for name, tables in panels.items():
        parts.require_some(tables, f"panels[{name!r}]")
    colors = _colors(dict.fromkeys(key for tables in panels.values() for key in tables))
    figure, grid = parts.grid(len(panels), columns)
    for axes, (name, tables) in zip(grid, panels.items(), strict=True):
        parts.draw_rates(axes, tables, colors)
        parts.set_rates(axes, panels.values(), promised)
        axes.set_xlabel(_label(name, labels))
    parts.legend(figure, grid, 2)
    figure.supylabel("objects flagged", fontsize=14)
    return figure


@styled
def score_by_property(
    panels: Mapping,
    labels: Mapping | None = None,
    *,
    ylabel: str = "anomaly score",
    columns: int = 2,
    names: tuple[str, str] = ("objects", "reference"),
) -> Figure:
    """Show how scores depend on properties, compared with a reference.

    After figure 16 of Margalef-Bentabol et al. (2020).

    Parameters
    ----------
    panels : mapping of str to Table
        What `comparison.by_property` returned, by the name of the property.
    labels : mapping of str to str, optional
        Label of a property's axis, with its unit; its name where it has none.
    ylabel : str
        Name of the score.
    columns : int
        Panels in a row.
    names : tuple of two str
        What the scored sample and the reference are called.

    Returns
    -------
    matplotlib.figure.Figure
        For each bin the median, a box from the lower to the upper quartile and,
        above, the number of objects. The reference, in grey, has its own quartiles
        in each bin where the table holds them, or else those of all its objects.

    Raises
    ------
    ValueError
        If there is no property, or a table lacks a column.

    Examples
    --------
    >>> from astroanomaly.evaluation.surveys import by_property
    >>> rng = np.random.default_rng(1)
    >>> size, score = rng.uniform(0.1, 1, 300), rng.gamma(9, 1, 300)
    >>> table = by_property(score, size, 4, rng.gamma(9, 1, 300))
    >>> figure = score_by_property({"half_light_radius": table})
    """
    parts.require_some(panels, "panels")
    figure, grid = parts.grid(len(panels), columns)
    seen = False
    for axes, (name, table) in zip(grid, panels.items(), strict=True):
        seen |= parts.draw_quartiles(axes, table)
        axes.set_xlabel(_label(name, labels))
    low, high = (
        np.concatenate([numbers(table, name) for table in panels.values()])
        for name in ("q25", "q75")
    )
    low, high = low[np.isfinite(low)], high[np.isfinite(high)]
    least = low.min(initial=np.inf)
    if least > 0 and high.max(initial=0.0) > parts.WIDE * least:
        grid[0].set_yscale("log")
        number_decades(grid[0].yaxis, *grid[0].get_ylim())
    shown = [Patch(fc=BLUE, alpha=0.38, label=f"{names[0]}: quartiles")]
    shown.append(Line2D([], [], color=BLUE, lw=3, label=f"{names[0]}: median"))
    if seen:
        shown.append(
            Patch(fc=parts.REFERENCE, alpha=0.38, label=f"{names[1]}: quartiles")
        )
        style = {"color": INK, "ls": LINES[1], "label": f"{names[1]}: median"}
        shown.append(Line2D([], [], **style))
    figure.legend(handles=shown, loc="outside upper center", ncols=2)
    figure.supylabel(ylabel, fontsize=14)
    return figure


@styled
def rate_bars(
    table: Table,
    level: float,
    samples: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    *,
    published: Mapping | None = None,
    published_label: str = "published",
) -> Figure:
    """Compare how much of each sample several scores flag.

    Parameters
    ----------
    table : Table
        What `rates.detection_rates` returned.
    level : float
        Level in per cent. A score without it but with a fixed threshold is drawn
        at that, hatched.
    samples, scores : sequence of str, optional
        Which to draw, in this order; all by default.
    published : mapping, optional
        Per cent flagged elsewhere: ``{(sample, level): 86}`` draws a line across
        the sample's bars, ``{(sample, score, level): 74}`` one across one bar.
        Entries for other samples, scores or levels are left out; the level of a
        fixed threshold is `level` too.
    published_label : str
        What the legend calls them.

    Returns
    -------
    matplotlib.figure.Figure
        Bars with 95 per cent intervals, over systems where the table has them,
        and their per cent. The dotted line is what `level` promises for normal
        objects.

    Raises
    ------
    ValueError
        If the table lacks a column, or holds nothing of these samples and scores
        at this level.

    Examples
    --------
    >>> from astroanomaly.evaluation.rates import detection_rates
    >>> mergers = {"mergers": {"peak": [50.0, 89.0, 91.0, 99.0]}}
    >>> table = detection_rates({"peak": range(100)}, mergers)
    >>> figure = rate_bars(table, 90, published={("mergers", 90): 80})
    """
    cells = parts.rate_cells(table, level)
    samples = list(samples or dict.fromkeys(key[0] for key in cells))
    scores = list(scores or dict.fromkeys(key[1] for key in cells))
    if not any((one, score) in cells for one in samples for score in scores):
        raise ValueError(
            "The table must hold rates of these samples and scores at this level. "
            f"Received: samples {samples}, scores {scores}, level {level:g}."
        )
    # A gap of 0.16 separates the samples.
    width = 0.84 / len(scores)
    bars = len(samples) * len(scores)
    figure, axes = new_axes(min(max(8.5, 4.0 + 0.55 * bars), 18.0), 5.6)
    for k, score in enumerate(scores):
        offset = k - (len(scores) - 1) / 2
        parts.draw_bars(axes, cells, samples, score, k, width, offset)
    parts.mark_published(axes, published or {}, samples, scores, level, published_label)
    promised = f"promised for normal objects ({100 - level:g}%)"
    axes.axhline(100 - level, color=INK, ls=":", lw=1.4, label=promised, zorder=0.5)
    names = [fill(parts.words(name), 15) for name in samples]
    axes.set_xticks(range(len(samples)), names)
    # 104 per cent leaves room for the numbers on full bars.
    axes.set(xlim=(-0.55, len(samples) - 0.45), ylim=(0, 104))
    axes.set_ylabel(f"flagged at the {level:g}% level")
    axes.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
    parts.legend(figure, [axes], 2 if len(scores) < 4 else 3)
    return figure


def _triple(table, name, rows):
    return [columns.numbers(table, column)[rows] for column in (name, "low", "high")]


def _colors(names):
    return {name: curve_color(k) for k, name in enumerate(names)}


def _label(name, labels):
    return labels[name] if labels and name in labels else parts.words(name)
