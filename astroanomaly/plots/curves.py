"""ROC, training and detection curves."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from astroanomaly import evaluation
from astroanomaly.plots.style import (
    BLUE,
    CYCLE,
    GREY,
    LINES,
    ORANGE,
    new_axes,
    new_figure,
    plain,
    styled,
)

_BASELINES = ("brightness", "pca", "isolation_forest", "baseline_")
_PANELS = {
    "loss": "loss",
    "reconstruction_loss": "reconstruction loss",
    "kl": "KL divergence",
    "beta": "KL weight",
    "critic_loss": "critic loss",
    "generator_loss": "generator loss",
    "gradient_penalty": "gradient penalty",
    "wasserstein": "Wasserstein estimate",
}


@styled
def roc(labels, scores):
    """Show the share of anomalies found against the share of false alarms.

    Parameters
    ----------
    labels : array_like of shape (n,)
        True (or 1) for an anomaly.
    scores : dict of str to array_like of shape (n,)
        Each score or baseline by its name, in the order of `labels`, higher =
        stranger. NaN is refused. Names that begin with brightness, pca,
        isolation_forest or baseline_ are baselines and drawn thinner.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each score, the area under it in the legend, best first; the
        dotted diagonal is chance.

    Raises
    ------
    ValueError
        If there is no score, one has another length than the labels or holds
        NaN, or one of the two kinds of object is missing.

    Examples
    --------
    >>> figure = roc(truth, {"peak_score": peak, "brightness": flux})
    >>> figure.savefig("roc.png")
    """
    if not scores:
        raise ValueError("`scores` must hold at least one score. Received: none.")
    areas = {
        name: evaluation.auc(labels, values, n_bootstrap=0).value
        for name, values in scores.items()
    }
    figure, axes = new_axes(9.5, 6.0)
    axes.plot((0, 1), (0, 1), color=GREY, ls=":", lw=1.2)
    for k, name in enumerate(sorted(areas, key=lambda name: -areas[name])):
        curve = evaluation.roc(labels, scores[name])
        axes.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            color=CYCLE[k % len(CYCLE)],
            ls=LINES[k % len(LINES)],
            lw=1.4 if name.startswith(_BASELINES) else 2.6,
            label=f"{areas[name]:.3f}  {plain(name.replace('_', ' '))}",
        )
    axes.set(
        xlabel="normal objects flagged",
        ylabel="anomalies found",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.legend(loc="outside right upper", title="area under the curve")
    return figure


@styled
def training_curves(history):
    """Show how losses and penalty moved from epoch to epoch.

    Parameters
    ----------
    history : str, Path, dict of str to list, or keras.callbacks.History
        A ``history.csv`` with a header line, a dictionary of metric to values,
        or what ``fit`` returned. An ``epoch`` column gives the x axis.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a metric: loss, reconstruction_loss, kl, beta, critic_loss,
        generator_loss, gradient_penalty and wasserstein first, then any other;
        ``val_`` metrics dashed in the panel of the metric they check. NaN leaves a
        gap.

    Raises
    ------
    ValueError
        If nothing was recorded.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> figure = training_curves("run/history.csv")
    >>> figure = training_curves(gan.fit(data, epochs=10))
    """
    curves = _history(history)
    epochs = curves.pop("epoch", None)
    names = [name for name in _PANELS if name in curves]
    names += [n for n in curves if n not in names and not n.startswith("val_")]
    if not names or not len(curves[names[0]]):
        raise ValueError("The training history holds no epoch: nothing to draw.")
    if epochs is None:
        epochs = np.arange(len(curves[names[0]]))
    columns = 1 if len(names) == 1 else 2
    rows = -(-len(names) // columns)
    figure = new_figure(5.5 * columns, 3.2 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, name in zip(grid, names, strict=False):
        _curve(axes, epochs, curves, name)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    return figure


def _history(history):
    if hasattr(history, "history"):
        epochs = {"epoch": history.epoch} if getattr(history, "epoch", ()) else {}
        history = {**epochs, **history.history}
    if isinstance(history, str | Path):
        with Path(history).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        history = {k: [row[k] or "nan" for row in rows] for k in (rows or [{}])[0]}
    return {k: np.asarray(v, np.float64).ravel() for k, v in history.items()}


def _curve(axes, epochs, curves, name):
    dot = "o" if len(epochs) < 20 else ""
    axes.plot(epochs, curves[name], color=BLUE, marker=dot, ms=4)
    if f"val_{name}" in curves:
        check = curves[f"val_{name}"]
        axes.lines[0].set_label("training")
        axes.plot(
            epochs, check, color=ORANGE, ls=LINES[1], marker=dot, ms=4, label="held out"
        )
        axes.legend()
    axes.set_title(_PANELS.get(name, name.replace("_", " ")), loc="left")
    axes.grid(alpha=0.25, color=GREY)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
