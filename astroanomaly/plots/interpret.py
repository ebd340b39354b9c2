"""What a network sees: occlusion maps, dreams, Grad-CAM, what filters look for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.units import Quantity
from matplotlib.cm import ScalarMappable
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.ticker import MaxNLocator

from astroanomaly.plots.display import (
    GRAY,
    band_labels,
    color_bands,
    color_key,
    compasses,
    gray,
    headed,
    number,
    one_image,
    panel_grid,
    pictures,
    scale_bar,
)
from astroanomaly.plots.style import INK, bare, new_figure, plain, styled
from astroanomaly.utils.units import without_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.interpret.dreams import Dream, FilterImages
    from astroanomaly.interpret.occlusion import OcclusionMap

# Blue below the centre, red above it.
CHANGE_MAP, HEAT_MAP = "RdBu_r", "inferno"
# Hiding a part that speaks for a lens lowers P(lens); one against it raises it.
LENS_LABELS = ("lens feature", "non-lens feature")
# Of the two signs: a score rises or falls where a part is hidden.
ANOMALY_LABELS = ("makes it strange", "makes it ordinary")


@styled
def occlusion(
    image: np.ndarray | Cutouts,
    result: OcclusionMap,
    band: int = 0,
    *,
    stretch: str = "log",
    output_label: str = "P(lens)",
    labels: tuple[str, str] = LENS_LABELS,
    limits: tuple[float, float] | None = None,
    band_names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Show an image and what hiding each part of it does to an output.

    After figure 3 of Wilde et al. (2022, arXiv:2202.12776).

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands) or Cutouts
        The image of the map, or cutouts that hold one object.
    result : OcclusionMap
        What `interpret.occlusion_map` returned. One map stands beside the image;
        of several, each stands below the band that it hides.
    band : int
        The band shown beside one map.
    stretch : {"log", "asinh", "linear"}
        How faint light is lifted there.
    output_label : str
        Name of the output.
    labels : tuple of two str
        Names of the parts that lower and that raise the output when hidden;
        ``plots.interpret.ANOMALY_LABELS`` for an anomaly score.
    limits : tuple of two float, optional
        Lowest and highest possible output, (0, 1) for a probability: the colour bar
        ends there.
    band_names : sequence of str, optional
        Names of the image's bands; those of cutouts are known.
    title : str
        Heading, such as the name of the object.

    Returns
    -------
    matplotlib.figure.Figure
        The colours are centred on the output of the unmasked image: blue where the
        output falls when a part is hidden, red where it rises. Several maps share one
        scale; it reaches at least 1 per cent of the output (of the limits, where they
        are given) to each side, so that what hardly changes stays pale. The colour bar
        shows the output's values, the unmasked one in its title. Cutouts of known pixel
        scale get a bar of some arcsec.

    Raises
    ------
    ValueError
        If the image and the map are not of one size, the band is unknown or the
        stretch is.

    Examples
    --------
    >>> from astroanomaly.interpret import occlusion_map
    >>> image = np.random.default_rng(0).random((16, 16, 2))
    >>> result = occlusion_map(lambda x: x[:, 4:8, 4:8].mean(axis=(1, 2, 3)), image)
    >>> figure = occlusion(image, result)
    """
    names, arcsec = band_labels(image, band_names), getattr(image, "pixel_scale", None)
    table = getattr(image, "table", ())
    image = one_image(image)
    maps = result.map if result.map.ndim == 3 else result.map[None]
    if maps.shape[1:] != image.shape[:2]:
        raise ValueError(
            "`result` must hold maps of the image's size, "
            f"{image.shape[:2]}, made with resample=True. Received: {maps.shape[1:]}"
        )
    several = result.bands is not None
    shown = [band]
    if several:
        # Maps go by the name of the hidden band, or else by its number.
        shown = [names.index(b) if b in names else int(b) for b in result.bands]
    rows, columns = (2, len(maps)) if several else (1, 2)
    panels, figure = panel_grid(rows, columns, image.shape)
    panels = panels.reshape(2, -1)
    for axes, chosen in zip(panels[0], shown, strict=True):
        axes.imshow(gray(image, chosen, stretch), **GRAY)
        axes.set_title(plain(names[chosen]))
    scale_bar(panels[0, 0], image.shape, arcsec)
    compasses(panels[0], table, image.shape)
    # A map that hardly changes must stay pale: at least 1 per cent to each side.
    scale = abs(result.output) if limits is None else limits[1] - limits[0]
    limit = max(float(np.abs(maps - result.output).max()), 0.01 * scale, 1e-6)
    norm = CenteredNorm(result.output, limit)
    for axes, one, chosen in zip(panels[1], maps, shown, strict=True):
        drawn = axes.imshow(one, origin="lower", cmap=CHANGE_MAP, norm=norm)
        what = f"{names[chosen]} hidden" if several else f"{output_label} when hidden"
        axes.set_title(plain(what))
    size = result.mask_size
    panels[1, 0].set_xlabel(f"{size} x {size} pixels hidden at a time")
    bar = figure.colorbar(drawn, ax=panels, shrink=0.85, aspect=22)
    if limits is not None:
        low, high = bar.ax.get_ylim()
        bar.ax.set_ylim(max(low, limits[0]), min(high, limits[1]))
    bar.ax.axhline(result.output, color=INK, lw=1.6)
    bar.set_label(f"{output_label}, unmasked {number(result.output, limits)}")
    for y, va, text in ((-0.03, "top", labels[0]), (1.03, "bottom", labels[1])):
        place = {"transform": bar.ax.transAxes, "ha": "center", "va": va}
        bar.ax.text(0.5, y, text, size=12, **place)
    headed(figure, title)
    return figure


