"""Single images as pictures: stretched, in colour, named, with a scale."""

import numpy as np
from astropy.visualization import AsinhStretch, LinearStretch, LogStretch

from astroanomaly.plots.style import bare, new_figure, plain

STRETCHES = {
    "log": LogStretch(100.0),
    "asinh": AsinhStretch(0.1),
    "linear": LinearStretch(),
}
GRAY = {"origin": "lower", "cmap": "gray", "vmin": 0, "vmax": 1}
COLORS = ("blue", "green", "red")
# Lengths of a scale bar, arcsec.
LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)


def one_image(image) -> np.ndarray:
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


def band_labels(image, band_names) -> list[str]:
    """Return what the bands of an image or of cutouts are called."""
    names = getattr(image, "bands", None) or band_names
    n_bands = np.shape(getattr(image, "images", image))[-1:]
    if names is None:
        return [f"band {k}" for k in range(*n_bands)]
    if n_bands and len(names) != n_bands[0]:
        raise ValueError(
            f"`band_names` must name the {n_bands[0]} bands of the image. "
            f"Received: {list(names)}"
        )
    return [str(name) for name in names]


def panel_grid(rows: int, columns: int, shape):
    """Make a figure of bare panels for images of a shape; give both."""
    height = min(max(4.2 * shape[0] / shape[1], 2.5), 9.0)
    figure = new_figure(4.2 * columns + 1.0, rows * height + 0.8)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        bare(axes)
    return panels, figure


def headed(figure, title: str) -> None:
    """Write a heading over a figure, if there is one."""
    if title:
        figure.suptitle(plain(title), fontsize=15)


def number(value: float, limits=None) -> str:
    """Return an output in words, short of the ends that it can only come close to."""
    low, high = limits or (-np.inf, np.inf)
    if value < low + 0.001:
        return f"below {low + 0.001:g}"
    if value > high - 0.001:
        return f"above {high - 0.001:g}"
    return f"{value:.3g}"


def scale_bar(axes, shape, pixel_scale: float | None) -> None:
    """Draw a bar of some arcsec, at most a third of the frame, at the lower left."""
    if not pixel_scale:
        return
    ny, nx = shape[:2]
    fitting = [length for length in LENGTHS if length <= nx * pixel_scale / 3]
    length = fitting[-1] if fitting else LENGTHS[0]
    x, y = 0.05 * nx, 0.06 * ny
    axes.plot([x, x + length / pixel_scale], [y, y], color="white", lw=2.5)
    axes.text(x, y + 0.02 * ny, f'{length:g}"', color="white", size=12, va="bottom")


def gray(image, band: int, stretch: str) -> np.ndarray:
    """Return one band as a picture within [0, 1]."""
    if stretch not in STRETCHES:
        raise ValueError(
            f"`stretch` must be one of {', '.join(STRETCHES)}. Received: {stretch}"
        )
    plane = image[..., known_band(band, image.shape[2], "band")]
    # Faint light begins at the sky and not at the deepest pixel of its noise.
    low, high = np.percentile(plane, (50.0, 99.9))
    fraction = np.clip((plane - low) / max(high - low, 1e-12), 0.0, 1.0)
    return STRETCHES[stretch](fraction)


def known_band(band, n_bands: int, name: str) -> int:
    """Return the index of a band, or name the argument."""
    if int(band) != band or not 0 <= band < n_bands:
        raise ValueError(
            f"`{name}` must be the index of a band, 0 to {n_bands - 1}. "
            f"Received: {band}"
        )
    return int(band)


def color_bands(n_bands: int, bands) -> list[int]:
    """Return the bands of red, green and blue, or one band for grey."""
    if bands is None:
        bands = range(n_bands - 3, n_bands) if n_bands >= 3 else (0,)
    chosen = [known_band(b, n_bands, "bands") for b in np.atleast_1d(list(bands))]
    if len(chosen) not in (1, 3):
        raise ValueError(
            "`bands` must be one band, or three as blue, green and red. "
            f"Received: {chosen}"
        )
    return chosen[::-1]


def color_key(names: list[str], chosen: list[int]) -> str:
    """Tell which band is which colour."""
    pairs = zip(COLORS, chosen[::-1], strict=False)
    if len(chosen) == 1:
        return f"{names[chosen[0]]} gray"
    return ", ".join(f"{names[band]} {color}" for color, band in pairs)


def pictures(images: np.ndarray, chosen: list[int], whole: bool) -> np.ndarray:
    """Return images on one asinh scale, the middle one's range, or 0 to 1 as it is."""
    images = images[..., chosen]
    if not whole:
        low, high = np.percentile(images[1], (1.0, 99.9), axis=(0, 1))
        images = (images - low) / np.maximum(high - low, 1e-12)
    shown = np.clip(images, 0.0, 1.0)
    shown = shown if whole else STRETCHES["asinh"](shown)
    return shown if len(chosen) == 3 else shown[..., 0]
