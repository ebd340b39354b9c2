"""Parts that figures share: points, quartile boxes, bars and their axes."""

import re

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from astroanomaly.plots.style import (
    BLUE,
    GREY,
    INK,
    LINES,
    curve_color,
    new_figure,
    plain,
)
from astroanomaly.tables.columns import numbers, require, texts

# Positive values that span more than this factor get a logarithmic axis.
WIDE = 20
# Told apart where color is lost.
MARKERS = "osD^vP*X"
# Neutral, so that the reference does not compete with the samples.
REFERENCE = "#8A8A8A"
# Prefixes that English joins to the next word.
_HYPHEN = re.compile(r"\b(pre_|post_|k(?=means))")


def words(name) -> str:
    """Return a name as a figure shows it."""
    hyphened = _HYPHEN.sub(lambda found: f"{found[0].rstrip('_')}-", str(name))
    return plain(hyphened.replace("_", " "))


def require_some(named, what: str) -> None:
    """Raise if a mapping is empty."""
    if not len(named):
        raise ValueError(f"`{what}` must hold at least one entry. Received: none.")


def legend(figure, panels, columns: int) -> None:
    """Draw one legend above all panels, reference lines last."""
    shown = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    labels = sorted(
        shown, key=lambda label: type(shown[label]) in (Line2D, LineCollection)
    )
    handles = [shown[label] for label in labels]
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def mark_thresholds(axes, thresholds) -> None:
    """Draw a line for each level, the denser the stricter."""
    for k, level in enumerate(sorted(thresholds, key=float)):
        # Solid lines for the strictest: the level that one acts on.
        x, style = thresholds[level], (":", "--", "-.", "-")[k % 4]
        label = f"{level}% level: {x:.4g}"
        axes.axvline(x, color=INK, lw=1.8, ls=style, label=label)


def robust_edges(groups, marks, bins: int):
    """Return edges that show the bulk of every group, and the scale of the axis.

    From the least 0.1 to the greatest 99.9 per cent quantile, and around all marks.
    They are taken inwards: one object alone never sets an end.
    """
    # Taken inwards: quantiles between two objects would lie beyond one of them.
    low = [np.quantile(values, 0.001, method="higher") for values in groups]
    high = [np.quantile(values, 0.999, method="lower") for values in groups]
    low, high = min([*marks, *low, *high]), max([*marks, *low, *high])
    if min(map(np.min, groups)) > 0 and low > 0 and high > WIDE * low:
        return np.geomspace(low / 1.03, high * 1.03, bins + 1), "log"
    # Where all values are one, an axis still needs a width.
    margin = 0.03 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, bins + 1), "linear"


