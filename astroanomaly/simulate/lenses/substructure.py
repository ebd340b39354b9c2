"""Dark-matter substructure of a lens: cold subhaloes, and a superfluid vortex.

Both are drawn as clumps with a mass and a place. The share of the lens's mass that
they make up counts against the mass inside its Einstein radius.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from astroanomaly.simulate.checks import check_count
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.utils.optional import require

# Of the source papers, and of haloes that tides have cut.
PROFILES = ("point", "tnfw")
# Rays that stay in a core's cache while all clumps act on them.
_RAYS = 2**15
# Added to squared distances, arcsec squared: a ray through a point mass goes straight.
_NEAREST = 1e-50


def _refuse(name, value, rule):
    raise ValueError(f"`{name}` must be {rule}. Received: {name}={value}.")


def _check_fraction(value):
    if not 0 <= value < 1:
        _refuse("mass_fraction", value, "at least 0 and less than 1")


@dataclass(frozen=True)
class Clumps:
    """Masses and places of a lens's substructure.

    `mass` (n,): solar masses; `x`, `y` (n,): places relative to the frame's centre,
    arcsec; `profile`: ``"point"`` or ``"tnfw"``; `truncation`: truncation radius over
    scale radius, of ``"tnfw"``.
    """

    mass: np.ndarray = field(default_factory=lambda: np.zeros(0))
    x: np.ndarray = field(default_factory=lambda: np.zeros(0))
    y: np.ndarray = field(default_factory=lambda: np.zeros(0))
    profile: str = "point"
    truncation: float = 5.0

    def deflection(self, x, y, z_lens: float, z_source: float):
        """Sum the deflection of all clumps.

        `x`, `y`: rays in the lens's plane, arcsec; open grids, as `numpy.meshgrid`
        gives them with ``sparse=True``, are the quickest. Returns: deflection along x
        and y, arcsec.
        """
        # Squared Einstein radii.
        squared = self.mass / (np.pi * cosmology.critical_mass(z_lens, z_source))
        if self.profile == "point":
            return self._points(squared, x, y)
        x, y = np.broadcast_arrays(x, y)
        total_x, total_y = np.zeros(x.shape), np.zeros(y.shape)
        deflect = self._truncated(squared, z_lens)
        for i in range(len(self.mass)):
            dx, dy = deflect(i, x, y)
            total_x += dx
            total_y += dy
        return total_x, total_y

    def _points(self, squared, x, y):
        """Sum the deflections ``theta_E^2 / r`` of points, a block of rays at a time.

        The formula is lenstronomy's PointMass; its loop takes six times as long.
        """
        shape = np.broadcast_shapes(np.shape(x), np.shape(y))
        x, y = np.atleast_2d(x, y)
        total = np.zeros((2, *np.broadcast_shapes(x.shape, y.shape)))
        n_rows = max(1, _RAYS // max(1, total.shape[-1]))
        for start in range(0, total.shape[1], n_rows):
            rows = slice(start, start + n_rows)
            near_x, near_y = (v if len(v) == 1 else v[rows] for v in (x, y))
            part_x, part_y = total[:, rows]
            # Written in place: new arrays for each clump would cost most of the time.
            pull, part = np.empty_like(part_x), np.empty_like(part_x)
            for i in range(len(squared)):
                dx, dy = near_x - self.x[i], near_y - self.y[i]
                np.add(dx * dx + _NEAREST, dy * dy, out=pull)
                np.divide(squared[i], pull, out=pull)
                part_x += np.multiply(pull, dx, out=part)
                part_y += np.multiply(pull, dy, out=pull)
        return total[0].reshape(shape), total[1].reshape(shape)

    def _truncated(self, squared, z_lens):
        require("lenstronomy")
        from lenstronomy.LensModel.Profiles.tnfw import TNFW

        tnfw, tau = TNFW(), self.truncation
        tiny = np.maximum(self.mass, 1e-3)  # A mass of 0 has a radius as well.
        scale = cosmology.scale_radius(tiny, z_lens)
        scale = scale * cosmology.arcsec_of(1.0, z_lens)
        # What makes the mass inside an infinite radius the one that was asked for.
        strength = squared * (1 - np.log(2)) / (scale * truncated_mass(tau))
        return lambda i, x, y: tnfw.derivatives(
            x, y, scale[i], strength[i], tau * scale[i], self.x[i], self.y[i]
        )


def truncated_mass(tau: float) -> float:
    """Return the total mass of a truncated NFW halo.

    Returns: in units of ``4 pi rho_0 r_s^3`` (Baltz, Marshall & Oguri 2009, JCAP 01,
    015, equation A.4).
    """
    t2 = tau**2
    return t2 / (t2 + 1) ** 2 * ((t2 - 1) * np.log(tau) + tau * np.pi - (t2 + 1))


@dataclass(frozen=True)
class Subhalos:
    """Cold-dark-matter subhaloes around the centre of a lens.

    The masses follow ``dN/dm ~ m^slope``, and their number is Poisson's with the
    mean that makes the expected total ``mass_fraction`` of the lens. With a fixed
    `number`, masses drawn from the same law are scaled to that total; with
    `equal_masses` all are the same.

    Parameters
    ----------
    mass_fraction : float
        Mass of all subhaloes over the lens's mass inside its Einstein radius, 0 to
        1: of the mean where their number is Poisson's.
    slope : float
        Of the mass function, below -1.
    masses : tuple of float
        Least and greatest mass, solar masses.
    number : int, optional
        How many there are; by default Poisson's law decides.
    equal_masses : bool
        Whether all have one mass; needs `number`.
    radius : float
        They lie inside this radius, arcsec, uniform in area.
    profile : {"point", "tnfw"}
        Point masses as in the source papers, or truncated NFW haloes with the scale
        radius of an untruncated halo of the same M200.
    truncation : float
        Truncation radius over scale radius of the NFW haloes.
    added : bool
        Whether their mass comes on top of the smooth lens, as in the source papers,
        which makes the ring larger; else the smooth lens loses as much.

    Raises
    ------
    ValueError
        If a number is unphysical, by name and value.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> clumps = Subhalos(number=25, equal_masses=True).draw(rng, 5e11, 0.5, 312.0)
    >>> len(clumps.mass), float(clumps.mass.sum())
    (25, 5000000000.0)
    """

    mass_fraction: float = 0.01
    slope: float = -1.9
    masses: tuple[float, float] = (1e6, 1e10)
    number: int | None = None
    equal_masses: bool = False
    radius: float = 1.0
    profile: str = "point"
    truncation: float = 5.0
    added: bool = True
    sector = "subhalos"

    def __post_init__(self):
        """Refuse what no lens has."""
        _check_fraction(self.mass_fraction)
        if self.number is not None:
            check_count("number", self.number, 1)
        if not -10 < self.slope < -1:
            _refuse("slope", self.slope, "below -1 (and above -10)")
        limits = np.atleast_1d(np.asarray(self.masses, dtype=float))
        if limits.shape != (2,) or not 0 < limits[0] < limits[1] < np.inf:
            _refuse("masses", self.masses, "two rising masses above 0")
        object.__setattr__(self, "masses", (float(limits[0]), float(limits[1])))
        if not 0 < self.radius < np.inf:
            _refuse("radius", self.radius, "above 0")
        if self.profile not in PROFILES:
            _refuse("profile", repr(self.profile), f"one of {', '.join(PROFILES)}")
        if not 0.1 <= self.truncation < np.inf:
            _refuse("truncation", self.truncation, "at least 0.1")
        if self.equal_masses and self.number is None:
            raise ValueError(
                "`equal_masses` must come with `number`, since Poisson's law needs the "
                "mass function. Received: number=None."
            )

    def replace(self, **changes: Any) -> "Subhalos":
        """Return a copy with other numbers, such as ``mass_fraction=0.02``."""
        return replace(self, **changes)

    @property
    def mean_mass(self) -> float:
        """Mean of the mass function, solar masses."""
        return _moment(self.slope + 1, self.masses) / _moment(self.slope, self.masses)

    def draw(
        self,
        rng: np.random.Generator,
        lens_mass: float,
        z_lens: float,
        dispersion: float,
    ) -> Clumps:
        """Draw the subhaloes of one lens.

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws number, masses and places.
        lens_mass : float
            Mass inside the Einstein radius, solar masses.
        z_lens, dispersion : float
            Redshift and velocity dispersion (km/s) of the lens; not used.

        Returns
        -------
        Clumps
            Masses and places.
        """
        total = self.mass_fraction * lens_mass
        n = self.number
        n = int(rng.poisson(total / self.mean_mass)) if n is None else int(n)
        mass = self._draw_masses(rng, n)
        if self.number is not None:
            mass = np.full(n, total / n) if self.equal_masses else mass / mass.sum()
            mass = mass if self.equal_masses else mass * total
        # The root makes places even over the disc's area.
        r = self.radius * np.sqrt(rng.uniform(size=n))
        angle = rng.uniform(0, 2 * np.pi, n)
        x, y = r * np.cos(angle), r * np.sin(angle)
        return Clumps(mass, x, y, self.profile, self.truncation)

    def _draw_masses(self, rng, n):
        """Draw from the power law by its inverse distribution function."""
        # The slope is never -1, for which this power would be a logarithm.
        low, high = (m ** (self.slope + 1) for m in self.masses)
        share = rng.uniform(size=n)
        return (low + share * (high - low)) ** (1 / (self.slope + 1))


def _moment(power, limits):
    """Return the integral of m^power between the limits."""
    low, high = limits
    if power == -1:
        return float(np.log(high / low))
    return (high ** (power + 1) - low ** (power + 1)) / (power + 1)


@dataclass(frozen=True)
class Vortex:
    """A vortex of a dark-matter superfluid: a straight line of equal point masses.

    Parameters
    ----------
    mass_fraction : float
        Its mass over the lens's mass inside its Einstein radius, 0 to 1.
    mass : float, optional
        Its mass, solar masses, in place of `mass_fraction`.
    length : float
        Length, arcsec.
    axion_mass : float or tuple of float, optional
        Rest energy of the axion, eV: one, or the limits of a log-uniform law. The
        vortex is then two de Broglie wavelengths long, ``h / (m v)``, v the lens's
        velocity dispersion, and `length` does not count.
    number : int
        Point masses along the line.
    angle : float, optional
        Angle from the x axis to the y axis, degrees; by default random.
    scatter : float
        Standard deviation of its middle from the lens's centre, arcsec, in x and in y.
    added : bool
        As for `Subhalos`.

    Raises
    ------
    ValueError
        If a number is unphysical, by name and value.

    Examples
    --------
    >>> vortex = Vortex(length=1.0, number=25, angle=90.0, scatter=0.0)
    >>> clumps = vortex.draw(np.random.default_rng(1), 5e11, 0.5, 312.0)
    >>> float(clumps.y[0]), float(clumps.y[-1])
    (-0.5, 0.5)
    """

    mass_fraction: float = 0.01
    mass: float | None = None
    length: float = 1.0
    axion_mass: float | tuple[float, float] | None = None
    number: int = 25
    angle: float | None = None
    scatter: float = 0.5
    added: bool = True
    profile = "point"
    sector = "vortex"

    def __post_init__(self):
        """Refuse what no lens has."""
        _check_fraction(self.mass_fraction)
        check_count("number", self.number, 1)
        if self.mass is not None and not 0 <= self.mass < np.inf:
            _refuse("mass", self.mass, "at least 0")
        if not 0 < self.length < np.inf:
            _refuse("length", self.length, "above 0")
        energy = 1.0 if self.axion_mass is None else self.axion_mass
        limits = np.atleast_1d(np.asarray(energy, dtype=float))
        if limits.size not in (1, 2) or not 0 < limits[0] <= limits[-1] < np.inf:
            _refuse("axion_mass", self.axion_mass, "above 0, or two rising limits")
        if not 0 <= self.scatter < np.inf:
            _refuse("scatter", self.scatter, "at least 0")
        if self.angle is not None and not np.isfinite(self.angle):
            _refuse("angle", self.angle, "finite")

    def replace(self, **changes: Any) -> "Vortex":
        """Return a copy with other numbers, such as ``length=0.5``.

        Parameters
        ----------
        **changes : object
            New numbers by their names. A `mass_fraction` takes the place of a `mass`,
            and a `length` that of an `axion_mass`.

        Returns
        -------
        Vortex
            The copy.
        """
        if "mass_fraction" in changes:
            changes = {"mass": None} | changes
        if "length" in changes:
            changes = {"axion_mass": None} | changes
        return replace(self, **changes)

    def draw(
        self,
        rng: np.random.Generator,
        lens_mass: float,
        z_lens: float,
        dispersion: float,
    ) -> Clumps:
        """Draw the vortex of one lens.

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws place, angle and axion mass.
        lens_mass : float
            Mass inside the Einstein radius, solar masses.
        z_lens, dispersion : float
            Redshift and velocity dispersion (km/s) of the lens, for the length.

        Returns
        -------
        Clumps
            Masses and places.
        """
        # Drawn whatever is set, so that settings do not change later draws.
        middle = rng.normal(0.0, 1.0, 2) * self.scatter
        turn = rng.uniform(0, np.pi)
        share = rng.uniform()
        turn = turn if self.angle is None else np.radians(self.angle)
        length = self.length
        if self.axion_mass is not None:
            low, high = np.log(np.resize(self.axion_mass, 2))
            energy = float(np.exp(low + share * (high - low)))
            wavelength = cosmology.de_broglie_wavelength(energy, dispersion)
            length = 2 * cosmology.arcsec_of(wavelength, z_lens)
        along = np.linspace(-length / 2, length / 2, self.number)
        along = along if self.number > 1 else np.zeros(1)
        total = self.mass_fraction * lens_mass if self.mass is None else self.mass
        mass = np.full(self.number, total / self.number)
        x, y = middle[0] + along * np.cos(turn), middle[1] + along * np.sin(turn)
        return Clumps(mass, x, y)
