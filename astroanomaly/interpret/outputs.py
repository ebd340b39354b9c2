"""One number per image from a finder, a network or a function; argument checks."""

from numbers import Integral

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# Methods of a finder by name, as functions of its network's two logits: all that
# the probability depends on is lens minus non-lens.
HEADS = {
    "logit": lambda logits: logits[:, 1] - logits[:, 0],
    "probability": lambda logits: ops.sigmoid(logits[:, 1] - logits[:, 0]),
}
# One sentence for every map that needs a gradient.
_NOT_DIFFERENTIABLE = (
    "`output` must be differentiable: a keras.Model, a classifier's `logit` or "
    "`probability`, or a function made of keras.ops. Received: one without gradient"
)


class Output:
    """A callable that gives one number per image, and what is known about it.

    `output`: a classifier with `probability` and `network`, one of its methods
    `probability` or `logit`, a keras.Model with one output, or any function of images;
    `network`, `head`: a network, and the function of its output that gives the number;
    None where they are not known; `traceable`: whether the callable can be part of a
    TensorFlow graph.
    """

    def __init__(self, output):
        if hasattr(output, "probability") and hasattr(output, "network"):
            output = output.probability
        if not callable(output):
            raise TypeError(
                "`output` must be a function of images, a keras.Model or a classifier "
                f"with `probability`. Received: {type(output).__name__}"
            )
        self.function, self.network, self.head = output, None, None
        self.steep = output
        owner = getattr(output, "__self__", None)
        name = getattr(output, "__name__", "")
        if isinstance(output, keras.Model):
            self.function = self.steep = lambda images: output(images, training=False)
            self.network, self.head = output, lambda values: values
        elif name in HEADS and isinstance(getattr(owner, "network", None), keras.Model):
            self.network, self.head = owner.network, HEADS[name]
            # A probability near 0 or 1 has no gradient left; its logit has.
            self.steep = getattr(owner, "logit", output)
        traced = hasattr(output, "get_concrete_function")
        self.traceable = self.network is not None or traced
        channels = getattr(owner, "channels", None)
        if channels is not None and tuple(channels) != ("image",):
            # It sees what the model makes of the image, and not the image.
            self.network = self.head = None

    def __call__(self, images):
        """Return one number per image, shape (n,), as a tensor or an array."""
        return one_each(self.function(images), images.shape[0])

    def gradient(self, image) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the number of one image and its gradient; of a probability, the logit.

        `image` (ny, nx, n_bands): the image. `value` (): the number whose gradient it
        is. `gradient` (ny, nx, n_bands): its derivatives with respect to the pixels.
        """
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = one_each(self.steep(image[None]), 1)
            if not tf.is_tensor(value):
                raise ValueError(_NOT_DIFFERENTIABLE)
            value = value[0]
        gradient = tape.gradient(value, image)
        if gradient is None:
            raise ValueError(_NOT_DIFFERENTIABLE)
        return value, gradient


def one_each(values, n: int):
    """Return values of shape (n,); raise if they are not one number per image."""
    shape = tuple(getattr(values, "shape", np.shape(values)))
    if shape == (n, 1):
        return values[:, 0]
    if shape != (n,):
        raise ValueError(
            f"`output` must give one number per image, for {n} images shape ({n},). "
            f"Received: shape {shape}"
        )
    return values if hasattr(values, "shape") else np.asarray(values)


def check_image(image) -> np.ndarray:
    """Return one image as float32; raise if it is not finite or not one image."""
    image = np.asarray(image, np.float32)
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(
            "`image` must be one image of shape (ny, nx, n_bands). "
            f"Received: shape {image.shape}"
        )
    n_bad = int((~np.isfinite(image)).sum())
    if n_bad:
        raise ValueError(
            "`image` must hold finite pixels only; fill the others first. "
            f"Received: {n_bad} that are not"
        )
    return image


def check_whole(name: str, value, least: int = 1, most: int | None = None) -> int:
    """Return a whole number; raise if it is outside its range."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limit = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be a whole number {limit}. Received: {value}")
    return int(value)


def check_positive(name: str, value) -> float:
    """Return a positive finite number, or raise."""
    if not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be above 0 and finite. Received: {value}")
    return float(value)
