"""What a network sees: occlusion maps, dreams, Grad-CAM, what filters look for."""

import numpy as np
from astropy.visualization import AsinhStretch, LinearStretch, LogStretch
from matplotlib.colors import CenteredNorm

from ._style import INK, bare, new_figure, plain, styled

# Blue below the centre, red above it.
CHANGE_MAP, HEAT_MAP = "RdBu_r", "inferno"
STRETCHES = {
    "log": LogStretch(100.0),
    "asinh": AsinhStretch(0.1),
    "linear": LinearStretch(),
}
LENS_LABELS = ("lens feature", "non-lens feature")
ANOMALY_LABELS = ("makes it strange", "makes it ordinary")


@styled
def occlusion(
    image,
    result,
    band: int = 0,
    *,
    stretch: str = "log",
    output_label: str = "P(lens)",
    labels: tuple[str, str] = LENS_LABELS,
    band_names=None,
):
    """Show an image and what hiding each part of it does to an output.

    After figure 3 of Wilde et al. (2022, arXiv:2202.12776).

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands) or Cutouts
        The image of the map, or cutouts that hold one object.
    result : OcclusionMap
        What `interpret.occlusion_map` returned; each of several maps gets a panel.
    band : int
        The band shown on the left.
    stretch : {"log", "asinh", "linear"}
        How faint light is lifted there.
    output_label : str
        Name of the output.
    labels : tuple of two str
        What parts are called that lower and that raise the output when hidden;
        ``plots.interpret.ANOMALY_LABELS`` for an anomaly score.
    band_names : sequence of str, optional
        Names of the image's bands; those of cutouts are known.

    Returns
    -------
    matplotlib.figure.Figure
        The colours are centred on the output of the unmasked image: blue where the
        output falls when a part is hidden, red where it rises. Several maps
        share one scale. The colour bar shows the output's values, the unmasked one
        in its title.

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
    band_names = getattr(image, "bands", None) or band_names
    image = _image(image)
    maps = result.map if result.map.ndim == 3 else result.map[None]
    if maps.shape[1:] != image.shape[:2]:
        raise ValueError(
            "`result` must hold maps of the image's size, "
            f"{image.shape[:2]}, made with resample=True. Received: {maps.shape[1:]}"
        )
    shown = _gray(image, band, stretch)
    names = result.bands or [""] * len(maps)
    panels, figure = _row(1 + len(maps), image.shape)
    panels[0].imshow(shown, origin="lower", cmap="gray", vmin=0, vmax=1)
    panels[0].set_title(plain(band_names[band]) if band_names else f"band {band}")
    limit = max(float(np.abs(maps - result.output).max()), 1e-6)
    norm = CenteredNorm(result.output, limit)
    for axes, one, name in zip(panels[1:], maps, names, strict=True):
        drawn = axes.imshow(one, origin="lower", cmap=CHANGE_MAP, norm=norm)
        axes.set_title(
            plain(f"{name} hidden") if name else f"{output_label} when hidden"
        )
    bar = figure.colorbar(drawn, ax=panels, shrink=0.85, aspect=22)
    bar.ax.axhline(result.output, color=INK, lw=1.6)
    bar.set_label(f"{output_label}, unmasked {result.output:.3g}")
    for y, va, text in ((0.0, "top", labels[0]), (1.0, "bottom", labels[1])):
        shift = -0.03 if va == "top" else 0.03
        bar.ax.text(
            0.5,
            y + shift,
            text,
            transform=bar.ax.transAxes,
            ha="center",
            va=va,
            size=12,
        )
    return figure


@styled
def dreams(
    non_lens, image, lens, *, bands=None, names=("non-lens", "original", "lens")
):
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

    Returns
    -------
    matplotlib.figure.Figure
        Three panels on one asinh scale, that of the original's range; the output stands
        below where the dreams know it.

    Raises
    ------
    ValueError
        If the images are not of one shape or a band is unknown.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((16, 16, 4))
    >>> figure = dreams(image * 0.5, image, image**0.5)
    """
    images = [_image(getattr(one, "image", one)) for one in (non_lens, image, lens)]
    if len({one.shape for one in images}) > 1:
        raise ValueError(
            "`non_lens`, `image` and `lens` must have one shape. "
            f"Received: {[one.shape for one in images]}"
        )
    shown = _pictures(np.stack(images), _color_bands(images[1].shape[2], bands))
    panels, figure = _row(3, images[1].shape)
    outputs = _outputs(non_lens, lens)
    for axes, one, name, value in zip(panels, shown, names, outputs, strict=True):
        axes.imshow(one, origin="lower", cmap="gray", vmin=0, vmax=1)
        axes.set_title(name)
        axes.set_xlabel("" if value is None else f"output {value:.3g}")
    return figure


