"""What contamination of the training set does to detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from astroanomaly.plots import parts
from astroanomaly.plots.style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    curve_color,
    new_axes,
    plain,
    styled,
)
from astroanomaly.tables import columns

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

# What needs no training of a network: dashed, so that models stand out.
BASELINES = ("pca", "pca_forest", "cvae_forest", "brightness")
# The score of the papers, then the one that every model has.
_FIRST = ("total", "residual")
# AUC beyond the points that the axis shows; longer bars are cut.
_REACH = 0.15
# Grey for what is not highlighted, lighter than that of the texts.
_OTHER = "#9A9A9A"


@styled
def contamination_curves(
    summary: Table,
    score: str | Mapping[str, str] | None = None,
    *,
    highlight: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    baselines: Sequence[str] = BASELINES,
) -> Figure:
    """Show the AUC of each model against the contamination of its training set.

    Parameters
    ----------
    summary : Table
        What `contamination.summarize` returned: model, score,
        training_contamination, auc, low, high and seed_spread, NaN where there is
        none.
    score : str or mapping of str to str, optional
        The score to show, of all models or model by model: of a mapping only its
        models are drawn, in its order. A model with one score shows that whatever
        the word. By default the only score, else total, the published one, else
        residual, else the first.
    highlight : sequence of str, optional
        Models to draw in color, the others grey; by default all but the baselines.
    labels : mapping of str to str, optional
        What to call the models; their names by default.
    baselines : sequence of str
        Models to draw in dashed grey.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each model, named at its end. Contaminations are evenly spaced,
        whatever lies between them. Bars are 95 per cent intervals, cut where they
        leave the axis, which reaches 0.15 beyond the points; ticks on them one
        standard deviation over seeds. The dotted line is chance. What the mapping
        asks for and the table lacks is named below.

    Raises
    ------
    ValueError
        If a column is missing, or the table holds none of the models with their
        scores.

    Examples
    --------
    >>> from astropy.table import Table
    >>> table = Table({"model": ["pca"] * 2, "score": ["mse"] * 2})
    >>> table["training_contamination"] = 0.0, 0.1
    >>> table["auc"], table["low"], table["high"] = (0.8, 0.7), (0.7, 0.6), (0.9, 0.8)
    >>> table["seed_spread"] = np.nan, 0.02
    >>> figure = contamination_curves(table)
    """
    curves, missing = _curves(summary, score)
    # Contaminations are evenly spaced: on a true axis the small ones would coincide.
    places = sorted({float(x) for curve in curves.values() for x in curve[0]})
    figure, axes = new_axes(12.0, max(6.4, 2.2 + 0.29 * len(curves)))
    chosen, styles = _chosen(list(curves), highlight, baselines), {}
    for model in curves:
        dashes = "--" if model in baselines else "-"
        style = {"color": _OTHER, "marker": ".", "ls": dashes, "lw": 1.5, "ms": 7}
        style["zorder"] = 2
        if model in chosen:
            k = chosen.index(model)
            # Beyond the seven colors, dashes tell those of one color apart.
            dashes = ("-", (0, (5, 1.5)), (0, (1.5, 1)))[k // len(CYCLE) % 3]
            marker = parts.MARKERS[k % len(parts.MARKERS)]
            style = {"color": curve_color(k), "marker": marker, "ls": dashes}
            style |= {"lw": 2.4, "ms": 8, "zorder": 3}
        styles[model] = style
    tick = {"marker": "_", "ms": 9, "mew": 1.2, "ls": ""}
    shifts = np.linspace(-0.15, 0.15, len(curves)) if len(curves) > 1 else [0.0]
    ends = {}
    for (model, (x, *values)), shift in zip(curves.items(), shifts, strict=True):
        x, style = np.searchsorted(places, x) + shift, styles[model]
        auc, low, high, spread = values
        bars = {"elinewidth": 0.6 * style["lw"], "capsize": 0}
        axes.errorbar(x, auc, yerr=parts.lengths(auc, low, high), **bars, **style)
        axes.plot(x, auc - spread, color=style["color"], **tick)
        axes.plot(x, auc + spread, color=style["color"], **tick)
        ends[model] = x[-1], auc[-1]
    auc, low, high = (
        np.concatenate([curve[k] for curve in curves.values()]) for k in (1, 2, 3)
    )
    bottom = max(np.nanmin([*auc, *low]), auc.min() - _REACH)
    top = min(np.nanmax([*auc, *high]), auc.max() + _REACH)
    # Marks at the ends must not touch the frame.
    margin = 0.04 * max(top - bottom, 0.1)
    axes.set_ylim(bottom - margin, top + margin)
    if bottom - margin < 0.5 < top + margin:
        axes.axhline(0.5, color=INK, ls=":", lw=1.3, zorder=1)
    axes.set_xlim(-0.35, len(places) - 0.65)
    axes.set_xticks(range(len(places)), [f"{100 * x:.4g}%" for x in places])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="anomalous objects in the training set")
    axes.set_ylabel("area under the ROC curve")
    axes.grid(axis="y", alpha=0.25, color=GREY)
    named = {model: _name(model, labels) for model in curves}
    _name_ends(figure, axes, ends, named, styles)
    bar = {"marker": "|", "ms": 16, "mew": 1.6, "ls": "", "color": INK}
    handles = [Line2D([], [], **bar, label="95% interval")]
    if any(np.isfinite(curve[4]).any() for curve in curves.values()):
        words = "\N{PLUS-MINUS SIGN} 1 s.d. of seeds"
        handles.append(Line2D([], [], **tick | {"color": INK, "label": words}))
    if any(style["ls"] == "--" for style in styles.values()):
        handles.append(Line2D([], [], color=_OTHER, ls="--", lw=1.5, label="baselines"))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    _note(figure, missing, labels)
    return figure


@styled
def auc_loss(
    losses: Table,
    *,
    highlight: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    baselines: Sequence[str] = BASELINES,
) -> Figure:
    """Show the AUC that each model loses by contamination, least on top.

    Parameters
    ----------
    losses : Table
        What `contamination.auc_loss` returned: model, score, loss, low and high, NaN
        where there is none, and test_low and test_high if any.
    highlight : sequence of str, optional
        Models to draw in color, the others grey; by default all but the baselines.
    labels : mapping of str to str, optional
        What to call the models; their names by default. The score is named where a
        model has several rows.
    baselines : sequence of str
        Models to draw in grey.

    Returns
    -------
    matplotlib.figure.Figure
        A point with its 95 per cent interval for each row and its value beside it;
        the thick part of a bar is for other test objects alone. Models without a
        row that the table's ``meta["missing"]`` names are named below.

    Raises
    ------
    ValueError
        If the table lacks a column or has no row.

    Examples
    --------
    >>> from astropy.table import Table
    >>> names = "model", "score", "loss", "low", "high"
    >>> rows = [("dcae", "mse", 0.1, 0.05, 0.14), ("pca", "mse", 0.2, 0.1, 0.25)]
    >>> figure = auc_loss(Table(rows=rows, names=names))
    """
    columns.require(losses, "model", "score", "loss", "low", "high")
    if not len(losses):
        raise ValueError("`losses` must have at least one row. Received: none.")
    # The largest loss comes first, so that it stands lowest.
    losses = losses[np.argsort(-columns.numbers(losses, "loss"), kind="stable")]
    models, scores = (columns.texts(losses, name) for name in ("model", "score"))
    names = [_name(model, labels) for model in models]
    names = [
        f"{name} ({parts.words(score)})" if models.count(model) > 1 else name
        for name, model, score in zip(names, models, scores, strict=True)
    ]
    figure, axes = new_axes(9.5, 1.7 + 0.42 * len(losses))
    chosen = _chosen(models, highlight, baselines)
    colors = [BLUE if model in chosen else _OTHER for model in models]
    loss, low, high = (
        columns.numbers(losses, name) for name in ("loss", "low", "high")
    )
    place = np.arange(len(loss))
    axes.hlines(place, low, high, color=colors, lw=1.8)
    if {"test_low", "test_high"} <= set(losses.colnames):
        thin, thick = {"lw": 1.8}, {"lw": 6, "alpha": 0.45}
        tests = (columns.numbers(losses, name) for name in ("test_low", "test_high"))
        axes.hlines(place, *tests, color=colors, **thick)
        bar = Line2D([], [], color=INK, label="95% interval", **thin)
        words = "of it, for other test objects alone"
        test_bar = Line2D([], [], color=INK, label=words, **thick)
        figure.legend(handles=[bar, test_bar], loc="outside upper right", ncols=2)
    axes.scatter(loss, place, s=75, c=colors, zorder=3)
    for y, value in zip(place, loss, strict=True):
        at = {"xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(f"{value:+.3f}", (1.02, y), **at)
    label = "AUC lost"
    if {"from", "to"} <= set(losses.meta):
        start, end = (f"{100 * losses.meta[name]:g}%" for name in ("from", "to"))
        label += f" from {start} to {end} contamination"
    axes.axvline(0.0, color=INK, lw=1.0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
    axes.grid(axis="x", alpha=0.25, color=GREY)
    absent = (text.split(", ")[0] for text in losses.meta.get("missing", ()))
    _note(figure, [model for model in absent if model not in models], labels)
    return figure


def _curves(summary, score):
    # By model x, auc, low, high and spread along x; and the models that have none.
    names = ("training_contamination", "auc", "low", "high", "seed_spread")
    columns.require(summary, "model", "score", *names)
    models, scores = (
        np.array(columns.texts(summary, name)) for name in ("model", "score")
    )
    values = np.array([columns.numbers(summary, name) for name in names])
    wanted = list(score if isinstance(score, Mapping) else dict.fromkeys(models))
    curves, missing = {}, []
    for model in wanted:
        known = list(dict.fromkeys(scores[models == model]))
        chosen = score[model] if isinstance(score, Mapping) else score
        if len(known) == 1 and not isinstance(score, Mapping):
            chosen = known[0]
        elif chosen is None:
            chosen = next((name for name in (*_FIRST, *known) if name in known), None)
        keep = (models == model) & (scores == chosen)
        keep &= np.isfinite(values[1])
        if keep.any():
            found = values[:, keep]
            curves[str(model)] = found[:, np.argsort(found[0], kind="stable")]
        else:
            missing.append(str(model))
    if not curves:
        raise ValueError(
            "The table must hold models with the score that is asked for. "
            f"Received: score {score!r}; models {sorted(set(models.tolist()))}."
        )
    return curves, missing


def _chosen(models, highlight, baselines):
    if highlight is None:
        return [model for model in dict.fromkeys(models) if model not in baselines]
    if absent := [model for model in highlight if model not in models]:
        raise ValueError(
            f"`highlight` must name models that are shown. Received: {absent}; "
            f"shown are {list(dict.fromkeys(models))}."
        )
    return list(highlight)


def _note(figure, missing, labels):
    if missing:
        names = ", ".join(_name(model, labels) for model in dict.fromkeys(missing))
        figure.supxlabel(f"not in the table: {names}", fontsize=11, color=GREY)


def _name(model, labels):
    known = labels is not None and model in labels
    return plain(labels[model]) if known else parts.words(model)


def _name_ends(figure, axes, ends, names, styles):
    # Names stand beside the axes, no two closer than a line of text.
    low, high = axes.get_ylim()
    # Text of 12 points in inches, as a fraction of the axes; 1.7 inches are margins.
    height = 1.25 * 12.0 / (72 * (figure.get_figheight() - 1.7))
    models = sorted(ends, key=lambda model: ends[model][1])
    wanted = [(ends[model][1] - low) / (high - low) for model in models]
    for model, y in zip(models, spread(wanted, height), strict=True):
        color = styles[model]["color"]
        axes.annotate(
            names[model],
            ends[model],
            (1.03, y),
            textcoords="axes fraction",
            color=GREY if color == _OTHER else color,
            va="center",
            fontsize=12,
            annotation_clip=False,
            arrowprops={
                **{"arrowstyle": "-", "lw": 0.7, "color": color},
                **{"relpos": (0, 0.5), "shrinkA": 2, "shrinkB": 5},
            },
        )


def spread(wanted, gap: float):
    """Return the places nearest to those wanted that are a gap apart, ascending."""
    # Less the gaps, such places only have to rise: an isotonic regression.
    from sklearn.isotonic import isotonic_regression

    gaps = gap * np.arange(len(wanted))
    return isotonic_regression(np.asarray(wanted) - gaps) + gaps
