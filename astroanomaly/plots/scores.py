"""How scores, features and losses look: histogram, ROC, t-SNE map, training."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from astroanomaly import evaluation
from astroanomaly.calibration import Calibration
from astroanomaly.plots import display, parts
from astroanomaly.plots.style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    LINES,
    ORANGE,
    curve_color,
    level_colors,
    new_axes,
    new_figure,
    number_decades,
    plain,
    styled,
)
from astroanomaly.tables import columns
from astroanomaly.utils.optional import require

if TYPE_CHECKING:
    import keras
    from astropy.table import Table
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from astroanomaly.data.cutouts import Cutouts

# Normal objects blue and anomalous ones orange wherever both are shown.
_COLORS = (BLUE, ORANGE, *CYCLE[2:])
# Thinner lines: they are what a detector has to beat.
_BASELINES = ("brightness", "pca", "isolation_forest", "baseline_")
# Losses first, in the order in which one looks at them.
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
def score_histogram(
    table: Table | Mapping[str, ArrayLike],
    calibration: Calibration | None = None,
    *,
    labels: Table | str | None = None,
    score: str = "anomaly_score",
    levels: Sequence[float] | None = None,
    bins: int = 40,
) -> Figure:
    """Show how scores are distributed, with the thresholds that flag.

    After figure 8 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346).

    Parameters
    ----------
    table : astropy.table.Table or dict of str to array_like
        A score table, or the scores of each population by its name.
    calibration : Calibration, optional
        Draws its normal scores as an outline and each of its thresholds as a
        vertical line. Without it, thresholds come from ``table.meta``.
    labels : astropy.table.Table or str, optional
        A table with ``object_id`` and ``is_anomaly``, matched to the scores by
        id, or the name of a true/false column of `table`. Splits the scores
        into normal and anomalous.
    score : str, default "anomaly_score"
        The column of the table to show. Thresholds belong to the score that
        was calibrated: for another one pass its own `calibration`.
    levels : sequence of float, optional
        Levels in per cent to mark, such as the paper's (85, 90, 95), taken from
        the scores of `calibration`; by default those it was made with.
    bins : int, default 40
        Bins over the range of all scores, logarithmic where positive scores
        span more than a factor of 20.

    Returns
    -------
    matplotlib.figure.Figure
        Each population is normalized to one. NaN scores are left out and
        counted in the legend.

    Raises
    ------
    ValueError
        If there is no finite score, a column is missing, an object of the table
        has no label, or `levels` come without `calibration` or lie beyond its
        sample.

    Examples
    --------
    >>> figure = score_histogram(table, detector.calibration)
    >>> figure = score_histogram({"isolated": a, "mergers": b})
    """
    if not hasattr(table, "colnames"):
        populations = {k: np.asarray(v, np.float64).ravel() for k, v in table.items()}
    elif labels is None:
        populations = {"scored objects": columns.numbers(table, score)}
    else:
        scores = columns.numbers(table, score)
        if isinstance(labels, str):
            strange = columns.truths(table, labels)
        else:
            rows = columns.match(labels, columns.texts(table), "the labels")
            strange = columns.truths(labels, "is_anomaly")[rows]
        populations = {"normal": scores[~strange], "anomalous": scores[strange]}
    if not any(np.isfinite(values).any() for values in populations.values()):
        raise ValueError(f"There is no finite {score} to draw.")
    thresholds = _thresholds(table, calibration, score, levels)
    normal = [] if calibration is None else np.asarray(calibration.scores, float)
    shown = np.concatenate([*populations.values(), normal, [*thresholds.values()]])
    shown = shown[np.isfinite(shown)]
    low, high = shown.min(), shown.max()
    # Small margins: the largest score must not fall on an edge.
    if low > 0 and high > parts.WIDE * low:
        edges, scale = np.geomspace(low / 1.02, high * 1.02, bins + 1), "log"
    else:
        margin = 0.02 * (high - low) or 0.5
        edges, scale = np.linspace(low - margin, high + margin, bins + 1), "linear"
    figure, axes = new_axes(10.0, 5.2)
    axes.set_xscale(scale)
    for k, (name, values) in enumerate(populations.items()):
        color = _COLORS[k % len(_COLORS)]
        _bars(axes, values, edges, name, color=color, filled=True)
    if len(normal):
        _bars(axes, normal, edges, "calibration", color=INK, filled=False)
    axes.set(xlabel=score.replace("_", " "), ylabel="fraction of objects per bin")
    axes.set_xlim(edges[0], edges[-1])
    ordered = sorted(thresholds, key=float)
    colors = level_colors(ordered)
    for k, level in enumerate(ordered):
        x = thresholds[level]
        label = f"{level}% level: {x:.4g}"
        style = LINES[1 + k % (len(LINES) - 1)]
        axes.axvline(x, color=colors[level], lw=2.0, ls=style, label=label)
    if scale == "log":
        number_decades(axes.xaxis, edges[0], edges[-1])
    figure.legend(loc="outside right upper")
    return figure


def _plane(features, method: str, perplexity: float, seed: int) -> np.ndarray:
    """Return places in a plane, neighbors near to each other."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if method not in ("tsne", "umap"):
        raise ValueError(f"`method` must be tsne or umap. Received: {method!r}")
    n, width = features.shape
    # van der Maaten & Hinton (2008) reduce to 30 components, sklearn advises 50.
    if width > 50:
        features = PCA(min(50, n), random_state=seed).fit_transform(features)
    if method == "umap":
        near = int(np.clip(perplexity / 2, 2, n - 1))
        made = require("umap", "maps").UMAP(n_neighbors=near, random_state=seed)
    else:
        near = min(perplexity, (n - 1) / 3)
        made = TSNE(perplexity=near, init="pca", random_state=seed)
    # Threads would sum in a varying order, and both amplify rounding.
    with threadpool_limits(1):
        return np.asarray(made.fit_transform(features))


