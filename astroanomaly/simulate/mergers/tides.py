"""Orbits of merging galaxies and what the tide does to their outer discs.

A restricted three-body calculation (Toomre & Toomre 1972, ApJ 178, 623): two
Hernquist halos on a decaying orbit, and massless particles on circular orbits in
the outer disc of one of them. Units: the half-light radius of the primary, its
halo's mass, and G = 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

HALO = 2.5  # scale radius of the primary's halo, half-light radii
# Four half-mass radii, each 4/3 of the half-light radius seen in projection.
START, DISTANT = 8.0, 16 / 3
# [O] Half-light radii: nearer than this the two nuclei are one in an image.
COALESCED = 0.35
STEP = 0.08  # of the orbit
PARTICLE_STEP = 0.16  # at most; 19 of 20 particles are then right to 0.05
# 1,280 particles a galaxy make smooth tails.
N_RADII, N_ANGLES = 20, 64
RADII = (0.6, 2.7)  # of the particles, half-light radii
# Far beyond any merger: it ends a loop that nothing else would.
_MAX_STEPS = 3000
_DRAG = 0.1  # [O] one or two passages before the two are one


@dataclass(frozen=True)
class Orbit:
    """A companion's path about the primary, in a plane.

    `times` (n,): steps of the integration, in units of the simulation; `positions`,
    `velocities` (n, 2): of the companion relative to the primary; `mass_ratio`:
    companion's halo over the primary's; `start`, `merger`: times at which the companion
    last is four half-mass (5.3 half-light) radii away, and at which the two become one.
    """

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    mass_ratio: float
    start: float
    merger: float

    def clock(self, merger_time: float) -> float:
        """Return the simulation's time of a normalised time.

        `merger_time`: -1 where the companion is four half-mass radii away, 0 where the
        two become one. Returns: time in units of the simulation.
        """
        return self.merger + merger_time * (self.merger - self.start)

    def position(self, time: float) -> np.ndarray:
        """Return the companion's position at a time of the simulation."""
        spline = CubicHermiteSpline(self.times, self.positions, self.velocities)
        return spline(min(time, self.times[-1]))


def halo_acceleration(
    offset: np.ndarray, mass: float = 1.0, scale: float = HALO
) -> np.ndarray:
    """Return the acceleration toward a Hernquist halo, ``-G M r_hat / (r + a)^2``.

    Hernquist 1990, ApJ 356, 359, eq. 5.

    `offset` (..., d): position relative to the halo. Returns (..., d): acceleration.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers.tides import halo_acceleration
    >>> halo_acceleration(np.array([1.5]), mass=16.0).round(6)
    array([-1.])
    """
    r = np.sqrt((offset**2).sum(axis=-1, keepdims=True)) + 1e-9
    return -mass * offset / (r * (r + scale) ** 2)


def companion_scale(mass_ratio: float) -> float:
    """Return the scale radius of a companion's halo.

    Returns: ``2.5 q^0.4`` half-light radii of the primary. [O] our choice.

    >>> from astroanomaly.simulate.mergers.tides import companion_scale
    >>> companion_scale(1.0)
    2.5
    """
    return HALO * mass_ratio**0.4


