"""From the sky back to a source: one or more deflectors, by lenstronomy."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, gammaincinv

from astroanomaly.simulate.lenses import cosmology
from astroanomaly.utils.optional import require

# Images fainter than a tenth of the source do not count: the lens outshines them,
# and the one in the middle of an isothermal lens does not exist at all.
_FAINTEST_IMAGE = 0.1
# Points on the half-light ellipse: a caustic seldom slips between two of them.
_POINTS = 8


@dataclass(frozen=True)
class Deflector:
    """A singular isothermal ellipsoid with shear; angles in arcsec.

    `z`: redshift; `theta_E`: Einstein radius for the source that `trace` is told of;
    `e1`, `e2`: ellipticity, ``(1 - q) / (1 + q)`` along the angle 0 and 45 degrees;
    `gamma1`, `gamma2`: external shear, about the deflector's centre; `x`, `y`: centre,
    as the sky would show it without any lens before it.
    """

    z: float
    theta_E: float
    e1: float = 0.0
    e2: float = 0.0
    gamma1: float = 0.0
    gamma2: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Source:
    """Light of unit flux: a Sersic profile and knots; angles in arcsec.

    `x`, `y`: centre, unlensed; `radius`: half-light radius, of the circle of equal
    area; `n`: Sersic index; `e1`, `e2`: ellipticity, as a `Deflector`'s; `knots`:
    Gaussian knots: place about the centre, width, and share of the flux.
    """

    x: float
    y: float
    radius: float
    n: float = 1.0
    e1: float = 0.0
    e2: float = 0.0
    knots: tuple = ()

    def brightness(self, x, y):
        """Return the flux per square arcsec at places of the source's plane."""
        x, y = x - self.x, y - self.y
        smooth = 1 - sum(knot[3] for knot in self.knots)
        b = gammaincinv(2 * self.n, 0.5)
        total = 2 * np.pi * self.n * self.radius**2 * b ** (-2 * self.n)
        peak = smooth / (total * gamma(2 * self.n))
        light = np.power(self._squared_radius(x, y), 0.5 / self.n)
        light = peak * np.exp(-b * light)
        for dx, dy, sigma, share in self.knots:
            squared = ((x - dx) ** 2 + (y - dy) ** 2) / (2 * sigma**2)
            light += share / (2 * np.pi * sigma**2) * np.exp(-squared)
        return light

    def _squared_radius(self, x, y):
        """Return the squared elliptical radius in half-light radii."""
        size = np.hypot(self.e1, self.e2)
        cosine, sine = (self.e1 / size, self.e2 / size) if size else (1.0, 0.0)
        q = (1 - size) / (1 + size)
        # (q + 1/q) / 2 and the like: the quadratic form of an ellipse turned.
        mean, half = (q + 1 / q) / 2, (q - 1 / q) / 2
        squares = mean * (x * x + y * y)
        squares += half * (cosine * (x * x - y * y) + sine * 2 * x * y)
        return squares / self.radius**2

    def outline(self):
        """Return the centre and eight points on the half-light ellipse."""
        size = np.hypot(self.e1, self.e2)
        turn = 0.5 * np.arctan2(self.e2, self.e1)
        root = np.sqrt((1 - size) / (1 + size))
        angle = np.arange(_POINTS) * 2 * np.pi / _POINTS
        along = self.radius / root * np.cos(angle)
        across = self.radius * root * np.sin(angle)
        x = self.x + along * np.cos(turn) - across * np.sin(turn)
        y = self.y + along * np.sin(turn) + across * np.cos(turn)
        return np.r_[self.x, x], np.r_[self.y, y]


