"""From pixels to what the eye can use: stretch, bands, colour, scale bars."""

import numpy as np
from astropy.visualization import (
    AsinhStretch,
    LinearStretch,
    LogStretch,
    make_lupton_rgb,
)

from astroanomaly.data.orientation import orientations
from astroanomaly.plots.style import bare, new_figure, plain
from astroanomaly.tables import columns

# Asinh's 0.1 is astropy's default; a logarithm of 1000 would lift the noise.
STRETCHES = {
    "log": LogStretch(100.0),
    "asinh": AsinhStretch(0.1),
    "linear": LinearStretch(),
}
# Row 0 is the bottom, as in FITS.
GRAY = {"origin": "lower", "cmap": "gray", "vmin": 0, "vmax": 1}
# Pixels stay visible as squares, so that nobody takes smoothing for structure.
PIXELS = {**GRAY, "interpolation": "nearest"}
# Bands come from short to long wavelength.
COLORS = ("blue", "green", "red")
# Lengths of a scale bar, arcsec.
LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)


def select(cutouts, ids: list[str]):
    """Return the cutouts with these ids, in the order of the ids."""
    if hasattr(cutouts, "images"):
        return cutouts[columns.match(cutouts.table, ids, "the cutouts")]
    from astroanomaly.data.cutouts import concatenate

    # An unknown id is found by the names alone, before any file is read.
    rows = {name: row for row, name in enumerate(cutouts.object_ids)}
    columns.lookup(rows, ids, "the cutouts")
    wanted, parts = set(ids), []
    for chunk in cutouts.chunks(256):
        keep = np.array([name in wanted for name in columns.texts(chunk.table)], bool)
        if keep.any():
            parts.append(chunk[keep])
            wanted -= set(columns.texts(parts[-1].table))
        if not wanted:
            break
    if wanted:
        raise ValueError(
            f"object_id {min(wanted)!r} is in the table but could not be read again."
        )
    found = concatenate(parts)
    return found[columns.match(found.table, ids, "the cutouts")]


def picture(image: np.ndarray) -> np.ndarray:
    """Return linear pixels as a picture with faint light lifted.

    `image` (ny, nx, n_bands): linear pixel values in any unit. NaN pixels are shown as
    sky. Returns (ny, nx): three bands give a colour picture after Lupton et al. (2004),
    first band blue and last band red; else the mean of the bands, asinh stretched,
    within [0, 1].
    """
    image = np.asarray(image, np.float64)
    known = np.isfinite(image)
    planes = zip(np.moveaxis(image, -1, 0), np.moveaxis(known, -1, 0), strict=True)
    sky = [np.median(p[ok]) if ok.any() else 0.0 for p, ok in planes]
    # Less the sky of each band, or a color cast would tint the whole picture.
    image = np.where(known, image - np.array(sky), 0.0)
    mean = image.mean(axis=-1)
    # White is at 99.7 per cent: a single hot pixel must not darken the rest.
    low, high = np.percentile(mean, (1.0, 99.7))
    span = high - low
    if not span > 0:
        return np.zeros(mean.shape)
    if image.shape[-1] != 3:
        return AsinhStretch(0.1)(np.clip((mean - low) / span, 0.0, 1.0))
    # Lupton's Q = 6 and a stretch of a third of the range keep the colours of cores.
    blue, green, red = np.moveaxis(image, -1, 0)
    # Astropy divides by the intensity, and then replaces where that was zero.
    with np.errstate(divide="ignore", invalid="ignore"):
        rgb = make_lupton_rgb(red, green, blue, minimum=low, stretch=0.35 * span, Q=6)
    return rgb / 255.0


