"""Draw what a generator draws, by convolutions that processors are quick at."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

# oneDNN transposes a convolution slowly where a row has fewer pixels than this, or
# where four pixels of all bands fill no register of 16 numbers: measured at 64 x 64
# pixels, where the first layer and the last of four are drawn in this way.
_SHORT_ROW, _REGISTER = 8, 16
# Multiply-adds of an image, below which nothing is gained: small networks keep the
# bits of the layers themselves.
_WORTH = 500_000
_KNOWN = (
    layers.InputLayer,
    layers.Dense,
    layers.Reshape,
    layers.Conv2DTranspose,
    layers.Cropping2D,
)


def _gains(layer) -> bool:
    """Return whether plain convolutions are quicker than a transposed one."""
    ny, nx = layer.input.shape[1:3]
    return (
        # One tap would leave three of the four phases without any.
        layer.kernel_size[0] > 1
        and ny * nx * math.prod(layer.kernel.shape) >= _WORTH
        and (nx < _SHORT_ROW or 4 * layer.filters <= _REGISTER)
    )


class QuickGenerator:
    """Draw as the generator of a WGAN-GP, up to rounding.

    A transposed convolution of stride 2 is four plain ones, of which each makes every
    second pixel of every second row. Their kernels are constants of the graph: once
    :meth:`is_current` is false, it must be traced anew.

    Parameters
    ----------
    generator : keras.Model
        As `build_generator` of ``models.common.networks`` makes it.
    """

    def __init__(self, generator: keras.Model):
        self._layers = generator.layers[1:]
        # Of the layers that are drawn otherwise.
        self._kept = {
            layer.name: layer.get_weights()
            for layer in self._layers
            if isinstance(layer, layers.Conv2DTranspose) and _gains(layer)
        }

    @staticmethod
    def knows(generator) -> bool:
        """Return whether it is a chain of the layers that are drawn here."""
        return all(isinstance(x, _KNOWN) for x in getattr(generator, "layers", [None]))

    def is_current(self) -> bool:
        """Return whether the generator has the weights that the graph keeps."""
        return all(
            np.array_equal(one, other)
            for layer in self._layers
            if layer.name in self._kept
            for one, other in zip(
                self._kept[layer.name], layer.get_weights(), strict=True
            )
        )

    def __call__(self, z: tf.Tensor) -> tf.Tensor:
        """Draw images from latent vectors, in a graph."""
        x = z
        for layer in self._layers:
            x = self._doubled(x, layer) if layer.name in self._kept else layer(x)
        return x

    def _doubled(self, x, layer):
        """Apply a transposed convolution of stride 2 and padding "same"."""
        kernel, bias = self._kept[layer.name]
        side, n_out = len(kernel), len(bias)
        # As TensorFlow pads: the pixel 2 i + phase of the result sees the pixel
        # i + (phase + before - tap) / 2, where that is whole.
        before = (side - 2) // 2
        taps = [
            (phase, tap, (phase + before - tap) // 2)
            for phase in (0, 1)
            for tap in range(side)
            if (phase + before - tap) % 2 == 0
        ]
        offsets = [offset for _, _, offset in taps]
        low, high = min(offsets), max(offsets)
        n = high - low + 1
        kernels = np.zeros((n, n, kernel.shape[3], 2, 2, n_out), np.float32)
        for a, y, dy in taps:
            for b, x_, dx in taps:
                kernels[dy - low, dx - low, :, a, b] = kernel[y, x_].T
        ny, nx = x.shape[1:3]
        x = tf.pad(x, [[0, 0], [-low, high], [-low, high], [0, 0]])
        if 4 * n_out <= _REGISTER:
            joined = kernels.reshape(n, n, -1, 4 * n_out)
            found = tf.nn.bias_add(
                tf.nn.conv2d(x, joined, 1, "VALID"), np.tile(bias, 4)
            )
            return tf.nn.depth_to_space(layer.activation(found), 2)
        # Each phase without the taps that are zero in it.
        spans = []
        for phase in (0, 1):
            own = [offset - low for p, _, offset in taps if p == phase]
            spans.append(slice(min(own), max(own) + 1))
        rows = []
        for a, ys in enumerate(spans):
            row = []
            for b, xs in enumerate(spans):
                part = x[:, ys.start : ys.stop - 1 + ny, xs.start : xs.stop - 1 + nx]
                taken = np.ascontiguousarray(kernels[ys, xs, :, a, b])
                found = tf.nn.bias_add(tf.nn.conv2d(part, taken, 1, "VALID"), bias)
                row.append(layer.activation(found))
            rows.append(tf.stack(row, 3))
        return tf.reshape(tf.stack(rows, 2), (-1, 2 * ny, 2 * nx, n_out))
