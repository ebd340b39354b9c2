"""One galaxy through statmorph: noise, segmentation, numbers, or a reason.

Kept apart from `morphology`, so that a worker process loads little else.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

FEATURES = ("concentration", "asymmetry", "smoothness", "gini", "m20")
# Our column, and what statmorph calls it.
NUMBERS = {
    **{name: name for name in FEATURES},
    "sersic_n": "sersic_n",
    "sersic_rhalf": "sersic_rhalf",
    "ellipticity": "ellipticity_asymmetry",
    "rhalf": "rhalf_ellip",
    "snr_per_pixel": "sn_per_pixel",
}
SMOOTHING = 1.0
N_SIGMA = 1.5
MIN_PIXELS = 10
REACH = 3.0
SKY_DISTANCE = 4
MIN_SKY = 100
NO_FIT = -1
CATASTROPHIC = 4

_MISSING = -99.0
# What statmorph's asymmetry answers where there is no light to compare.
_NO_ASYMMETRY = 100.0
_SLOW = ("multimode", "intensity")
_SERSIC = "amplitude rhalf n xc yc ellip theta chi2_dof aic bic"


@dataclass(frozen=True)
class Settings:
    """What to measure and how.

    Parameters
    ----------
    neighbors : str
        ``"keep"`` or ``"mask"``.
    sersic : bool
        Whether to fit a Sersic profile.
    psf : ndarray of shape (m, m), optional
        Point-spread function for that fit.
    gain : float, optional
        Electrons per image unit.
    """

    neighbors: str = "keep"
    sersic: bool = False
    psf: np.ndarray | None = None
    gain: float | None = None


class Unmeasurable(Exception):
    """An object without a measurement; the text is the reason in a few words."""


@lru_cache(maxsize=2)
def _measurer(sersic: bool):
    """Return statmorph's class without the quantities that nobody asked for.

    It computes every quantity when it is made. The multimode and intensity
    statistics and the Sersic fit take a third of the time, feed no other number
    and raise no `flag`, so a plain NaN stands in for them.
    """
    from statmorph import SourceMorphology

    skipped = [*_SLOW]
    if not sersic:
        skipped += [f"sersic_{name}" for name in _SERSIC.split()]
    return type("Measurer", (SourceMorphology,), dict.fromkeys(skipped, np.nan))


def measure_batch(images: np.ndarray, settings: Settings) -> list[tuple]:
    """Measure images of one band, without a warning or an error.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx)
        Sky-subtracted; NaN and infinite pixels are masked.
    settings : Settings
        What to measure.

    Returns
    -------
    list of tuple
        For each image: the values of `NUMBERS`, NaN where there is none,
        statmorph's `flag` and `flag_sersic`, and the reason, "" if measured.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_row(image, settings) for image in images]


def _row(image: np.ndarray, settings: Settings) -> tuple:
    try:
        morphology = examine(image, settings)
    except Unmeasurable as failure:
        no_fit = CATASTROPHIC if settings.sersic else NO_FIT
        return (*[np.nan] * len(NUMBERS), CATASTROPHIC, no_fit, str(failure))
    values = {key: _number(morphology, name) for key, name in NUMBERS.items()}
    missing = [name for name in FEATURES if not np.isfinite(values[name])]
    reason = f"no finite {missing[0]}" if missing else ""
    if missing:
        values = dict.fromkeys(values, np.nan)
    fitted = np.isfinite(values["sersic_n"])
    if not settings.sersic:
        flag_sersic = NO_FIT
    else:
        flag_sersic = int(morphology.flag_sersic) if fitted else CATASTROPHIC
    return (*values.values(), int(morphology.flag), flag_sersic, reason)


def _number(morphology, name: str) -> float:
    """Return one quantity; statmorph's marks for "none" become NaN."""
    value = float(morphology[name])
    none = value == _MISSING or (name == "asymmetry" and value >= _NO_ASYMMETRY)
    return np.nan if none or not np.isfinite(value) else value


def examine(image: np.ndarray, settings: Settings):
    """Segment an image and hand it to statmorph.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Sky-subtracted; NaN and infinite pixels are masked.
    settings : Settings
        What to measure.

    Returns
    -------
    statmorph.SourceMorphology
        All it measured.

    Raises
    ------
    Unmeasurable
        If there is no source at the center, if bad pixels touch it, or if
        statmorph gives up.
    """
    bad = ~np.isfinite(image)
    if bad.all():
        raise Unmeasurable("no finite pixel")
    image = np.where(bad, 0.0, image).astype(np.float64)
    sky, sigma = sky_level(image, bad)
    segments = segment(image, bad, sky + N_SIGMA * sigma, settings.neighbors)
    arguments = {
        "mask": bad if bad.any() else None,
        # statmorph's own estimate fails where the frame has no corner of pure sky.
        "weightmap": _noise(image, sigma, settings.gain),
        "psf": settings.psf,
    }
    try:
        morphology = _run(image, segments, settings.sersic, arguments)
    except Exception as error:
        # Any image may be handed in, and statmorph asserts what it assumes.
        raise Unmeasurable(f"statmorph failed ({type(error).__name__})") from error
    if morphology.flag == CATASTROPHIC:
        raise Unmeasurable("no positive flux")
    return morphology