def stretched_pictures(
    original: np.ndarray, reconstruction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two images of one object as pictures on one common scale.

    `original`, `reconstruction` (ny, nx, n_bands): already stretched, as the detector
    sees them. Returns (ny, nx): within [0, 1]; the original's own range sets black and
    white.
    """
    first, second = common_scale(np.stack([original, reconstruction]), n_reference=1)
    return first, second


def common_scale(images: np.ndarray, n_reference: int | None = None) -> np.ndarray:
    """Return stretched images as pictures on one scale.

    `images` (n, ny, nx, n_bands): NaN pixels are taken as 0; `n_reference`: the first
    images, all by default, whose 0.5th and 99.9th percentile set black and white.
    Returns (n, ny, nx): within [0, 1].
    """
    images = np.nan_to_num(np.asarray(images, np.float64))
    # First band blue, last red: red comes first in a picture.
    images = images[..., ::-1] if images.shape[-1] == 3 else images.mean(axis=-1)
    low, high = np.percentile(images[:n_reference], (0.5, 99.9))
    return np.clip((images - low) / max(high - low, 1e-12), 0.0, 1.0)


def residual_plane(residual: np.ndarray) -> np.ndarray:
    """Return the mean of a residual over its bands, shape (..., ny, nx)."""
    return np.nan_to_num(np.asarray(residual, np.float64).mean(axis=-1))


def residual_limit(planes: np.ndarray) -> float:
    """Return the symmetric colour limit for residuals shown side by side."""
    # A single hot pixel must not make all other residuals pale.
    return max(float(np.percentile(np.abs(planes), 99.7)), 1e-6)


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
    """Return the names of the bands of an image or of cutouts."""
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
    """Return bare panels for images of a shape, and their figure."""
    # Panels of very flat or high images stay legible.
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
    """Return an output as words: "above 0.999" where it comes close to a limit."""
    low, high = limits or (-np.inf, np.inf)
    if value < low + 0.001:
        return f"below {low + 0.001:g}"
    if value > high - 0.001:
        return f"above {high - 0.001:g}"
    return columns.shown(value, ".3g")


def scale_bar(axes, shape, pixel_scale: float | None) -> None:
    """Draw a bar of some arcsec, at most a third of the frame, at the lower left."""
    if not pixel_scale:
        return
    ny, nx = shape[:2]
    # A bar longer than a third would hide the object.
    fitting = [length for length in LENGTHS if length <= nx * pixel_scale / 3]
    length = fitting[-1] if fitting else LENGTHS[0]
    x, y = 0.05 * nx, 0.06 * ny
    axes.plot([x, x + length / pixel_scale], [y, y], color="white", lw=2.5)
    axes.text(x, y + 0.02 * ny, f'{length:g}"', color="white", size=12, va="bottom")


def compasses(panels, table, shape) -> None:
    """Draw north and east on the panels of objects whose file has a WCS.

    Once, on the first panel, where all objects are known and turned alike.
    """
    arrows = orientations(table) if len(table) else []
    known = [one for one in arrows if one is not None]
    if not known:
        return
    # Less than a degree cannot be seen in a short arrow.
    if len(known) == len(arrows) and np.ptp(known, axis=0).max() < np.radians(1):
        arrows = arrows[:1]
    for axes, directions in zip(panels, arrows, strict=False):
        if directions is not None:
            compass(axes, shape, directions)


def compass(axes, shape, directions) -> None:
    """Draw arrows to north and east of the image at the upper right."""
    ny, nx = shape[:2]
    length = 0.13 * min(ny, nx)
    # The corner stays free in all turns: an arrow and its letter on each side.
    start = np.array([nx - 0.5, ny - 0.5]) - 1.8 * length
    for name, direction in zip("NE", directions, strict=True):
        axes.annotate(
            "",
            start + length * direction,
            start,
            arrowprops={"arrowstyle": "->", "color": "white", "lw": 1.5},
        )
        place = start + 1.4 * length * direction
        axes.text(*place, name, color="white", size=9, ha="center", va="center")


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
        # The reddest three: colors as the eye orders them.
        bands = range(n_bands - 3, n_bands) if n_bands >= 3 else (0,)
    chosen = [known_band(b, n_bands, "bands") for b in np.atleast_1d(list(bands))]
    if len(chosen) not in (1, 3):
        raise ValueError(
            "`bands` must be one band, or three as blue, green and red. "
            f"Received: {chosen}"
        )
    return chosen[::-1]


def color_key(names: list[str], chosen: list[int]) -> str:
    """Return which band is which colour, in words."""
    pairs = zip(COLORS, chosen[::-1], strict=False)
    if len(chosen) == 1:
        return f"{names[chosen[0]]} gray"
    return ", ".join(f"{names[band]} {color}" for color, band in pairs)


def pictures(images: np.ndarray, chosen: list[int], whole: bool) -> np.ndarray:
    """Return images on one asinh scale, the middle one's range, or 0 to 1 as it is."""
    images = images[..., chosen]
    if not whole:
        # The middle image is the unchanged one: the others are read against it.
        low, high = np.percentile(images[1], (1.0, 99.9), axis=(0, 1))
        images = (images - low) / np.maximum(high - low, 1e-12)
    shown = np.clip(images, 0.0, 1.0)
    shown = shown if whole else STRETCHES["asinh"](shown)
    return shown if len(chosen) == 3 else shown[..., 0]