def trace(deflectors, z_source, x, y, stops=()):
    """Trace rays from the sky to a source behind one or more deflectors.

    `x`, `y`: rays on the sky, arcsec. Returns: for each stop and then for the source,
    where the rays are, arcsec as an observer would see the places without lenses.
    """
    require("lenstronomy")
    from lenstronomy.LensModel.lens_model import LensModel

    shape, x, y = np.shape(x), np.ravel(x), np.ravel(y)
    names, keywords, redshifts = [], [], []
    for one in deflectors:
        names += ["SIE", "SHEAR"]
        sphere = {"theta_E": one.theta_E, "e1": one.e1, "e2": one.e2}
        keywords.append(sphere | {"center_x": one.x, "center_y": one.y})
        shear = {"gamma1": one.gamma1, "gamma2": one.gamma2}
        keywords.append(shear | {"ra_0": one.x, "dec_0": one.y})
        redshifts += [one.z, one.z]
    if len(deflectors) == 1 and not stops:
        model = LensModel(names)
        places = [model.ray_shooting(x, y, keywords)]
    else:
        with warnings.catch_warnings():
            # It warns of any cosmology that it is given.
            warnings.filterwarnings("ignore", "Cosmology is provided")
            model = LensModel(
                names,
                z_source=z_source,
                lens_redshift_list=redshifts,
                cosmo=cosmology.COSMOLOGY,
                multi_plane=True,
            )
        # Rays go from plane to plane; at each stop their angles are kept.
        state = (np.zeros(len(x)), np.zeros(len(x)), x, y)
        before, places = 0.0, []
        for z in [*stops, z_source]:
            state = model.lens_model.ray_shooting_partial_comoving(
                *state, before, z, keywords
            )
            distance = float(cosmology.COSMOLOGY.comoving_distance(z).value)
            places.append((state[0] / distance, state[1] / distance))
            before = z
    return [(bx.reshape(shape), by.reshape(shape)) for bx, by in places]


def count_images(source, x, y, step):
    """Count the images of a source on a grid of traced rays.

    Neighboring rays span triangles, and each triangle whose image in the source's plane
    holds a point is an image of that point. Those fainter than a tenth of the source,
    by the triangles' areas, do not count: neither does the middle image, which a
    singular lens lacks.

    `x`, `y` (ny, nx): where rays of an even grid on the sky meet its plane, arcsec;
    `step`: spacing of the grid, arcsec. Returns: the largest number of images of the
    source's centre, or of one of eight points on its half-light ellipse.
    """
    # No triangle of an image that counts reaches farther than this.
    reach = (2 * source.radius + 10 * step) ** 2
    near = (x - source.x) ** 2 + (y - source.y) ** 2 < reach
    rows, columns = np.nonzero(near[:-1, :-1])
    # Both triangles of each cell: corners of shape (3, 2 n).
    corners = []
    for values in (x, y):
        one, other = values[rows, columns + 1], values[rows + 1, columns]
        low, high = values[rows, columns], values[rows + 1, columns + 1]
        lower, upper = np.stack([low, one, other]), np.stack([high, other, one])
        corners.append(np.hstack([lower, upper]))
    ax, ay = corners
    # Twice the triangle's area, with the sign of its turn: a cross product.
    area = (ax[1] - ax[0]) * (ay[2] - ay[0]) - (ay[1] - ay[0]) * (ax[2] - ax[0])
    bright = (np.abs(area) * _FAINTEST_IMAGE <= step**2) & (area != 0)
    ax, ay, area = ax[:, bright], ay[:, bright], area[bright]
    # A point on an edge would count for both sides of it: none lies on one.
    nudge = step * np.array([[1.37e-4], [0.71e-4]])
    most = 0
    for px, py in zip(*(np.array(source.outline()) + nudge), strict=True):
        dx, dy = ax - px, ay - py
        held = True
        for i, j in ((0, 1), (1, 2), (2, 0)):
            # On one side of all three edges: the triangle holds the point.
            held &= (dx[i] * dy[j] - dy[i] * dx[j]) * np.sign(area) >= 0
        most = max(most, int(np.count_nonzero(held)))
    return most