def draw_orbit(rng: np.random.Generator, mass_ratio: float) -> Orbit:
    """Draw a decaying orbit that ends in a merger.

    The companion starts eight half-light radii away on a bound orbit; friction, ``-k v
    (2.5 / (1 + r))`` in the primary's halo, makes it sink. [O] our choice: k of 0.1
    times (0.4 + q^0.5) gives one or two passages.

    `rng`: draws the shape of the orbit; `mass_ratio`: companion's mass over the
    primary's, within (0, 1].

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers.tides import draw_orbit
    >>> orbit = draw_orbit(np.random.default_rng(1), 0.3)
    >>> bool(orbit.start < orbit.merger)
    True
    """
    if not 0 < mass_ratio <= 1:
        raise ValueError(
            f"`mass_ratio` must lie in (0, 1]. Received: mass_ratio={mass_ratio}."
        )
    # Speed of a circular orbit in Hernquist's halo at that distance.
    circular = np.sqrt(START) / (START + HALO) * np.sqrt(1 + mass_ratio)
    tangential, radial = rng.uniform(0.25, 0.65), rng.uniform(0.3, 0.8)
    drag = _DRAG * (0.4 + np.sqrt(mass_ratio))
    state = np.array([START, 0.0]), circular * np.array([-radial, tangential])
    times, path, speeds = integrate_orbit(*state, 1 + mass_ratio, drag)
    distance = np.hypot(*path.T)
    merged = int(np.argmax(np.maximum.accumulate(distance[::-1])[::-1] < COALESCED))
    far = np.flatnonzero(distance[:merged] >= DISTANT)
    start = float(times[far[-1]])
    # What remains of the orbit dies out; velocities stay derivatives of positions.
    fade = np.exp(-(times[merged:] - times[merged]))[:, None]
    speeds[merged:] = fade * (speeds[merged:] - path[merged:])
    path[merged:] *= fade
    return Orbit(times, path, speeds, mass_ratio, start, float(times[merged]))


def integrate_orbit(position, velocity, mass, drag):
    """Leapfrog with drag until the two have been one for long."""
    # Plain complex numbers: on two coordinates an array costs ten times as much.
    x, v = complex(*position), complex(*velocity)

    def gain(x, v):
        r = abs(x)
        return -x * mass / (r * (r + HALO) ** 2 + 1e-9) - drag * 2.5 / (1 + r) * v

    path, last_far = [(x, v)], 0
    for step in range(1, _MAX_STEPS):
        half = v + 0.5 * STEP * gain(x, v)
        x += STEP * half
        v = half + 0.5 * STEP * gain(x, half)
        path.append((x, v))
        if abs(x) >= COALESCED:
            last_far = step
        # Both have been one for longer than they were apart: nothing is to come.
        elif step - last_far > 1.1 * last_far:
            break
    path = np.array(path)[..., None].view(float)
    return STEP * np.arange(len(path)), path[:, 0], path[:, 1]


def rings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the test particles start in their disc.

    `r, phi` (20, 64): polar coordinates, half-light radii and radians. `area` (20, 64):
    area of the disc that each stands for.

    >>> from astroanomaly.simulate.mergers.tides import RADII, rings
    >>> total = rings()[2].sum()
    >>> bool(np.isclose(total, np.pi * (RADII[1] ** 2 - RADII[0] ** 2)))
    True
    """
    edges = np.linspace(*RADII, N_RADII + 1)
    r = 0.5 * (edges[1:] + edges[:-1])
    # Every second ring is turned by half a step: no spokes.
    phi = 2 * np.pi * (np.arange(N_ANGLES) + 0.5 * (np.arange(N_RADII)[:, None] % 2))
    phi = phi / N_ANGLES
    area = np.repeat(np.pi * np.diff(edges**2)[:, None] / N_ANGLES, N_ANGLES, axis=1)
    return np.repeat(r[:, None], N_ANGLES, axis=1), phi, area


def displacements(
    orbit: Orbit,
    times: np.ndarray,
    spin: np.ndarray,
    plane: np.ndarray,
    *,
    of_companion: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate the disc's test particles and say where the tide has moved them.

    `times` (m,): times of the simulation at which to look; `spin` (3,): unit vector of
    the disc's rotation; `plane` (2, 3): unit vectors that span the orbit's plane.
    `rest` (20, 64, 3): positions without a tide, at any time: circular orbits only turn
    the rings, and the particles start so far turned back that they come to rest here.
    `moved` (m, 20, 64, 3): displacement of each particle by the tide; lengths in
    half-light radii of the primary, also for the companion's disc.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers import tides
    >>> orbit = tides.draw_orbit(np.random.default_rng(1), 0.3)
    >>> times = [orbit.clock(-0.5), orbit.clock(0.5)]
    >>> tides.displacements(orbit, times, np.eye(3)[2], np.eye(3)[:2])[1].shape
    (2, 20, 64, 3)
    """
    q = orbit.mass_ratio
    size = companion_scale(q) / HALO if of_companion else 1.0
    own = (q, HALO * size) if of_companion else (1.0, HALO)
    other = (1.0, HALO) if of_companion else (q, companion_scale(q))
    path = orbit.positions @ plane * (-1 if of_companion else 1)
    r, phi, _ = rings()
    r = r * size
    axes = disc_axes(spin)
    rate = np.sqrt(own[0] / r) / (r + own[1])
    times = np.asarray(times, dtype=float)
    n = max(int(np.ceil(times.max() / PARTICLE_STEP)), 1)
    at = times * np.linspace(0, 1, n + 1)[:, None]
    track = np.stack([np.interp(at, orbit.times, part) for part in path.T], axis=-1)
    turned = phi - rate * times[:, None, None]
    seen = _leapfrog(*_circular(r, turned, rate, axes), track, times / n, own, other)
    rest = _circular(r, phi, rate, axes)[0]
    return np.moveaxis(rest, 0, -1), np.moveaxis(seen - rest[:, None], 0, -1)


