"""Checks of the simulators' arguments."""

from numbers import Integral

import numpy as np

# [O] Smaller frames cut most galaxies off, whatever the camera.
MIN_SIZE = 16


def check_count(name, value, least):
    """Return a whole number that is at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` must be a whole number of at least {least}. "
            f"Received: {name}={value}."
        )
    return int(value)


def check_moments(n_before, n_after):
    """Return how many moments lie before and after the merger: one at least."""
    n_before = check_count("n_before", n_before, 0)
    n_after = check_count("n_after", n_after, 0)
    if n_before + n_after == 0:
        raise ValueError(
            "`n_before` and `n_after` must not both be 0. "
            "Received: n_before=0 and n_after=0."
        )
    return n_before, n_after


def check_fraction(value):
    """Return a probability."""
    if not 0 <= value <= 1:
        raise ValueError(
            "`companion_fraction` must lie in [0, 1]. "
            f"Received: companion_fraction={value}."
        )
    return float(value)


def check_ratio(value):
    """Return the limits of the flux ratio."""
    limits = np.atleast_1d(np.asarray(value, dtype=float))
    limits = np.repeat(limits, 2) if limits.size == 1 else limits
    if limits.size != 2 or not 0 < limits[0] <= limits[1] <= 1:
        raise ValueError(
            "`flux_ratio` must be one value or two rising limits in (0, 1]. "
            f"Received: flux_ratio={value}."
        )
    return tuple(float(v) for v in limits)


def check_magnitude(value, camera):
    """Return the limits of the magnitude."""
    limits = camera.magnitudes if value is None else value
    limits = np.atleast_1d(np.asarray(limits, dtype=float))
    # [O] Brighter ones saturate detectors, fainter ones are below any survey's noise.
    if limits.size != 2 or not 10 <= limits[0] <= limits[1] <= 30:
        raise ValueError(
            "`magnitude` must be two rising limits in [10, 30]. "
            f"Received: magnitude={value}."
        )
    return tuple(float(v) for v in limits)


def check_noise(value, size):
    """Return False, True or a sky whose patches are as large as the frame."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not (hasattr(value, "add_to") and hasattr(value, "patches")):
        raise ValueError(
            f"`noise` must be True, False or a sky.Sky. Received: noise={value!r}."
        )
    shape = np.shape(value.patches)[1:]
    if shape != (size, size):
        raise ValueError(
            f"`noise` must hold patches of {size}x{size} pixels, as large as a "
            f"cutout. Received: patches of {'x'.join(map(str, shape))}."
        )
    return value
