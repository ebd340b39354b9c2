"""Merging galaxies: sequences in normalised time, each seen from three sides."""

from dataclasses import dataclass

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.cameras.sky import Sky
from astroanomaly.simulate.checks import (
    MIN_SIZE,
    check_count,
    check_magnitude,
    check_moments,
    check_noise,
    check_ratio,
)
from astroanomaly.simulate.frames import draw_primary, expose, gather, truth_row
from astroanomaly.simulate.galaxies import masses, population
from astroanomaly.simulate.mergers import pairs, tides
from astroanomaly.utils.optional import require

# Margalef-Bentabol et al. 2020 look at each system from three sides.
N_VIEWS = 3
BATCH = 8  # pairs
# Two sources nearer than this many PSF widths are one to the eye.
BLENDED = 1.5


@dataclass(frozen=True)
class _Recipe:
    """Everything a pair is drawn from, besides its number."""

    instrument: instruments.Instrument
    size: int
    n_before: int
    n_after: int
    flux_ratio: tuple
    magnitude: tuple
    noise: object
    seed: int


def mergers(
    n: int,
    *,
    n_before: int = 1,
    n_after: int = 1,
    instrument: str | instruments.Instrument = "wfc3_f160w",
    size: int = 64,
    flux_ratio: float | tuple[float, float] = (0.1, 1.0),
    magnitude: tuple[float, float] | None = None,
    noise: bool | Sky = True,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> Cutouts:
    """Simulate merger sequences with known truth.

    Two galaxies of the population of `galaxies` fall onto each other. Their orbit
    and the tide on their outer discs are a restricted three-body calculation
    (`tides`), which makes tails, bridges and lopsided envelopes. Time is
    normalised as in Margalef-Bentabol et al. 2020: -1 where the companion is four
    half-mass radii of the primary away, 0 where the two become one; after the
    merger as much time again is followed, in which a second nucleus fades, the
    companion's stars spread in an offset envelope, and the bulge grows. Every
    moment is seen along three orthogonal lines of sight. Pair number i is the same
    for any `n` and any number of workers.

    Parameters
    ----------
    n : int
        Number of pairs; each gives ``3 * (n_before + n_after)`` cutouts.
    n_before, n_after : int
        Moments before and after coalescence, at random times in equal intervals.
    instrument : str or Instrument
        A preset's name or an `instruments.Instrument`.
    size : int
        Side of a cutout, pixels, at least 16.
    flux_ratio : float or tuple of float
        Flux, and mass, of the secondary over the primary's: one value, or the
        limits of a log-uniform distribution, within (0, 1].
    magnitude : tuple of float, optional
        Bright and faint limit of the primaries, AB mag; by default the
        instrument's.
    noise : bool or Sky
        As in `galaxies`.
    seed : int
        Same seed, same bits.
    n_workers : int, optional
        Worker processes, by default one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Returns
    -------
    Cutouts
        float32 images of shape (3 n (n_before + n_after), size, size, 1), centred
        on the primary. The table has the columns of `galaxies` (those of the
        primary before, of the remnant after the merger) and `system` (the pair's
        name), `projection` (0 to 2), `merger_time` (-1 to 1) and `stage`:
        pre_merger_neighbor (the companion's centre lies in the frame),
        pre_merger_blended (in the frame, nearer than 1.5 widths of the PSF),
        pre_merger_alone (outside the frame), post_merger. `separation` (arcsec)
        and `companion_angle` are those of the companion, or of the second nucleus.

    Raises
    ------
    ValueError
        If an argument is out of range.
    ImportError
        If GalSim is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> cutouts = simulate.mergers(1, seed=1)
    >>> cutouts.images.shape
    (6, 64, 64, 1)
    """
    require("galsim")
    camera = instruments.get(instrument)
    size = check_count("size", size, MIN_SIZE)
    n_before, n_after = check_moments(n_before, n_after)
    recipe = _Recipe(
        instrument=camera,
        size=size,
        n_before=n_before,
        n_after=n_after,
        flux_ratio=check_ratio(flux_ratio),
        magnitude=check_magnitude(magnitude, camera),
        noise=check_noise(noise, size),
        seed=check_count("seed", seed, 0),
    )
    n = check_count("n", n, 1)
    batches = map_batches(
        _draw_batch, recipe, n, n_workers, progress, "Simulating", BATCH
    )
    return gather(batches, N_VIEWS * n * (n_before + n_after), size, camera)


def _draw_batch(recipe, start, stop):
    """Draw pairs start to stop - 1."""
    drawn = [view for i in range(start, stop) for view in _draw_views(recipe, i)]
    return np.stack([image for image, _ in drawn]), [row for _, row in drawn]


def _draw_views(recipe, index):
    """Yield image and truth of each moment and side of one pair."""
    rngs = [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(index, k)))
        for k in range(4)
    ]
    camera = recipe.instrument
    primary, redshift, mass = draw_primary(
        rngs[0], rngs[3], recipe.magnitude, camera, masses.merging_probability
    )
    ratio = float(np.exp(rngs[0].uniform(*np.log(recipe.flux_ratio))))
    secondary = population.draw_galaxy(rngs[0], primary.mag - 2.5 * np.log10(ratio))
    pair = pairs.draw_pair(rngs[0], primary, secondary, ratio)
    # Normalised times, one in each of equal intervals before and after.
    before, after = recipe.n_before, recipe.n_after
    moments = [(k + rngs[1].uniform()) / before - 1 for k in range(before)]
    moments += [(k + rngs[1].uniform()) / after for k in range(after)]
    moments = [float(t) for t in moments]
    # For each moment, rest and displacement of both galaxies' particles.
    clocks, sides = [pair.orbit.clock(t) for t in moments], []
    for k, spin in enumerate(pair.spins):
        rest, moved = tides.displacements(
            pair.orbit, clocks, spin, pair.plane, of_companion=k == 1
        )
        sides.append([(rest, part) for part in moved])
    tails = list(zip(*sides, strict=True))
    system = f"mrg_{recipe.seed}_{index:05d}"
    flux = camera.flux(pair.primary.mag)
    for step, moment in enumerate(moments):
        for side in range(N_VIEWS):
            axes = np.roll(np.eye(3), -side, axis=0)
            seen = pairs.scene(pair, moment, tails[step], axes)
            row = truth_row(f"{system}_{step}_{side}", index, seen.bodies[0][0])
            row |= {"is_anomaly": True, "flux_ratio": pair.flux_ratio}
            row |= {"redshift": redshift, "stellar_mass": mass}
            row |= {"system": system, "projection": side, "merger_time": moment}
            x, y = seen.companion
            separation = float(np.hypot(x, y))
            if moment > 0:
                stage = "post_merger"
            elif max(abs(x), abs(y)) > 0.5 * recipe.size * camera.pixel_scale:
                stage = "pre_merger_alone"
            elif separation < BLENDED * instruments.resolution(camera):
                stage = "pre_merger_blended"
            else:
                stage = "pre_merger_neighbor"
            # North is up and east is left: x runs against right ascension.
            angle = float(np.degrees(np.arctan2(-x, y)) % 360)
            row |= {"stage": stage, "separation": separation}
            row["companion_angle"] = angle
            if moment > 0:
                total = 1 + pair.flux_ratio
                row["mag"] = pair.primary.mag - 2.5 * float(np.log10(total))
                row["stellar_mass"] *= total
            # The centre lies anywhere in a pixel, as a catalog's does.
            dx, dy = rngs[2].uniform(-0.5, 0.5, 2) * camera.pixel_scale
            bodies = [(galaxy, x + dx, y + dy) for galaxy, x, y in seen.bodies]
            debris = [(xy + (dx, dy), flux * f, s) for xy, f, s in seen.moved]
            image, row["snr"] = expose(
                bodies, camera, recipe.size, recipe.noise, rngs[2], debris
            )
            yield image, row
