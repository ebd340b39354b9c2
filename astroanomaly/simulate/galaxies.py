"""Galaxies, isolated or with a companion, as a survey would see them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate import instruments, population, profiles
from astroanomaly.simulate._batches import map_batches
from astroanomaly.simulate._extras import require
from astroanomaly.simulate.noise import correlated_noise, noise_power

MIN_SIZE = 16


@dataclass(frozen=True)
class _Recipe:
    """Everything an object is drawn from, besides its number."""

    instrument: instruments.Instrument
    size: int
    companion_fraction: float
    flux_ratio: tuple
    magnitude: tuple
    noise: bool
    seed: int


def galaxies(
    n: int,
    *,
    instrument: str | instruments.Instrument = "wfc3_f160w",
    size: int = 64,
    companion_fraction: float = 0.0,
    flux_ratio: float | tuple[float, float] = (0.1, 1.0),
    magnitude: tuple[float, float] | None = None,
    noise: bool = True,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool = False,
) -> Cutouts:
    """Simulate cutouts of galaxies with known truth.

    Galaxies are early types (Sersic), spirals (disc with arms, bulge, knots,
    sometimes a bar) or clumpy discs. A companion is a second galaxy of the same
    population, with its own structure, `flux_ratio` times as bright. Object
    number i is the same for any `n` and any number of workers, and its primary
    is the same whether or not it has a companion.

    Parameters
    ----------
    n : int
        Number of cutouts.
    instrument : str or Instrument
        ``"wfc3_f160w"``, ``"acs_f814w"`` or an `instruments.Instrument`.
    size : int
        Side of a cutout, pixels, at least 16.
    companion_fraction : float
        Probability that an object has a companion, 0 to 1.
    flux_ratio : float or tuple of float
        Flux of the secondary over that of the primary: one value, or the
        limits of a log-uniform distribution, within (0, 1].
    magnitude : tuple of float, optional
        Bright and faint limit of the primaries, AB mag; by default the
        instrument's.
    noise : bool
        Whether to add sky, read-out and source noise.
    seed : int
        Same seed, same bits.
    n_workers : int, optional
        Worker processes; 1 stays in this process, as do fewer than 128 objects.
        By default one per core.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Cutouts
        float32 images of shape (n, size, size, 1) in electron/s, never NaN, sky
        subtracted. Columns of the table: `object_id`, `file` (empty), `ra`,
        `dec` (deg, made up, distinct), `is_anomaly` (has a companion),
        `flux_ratio` (0 if isolated), `separation` (arcsec, NaN if isolated),
        `companion_angle` (deg, north through east, NaN if isolated), `mag`,
        `half_light_radius` (arcsec, semi-major axis, of the primary, as the
        following), `n` (Sersic index of the bulge; discs have 1),
        `bulge_to_total`, `axis_ratio`, `position_angle` (deg, north through
        east), `structure` (smooth, spiral, clumpy), `n_arms`, `has_bar`,
        `snr` (``sqrt(sum(model^2 / V))``, V the variance of the photons and the
        read-out, the whole frame), `unit_<band>`, `zero_point_<band>`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    ImportError
        If GalSim is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> cutouts = simulate.galaxies(2, companion_fraction=0.5, seed=1)
    >>> cutouts.images.shape
    (2, 64, 64, 1)
    """
    require("galsim")
    camera = instruments.get(instrument)
    recipe = _Recipe(
        instrument=camera,
        size=_check_count("size", size, MIN_SIZE),
        companion_fraction=_check_fraction(companion_fraction),
        flux_ratio=_check_ratio(flux_ratio),
        magnitude=_check_magnitude(magnitude, camera),
        noise=bool(noise),
        seed=_check_count("seed", seed, 0),
    )
    n = _check_count("n", n, 1)
    batches = map_batches(_draw_batch, recipe, n, n_workers, progress, "Simulating")
    images = np.empty((n, recipe.size, recipe.size, 1), dtype=np.float32)
    rows = []
    for stamps, truth in batches:
        images[len(rows) : len(rows) + len(truth), :, :, 0] = stamps
        rows += truth
    return Cutouts(
        images,
        _table(rows, camera),
        bands=(camera.band,),
        pixel_scale=camera.pixel_scale,
    )


def _draw_batch(recipe, start, stop):
    """Draw objects start to stop - 1."""
    pairs = [_draw_object(recipe, i) for i in range(start, stop)]
    return np.stack([image for image, _ in pairs]), [row for _, row in pairs]


def _draw_object(recipe, index):
    """Draw one object: its own random numbers for primary, companion, noise."""
    rngs = [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(index, k)))
        for k in range(3)
    ]
    camera = recipe.instrument
    primary = population.draw_galaxy(
        rngs[0], population.draw_magnitude(rngs[0], recipe.magnitude)
    )
    # Sources are centred to half a pixel, as a catalog's cutouts are.
    x, y = rngs[0].uniform(-0.5, 0.5, 2) * camera.pixel_scale
    scene = [(primary, x, y)]
    row = _truth(recipe.seed, index, primary)
    if rngs[1].uniform() < recipe.companion_fraction:
        companion, dx, dy, extra = _draw_companion(rngs[1], recipe, primary)
        scene.append((companion, x + dx, y + dy))
        row |= extra
    model = profiles.draw(scene, camera, recipe.size)
    variance = camera.variance(model)
    row["snr"] = _signal_to_noise(model, variance, camera)
    if not recipe.noise:
        return model, row
    power = noise_power(camera, model.shape)
    image = model + correlated_noise(variance, power, rngs[2])
    return image.astype(np.float32), row


def _signal_to_noise(model, variance, camera):
    """Return sqrt(sum(model^2 / V)), V the variance before drizzling smoothed it."""
    photon_variance = variance * camera.noise_reduction**2
    return float(np.sqrt((model.astype(float) ** 2 / photon_variance).sum()))


def _draw_companion(rng, recipe, primary):
    """Place a second galaxy in the frame, beyond the primary's half light."""
    camera = recipe.instrument
    low, high = np.log(recipe.flux_ratio)
    ratio = float(np.exp(rng.uniform(low, high)))
    companion = population.draw_galaxy(rng, primary.mag - 2.5 * np.log10(ratio))
    reach = (0.5 * recipe.size - 3) * camera.pixel_scale
    # Nearer than this the two are one source to the eye.
    inner = max(primary.half_light_radius, 1.5 * instruments.resolution(camera))
    inner = min(inner, 0.6 * reach)
    separation = float(rng.uniform(inner, reach))
    angle = float(rng.uniform(0, 360))
    # North is up and east is left: x runs against right ascension.
    dx = -separation * np.sin(np.radians(angle))
    dy = separation * np.cos(np.radians(angle))
    extra = {
        "is_anomaly": True,
        "flux_ratio": ratio,
        "separation": separation,
        "companion_angle": angle,
    }
    return companion, dx, dy, extra