def disc_axes(spin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two unit vectors of the plane that a disc turns in.

    `spin` (3,): unit vector of the disc's rotation. `first, second` (3,): the disc
    turns from the first to the second: first x second = spin.

    >>> import numpy as np
    >>> from astroanomaly.simulate.mergers.tides import disc_axes
    >>> spin = np.array([0.0, 0.0, 1.0])
    >>> bool(np.allclose(np.cross(*disc_axes(spin)), spin))
    True
    """
    helper = np.eye(3)[np.argmin(np.abs(spin))]
    first = np.cross(spin, helper)
    first = first / np.linalg.norm(first)
    return first, np.cross(spin, first)


def _circular(r, phase, rate, axes):
    """Return positions and velocities on circles, the three coordinates first."""
    first, second = (axis.reshape(3, *[1] * phase.ndim) for axis in axes)
    cosine, sine = np.cos(phase), np.sin(phase)
    position = r * (cosine * first + sine * second)
    return position, r * rate * (cosine * second - sine * first)


def _leapfrog(x, v, track, step, own, other):
    """Move particles in the frame of their own halo, which falls itself.

    Coordinates come first and moments second; `track` is the perturber's path of
    shape (n + 1, m, 3) in steps of `step`, of shape (m,). Rounding in single
    precision is far below the error of the steps.
    """
    falls = halo_acceleration(track, *other)
    # (n, m, 3) to (n, 3, m, 1, 1), the layout of the particles.
    track, falls = (
        np.moveaxis(part, -1, 1)[..., None, None] for part in (track, falls)
    )
    x, v, track, falls = (part.astype(np.float32) for part in (x, v, track, falls))
    step = step.astype(np.float32)[:, None, None]
    gain, work, square = (np.empty_like(x) for _ in range(3))
    for k, (perturber, fall) in enumerate(zip(track, falls, strict=True)):
        if k:
            x += np.multiply(step, v, out=work)
        np.subtract(x, perturber, out=work)
        _pull(work, *other, square, work)
        _pull(x, *own, square, gain)
        gain += work
        gain += fall
        gain *= step if k else 0.5 * step
        v += gain
    return x.astype(float)


def _pull(offset, mass, scale, square, out):
    """Do as `halo_acceleration` does, coordinates first, without new arrays."""
    np.multiply(offset, offset, out=square)
    r, product = square[0], square[1]
    r += square[1]
    r += square[2]
    np.sqrt(r, out=r)
    # A particle at the very centre of a halo is not pulled: no division by zero.
    r += 1e-6
    np.add(r, scale, out=product)
    product *= product
    product *= r
    np.multiply(offset, np.divide(-mass, product, out=product), out=out)
