"""Anomalies planted in images of ordinary objects, in linear pixels of any bands."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy import ndimage

from astroanomaly.simulate.border import border_sky

__all__ = ["KINDS", "plant"]

# A new kind comes last: the seed of each counts from its place.
KINDS = (
    "companion",
    "streak",
    "missing_half",
    "bump",
    "faint_companion",
    "clump",
    "distortion",
)
# Streaks and missing halves are artefacts of the whole frame, which the check of frames
# names: what finds them best finds other objects worse.
SOUGHT = ("companion", "bump", "faint_companion", "clump", "distortion")
# Lengths are shares of the frame's side, so that other sizes show the same objects.
# A companion is resolved and beside the object, a bump a point of light on it, off its
# nucleus: 1.3 pixels of a frame of 64, the width of a well sampled PSF.
COMPANION_WIDTH, SEPARATION = (0.025, 0.05), (0.15, 0.35)
FLUX_RATIO = (0.1, 1.0)
# Down to what no score finds, and nearer, so that good scores differ.
FAINT_RATIO, FAINT_SEPARATION = (0.02, 0.2), (0.1, 0.35)
# A clump is as wide as a spiral arm, and gains or loses this share of the light.
CLUMP_WIDTH, CLUMP_SHARE = (0.03, 0.1), (0.2, 0.6)
# A distortion shifts light by up to a pixel of a frame of 64, within ten pixels.
SHIFT, REACH = (0.005, 0.02), 0.05
# The largest value of k exp(-k^2 / 16) / (k + 1), at k = 1.716.
_LARGEST_SHIFT = 0.5256
# Both lie where the smoothed light has at least this share of its peak.
BRIGHT = 0.3
BUMP_WIDTH, BUMP_REACH = 0.02, (0.05, 0.15)
STREAK_WIDTH = 0.015
# In units of the sky's noise: from what an eye just sees to what none misses.
STREAK_PEAK = (3.0, 15.0)
# In units of the object's own peak, against whose light it must be seen.
BUMP_PEAK = (0.2, 1.0)
# In units of the noise, on a faint object too, or nobody could find it.
LEAST_PEAK = 5.0
# The object's own flux and peak are those within this radius; most have none beyond.
APERTURE = 0.25


def plant(
    images: np.ndarray, kinds: Sequence[str] = KINDS, seed: int = 0
) -> tuple[np.ndarray, Table]:
    """Plant one anomaly of each kind in a copy of every image.

    - ``companion``: a second, round source (a Gaussian of 2.5 to 5 per cent of the
      side) of 0.1 to 1 times the object's flux and of its color, 15 to 35 per cent of
      the side from the center. Its peak has at least 5 times the noise in one band.
    - ``streak``: a straight line through the middle of the frame in one band, as a
      satellite leaves it, 3 to 15 times the noise.
    - ``missing_half``: one half of the frame is 0 in all bands, as beyond the edge of a
      detector.
    - ``bump``: a point of light (a Gaussian of 2 per cent of the side) on the object, 5
      to 15 per cent of the side from the center, with 0.2 to 1 times the object's peak
      in every band, and 5 times the noise at least.
    - ``faint_companion``: as a companion, of 0.02 to 0.2 times the flux, 10 to 35 per
      cent of the side from the center, and as faint as that makes it.
    - ``clump``: a bright place of the object (a Gaussian of 3 to 10 per cent of the
      side) is 20 to 60 per cent brighter or fainter.
    - ``distortion``: around a bright place light is moved outward, by up to 0.5 to 2
      per cent of the side, as behind a small mass; no light is added.

    Flux ratios, peaks and shifts are drawn log-uniformly. Level and noise of the sky
    are the median and the median absolute deviation of a border of an eighth of the
    side; an image without noise gets a hundredth of its peak for it.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Ordinary objects in linear pixels, as the reader gives them.
    kinds : sequence of str, optional
        Which kinds; all by default.
    seed : int, optional
        Same seed, same bits; image i gets the same for any n and any choice of kinds.

    Returns
    -------
    images : ndarray of shape (n * len(kinds), ny, nx, n_bands)
        The images with what was planted, kind by kind.
    truth : Table
        `kind`; `host`, the image's number; `strength`: the ratio of the fluxes or the
        peaks, a streak's peak in units of the noise, the share that is missing, a
        clump's share (negative if fainter), or the shift in pixels; `x`,
        `y`, pixels from the center (of a streak the point that it passes through);
        `angle`, of a streak (degrees from the x axis), NaN for others; `band`, the
        number of the streak's band, -1 for all bands.

    Raises
    ------
    ValueError
        If a kind is unknown, or the images are not of shape (n, ny, nx, n_bands).

    Examples
    --------
    >>> planted, truth = plant(np.zeros((2, 32, 32, 1)), kinds=["bump"])
    >>> planted.shape, truth["host"].tolist()
    ((2, 32, 32, 1), [0, 1])
    """
    kinds = tuple(kinds)
    if not kinds or (unknown := [kind for kind in kinds if kind not in KINDS]):
        raise ValueError(
            f"`kinds` must be among {', '.join(KINDS)}. "
            f"Received: {unknown[0] if kinds else 'none'}."
        )
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(
            "`images` must be an array of shape (n, ny, nx, n_bands). "
            f"Received: shape {images.shape}."
        )
    found = np.empty((len(kinds), *images.shape), np.float32)
    rows = []
    for k, kind in enumerate(kinds):
        for host, image in enumerate(images.astype(float)):
            # By the kind's place among all kinds: a choice changes no other.
            rng = np.random.default_rng([seed, KINDS.index(kind), host])
            found[k, host], truth = _PLANTERS[kind](image, rng)
            rows.append({"kind": kind, "host": host, **_NO_TRUTH, **truth})
    names = ("kind", "host", *_NO_TRUTH)
    empty = Table(names=names, dtype=[str, int, *[float] * 4, int])
    table = Table(rows=rows, names=names) if rows else empty
    return found.reshape(-1, *images.shape[1:]), table


_NO_TRUTH = {"strength": np.nan, "x": 0.0, "y": 0.0, "angle": np.nan, "band": -1}


def _sky(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return level and noise of each band, from the border of the frame."""
    level, noise = border_sky(image)
    peak = np.nanmax(np.abs(image - level), axis=(0, 1))
    # Of an image of one value any number serves.
    return level, np.where(noise > 0, noise, np.where(peak > 0, 0.01 * peak, 1.0))


