"""The sky of a frame, measured on its border."""

import numpy as np

# Share of the side: wide enough to count pixels, and seldom on the object.
_BORDER = 0.125
# From a median absolute deviation to the standard deviation of a normal distribution.
_NORMAL = 1.4826


def border_sky(image):
    """Return level and standard deviation of each band's border, NaN pixels aside.

    `image` (ny, nx, n_bands): linear pixels.

    >>> from astroanomaly.simulate.border import border_sky
    >>> border_sky(np.full((8, 8, 1), 3.0))
    (array([3.]), array([0.]))
    """
    width = max(1, round(_BORDER * min(image.shape[:2])))
    edge = np.ones(image.shape[:2], bool)
    edge[width:-width, width:-width] = False
    level = np.nanmedian(image[edge], axis=0)
    return level, _NORMAL * np.nanmedian(np.abs(image[edge] - level), axis=0)