@styled
def grad_cam(image, heat, guided=None, *, band: int = 0, stretch: str = "log"):
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

    Returns
    -------
    matplotlib.figure.Figure
        The image, and the heat laid over it on its own scale from 0.

    Raises
    ------
    ValueError
        If a shape does not fit the image, or the band or the stretch is unknown.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((16, 16, 2))
    >>> figure = grad_cam(image, image[..., 0], image - 0.5)
    """
    image, heat = _image(image), np.asarray(heat, np.float64)
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
    shown = _gray(image, band, stretch)
    panels, figure = _row(2 if guided is None else 3, image.shape)
    for axes, title in zip(panels, ("image", "Grad-CAM", "guided"), strict=False):
        axes.set_title(title)
    for axes in panels[:2]:
        axes.imshow(shown, origin="lower", cmap="gray", vmin=0, vmax=1)
    top = max(float(heat.max()), 1e-12)
    laid = panels[1].imshow(
        heat, origin="lower", cmap=HEAT_MAP, vmin=0, vmax=top, alpha=0.6
    )
    figure.colorbar(laid, ax=panels[1], shrink=0.8, label="heat")
    if guided is not None:
        plane = np.asarray(guided, np.float64).mean(axis=2)
        limit = max(float(np.percentile(np.abs(plane), 99.7)), 1e-12)
        drawn = panels[2].imshow(
            plane, origin="lower", cmap=CHANGE_MAP, norm=CenteredNorm(0, limit)
        )
        figure.colorbar(drawn, ax=panels[2], shrink=0.8, label="mean of the bands")
    return figure


@styled
def filter_images(found, columns: int = 3, *, bands=None):
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
    chosen, rows = _color_bands(found.images.shape[3], bands), -(-n // columns)
    figure = new_figure(2.1 * columns, 2.4 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    for k, axes in enumerate(grid[:n]):
        one = np.asarray(found.images[k], np.float64)[..., chosen]
        low, high = one.min(), one.max()
        shown = (one - low) / max(high - low, 1e-12)
        axes.imshow(
            shown if len(chosen) == 3 else shown[..., 0],
            origin="lower",
            cmap="gray",
            vmin=0,
            vmax=1,
        )
        silent = bool(found.before[k] == found.after[k])
        axes.set_title(
            f"{found.filters[k]}" + ", no response" * silent, fontsize=11, pad=4
        )
        bare(axes)
    figure.suptitle(plain(f"filters of {found.layer}"), fontsize=13)
    return figure


def _image(image) -> np.ndarray:
    """Return one image in its linear or stretched pixels, NaN as 0."""
    pixels = getattr(image, "images", image)
    pixels = pixels[0] if pixels is not image and len(pixels) == 1 else pixels
    pixels = np.asarray(pixels, np.float64)
    if pixels.ndim != 3:
        raise ValueError(
            "`image` must be one image of shape (ny, nx, n_bands). "
            f"Received: shape {pixels.shape}"
        )
    return np.nan_to_num(pixels)


def _row(n: int, shape):
    """Make a row of n panels for images of a shape."""
    height = 4.2 * shape[0] / shape[1]
    figure = new_figure(4.2 * n + 1.0, min(max(height, 2.5), 9.0) + 0.8)
    panels = figure.subplots(1, n, squeeze=False)[0]
    for axes in panels:
        bare(axes)
    return panels, figure


def _gray(image, band: int, stretch: str) -> np.ndarray:
    if stretch not in STRETCHES:
        raise ValueError(
            f"`stretch` must be one of {', '.join(STRETCHES)}. Received: {stretch}"
        )
    plane = image[..., _known(band, image.shape[2], "band")]
    # Faint light begins at the sky and not at the deepest pixel of its noise.
    low, high = np.percentile(plane, (50.0, 99.9))
    fraction = np.clip((plane - low) / max(high - low, 1e-12), 0.0, 1.0)
    return STRETCHES[stretch](fraction)


def _known(band, n_bands: int, name: str) -> int:
    if int(band) != band or not 0 <= band < n_bands:
        raise ValueError(
            f"`{name}` must be the index of a band, 0 to {n_bands - 1}. "
            f"Received: {band}"
        )
    return int(band)


def _color_bands(n_bands: int, bands) -> list[int]:
    """Return the bands of red, green and blue, or one band for grey."""
    if bands is None:
        bands = range(n_bands - 3, n_bands) if n_bands >= 3 else (0,)
    chosen = [_known(b, n_bands, "bands") for b in np.atleast_1d(list(bands))]
    if len(chosen) not in (1, 3):
        raise ValueError(
            "`bands` must be one band, or three as blue, green and red. "
            f"Received: {chosen}"
        )
    return chosen[::-1]


def _pictures(images: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Return stretched images on one asinh scale, the middle one's range."""
    images = images[..., chosen]
    low, high = np.percentile(images[1], (1.0, 99.9), axis=(0, 1))
    shown = (images - low) / np.maximum(high - low, 1e-12)
    shown = STRETCHES["asinh"](np.clip(shown, 0.0, 1.0))
    return shown if len(chosen) == 3 else shown[..., 0]


def _outputs(non_lens, lens) -> list:
    """Return the outputs of the three images, None where they are not known."""
    ends = [getattr(one, "history", [None])[-1] for one in (non_lens, lens)]
    started = getattr(lens, "history", getattr(non_lens, "history", [None]))
    return [ends[0], started[0], ends[1]]
