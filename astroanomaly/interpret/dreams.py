"""Images made by gradient ascent: deep dreams, and what excites filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from astroanomaly.interpret.gradients import find_layer, functional
from astroanomaly.interpret.outputs import (
    Output,
    check_image,
    check_positive,
    check_whole,
)

# The sign of the step for each target.
TARGETS = {"lens": 1, "non-lens": -1, 1: 1, -1: -1}
# "norm" makes steps equally long wherever the gradient is weak.
NORMS = ("norm", "none")


@dataclass(frozen=True)
class Dream:
    """The image that a gradient leads to.

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands)
        The last image, within [0, 1], float32.
    start : ndarray of shape (ny, nx, n_bands)
        The first one.
    history : ndarray of shape (steps + 1,)
        The output of the first image and after each step.
    target : int
        +1 where the output was raised, -1 where it was lowered.

    Examples
    --------
    >>> dream = deep_dream(
    ...     lambda x: tf.reduce_mean(x, axis=(1, 2, 3)), shape=(8, 8, 2), steps=5
    ... )
    >>> dream.image.shape, dream.history.shape, dream.target
    ((8, 8, 2), (6,), 1)
    """

    image: np.ndarray
    start: np.ndarray
    history: np.ndarray
    target: int


def deep_dream(
    output: Callable,
    image: np.ndarray | None = None,
    target: str | int = "lens",
    steps: int = 100,
    learning_rate: float = 0.1,
    seed: int = 0,
    shape: tuple[int, int, int] | None = None,
    *,
    normalize: str = "norm",
    progress: Callable | None = None,
) -> Dream:
    """Follow the gradient of an output on the image itself.

    Mordvintsev et al. 2015; toward lens and toward non-lens with plain gradient
    steps (SGD, 0.1, 100 steps, image kept in [0, 1]) as Wilde et al. 2022
    (arXiv:2202.12776, figure 4).

    Parameters
    ----------
    output : callable
        Images to one number each, differentiable: `LensFinder.probability` or the
        finder itself, a keras.Model with one output, a function made of keras.ops.
        Where a probability comes with a `logit`, the logit's gradient is followed:
        the same direction, without its vanishing near 0 and 1.
    image : ndarray of shape (ny, nx, n_bands), optional
        The image to start from, within [0, 1]. None starts from noise.
    target : {"lens", "non-lens", 1, -1}, optional
        Whether to raise ("lens", 1) or to lower the output.
    steps : int, optional
        Steps along the gradient.
    learning_rate : float, optional
        Length of a step, see `normalize`.
    seed : int, optional
        Seed of the noise.
    shape : tuple of int, optional
        (ny, nx, n_bands) of an image of noise.
    normalize : {"norm", "none"}, optional
        "norm" divides the gradient by its Euclidean norm over all pixels and bands, so
        that a step moves the image by `learning_rate`, whatever the scale of the
        network's output. "none" takes the gradient as it is. The source does not
        say which it used.
    progress : callable, optional
        Called as ``progress(done, total)`` after each step.

    Returns
    -------
    Dream
        The image, where it began, and the output along the way.

    Raises
    ------
    ValueError
        If an argument is outside its range, the image is not within [0, 1], neither
        image nor shape is given, or the output has no gradient.

    Notes
    -----
    After each step pixels are clipped to [0, 1]. Noise is uniform from 0.4 to 0.6, so
    that every pixel may rise and fall. Where the gradient is zero the image stays.

    Examples
    --------
    >>> dream = deep_dream(
    ...     lambda x: tf.reduce_mean(x, axis=(1, 2, 3)), shape=(8, 8, 2), steps=5
    ... )
    >>> bool(dream.history[-1] > dream.history[0])
    True
    """
    sign = TARGETS.get(target) if isinstance(target, str | int) else None
    if sign is None:
        raise ValueError(
            f'`target` must be "lens", "non-lens", 1 or -1. Received: {target!r}'
        )
    if normalize not in NORMS:
        raise ValueError(
            f"`normalize` must be one of {', '.join(NORMS)}. Received: {normalize}"
        )
    steps = check_whole("steps", steps)
    rate = sign * check_positive("learning_rate", learning_rate)
    if image is None:
        start = noise(shape, seed)
    else:
        start = check_image(image)
        if start.min() < 0 or start.max() > 1:
            raise ValueError(
                "`image` must be stretched to [0, 1], as the network was trained on. "
                f"Received: values from {start.min():g} to {start.max():g}"
            )
    output, x = Output(output), tf.constant(start)
    # Once outside a graph, where a missing gradient raises our own error.
    output.gradient(x)

    @tf.function(autograph=False)
    def step(x):
        gradient = output.gradient(x)[1]
        if normalize == "norm":
            # Where the gradient is zero, 0 / 1e-12 stays 0 and the image stays.
            gradient /= tf.maximum(tf.norm(gradient), 1e-12)
        moved = tf.clip_by_value(x + rate * gradient, 0.0, 1.0)
        return moved, output(x[None])[0]

    history = []
    for k in range(steps):
        x, value = step(x)
        history.append(float(value))
        if progress is not None:
            progress(k + 1, steps)
    history.append(float(output(x[None])[0]))
    return Dream(x.numpy(), start, np.array(history), sign)


def noise(shape, seed: int) -> np.ndarray:
    """Draw an image of weak uniform noise around one half.

    `shape`: its shape, three numbers or, for several images, four. Returns: values from
    0.4 to 0.6, float32.

    >>> noise((8, 8, 3), seed=1).shape
    (8, 8, 3)
    """
    known = shape is not None and len(shape) in (3, 4)
    if not known or any(not isinstance(n, int | np.integer) or n < 1 for n in shape):
        raise ValueError(
            "`shape` must be (ny, nx, n_bands) of the image to dream where no `image` "
            f"is given. Received: {shape}"
        )
    rng = np.random.default_rng(seed)
    # Around one half, every pixel can rise and fall before it is clipped.
    return rng.uniform(0.4, 0.6, tuple(shape)).astype(np.float32)


@dataclass(frozen=True)
class FilterImages:
    """What the filters of one layer respond to.

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

    Examples
    --------
    >>> inputs = keras.Input((8, 8, 2))
    >>> maps = keras.layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    >>> found = filter_images(keras.Model(inputs, maps), "first", n=2, steps=3)
    >>> found.layer, bool((found.after >= found.before).all())
    ('first', True)
    """

    images: np.ndarray
    filters: np.ndarray
    before: np.ndarray
    after: np.ndarray
    layer: str


def filter_images(
    network: keras.Model,
    layer: str,
    n: int = 9,
    steps: int = 100,
    *,
    filters: Sequence[int] | None = None,
    learning_rate: float = 1.0,
    seed: int = 0,
    shape: tuple[int, int, int] | None = None,
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
    found = find_layer(model, layer)
    config, maps = found.get_config(), found.output
    if config.get("activation") not in (None, "linear"):
        # Behind a ReLU, a filter that noise leaves closed has no gradient: a copy
        # of the layer without it.
        plain = found.__class__.from_config({**config, "activation": None})
        maps = plain(found.input)
        plain.set_weights(found.get_weights())
    n, n_maps = check_whole("n", n), maps.shape[-1]
    if filters is None:
        chosen = np.arange(min(n, n_maps))
    else:
        chosen = np.asarray(filters)
        whole = chosen.ndim == 1 and len(chosen) and chosen.dtype.kind in "iu"
        if not whole or chosen.min() < 0 or chosen.max() >= n_maps:
            raise ValueError(
                f"`filters` must be indices of the layer's maps, 0 to {n_maps - 1}. "
                f"Received: {filters}"
            )
    steps = check_whole("steps", steps)
    rate = check_positive("learning_rate", learning_rate)
    wanted = tuple(model.inputs[0].shape[1:])
    start = noise(wanted if None not in wanted else shape, seed)
    part = keras.Model(model.inputs, maps)
    index = tf.constant(chosen)

    def excitement(x):
        means = tf.reduce_mean(part(x, training=False), axis=(1, 2))
        return tf.gather(means, index, batch_dims=1)

    # One graph for all steps: tracing costs more than a step.
    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(excitement(x))
        gradient = tape.gradient(total, x)
        length = tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2, 3), keepdims=True))
        return tf.clip_by_value(x + rate * gradient / tf.maximum(length, 1e-12), 0, 1)

    # All filters begin from the same noise, so that their images compare.
    x = tf.repeat(start[None], len(chosen), axis=0)
    before = excitement(x).numpy()
    for _ in range(steps):
        x = step(x)
    return FilterImages(x.numpy(), chosen, before, excitement(x).numpy(), layer)
