"""What every look into a network asks of its arguments."""

from numbers import Integral

import numpy as np
from astropy.stats import sigma_clipped_stats


def check_image(image) -> np.ndarray:
    """Return one image as float32, or say what is wrong with it."""
    image = np.asarray(image, np.float32)
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(
            "`image` must be one image of shape (ny, nx, n_bands). "
            f"Received: shape {image.shape}"
        )
    n_bad = int((~np.isfinite(image)).sum())
    if n_bad:
        raise ValueError(
            "`image` must hold finite pixels only; fill the others first. "
            f"Received: {n_bad} that are not"
        )
    return image


def check_whole(name: str, value, least: int = 1, most: int | None = None) -> int:
    """Return a whole number within its range, or name the argument."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limit = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be a whole number {limit}. Received: {value}")
    return int(value)


def check_positive(name: str, value) -> float:
    """Return a positive finite number, or name the argument."""
    if not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be above 0 and finite. Received: {value}")
    return float(value)


def sky_level(image: np.ndarray) -> np.ndarray:
    """Return the sky of each band, from the image's border.

    The border is a frame a tenth of the shorter side wide, at least one pixel. Its
    median after astropy's 3 sigma clipping is the sky: an object that reaches the
    border does not move it as long as most of the frame is free.

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands)
        Finite pixels.

    Returns
    -------
    ndarray of shape (n_bands,)
        In the image's unit, float32.
    """
    width = max(min(image.shape[:2]) // 10, 1)
    border = np.ones(image.shape[:2], bool)
    border[width:-width, width:-width] = False
    pixels = image[border].astype(np.float64)
    return sigma_clipped_stats(pixels, sigma=3.0, axis=0)[1].astype(np.float32)


def fill_levels(fill, image: np.ndarray) -> np.ndarray:
    """Return what hides each band's pixels, float32 of shape (n_bands,)."""
    if isinstance(fill, str):
        if fill != "sky":
            raise ValueError(
                '`fill` must be "sky", a number or one number per band. '
                f"Received: {fill!r}"
            )
        return sky_level(image)
    levels = np.asarray(fill, np.float32)
    if levels.shape not in ((), (image.shape[2],)) or not np.isfinite(levels).all():
        raise ValueError(
            f'`fill` must be "sky", a finite number or one per band, which are '
            f"{image.shape[2]}. Received: {fill}"
        )
    return np.broadcast_to(levels, image.shape[2:]).copy()


def hidden_bands(bands, n_bands: int, names) -> tuple[np.ndarray, list | None]:
    """Tell which bands each map hides.

    Parameters
    ----------
    bands : None, "each", int, str or sequence of them
        As :func:`astroanomaly.interpret.occlusion_map` takes it.
    n_bands : int
        Bands of the image.
    names : sequence of str or None
        Their names.

    Returns
    -------
    hidden : ndarray of shape (n_maps, n_bands)
        Booleans.
    labels : list of str or None
        What each map is called; None where one map is meant and not a stack.
    """
    if names is not None and len(names) != n_bands:
        raise ValueError(
            f"`band_names` must name the {n_bands} bands of the image. "
            f"Received: {list(names)}"
        )
    if bands is None:
        return np.ones((1, n_bands), bool), None
    if isinstance(bands, str) and bands == "each":
        bands = range(n_bands)
    single = isinstance(bands, str | Integral)
    chosen = [_band(b, n_bands, names) for b in ([bands] if single else bands)]
    if not chosen:
        raise ValueError("`bands` must hold at least one band. Received: none")
    labels = [str(names[b]) if names is not None else str(b) for b in chosen]
    return np.eye(n_bands, dtype=bool)[chosen], None if single else labels


def _band(band, n_bands: int, names) -> int:
    if isinstance(band, Integral) and 0 <= band < n_bands:
        return int(band)
    if names is not None and band in list(names):
        return list(names).index(band)
    known = ", ".join(map(str, names)) if names is not None else "without names"
    raise ValueError(
        f"`bands` must be bands of the image: 0 to {n_bands - 1} ({known}). "
        f"Received: {band!r}"
    )
