"""The two published lens-finding networks (Wilde et al. 2022, arXiv:2202.12776).

Published are the kernels, filters, places of the pools, dense widths, the dropout of
0.2, the two outputs, and the counts of 331,632 (OU-200) and 203,192 (OU-66)
parameters. The counts alone leave 6x6x20 and 2x2x30 numbers for the dense layer; of
the paddings, pools and strides that we tried two forms give this for both networks,
and the plainer is built here: convolutions without padding, pools of 2x2 pixels with
stride 2 (3x3 pools with stride 2, rounded up, count the same). The authors' public
code agrees, and has it that each dropout follows the pool, where there is one.

Both counts hold for FOUR bands: the published OU-66 looks at the three NISP bands and
at VIS, which is scaled down to 66 pixels. With the NISP bands alone it has 202,742.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

# The only pool, with the kernels below, that gives both published counts.
POOL = 2


class Convolution(NamedTuple):
    """One convolution without padding, ReLU, and perhaps a pool after it.

    `n_filters`: feature maps that come out; `kernel`: side of the kernel in pixels;
    `pooled`: whether a maximum over 2x2 pixels follows.
    """

    n_filters: int
    kernel: int
    pooled: bool = False


class Layout(NamedTuple):
    """The layers of a network.

    `convolutions`: from the image on; `n_dense`: width of the dense layer before the
    two outputs.
    """

    convolutions: tuple[Convolution, ...]
    n_dense: int


# Wilde et al. 2022, table 2 and public code.
LAYOUTS = {
    "ou200": Layout(
        (
            Convolution(50, 5, pooled=True),
            Convolution(40, 5, pooled=True),
            Convolution(30, 3, pooled=True),
            Convolution(20, 3, pooled=True),
            Convolution(20, 3),
            Convolution(20, 3),
        ),
        350,
    ),
    "ou66": Layout(
        (
            Convolution(50, 3, pooled=True),
            *3 * (Convolution(50, 3),),
            Convolution(40, 3, pooled=True),
            *3 * (Convolution(40, 3),),
            Convolution(30, 3, pooled=True),
        ),
        500,
    ),
    # Ours, for images from 30 pixels on: a sixth of OU-66's work for 58 pixels.
    "small": Layout(
        (
            Convolution(16, 3, pooled=True),
            Convolution(32, 3),
            Convolution(32, 3, pooled=True),
            Convolution(48, 3),
            Convolution(48, 3),
        ),
        96,
    ),
}


def find_layout(network: str) -> Layout:
    """Look up a network by its name.

    >>> find_layout("ou66").n_dense
    500
    """
    if network not in LAYOUTS:
        raise ValueError(
            f"`network` must be one of {', '.join(LAYOUTS)}. Received: {network!r}"
        )
    return LAYOUTS[network]


def lens_map_sizes(size: int, network: str = "ou200") -> list[int]:
    """Compute the side of the maps after each convolution and its pool.

    `size`: side of the image in pixels. Returns: sides in pixels: a kernel of k pixels
    takes k - 1, a pool halves and rounds down. Below 1 where the image is too small.

    >>> lens_map_sizes(200)
    [98, 47, 22, 10, 8, 6]
    """
    sizes = []
    for convolution in find_layout(network).convolutions:
        size = size - convolution.kernel + 1
        size = size // POOL if convolution.pooled else size
        sizes.append(size)
    return sizes


def smallest_size(network: str = "ou200") -> int:
    """Compute the smallest image side that leaves one pixel for the dense layer.

    Returns: side in pixels.

    >>> [smallest_size(network) for network in ("ou200", "ou66")]
    [116, 58]
    """
    size = 1
    for convolution in reversed(find_layout(network).convolutions):
        size = size * POOL if convolution.pooled else size
        size = size + convolution.kernel - 1
    return size


def check_lens_shape(image_shape: Sequence[int], network: str) -> tuple[int, int, int]:
    """Check that images are large enough for a network.

    `image_shape`: (ny, nx, n_bands); need not be square. Returns: the same shape.

    >>> check_lens_shape([66, 66, 3], "ou66")
    (66, 66, 3)
    """
    least = smallest_size(network)
    shape = tuple(image_shape)
    if (
        len(shape) != 3
        or any(n != int(n) for n in shape)
        or min(shape[:2]) < least
        or shape[2] < 1
    ):
        raise ValueError(
            "`image_shape` must be (ny, nx, n_bands) with at least one band and, for "
            f"{network!r}, at least {least} pixels a side. Received: {shape}"
        )
    return tuple(int(n) for n in shape)


def build_lens_network(
    image_shape: Sequence[int], network: str = "ou200", seed: int = 0
) -> keras.Model:
    """Build a network without its dropout.

    `image_shape`: (ny, nx, n_bands); `seed`: seed of the first weights: normal, of
    variance 2 / fan_in, as in the authors' code (He et al. 2015, arXiv:1502.01852,
    equation 10). Returns: images to two logits, (n, 2): non-lens and lens. A chain of
    the layers "conv_1", "pool_1", "conv_2", ..., "flatten", "dense", "logits"; a pool
    has the number of its convolution. The dropout, which only a training has, is
    :class:`~astroanomaly.models.lens_finder.model.LensFinder`'s.

    >>> build_lens_network((200, 200, 4), "ou200").count_params()
    331632
    >>> build_lens_network((66, 66, 4), "ou66").count_params()
    203192
    """
    layout = find_layout(network)
    x = images = keras.Input(check_lens_shape(image_shape, network), name="images")
    weights = initializers(seed)
    for number, (n_filters, kernel, pooled) in enumerate(layout.convolutions, 1):
        x = layers.Conv2D(
            n_filters,
            kernel,
            activation="relu",
            kernel_initializer=next(weights),
            name=f"conv_{number}",
        )(x)
        x = layers.MaxPooling2D(POOL, name=f"pool_{number}")(x) if pooled else x
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(
        layout.n_dense,
        activation="relu",
        kernel_initializer=next(weights),
        name="dense",
    )(x)
    logits = layers.Dense(2, kernel_initializer=next(weights), name="logits")(x)
    return keras.Model(images, logits, name=network)


def initializers(seed: int):
    """Yield He's initializer, each layer's seeded by its own number."""
    for child in np.random.SeedSequence(seed).generate_state(16):
        yield keras.initializers.VarianceScaling(
            2.0, "fan_in", "untruncated_normal", seed=int(child)
        )


def last_layers(network: str) -> list[str]:
    """Give the name of the last layer of each convolution, its pool or itself.

    >>> last_layers("ou200")
    ['pool_1', 'pool_2', 'pool_3', 'pool_4', 'conv_5', 'conv_6']
    """
    convolutions = find_layout(network).convolutions
    return [
        f"{'pool' if convolution.pooled else 'conv'}_{number}"
        for number, convolution in enumerate(convolutions, 1)
    ]
