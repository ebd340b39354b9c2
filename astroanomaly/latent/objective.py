"""The loss of a latent search.

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346), equations 6 to 8:
``(1 - w) * L_res + w * L_crit`` with ``L_res = sum |x - G(z)|`` over the pixels
and ``L_crit = sum |f(x) - f(G(z))|`` over the critic's last convolution.
"""

import tensorflow as tf
from keras import ops

# Products over more rows are divided among the threads, and so is their sum: the bits
# would follow the number of cores. Up to 2048 rows none was; 256 cost the same.
_ROWS = 256


def draw(generator, z):
    """Draw images with a gradient that does not depend on the number of threads.

    Parameters
    ----------
    generator : keras.Model
        From z to images; a chain of layers of which the first is dense, as
        :class:`~astroanomaly.models.WGANGP` has it. It is not changed.
    z : tensor of shape (n, latent_dim)
        Latent vectors.

    Returns
    -------
    tensor of shape (n, ny, nx, n_bands)
        Images, with a gradient for z alone.
    """
    _, dense, *others = generator.layers
    kernel = tf.convert_to_tensor(dense.kernel)

    @tf.custom_gradient
    def product(z):
        def gradient(upstream):
            return tf.add_n(
                [
                    tf.matmul(
                        upstream[:, i : i + _ROWS],
                        kernel[:, i : i + _ROWS],
                        transpose_b=True,
                    )
                    for i in range(0, kernel.shape[1], _ROWS)
                ]
            )

        return tf.matmul(z, kernel), gradient

    images = dense.activation(tf.nn.bias_add(product(z), dense.bias))
    for layer in others:
        images = layer(images)
    return images


def image_losses(gan, images, features, z):
    """Compute both terms of the loss, per image.

    `images` (n, ny, nx, n_bands): stretched images; `features` (n, d): the critic's
    features of `images`; `z` (n, latent_dim): latent vectors. `residual, feature` (n,):
    sums of absolute differences; image i's depend on row i alone.
    """
    reconstruction = draw(gan.scoring_generator, z)
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
