"""Losses of the Wasserstein GAN with gradient penalty, as pure functions.

Gulrajani et al. 2017 (arXiv:1704.00028), equation 3.
"""

from keras import ops


def wasserstein_distance(real_output, fake_output):
    """Estimate the Wasserstein-1 distance between real and generated images.

    `real_output`, `fake_output` (n, 1): the critic's output for real and for generated
    images. Returns: ``E[D(x)] - E[D(G(z))]``.

    >>> float(wasserstein_distance(ops.array([[3.0]]), ops.array([[1.0]])))
    2.0
    """
    return ops.mean(real_output) - ops.mean(fake_output)


def generator_loss(fake_output):
    """Compute the generator's loss.

    `fake_output` (n, 1): the critic's output for generated images. Returns:
    ``-E[D(G(z))]``.

    >>> float(generator_loss(ops.array([[1.0], [3.0]])))
    -2.0
    """
    return -ops.mean(fake_output)


def interpolate(real, fake, alpha):
    """Mix real and generated images, one mixing number per image.

    `real`, `fake` (n, ny, nx, n_bands): images; `alpha` (n, 1, 1, 1): mixing numbers,
    uniform in [0, 1]. Returns (n, ny, nx, n_bands): ``alpha * real + (1 - alpha) *
    fake``.
    """
    return alpha * real + (1.0 - alpha) * fake


def gradient_penalty(gradients):
    """Penalize gradients whose norm is not one.

    `gradients` (n, ny, nx, n_bands): gradient of the critic's output with respect to
    the mixed images. Returns: ``E[(||gradient||_2 - 1)^2]`` in float32, the norm taken
    per image as ``sqrt(sum(g^2) + 1e-12)`` so that its own gradient exists at zero.

    >>> float(gradient_penalty(ops.ones((1, 2, 2, 1))))
    1.0
    """
    # The squares of small float16 gradients underflow, so the penalty is float32.
    gradients = ops.cast(gradients, "float32")
    # 1e-12 is far below any real norm; it only keeps d(sqrt)/dx finite at zero.
    norm = ops.sqrt(ops.sum(ops.square(gradients), axis=(1, 2, 3)) + 1e-12)
    return ops.mean(ops.square(norm - 1.0))


def drift(real_output):
    """Compute the term that keeps the critic's output from drifting away from zero.

    `real_output` (n, 1): the critic's output for real images. Returns: ``E[D(x)^2]``
    (Karras et al. 2018, arXiv:1710.10196, appendix A.1).

    >>> float(drift(ops.array([[1.0], [3.0]])))
    5.0
    """
    return ops.mean(ops.square(real_output))
