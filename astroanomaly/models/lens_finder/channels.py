"""What a lens finder sees of a stretched image: the image, and copies made from it.

A copy is made inside the model, of the stretched image: it is saved with the model,
scored as it was trained, and what hides a pixel hides it in every copy. A median
commutes with a rising curve, so that light is subtracted after the stretch as well as
before; what is left of a bright core is then as small as its share of the core.
"""

import numpy as np
from keras import ops

from astroanomaly.stretches.sky import image_sky

CHANNELS = ("image", "faint", "subtracted")
# Of the copies, in standard deviations of the sky: what is drawn as -1 and 1. Arcs have
# 1 to 10 in a pixel.
_REACH = 10.0
# Of the light about the brightest pixel, in sides of the image: the main galaxy's,
# rather than a neighbor's, which may be brighter.
_MIDDLE = 0.2
# Width of the first weight, in pixels, and turns: of a Gaussian, its moments are exact
# after the first, and of a Sersic profile they move by less than a per cent after five.
_FIRST_WIDTH, _TURNS = 3.0, 5
# Of the annuli, in pixels and, from 7 pixels on, of the radius: as many pixels as a
# median needs, and not so many that a cusp is flat.
_STEP, _GROWTH = 0.8, 0.12


def check_channels(channels) -> tuple[str, ...]:
    """Return the names of a finder's channels, checked.

    >>> check_channels(["image", "subtracted"])
    ('image', 'subtracted')
    """
    names = (channels,) if isinstance(channels, str) else tuple(channels)
    if not names or set(names) - set(CHANNELS) or len(set(names)) < len(names):
        raise ValueError(
            f"`channels` must be some of {', '.join(CHANNELS)}, each once. "
            f"Received: {channels!r}"
        )
    return names


def see(images, channels):
    """Make the channels of images, those of one kind side by side.

    `images`: tensor (n, ny, nx, n_bands). Returns: (n, ny, nx, n_bands * n_channels).
    """
    if tuple(channels) == CHANNELS[:1]:
        return images
    # Quantiles inside a pipeline forget how many bands there are.
    one = (-1, 1, 1, images.shape[3])
    level, noise = (ops.reshape(value, one) for value in image_sky(images))
    # An image of one value has no noise.
    sky = (images - level) / ops.maximum(noise, 1e-6)
    makers = {
        "image": lambda: images,
        "faint": lambda: ops.clip(sky / _REACH, -1.0, 1.0),
        "subtracted": lambda: ops.clip((sky - galaxy_light(sky)) / _REACH, -1.0, 1.0),
    }
    return ops.concatenate([makers[name]() for name in channels], axis=-1)


def galaxy_light(images):
    """Model the main galaxy's light by medians on ellipses that never rise outward.

    `images`: tensor (n, ny, nx, n_bands), sky at 0, in units of its noise; all bands
    have the ellipse of their mean. An arc that fills less than half of an ellipse is
    not part of the model, nor is a ring that is brighter than all within it.
    """
    n_bands, (ny, nx) = images.shape[3], images.shape[1:3]
    order = ops.argsort(_radii(ops.mean(images, axis=-1)), axis=1)
    flat = ops.reshape(images, (-1, ny * nx, n_bands))
    ranked = ops.take_along_axis(flat, order[..., None], axis=1)
    edges, weights = _annuli(ny * nx)
    profile = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        ring = ops.sort(ranked[:, low:high], axis=1)
        n = high - low
        middle = (ring[:, (n - 1) // 2] + ring[:, n // 2]) / 2
        profile.append(ops.minimum(profile[-1], middle) if profile else middle)
    model = ops.einsum("ngb,gp->npb", ops.stack(profile, axis=1), weights)
    # Sorting the order gives the way back.
    back = ops.argsort(order, axis=1)
    model = ops.take_along_axis(model, back[..., None], axis=1)
    return ops.reshape(model, ops.shape(images))


def _annuli(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first ranks of annuli, and weights from their medians to all pixels."""
    radii = [0.0]
    # Of all pixels by their radius, the k-th has an area of k pixels within it.
    while np.pi * radii[-1] ** 2 < n:
        radii.append(radii[-1] + max(_STEP, _GROWTH * radii[-1]))
    edges = np.unique(np.minimum(np.rint(np.pi * np.square(radii)), n).astype(int))
    places = np.sqrt(np.arange(n) + 0.5)
    middles = np.sqrt((edges[:-1] + edges[1:]) / 2)
    weights = [np.interp(places, middles, row) for row in np.eye(len(middles))]
    return edges, np.stack(weights).astype("float32")


def _radii(light):
    """Return the square of the elliptical radius of each pixel, (n, ny * nx)."""
    ny, nx = light.shape[1:]
    # Two binomial steps, as a PSF would: no hot pixel is a galaxy.
    kernel = np.outer([1, 2, 1], [1, 2, 1]).astype("float32")[..., None, None] / 16
    smooth = ops.conv(light[..., None], kernel, padding="same")
    smooth = ops.reshape(ops.maximum(smooth, 0.0), (-1, ny * nx))
    y, x = (axis.ravel().astype("float32") for axis in np.mgrid[:ny, :nx])
    away = (x - (nx - 1) / 2) ** 2 + (y - (ny - 1) / 2) ** 2
    first = ops.argmax(
        smooth * np.exp(-away / (2 * (_MIDDLE * min(ny, nx)) ** 2)), axis=1
    )
    cx, cy = ops.take(x, first)[:, None], ops.take(y, first)[:, None]
    xx = yy = ops.ones_like(cx) * _FIRST_WIDTH**2
    xy = ops.zeros_like(cx)
    for _ in range(_TURNS):
        # Bernstein & Jarvis 2002, AJ 123, 583: the weight has the galaxy's own shape,
        # so that its moments are twice those of the weighted light.
        radius = _radius(x - cx, y - cy, xx, yy, xy)
        weight = smooth * ops.exp(-radius / 2)
        weight = weight / ops.maximum(ops.sum(weight, 1, keepdims=True), 1e-12)
        cx = ops.sum(weight * x, 1, keepdims=True)
        cy = ops.sum(weight * y, 1, keepdims=True)
        xx = 2 * ops.sum(weight * (x - cx) ** 2, 1, keepdims=True)
        yy = 2 * ops.sum(weight * (y - cy) ** 2, 1, keepdims=True)
        xy = 2 * ops.sum(weight * (x - cx) * (y - cy), 1, keepdims=True)
        # Of less than a pixel nothing is known; a neighbor is not to be taken in.
        xx, yy = (ops.clip(own, 0.5, (_MIDDLE * min(ny, nx)) ** 2) for own in (xx, yy))
        most = 0.8 * ops.sqrt(xx * yy)
        xy = ops.clip(xy, -most, most)
    return _radius(x - cx, y - cy, xx, yy, xy)


def _radius(x, y, xx, yy, xy):
    return (yy * x**2 - 2 * xy * x * y + xx * y**2) / (xx * yy - xy**2)
