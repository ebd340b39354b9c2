"""Two galaxies that merge, as bodies and moved light on the sky."""

from dataclasses import dataclass, replace

import numpy as np

from astroanomaly.simulate.galaxies.population import (
    Galaxy,
    half_light_in_scale_lengths,
)
from astroanomaly.simulate.mergers import tides
from astroanomaly.simulate.mergers.tidal_light import moved_light

# Flattening c of discs, see `seen_along`.
THICKNESS = 0.2
# The secondary's light after coalescence: what tails hold, and the nucleus.
TAIL, NUCLEUS = 0.4, 0.4
# Share of a disc's light that a merger puts into new knots, and lopsidedness.
STARBURST, LOPSIDED = 0.3, 0.5
# Flux of a tidal dwarf over the primary's in an equal merger, and its radius.
DWARF, DWARF_RADIUS = 0.05, 0.08


@dataclass(frozen=True)
class Pair:
    """Two galaxies, their orbit and their orientation.

    Vectors are in units of the primary's half-light radius.

    `primary`, `secondary`: their axis ratios and position angles are those of no view
    in particular; `flux_ratio`: secondary over primary, in flux and in mass; `orbit`:
    path of the secondary; `plane` (2, 3): unit vectors of the orbit's plane; `spins`
    (2, 3): unit vectors of the galaxies' axes; `nucleus` (3,): where the secondary's
    nucleus is at coalescence; `fading`: normalised time in which the nucleus sinks and
    fades; `dwarfs` (2, 2, 2): for either galaxy's tidal dwarfs: the rank, 0 to 1, of
    the test particle that one is at by distance, and its flux in units of the
    primary's.
    """

    primary: Galaxy
    secondary: Galaxy
    flux_ratio: float
    orbit: tides.Orbit
    plane: np.ndarray
    spins: np.ndarray
    nucleus: np.ndarray
    fading: float
    dwarfs: np.ndarray


@dataclass(frozen=True)
class Scene:
    """What `profiles.draw` draws.

    `bodies`: galaxies and their offsets, arcsec; the primary or remnant first; `moved`:
    light that the tide moved, in units of the primary's flux; `companion` (2,): offset
    of the secondary or of its nucleus, arcsec.
    """

    bodies: list
    moved: list
    companion: np.ndarray


