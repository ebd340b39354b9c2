"""The convolutional networks: generator, critic and encoder for any square size.

The form is that of the public HSC network (Storey-Fisher et al. 2021,
arXiv:2105.02434), which ``width=64, kernel_size=5`` reproduces at 96x96x3.
"""

import keras
import numpy as np
from keras import layers

# Below 32 pixels too few levels are left; above 256 memory grows past a laptop.
MIN_SIZE, MAX_SIZE = 32, 256
# Latent vectors drawn at a time.
PART = 64


def check_image_shape(image_shape) -> tuple[int, int, int]:
    """Check that images are square, of a size that the networks know.

    `image_shape`: (ny, nx, n_bands). Returns: the same shape.

    >>> check_image_shape([64, 64, 1])
    (64, 64, 1)
    """
    shape = tuple(int(n) for n in image_shape)
    if (
        len(shape) != 3
        or shape[0] != shape[1]
        or not MIN_SIZE <= shape[0] <= MAX_SIZE
        or shape[2] < 1
    ):
        raise ValueError(
            "`image_shape` must be (ny, nx, n_bands) of a square image of "
            f"{MIN_SIZE} to {MAX_SIZE} pixels. Received: {tuple(image_shape)}"
        )
    return shape


def draw_images(n: int, vectors, draw) -> np.ndarray:
    """Draw images from latent vectors, a part at a time.

    `vectors`: ``vectors(n)`` gives an array of n latent vectors. Returns (n, ny, nx,
    n_bands): images in the order of their vectors.

    >>> draw_images(3, np.arange, lambda z: 2 * z).tolist()
    [0, 2, 4]
    """
    if n < 1:
        raise ValueError(f"`n` must be at least 1. Received: {n}")
    z = vectors(n)
    return np.concatenate(
        [np.asarray(draw(z[i : i + PART])) for i in range(0, n, PART)]
    )


def level_filters(size: int, width: int) -> list[int]:
    """Give the filters of each stride-2 level, from the image inward.

    `size`: image size in pixels; levels halve it until 4 to 7 pixels are left. Returns:
    filters per level.

    >>> level_filters(96, 64)
    [64, 128, 256, 512]
    """
    n_levels = 0
    # Halve until 4 to 7 pixels are left, as the HSC network does at 96 (to 6).
    while size >= 8:
        size, n_levels = -(-size // 2), n_levels + 1
    # 8 times `width` is the HSC cap: 512 filters for width 64.
    return [width * min(2**level, 8) for level in range(n_levels)]


def build_generator(image_shape, latent_dim, width, kernel_size, seed=0) -> keras.Model:
    """Build the generator: dense, then transposed convolutions of stride 2.

    `image_shape`: (ny, nx, n_bands); a size that is no multiple of the strides is cut
    from the centre of the next larger one; `seed`: seed of the first weights. Returns:
    z of shape (n, latent_dim) to images in [0, 1] (sigmoid); no batch norm.

    >>> build_generator((96, 96, 3), 128, 64, 5).count_params()
    6683779
    """
    size, _, n_bands = check_image_shape(image_shape)
    filters = level_filters(size, width)
    base = -(-size // 2 ** len(filters))
    weights = initializers(seed)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(
        base * base * filters[-1], activation="relu", kernel_initializer=next(weights)
    )(z)
    x = layers.Reshape((base, base, filters[-1]))(x)
    # A sigmoid bounds the output to [0, 1], the range of stretched images.
    activations = ["relu"] * (len(filters) - 1) + ["sigmoid"]
    for n_filters, activation in zip(
        [*filters[-2::-1], n_bands], activations, strict=True
    ):
        x = layers.Conv2DTranspose(
            n_filters,
            kernel_size,
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=next(weights),
        )(x)
    # Cut evenly, so that the image stays centered on its object.
    extra = x.shape[1] - size
    edge = (extra // 2, extra - extra // 2)
    x = layers.Cropping2D((edge, edge))(x) if extra else x
    return keras.Model(z, x, name="generator")


def build_critic(image_shape, width, kernel_size, seed=0) -> keras.Model:
    """Build the critic: convolutions of stride 2, then one real number.

    `image_shape`: (ny, nx, n_bands); `seed`: seed of the first weights. Returns: images
    to [output of shape (n, 1), features of shape (n, d)]; the features are the last
    convolution's output. No normalization layer.

    >>> build_critic((96, 96, 3), 64, 5).count_params()
    4324993
    """
    images = keras.Input(check_image_shape(image_shape), name="images")
    weights = initializers(seed)
    # Slope 0.2: the HSC critic. No batch norm, which would couple the images of a
    # batch and make the per-image gradient penalty wrong (Gulrajani et al. 2017).
    features = _trunk(images, width, kernel_size, 0.2, weights)
    output = layers.Dense(1, kernel_initializer=next(weights))(features)
    return keras.Model(images, [output, features], name="critic")


def build_encoder(image_shape, latent_dim, width, kernel_size, seed=0) -> keras.Model:
    """Build the encoder: the critic's convolutions with a latent head.

    `image_shape`: (ny, nx, n_bands); `seed`: seed of the first weights. Returns: images
    to z of shape (n, latent_dim).

    >>> build_encoder((64, 64, 1), 128, 32, 5).output_shape
    (None, 128)
    """
    images = keras.Input(check_image_shape(image_shape), name="images")
    weights = initializers(seed)
    # Slope 0, a plain ReLU: the HSC encoder.
    features = _trunk(images, width, kernel_size, 0.0, weights)
    z = layers.Dense(latent_dim, kernel_initializer=next(weights))(features)
    return keras.Model(images, z, name="encoder")


def _trunk(x, width, kernel_size, negative_slope, weights):
    for n_filters in level_filters(x.shape[1], width):
        x = layers.Conv2D(
            n_filters,
            kernel_size,
            strides=2,
            padding="same",
            kernel_initializer=next(weights),
        )(x)
        x = layers.ReLU(negative_slope=negative_slope)(x)
    return layers.Flatten()(x)


def initializers(seed: int):
    """Yield Keras's usual initializer, each layer's seeded by its own number."""
    # More words than any of these networks has layers.
    for child in np.random.SeedSequence(seed).generate_state(32):
        yield keras.initializers.GlorotUniform(seed=int(child))
