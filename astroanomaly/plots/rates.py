"""What an evaluation found, with its intervals: areas, detection by bin."""

import numpy as np
from matplotlib.ticker import PercentFormatter

from astroanomaly.plots.style import (
    BLUE,
    CYCLE,
    GREY,
    ORANGE,
    level_colors,
    new_axes,
    plain,
    styled,
)
from astroanomaly.tables import columns

_MARKERS = "osD^vPX*"
_COLORS = {"detector": BLUE, "baseline": ORANGE}


@styled
def areas(evaluation):
    """Show the AUC of every score beside the baselines, best on top.

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
            _points(axes, place[keep], value[keep], low[keep], high[keep], kind, color)
    for y, x in zip(place, value, strict=True):
        text = f"{x:.3f}"
        axes.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center")
    if np.nanmin(low) < 0.55:
        axes.axvline(0.5, color=GREY, ls=":", lw=1.2)
    axes.set_yticks(place, [plain(name.replace("_", " ")) for name in names])
    axes.set(xlabel="area under the ROC curve", ylim=(-0.6, len(order) - 0.4))
    axes.grid(axis="x", alpha=0.25, color=GREY)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@styled
def detection_by(evaluation, quantity: str = "rate"):
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
        are asked for, or `quantity` is another word.

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
    series = _rate_series(evaluation) if quantity == "rate" else _auc_series(evaluation)
    bins = list(dict.fromkeys(columns.texts(evaluation.by, "bin")))
    figure, axes = new_axes(max(8.0, 3.0 + 1.4 * len(bins)), 5.5)
    shift = np.linspace(-0.24, 0.24, len(series)) if len(series) > 1 else [0.0]
    for k, (label, color, table) in enumerate(series):
        rows = columns.texts(table, "bin")
        x = np.array([bins.index(name) for name in rows]) + shift[k]
        value, low, high = _triple(table, quantity, np.arange(len(table)))
        axes.errorbar(
            x,
            value,
            yerr=_bars(value, low, high),
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


def _rate_series(evaluation):
    rates = evaluation.rates
    if not len(rates):
        raise ValueError("The score table had no is_anomaly columns: there is no rate.")
    binned = np.array(columns.texts(rates, "bin")) != "all"
    strange = np.array(columns.texts(rates, "population")) == "anomalous"
    level = columns.numbers(rates, "level")
    colors = level_colors([f"{value:g}" for value in np.unique(level)])
    return [
        (f"{name}% level", color, rates[binned & strange & (level == float(name))])
        for name, color in colors.items()
        if name
    ]


def _auc_series(evaluation):
    scores = np.array(columns.texts(evaluation.by, "score"))
    return [
        (
            plain(name.replace("_", " ")),
            CYCLE[k % len(CYCLE)],
            evaluation.by[scores == name],
        )
        for k, name in enumerate(dict.fromkeys(scores.tolist()))
    ]


def _triple(table, name, rows):
    return [columns.numbers(table, column)[rows] for column in (name, "low", "high")]


def _bars(value, low, high):
    # matplotlib refuses negative lengths, which rounding can leave at 0 and 1.
    return np.nan_to_num(np.maximum([value - low, high - value], 0.0))


def _points(axes, place, value, low, high, kind, color):
    axes.errorbar(
        value,
        place,
        xerr=_bars(value, low, high),
        label=kind,
        color=color,
        marker="o" if kind == "detector" else "s",
        ms=8,
        ls="",
        capsize=3,
    )
