"""The convolutional stack that the DCAE, the CVAE and the AAE share.

Three 7x7 convolutions and their mirror image, as in the public code of Alexander
et al. 2020 (arXiv:2008.12731). At 150x150 the maps are 49, 15 and 9 pixels wide. Our
decoder mirrors the encoder layer by layer; theirs has no ReLU after its dense layer
and a 6x6 kernel at the end.
"""

import keras
from keras import layers

from astroanomaly.models.common.networks import check_image_shape, initializers

# Public code of Alexander et al. 2020.
KERNEL, FILTERS = 7, (16, 32, 64)
# A smaller last map would leave the dense layer a handful of numbers.
MIN_MAP = 4
# The published strides come first, then ever weaker ones for small images.
STRIDES = ((3, 3), (3, 2), (2, 2), (3, 1), (2, 1), (1, 1))


def stack_strides(size: int) -> tuple[int, int]:
    """Choose the strides of the first two convolutions.

    `size`: image size in pixels. Returns: the published (3, 3) where they leave a last
    map of at least 4x4 pixels (from 98 pixels on); else the first of (3, 2), (2, 2),
    (3, 1), (2, 1) and (1, 1) that does.

    >>> [stack_strides(size) for size in (150, 64, 32)]
    [(3, 3), (2, 2), (2, 1)]
    """
    for strides in STRIDES:
        if map_sizes(size, strides)[-1] >= MIN_MAP:
            return strides
    raise ValueError(
        "`size` must leave a last map of at least 4x4 pixels, which takes 18. "
        f"Received: {size}"
    )


def map_sizes(size: int, strides: tuple[int, int]) -> tuple[int, int, int]:
    """Compute the widths of the three convolutions' maps.

    `size`: image size in pixels. Returns: widths in pixels.

    >>> map_sizes(150, (3, 3))
    (49, 15, 9)
    """
    # +2: one pixel of padding on each side; the third convolution has none.
    first = (size + 2 - KERNEL) // strides[0] + 1
    second = (first + 2 - KERNEL) // strides[1] + 1
    return first, second, second - KERNEL + 1


def build_trunk(image_shape, seed: int = 0, name: str = "trunk") -> keras.Model:
    """Build the encoder's convolutions: 16, 32 and 64 filters of 7x7, ReLU.

    `image_shape`: (ny, nx, n_bands); square, 32 to 256 pixels; `seed`: seed of the
    first weights (Glorot uniform). Returns: images to features of shape (n, 64 * m**2),
    m being the last map's width (9 at 150 pixels).

    >>> build_trunk((150, 150, 1)).output_shape
    (None, 5184)
    """
    x = images = keras.Input(check_image_shape(image_shape), name="images")
    weights = initializers(seed)
    strides = (*stack_strides(images.shape[1]), 1)
    for n_filters, stride, padding in zip(FILTERS, strides, (1, 1, 0), strict=True):
        if padding:
            x = layers.ZeroPadding2D(padding)(x)
        x = layers.Conv2D(
            n_filters,
            KERNEL,
            strides=stride,
            activation="relu",
            kernel_initializer=next(weights),
        )(x)
    return keras.Model(images, layers.Flatten()(x), name=name)


def build_decoder(
    image_shape,
    latent_dim: int,
    seed: int = 0,
    activation: str = "tanh",
    name: str = "decoder",
) -> keras.Model:
    """Build the trunk's mirror image, from z to images of exactly `image_shape`.

    `image_shape`: (ny, nx, n_bands); square, 32 to 256 pixels; `seed`: seed of the
    first weights (Glorot uniform). Returns: z of shape (n, latent_dim) to images.

    >>> build_decoder((150, 150, 1), 1000).output_shape
    (None, 150, 150, 1)
    """
    size, _, n_bands = check_image_shape(image_shape)
    strides = stack_strides(size)
    # The decoder's maps are the encoder's in reverse.
    first, second, last = map_sizes(size, strides)
    weights = initializers(seed)
    z = keras.Input((latent_dim,), name="z")
    # As wide as the trunk's flat map: its mirror image begins here.
    x = layers.Dense(
        last * last * FILTERS[-1], activation="relu", kernel_initializer=next(weights)
    )(z)
    x = layers.Reshape((last, last, FILTERS[-1]))(x)
    for n_filters, stride, width, function in (
        (FILTERS[1], 1, second, "relu"),
        (FILTERS[0], strides[1], first, "relu"),
        (n_bands, strides[0], size, activation),
    ):
        x = layers.Conv2DTranspose(
            n_filters,
            KERNEL,
            strides=stride,
            activation=function,
            kernel_initializer=next(weights),
        )(x)
        # Cut the edge that mirrors the convolution's padding. Where its stride skipped
        # the last pixels, less is cut: every pixel of an image gets its value from z.
        extra = x.shape[1] - width
        edge = ((extra + 1) // 2, extra // 2)
        x = layers.Cropping2D((edge, edge))(x) if extra else x
    return keras.Model(z, x, name=name)
