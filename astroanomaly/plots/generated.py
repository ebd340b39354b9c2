"""What a generator makes, beside the real images: by level, and by statistics."""

from collections.abc import Mapping, Sequence

import numpy as np

from astroanomaly.evaluation import generated as measured
from astroanomaly.plots import display
from astroanomaly.plots import panels as _panels
from astroanomaly.plots.style import (
    BLUE,
    GREY,
    LINES,
    ORANGE,
    bare,
    new_figure,
    number_decades,
    styled,
)
from astroanomaly.tables import columns as _score_table

_COLORS = (BLUE, ORANGE)
_SCALARS = ("flux", "concentration")
_PIXEL_BINS = 60
_NUMBERS = ("distance", "low", "high", "floor")


@styled
def samples_by_level(levels: Mapping, real=None, n: int = 8):
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
    _panels.require_some(levels, "levels")
    if int(n) != n or n < 1:
        raise ValueError(f"`n` must be a whole number >= 1. Received: {n}.")
    if real is not None:
        real = _stack(real, "real", None)[: int(n)]
    rows = []
    for size in sorted(levels):
        images = _stack(levels[size], f"levels[{size}]", size)[: int(n)]
        rows.append((f"{size} px", _pictures(images, real)))
    if real is not None:
        rows.append(("real", display.common_scale(real)))
    columns = max(len(images) for _, images in rows)
    figure = new_figure(1.3 * columns + 1.0, 1.3 * len(rows) + 0.1)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panels, (name, images) in zip(grid, rows, strict=True):
        _draw_row(panels, name, images)
    return figure


@styled
def sample_statistics(
    real,
    generated,
    distances=None,
    *,
    bands: Sequence[str] | None = None,
    names: Sequence[str] = ("real", "generated"),
    bins: int | None = None,
):
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
        As `sample_distance`; or if `distances` lacks a column or a row.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> real, generated = (rng.normal(size=(30, 16, 16)) for _ in range(2))
    >>> figure = sample_statistics(real, generated)
    """
    if distances is None:
        distances = measured.sample_distance(real, generated, bands)
    found = _distances(distances)
    bands = list(dict.fromkeys(band for _, band in found))
    sets = real, generated
    scalars = [measured.summary_statistics(images) for images in sets]
    spectra = [measured.power_spectrum(images) for images in sets]
    columns = 2 if len(bands) == 1 else 4
    rows = 4 * len(bands) // columns
    figure = new_figure(5.6 * columns, 4.0 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).reshape(len(bands), 4)
    for k, (band, panels) in enumerate(zip(bands, grid, strict=True)):
        _draw_spectra(panels[0], [(x, power[..., k]) for x, power in spectra], names)
        for axes, name in zip(panels[1:3], _SCALARS, strict=True):
            values = [table[name][:, k] for table in scalars]
            _draw_histograms(axes, values, names, bins)
        _draw_pixels(panels[3], sets, k, names)
        statistics = ("power_spectrum", *_SCALARS, "pixel_histogram")
        for axes, name in zip(panels, statistics, strict=True):
            label = "pixel value" if name == "pixel_histogram" else name
            label = "cycles per pixel" if name == "power_spectrum" else label
            start = f"{band}: " if len(bands) > 1 else ""
            axes.set_xlabel(start + _panels.words(label))
            axes.set_title(_verdict(found, name, band), fontsize=12, loc="left")
    _panels.legend(figure, [grid[0, 1]], 2)
    return figure


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


def _pictures(images, real):
    if real is None or real.shape[1:] != images.shape[1:]:
        return display.common_scale(images)
    both = np.concatenate([real, images])
    return display.common_scale(both, n_reference=len(real))[len(real) :]


def _draw_row(panels, name, images):
    for axes, image in zip(panels, images, strict=False):
        axes.imshow(
            image,
            origin="lower",
            interpolation="nearest",
            cmap="gray",
            vmin=0.0,
            vmax=1.0,
        )
    for axes in panels[len(images) :]:
        axes.set_axis_off()
    for axes in panels:
        bare(axes)
        axes.spines[:].set_visible(False)
    panels[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)


def _distances(table):
    _score_table.require(table, "statistic", "band", "unit", *_NUMBERS)
    keys = (_score_table.texts(table, name) for name in ("statistic", "band"))
    numbers = (_score_table.numbers(table, name) for name in _NUMBERS)
    units = _score_table.texts(table, "unit")
    rows = zip(*numbers, units, strict=True)
    return dict(zip(zip(*keys, strict=True), rows, strict=True))


def _verdict(found, statistic, band):
    if (statistic, band) not in found:
        raise ValueError(
            f"`distances` must have a row for {statistic} in each band. "
            f"Received: none for {band}."
        )
    distance, low, high, floor, unit = found[statistic, band]
    if np.isnan(distance):
        return "no distance"
    interval = f" ({low:.2g} to {high:.2g})" if np.isfinite(low + high) else ""
    return f"distance {distance:.2g}{interval} {unit}, floor {floor:.2g}"


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
    bins = bins or round(2 * min(map(len, groups)) ** (1 / 3))
    edges, scale = _panels.robust_edges(groups, [], bins)
    for k, (values, name) in enumerate(zip(groups, names, strict=True)):
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
