"""Pictures of objects and samples: gallery, reconstructions, generated images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from astroanomaly.evaluation import generated as measured
from astroanomaly.plots import display, parts
from astroanomaly.plots.style import (
    BLUE,
    GREY,
    INK,
    LINES,
    ORANGE,
    bare,
    level_colors,
    new_figure,
    number_decades,
    plain,
    shorten,
    styled,
)
from astroanomaly.tables.columns import (
    AT_MOST,
    highest_level,
    numbers,
    p_value_texts,
    ranking,
    require,
    shown,
    texts,
)
from astroanomaly.tables.columns import levels as table_levels

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector

# Diverging: white is no residual, red light that the model could not make.
RESIDUAL_MAP = "RdBu_r"
# From top to bottom, as in figure 6 of the paper.
ROW_NAMES = ("original", "reconstruction", "residual")
# Okabe & Ito's two that differ most, also in print without color.
_COLORS = (BLUE, ORANGE)
# One number each: level and shape; the other statistics go with them.
_SCALARS = ("flux", "concentration")
# Fine enough to show a spike at the sky level, coarse enough to be smooth.
_PIXEL_BINS = 60
# What stands above a panel.
_NUMBERS = ("distance", "low", "high", "floor")


@styled
def gallery(
    cutouts: Cutouts | CutoutStream,
    table: Table,
    n: int = 24,
    columns: int = 8,
    *,
    by: str = "anomaly_score",
) -> Figure:
    """Show the strangest objects, ranked, reading order.

    Parameters
    ----------
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``, in any order; more
        objects than the table has rows are allowed.
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
    ids = [texts(table)[row] for row in order]
    chosen = display.select(cutouts, ids)
    images = chosen.images
    rows = -(-len(order) // columns)
    figure = new_figure(1.75 * columns + 0.2, 2.45 * rows + 1.0)
    # Captions of two lines stand between the rows.
    figure.get_layout_engine().set(hspace=0.06)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    colors = level_colors(table_levels(table))
    highest = highest_level(table)
    for rank, (axes, row) in enumerate(zip(grid, order, strict=False)):
        axes.imshow(display.picture(images[rank]), **display.PIXELS)
        bare(axes)
        axes.spines[:].set(color=colors[highest[row]], linewidth=3.5)
        axes.set_title(f"{rank + 1}. {plain(shorten(ids[rank], 14))}", fontsize=11)
        axes.set_xlabel(_caption(table, row, by), fontsize=11, labelpad=4)
    figure.suptitle(_heading(table, by, chosen.bands), fontsize=12)
    display.scale_bar(grid[0], images.shape[1:], chosen.pixel_scale)
    display.compasses(grid, chosen.table, images.shape[1:])
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    if len(colors) > 1:
        frames = [
            Line2D([], [], ls="", marker="s", mfc="none", mec=color, mew=3, ms=12)
            for color in colors.values()
        ]
        names = [f"above {level}%" if level else "not flagged" for level in colors]
        place = {"loc": "outside lower center", "ncols": len(names)}
        figure.legend(frames, names, title="calibration level", labelcolor=INK, **place)
    return figure


@styled
def reconstructions(
    cutouts: Cutouts | CutoutStream,
    table: Table,
    n: int = 12,
    detector: Detector | None = None,
    *,
    choose: str = "strangest",
    columns: int = 6,
    by: str = "anomaly_score",
) -> Figure:
    """Show original, reconstruction and residual of chosen objects.

    Shows why an object is strange: what the model cannot paint stays in the
    residual. After figure 6 of Margalef-Bentabol et al.
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
    detector = detector if detector is not None else getattr(table, "detector", None)
    if detector is None:
        raise ValueError(
            "A reconstruction needs the detector. Pass `detector=`: this table "
            "does not carry the one that scored it."
        )
    if choose not in ("strangest", "evenly"):
        raise ValueError(
            f"`choose` must be 'strangest' or 'evenly'. Received: {choose!r}."
        )
    order = _strangest(table, n if choose == "strangest" else len(table) or 1, by)
    if choose == "evenly":
        # Both ends of the ranking are shown, whatever n is.
        picks = np.linspace(0, len(order) - 1, min(_positive(n, "n"), len(order)))
        order = order[np.round(picks).astype(int)]
    columns = min(_positive(columns, "columns"), len(order))
    ids = [texts(table)[row] for row in order]
    chosen = display.select(cutouts, ids)
    found = detector.explain(chosen)
    if "reconstruction" not in found:
        raise ValueError(
            "`detector` must reconstruct images; those that a classifier ranks are "
            "shown by `gallery`. Received: a classifier's."
        )
    # One scale for all objects, so that strong residuals look strong.
    residual = display.residual_plane(found["residual"])
    blocks = -(-len(order) // columns)
    figure = new_figure(1.75 * columns + 1.6, 5.9 * blocks + 0.3)
    grid = figure.subplots(3 * blocks, columns, squeeze=False)
    limit = display.residual_limit(residual)
    for k, row in enumerate(order):
        block, column = divmod(k, columns)
        panels = grid[3 * block : 3 * block + 3, column]
        pair = display.stretched_pictures(
            found["original"][k], found["reconstruction"][k]
        )
        for axes, image in zip(panels, pair, strict=False):
            axes.imshow(image, **display.PIXELS)
        for axes in panels:
            bare(axes)
            axes.spines[:].set_linewidth(0.6)
        bar = panels[2].imshow(
            residual[k],
            origin="lower",
            interpolation="nearest",
            cmap=RESIDUAL_MAP,
            norm=Normalize(-limit, limit),
        )
        panels[0].set_title(plain(shorten(ids[k], 16)), fontsize=11)
        panels[2].set_xlabel(_caption(table, row, by), fontsize=11, labelpad=4)
    shape = chosen.image_shape
    figure.suptitle(_heading(table, by, chosen.bands), fontsize=12)
    display.scale_bar(grid[0, 0], shape, chosen.pixel_scale)
    tops = grid[::3].ravel()
    display.compasses(tops, chosen.table, shape)
    for row, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(ROW_NAMES[row % 3], fontsize=11)
    for k in range(len(order), grid.size // 3):
        block, column = divmod(k, columns)
        for axes in grid[3 * block : 3 * block + 3, column]:
            axes.set_axis_off()
    figure.colorbar(
        bar, ax=grid, shrink=0.5, aspect=35, label="residual (stretched units)"
    )
    return figure


@styled
def sample_grid(images: np.ndarray, columns: int = 8) -> Figure:
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
        axes.imshow(image, **display.PIXELS)
    for axes in grid:
        axes.set_axis_off()
    return figure


@styled
def samples_by_level(
    levels: Mapping, real: np.ndarray | None = None, n: int = 8
) -> Figure:
    """Show what a growing generator made at each level, coarsest on top.

    Parameters
    ----------
    levels : mapping of int to ndarray of shape (m, size, size, n_bands)
        Generated images by their side in pixels, in any order. The first `n` of
        each are shown.
    real : ndarray of shape (m, ny, nx, n_bands), optional
        Real images for comparison, the first `n` in the last row.
    n : int, default 8
        Images in a row; a level with fewer leaves places empty.

    Returns
    -------
    matplotlib.figure.Figure
        Each level in a row on its own range, from the 0.5th to the 99.9th
        percentile of the pixels shown; a level of the size of the real images has
        their range. Pixels are not smoothed. Three bands make a colour picture,
        first band blue, else the mean of the bands is shown. NaN is shown as 0.

    Raises
    ------
    ValueError
        If there is no level, `n` is not positive, or images have another number of
        axes, none at all or another side than their level.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> levels = {size: rng.random((8, size, size, 1)) for size in (4, 8, 16)}
    >>> figure = samples_by_level(levels, real=rng.random((8, 16, 16, 1)))
    """
    parts.require_some(levels, "levels")
    n = _positive(n, "n")
    if real is not None:
        real = _stack(real, "real", None)[:n]
    rows = []
    for size in sorted(levels):
        images = _stack(levels[size], f"levels[{size}]", size)[:n]
        if real is None or real.shape[1:] != images.shape[1:]:
            shown = display.common_scale(images)
        else:
            # One range for both: a generator too faint must look too faint.
            both = np.concatenate([real, images])
            shown = display.common_scale(both, n_reference=len(real))[len(real) :]
        rows.append((f"{size} px", shown))
    if real is not None:
        rows.append(("real", display.common_scale(real)))
    columns = max(len(images) for _, images in rows)
    figure = new_figure(1.3 * columns + 1.0, 1.3 * len(rows) + 0.1)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panels, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(panels, images, strict=False):
            axes.imshow(image, **display.PIXELS)
        for axes in panels[len(images) :]:
            axes.set_axis_off()
        for axes in panels:
            bare(axes)
            axes.spines[:].set_visible(False)
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    return figure


@styled
def sample_statistics(
    real: np.ndarray,
    generated: np.ndarray,
    distances: Table | None = None,
    *,
    bands: Sequence[str] | None = None,
    names: Sequence[str] = ("real", "generated"),
    bins: int | None = None,
) -> Figure:
    """Compare generated with real images by statistics an astronomer knows.

    Parameters
    ----------
    real, generated : ndarray of shape (n, ny, nx, n_bands) or (n, ny, nx)
        Images on one scale without NaN, as `sample_statistics.sample_distance`
        takes them.
    distances : Table, optional
        What it returned for them; computed where not given.
    bands : sequence of str, optional
        Names of the bands; those of `distances` where it is given.
    names : sequence of two str
        What the legend calls the two sets.
    bins : int, optional
        Bins of flux and concentration, by default twice the cube root of the number
        of images; logarithmic where positive values span more than a factor of 20.
        They end where 0.1 per cent of a set lie beyond; the bins at the ends hold
        these too.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels a band: power spectra (median, and the band of the 16th to 84th
        percentile of the images), flux, concentration and pixel values. Above each
        the distance, with its 95 per cent interval, and the floor: a distance at the
        floor cannot be told from the real images.

    Raises
    ------
    ValueError
        Same as `sample_distance`; or if `distances` lacks a column or a row.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> real, generated = (rng.normal(size=(30, 16, 16)) for _ in range(2))
    >>> figure = sample_statistics(real, generated)
    """
    if distances is None:
        distances = measured.sample_distance(real, generated, bands)
    require(distances, "statistic", "band", "unit", *_NUMBERS)
    keys = (texts(distances, name) for name in ("statistic", "band"))
    values = (numbers(distances, name) for name in _NUMBERS)
    rows = zip(*values, texts(distances, "unit"), strict=True)
    found = dict(zip(zip(*keys, strict=True), rows, strict=True))
    bands = list(dict.fromkeys(band for _, band in found))
    sets = real, generated
    scalars = [measured.summary_statistics(images) for images in sets]
    spectra = [measured.power_spectrum(images) for images in sets]
    # One band fits a square page; several have a row each.
    columns = 2 if len(bands) == 1 else 4
    rows = 4 * len(bands) // columns
    figure = new_figure(5.6 * columns, 4.0 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).reshape(len(bands), 4)
    for k, (band, panels) in enumerate(zip(bands, grid, strict=True)):
        one_band = [(wavenumber, power[..., k]) for wavenumber, power in spectra]
        _draw_spectra(panels[0], one_band, names)
        for axes, name in zip(panels[1:3], _SCALARS, strict=True):
            values = [table[name][:, k] for table in scalars]
            _draw_histograms(axes, values, names, bins)
        _draw_pixels(panels[3], sets, k, names)
        statistics = ("power_spectrum", *_SCALARS, "pixel_histogram")
        for axes, name in zip(panels, statistics, strict=True):
            label = "pixel value" if name == "pixel_histogram" else name
            label = "cycles per pixel" if name == "power_spectrum" else label
            start = f"{band}: " if len(bands) > 1 else ""
            axes.set_xlabel(start + parts.words(label))
            if (name, band) not in found:
                raise ValueError(
                    f"`distances` must have a row for {name} in each band. "
                    f"Received: none for {band}."
                )
            distance, low, high, floor, unit = found[name, band]
            # Without resamplings there is no interval.
            span = f" ({low:.2g} to {high:.2g})" if np.isfinite(low + high) else ""
            title = f"distance {distance:.2g}{span} {unit}, floor {floor:.2g}"
            title = "no distance" if np.isnan(distance) else title
            axes.set_title(title, fontsize=12, loc="left")
    parts.legend(figure, [grid[0, 1]], 2)
    return figure


def _caption(table, row, by):
    score = shown(numbers(table, by)[row], ".4g")
    if "p_value" not in table.colnames:
        return score
    p_value = p_value_texts(table)[row]
    return f"{score}\np {p_value if p_value[0] == AT_MOST else f'= {p_value}'}"


def _heading(table, by, bands):
    """Return which bands are shown and what the number below a picture is."""
    name = by.removesuffix("_score").replace("_", " ") + " score"
    kind = table.meta.get("score") if by == "anomaly_score" else None
    unit = table[by].unit
    extra = ", ".join(str(one) for one in (kind, unit) if one)
    # A figure has room for the names of a few bands.
    shown = ", ".join(bands) if len(bands) <= 6 else f"{len(bands)} bands"
    return plain(f"{shown} \N{MIDDLE DOT} below: {name}{extra and f' ({extra})'}")


def _strangest(table, n, by):
    require(table, "object_id", by)
    if not len(table):
        raise ValueError("The score table has no rows: there is nothing to show.")
    return ranking(table, by)[: _positive(n, "n")]


def _positive(value, name):
    if int(value) != value or value < 1:
        raise ValueError(f"`{name}` must be a whole number >= 1. Received: {value}.")
    return int(value)


def _stack(images, name, size):
    images = np.asarray(images, np.float64)
    sides = (size, size) if size else images.shape[1:3]
    if images.ndim != 4 or not len(images) or images.shape[1:3] != sides:
        side = "ny, nx" if size is None else f"{size}, {size}"
        raise ValueError(
            f"`{name}` must have shape (n, {side}, n_bands) with n > 0. "
            f"Received: {images.shape}."
        )
    return images


def _draw_spectra(axes, spectra, names):
    for k, ((wavenumber, power), name) in enumerate(zip(spectra, names, strict=True)):
        low, middle, high = np.percentile(power, (16, 50, 84), axis=0)
        axes.fill_between(wavenumber, low, high, color=_COLORS[k], alpha=0.22, lw=0)
        axes.plot(wavenumber, middle, color=_COLORS[k], ls=LINES[k], lw=2.6, label=name)
    note = {"transform": axes.transAxes, "fontsize": 11, "color": GREY}
    axes.text(0.03, 0.04, "median, 16th to 84th percentile", **note)
    axes.set(xscale="log", yscale="log", ylabel="power per mode")
    number_decades(axes.xaxis, wavenumber[0], wavenumber[-1])


def _draw_histograms(axes, groups, names, bins):
    groups = [values[np.isfinite(values)] for values in groups]
    if not all(map(len, groups)):
        axes.text(0.5, 0.5, "not measurable", transform=axes.transAxes, ha="center")
        return
    # Rice's rule, for the smaller set.
    bins = bins or round(2 * min(map(len, groups)) ** (1 / 3))
    edges, scale = parts.robust_edges(groups, [], bins)
    for k, (values, name) in enumerate(zip(groups, names, strict=True)):
        # Values beyond the edges are counted in the bins at the ends.
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        _stairs(axes, counts / len(values), edges, k, name)
    axes.set(xscale=scale, xlim=(edges[0], edges[-1]), ylabel="fraction of images")
    axes.set_ylim(bottom=0)
    if scale == "log":
        number_decades(axes.xaxis, edges[0], edges[-1])


def _draw_pixels(axes, sets, band, names):
    images = [np.asarray(getattr(one, "images", one), float) for one in sets]
    images = [one if one.ndim == 3 else one[..., band] for one in images]
    low, high = min(map(np.min, images)), max(map(np.max, images))
    # Constant images still need bins of some width.
    edges = np.linspace(low, high if high > low else low + 1.0, _PIXEL_BINS + 1)
    for k, (one, name) in enumerate(zip(images, names, strict=True)):
        heights = measured.pixel_histogram(one, edges).mean(axis=(0, 2))
        _stairs(axes, heights, edges, k, name)
    axes.set(yscale="log", ylabel="fraction of pixels", xlim=(edges[0], edges[-1]))


def _stairs(axes, heights, edges, k, name):
    style = {"color": _COLORS[k], "label": name}
    if k == 0:
        axes.stairs(heights, edges, fill=True, alpha=0.28, lw=0, color=_COLORS[0])
    axes.stairs(heights, edges, lw=2.4, ls=LINES[k], **style)
