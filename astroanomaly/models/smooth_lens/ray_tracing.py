"""A differentiable ray tracer: smooth lenses through PSF and pixel, many at a time.

Complex numbers z = x + i y stand for angles. A singular isothermal ellipsoid (SIE) with
ellipticity eps = e1 + i e2, of size (1 - q) / (1 + q), deflects by (Tessore & Metcalf
2015, A&A 580, A79, equations 13 and 29)

    alpha = theta_E sqrt(1 - |eps|^2) u sum_k (-conj(eps) u^2)^k / (2 k + 1),
    u = w / |w|,   w = z - eps conj(z),

which is smooth in eps where arctan and arctanh of the closed form are 0 / 0. The source
is a Sersic profile, whose elliptical radius has the same form: R^2 = |s - eps_s
conj(s)|^2 / (1 - |eps_s|^2). Names and conventions are lenstronomy's (Birrer & Amara
2018, arXiv:1803.09746), and so are the numbers.
"""

import numpy as np
import tensorflow as tf
from astropy.convolution import Gaussian2DKernel
from astropy.stats import gaussian_fwhm_to_sigma
from keras import ops

PARAMETERS = (
    "theta_E",
    "e1",
    "e2",
    "gamma1",
    "gamma2",
    "center_x",
    "center_y",
    "source_x",
    "source_y",
    "log_radius",
    "log_n",
    "source_e1",
    "source_e2",
    "log_brightness",
    "level",
)
"""Of a smooth lens, in the order of a vector.

Lengths are those of the tracer's pixel scale, source and lens are placed about the
frame's centre, logarithms are natural; `log_brightness` is of the flux per pixel at the
half-light ellipse, `level` the sky's.
"""
MOST_ELLIPTICAL = 0.4
"""Largest |e1 + i e2| of a lens for which the sum is exact to float32."""

# The first term left out is 0.4^14 / 29 = 1e-7 of theta_E.
_TERMS = 14
# Pixels whose rays are summed at a time.
_BLOCK = 16
# Squared lengths: what keeps the centre of a lens or a source finite.
_NEAREST = 1e-12


def gaussian_psf(fwhm: float) -> np.ndarray:
    """Draw a round Gaussian PSF.

    `fwhm`: full width at half maximum in rays. Returns (k, k), k odd: unit sum, out to
    four widths.

    >>> gaussian_psf(2.0).shape
    (17, 17)
    """
    half = int(np.ceil(4 * fwhm))
    kernel = Gaussian2DKernel(fwhm * gaussian_fwhm_to_sigma, x_size=2 * half + 1)
    kernel.normalize()
    return kernel.array


