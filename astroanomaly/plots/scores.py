"""How scores and critic features are distributed."""

from collections.abc import Mapping

import numpy as np

from astroanomaly.calibration import Calibration
from astroanomaly.plots.style import (
    BLUE,
    CYCLE,
    INK,
    LINES,
    ORANGE,
    level_colors,
    new_axes,
    number_decades,
    plain,
    styled,
)
from astroanomaly.tables import columns

_MARKERS = "osD^vP*X"
_COLORS = (BLUE, ORANGE, *CYCLE[2:])


@styled
def score_histogram(
    table,
    calibration=None,
    *,
    labels=None,
    score: str = "anomaly_score",
    levels=None,
    bins: int = 40,
):
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
    populations = _populations(table, labels, score)
    thresholds = _thresholds(table, calibration, score, levels)
    normal = [] if calibration is None else np.asarray(calibration.scores, float)
    edges, scale = _edges([*populations.values(), normal], thresholds, bins)
    figure, axes = new_axes(10.0, 5.2)
    axes.set_xscale(scale)
    for k, (name, values) in enumerate(populations.items()):
        color = _COLORS[k % len(_COLORS)]
        _bars(axes, values, edges, name, color=color, filled=True)
    if len(normal):
        _bars(axes, normal, edges, "calibration", color=INK, filled=False)
    axes.set(xlabel=score.replace("_", " "), ylabel="fraction of objects per bin")
    axes.set_xlim(edges[0], edges[-1])
    _mark_thresholds(axes, thresholds)
    if scale == "log":
        number_decades(axes.xaxis, edges[0], edges[-1])
    figure.legend(loc="outside right upper")
    return figure


@styled
def feature_map(
    features,
    labels=None,
    scores=None,
    *,
    seed: int = 0,
    perplexity: float = 30.0,
):
    """Show critic features in two dimensions by t-SNE.

    After figure 7 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346). t-SNE
    (van der Maaten & Hinton 2008, JMLR 9, 2579) keeps neighbours together;
    distances between far groups and the axes themselves carry no meaning.

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
        Seed of t-SNE: same seed, same map.
    perplexity : float, default 30
        Effective number of neighbours; lowered to (n - 1) / 3 for few objects.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `features` is not a finite two-dimensional array of at least 4 rows,
        or `labels` or `scores` have another length or are both given.

    Examples
    --------
    >>> figure = feature_map(detector.features(test), labels=truth, seed=1)
    >>> figure.savefig("features.png")
    """
    features = _feature_rows(features)
    if labels is not None and scores is not None:
        raise ValueError("Give `labels` or `scores` to colour the points, not both.")
    values = labels if labels is not None else scores
    if values is not None and len(values) != len(features):
        raise ValueError(
            f"`features` has {len(features)} rows, the colours have {len(values)}."
        )
    x, y = _embed(features, seed, perplexity).T
    figure, axes = new_axes(7.5, 6.5)
    if scores is not None:
        _scatter_scores(figure, axes, x, y, np.asarray(scores, float))
    else:
        _scatter_labels(axes, x, y, labels)
    axes.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    return figure


def _populations(table, labels, score):
    if not hasattr(table, "colnames"):
        named = {k: np.asarray(v, np.float64).ravel() for k, v in table.items()}
    elif labels is None:
        named = {"scored objects": columns.numbers(table, score)}
    else:
        named = _split(table, labels, columns.numbers(table, score))
    if not any(np.isfinite(values).any() for values in named.values()):
        raise ValueError(f"There is no finite {score} to draw.")
    return named


def _split(table, labels, scores):
    if isinstance(labels, str):
        strange = columns.truths(table, labels)
    else:
        rows = columns.match(labels, columns.texts(table), "the labels")
        strange = columns.truths(labels, "is_anomaly")[rows]
    return {"normal": scores[~strange], "anomalous": scores[strange]}


def _thresholds(table, calibration, score, levels):
    if levels is not None:
        if calibration is None:
            raise ValueError(
                f"`levels` {tuple(levels)} need the calibration that has their "
                "scores. Received: `calibration` None."
            )
        found = Calibration(calibration.scores, levels).thresholds
    elif calibration is not None:
        found = calibration.thresholds
    else:
        found = _noted_thresholds(getattr(table, "meta", {}), score)
    return {f"{float(k):g}": float(v) for k, v in found.items()}


def _noted_thresholds(meta, score):
    ranking = str(meta.get("score", ""))
    # Thresholds belong to the score that ranked, whichever name it goes by.
    if score not in ("anomaly_score", ranking, f"{ranking}_score"):
        return {}
    found = meta.get("thresholds", {})
    return found if isinstance(found, Mapping) else {}


def _edges(groups, thresholds, bins):
    values = np.concatenate([*groups, list(thresholds.values())])
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    if low > 0 and high > 20 * low:
        return np.geomspace(low / 1.02, high * 1.02, bins + 1), "log"
    margin = 0.02 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, bins + 1), "linear"


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


def _mark_thresholds(axes, thresholds):
    colors = level_colors(sorted(thresholds, key=float))
    for k, level in enumerate(sorted(thresholds, key=float)):
        x = thresholds[level]
        label = f"{level}% level: {x:.4g}"
        style = LINES[1 + k % (len(LINES) - 1)]
        axes.axvline(x, color=colors[level], lw=2.0, ls=style, label=label)


def _feature_rows(features):
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 4 or not np.isfinite(features).all():
        raise ValueError(
            "`features` must be finite with shape (n, n_features), n >= 4. "
            f"Received: shape {features.shape}."
        )
    return features


def _embed(features, seed, perplexity):
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    n, width = features.shape
    if width > 50:
        features = PCA(min(50, n), random_state=seed).fit_transform(features)
    tsne = TSNE(perplexity=min(perplexity, (n - 1) / 3), init="pca", random_state=seed)
    # Threads would sum in an order of their own, and t-SNE amplifies rounding.
    with threadpool_limits(1):
        return tsne.fit_transform(features)


def _scatter_scores(figure, axes, x, y, scores):
    if not np.isfinite(scores).all():
        raise ValueError("`scores` holds NaN or infinity: leave those objects out.")
    rank = 100.0 * (np.argsort(np.argsort(scores)) + 1) / len(scores)
    order = np.argsort(rank)
    points = axes.scatter(
        x[order], y[order], c=rank[order], cmap="cividis_r", s=22, lw=0
    )
    figure.colorbar(points, ax=axes, label="percentile of the score")


def _scatter_labels(axes, x, y, labels):
    if labels is None:
        axes.scatter(x, y, s=20, color=BLUE, lw=0, alpha=0.7)
        return
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
            marker=_MARKERS[k % len(_MARKERS)],
            label=f"{plain(str(name))} ({keep.sum():,})",
        )
    axes.legend(loc="best", markerscale=1.3)