def _pictures_at(axes, x, y, cutouts, n_pictures: int) -> None:
    """Show the object nearest the middle of each cell of a grid, at its place."""
    side = max(1, int(np.sqrt(n_pictures)))
    place = np.stack([x - x.min(), y - y.min()], axis=1)
    place = side * place / np.maximum(place.max(axis=0), 1e-12)
    cell = np.minimum(place.astype(int), side - 1)
    off = np.hypot(*(place - cell - 0.5).T)
    order = np.lexsort((off, cell[:, 0] * side + cell[:, 1]))
    _, first = np.unique(cell[order] @ [side, 1], return_index=True)
    width = 0.9 * np.ptp(x) / side, 0.9 * np.ptp(y) / side
    for row in order[first]:
        box = [x[row] - width[0] / 2, x[row] + width[0] / 2]
        box += [y[row] - width[1] / 2, y[row] + width[1] / 2]
        image = display.picture(cutouts[int(row)].images[0])
        axes.imshow(image, extent=box, aspect="auto", zorder=-1, **display.PIXELS)


@styled
def feature_map(
    features: np.ndarray,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    *,
    seed: int = 0,
    perplexity: float = 30.0,
    method: str = "tsne",
    cutouts: Cutouts | None = None,
    n_pictures: int = 40,
) -> Figure:
    """Show features in two dimensions by t-SNE or UMAP, with pictures of objects.

    After figure 7 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346). t-SNE
    (van der Maaten & Hinton 2008, JMLR 9, 2579) and UMAP (McInnes et al. 2018,
    arXiv:1802.03426) keep neighbours together; distances between far groups and the
    axes themselves carry no meaning.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        One row an object, as ``detector.features(cutouts)`` gives. More than 50
        features are first reduced to 50 principal components.
    labels : array_like of shape (n,), optional
        A class for each row, or bool where True is anomalous.
    scores : array_like of shape (n,), optional
        Colours the points by the rank of the score, strangest darkest; NaN is
        refused. Give `labels` or `scores`, not both.
    seed : int, default 0
        Seed of the map: same seed, same map.
    perplexity : float, default 30
        Effective number of neighbours; lowered to (n - 1) / 3 for few objects.
    method : {"tsne", "umap"}, default "tsne"
        How the plane is found; "umap" needs the extra ``maps``.
    cutouts : Cutouts, optional
        The objects, one for each row: some are shown at their places.
    n_pictures : int, default 40
        How many pictures at most; they are spread over the map.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `features` is not a finite two-dimensional array of at least 4 rows,
        or `labels`, `scores` or `cutouts` have another length, the first two are
        both given, or the method is unknown.
    ImportError
        For "umap" without umap-learn.

    Examples
    --------
    >>> figure = feature_map(detector.features(test), labels=truth, seed=1)
    >>> figure.savefig("features.png")
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 4 or not np.isfinite(features).all():
        raise ValueError(
            "`features` must be finite with shape (n, n_features), n >= 4. "
            f"Received: shape {features.shape}."
        )
    if labels is not None and scores is not None:
        raise ValueError("Give `labels` or `scores` to colour the points, not both.")
    values = labels if labels is not None else scores
    if values is not None and len(values) != len(features):
        raise ValueError(
            f"`features` has {len(features)} rows, the colours have {len(values)}."
        )
    if cutouts is not None and len(cutouts) != len(features):
        raise ValueError(
            f"`cutouts` must hold the object of each of {len(features)} rows. "
            f"Received: {len(cutouts)}."
        )
    x, y = _plane(features, method, perplexity, seed).T
    figure, axes = new_axes(7.5, 6.5)
    if cutouts is not None:
        _pictures_at(axes, x, y, cutouts, n_pictures)
    if scores is not None:
        scores = np.asarray(scores, float)
        if not np.isfinite(scores).all():
            raise ValueError("`scores` holds NaN or infinity: leave those objects out.")
        # Ranks, for a few extreme scores would take the whole color scale.
        rank = 100.0 * (np.argsort(np.argsort(scores)) + 1) / len(scores)
        # The strangest are drawn last, on top of the others.
        order = np.argsort(rank)
        points = axes.scatter(
            x[order], y[order], c=rank[order], cmap="cividis_r", s=22, lw=0
        )
        figure.colorbar(points, ax=axes, label="percentile of the score")
    elif labels is None:
        axes.scatter(x, y, s=20, color=BLUE, lw=0, alpha=0.7)
    else:
        labels = np.asarray(labels)
        if labels.dtype == bool:
            labels = np.where(labels, "anomalous", "normal")
        names = sorted(set(labels.tolist()), key=lambda v: (v != "normal", str(v)))
        for k, name in enumerate(names):
            keep = labels == name
            axes.scatter(
                x[keep],
                y[keep],
                s=26,
                lw=0,
                alpha=0.75,
                color=_COLORS[k % len(_COLORS)],
                marker=parts.MARKERS[k % len(parts.MARKERS)],
                label=f"{plain(str(name))} ({keep.sum():,})",
            )
        axes.legend(loc="best", markerscale=1.3)
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    axes.set(xlabel=f"{name} 1", ylabel=f"{name} 2", xticks=[], yticks=[])
    return figure


@styled
def roc(labels: ArrayLike, scores: Mapping[str, ArrayLike]) -> Figure:
    """Show the share of anomalies found against the share of false alarms.

    Parameters
    ----------
    labels : array_like of shape (n,)
        True (or 1) for an anomaly.
    scores : dict of str to array_like of shape (n,)
        Each score or baseline by its name, in the order of `labels`, higher =
        stranger. NaN is refused. Names that begin with brightness, pca,
        isolation_forest or ``baseline_`` are baselines and drawn thinner.

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
            color=curve_color(k),
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
def training_curves(
    history: str | Path | Mapping[str, Sequence[float]] | keras.callbacks.History,
) -> Figure:
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
    if hasattr(history, "history"):
        epochs = {"epoch": history.epoch} if getattr(history, "epoch", ()) else {}
        history = {**epochs, **history.history}
    if isinstance(history, str | Path):
        with Path(history).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        # A cell is empty where a metric was not measured in this epoch.
        history = {k: [row[k] or "nan" for row in rows] for k in (rows or [{}])[0]}
    curves = {k: np.asarray(v, np.float64).ravel() for k, v in history.items()}
    epochs = curves.pop("epoch", None)
    # Known losses in a fixed order, so that two trainings compare.
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
        style = {"marker": "o" if len(epochs) < 20 else "", "ms": 4}
        axes.plot(epochs, curves[name], color=BLUE, **style)
        if f"val_{name}" in curves:
            axes.lines[0].set_label("training")
            style |= {"color": ORANGE, "ls": LINES[1], "label": "held out"}
            axes.plot(epochs, curves[f"val_{name}"], **style)
            axes.legend()
        axes.set_title(_PANELS.get(name, name.replace("_", " ")), loc="left")
        axes.grid(alpha=0.25, color=GREY)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    return figure