class RayTracer:
    """Draw smooth lenses, and how each pixel changes with each parameter.

    A PSF is a sum of few products of a column and a row (its singular vectors), so that
    blurring, integrating over pixels and cutting the frame out are two matrix products
    for each: exact, and quicker than transforms.

    Parameters
    ----------
    size : int
        Side of the square frame, pixels.
    pixel_scale : float, optional
        Side of a pixel, in the unit of all lengths: 1 measures in pixels.
    supersampling : int, optional
        Rays along a pixel's side. Against 24 rays, 3 are wrong by at most 0.3 of the
        noise at the cusp of an exponential source of half-light radius 5 pixels at a
        signal to noise of 14, and by 0.004 in the root mean square; 8 by 0.04.
    psf : ndarray of shape (k, k), optional
        The PSF on the rays, k odd, the pixel left out; by default none.
    margin : int, optional
        Pixels around the frame whose light the PSF brings in.
    tolerance : float, optional
        Singular values of the PSF that are left out, over the largest.
    compiled : bool, optional
        Compile the rays' arithmetic, which takes seconds once for each number of
        lenses: worth it for many rays.

    Examples
    --------
    >>> tracer = RayTracer(32)
    >>> lens = np.float32([[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]])
    >>> tracer.draw(lens).shape
    TensorShape([1, 32, 32])
    """

    def __init__(
        self,
        size: int,
        pixel_scale: float = 1.0,
        supersampling: int = 3,
        psf=None,
        margin: int = 4,
        # 1e-3 of the noise is a ten-thousandth of a bright pixel.
        tolerance: float = 1e-6,
        compiled: bool = True,
    ):
        self.size, self.margin = int(size), int(margin)
        psf = np.ones((1, 1)) if psf is None else np.asarray(psf, float)
        n_rays = (self.size + 2 * self.margin) * supersampling
        axis = (np.arange(n_rays) - (n_rays - 1) / 2) * pixel_scale / supersampling
        self.axis = axis.astype(np.float32)
        columns, sizes, rows = np.linalg.svd(psf / psf.sum())
        kept = np.flatnonzero(sizes > tolerance * sizes[0])
        # A pixel is the mean of its rays, and so is its part of each matrix.
        pixel = np.arange(n_rays) // supersampling - self.margin
        mean = (pixel == np.arange(self.size)[:, None]) / supersampling
        half = len(psf) // 2
        shift = np.arange(n_rays)[:, None] - np.arange(n_rays) + half
        inside = (shift >= 0) & (shift < len(psf))
        shift = np.clip(shift, 0, len(psf) - 1)
        self.blurs = [
            [
                (mean @ np.where(inside, vector[shift], 0.0)).astype(np.float32)
                for vector in (sizes[k] * columns[:, k], rows[k])
            ]
            for k in kept
        ]
        # XLA fuses the arithmetic of a ray, but its small products of matrices take
        # seven times as long as TensorFlow's own.
        self.trace = (
            tf.function(self._trace, jit_compile=True) if compiled else self._trace
        )

    def _trace(self, parameters, derivatives: bool = False):
        """Return the light (n, rays, rays) per pixel; and (n, 13, rays, rays) for it.

        The second is asked for by `derivatives`: those by the first 13 parameters.
        """
        values = [one[:, None, None] for one in ops.unstack(parameters, 15, axis=1)]
        theta_E, e1, e2, gamma1, gamma2, center_x, center_y = values[:7]
        source_x, source_y, log_radius, log_n, se1, se2, log_brightness = values[7:14]
        x, y = self.axis[None, None, :] - center_x, self.axis[None, :, None] - center_y
        ux, uy = x - e1 * x - e2 * y, y - e2 * x + e1 * y
        near = ops.rsqrt(ux * ux + uy * uy + _NEAREST)
        ux, uy = ux * near, uy * near
        # v = -conj(eps) u^2
        square_x, square_y = ux * ux - uy * uy, 2 * ux * uy
        vx, vy = -e1 * square_x - e2 * square_y, e2 * square_x - e1 * square_y
        sx = sy = tx = ty = 0.0
        for k in reversed(range(_TERMS)):
            # Horner's rule for the sum S(v) and its derivative T(v).
            if derivatives:
                tx, ty = sx + vx * tx - vy * ty, sy + vx * ty + vy * tx
            sx, sy = 1 / (2 * k + 1) + vx * sx - vy * sy, vx * sy + vy * sx
        round_ = ops.sqrt(1 - e1 * e1 - e2 * e2)
        gx, gy = ux * sx - uy * sy, ux * sy + uy * sx
        strength = theta_E * round_
        bx = x - strength * gx - gamma1 * x - gamma2 * y + center_x - source_x
        by = y - strength * gy - gamma2 * x + gamma1 * y + center_y - source_y
        px, py = bx - se1 * bx - se2 * by, by - se2 * bx + se1 * by
        flat = 1 - se1 * se1 - se2 * se2
        squared = (px * px + py * py + _NEAREST) / flat
        n = ops.exp(log_n)
        # b_n as in lenstronomy, to 3e-4 for n from 0.5 to 10.
        b = 1.9992 * n - 0.3271
        log_reach = (0.5 * ops.log(squared) - log_radius) / n
        reach = ops.exp(log_reach)
        light = ops.exp(log_brightness - b * (reach - 1))
        if not derivatives:
            return light
        # Of the light by the logarithm of reach, by R^2, and by a place of the source.
        slope = -b * reach * light
        by_square = slope / (2 * n * squared * flat)
        light_x = 2 * by_square * (px - se1 * px - se2 * py)
        light_y = 2 * by_square * (py - se2 * px + se1 * py)
        # alpha = strength G, G = u S; turning u by m changes G by i m H.
        cubed_x, cubed_y = ux * square_x - uy * square_y, ux * square_y + uy * square_x
        # Q = u^3 T, H = G + 2 u v T, and u v T = -conj(eps) Q.
        qx, qy = cubed_x * tx - cubed_y * ty, cubed_x * ty + cubed_y * tx
        hx, hy = gx - 2 * (e1 * qx + e2 * qy), gy - 2 * (e1 * qy - e2 * qx)

        def moved(turn, change_x=0.0, change_y=0.0):
            """Return the change of light where G turns by `turn` and changes."""
            return -strength * (
                light_x * (change_x - turn * hy) + light_y * (change_y + turn * hx)
            )

        # d sqrt(1 - |eps|^2) / sqrt(1 - |eps|^2)
        thin = 1 / (1 - e1 * e1 - e2 * e2)
        center = [
            moved(near * (uy - e1 * uy + e2 * ux)),
            moved(-near * (ux + e1 * ux + e2 * uy)),
        ]
        found = [
            -round_ * (light_x * gx + light_y * gy),
            moved(near * (x * uy + y * ux), -qx - e1 * thin * gx, -qy - e1 * thin * gy),
            moved(near * (y * uy - x * ux), -qy - e2 * thin * gx, qx - e2 * thin * gy),
            light_y * y - light_x * x,
            -light_x * y - light_y * x,
            center[0] + gamma1 * light_x + gamma2 * light_y,
            center[1] + gamma2 * light_x - gamma1 * light_y,
            -light_x,
            -light_y,
            -slope / n,
            -slope * log_reach - 1.9992 * n * light * (reach - 1),
            2 * by_square * (py * by - px * bx + squared * se1),
            2 * by_square * (squared * se2 - px * by - py * bx),
        ]
        return light, ops.stack(found, axis=1)

    def expose(self, light):
        """Blur light by the PSF, integrate it over pixels and cut the frame out.

        Parameters
        ----------
        light : tensor of shape (..., n_rays, n_rays)
            Brightness that rays meet.

        Returns
        -------
        tensor of shape (..., size, size)
            Flux per pixel.
        """
        return sum(_product(_product(light, column), row) for column, row in self.blurs)

    def draw(self, parameters):
        """Draw lenses without noise.

        Parameters
        ----------
        parameters : tensor of shape (n, 15)
            See `PARAMETERS`.

        Returns
        -------
        tensor of shape (n, size, size)
            Flux per pixel, with the sky's level.
        """
        parameters = ops.convert_to_tensor(parameters, "float32")
        return self.expose(self.trace(parameters)) + _level(parameters)

    def jacobian(self, parameters):
        """Draw lenses and their derivatives by each parameter.

        Parameters
        ----------
        parameters : tensor of shape (n, 15)
            See `PARAMETERS`.

        Returns
        -------
        tuple of tensor
            Images of shape (n, size, size), and derivatives of shape (n, 15, size,
            size).
        """
        parameters = ops.convert_to_tensor(parameters, "float32")
        light, changes = self.trace(parameters, derivatives=True)
        image = self.expose(light)[:, None]
        # The light goes with its brightness, and the level is a level.
        changes = [self.expose(changes), image, ops.ones_like(image)]
        image = image[:, 0] + _level(parameters)
        return image, ops.concatenate(changes, axis=1)


