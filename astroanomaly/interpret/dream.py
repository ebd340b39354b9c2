"""Deep dreams: the image that a classifier would rather be shown."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from astroanomaly.interpret.checks import check_image, check_positive, check_whole
from astroanomaly.interpret.outputs import Output

TARGETS = {"lens": 1, "non-lens": -1, 1: 1, -1: -1}
NORMS = ("norm", "none")


@dataclass(frozen=True)
class Dream:
    """Where a gradient leads an image.

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
    """

    image: np.ndarray
    start: np.ndarray
    history: np.ndarray
    target: int


def deep_dream(
    output,
    image=None,
    target="lens",
    steps: int = 100,
    learning_rate: float = 0.1,
    seed: int = 0,
    shape=None,
    *,
    normalize: str = "norm",
    progress=None,
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
        Where a probability has a `logit` beside it, the logit's gradient is followed:
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
    start = _start(image, shape, seed)
    output, x = Output(output), tf.constant(start)
    # Once outside a graph: what has no gradient is told so in our own words.
    output.gradient(x)

    @tf.function(autograph=False)
    def step(x):
        gradient = output.gradient(x)[1]
        if normalize == "norm":
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


def _start(image, shape, seed) -> np.ndarray:
    if image is None:
        return noise(shape, seed)
    image = check_image(image)
    if image.min() < 0 or image.max() > 1:
        raise ValueError(
            "`image` must be stretched to [0, 1], as the network was trained on. "
            f"Received: values from {image.min():g} to {image.max():g}"
        )
    return image


def noise(shape, seed: int) -> np.ndarray:
    """Draw an image of weak uniform noise around one half.

    Parameters
    ----------
    shape : tuple of int
        Its shape, three numbers or, for several images, four.
    seed : int
        Seed; the same seed gives the same image.

    Returns
    -------
    ndarray of that shape
        Values from 0.4 to 0.6, float32.

    Raises
    ------
    ValueError
        If the shape is no image's.

    Examples
    --------
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
    return rng.uniform(0.4, 0.6, tuple(shape)).astype(np.float32)
