"""What a lens finder gives: outputs, reliability, purity, and what fools it."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.classifier.metrics import (
    checked_sets,
    checked_threshold,
)
from astroanomaly.plots.finder_curves import (
    MARKERS,
    percent,
    purity_completeness,
    roc_curves,
)
from astroanomaly.plots.style import (
    AMBER,
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    new_axes,
    new_figure,
    plain,
    styled,
)
from astroanomaly.tables import columns

__all__ = [
    "output_histogram",
    "purity_completeness",
    "reliability",
    "roc_curves",
    "set_rates",
]

_LENSES = (BLUE, GREEN, PURPLE, AMBER, SKY, INK)
_OTHERS = (GREY, ORANGE)
_BETWEEN = ": "


@styled
def output_histogram(outputs, threshold: float = 0.5, *, bins: int = 20, few: int = 20):
    """Show how the outputs of a finder are distributed, set by set.

    After figure 8 of the reference's poster (Wilde et al. 2022, arXiv:2202.12776).

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        As `classification.set_table` takes them: labels None where all objects are
        lenses. A set with labels is drawn twice, lenses and non-lenses.
    threshold : float, default 0.5
        Objects at or above it are called lenses; a dashed line.
    bins : int, default 20
        Bins over [0, 1].
    few : int, default 20
        A set of fewer objects is shown point by point above the histogram.

    Returns
    -------
    matplotlib.figure.Figure
        Each set is normalized to one, on a logarithmic axis; non-lenses are filled
        and grey or orange.

    Raises
    ------
    ValueError
        If there is no set or one has no object, a set is not a pair, or labels or
        probabilities are refused as by `classification.metrics_at`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sets = {"test": (rng.beta(4, 1, 200), rng.random(200) < 0.5)}
    >>> figure = output_histogram({**sets, "rings": (rng.beta(3, 1, 90), None)})
    """
    threshold = checked_threshold(threshold)
    groups = _groups(outputs)
    styles = _group_styles(groups)
    many = {name: v for name, (v, _) in groups.items() if len(v) >= few}
    rare = {name: v for name, (v, _) in groups.items() if len(v) < few}
    figure, axes, strip = _histogram_axes(len(many), len(rare))
    if many:
        _draw_shares(axes, many, styles, np.linspace(0, 1, bins + 1))
    for row, (name, values) in enumerate(rare.items()):
        _draw_points(strip, -row, name, values, styles[name])
    drawn = [each for each in (strip, axes) if each is not None]
    for each in drawn:
        each.axvline(threshold, color=INK, ls=LINES[1], lw=1.5)
    drawn[-1].set(xlabel="output: probability of a lens", xlim=(-0.02, 1.02))
    note = f"called a lens from {threshold:.3g}"
    # Beyond the middle there is more room to the left of the line.
    side = (
        {"xytext": (5, 3), "ha": "left"}
        if threshold <= 0.6
        else {"xytext": (-5, 3), "ha": "right"}
    )
    place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    drawn[0].annotate(note, (threshold, 1), color=INK, **place, **side)
    figure.legend(loc="outside right upper")
    return figure


def _draw_shares(axes, many, styles, edges) -> None:
    n_filled = max(1, sum(styles[name][2] for name in many))
    lowest = 1.0
    for name, values in many.items():
        heights = np.histogram(values, edges)[0] / len(values)
        lowest = min(lowest, heights[heights > 0].min())
        color, line, filled = styles[name]
        label = f"{plain(name)} ({len(values):,})"
        if filled:
            alpha = 0.4 / n_filled**2
            axes.stairs(heights, edges, color=color, fill=True, alpha=alpha, lw=0)
        axes.stairs(heights, edges, color=color, ls=line, lw=2.2, label=label)
    axes.set(yscale="log", ylabel="share of the set per bin")
    axes.set_ylim(0.6 * lowest, 1.3)


def _draw_points(axes, y, name, values, style) -> None:
    color, _, filled = style
    axes.plot(
        values,
        np.full(len(values), y),
        ls="",
        marker="X" if filled else MARKERS[-y % len(MARKERS)],
        color=color,
        alpha=0.85,
        ms=9,
        label=f"{plain(name)} ({len(values)})",
    )


def _groups(outputs) -> dict[str, tuple[np.ndarray, bool]]:
    # Probabilities by name, and whether they belong to lenses.
    groups = {}
    for name, (values, truth) in checked_sets(outputs).items():
        if truth is None:
            groups[name] = values, True
        else:
            groups[f"{name}{_BETWEEN}lenses"] = values[truth], True
            groups[f"{name}{_BETWEEN}non-lenses"] = values[~truth], False
    return groups


def _group_styles(groups) -> dict[str, tuple[str, object, bool]]:
    # Lenses are lines of one colour a set, non-lenses filled.
    styles, count = {}, {True: 0, False: 0}
    for name, (_, lenses) in groups.items():
        k, colors = count[lenses], _LENSES if lenses else _OTHERS
        line = LINES[k % len(LINES)] if lenses else "-"
        styles[name] = colors[k % len(colors)], line, not lenses
        count[lenses] += 1
    return styles


def _histogram_axes(n_many: int, n_rare: int):
    if not n_rare:
        figure, axes = new_axes(11.0, 5.2)
        return figure, axes, None
    height = 0.5 + 0.32 * n_rare
    if not n_many:
        figure, strip = new_axes(11.0, 1.5 + height)
        axes = None
    else:
        figure = new_figure(11.0, 5.2 + height)
        grid = {"height_ratios": (height, 4.4), "hspace": 0.02}
        strip, axes = figure.subplots(2, 1, sharex=True, gridspec_kw=grid)
    strip.set(yticks=[], ylim=(0.6 - n_rare, 0.6))
    strip.spines["left"].set_visible(False)
    if axes is not None:
        strip.spines["bottom"].set_visible(False)
        strip.tick_params(bottom=False, labelbottom=False)
    return figure, axes, strip


@styled
def reliability(tables):
    """Show whether probabilities mean what they say.

    Parameters
    ----------
    tables : Table or mapping of str to Table
        What `classifier.reliability` returned, or several by name, such as
        before and after calibration.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the share of lenses with its 95 per cent interval against the mean
        probability of each bin; on the dotted line probabilities are right, below
        it the finder is too sure. Beneath, the objects in each bin. The legend
        gives the expected calibration error and, in brackets, what chance gives.

    Raises
    ------
    ValueError
        If there is no table or one lacks a column.

    Examples
    --------
    >>> from astroanomaly.evaluation import classifier
    >>> rng = np.random.default_rng(1)
    >>> p = rng.random(400)
    >>> found = classifier.reliability(rng.random(400) < p**2, p)
    >>> figure = reliability({"raw": found})
    """
    tables = {"": tables} if isinstance(tables, Table) else dict(tables)
    if not tables:
        raise ValueError("`tables` must hold at least one table. Received: none.")
    figure = new_figure(9.8, 7.4)
    ratios = {"height_ratios": (3.4, 1.0)}
    axes, below = figure.subplots(2, 1, sharex=True, gridspec_kw=ratios)
    axes.plot((0, 1), (0, 1), color=GREY, ls=":", lw=1.6)
    for k, (name, table) in enumerate(tables.items()):
        columns.require(table, "start", "stop", "n", "mean_probability", "low")
        x, y = table["mean_probability"], np.asarray(table["lens_fraction"])
        ends = np.abs(np.stack([y - table["low"], table["high"] - y]))
        style = {"color": CYCLE[k % len(CYCLE)], "ls": LINES[k % len(LINES)]}
        axes.errorbar(
            x,
            y,
            ends,
            marker=MARKERS[k % len(MARKERS)],
            ms=8,
            lw=1.8,
            elinewidth=1.5,
            capsize=3,
            label=_reliability_label(name, table.meta),
            **style,
        )
        edges = np.append(table["start"], table["stop"][-1])
        if np.array_equal(table["start"][1:], table["stop"][:-1]):
            below.stairs(table["n"], edges, lw=2.0, **style)
        else:
            below.hlines(table["n"], table["start"], table["stop"], lw=2.0, **style)
    axes.set(ylabel="share of lenses", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    below.set(xlabel="probability of a lens", ylabel="objects", yscale="log")
    low, high = below.get_ylim()
    below.set_ylim(min(0.8, low), high)
    for each in (axes, below):
        each.grid(alpha=0.25, color=GREY)
    axes.legend(loc="upper left", title="calibration error (by chance)")
    return figure


def _reliability_label(name: str, meta: Mapping) -> str:
    error = meta.get("expected_calibration_error", float("nan"))
    chance = meta.get("error_by_chance", float("nan"))
    return f"{plain(name)}  {error:.3f} ({chance:.3f})".strip()


@styled
def set_rates(table, negatives=None):
    """Show what a finder finds and what fools it, line by line.

    Parameters
    ----------
    table : Table
        What `classification.set_table` returned.
    negatives : Table, optional
        What `classification.negatives_table` returned, as lines below.

    Returns
    -------
    matplotlib.figure.Figure
        Blue, the lenses found of each set; orange, the non-lenses beside them that
        are called lenses, and below each kind of them; 95 per cent intervals. A
        ring is the published recall. Where blue is not right of orange the finder
        does no better than chance.

    Raises
    ------
    ValueError
        If a column is missing or there is no row.

    Examples
    --------
    >>> from astroanomaly.evaluation.classifier import set_table
    >>> sets = {"test": ([0.9, 0.2, 0.8, 0.1], [1, 1, 0, 0])}
    >>> figure = set_rates(set_table(sets))
    """
    columns.require(table, "set", "recall", "n_lenses", "false_positive_rate")
    if not len(table):
        raise ValueError("`table` must hold at least one set. Received: none.")
    lines = 0 if negatives is None else len(negatives)
    figure, axes = new_axes(10.5, 1.9 + 0.52 * (len(table) + lines))
    place = -np.arange(len(table), dtype=float)
    for name, color, label, shift in (
        ("false_positive_rate", ORANGE, "non-lenses called lenses", -0.13),
        ("recall", BLUE, "lenses found", 0.13),
    ):
        ends = (table[f"{name}_low"], table[f"{name}_high"])
        _dots(axes, place + shift, table[name], *ends, color, label)
    published = np.asarray(table["published_recall"], float)
    if np.isfinite(published).any():
        ring = {"ls": "", "marker": "o", "ms": 12, "mfc": "none", "mec": INK}
        axes.plot(published, place + 0.13, label="published recall", **ring)
    names = [f"{plain(r['set'])} ({r['n_lenses']:,})" for r in table]
    if negatives is not None:
        columns.require(negatives, "kind", "n", "false_positive_rate", "low")
        below = place[-1] - 1.4 - np.arange(lines)
        axes.axhline(place[-1] - 0.7, color=PALE, lw=1.2)
        ends = (negatives["low"], negatives["high"])
        _dots(axes, below, negatives["false_positive_rate"], *ends, ORANGE, None)
        place = np.concatenate([place, below])
        kinds = [str(kind).replace("_", " ") for kind in negatives["kind"]]
        kinds = ["all non-lenses" if kind == "all" else kind for kind in kinds]
        sizes = zip(kinds, negatives["n"], strict=True)
        names += [f"{plain(kind)} ({n:,})" for kind, n in sizes]
    axes.set_yticks(place, names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="share called a lens", xlim=(-0.02, 1.02))
    axes.set_ylim(place.min() - 0.6, 0.6)
    axes.grid(axis="x", alpha=0.25, color=GREY)
    percent(axes.xaxis, 0)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _dots(axes, y, value, low, high, color, label) -> None:
    value, low, high = (np.asarray(v, float) for v in (value, low, high))
    axes.errorbar(
        value,
        y,
        xerr=np.abs(np.stack([value - low, high - value])),
        ls="",
        marker="o",
        ms=8,
        color=color,
        elinewidth=1.8,
        capsize=3,
        label=label,
    )
