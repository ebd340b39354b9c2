"""Where in an image the pixels of a layer's map lie."""

import numpy as np

from astroanomaly.interpret.windows import POINTWISE, axes_of, chain


def centres(network, layer: str, shape: tuple[int, int]):
    """Tell which part of an image each pixel of a layer's map sees.

    Parameters
    ----------
    network : keras.Model
        A functional network.
    layer : str
        Name of a layer with maps.
    shape : tuple of int
        (ny, nx) of the image.

    Returns
    -------
    list of tuple of (float, int) or None
        For rows and columns: the middle of what the map's first pixel sees, and the
        step from one pixel to the next, in pixels of the image. None where the network
        is no chain of known layers up to there.
    """
    places = [(0.0, 1), (0.0, 1)]
    for one in chain(network) or ():
        if type(one) not in POINTWISE:
            axes = axes_of(one, shape)
            if axes is None:
                return None
            places = [
                (first + ((a.kernel - 1) / 2 - a.before) * step, step * a.stride)
                for (first, step), a in zip(places, axes, strict=True)
            ]
            shape = tuple(a.n_out for a in axes)
        if one.name == layer:
            return places
    return None


def enlarge(heat: np.ndarray, network, layer: str, shape: tuple[int, int]):
    """Bring a map to the pixels of the image, where it belongs.

    Without padding, the pixels of a deep map look at the inner part of the image only:
    those of the last of six unpadded convolutions on 200 pixels at 58 to 138. So each
    value is put to the middle of what it sees, with linear interpolation between; on
    the outer side it holds for half a step and falls to 0 within another. Where the
    layers before are not known, the map is stretched over the whole image.

    Parameters
    ----------
    heat : ndarray of shape (my, mx)
        The map.
    network, layer
        As for :func:`centres`.
    shape : tuple of int
        (ny, nx) of the image.

    Returns
    -------
    ndarray of shape (ny, nx)
        The map, float64.
    """
    places = centres(network, layer, shape)
    if places is None:
        steps = [n / m for n, m in zip(shape, heat.shape, strict=True)]
        places = [((step - 1) / 2, step) for step in steps]
    rows, columns = (
        _weights(n, m, *place)
        for n, m, place in zip(shape, heat.shape, places, strict=True)
    )
    return rows @ heat @ columns.T


def _weights(n: int, m: int, first: float, step: float) -> np.ndarray:
    """Give the weights (n, m) of a map's pixels in those of one axis of the image."""
    place = (np.arange(n) - first) / step
    inside = np.clip(place, 0, m - 1)
    fading = np.clip(1.5 - np.abs(place - inside), 0, 1)
    hats = np.clip(1 - np.abs(inside[:, None] - np.arange(m)), 0, 1)
    return hats * fading[:, None]
