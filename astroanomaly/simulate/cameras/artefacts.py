"""What is no object of the sky: rays, bad columns, satellite trails, bled stars."""

from collections.abc import Sequence

import numpy as np
from astropy.stats import mad_std

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.checks import check_count

# All strengths are our choice [O], in standard deviations of the sky of a pixel: from
# what an eye finds after a search to what it cannot miss. Log-uniform.
RAY = (15.0, 300.0)  # charge for each pixel of path
RAY_LENGTH = (1.5, 25.0)  # pixels: from a dot to a muon along the detector
RAYS = 5  # at most in a frame
COLUMN = (5.0, 100.0)  # level of a hot column above the sky
COLUMN_WIDTH = 3  # pixels at most
TRAIL = (3.0, 40.0)  # of the middle of the trail
TRAIL_WIDTH = (0.8, 2.5)  # sigma, pixels: a point's PSF, and one out of focus
FULL_WELL = (100.0, 500.0)
STAR = (20.0, 500.0)  # peak without saturation, in full wells
# A star's core and wings (Moffat 1969): FWHM of 3 pixels, and the wings of the
# atmosphere, which no frame of survey size cuts off.
_FWHM, _BETA = 3.0, 2.5
# Light of the four spikes over that of the core, and their scale and width in pixels.
_SPIKE, _SPIKE_LENGTH, _SPIKE_WIDTH = 0.02, 4.0, 0.7
# Places along a ray for each pixel of path: the share of a pixel is exact to 2 %.
_STEPS = 50


def track(
    shape: tuple[int, int], start: tuple[float, float], angle: float, length: float
) -> np.ndarray:
    """Return the length of path of a straight track in each pixel.

    `start`: y and x, pixels; `angle`: radians from x towards y.

    >>> from astroanomaly.simulate.cameras.artefacts import track
    >>> track((1, 5), (0, 1), 0.0, 2.0).round(2).tolist()
    [[0.0, 0.5, 1.0, 0.5, 0.0]]
    """
    n = max(int(np.ceil(length * _STEPS)), 1)
    way = (np.arange(n) + 0.5) * (length / n)
    y = np.floor(start[0] + way * np.sin(angle) + 0.5).astype(int)
    x = np.floor(start[1] + way * np.cos(angle) + 0.5).astype(int)
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    light = np.zeros(shape)
    np.add.at(light, (y[inside], x[inside]), length / n)
    return light


def trail(
    shape: tuple[int, int], point: tuple[float, float], angle: float, sigma: float
) -> np.ndarray:
    """Return a straight trail across the frame, 1 in its middle, Gaussian across.

    `point`: y and x of a place on it, pixels; `angle`: radians from x towards y.

    >>> from astroanomaly.simulate.cameras.artefacts import trail
    >>> trail((3, 1), (1, 0), 0.0, 1.0).round(4).ravel().tolist()
    [0.6065, 1.0, 0.6065]
    """
    y, x = np.indices(shape)
    across = (y - point[0]) * np.cos(angle) - (x - point[1]) * np.sin(angle)
    return np.exp(-0.5 * (across / sigma) ** 2)


def bleed(image: np.ndarray, full: float) -> np.ndarray:
    """Cut pixels off at the full well; the rest of the charge runs along the column.

    Half of it runs each way from the column's brightest pixel and fills pixel after
    pixel; what reaches the edge of the frame is lost.

    >>> from astroanomaly.simulate.cameras.artefacts import bleed
    >>> bleed(np.array([[0.0], [1.0], [10.0], [0.0], [0.0]]), 4.0).ravel().tolist()
    [0.0, 4.0, 4.0, 3.0, 0.0]
    """
    held = np.minimum(image, full)
    for column in np.flatnonzero((image > full).any(axis=0)):
        excess = (image[:, column] - held[:, column]).sum()
        brightest = int(image[:, column].argmax())
        for way in (slice(brightest, None), slice(brightest, None, -1)):
            pixels = held[way, column]
            room = full - pixels
            before = np.cumsum(room) - room
            pixels += np.clip(excess / 2 - before, 0.0, room)
    return held


def star(shape: tuple[int, int], place: tuple[float, float], angle: float):
    """Return an unsaturated star, 1 at its peak, with four spikes.

    `place`: y and x, pixels; `angle`: of a spike, radians from x towards y.
    """
    y, x = np.indices(shape) - np.reshape(place, (2, 1, 1))
    core = _FWHM / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    light = (1 + (x**2 + y**2) / core**2) ** -_BETA
    for side in (angle, angle + np.pi / 2):
        along = x * np.cos(side) + y * np.sin(side)
        across = y * np.cos(side) - x * np.sin(side)
        light += _SPIKE * (
            np.exp(-0.5 * (across / _SPIKE_WIDTH) ** 2)
            / (1 + np.abs(along) / _SPIKE_LENGTH) ** 2
        )
    return light / light.max()