def _thresholds(table, calibration, score, levels):
    """Return thresholds by level: asked for, of the calibration, or of the table."""
    if levels is not None and calibration is None:
        raise ValueError(
            f"`levels` {tuple(levels)} need the calibration that has their "
            "scores. Received: `calibration` None."
        )
    if levels is not None:
        found = Calibration(calibration.scores, levels).thresholds
    elif calibration is not None:
        found = calibration.thresholds
    else:
        meta = getattr(table, "meta", {})
        ranking, found = str(meta.get("score", "")), meta.get("thresholds", {})
        # Thresholds belong to the score that ranked, whichever name it goes by.
        ours = score in ("anomaly_score", ranking, f"{ranking}_score")
        found = found if ours and isinstance(found, Mapping) else {}
    return {f"{float(k):g}": float(v) for k, v in found.items()}


def _bars(axes, values, edges, name, *, color, filled):
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(finite, edges)
    lost = len(values) - len(finite)
    label = f"{plain(name)} ({len(finite):,}{f', {lost:,} NaN left out' * bool(lost)})"
    style = {"fill": True, "alpha": 0.45, "lw": 0} if filled else {"lw": 1.8}
    heights = counts / max(len(finite), 1)
    axes.stairs(heights, edges, color=color, label=label, **style)
    if filled:
        axes.stairs(heights, edges, color=color, lw=1.5)
