"""Samples side by side: score distributions, rates and trends with properties.

After figures 8 to 11, 15 and 16 of Margalef-Bentabol et al. (2020, MNRAS 496,
2346), drawn from the tables of `rates`, `trends` and `comparison`.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.plots import panels as _panels
from astroanomaly.plots.style import (
    BLUE,
    GREY,
    INK,
    LINES,
    new_axes,
    number_decades,
    styled,
)
from astroanomaly.tables import columns as _score_table


@styled
def score_distributions(
    samples: Mapping, thresholds=None, *, xlabel: str = "anomaly score", bins: int = 30
):
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
    named = {name: _finite(scores, name) for name, scores in samples.items()}
    if not named:
        raise ValueError("`samples` must hold at least one sample. Received: none.")
    cuts = {f"{float(k):g}": float(v) for k, v in (thresholds or {}).items()}
    edges, scale = _panels.robust_edges([*named.values()], [*cuts.values()], bins)
    figure, axes = new_axes(10.5, 5.2)
    axes.set_xscale(scale)
    for k, (name, scores) in enumerate(named.items()):
        counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
        style = {"color": _panels.color(k), "lw": 2.4}
        heights, label = (
            counts / len(scores),
            f"{_panels.words(name)} ({len(scores):,})",
        )
        if k == 0:
            axes.stairs(
                heights, edges, color=_panels.color(k), alpha=0.3, lw=0, fill=True
            )
        axes.stairs(heights, edges, label=label, **style)
    _panels.mark_thresholds(axes, cuts)
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
):
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
        What it is.

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
    _panels.require_some(tables, "tables")
    figure, axes = new_axes(9.5, 5.2)
    _panels.draw_rates(axes, tables, _colors(tables))
    _panels.set_rates(axes, [tables], promised)
    if mark is not None:
        axes.axvline(mark, color=INK, lw=1.2, ls="--", label=mark_label or None)
    axes.set(xlabel=xlabel, ylabel="objects flagged")
    _panels.legend(figure, [axes], 2)
    return figure


@styled
def trend_panels(
    panels: Mapping,
    labels: Mapping | None = None,
    *,
    promised: float | None = None,
    columns: int = 2,
):
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
        Panels beside each other.

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
    _panels.require_some(panels, "panels")
    for name, tables in panels.items():
        _panels.require_some(tables, f"panels[{name!r}]")
    colors = _colors(dict.fromkeys(key for tables in panels.values() for key in tables))
    figure, grid = _panels.grid(len(panels), columns)
    for axes, (name, tables) in zip(grid, panels.items(), strict=True):
        _panels.draw_rates(axes, tables, colors)
        _panels.set_rates(axes, panels.values(), promised)
        axes.set_xlabel(_label(name, labels))
    _panels.legend(figure, grid, 2)
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
):
    """Show how scores are distributed along properties, beside a reference.

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
        Panels beside each other.
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
    _panels.require_some(panels, "panels")
    figure, grid = _panels.grid(len(panels), columns)
    seen = False
    for axes, (name, table) in zip(grid, panels.items(), strict=True):
        seen |= _panels.draw_quartiles(axes, table)
        axes.set_xlabel(_label(name, labels))
    if _spans_decades(panels.values()):
        grid[0].set_yscale("log")
        number_decades(grid[0].yaxis, *grid[0].get_ylim())
    shown = [Patch(fc=BLUE, alpha=0.38, label=f"{names[0]}: quartiles")]
    shown.append(Line2D([], [], color=BLUE, lw=3, label=f"{names[0]}: median"))
    if seen:
        shown.append(
            Patch(fc=_panels.REFERENCE, alpha=0.38, label=f"{names[1]}: quartiles")
        )
        style = {"color": INK, "ls": LINES[1], "label": f"{names[1]}: median"}
        shown.append(Line2D([], [], **style))
    figure.legend(handles=shown, loc="outside upper center", ncols=2)
    figure.supylabel(ylabel, fontsize=14)
    return figure


@styled
def rate_bars(
    table,
    level: float,
    samples: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    *,
    published: Mapping | None = None,
    published_label: str = "published",
):
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
    cells = _panels.rate_cells(table, level)
    samples = list(samples or dict.fromkeys(key[0] for key in cells))
    scores = list(scores or dict.fromkeys(key[1] for key in cells))
    if not any((one, score) in cells for one in samples for score in scores):
        raise ValueError(
            "The table must hold rates of these samples and scores at this level. "
            f"Received: samples {samples}, scores {scores}, level {level:g}."
        )
    width = 0.84 / len(scores)
    bars = len(samples) * len(scores)
    figure, axes = new_axes(min(max(8.5, 4.0 + 0.55 * bars), 18.0), 5.6)
    for k, score in enumerate(scores):
        offset = k - (len(scores) - 1) / 2
        _panels.draw_bars(axes, cells, samples, score, k, width, offset)
    _panels.mark_published(
        axes, published or {}, samples, scores, level, published_label
    )
    promised = f"promised for normal objects ({100 - level:g}%)"
    axes.axhline(100 - level, color=INK, ls=":", lw=1.4, label=promised, zorder=0.5)
    names = [fill(_panels.words(name), 15) for name in samples]
    axes.set_xticks(range(len(samples)), names)
    axes.set(xlim=(-0.55, len(samples) - 0.45), ylim=(0, 104))
    axes.set_ylabel(f"flagged at the {level:g}% level")
    axes.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
    _panels.legend(figure, [axes], 2 if len(scores) < 4 else 3)
    return figure


def _finite(scores, name):
    scores = checked_scores(np.ma.filled(np.ma.asarray(scores, float), np.nan), name)
    if not len(scores) or not np.isfinite(scores).all():
        raise ValueError(
            f"The sample {name!r} must have at least one score and only finite ones. "
            f"Received: {len(scores)} scores, {int(np.isinf(scores).sum())} infinite."
        )
    return scores


def _colors(names):
    return {name: _panels.color(k) for k, name in enumerate(names)}


def _label(name, labels):
    return labels[name] if labels and name in labels else _panels.words(name)


def _spans_decades(tables):
    low, high = (
        np.concatenate([_score_table.numbers(table, name) for table in tables])
        for name in ("q25", "q75")
    )
    low, high = low[np.isfinite(low)], high[np.isfinite(high)]
    least = low.min(initial=np.inf)
    return least > 0 and high.max(initial=0.0) > _panels.WIDE * least
