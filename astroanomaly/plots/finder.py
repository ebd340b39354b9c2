"""Lens finders: outputs, reliability, ROC, purity, most common false positives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from matplotlib.ticker import PercentFormatter

from astroanomaly import evaluation
from astroanomaly.evaluation import classifier
from astroanomaly.evaluation.classifier.metrics import checked_sets, checked_threshold
from astroanomaly.plots.parts import MARKERS
from astroanomaly.plots.style import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    curve_color,
    new_axes,
    new_figure,
    plain,
    styled,
)
from astroanomaly.tables import columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# Grey and orange are kept for non-lenses.
_LENSES = (BLUE, GREEN, PURPLE, AMBER, SKY, INK)
# A third set of non-lenses takes grey again, its name tells it apart.
_OTHERS = (GREY, ORANGE)
# With fewer false positives, a purity depends on a few objects by chance.
_FEW_FALSE = 10


@styled
def output_histogram(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    threshold: float = 0.5,
    *,
    bins: int = 20,
    few: int = 20,
) -> Figure:
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
    # Probabilities by name, and whether they belong to lenses.
    groups = {}
    for name, (values, truth) in checked_sets(outputs).items():
        if truth is None:
            groups[name] = values, True
        else:
            groups[f"{name}: lenses"] = values[truth], True
            groups[f"{name}: non-lenses"] = values[~truth], False
    # Lenses are lines of one colour a set, non-lenses filled.
    styles, count = {}, {True: 0, False: 0}
    for name, (_, lenses) in groups.items():
        k, colors = count[lenses], _LENSES if lenses else _OTHERS
        line = LINES[k % len(LINES)] if lenses else "-"
        styles[name] = colors[k % len(colors)], line, not lenses
        count[lenses] += 1
    many = {name: v for name, (v, _) in groups.items() if len(v) >= few}
    rare = {name: v for name, (v, _) in groups.items() if len(v) < few}
    # Sets too small for a histogram are points on a strip above it.
    strip, axes, height = None, None, 0.5 + 0.32 * len(rare)
    if many and rare:
        figure = new_figure(11.0, 5.2 + height)
        grid = {"height_ratios": (height, 4.4), "hspace": 0.02}
        strip, axes = figure.subplots(2, 1, sharex=True, gridspec_kw=grid)
        strip.spines["bottom"].set_visible(False)
        strip.tick_params(bottom=False, labelbottom=False)
    elif many:
        figure, axes = new_axes(11.0, 5.2)
    else:
        figure, strip = new_axes(11.0, 1.5 + height)
    if strip is not None:
        strip.set(yticks=[], ylim=(0.6 - len(rare), 0.6))
        strip.spines["left"].set_visible(False)
    if many:
        # Filled areas must stay transparent where several overlap.
        n_filled, lowest = max(1, sum(styles[name][2] for name in many)), 1.0
        edges = np.linspace(0, 1, bins + 1)
        for name, values in many.items():
            heights = np.histogram(values, edges)[0] / len(values)
            lowest = min(lowest, heights[heights > 0].min())
            color, line, filled = styles[name]
            if filled:
                alpha = 0.4 / n_filled**2
                axes.stairs(heights, edges, color=color, fill=True, alpha=alpha, lw=0)
            label = f"{plain(name)} ({len(values):,})"
            axes.stairs(heights, edges, color=color, ls=line, lw=2.2, label=label)
        axes.set(yscale="log", ylabel="share of the set per bin")
        axes.set_ylim(0.6 * lowest, 1.3)
    for row, (name, values) in enumerate(rare.items()):
        color, _, filled = styles[name]
        strip.plot(
            values,
            np.full(len(values), -row),
            ls="",
            marker="X" if filled else MARKERS[row % len(MARKERS)],
            color=color,
            alpha=0.85,
            ms=9,
            label=f"{plain(name)} ({len(values)})",
        )
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


@styled
def roc_curves(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    threshold: float = 0.5,
    *,
    log: bool = True,
    n_bootstrap: int = 1000,
) -> Figure:
    """Show the lenses found against the non-lenses called lenses, set by set.

    `plots.roc` compares scores of the same objects; this one compares sets, marks
    the threshold, and stretches the few false positives that a survey can afford.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set, or each finder, by its name; labels are needed.
    threshold : float, default 0.5
        Marked on each curve, with 95 per cent intervals of both rates.
    log : bool, default True
        A logarithmic axis of false positives, which begins at half a non-lens of
        the largest set.
    n_bootstrap : int, default 1000
        Resamplings for the interval of the area; 0 leaves it out.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each set, area and interval in the legend; the dotted line is
        chance.

    Raises
    ------
    ValueError
        If a set has no labels or labels of one class, or as `output_histogram`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.random(200) < 0.5
    >>> figure = roc_curves({"test": (0.5 * (rng.random(200) + truth), truth)})
    """
    threshold = checked_threshold(threshold)
    sets = _labelled(outputs)
    figure, axes = new_axes(10.8, 5.8)
    # Zero has no place on a logarithmic axis: it stands at half an object.
    start = 0.5 / max(int((~truth).sum()) for _, truth in sets.values())
    line = np.geomspace(start, 1, 200) if log else np.array([0.0, 1.0])
    axes.plot(line, line, color=GREY, ls=":", lw=1.4)
    for k, (name, (values, truth)) in enumerate(sets.items()):
        area = evaluation.auc(truth, values, n_bootstrap=n_bootstrap)
        curve = evaluation.roc(truth, values)
        span = f" ({area.low:.3f} to {area.high:.3f})" if n_bootstrap else ""
        x = curve.false_positive_rate
        axes.plot(
            np.maximum(x, start) if log else x,
            curve.true_positive_rate,
            color=curve_color(k),
            ls=LINES[k % len(LINES)],
            lw=2.4,
            label=f"{plain(name)}  {area.value:.3f}{span}",
        )
        found = classifier.metrics_at(truth, values, threshold)
        rate = found.false_positive_rate
        x = rate._replace(value=max(rate.value, start), low=max(rate.low, start))
        _mark(axes, x if log else rate, found.recall, k)
    axes.set(
        xlabel="non-lenses called lenses",
        ylabel="lenses found",
        xscale="log" if log else "linear",
        xlim=(start, 1.05) if log else (-0.01, 1.01),
        ylim=(-0.01, 1.02),
    )
    _percent(axes.xaxis, 6 if log else 0)
    _percent(axes.yaxis, 0)
    axes.grid(alpha=0.25, color=GREY)
    title = f"area under the curve; marked: {threshold:.3g}"
    figure.legend(loc="outside right upper", title=title)
    return figure


@styled
def purity_completeness(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    threshold: float = 0.5,
    *,
    lens_fraction: float | Sequence[float] | None = None,
) -> Figure:
    """Show the purity of the found against how many of the lenses are found.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set, or each finder, by its name; labels are needed.
    threshold : float, default 0.5
        Marked on each curve, with 95 per cent intervals of both.
    lens_fraction : float or sequence of float, optional
        Share of lenses among the objects searched; several give a curve each. By
        default that of each set, which flatters: the sky has far fewer.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each set and lens fraction, its average precision in the legend.
        It is thin where fewer than 10 non-lenses lie above the threshold, whose
        purity is the luck of a few objects.

    Raises
    ------
    ValueError
        If a fraction lies outside (0, 1), or as `roc_curves`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.random(200) < 0.5
    >>> sets = {"test": (0.5 * (rng.random(200) + truth), truth)}
    >>> figure = purity_completeness(sets, lens_fraction=(0.5, 0.01))
    """
    threshold = checked_threshold(threshold)
    shares = list(np.atleast_1d(np.array(lens_fraction, dtype=object)))
    curves = [(name, *p, s) for name, p in _labelled(outputs).items() for s in shares]
    figure, axes = new_axes(10.8, 5.8)
    for k, (name, values, truth, share) in enumerate(curves):
        curve = classifier.purity_completeness(truth, values, share)
        found = classifier.metrics_at(truth, values, threshold)
        pure = found.precision
        if share is not None:
            pure = classifier.purity_at(found, share)
        others = np.sort(values[~truth])
        # A purity rests on the false positives that are left at a threshold.
        false = len(others) - np.searchsorted(others, curve.threshold)
        style = {"color": curve_color(k), "ls": LINES[k % len(LINES)]}
        axes.plot(curve.completeness, curve.purity, lw=0.8, **style)
        sure = np.where(false >= _FEW_FALSE, curve.purity, np.nan)
        share = curve.lens_fraction
        one_in = f"{1 / share:,.3g}" if share > 0.1 else f"{round(1 / share):,}"
        label = f"{plain(name)}, 1 lens in {one_in}  {curve.average_precision:.3f}"
        axes.plot(curve.completeness, sure, lw=2.8, label=label, **style)
        if not np.isnan(pure.value):
            _mark(axes, found.recall, pure, k)
    axes.set(xlabel="completeness: lenses found", ylabel="purity: lenses among found")
    axes.set(xlim=(-0.01, 1.02), ylim=(-0.01, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        _percent(axis, 0)
    axes.grid(alpha=0.25, color=GREY)
    title = f"average precision; marked: {threshold:.3g}\n"
    title += f"thin: fewer than {_FEW_FALSE} false positives"
    figure.legend(loc="outside right upper", title=title)
    return figure


@styled
def reliability(tables: Table | Mapping[str, Table]) -> Figure:
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
        error = table.meta.get("expected_calibration_error", float("nan"))
        chance = table.meta.get("error_by_chance", float("nan"))
        x, y = table["mean_probability"], np.asarray(table["lens_fraction"])
        ends = np.abs(np.stack([y - table["low"], table["high"] - y]))
        style = {"color": curve_color(k), "ls": LINES[k % len(LINES)]}
        axes.errorbar(
            x,
            y,
            ends,
            marker=MARKERS[k % len(MARKERS)],
            ms=8,
            lw=1.8,
            elinewidth=1.5,
            capsize=3,
            label=f"{plain(name)}  {error:.3f} ({chance:.3f})".strip(),
            **style,
        )
        edges = np.append(table["start"], table["stop"][-1])
        if np.array_equal(table["start"][1:], table["stop"][:-1]):
            below.stairs(table["n"], edges, lw=2.0, **style)
        else:
            below.hlines(table["n"], table["start"], table["stop"], lw=2.0, **style)
    axes.set(ylabel="share of lenses", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    below.set(xlabel="probability of a lens", ylabel="objects", yscale="log")
    # Bins of one object must be seen on a logarithmic axis.
    low, high = below.get_ylim()
    below.set_ylim(min(0.8, low), high)
    for each in (axes, below):
        each.grid(alpha=0.25, color=GREY)
    axes.legend(loc="upper left", title="calibration error (by chance)")
    return figure


@styled
def set_rates(table: Table, negatives: Table | None = None) -> Figure:
    """Show the lenses found of each set, and the most common false positives.

    Parameters
    ----------
    table : Table
        What `classification.set_table` returned.
    negatives : Table, optional
        What `classification.negatives_table` returned, as lines below.

    Returns
    -------
    matplotlib.figure.Figure
        Blue, the lenses found of each set; orange, the non-lenses called lenses, of
        each set and below of each kind; 95 per cent intervals. A ring is the
        published recall. Where blue is not right of orange the finder
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
        # A ring, not a dot: ours shows through where both agree.
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
    _percent(axes.xaxis, 0)
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


def _labelled(outputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sets = checked_sets(outputs)
    if bare := [name for name, (_, truth) in sets.items() if truth is None]:
        raise ValueError(
            "Every set needs labels, for a curve needs lenses and non-lenses. "
            f"Received: None for {', '.join(bare)}."
        )
    return sets


def _mark(axes, x, y, k: int) -> None:
    ends = [np.abs([[r.value - r.low], [r.high - r.value]]) for r in (x, y)]
    axes.errorbar(
        x.value,
        y.value,
        ends[1],
        ends[0],
        marker=MARKERS[k % len(MARKERS)],
        ms=10,
        color=curve_color(k),
        mec="white",
        elinewidth=1.6,
        capsize=3,
        zorder=5,
    )


def _percent(axis, decimals: int) -> None:
    """Label an axis of shares in per cent; 0 is for whole ones."""
    if not decimals:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return
    # 0.01%, 0.1%, 1%: as many decimals as each needs.
    axis.set_major_formatter(lambda value, _: f"{100 * value:.{decimals}g}%")
