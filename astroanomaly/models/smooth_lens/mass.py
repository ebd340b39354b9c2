"""How much better uneven mass explains an image than a smooth lens does."""

import numpy as np
import tensorflow as tf
from keras import ops

# [O] Places of masses in units of the Einstein radius: five pixels apart in the
# published recipe, about the ring alone, since masses elsewhere bend no light to see.
SPACING, INNER, OUTER = 0.15, 0.5, 1.35
# A mass is spread over this radius, so that it lies between places as well as on one.
SOFTENING = 0.3 * SPACING

# Standard deviation of a mass, in squares of the Einstein radius. On lenses of other
# seeds than the study's tests the AUC was 0.973 for 3e-5, 0.975 for 1e-4, 0.966 for
# 2e-4, 0.937 for 3e-4: both kinds of substructure are small masses in many places.
SPREAD = 1e-4


def places() -> np.ndarray:
    """Return where masses may lie, of shape (k, 2), in units of the Einstein radius.

    >>> bool(len(places()) > 100)
    True
    """
    half = round(OUTER / SPACING)
    line = SPACING * np.arange(-half, half + 1)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    radius = np.hypot(x, y)
    kept = (radius >= INNER) & (radius <= OUTER)
    return np.stack([x[kept], y[kept]], axis=1).astype(np.float32)


def changes(tracer, parameters):
    """Return what a mass at each place would change in the image of one lens.

    `parameters` (1, 15): a lens. Returns (k, size, size): flux by the square of the
    mass's own Einstein radius, in squares of the lens's.
    """
    ring, x, y = parameters[0, 0], parameters[0, 5], parameters[0, 6]
    where = tf.constant(places())[:, :, None, None]
    away_x = (tracer.axis[None, None, :] - x) / ring - where[:, 0]
    away_y = (tracer.axis[None, :, None] - y) / ring - where[:, 1]
    near = ring / (away_x * away_x + away_y * away_y + SOFTENING**2)
    # Light that is bent by d shows the source at -d, as if the source had moved by d.
    moved = tracer.trace(parameters, derivatives=True)[1][0, 7:9]
    return tracer.expose(near * (away_x * moved[0] + away_y * moved[1]))


def evidence(tracer, image, drawn, weights, parameters, precision, mean, spread):
    """Return logarithms of the ratio of evidences, uneven mass over a smooth lens.

    Masses at `places` are drawn from a Gaussian law of mean zero, positive or negative;
    with the image linear in them and in the 15 parameters both evidences have closed
    forms (as in gravitational imaging, Koopmans 2005, MNRAS 363, 1136).

    Parameters
    ----------
    tracer : RayTracer
        One ray a pixel is enough.
    image, drawn, weights : tensor of shape (size, size)
        Pixels, the best smooth lens, and one over the pixels' variance.
    parameters : tensor of shape (1, 15)
        Of the best smooth lens.
    precision, mean : tensor of shape (15, 15) and (15,)
        Of the Gaussian prior that it was fitted with.
    spread : float
        Standard deviation of the mass at a place, in squares of the Einstein radius.

    Returns
    -------
    tensor of shape (2,)
        Natural logarithms with the prior and without it, float64.
    """
    light = drawn - parameters[0, -1]
    # No mass changes a pixel without light: a third of the noise is nothing.
    lit = light * light * weights > 0.1
    size = ops.sqrt(weights[lit])
    masses = tf.boolean_mask(changes(tracer, parameters), lit, axis=1) * spread
    smooth = tf.boolean_mask(tracer.jacobian(parameters)[1][0], lit, axis=1)
    n = smooth.shape[0]
    # In float64: lenses whose parameters hardly differ make the matrix nearly singular.
    joined = tf.cast(ops.concatenate([smooth, masses], axis=0) * size, tf.float64)
    # What is no lens may be fitted by one whose derivatives overflow.
    joined = tf.where(tf.math.is_finite(joined), joined, 0.0)
    left = tf.cast((image - drawn)[lit] * size, tf.float64)[:, None]
    gram, pull = joined @ tf.transpose(joined), joined @ left
    more = joined.shape[0] - n
    # The masses' own prior is a unit matrix, since `spread` is in `joined`.
    gram += np.diag(np.repeat([0.0, 1.0], [n, more]))
    held = tf.cast(precision, tf.float64)
    apart = tf.cast(parameters[0] - mean, tf.float64)[:, None]

    def one(matrix, vector):
        # Scaled to a unit diagonal, 1e-9 more keeps any matrix invertible: without a
        # prior a parameter may change no lit pixel.
        scale = tf.math.rsqrt(tf.maximum(tf.linalg.diag_part(matrix), 1e-12))
        matrix = matrix * scale * scale[:, None] + 1e-9 * np.eye(matrix.shape[0])
        root = tf.linalg.cholesky(matrix)
        solved = tf.linalg.triangular_solve(root, vector * scale[:, None])
        spans = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(root) / scale))
        return 0.5 * tf.reduce_sum(solved * solved) - spans

    both = []
    for prior in (held, tf.zeros_like(held)):
        matrix = gram + tf.pad(prior, [[0, more]] * 2)
        vector = pull - tf.pad(prior @ apart, [[0, more], [0, 0]])
        both.append(one(matrix, vector) - one(matrix[:n, :n], vector[:n]))
    return tf.stack(both)
