"""The light that a tide moves, as blobs on the sky."""

from dataclasses import replace

import numpy as np
from scipy.special import gamma, gammaincinv

from astroanomaly.simulate.galaxies import profiles, structure
from astroanomaly.simulate.galaxies.population import Galaxy
from astroanomaly.simulate.mergers import tides

# Hot systems answer the tide with broad, faint features: half their light moves.
EARLY_RESPONSE = 0.5
# Doublings: a blob of 16 widths is as large as the galaxy.
_WIDEST = 4


def moved_light(
    galaxy: Galaxy,
    spin: np.ndarray,
    axes: np.ndarray,
    rest: np.ndarray,
    moved: np.ndarray,
    scale: float,
) -> tuple[tuple, tuple]:
    """Return the blobs that the tide added and took away, galaxy at the origin.

    Both carry the light that the undisturbed galaxy has where the particles rest, so
    that no displacement leaves the galaxy as it was.

    `spin` (3,): its axis, a unit vector; `axes` (3, 3): unit vectors of the sky's x and
    y, and of the line of sight; `rest`, `moved` (20, 64, 3): its test particles, from
    `tides.displacements`; `scale`: half-light radius of the pair's primary, arcsec.
    `added, taken`: blobs as `profiles.draw` takes them, in units of the galaxy's flux.
    """
    r, _, area = tides.rings()
    own = r / np.linalg.norm(rest, axis=-1)
    angle = np.radians(galaxy.position_angle + 90)
    major, minor = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
    node = major @ axes[:2]
    node = node - spin * (node @ spin)
    node /= np.linalg.norm(node) + 1e-12
    across = np.cross(spin, node)
    along = own * (rest @ node)
    aside = own * (rest @ across) * np.sign(minor @ (axes[:2] @ across) + 1e-12)
    # Movable light per squared half-light radius, face on, of unit flux.
    if galaxy.bulge_to_total == 1:
        light = EARLY_RESPONSE * sersic_brightness(np.hypot(along, aside), galaxy.n)
    else:
        cell = 2 * structure.EXTENT / structure.GRID
        per_scale = galaxy.half_light_radius / galaxy.disc_scale
        column, row = (
            np.floor((v * per_scale + structure.EXTENT) / cell).astype(int)
            for v in (along, aside)
        )
        inside = (column >= 0) & (column < structure.GRID)
        inside &= (row >= 0) & (row < structure.GRID)
        # Knots and bars are finer than the particles stand apart: they stay.
        image = profiles.face_on(replace(galaxy, knots=0.0, n_knots=0, bar=0.0))
        share = (1 - galaxy.bulge_to_total) * (1 - galaxy.knots - galaxy.bar)
        light = np.where(inside, image[row * inside, column * inside], 0.0)
        light = share * light * (per_scale / cell) ** 2
    light = light * area
    offsets = along[..., None] * major + galaxy.axis_ratio * aside[..., None] * minor
    offsets = galaxy.half_light_radius * offsets
    places = offsets + scale * (moved @ axes[:2].T)
    # Of a blob at rest: about the distance of its neighbors on a ring.
    width = 0.12 * galaxy.half_light_radius
    stretched = np.linalg.norm(places - np.roll(places, 1, axis=1), axis=-1)
    # Blobs grow in steps of two with the gap to the next, so that tails are smooth.
    steps = np.ceil(np.log2(np.maximum(0.5 * stretched / width, 1)))
    sigma = width * 2 ** np.minimum(steps, _WIDEST)
    added = places.reshape(-1, 2), light.ravel(), sigma.ravel()
    taken = offsets.reshape(-1, 2), -light.ravel(), np.full(light.size, width)
    return added, taken


def sersic_brightness(r: np.ndarray, n: float) -> np.ndarray:
    """Return the surface brightness of a Sersic profile of unit flux.

    `r`: radius in units of the half-light radius. Returns: ``b^(2n) exp(-b r^(1/n)) /
    (2 pi n Gamma(2n))``, flux per squared half-light radius (Graham & Driver 2005, PASA
    22, 118, eq. 4).

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers.tidal_light import sersic_brightness
    >>> round(float(sersic_brightness(np.array(1.0), 1.0)), 4)
    0.0837
    """
    b = gammaincinv(2 * n, 0.5)
    return b ** (2 * n) * np.exp(-b * r ** (1 / n)) / (2 * np.pi * n * gamma(2 * n))