def draw_pair(
    rng: np.random.Generator, primary: Galaxy, secondary: Galaxy, flux_ratio: float
) -> Pair:
    """Draw orbit and orientations of two galaxies.

    `flux_ratio`: secondary over primary, within (0, 1]. Returns: directions are
    isotropic; the second nucleus is 0.6 to 1.6 half-light radii away at coalescence and
    fades in 0.4 to 1 of the normalised time. [O] our choice.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers import pairs
    >>> from astroanomaly.simulate.galaxies import population
    >>> rng = np.random.default_rng(1)
    >>> primary, secondary = (population.draw_galaxy(rng, m) for m in (22.0, 22.75))
    >>> pairs.draw_pair(rng, primary, secondary, 0.5).orbit.mass_ratio
    0.5
    """
    # Normal deviates have no preferred direction once they have unit length.
    vectors = rng.normal(size=(4, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Pair(
        primary=primary,
        secondary=secondary,
        flux_ratio=flux_ratio,
        orbit=tides.draw_orbit(rng, flux_ratio),
        plane=np.stack(tides.disc_axes(vectors[2])),
        spins=vectors[:2],
        nucleus=vectors[3] * rng.uniform(0.6, 1.6),
        fading=float(rng.uniform(0.4, 1.0)),
        dwarfs=np.stack(
            [
                rng.uniform(0.9, 1.0, (2, 2)),
                DWARF * np.sqrt(flux_ratio) * rng.uniform(0.5, 1.5, (2, 2)),
            ],
            axis=-1,
        ),
    )


def seen_along(galaxy: Galaxy, spin: np.ndarray, axes: np.ndarray) -> Galaxy:
    """Return a galaxy as seen along an axis.

    An oblate body of flattening c has ``q^2 = cos^2 i (1 - c^2) + c^2`` (Hubble 1926,
    ApJ 64, 321); c is 0.2 for discs, the drawn axis ratio for early types.

    `spin` (3,): its axis of symmetry, a unit vector; `axes` (3, 3): unit vectors of the
    sky's x and y, and of the line of sight.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers import pairs
    >>> from astroanomaly.simulate.galaxies import population
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> pairs.seen_along(galaxy, np.array([0.0, 0.0, 1.0]), np.eye(3)).axis_ratio
    1.0
    """
    x, y, depth = axes @ spin
    flat = galaxy.axis_ratio if galaxy.structure == "smooth" else THICKNESS
    ratio = float(np.sqrt(depth**2 * (1 - flat**2) + flat**2))
    # The spin projects on the minor axis; north is up and east is left.
    angle = float(np.degrees(np.arctan2(y, x)) % 180)
    return replace(galaxy, axis_ratio=min(ratio, 1.0), position_angle=angle)


def scene(pair: Pair, moment: float, tails: list, axes: np.ndarray) -> Scene:
    """Return what to draw of a pair at one moment from one side.

    `moment`: normalised time, -1 to 1; `axes` (3, 3): unit vectors of the sky's x and
    y, and of the line of sight.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers import pairs, tides
    >>> from astroanomaly.simulate.galaxies import population
    >>> rng = np.random.default_rng(1)
    >>> two = [population.draw_galaxy(rng, mag) for mag in (22.0, 22.75)]
    >>> pair = pairs.draw_pair(rng, *two, 0.5)
    >>> at_rest = 2 * [(np.ones((20, 64, 3)), np.zeros((20, 64, 3)))]
    >>> len(pairs.scene(pair, -0.5, at_rest, np.eye(3)).bodies)
    2
    """
    scale = pair.primary.half_light_radius
    views = [
        seen_along(galaxy, spin, axes)
        for galaxy, spin in zip((pair.primary, pair.secondary), pair.spins, strict=True)
    ]
    disc = views[0]
    if moment > 0 and disc.bulge_to_total < 1:
        # A disc is disturbed, then thickens and grows its bulge. Knots and lopsidedness
        # fade with time; all of it is the stronger the larger the secondary was.
        ratio, bulge = pair.flux_ratio, disc.bulge_to_total
        grown = ratio * (1 - np.exp(-moment))
        views[0] = replace(
            _disturbed(disc, np.cbrt(ratio) * np.exp(-0.7 * moment)),
            bulge_to_total=float(bulge + (0.8 - bulge) * grown),
            bulge_radius=disc.bulge_radius or 0.3 * disc.half_light_radius,
            n=max(disc.n, 2.0),
            axis_ratio=float(disc.axis_ratio * (1 - ratio / 2) + ratio / 2),
        )
    first, second = (
        moved_light(view, spin, axes, *tail, scale)
        for view, spin, tail in zip(views, pair.spins, tails, strict=True)
    )
    place = pair.orbit.position(pair.orbit.clock(moment)) @ pair.plane
    if moment <= 0:
        companion = scale * (axes @ place)[:2]
        moved = [*first, *(_shifted(b, companion, pair.flux_ratio) for b in second)]
        bodies = [(views[0], 0.0, 0.0), (views[1], *companion)]
        return Scene(bodies, moved, companion)
    companion = scale * (axes @ pair.nucleus)[:2] * np.exp(-moment / pair.fading)
    dwarfs = tidal_dwarfs(pair, tails, axes, moment)
    bodies = _remnant(pair, views, moment, companion)
    # The first body gives the dwarfs their light: they are made of its gas.
    (first_body, *at), *others = bodies
    mag = pair.primary.mag
    light = sum(10 ** (-0.4 * (dwarf.mag - mag)) for dwarf, _, _ in dwarfs)
    dimmed = float(first_body.mag - 2.5 * np.log10(1 - light))
    bodies = [(replace(first_body, mag=dimmed), *at), *others, *dwarfs]
    tail, left = second[0], np.exp(-moment)
    share = TAIL * left * pair.flux_ratio / max(tail[1].sum(), 1e-6)
    moved = [_shifted(blobs, (0.0, 0.0), left) for blobs in first]
    return Scene(bodies, [*moved, _shifted(tail, (0.0, 0.0), share)], companion)


def tidal_dwarfs(pair, tails, axes, moment):
    """Return compact bodies in the tails of gas-rich galaxies.

    They hold some per cent of a merger's light (Bournaud & Duc 2006, A&A 456, 481).
    """
    bodies = []
    galaxies = (pair.primary, pair.secondary)
    for galaxy, (rest, moved), drawn in zip(galaxies, tails, pair.dwarfs, strict=True):
        # An early type has no gas in its tails.
        if galaxy.bulge_to_total == 1:
            continue
        places = (rest + moved).reshape(-1, 3)
        ranks = np.argsort(np.linalg.norm(places, axis=1))
        for rank, flux in drawn:
            place = places[ranks[int(rank * (len(ranks) - 1))]]
            # They fall back or are torn apart in twice the normalised time.
            share = flux * np.exp(-0.5 * moment)
            body = _spheroid(pair.primary, share, DWARF_RADIUS, 1.0)
            offset = pair.primary.half_light_radius * (axes @ place)[:2]
            bodies.append((body, *offset))
    return bodies


def _disturbed(disc, strength):
    """Give a disc new knots and make it lopsided."""
    return replace(
        disc,
        knots=float(min(disc.knots + STARBURST * strength, 0.7)),
        n_knots=max(disc.n_knots, 12),
        lopsided=float(min(disc.lopsided + LOPSIDED * strength, 0.9)),
    )


def _remnant(pair, views, moment, companion):
    """Return the bodies after coalescence.

    The secondary's light is in tails, in a nucleus that sinks and fades, and in an
    envelope on the other side that settles more slowly. Tails disperse into it.
    """
    radius = views[0].half_light_radius
    # Tails fall back into the envelope in the normalised time.
    tail = TAIL * np.exp(-moment)
    nucleus = NUCLEUS * np.exp(-moment / pair.fading)
    bodies = [(views[0], 0.0, 0.0)]
    if nucleus > 0.01:
        core = _spheroid(views[1], nucleus, min(0.25 * radius, 0.12), 2.0)
        bodies.append((core, *companion))
    settled = np.exp(0.5 * moment / pair.fading)
    # The secondary's scattered stars: smooth, or with knots from its gas.
    galaxy, share, wide = views[1], 1 - tail - nucleus, 1.2 * radius
    if galaxy.bulge_to_total == 1:
        envelope = _spheroid(galaxy, share, wide, 1.0)
    else:
        envelope = replace(
            _disturbed(galaxy, np.exp(-0.7 * moment)),
            mag=float(galaxy.mag - 2.5 * np.log10(share)),
            bulge_to_total=0.0,
            bulge_radius=0.0,
            half_light_radius=float(wide),
            disc_scale=float(wide / half_light_in_scale_lengths()),
            n_arms=0,
            bar=0.0,
            axis_ratio=max(galaxy.axis_ratio, 0.5),
        )
    bodies.append((envelope, *(-settled * companion)))
    return bodies


def _spheroid(galaxy, share, radius, n):
    """Return a smooth body with a share of a galaxy's light."""
    return replace(
        galaxy,
        mag=float(galaxy.mag - 2.5 * np.log10(share)),
        structure="smooth",
        n=n,
        bulge_to_total=1.0,
        half_light_radius=float(radius),
        bulge_radius=float(radius),
        disc_scale=0.0,
        axis_ratio=max(galaxy.axis_ratio, 0.6),
    )


def _shifted(blobs, offset, share):
    """Return blobs elsewhere, with a share of their light."""
    offsets, flux, sigma = blobs
    return offsets + np.asarray(offset), flux * share, sigma
