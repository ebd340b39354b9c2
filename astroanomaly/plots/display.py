"""From pixels to what the eye can use: stretch, bands, colour."""

import numpy as np
from astropy.visualization import AsinhStretch, make_lupton_rgb

from astroanomaly.tables import columns


def select(cutouts, ids: list[str]):
    """Return the cutouts with these ids, in this order, whatever theirs is.

    Parameters
    ----------
    cutouts : Cutouts or CutoutStream
        A stream is read once from its start, until all ids were met.
    ids : list of str
        The objects wanted.

    Raises
    ------
    ValueError
        If an id is not among the cutouts.
    """
    if hasattr(cutouts, "images"):
        return cutouts[columns.match(cutouts.table, ids, "the cutouts")]
    rows = {name: row for row, name in enumerate(cutouts.object_ids)}
    columns.lookup(rows, ids, "the cutouts")
    return _read(cutouts, ids)


def _read(stream, ids):
    from astroanomaly.data.cutouts import concatenate

    wanted, parts = set(ids), []
    for chunk in stream.chunks(256):
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

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands)
        Linear pixel values in any unit. NaN pixels are shown as sky.

    Returns
    -------
    ndarray of shape (ny, nx) or (ny, nx, 3)
        Three bands give a colour picture after Lupton et al. (2004), first
        band blue and last band red; else the mean of the bands, asinh
        stretched, within [0, 1].
    """
    image = np.asarray(image, np.float64)
    known = np.isfinite(image)
    image = np.where(known, image - _sky(image, known), 0.0)
    mean = image.mean(axis=-1)
    low, high = np.percentile(mean, (1.0, 99.7))
    span = high - low
    if not span > 0:
        return np.zeros(mean.shape)
    if image.shape[-1] != 3:
        return AsinhStretch(0.1)(np.clip((mean - low) / span, 0.0, 1.0))
    blue, green, red = np.moveaxis(image, -1, 0)
    # Astropy divides by the intensity, and then replaces where that was zero.
    with np.errstate(divide="ignore", invalid="ignore"):
        rgb = make_lupton_rgb(red, green, blue, minimum=low, stretch=0.35 * span, Q=6)
    return rgb / 255.0


def _sky(image, known):
    # The median of each band's known pixels, 0 where it has none.
    planes = zip(np.moveaxis(image, -1, 0), np.moveaxis(known, -1, 0), strict=True)
    return np.array([np.median(p[ok]) if ok.any() else 0.0 for p, ok in planes])


def stretched_pictures(
    original: np.ndarray, reconstruction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two images of one object as pictures on one common scale.

    Parameters
    ----------
    original, reconstruction : ndarray of shape (ny, nx, n_bands)
        Already stretched, as the detector sees them.

    Returns
    -------
    tuple of two ndarray of shape (ny, nx) or (ny, nx, 3)
        Within [0, 1]; the original's own range sets black and white.
    """
    first, second = common_scale(np.stack([original, reconstruction]), n_reference=1)
    return first, second


def common_scale(images: np.ndarray, n_reference: int | None = None) -> np.ndarray:
    """Return stretched images as pictures on one scale.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        NaN pixels are taken as 0.
    n_reference : int, optional
        The first images, all by default, whose 0.5th and 99.9th percentile set
        black and white.

    Returns
    -------
    ndarray of shape (n, ny, nx) or (n, ny, nx, 3)
        Within [0, 1].
    """
    images = np.nan_to_num(np.asarray(images, np.float64))
    images = images[..., ::-1] if images.shape[-1] == 3 else images.mean(axis=-1)
    low, high = np.percentile(images[:n_reference], (0.5, 99.9))
    return np.clip((images - low) / max(high - low, 1e-12), 0.0, 1.0)


def residual_plane(residual: np.ndarray) -> np.ndarray:
    """Return the mean of a residual over its bands, shape (..., ny, nx)."""
    return np.nan_to_num(np.asarray(residual, np.float64).mean(axis=-1))


def residual_limit(planes: np.ndarray) -> float:
    """Return the symmetric colour limit for residuals shown side by side."""
    return max(float(np.percentile(np.abs(planes), 99.7)), 1e-6)