@styled
def dreams(
    non_lens: Dream | np.ndarray,
    image: np.ndarray,
    lens: Dream | np.ndarray,
    *,
    bands: Sequence[int] | None = None,
    names: tuple[str, str, str] = ("non-lens", "original", "lens"),
    whole: bool = False,
    output_label: str = "P(lens)",
    limits: tuple[float, float] | None = None,
    band_names: Sequence[str] | None = None,
    pixel_scale: float | Quantity | None = None,
    title: str = "",
) -> Figure:
    """Show an image between its two dreams.

    After figure 4 of Wilde et al. (2022, arXiv:2202.12776).

    Parameters
    ----------
    non_lens, lens : Dream or ndarray of shape (ny, nx, n_bands)
        What `interpret.deep_dream` returned toward non-lens and toward lens.
    image : ndarray of shape (ny, nx, n_bands)
        The image that both started from, within [0, 1].
    bands : tuple of int, optional
        The bands shown as blue, green and red; by default the last three (for VIS, Y,
        J, H the three of NISP), or the first band in grey where there are less than
        three. One index shows this band in grey.
    names : tuple of three str
        Titles.
    whole : bool
        Show 0 to 1 as it is, for dreams from noise, and not the asinh of the
        original's range.
    output_label : str
        Name of the output.
    limits : tuple of two float, optional
        Lowest and highest possible output, (0, 1) for a probability.
    band_names : sequence of str, optional
        Names of the image's bands, to tell which is which colour.
    pixel_scale : float or Quantity, optional
        Arcsec per pixel, for a bar of some arcsec.
    title : str
        Heading, such as the name of the object.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels on one scale; the output stands below where the dreams know it.
        Under each dream, what it added (red) and took (blue), the mean over all bands.

    Raises
    ------
    ValueError
        If the images are not of one shape or a band is unknown.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((16, 16, 4))
    >>> figure = dreams(image * 0.5, image, image**0.5)
    """
    images = [one_image(getattr(one, "image", one)) for one in (non_lens, image, lens)]
    if len({one.shape for one in images}) > 1:
        raise ValueError(
            "`non_lens`, `image` and `lens` must have one shape. "
            f"Received: {[one.shape for one in images]}"
        )
    chosen = color_bands(images[1].shape[2], bands)
    shown = pictures(np.stack(images), chosen, whole)
    panels, figure = panel_grid(2, 3, images[1].shape)
    # The outputs of the three images, None where they are not known.
    ends = [getattr(one, "history", [None])[-1] for one in (non_lens, lens)]
    started = getattr(lens, "history", getattr(non_lens, "history", [None]))
    outputs = [ends[0], started[0], ends[1]]
    for axes, one, name, value in zip(panels[0], shown, names, outputs, strict=True):
        axes.imshow(one, **GRAY)
        axes.set_title(plain(name))
        text = "" if value is None else f"{output_label} {number(value, limits)}"
        axes.set_xlabel(text)
    scale = without_unit(pixel_scale, "pixel_scale", "arcsec", "arcsec / pix")
    scale_bar(panels[0, 1], images[1].shape, scale)
    labels = band_labels(images[1], band_names)
    # Below: what both dreams changed, and in the middle what the colours mean.
    planes = [(one - images[1]).mean(axis=2) for one in (images[0], images[2])]
    limit = max(float(np.percentile(np.abs(planes), 99.7)), 1e-12)
    left, middle, right = panels[1]
    for axes, plane in zip((left, right), planes, strict=True):
        drawn = axes.imshow(
            plane, origin="lower", cmap=CHANGE_MAP, norm=CenteredNorm(0, limit)
        )
        axes.set_title("change")
    middle.set_axis_off()
    place = middle.inset_axes((0.05, 0.45, 0.9, 0.07))
    ticks = MaxNLocator(5)
    figure.colorbar(drawn, cax=place, orientation="horizontal", ticks=ticks)
    place.set_title("change, mean of all bands", size=13)
    key = f"colors: {plain(color_key(labels, chosen))}"
    middle.text(0.5, 0.85, key, transform=middle.transAxes, ha="center", size=13)
    headed(figure, title)
    return figure