def grid(n: int, columns: int, height: float = 3.7):
    """Return a figure with n panels of one vertical axis, the unused ones hidden."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = new_figure(max(5.2 * columns, 8.0), height * rows + 0.9)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    return figure, panels[:n]


def intervals(table):
    """Return rates and the ends of their intervals, those over systems if any."""
    both = "low_clustered" in table.colnames
    names = ("low_clustered", "high_clustered") if both else ("low", "high")
    require(table, "rate", *names)
    rate, low, high = (numbers(table, name) for name in ("rate", *names))
    if both:
        # One system alone gives no interval over systems.
        plain_ends = (numbers(table, name) for name in ("low", "high"))
        low, high = (
            np.where(np.isnan(end), other, end)
            for end, other in zip((low, high), plain_ends, strict=True)
        )
    return rate, low, high


def lengths(value, low, high):
    """Return the lengths of error bars; rounding can leave them below 0."""
    return np.nan_to_num(np.maximum([value - low, high - value], 0.0))


def places(table):
    """Return the places of bins, their two edges, and their names if they are words."""
    require(table, "bin", "low_edge", "high_edge", "value")
    low, high, value = (
        numbers(table, name) for name in ("low_edge", "high_edge", "value")
    )
    if np.isnan(low).any():
        x = np.arange(len(table))
        return x, x - 0.5, x + 0.5, texts(table, "bin")
    return np.where(np.isnan(value), (low + high) / 2, value), low, high, []


def set_scale(axes, low: float, high: float, names) -> None:
    """Label an axis of words by words, one of a wide positive range by decades."""
    if names:
        turned = {"rotation": 30, "ha": "right"} if sum(map(len, names)) > 30 else {}
        axes.set_xticks(range(len(names)), [words(name) for name in names], **turned)
    elif low > 0 and high > WIDE * low:
        axes.set_xscale("log")
        if high < 100 * low:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        if high < 1e4 and low > 1e-4:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def draw_rates(axes, tables, colors) -> None:
    """Draw the points of several samples with their intervals."""
    for k, (name, table) in enumerate(tables.items()):
        x, left, right, labels = places(table)
        rate, low, high = intervals(table)
        if labels:
            # Samples in one bin of words would cover each other.
            x = x + 0.12 * (k - (len(tables) - 1) / 2)
        number = list(colors).index(name)
        axes.errorbar(
            x,
            rate,
            yerr=lengths(rate, low, high),
            color=colors[name],
            marker=MARKERS[number % len(MARKERS)],
            ls="" if labels else LINES[number % len(LINES)],
            lw=1.4,
            elinewidth=1.8,
            ms=8,
            capsize=3,
            label=words(name),
        )
        set_scale(axes, min(left), max(right), labels)


def set_rates(axes, groups, promised) -> None:
    """Set a vertical axis of per cent, the same for all groups of tables."""
    tops = [intervals(table)[2] for tables in groups for table in tables.values()]
    top = np.nan_to_num(np.concatenate(tops)).max()
    # Nearly full rates get the whole axis, small ones one that shows them.
    axes.set_ylim(-0.02, 1.02 if top > 0.8 else 1.1 * max(top, promised or 0, 0.05))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", alpha=0.25, color=GREY)
    if promised is not None:
        label = f"promised for normal objects ({100 * promised:g}%)"
        axes.axhline(promised, color=INK, ls=":", lw=1.6, label=label)


def draw_quartiles(axes, table) -> bool:
    """Draw boxes of quartiles by bin; return whether there was a reference."""
    require(table, "n", "q25", "median", "q75")
    _, left, right, names = places(table)
    reference = None
    if "median_reference" in table.colnames:
        reference = [numbers(table, f"{q}_reference") for q in ("q25", "median", "q75")]
    elif "reference_quartiles" in table.meta:
        rows = (len(table), 1)
        reference = np.tile(table.meta["reference_quartiles"], rows).T
    if reference is not None:
        _boxes(axes, left, right, reference[0], reference[2], REFERENCE)
        axes.hlines(reference[1], left, right, color=INK, lw=2, ls=LINES[1])
    low, middle, high = (numbers(table, name) for name in ("q25", "median", "q75"))
    _boxes(axes, left, right, low, high, BLUE)
    axes.hlines(middle, left, right, color=BLUE, lw=3)
    set_scale(axes, min(left), max(right), names)
    axes.set_xlim(min(left), max(right))
    log = axes.get_xscale() == "log"
    centers = np.sqrt(left * right) if log else (left + right) / 2
    for x, n in zip(centers, table["n"], strict=True):
        where = {"xycoords": ("data", "axes fraction"), "ha": "center"}
        axes.annotate(f"{n:,}", (x, 1.02), fontsize=10.5, **where)
    axes.annotate("n", (-0.02, 1.02), xycoords="axes fraction", ha="right")
    axes.grid(axis="y", alpha=0.25, color=GREY)
    return reference is not None


def _boxes(axes, left, right, low, high, color) -> None:
    box = {"align": "edge", "color": color, "alpha": 0.38, "lw": 0}
    axes.bar(left, high - low, right - left, bottom=low, **box)


def rate_cells(table, level: float) -> dict:
    """Return (rate, low, high, fixed) in per cent by sample and score.

    A score without the level stands at its fixed threshold, if it has one.
    """
    require(table, "sample", "score", "level", "rate", "low", "high")
    levels = numbers(table, "level")
    keys = list(zip(*(texts(table, k) for k in ("sample", "score")), strict=True))
    ends = 100 * np.stack(intervals(table), axis=1)
    cells = {}
    for key, own, row in zip(keys, levels, ends, strict=True):
        if own == level or (np.isnan(own) and key not in cells):
            cells[key] = (*row, bool(np.isnan(own)))
    return cells


def draw_bars(axes, cells, samples, score, k: int, width: float, offset: float) -> None:
    """Draw the bars of one score for all samples, with their per cent."""
    rows = [cells.get((sample, score), (np.nan,) * 3 + (False,)) for sample in samples]
    rate, low, high, fixed = (np.array(column) for column in zip(*rows, strict=True))
    fixed = bool(fixed.any())
    x = np.arange(len(samples)) + offset * width
    axes.bar(
        x,
        rate,
        0.9 * width,
        color=curve_color(k),
        alpha=0.85,
        hatch="//" if fixed else None,
        edgecolor="white",
        label=words(score) + " (fixed threshold)" * fixed,
    )
    bars = {"ls": "", "ecolor": INK, "elinewidth": 1.4, "capsize": 3}
    axes.errorbar(x, rate, yerr=lengths(rate, low, high), **bars)
    box = {"fc": "white", "ec": "none", "pad": 0.8, "alpha": 0.9}
    for place, value, top in zip(x, rate, high, strict=True):
        if np.isfinite(value):
            at = {"ha": "center", "va": "bottom", "fontsize": 10.5, "bbox": box}
            axes.text(place, min(top + 1.5, 100), f"{value:.0f}", zorder=5, **at)


def mark_published(axes, published, samples, scores, level: float, label: str) -> None:
    """Draw what others found, across one bar or a sample's bars without their own."""
    width, place = 0.84 / len(scores), {score: k for k, score in enumerate(scores)}
    wanted = {
        key[:-1]: value
        for key, value in published.items()
        if key[-1] == level and key[0] in samples and set(key[1:-1]) <= set(scores)
    }
    for (sample, *one), value in wanted.items():
        rest = [score for score in scores if (sample, score) not in wanted]
        across = [place[score] - (len(scores) - 1) / 2 for score in one or rest]
        if not across:
            continue
        middle = samples.index(sample)
        ends = middle + np.array([min(across) - 0.5, max(across) + 0.5]) * width
        # A white rim keeps the mark visible on a bar of any color.
        axes.hlines(value, *ends, color="white", lw=5.0, zorder=3)
        axes.hlines(value, *ends, color=INK, lw=2.8, zorder=4, label=label)
        label = "_"
