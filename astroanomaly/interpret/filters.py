"""Images that most excite the filters of a layer."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from astroanomaly.interpret.checks import check_positive, check_whole
from astroanomaly.interpret.dream import noise
from astroanomaly.interpret.gradients import find_layer, functional


@dataclass(frozen=True)
class FilterImages:
    """What the filters of one layer look for.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        One image for each filter, within [0, 1].
    filters : ndarray of shape (n,)
        Index of each filter.
    before, after : ndarray of shape (n,)
        Mean of the filter's map, before its own ReLU, for the noise that the image
        began as and for the image. Where they are equal the image shows nothing.
    layer : str
        Name of the layer.
    """

    images: np.ndarray
    filters: np.ndarray
    before: np.ndarray
    after: np.ndarray
    layer: str


def filter_images(
    network,
    layer: str,
    n: int = 9,
    steps: int = 100,
    *,
    filters=None,
    learning_rate: float = 1.0,
    seed: int = 0,
    shape=None,
) -> FilterImages:
    """Make the images that raise the mean of a filter's map, from noise.

    Erhan et al. 2009; steps, clipping and noise as those of
    :func:`astroanomaly.interpret.deep_dream`. What is raised is the map before the
    layer's own activation: behind a ReLU, a filter that noise leaves closed would have
    no gradient to open it.

    Parameters
    ----------
    network : keras.Model or classifier
        A functional network of images, or anything with `network` such as a
        LensFinder.
    layer : str
        Name of a layer that makes maps.
    n : int, optional
        The first n filters; fewer where the layer has fewer.
    steps : int, optional
        Steps along the gradient.
    filters : sequence of int, optional
        These filters instead of the first n.
    learning_rate : float, optional
        Euclidean length of a step on an image.
    seed : int, optional
        Seed of the noise, the same for every filter.
    shape : tuple of int, optional
        (ny, nx, n_bands) where the network takes images of any size.

    Returns
    -------
    FilterImages
        The images, and how much they excite the filters.

    Raises
    ------
    ValueError
        If the layer or a filter is unknown, or a number out of its range.

    Examples
    --------
    >>> inputs = keras.Input((8, 8, 2))
    >>> maps = keras.layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    >>> found = filter_images(keras.Model(inputs, maps), "first", n=2, steps=3)
    >>> found.images.shape
    (2, 8, 8, 2)
    """
    model = functional(network)
    maps = _before_activation(find_layer(model, layer))
    chosen = _filters(filters, check_whole("n", n), maps.shape[-1])
    steps, rate = (
        check_whole("steps", steps),
        check_positive("learning_rate", learning_rate),
    )
    wanted = tuple(model.inputs[0].shape[1:])
    start = noise(wanted if None not in wanted else shape, seed)
    part = keras.Model(model.inputs, maps)
    index = tf.constant(chosen)

    def excitement(x):
        means = tf.reduce_mean(part(x, training=False), axis=(1, 2))
        return tf.gather(means, index, batch_dims=1)

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(excitement(x))
        gradient = tape.gradient(total, x)
        length = tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2, 3), keepdims=True))
        return tf.clip_by_value(x + rate * gradient / tf.maximum(length, 1e-12), 0, 1)

    x = tf.repeat(start[None], len(chosen), axis=0)
    before = excitement(x).numpy()
    for _ in range(steps):
        x = step(x)
    return FilterImages(x.numpy(), chosen, before, excitement(x).numpy(), layer)


def _before_activation(layer):
    """Give the maps of a layer without its activation."""
    config = layer.get_config()
    if config.get("activation") in (None, "linear"):
        return layer.output
    plain = layer.__class__.from_config({**config, "activation": None})
    maps = plain(layer.input)
    plain.set_weights(layer.get_weights())
    return maps


def _filters(filters, n: int, n_maps: int) -> np.ndarray:
    if filters is None:
        return np.arange(min(n, n_maps))
    chosen = np.asarray(filters)
    whole = chosen.ndim == 1 and len(chosen) and chosen.dtype.kind in "iu"
    if not whole or chosen.min() < 0 or chosen.max() >= n_maps:
        raise ValueError(
            f"`filters` must be indices of the layer's maps, 0 to {n_maps - 1}. "
            f"Received: {filters}"
        )
    return chosen
