"""Layers and operations that only progressively grown networks need.

Karras et al. 2018 (arXiv:1710.10196): equalized learning rate (section 4.1), pixel
norm (4.2), minibatch standard deviation (3), and levels that fade in (2).
"""

import math

import keras
from keras import layers, ops

# Karras et al. 2018, section 3 and their code: groups of four, slope 0.2.
GROUP = 4
# Of leaky ReLUs: Karras et al. 2018 (arXiv:1710.10196), appendix A.1.
SLOPE = 0.2
# He's gain for a ReLU (He et al. 2015).
ROOT_2 = math.sqrt(2)


def pixel_norm(x):
    """Divide each pixel's vector of feature maps by its root mean square.

    `x` (n, ..., n_maps): feature maps, or latent vectors of shape (n, latent_dim).
    Returns: ``x / sqrt(mean(x^2) + 1e-8)``, the mean over the last axis.

    >>> [round(float(x), 3) for x in pixel_norm(ops.array([[3.0, 4.0]]))[0]]
    [0.849, 1.131]
    """
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)


def minibatch_deviation(x, group: int = GROUP):
    """Add one map that tells how much the images of a group differ.

    `x` (n, ny, nx, n_maps): feature maps; n is a multiple of `group`, or below it;
    `group`: images per group. Returns (n, ny, nx, n_maps + 1): the last map holds the
    standard deviation over the group, averaged over pixels and maps: one number per
    group.
    """
    n, ny, nx, n_maps = x.shape
    n = ops.shape(x)[0] if n is None else n
    # A batch shorter than a group is one group.
    group = min(group, n) if isinstance(n, int) else group
    members = ops.reshape(x, (group, -1, ny, nx, n_maps))
    variance = ops.mean(ops.square(members - ops.mean(members, 0, keepdims=True)), 0)
    # 1e-8 keeps the gradient of the root finite where all members are equal.
    spread = ops.mean(ops.sqrt(variance + 1e-8), axis=(1, 2, 3), keepdims=True)
    spread = ops.tile(spread, (group, ny, nx, 1))
    return ops.concatenate([x, spread], axis=-1)


def upsampled(x, factor: int = 2):
    """Repeat every pixel along both axes.

    `x` (n, ny, nx, n_maps): images or feature maps. Returns (n, factor * ny, factor *
    nx, n_maps): squares of equal pixels.
    """
    return ops.repeat(ops.repeat(x, factor, axis=1), factor, axis=2)


def downsampled(x, factor: int = 2):
    """Average square blocks of pixels into one.

    `x` (n, ny, nx, n_maps): images or feature maps. Returns (n, ny / factor, nx /
    factor, n_maps): means of the blocks.
    """
    return ops.average_pool(x, factor, factor)


def blend(old, new, fade):
    """Mix what a level had before with what it has now.

    `old`, `new`: of one shape; `fade`: share of `new`, from 0 to 1. Returns: ``old +
    fade * (new - old)``.
    """
    return old + fade * (new - old)


class Equalized(layers.Layer):
    """A convolution or dense layer whose weights are scaled when they are used.

    The weights start as a standard normal distribution and are multiplied by ``gain /
    sqrt(fan_in)``, so that all of them learn at one speed.

    `n_in`, `n_out`: feature maps before and after; `seed`: seed of the first weights;
    `kernel_size`: side of the kernel; 0 for a dense layer; `gain`: square root of 2
    before a leaky ReLU, 1 at an output; `side`: a dense layer makes `n_out` maps of
    `side` x `side` pixels; 0: a vector; `**kwargs`: passed to
    :class:`keras.layers.Layer`.
    """

    def __init__(self, n_in, n_out, seed, kernel_size=3, gain=ROOT_2, side=0, **kwargs):
        super().__init__(**kwargs)
        shape = (kernel_size, kernel_size, n_in, n_out)
        if not kernel_size:
            shape = (n_in, n_out * max(side, 1) ** 2)
        self.shape = (-1, side, side, n_out) if side else None
        # The scale is applied at run time, not at the start, so that Adam moves all
        # layers at one relative speed (section 4.1).
        self.scale = gain / math.sqrt(math.prod(shape[:-1]))
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=keras.initializers.RandomNormal(0.0, 1.0, seed=seed),
        )
        self.bias = self.add_weight(name="bias", shape=(n_out,), initializer="zeros")
        self.built = True

    def call(self, x):
        """Apply the scaled weights."""
        kernel = self.kernel * self.scale
        if len(kernel.shape) == 4:
            return ops.conv(x, kernel, padding="same") + self.bias
        x = ops.matmul(x, kernel)
        return (x if self.shape is None else ops.reshape(x, self.shape)) + self.bias


class Block(layers.Layer):
    """Equalized layers, a leaky ReLU after each.

    `*steps`: one after the other; `normalize`: pixel norm after every activation, as in
    the generator; `**kwargs`: passed to :class:`keras.layers.Layer`.
    """

    def __init__(self, *steps, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.steps, self.normalize = list(steps), normalize
        self.built = True

    def call(self, x):
        """Apply the layers."""
        for step in self.steps:
            x = ops.leaky_relu(step(x), SLOPE)
            x = pixel_norm(x) if self.normalize else x
        return x
