"""Galaxies for the tests of mergers."""

from dataclasses import replace

import numpy as np

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.galaxies import population
from astroanomaly.simulate.mergers import pairs, tides

CAMERA = instruments.WFC3_F160W
AXES = np.eye(3)


def galaxy(structure="spiral", mag=21.5):
    """Draw galaxies until one has the structure."""
    for seed in range(100):
        drawn = population.draw_galaxy(np.random.default_rng(seed), mag)
        if drawn.structure == structure:
            return drawn
    raise LookupError(structure)


def disc(**changes):
    """Return a disc without bulge, arms, bar or knots, half light at 0.5"."""
    plain = {"bulge_to_total": 0.0, "bulge_radius": 0.0, "n": 1.0, "n_arms": 0}
    plain |= {"bar": 0.0, "knots": 0.0, "n_knots": 0, "lopsided": 0.0}
    scale = 0.5 / population.half_light_in_scale_lengths()
    plain |= {"half_light_radius": 0.5, "disc_scale": scale}
    return replace(galaxy("clumpy"), **plain | changes)


def pair(seed=1, ratio=0.5, first="spiral", second="clumpy"):
    primary = galaxy(first)
    secondary = galaxy(second, primary.mag - 2.5 * np.log10(ratio))
    return pairs.draw_pair(np.random.default_rng(seed), primary, secondary, ratio)


def tails(drawn, moment):
    """Return the tide on both discs at one moment."""
    times = [drawn.orbit.clock(moment)]
    found = []
    for k, spin in enumerate(drawn.spins):
        rest, moved = tides.displacements(
            drawn.orbit, times, spin, drawn.plane, of_companion=k == 1
        )
        found.append((rest, moved[0]))
    return found


def scene(drawn, moment, axes=AXES):
    return pairs.scene(drawn, moment, tails(drawn, moment), axes)


def spins(n, seed=3):
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rest_of(spin):
    """Return the particles of a disc where nothing moves them."""
    r, phi, _ = tides.rings()
    first, second = tides.disc_axes(spin)
    return r[..., None] * (
        np.cos(phi)[..., None] * first + np.sin(phi)[..., None] * second
    )