def _from_center(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the pixels' y and x from the center, and the frame's side."""
    ny, nx = image.shape[:2]
    y, x = np.mgrid[:ny, :nx]
    return y - (ny - 1) / 2, x - (nx - 1) / 2, min(ny, nx)


def _log_uniform(rng, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _companion(
    image: np.ndarray, rng, ratios=FLUX_RATIO, separation=SEPARATION, least=LEAST_PEAK
) -> tuple[np.ndarray, dict]:
    y, x, side = _from_center(image)
    level, noise = _sky(image)
    ratio, angle = _log_uniform(rng, ratios), rng.uniform(0, 2 * np.pi)
    distance = side * rng.uniform(*separation)
    width = side * rng.uniform(*COMPANION_WIDTH)
    at = distance * np.cos(angle), distance * np.sin(angle)
    inside = np.hypot(y, x) <= APERTURE * side
    flux = ratio * np.maximum(np.nansum((image - level)[inside], axis=0), 0.0)
    profile = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2))
    profile /= profile.sum()
    brightest = float((flux / noise).max() * profile.max())
    if brightest <= 0:
        # Without any flux it has no color: as bright in all bands, by their noise.
        flux, brightest = noise / profile.max(), 1.0
    flux = flux * max(1.0, least / brightest)
    truth = {"strength": ratio, "x": at[0], "y": at[1]}
    return image + profile[..., None] * flux, truth


def _streak(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    y, x, side = _from_center(image)
    peak, angle = _log_uniform(rng, STREAK_PEAK), rng.uniform(0, np.pi)
    # Within the middle half, so that it crosses most of the frame.
    at = rng.uniform(-side / 4, side / 4, 2)
    band = int(rng.integers(image.shape[-1]))
    across = (y - at[1]) * np.cos(angle) - (x - at[0]) * np.sin(angle)
    # Narrower than a pixel it would fall between the pixels.
    width = max(0.8, STREAK_WIDTH * side)
    found = image.copy()
    noise = _sky(image)[1][band]
    found[..., band] += peak * noise * np.exp(-(across**2) / (2 * width**2))
    truth = {"strength": peak, "x": at[0], "y": at[1]}
    return found, truth | {"angle": float(np.degrees(angle)), "band": band}


def _missing_half(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    ny, nx = image.shape[:2]
    found = image.copy()
    halves = (
        np.s_[: ny // 2],
        np.s_[-(ny // 2) :],
        np.s_[:, : nx // 2],
        np.s_[:, -(nx // 2) :],
    )
    places = ((0, -ny / 4), (0, ny / 4), (-nx / 4, 0), (nx / 4, 0))
    which = int(rng.integers(4))
    found[halves[which]] = 0.0
    return found, {"strength": 0.5, "x": places[which][0], "y": places[which][1]}


def _bump(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    y, x, side = _from_center(image)
    level, noise = _sky(image)
    ratio, angle = _log_uniform(rng, BUMP_PEAK), rng.uniform(0, 2 * np.pi)
    distance, width = side * rng.uniform(*BUMP_REACH), max(0.8, BUMP_WIDTH * side)
    at = distance * np.cos(angle), distance * np.sin(angle)
    inside = np.hypot(y, x) <= APERTURE * side
    highest = np.nanmax((image - level)[inside], axis=0)
    peak = np.maximum(ratio * highest, LEAST_PEAK * noise)
    profile = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2))
    truth = {"strength": ratio, "x": at[0], "y": at[1]}
    return image + profile[..., None] * peak, truth


def _faint_companion(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    return _companion(image, rng, FAINT_RATIO, FAINT_SEPARATION, least=0.0)


def _bright_place(image: np.ndarray, rng) -> tuple[int, int]:
    """Return row and column of a pixel drawn from those of much light."""
    level, noise = _sky(image)
    light = np.nansum((image - level) / noise, axis=-1)
    # The noise of single pixels would draw places beside the object.
    light = ndimage.gaussian_filter(light, 1.5)
    rows, columns = np.nonzero(light >= BRIGHT * light.max())
    drawn = int(rng.integers(max(1, len(rows))))
    # A frame that is dark all over has no such place.
    middle = image.shape[0] // 2, image.shape[1] // 2
    return (int(rows[drawn]), int(columns[drawn])) if len(rows) else middle


def _clump(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    y, x, side = _from_center(image)
    row, column = _bright_place(image, rng)
    at = x[row, column], y[row, column]
    width = side * rng.uniform(*CLUMP_WIDTH)
    share = float(rng.uniform(*CLUMP_SHARE) * rng.choice([-1, 1]))
    profile = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2))
    found = image + share * profile[..., None] * (image - _sky(image)[0])
    return found, {"strength": share, "x": at[0], "y": at[1]}


def _distortion(image: np.ndarray, rng) -> tuple[np.ndarray, dict]:
    y, x, side = _from_center(image)
    row, column = _bright_place(image, rng)
    at = x[row, column], y[row, column]
    shift, width = side * _log_uniform(rng, SHIFT), side * REACH
    across, down = x - at[0], y - at[1]
    radius = np.hypot(across, down)
    # Largest at 1.7 widths from the place, and nothing at 10.
    size = np.exp(-(radius**2) / (16 * width**2)) / (radius + width)
    size *= shift / _LARGEST_SHIFT
    places = np.indices(x.shape) - size * np.array([down, across])
    # A spline would spread a missing pixel over the frame.
    lost, level = ~np.isfinite(image), _sky(image)[0]
    filled = np.where(lost, level, image)
    found = [
        ndimage.map_coordinates(filled[..., band], places, order=3, mode="nearest")
        for band in range(image.shape[-1])
    ]
    found = np.where(lost, np.nan, np.stack(found, axis=-1))
    return found, {"strength": shift, "x": at[0], "y": at[1]}


_PLANTERS = {
    "companion": _companion,
    "streak": _streak,
    "missing_half": _missing_half,
    "bump": _bump,
    "faint_companion": _faint_companion,
    "clump": _clump,
    "distortion": _distortion,
}