@styled
def grad_cam(
    image: np.ndarray | Cutouts,
    heat: np.ndarray,
    guided: np.ndarray | None = None,
    *,
    band: int = 0,
    stretch: str = "log",
    band_names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Show where the maps of a layer speak for a class.

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands) or Cutouts
        The image.
    heat : ndarray of shape (ny, nx)
        What `interpret.grad_cam` returned.
    guided : ndarray of shape (ny, nx, n_bands), optional
        What `interpret.guided_grad_cam` returned, for a third panel: its mean over
        the bands, colours centred on zero.
    band : int
        The band shown.
    stretch : {"log", "asinh", "linear"}
        How faint light is lifted.
    band_names : sequence of str, optional
        Names of the image's bands; those of cutouts are known.
    title : str
        Heading, such as the name of the object.

    Returns
    -------
    matplotlib.figure.Figure
        The image, and the heat laid over it on its own scale from 0. Cutouts of known
        pixel scale get a bar of some arcsec.

    Raises
    ------
    ValueError
        If a shape does not fit the image, or the band or the stretch is unknown.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((16, 16, 2))
    >>> figure = grad_cam(image, image[..., 0], image - 0.5)
    """
    names, arcsec = band_labels(image, band_names), getattr(image, "pixel_scale", None)
    table = getattr(image, "table", ())
    image, heat = one_image(image), np.asarray(heat, np.float64)
    if heat.shape != image.shape[:2]:
        raise ValueError(
            f"`heat` must have the image's shape {image.shape[:2]}. "
            f"Received: {heat.shape}"
        )
    if guided is not None and np.shape(guided) != image.shape:
        raise ValueError(
            f"`guided` must have the image's shape {image.shape}. "
            f"Received: {np.shape(guided)}"
        )
    shown = gray(image, band, stretch)
    panels, figure = panel_grid(1, 2 if guided is None else 3, image.shape)
    panels = panels[0]
    titles = (plain(names[band]), "Grad-CAM", "guided Grad-CAM")
    for axes, text in zip(panels, titles, strict=False):
        axes.set_title(text)
    for axes in panels[:2]:
        axes.imshow(shown, **GRAY)
    scale_bar(panels[0], image.shape, arcsec)
    compasses(panels, table, image.shape)
    top = max(float(heat.max()), 1e-12)
    scale = {"origin": "lower", "cmap": HEAT_MAP, "vmin": 0, "vmax": top}
    # The image stays to be seen where there is no heat.
    panels[1].imshow(heat, **scale, alpha=0.15 + 0.6 * heat / top)
    bar = ScalarMappable(Normalize(0, top), HEAT_MAP)
    figure.colorbar(bar, ax=panels[1], shrink=0.8, label="heat, units of the output")
    if guided is not None:
        plane = np.asarray(guided, np.float64).mean(axis=2)
        limit = max(float(np.percentile(np.abs(plane), 99.7)), 1e-12)
        drawn = panels[2].imshow(
            plane, origin="lower", cmap=CHANGE_MAP, norm=CenteredNorm(0, limit)
        )
        figure.colorbar(
            drawn, ax=panels[2], shrink=0.8, label="guided heat, mean of the bands"
        )
    headed(figure, title)
    return figure


@styled
def filter_images(
    found: FilterImages, columns: int = 3, *, bands: Sequence[int] | None = None
) -> Figure:
    """Show the images that most excite the filters of a layer.

    Parameters
    ----------
    found : FilterImages
        What `interpret.filter_images` returned.
    columns : int
        Pictures in a row.
    bands : tuple of int, optional
        As for :func:`dreams`.

    Returns
    -------
    matplotlib.figure.Figure
        Each image on its own linear scale, with the filter's number; "no response"
        where the image answers no better than the noise it began as.

    Raises
    ------
    ValueError
        If a band is unknown or `columns` is not positive.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> images = np.random.default_rng(0).random((2, 8, 8, 3))
    >>> means = np.arange(2.0)
    >>> found = SimpleNamespace(
    ...     images=images, filters=[0, 1], before=means, after=means + 1, layer="conv_1"
    ... )
    >>> figure = filter_images(found)
    """
    if int(columns) != columns or columns < 1:
        raise ValueError(f"`columns` must be a whole number >= 1. Received: {columns}")
    n, columns = len(found.images), min(int(columns), len(found.images))
    chosen, rows = color_bands(found.images.shape[3], bands), -(-n // columns)
    figure = new_figure(2.1 * columns, 2.4 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    for k, axes in enumerate(grid[:n]):
        one = np.asarray(found.images[k], np.float64)[..., chosen]
        low, high = one.min(), one.max()
        shown = (one - low) / max(high - low, 1e-12)
        axes.imshow(shown if len(chosen) == 3 else shown[..., 0], **GRAY)
        silent = bool(found.before[k] == found.after[k])
        axes.set_title(
            f"{found.filters[k]}" + ", no response" * silent, fontsize=11, pad=4
        )
        bare(axes)
    figure.suptitle(plain(f"filters of {found.layer}"), fontsize=13)
    return figure
