"""Structure of discs: spiral arms, bars and star-forming knots, seen face-on."""

import numpy as np
from scipy.special import gammainc, gammaincinv, i0e

# An eighth of a scale length a pixel, about the width of the smallest knot.
GRID = 96
# Beyond six scale lengths a disc has 1.7 per cent of its light.
EXTENT = 6.0
# [O] Scale lengths: farther out a knot would look like a galaxy of its own.
KNOT_LIMIT = 2.8


def disc_image(
    rng: np.random.Generator,
    *,
    n_arms: int = 0,
    pitch: float = 20.0,
    contrast: float = 0.0,
    bar: float = 0.0,
    knots: float = 0.0,
    n_knots: int = 0,
    lopsided: float = 0.0,
) -> np.ndarray:
    """Draw a face-on disc of unit flux and unit scale length.

    The smooth disc is ``exp(-r)`` out to six scale lengths. Arms modulate it along
    logarithmic spirals ``phi = phi0 + ln(r) / tan(pitch)`` by a von Mises profile,
    whose mean over azimuth is one, so that they leave the radial profile as it is.
    Knots follow the disc and, where there are any, the arms.

    `n_arms`: number of arms; 0 for none; `pitch`: pitch angle of the arms, degrees;
    `contrast`: fraction of the outer disc's light that is in the arms, 0 to 1; `bar`,
    `knots`: fractions of the flux in a bar and in knots, 0 to 1; `lopsided`: amplitude
    of a one-sided (m = 1) modulation, 0 to 1. Returns (96, 96): image that covers -6 to
    6 scale lengths; it sums to one.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies.structure import disc_image
    >>> disc_image(np.random.default_rng(1), n_arms=2, contrast=0.7).shape
    (96, 96)
    """
    x = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * EXTENT
    xx, yy = np.meshgrid(x, x)
    r = np.hypot(xx, yy)
    phi = np.arctan2(yy, xx)
    phase, side = rng.uniform(0, 2 * np.pi, 2)
    # The light falls smoothly to zero between five and six scale lengths.
    edge = np.clip(EXTENT - r, 0, 1)
    disc = np.exp(-r) * (edge * edge * (3 - 2 * edge))
    if n_arms:
        wind = np.log(np.maximum(r, 0.05)) / np.tan(np.radians(pitch))
        psi = n_arms * (phi - phase - wind)
        # exp(kappa cos(psi)) / I0(kappa), a von Mises profile of kappa = 2.
        profile = np.exp(2.0 * (np.cos(psi) - 1)) / i0e(2.0)
        # No arms in the middle, where they would wind without end.
        weight = contrast * (1 - np.exp(-((r / 0.7) ** 2)))
        disc *= 1 - weight + weight * profile
    if lopsided:
        disc *= 1 + lopsided * np.cos(phi - side) * np.minimum(r / 2, 1)
    image = (1 - bar - knots) * disc / disc.sum()
    if bar:
        # A boxy bar, 1.1 by 0.3 scale lengths, where the arms begin.
        along = xx * np.cos(phase) + yy * np.sin(phase)
        across = yy * np.cos(phase) - xx * np.sin(phase)
        light = np.exp(-0.5 * ((along / 1.1) ** 4 + (across / 0.3) ** 2))
        image += bar * (light / light.sum())
    if knots:
        image += knots * _knots(rng, x, n_knots, n_arms, pitch, phase)
    return image


def _knots(rng, x, n_knots, n_arms, pitch, phase):
    """Return Gaussian knots of unit flux in all; p(r) ~ r exp(-r) where r < 2.8."""
    # The inverse of the cumulative distribution of r exp(-r).
    r = gammaincinv(2.0, rng.uniform(0, gammainc(2.0, KNOT_LIMIT), n_knots))
    angle = rng.uniform(0, 2 * np.pi, n_knots)
    if n_arms:
        arm = 2 * np.pi / n_arms * rng.integers(0, n_arms, n_knots)
        wind = np.log(np.maximum(r, 0.05)) / np.tan(np.radians(pitch))
        spread = rng.normal(0, 0.5 / n_arms, n_knots)
        angle = phase + wind + arm + spread
    sigma = rng.uniform(0.08, 0.22, n_knots)[:, None]
    flux = rng.dirichlet(np.full(n_knots, 1.5))[:, None]
    gx = np.exp(-0.5 * ((x - (r * np.cos(angle))[:, None]) / sigma) ** 2)
    gy = np.exp(-0.5 * ((x - (r * np.sin(angle))[:, None]) / sigma) ** 2)
    flux /= gx.sum(1, keepdims=True) * gy.sum(1, keepdims=True)
    return (flux * gy).T @ gx