def artefacts(
    cutouts: Cutouts,
    kinds: Sequence[str] | None = None,
    *,
    fraction: float = 1.0,
    seed: int = 0,
) -> Cutouts:
    """Add artefacts of the detector and of the night to cutouts.

    Each object that is hit gets one kind. Strengths are multiples of the sky's
    standard deviation in its own frame and band. A saturated star is seen in all bands;
    of the others one band has it, since each exposure has its own. NaN pixels stay.

    Parameters
    ----------
    cutouts : Cutouts
        Linear images with noise; they are not changed.
    kinds : sequence of str, optional
        Which kinds, equally often: ``"cosmic_rays"`` (one to five straight tracks as
        sharp as a pixel), ``"bad_columns"`` (one to three columns at a constant
        level above the sky, or dead at 0, whole or up to a row),
        ``"satellite_trail"`` (a line across the frame), ``"saturated_star"`` (with
        spikes, its charge bled along the columns). All by default.
    fraction : float, optional
        Probability that an object is hit, 0 to 1.
    seed : int, optional
        Same seed, same bits. Object number i is hit in the same way whatever comes
        after it.

    Returns
    -------
    Cutouts
        The same objects, with the columns `is_artefact` and `artefact` (the kind, ""
        for none) in place of earlier ones.

    Raises
    ------
    ValueError
        If an argument is out of range, a kind is not known, or an image has no noise
        that tells how strong an artefact is.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> plain = simulate.galaxies(4, seed=1)
    >>> hit = simulate.artefacts(plain, ["satellite_trail"], seed=1)
    >>> hit.table["artefact"].tolist()[:2], bool((hit.images >= plain.images).all())
    (['satellite_trail', 'satellite_trail'], True)
    """
    kinds = list(_DRAW) if kinds is None else [str(kind) for kind in kinds]
    unknown = [kind for kind in kinds if kind not in _DRAW]
    if unknown or not kinds:
        raise ValueError(
            f"`kinds` must name kinds among {', '.join(_DRAW)}. "
            f"Received: {', '.join(unknown) or 'none'}."
        )
    if not 0 <= fraction <= 1:
        raise ValueError(
            f"`fraction` must lie in [0, 1]. Received: fraction={fraction}."
        )
    seed = check_count("seed", seed, 0)
    images, names = cutouts.images.copy(), []
    for row, image in enumerate(images):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(row,)))
        kind = str(rng.choice(kinds)) if rng.uniform() < fraction else ""
        names.append(kind)
        if not kind:
            continue
        sky = mad_std(image, axis=(0, 1), ignore_nan=True)
        if not np.all(sky > 0):
            raise ValueError(
                "`cutouts` must be images with noise, of which the strength of an "
                f"artefact is a multiple. Received: {cutouts.object_ids[row]!r} with "
                f"a standard deviation of {float(np.min(sky)):g}."
            )
        bands = range(len(sky))
        if kind != "saturated_star":
            bands = [int(rng.integers(len(sky)))]
        # One star, or trail, has one place in all bands.
        state = rng.bit_generator.state
        for band in bands:
            rng.bit_generator.state = state
            image[..., band] = _DRAW[kind](image[..., band], sky[band], rng)
    table = cutouts.table.copy()
    table["artefact"] = np.array(names, str)
    table["is_artefact"] = table["artefact"] != ""
    return Cutouts(images, table, cutouts.bands, cutouts.pixel_scale)


def _strength(rng, limits):
    """Draw from a log-uniform distribution."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def _place(rng, shape):
    """Draw y and x in the frame, pixels."""
    return tuple(rng.uniform(0, np.array(shape) - 1))


def _cosmic_rays(plane, sky, rng):
    for _ in range(rng.integers(1, RAYS + 1)):
        length, charge = _strength(rng, RAY_LENGTH), _strength(rng, RAY)
        place, angle = _place(rng, plane.shape), rng.uniform(0, 2 * np.pi)
        plane = plane + charge * sky * track(plane.shape, place, angle, length)
    return plane


def _bad_columns(plane, sky, rng):
    width = int(rng.integers(1, COLUMN_WIDTH + 1))
    first = int(rng.integers(plane.shape[1] - width + 1))
    # Half begin at the readout's edge and end at a trap.
    last = rng.integers(1, plane.shape[0] + 1) if rng.uniform() < 0.5 else None
    level = 0.0 if rng.uniform() < 0.25 else sky * _strength(rng, COLUMN)
    plane = plane.copy()
    part = plane[:last, first : first + width]
    part[~np.isnan(part)] = level
    return plane


def _satellite_trail(plane, sky, rng):
    place, angle = _place(rng, plane.shape), rng.uniform(0, np.pi)
    line = trail(plane.shape, place, angle, rng.uniform(*TRAIL_WIDTH))
    return plane + sky * _strength(rng, TRAIL) * line


def _saturated_star(plane, sky, rng):
    full, peak = sky * _strength(rng, FULL_WELL), _strength(rng, STAR)
    light = star(plane.shape, _place(rng, plane.shape), rng.uniform(0, np.pi))
    bad = np.isnan(plane)
    drawn = bleed(np.where(bad, 0.0, plane) + peak * full * light, full)
    return np.where(bad, np.nan, drawn)


_DRAW = {
    "cosmic_rays": _cosmic_rays,
    "bad_columns": _bad_columns,
    "satellite_trail": _satellite_trail,
    "saturated_star": _saturated_star,
}
