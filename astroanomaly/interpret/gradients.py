"""Grad-CAM, guided backpropagation and their product, placed on the image."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from astroanomaly.interpret.outputs import check_image
from astroanomaly.interpret.windows import POINTWISE, axes_of, chain

# Layers whose output is still a map of the image.
MAP_LAYERS = (layers.Conv2D, layers.SeparableConv2D, layers.DepthwiseConv2D)


def grad_cam(
    network: keras.Model,
    image: np.ndarray,
    layer: str | None = None,
    target: int = 1,
    *,
    contrast: bool = True,
    pooled: bool = True,
) -> np.ndarray:
    """Show where the maps of a layer speak for a class.

    ``relu(sum_k a_k A_k)``, ``a_k`` the mean of ``dy / dA_k`` over the pixels
    (Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2), brought to the image's
    pixels.

    Parameters
    ----------
    network : keras.Model or classifier
        A functional network of images, or anything with `network` (and
        `last_convolution`) such as a LensFinder.
    image : ndarray of shape (ny, nx, n_bands)
        The image.
    layer : str, optional
        Name of the layer whose maps are weighed; by default the last convolution.
    target : int, optional
        Index of the output, for a LensFinder 1 for lens and 0 for non-lens. With a
        single output, 1 takes it and 0 its negative.
    contrast : bool, optional
        With two outputs, take for y the output minus the other one: of two logits,
        their difference is all that the probability depends on, and either may carry
        it. False takes the output alone, as published.
    pooled : bool, optional
        Weigh each map by the mean of its gradient. False weighs each pixel by its own,
        ``relu(sum_k dy / dA_k * A_k)`` (HiResCAM, Draelos & Carin 2020,
        arXiv:2011.08891).

    Returns
    -------
    ndarray of shape (ny, nx)
        At least 0, in units of the output (for each pixel of the layer's map, with
        `pooled` divided by their number); not rescaled. It may be 0 everywhere.

    Raises
    ------
    ValueError
        If the layer or the target is unknown, the layer has no maps, the image does
        not fit, or there is no functional network.

    Notes
    -----
    A mean of the gradient is right where a mean over the pixels follows the maps. Where
    they are flattened into a dense layer, as in the LensFinder, a map may speak for
    a lens in a ring and against it in the middle: the mean can then be negative,
    and the heat 0, although the ring decides. ``pooled=False`` keeps the two apart,
    and its heat is what the maps' pixels add to the output where one dense layer
    follows.

    Each value of the heat is put to the middle of what it sees of the image, with
    linear interpolation between, and not stretched over the whole image as is usual:
    without padding, the last 6x6 map of the LensFinder looks from pixels 58 to 138
    of 200, and stretched it would lie at twice its distance from the centre.

    Examples
    --------
    >>> inputs = keras.Input((8, 8, 2))
    >>> maps = layers.Conv2D(3, 3, name="last")(inputs)
    >>> y = layers.Dense(2)(layers.GlobalAveragePooling2D()(maps))
    >>> grad_cam(keras.Model(inputs, y), np.ones((8, 8, 2))).shape
    (8, 8)
    """
    model = functional(network)
    if layer is None:
        # A finder knows its own; else the last layer that makes maps.
        found = [one.name for one in model.layers if isinstance(one, MAP_LAYERS)]
        layer = getattr(network, "last_convolution", None) or (found or [None])[-1]
    if layer is None:
        names = [one.name for one in model.layers]
        raise ValueError(
            f"`network` must have a convolution, or name a `layer`. Received: {names}"
        )
    image = _fitting(model, image)
    maps = find_layer(model, layer).output
    both = keras.Model(model.inputs, [maps, model.outputs[0]])
    x = tf.constant(image[None])
    with tf.GradientTape() as tape:
        # Frozen weights are not watched by themselves.
        tape.watch(x)
        maps, y = both(x, training=False)
        y = _chosen(y, target, contrast)
    gradient = tape.gradient(y, maps)
    if pooled:
        gradient = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    # Equations 1 and 2 of Selvaraju et al. (2017).
    heat = tf.nn.relu(tf.reduce_sum(gradient * maps, axis=-1))[0].numpy()
    return enlarge(heat, model, layer, image.shape[:2])


def guided_backpropagation(
    network: keras.Model, image: np.ndarray, target: int = 1, *, contrast: bool = True
) -> np.ndarray:
    """Follow an output back to the pixels through what excites it only.

    The gradient on the image in which each ReLU also stops what comes from above with a
    negative sign (Springenberg et al. 2015, arXiv:1412.6806).

    Parameters
    ----------
    network : keras.Model or classifier
        As for :func:`grad_cam`; it is copied and not changed.
    image : ndarray of shape (ny, nx, n_bands)
        The image.
    target, contrast
        As for :func:`grad_cam`.

    Returns
    -------
    ndarray of shape (ny, nx, n_bands)
        The guided gradient, of either sign: the first layer's weights have both.

    Raises
    ------
    ValueError
        Same as :func:`grad_cam`.

    Examples
    --------
    >>> inputs = keras.Input((8, 8, 2))
    >>> maps = layers.Conv2D(3, 3, activation="relu")(inputs)
    >>> y = layers.Dense(1)(layers.GlobalAveragePooling2D()(maps))
    >>> guided_backpropagation(keras.Model(inputs, y), np.ones((8, 8, 2))).shape
    (8, 8, 2)
    """
    model = functional(network)
    x = tf.constant(_fitting(model, image)[None])
    # Shared layer names do no harm: the copy is never saved.
    guided = keras.models.clone_model(model, clone_function=_guided_layer)
    guided.set_weights(model.get_weights())
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = _chosen(guided(x, training=False), target, contrast)
    return tape.gradient(y, x).numpy()[0]


def guided_grad_cam(
    network: keras.Model,
    image: np.ndarray,
    layer: str | None = None,
    target: int = 1,
    *,
    contrast: bool = True,
    pooled: bool = True,
) -> np.ndarray:
    """Multiply Grad-CAM with guided backpropagation: where, and which structure.

    Parameters
    ----------
    network, image, layer, target, contrast, pooled
        As for :func:`grad_cam`.

    Returns
    -------
    ndarray of shape (ny, nx, n_bands)
        The product, pixel by pixel (Selvaraju et al. 2017, section 3.2).

    Raises
    ------
    ValueError
        Same as :func:`grad_cam`.

    Examples
    --------
    >>> inputs = keras.Input((8, 8, 2))
    >>> maps = layers.Conv2D(3, 3, activation="relu")(inputs)
    >>> y = layers.Dense(2)(layers.GlobalAveragePooling2D()(maps))
    >>> guided_grad_cam(keras.Model(inputs, y), np.ones((8, 8, 2))).shape
    (8, 8, 2)
    """
    given = {"contrast": contrast, "pooled": pooled}
    # Where by the map, what by the pixels: section 3.2.
    heat = grad_cam(network, image, layer, target, **given)
    guided = guided_backpropagation(network, image, target, contrast=contrast)
    return heat[..., None] * guided


@tf.custom_gradient
def guided_relu(x):
    """Compute max(x, 0), with a gradient that lets only positive values pass.

    `x`: any shape. Returns: the ReLU of x; its gradient is that from above where both
    it and x are positive, 0 elsewhere.

    >>> guided_relu(np.float32([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """

    def gradient(above):
        return tf.where((x > 0) & (above > 0), above, tf.zeros_like(above))

    return tf.nn.relu(x), gradient


def _guided_layer(layer):
    # A leaky or clipped ReLU is another function and stays as it is.
    if isinstance(layer, layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        if plain and layer.max_value is None:
            return layers.Activation(guided_relu, name=layer.name)
    copy = layer.__class__.from_config(layer.get_config())
    if getattr(copy, "activation", None) is keras.activations.relu:
        copy.activation = guided_relu
    return copy


def functional(network):
    """Return the functional network of a classifier, or the network itself.

    >>> functional(keras.Sequential([keras.Input((4,)), layers.Dense(1)])).name[:10]
    'sequential'
    """
    model = getattr(network, "network", network)
    # keras raises differently for a subclass, an unbuilt model and a function.
    try:
        one = len(model.inputs) == 1 and len(model.outputs) == 1
    except (AttributeError, TypeError, ValueError):
        one = False
    if not one:
        raise ValueError(
            "`network` must be a functional keras.Model with one input and one output, "
            f"or have one as `network`. Received: {type(network).__name__}"
        )
    return model


def find_layer(model, name: str):
    """Return a layer that makes maps.

    >>> inputs = keras.Input((8, 8, 2))
    >>> model = keras.Model(inputs, layers.Conv2D(3, 3, name="first")(inputs))
    >>> find_layer(model, "first").filters
    3
    """
    known = [one.name for one in model.layers if len(one.output.shape) == 4]
    if name not in known:
        raise ValueError(
            f"`layer` must be a layer with maps: {', '.join(known)}. Received: {name}"
        )
    return model.get_layer(name)


def _fitting(model, image) -> np.ndarray:
    image = check_image(image)
    wanted = tuple(model.inputs[0].shape[1:])
    if any(n not in (None, m) for n, m in zip(wanted, image.shape, strict=True)):
        raise ValueError(
            f"`image` must have the shape {wanted} that the network takes. "
            f"Received: {image.shape}"
        )
    return image


def _chosen(y, target: int, contrast: bool):
    """Choose one output of one image, or what it is above the other."""
    y = tf.reshape(y, (-1,))
    n = len(y)
    if target not in range(max(n, 2)):
        raise ValueError(
            f"`target` must be the index of an output, 0 to {max(n, 2) - 1}. "
            f"Received: {target}"
        )
    if n == 1:
        return y[0] if target else -y[0]
    return y[target] - y[1 - target] if contrast and n == 2 else y[target]


def centres(network, layer: str, shape: tuple[int, int]):
    """Return the centres of what each pixel of a layer's map sees in the image.

    `shape`: (ny, nx) of the image. Returns: for rows and columns: the middle of what
    the map's first pixel sees, and the step from one pixel to the next, in pixels of
    the image. None where the network is no chain of known layers up to there.
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
    """Enlarge a map to the image, each value at the centre of what it sees.

    Without padding, the pixels of a deep map look at the inner part of the image only:
    those of the last of six unpadded convolutions on 200 pixels at 58 to 138. So each
    value is put to the middle of what it sees, with linear interpolation between; on
    the outer side it holds for half a step and falls to 0 within another. Where the
    layers before are not known, the map is stretched over the whole image.

    `heat` (my, mx): the map; `shape`: (ny, nx) of the image. Returns (ny, nx): the map,
    float64.
    """
    places = centres(network, layer, shape)
    if places is None:
        steps = [n / m for n, m in zip(shape, heat.shape, strict=True)]
        places = [((step - 1) / 2, step) for step in steps]
    weights = []
    for n, m, (first, step) in zip(shape, heat.shape, places, strict=True):
        place = (np.arange(n) - first) / step
        inside = np.clip(place, 0, m - 1)
        # Full for half a step beyond the outer centres, then 0 within one step.
        fading = np.clip(1.5 - np.abs(place - inside), 0, 1)
        hats = np.clip(1 - np.abs(inside[:, None] - np.arange(m)), 0, 1)
        weights.append(hats * fading[:, None])
    return weights[0] @ heat @ weights[1].T
