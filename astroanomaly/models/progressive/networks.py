"""The progressively grown networks: generator, critic and encoder.

Karras et al. 2018 (arXiv:1710.10196). All levels exist from the start; those that
have not begun take no part.
"""

import keras
import numpy as np
from keras import ops

from astroanomaly.models.progressive.equalized import (
    ROOT_2,
    Block,
    Equalized,
    blend,
    downsampled,
    minibatch_deviation,
    pixel_norm,
    upsampled,
)

# Karras et al. 2018 start at 4x4 pixels.
FIRST = 4


def n_levels(size: int) -> int:
    """Count the levels from 4x4 pixels to the image's size.

    `size`: image size in pixels.

    >>> n_levels(64)
    5
    """
    if size < FIRST or size & (size - 1):
        raise ValueError(
            "`image_shape` must be a power of two wide, as every level doubles 4 "
            f"pixels. Received: {size}"
        )
    return size.bit_length() - FIRST.bit_length() + 1


def level_filters(level: int, fmap_base: int, fmap_max: int) -> int:
    """Compute the feature maps of a level.

    `level`: 0 for 4x4 pixels, 1 for 8x8, and so on. Returns: feature maps, ``min(
    fmap_base / 2^(level + 1), fmap_max)``, at least 1; published: 8192 and 512.

    >>> [level_filters(level, 8192, 512) for level in range(5)]
    [512, 512, 512, 512, 256]
    """
    return max(min(fmap_base // 2 ** (level + 1), fmap_max), 1)


class _Grown(keras.Model):
    """What the three grown networks share: their sizes, seeds and weights by level.

    `size`, `n_bands`: the full image; `fmap_base`, `fmap_max`: as for
    :func:`level_filters`; `seed`: seed of the first weights.
    """

    def __init__(self, size, n_bands, fmap_base, fmap_max, seed, **kwargs):
        super().__init__(**kwargs)
        self.filters = [
            level_filters(level, fmap_base, fmap_max) for level in range(n_levels(size))
        ]
        self.n_bands = n_bands
        # More words than the largest network has layers.
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(64).tolist())

    def _layer(self, n_in, n_out, kernel_size=3, gain=ROOT_2, side=0):
        return Equalized(n_in, n_out, next(self._seeds), kernel_size, gain, side)

    def used_weights(self, level: int, fading: bool = True) -> list:
        """List the weights that have a part in the images of a level.

        `level`: 0 for 4x4 pixels, 1 for 8x8, and so on. Returns: trainable weights.
        """
        doors = self.doors[max(level - 1, 0) if fading else level : level + 1]
        parts = [*self.common, *self.blocks[: level + 1], *doors]
        return [weight for part in parts for weight in part.trainable_variables]


class Generator(_Grown):
    """From z to an image of any level.

    `latent_dim`: length of z; `*args`, `**kwargs`: as for the other grown networks:
    size, n_bands, fmap_base, fmap_max, seed.

    >>> generator = Generator(8, 16, 1, 64, 16, seed=0)
    >>> generator(ops.ones((2, 8)), level=1, fade=0.5).shape
    TensorShape([2, 8, 8, 1])
    """

    def __init__(self, latent_dim, *args, **kwargs):
        super().__init__(*args, **kwargs)
        first = self.filters[0]
        start = Block(
            self._layer(latent_dim, first, 0, side=FIRST), normalize=True, name="start"
        )
        self.common = [start]
        self.blocks = [Block(self._layer(first, first), normalize=True)]
        for below, above in zip(self.filters, self.filters[1:], strict=False):
            steps = self._layer(below, above), self._layer(above, above)
            self.blocks.append(Block(*steps, normalize=True))
        # 1x1 convolutions from feature maps to an image, one per level.
        self.doors = [self._layer(n, self.n_bands, 1, 1.0) for n in self.filters]
        self.built = True

    def call(self, z, level, fade):
        """Draw images.

        `z` (n, latent_dim): latent vectors, of any length: they are normalized first;
        `level`: 0 for 4x4 pixels, 1 for 8x8, and so on. Returns images (n, 4 * 2^level,
        4 * 2^level, n_bands), from a linear output.
        """
        # Normalized z (section 4.2), so nothing trains the length of E(x).
        x = self.blocks[0](self.common[0](pixel_norm(z)))
        old = x
        for block in self.blocks[1 : level + 1]:
            old, x = x, block(upsampled(x))
        image = self.doors[level](x)
        if level == 0:
            return image
        return blend(upsampled(self.doors[level - 1](old)), image, fade)


class _Inward(_Grown):
    """From images of any level down to 4x4 pixels."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.blocks = []
        for below, above in zip(self.filters, self.filters[1:], strict=False):
            steps = self._layer(above, above), self._layer(above, below)
            self.blocks.append(Block(*steps))
        # 1x1 convolutions from an image to feature maps, one per level.
        self.doors = [Block(self._layer(self.n_bands, n, 1)) for n in self.filters]
        self.built = True

    def used_weights(self, level: int, fading: bool = True) -> list:
        """List the weights that have a part in the images of a level."""
        # Level 0 has no block of its own here.
        doors = self.doors[max(level - 1, 0) if fading else level : level + 1]
        parts = [*self.common, *self.blocks[:level], *doors]
        return [weight for part in parts for weight in part.trainable_variables]

    def trunk(self, images, level: int, fade):
        """Compute the feature maps at 4x4 pixels.

        `images` (n, 4 * 2^level, 4 * 2^level, n_bands): images of a level. Returns (n,
        4, 4, n_maps): row i depends on image i alone.
        """
        x = self.doors[level](images)
        if level > 0:
            x = downsampled(self.blocks[level - 1](x))
            x = blend(self.doors[level - 1](downsampled(images)), x, fade)
        for block in self.blocks[: max(level - 1, 0)][::-1]:
            x = downsampled(block(x))
        return x

    def _flat(self, x):
        return ops.reshape(x, (-1, FIRST**2 * self.filters[0]))


class Critic(_Inward):
    """From images of any level to one real number each.

    `*args`, `**kwargs`: as for the other grown networks: size, n_bands, fmap_base,
    fmap_max, seed.

    >>> critic = Critic(16, 1, 64, 16, seed=0)
    >>> critic(ops.ones((4, 8, 8, 1)), level=1, fade=0.5).shape
    TensorShape([4, 1])
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        first = self.filters[0]
        self.last = Block(self._layer(first + 1, first))
        self.dense = Block(self._layer(first * FIRST**2, first, 0))
        self.head = self._layer(first, 1, 0, 1.0)
        self.common = [self.last, self.dense, self.head]

    def call(self, images, level, fade):
        """Judge images; groups of four are compared with one another.

        Returns (n, 1): high for images that look real.
        """
        # In the critic alone: in an encoder it would make a score depend on its batch.
        x = minibatch_deviation(self.trunk(images, level, fade))
        return self.head(self.dense(self._flat(self.last(x))))


class Encoder(_Inward):
    """From images of any level to z, each image by itself.

    `n_out`: length of z; `*args`, `**kwargs`: as for the other grown networks.

    >>> encoder = Encoder(8, 16, 1, 64, 16, seed=0)
    >>> encoder(ops.ones((2, 8, 8, 1)), level=1, fade=0.5).shape
    TensorShape([2, 8])
    """

    def __init__(self, n_out, *args, **kwargs):
        super().__init__(*args, **kwargs)
        first = self.filters[0]
        self.last = Block(self._layer(first, first))
        self.dense = Block(self._layer(first * FIRST**2, first, 0))
        self.head = self._layer(first, n_out, 0, 1.0)
        self.common = [self.last, self.dense, self.head]

    def call(self, images, level, fade):
        """Encode images; arguments as for :meth:`trunk`.

        Returns (n, n_out): the linear output of the last layer.
        """
        x = self.last(self.trunk(images, level, fade))
        return self.head(self.dense(self._flat(x)))
