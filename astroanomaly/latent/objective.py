"""The loss of a latent search, and how images go through it in chunks.

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346), equations 6 to 8:
``(1 - w) * L_res + w * L_crit`` with ``L_res = sum |x - G(z)|`` over the pixels
and ``L_crit = sum |f(x) - f(G(z))|`` over the critic's last convolution.
"""

import numpy as np
from keras import ops

# The scores of saved runs depend on it to the last bit: sums in a convolution follow
# the number of images.
CHUNK = 32


def image_losses(gan, images, features, z):
    """Compute both terms of the loss, per image.

    `images` (n, ny, nx, n_bands): stretched images; `features` (n, d): the critic's
    features of `images`; `z` (n, latent_dim): latent vectors. `residual, feature` (n,):
    sums of absolute differences; image i's depend on row i alone.
    """
    reconstruction = gan.scoring_generator(z, training=False)
    residual = ops.sum(ops.abs(images - reconstruction), axis=(1, 2, 3))
    feature = ops.sum(ops.abs(features - gan.features(reconstruction)), axis=1)
    return residual, feature


def check_weight(w: float) -> float:
    """Check the weight of the feature term.

    `w`: weight within [0, 1]. Returns: the same number.
    """
    if not 0 <= w <= 1:
        raise ValueError(f"`w` must be within [0, 1]. Received: {w}")
    return float(w)


def padded_chunks(images: np.ndarray, size: int = CHUNK):
    """Cut images into chunks of one fixed size, the last one padded.

    `images` (n, ...): images; `size`: images per chunk. One size keeps shapes, and so
    the arithmetic of each image, the same whatever else is scored with it. `chunk`
    (size, ...): images; the last ones of the last chunk repeat its first image.
    """
    for start in range(0, len(images), size):
        chunk = np.asarray(images[start : start + size], np.float32)
        n = len(chunk)
        if n < size:
            chunk = np.concatenate([chunk, np.repeat(chunk[:1], size - n, axis=0)])
        yield chunk, n


def in_chunks(function, inputs: np.ndarray) -> np.ndarray:
    """Apply a function to chunks of one fixed size and join the results.

    `inputs` (n, ...): what it is applied to; n may be 0. Returns (n, ...): results in
    the inputs' order.
    """
    n = len(inputs)
    if n == 0:
        # One row of zeros tells the shape of a result.
        inputs = np.zeros((1, *inputs.shape[1:]), np.float32)
    parts = [np.asarray(function(chunk))[:k] for chunk, k in padded_chunks(inputs)]
    return np.concatenate(parts)[:n]
