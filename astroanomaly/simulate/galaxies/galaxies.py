"""Galaxies, isolated or with a companion, as a survey would see them."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.cameras.sky import Sky
from astroanomaly.simulate.checks import (
    MIN_SIZE,
    check_count,
    check_fraction,
    check_magnitude,
    check_noise,
    check_ratio,
)
from astroanomaly.simulate.frames import (
    draw_batch,
    draw_primary,
    expose,
    gather,
    truth_row,
)
from astroanomaly.simulate.galaxies import masses, population
from astroanomaly.utils.optional import require


@dataclass(frozen=True)
class _Recipe:
    """Everything an object is drawn from, besides its number."""

    instrument: instruments.Instrument
    size: int
    companion_fraction: float
    flux_ratio: tuple
    magnitude: tuple
    isolation: bool
    structure: bool
    noise: object
    seed: int


def galaxies(
    n: int,
    *,
    instrument: str | instruments.Instrument = "wfc3_f160w",
    size: int = 64,
    companion_fraction: float = 0.0,
    flux_ratio: float | tuple[float, float] = (0.1, 1.0),
    magnitude: tuple[float, float] | None = None,
    isolation: bool = False,
    structure: bool = True,
    noise: bool | Sky = True,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool | None = None,
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
        ``"wfc3_f160w"``, ``"acs_f814w"``, ``"euclid_vis"``, ``"hsc_i"`` or an
        `instruments.Instrument`.
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
    isolation : bool
        Whether restrictive isolation cuts leave out most galaxies above about
        10**10.8 solar masses, as in Margalef-Bentabol et al. 2020, figure 5.
    structure : bool
        Whether discs have arms, bars, knots and lopsidedness; without, all
        galaxies are smooth bulges and discs.
    noise : bool or Sky
        Whether to add sky, read-out and source noise; or a `sky.Sky`, whose
        patches are the sky and whose power spectrum the source's noise gets.
    seed : int
        Same seed, same bits.
    n_workers : int, optional
        Worker processes; 1 stays in this process, as do fewer than 128 objects.
        By default one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

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
        `redshift`, `stellar_mass` (solMass, by `masses.draw_mass`),
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
    size = check_count("size", size, MIN_SIZE)
    recipe = _Recipe(
        instrument=camera,
        size=size,
        companion_fraction=check_fraction(companion_fraction),
        flux_ratio=check_ratio(flux_ratio),
        magnitude=check_magnitude(magnitude, camera),
        isolation=bool(isolation),
        structure=bool(structure),
        noise=check_noise(noise, size),
        seed=check_count("seed", seed, 0),
    )
    n = check_count("n", n, 1)
    batches = map_batches(
        partial(draw_batch, _draw_object), recipe, n, n_workers, progress, "Simulating"
    )
    return gather(batches, n, recipe.size, camera)


def _draw_object(recipe, index):
    """Draw one object: random numbers of its own for each part."""
    rngs = [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(index, k)))
        for k in range(4)
    ]
    camera = recipe.instrument
    kept = masses.isolated_probability if recipe.isolation else None
    primary, redshift, mass = draw_primary(
        rngs[0], rngs[3], recipe.magnitude, camera, kept
    )
    if not recipe.structure:
        primary = population.without_structure(primary)
    # Sources are centred to half a pixel, as a catalog's cutouts are.
    x, y = rngs[0].uniform(-0.5, 0.5, 2) * camera.pixel_scale
    scene = [(primary, x, y)]
    row = truth_row(f"gal_{recipe.seed}_{index:06d}", index, primary)
    row |= {"redshift": redshift, "stellar_mass": mass}
    if rngs[1].uniform() < recipe.companion_fraction:
        rng = rngs[1]
        low, high = np.log(recipe.flux_ratio)
        ratio = float(np.exp(rng.uniform(low, high)))
        companion = population.draw_galaxy(rng, primary.mag - 2.5 * np.log10(ratio))
        if not recipe.structure:
            companion = population.without_structure(companion)
        # Its centre stays three pixels inside the frame, or its light is cut.
        reach = (0.5 * recipe.size - 3) * camera.pixel_scale
        # Nearer than this the two are one source to the eye.
        inner = max(primary.half_light_radius, 1.5 * instruments.resolution(camera))
        inner = min(inner, 0.6 * reach)
        separation = float(rng.uniform(inner, reach))
        angle = float(rng.uniform(0, 360))
        # North is up and east is left: x runs against right ascension.
        dx = -separation * np.sin(np.radians(angle))
        dy = separation * np.cos(np.radians(angle))
        scene.append((companion, x + dx, y + dy))
        row |= {"is_anomaly": True, "flux_ratio": ratio}
        row |= {"separation": separation, "companion_angle": angle}
    image, row["snr"] = expose(scene, camera, recipe.size, recipe.noise, rngs[2])
    return image, row
