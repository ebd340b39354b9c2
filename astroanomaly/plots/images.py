"""Pictures of objects: ranked gallery, reconstructions, generated samples."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from astroanomaly.plots import display
from astroanomaly.plots.style import (
    INK,
    bare,
    level_colors,
    new_figure,
    plain,
    shorten,
    styled,
)
from astroanomaly.tables import columns as _score_table

RESIDUAL_MAP = "RdBu_r"
ROW_NAMES = ("original", "reconstruction", "residual")


@styled
def gallery(cutouts, table, n: int = 24, columns: int = 8, *, by="anomaly_score"):
    """Show the strangest objects, ranked, reading order.

    Parameters
    ----------
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``, in any order; more
        objects than the table has rows are welcome.
    table : astropy.table.Table
        A score table with ``object_id`` and the column `by`; ``p_value`` and
        ``is_anomaly_<level>`` are shown where present.
    n : int, default 24
        How many objects; fewer are shown when the table is shorter.
    columns : int, default 8
        Pictures in a row.
    by : str, default "anomaly_score"
        The score that ranks. Rows where it is NaN come last.

    Returns
    -------
    matplotlib.figure.Figure
        Three bands make a colour picture (first band blue, last red; Lupton et
        al. 2004, PASP 116, 133), otherwise the mean of the bands is asinh
        stretched, each object on its own range. The frame's colour is the
        highest level the object is above.

    Raises
    ------
    ValueError
        If an object of the table has no cutout, a column is missing, the table
        is empty, or `n` or `columns` is not positive.

    Examples
    --------
    >>> figure = gallery(test, table, n=16)
    >>> figure.savefig("gallery.png")
    """
    order = _strangest(table, n, by)
    columns = min(_positive(columns, "columns"), len(order))
    ids = [_score_table.texts(table)[row] for row in order]
    images = display.select(cutouts, ids).images
    rows = -(-len(order) // columns)
    figure = new_figure(1.75 * columns + 0.2, 2.45 * rows + 0.7)
    figure.get_layout_engine().set(hspace=0.06)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    colors = level_colors(_score_table.levels(table))
    highest = _score_table.highest_level(table)
    for rank, (axes, row) in enumerate(zip(grid, order, strict=False)):
        axes.imshow(display.picture(images[rank]), **_show())
        bare(axes)
        axes.spines[:].set(color=colors[highest[row]], linewidth=3.5)
        axes.set_title(f"{rank + 1}. {plain(shorten(ids[rank], 14))}", fontsize=11)
        axes.set_xlabel(_caption(table, row, by), fontsize=11, labelpad=4)
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    _level_legend(figure, colors)
    return figure


@styled
def reconstructions(
    cutouts,
    table,
    n: int = 12,
    detector=None,
    *,
    choose: str = "strangest",
    columns: int = 6,
    by: str = "anomaly_score",
):
    """Show original, reconstruction and residual of chosen objects.

    The picture that tells why an object is strange: what the model cannot
    paint stays in the residual. After figure 6 of Margalef-Bentabol et al.
    (2020, MNRAS 496, 2346).

    Parameters
    ----------
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``.
    table : astropy.table.Table
        A score table with ``object_id`` and the column `by`.
    n : int, default 12
        How many objects.
    detector : AnomalyDetector, optional
        What explains the images, through ``explain``; by default the one that
        the table carries as ``table.detector``.
    choose : {"strangest", "evenly"}, default "strangest"
        The `n` highest scores, or `n` evenly spaced along the ranking, from
        the strangest to the most ordinary.
    columns : int, default 6
        Objects side by side.
    by : str, default "anomaly_score"
        The score that ranks. Rows where it is NaN come last.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels under one another for each object, in the detector's
        stretched units. Original and generated image share one grey scale per
        object; all residuals (original minus generated, mean of the bands)
        share one scale centred on zero, positive red.

    Raises
    ------
    ValueError
        If an object has no cutout, there is no detector or it reconstructs
        nothing, the table is empty or an argument is out of range.

    Examples
    --------
    >>> figure = reconstructions(test, table, n=6, detector=detector)
    >>> figure.savefig("reconstructions.png")
    """
    explain = _explainer(table, detector)
    order = _choice(table, n, choose, by)
    columns = min(_positive(columns, "columns"), len(order))
    ids = [_score_table.texts(table)[row] for row in order]
    found = explain(display.select(cutouts, ids))
    if "reconstruction" not in found:
        raise ValueError(
            "`detector` must reconstruct images; those that a classifier ranks are "
            "shown by `gallery`. Received: a classifier's."
        )
    residual = display.residual_plane(found["residual"])
    blocks = -(-len(order) // columns)
    figure = new_figure(1.75 * columns + 1.6, 5.9 * blocks)
    grid = figure.subplots(3 * blocks, columns, squeeze=False)
    limit = display.residual_limit(residual)
    for k, row in enumerate(order):
        block, column = divmod(k, columns)
        panels = grid[3 * block : 3 * block + 3, column]
        pair = display.stretched_pictures(
            found["original"][k], found["reconstruction"][k]
        )
        bar = _triplet(panels, *pair, residual[k], limit)
        panels[0].set_title(plain(shorten(ids[k], 16)), fontsize=11)
        panels[2].set_xlabel(_caption(table, row, by), fontsize=11, labelpad=4)
    _name_rows(grid, len(order), columns)
    figure.colorbar(
        bar, ax=grid, shrink=0.5, aspect=35, label="residual (stretched units)"
    )
    return figure


@styled
def sample_grid(images, columns: int = 8):
    """Show generated images in a grid, to judge a generator by eye.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Stretched images within [0, 1], as a generator makes them. All share one
        scale, from the 0.5th to the 99.9th percentile of their pixels. Three
        bands make a colour picture, first band blue.
    columns : int, default 8
        Pictures in a row.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `images` has another number of axes or holds no image, or `columns`
        is not positive.

    Examples
    --------
    >>> figure = sample_grid(gan.generate(32, seed=1))
    >>> figure.savefig("samples.png")
    """
    images = np.asarray(images, np.float64)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not len(images):
        raise ValueError(
            "`images` must have shape (n, ny, nx, n_bands) with n > 0. "
            f"Received: {images.shape}."
        )
    columns = min(_positive(columns, "columns"), len(images))
    rows = -(-len(images) // columns)
    shown = display.common_scale(images)
    figure = new_figure(1.3 * columns, 1.3 * rows)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, image in zip(grid, shown, strict=False):
        axes.imshow(image, **_show())
    for axes in grid:
        axes.set_axis_off()
    return figure


def _triplet(panels, original, reconstruction, residual, limit):
    panels[0].imshow(original, **_show())
    panels[1].imshow(reconstruction, **_show())
    for axes in panels:
        bare(axes)
        axes.spines[:].set_linewidth(0.6)
    return panels[2].imshow(
        residual,
        origin="lower",
        interpolation="nearest",
        cmap=RESIDUAL_MAP,
        norm=Normalize(-limit, limit),
    )


def _name_rows(grid, n, columns):
    for row, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(ROW_NAMES[row % 3], fontsize=11)
    for k in range(n, grid.size // 3):
        block, column = divmod(k, columns)
        for axes in grid[3 * block : 3 * block + 3, column]:
            axes.set_axis_off()


def _caption(table, row, by):
    score = f"{_score_table.numbers(table, by)[row]:.4g}"
    if "p_value" not in table.colnames:
        return score
    return f"{score}\np = {_score_table.numbers(table, 'p_value')[row]:.2g}"


def _level_legend(figure, colors):
    if len(colors) == 1:
        return
    frames = [
        Line2D([], [], ls="", marker="s", mfc="none", mec=color, mew=3, ms=12)
        for color in colors.values()
    ]
    names = [f"above {level}%" if level else "not flagged" for level in colors]
    figure.legend(
        frames,
        names,
        loc="outside lower center",
        ncols=len(names),
        title="calibration level",
        labelcolor=INK,
    )


def _explainer(table, detector):
    detector = detector if detector is not None else getattr(table, "detector", None)
    if detector is None:
        raise ValueError(
            "A reconstruction needs the detector. Pass `detector=`: this table "
            "does not carry the one that scored it."
        )
    return detector.explain


def _choice(table, n, choose, by):
    if choose == "strangest":
        return _strangest(table, n, by)
    if choose != "evenly":
        raise ValueError(
            f"`choose` must be 'strangest' or 'evenly'. Received: {choose!r}."
        )
    order = _strangest(table, len(table) or 1, by)
    picks = np.linspace(0, len(order) - 1, min(_positive(n, "n"), len(order)))
    return order[np.round(picks).astype(int)]


def _strangest(table, n, by):
    _score_table.require(table, "object_id", by)
    if not len(table):
        raise ValueError("The score table has no rows: there is nothing to show.")
    return _score_table.ranking(table, by)[: _positive(n, "n")]


def _positive(value, name):
    if int(value) != value or value < 1:
        raise ValueError(f"`{name}` must be a whole number >= 1. Received: {value}.")
    return int(value)


def _show():
    return {
        "origin": "lower",
        "interpolation": "nearest",
        "cmap": "gray",
        "vmin": 0.0,
        "vmax": 1.0,
    }