def _level(parameters):
    """Return the sky's level of each image, of shape (n, 1, 1)."""
    # Not by an index of None: of stacked vectors TensorFlow 2.21 forgets it in a graph.
    return ops.reshape(parameters[:, -1], (-1, 1, 1))


def _product(light, matrix):
    """Return light whose columns are weighted sums of its rows, turned by 90 degrees.

    The matrix is a band: blocks of pixels need the rays near them alone.
    """
    parts = []
    for start in range(0, len(matrix), _BLOCK):
        rows = matrix[start : start + _BLOCK]
        near = np.flatnonzero(rows.any(axis=0))
        near = slice(near[0], near[-1] + 1)
        parts.append(ops.matmul(rows[:, near], light[..., near, :]))
    return ops.swapaxes(ops.concatenate(parts, axis=-2), -1, -2)


def fit(tracer, images, weights, start, precision, mean, steps: int):
    """Fit smooth lenses by Levenberg and Marquardt's method, each image alone.

    Minimizes ``sum(weights (images - model)^2) + (p - mean)^T precision (p - mean)``.

    Parameters
    ----------
    tracer : RayTracer
        Draws the lenses.
    images, weights : tensor of shape (n, size, size)
        Pixels, and one over their variance.
    start : tensor of shape (n, 15)
        First parameters.
    precision, mean : tensor of shape (15, 15) and (15,)
        Of a Gaussian prior; a very large diagonal entry fixes a parameter.
    steps : int
        How many steps; a step that makes the sum larger is not taken.

    Returns
    -------
    tuple of tensor
        Parameters (n, 15), the sum that was minimized (n,), and the normal matrix
        (n, 15, 15), the inverse of their covariance.
    """
    n_parameters = len(PARAMETERS)

    def normal(parameters):
        drawn, changes = tracer.jacobian(parameters)
        residual, apart = images - drawn, parameters - mean
        pixels = (-1, n_parameters, tracer.size**2)
        weighted = ops.reshape(changes * weights[:, None], pixels)
        changes = ops.swapaxes(ops.reshape(changes, pixels), 1, 2)
        matrix = ops.matmul(weighted, changes) + precision
        pull = ops.matmul(weighted, ops.reshape(residual, (-1, tracer.size**2, 1)))
        held = ops.matmul(apart, precision)
        misfit = ops.sum(weights * residual * residual, axis=(1, 2))
        return misfit + ops.sum(held * apart, axis=1), matrix, pull[..., 0] - held

    def step(_, parameters, damping, best, matrix, pull):
        # A parameter that changes no pixel, of a lens without light, stays.
        diagonal = ops.maximum(ops.diagonal(matrix, axis1=1, axis2=2), 1e-12)
        # Scaled to a unit diagonal: in float32 the units of parameters would matter.
        size = ops.rsqrt(diagonal)
        scaled = matrix * size[:, :, None] * size[:, None, :]
        # 1e-6 keeps what float32 makes singular invertible.
        scaled += ops.eye(n_parameters) * (damping[:, None, None] + 1e-6)
        move = tf.linalg.solve(scaled, (pull * size)[..., None])[..., 0] * size
        trial = _bounded(parameters + move)
        found, *others = normal(trial)
        better = found < best
        keep = better[:, None]
        return (
            ops.where(keep, trial, parameters),
            # Marquardt's factor of ten, gentler downwards.
            ops.where(better, damping * 0.2, ops.minimum(damping * 10, 1e6)),
            ops.where(better, found, best),
            ops.where(keep[..., None], others[0], matrix),
            ops.where(keep, others[1], pull),
        )

    start = _bounded(ops.convert_to_tensor(start, "float32"))
    first = (start, ops.full((ops.shape(start)[0],), 1e-2), *normal(start))
    state = ops.fori_loop(0, steps, lambda k, state: step(k, *state), first)
    parameters, _, best, matrix, _ = state
    return parameters, best, matrix


def _bounded(parameters):
    """Return parameters that the formulas hold for."""
    values = dict(
        zip(PARAMETERS, ops.unstack(parameters, len(PARAMETERS), axis=1), strict=True)
    )
    values["theta_E"] = ops.maximum(values["theta_E"], 1e-3)
    for one, other, most in (
        ("e1", "e2", MOST_ELLIPTICAL),
        # Beyond, a shear is no perturbation of a lens; a source of 0.7 is a needle.
        ("gamma1", "gamma2", 0.4),
        ("source_e1", "source_e2", 0.7),
    ):
        size = ops.sqrt(values[one] ** 2 + values[other] ** 2 + _NEAREST)
        factor = ops.minimum(1.0, most / size)
        values[one], values[other] = values[one] * factor, values[other] * factor
    # lenstronomy's Sersic profile loses light between rays outside 0.3 to 6.2.
    values["log_n"] = ops.clip(values["log_n"], np.log(0.3), np.log(6.2))
    values["log_radius"] = ops.clip(values["log_radius"], -10.0, 10.0)
    return ops.stack([values[name] for name in PARAMETERS], axis=1)