def _truth(seed, index, galaxy):
    """Return the row of an isolated galaxy."""
    # Multiples of the plastic number's powers fill one square degree evenly.
    ra = 149.6 + (index * 0.7548776662466927) % 1.0
    dec = 1.7 + (index * 0.5698402909980532) % 1.0
    return {
        "object_id": f"gal_{seed}_{index:06d}",
        "file": "",
        "ra": ra,
        "dec": dec,
        "is_anomaly": False,
        "flux_ratio": 0.0,
        "separation": np.nan,
        "companion_angle": np.nan,
        "mag": galaxy.mag,
        "half_light_radius": galaxy.half_light_radius,
        "n": galaxy.n,
        "bulge_to_total": galaxy.bulge_to_total,
        "axis_ratio": galaxy.axis_ratio,
        "position_angle": galaxy.position_angle,
        "structure": galaxy.structure,
        "n_arms": galaxy.n_arms,
        "has_bar": galaxy.bar > 0,
        "snr": np.nan,
    }


def _table(rows, camera):
    """Gather the truth and say how pixels become magnitudes."""
    table = Table(rows=rows, names=list(rows[0]))
    table[f"unit_{camera.band}"] = camera.unit
    table[f"zero_point_{camera.band}"] = camera.zero_point
    for name in ("ra", "dec", "position_angle", "companion_angle"):
        table[name].unit = "deg"
    for name in ("separation", "half_light_radius"):
        table[name].unit = "arcsec"
    return table


def _check_count(name, value, least):
    """Return a whole number that is at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` must be a whole number of at least {least}. "
            f"Received: {name}={value}."
        )
    return int(value)


def _check_fraction(value):
    """Return a probability."""
    if not 0 <= value <= 1:
        raise ValueError(
            "`companion_fraction` must lie in [0, 1]. "
            f"Received: companion_fraction={value}."
        )
    return float(value)


def _check_ratio(value):
    """Return the limits of the flux ratio."""
    limits = np.atleast_1d(np.asarray(value, dtype=float))
    limits = np.repeat(limits, 2) if limits.size == 1 else limits
    if limits.size != 2 or not 0 < limits[0] <= limits[1] <= 1:
        raise ValueError(
            "`flux_ratio` must be one value or two rising limits in (0, 1]. "
            f"Received: flux_ratio={value}."
        )
    return tuple(float(v) for v in limits)


def _check_magnitude(value, camera):
    """Return the limits of the magnitude."""
    limits = camera.magnitudes if value is None else value
    limits = np.atleast_1d(np.asarray(limits, dtype=float))
    if limits.size != 2 or not 10 <= limits[0] <= limits[1] <= 30:
        raise ValueError(
            "`magnitude` must be two rising limits in [10, 30]. "
            f"Received: magnitude={value}."
        )
    return tuple(float(v) for v in limits)