def _run(image, segments, sersic, arguments):
    if sersic:
        try:
            return _measurer(True)(image, segments, 1, **arguments)
        except Exception:
            # A fit that breaks must not cost the measurements that need no fit.
            return _measurer(False)(image, segments, 1, **arguments)
    return _measurer(False)(image, segments, 1, **arguments)


def _noise(image: np.ndarray, sigma: float, gain: float | None) -> np.ndarray:
    """Return one standard deviation per pixel: sky, and photons if gain is known."""
    source = 0.0 if gain is None else np.maximum(image, 0.0) / gain
    return np.sqrt(sigma**2 + source) * np.ones_like(image)


def sky_level(image: np.ndarray, bad: np.ndarray) -> tuple[float, float]:
    """Return median and standard deviation of the sky, clipped at 3 sigma.

    Sources are found and left out with 4 pixels around them, and the sky is then
    clipped again: the wings of a large galaxy raise the first estimate by 12 per
    cent in the median of simulated 64x64 frames, the second by less than 1.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Pixels, 0 where bad.
    bad : ndarray of bool of shape (ny, nx)
        Which pixels to leave out.

    Returns
    -------
    tuple of float
        In image units.
    """
    from scipy import ndimage

    sky, sigma = _clipped(image, bad)
    sources = _sources(image, bad, sky + N_SIGMA * sigma) > 0
    taken = bad | ndimage.binary_dilation(sources, iterations=SKY_DISTANCE)
    enough = np.count_nonzero(~taken) >= MIN_SKY
    return _clipped(image, taken) if enough else (sky, sigma)


def _clipped(image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    from astropy.stats import sigma_clipped_stats

    _, median, sigma = sigma_clipped_stats(image, mask=mask, sigma=3.0, maxiters=10)
    return float(median), float(sigma)


def _sources(image: np.ndarray, bad: np.ndarray, threshold: float) -> np.ndarray:
    """Label groups of pixels above the threshold in the smoothed image; 0 is sky."""
    from photutils.segmentation import detect_sources
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(image, SMOOTHING)
    found = detect_sources(smooth, threshold, MIN_PIXELS, mask=bad)
    return np.zeros(image.shape, dtype=np.int32) if found is None else found.data


def segment(
    image: np.ndarray, bad: np.ndarray, threshold: float, neighbors: str
) -> np.ndarray:
    """Return the segmentation map for statmorph; the object has label 1.

    Pixels of the image smoothed by a Gaussian of 1 pixel lie above the threshold
    in groups of 10 or more, as SExtractor (Bertin & Arnouts 1996) finds them; the
    group at the center, or the nearest within 3 pixels, is the object. Nothing
    is deblended.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Pixels, 0 where bad.
    bad : ndarray of bool of shape (ny, nx)
        Which pixels are not to be used.
    threshold : float
        In image units.
    neighbors : str
        ``"keep"`` joins all groups to one object; ``"mask"`` gives the others
        other labels, and statmorph then ignores their pixels.

    Returns
    -------
    ndarray of int of shape (ny, nx)
        0 is sky.

    Raises
    ------
    Unmeasurable
        If no group is near the center, or if bad pixels lie in it or touch it.
    """
    from scipy import ndimage

    labels = _sources(image, bad, threshold)
    label = _central(labels) if labels.any() else 0
    if not label:
        raise Unmeasurable("no source at the center")
    source = labels == label
    # A hole in the middle of a galaxy is filled first, so that it counts.
    grown = ndimage.binary_dilation(ndimage.binary_fill_holes(source), iterations=2)
    if (grown & bad).any():
        raise Unmeasurable("bad pixels in the object")
    if neighbors == "keep":
        return (labels > 0).astype(np.int32)
    return np.where(source, 1, np.where(labels > 0, 2, 0)).astype(np.int32)


def _central(labels: np.ndarray) -> int:
    """Return the label nearest to the center, 0 if none is within reach."""
    y, x = np.nonzero(labels)
    middle = (np.array(labels.shape) - 1) / 2
    distance = np.hypot(y - middle[0], x - middle[1])
    nearest = distance.argmin()
    return int(labels[y[nearest], x[nearest]]) if distance[nearest] <= REACH else 0
