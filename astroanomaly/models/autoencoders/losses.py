"""Losses and labels of Latent Outlier Exposure, as pure functions.

Qiu et al. 2022 (arXiv:2202.08088): L_n is the loss of an ordinary image, L_a that
of an anomaly, and y a label that a batch's ranking gives.
"""

from keras import ops

# Qiu et al. 2022: y = 1 in the hard mode, 1/2 in the soft one.
LABELS = {"hard": 1.0, "soft": 0.5}


def image_errors(images, reconstructions):
    """Average the squared difference over the pixels and bands of each image.

    `images`, `reconstructions` (n, ny, nx, n_bands): images and what a model makes of
    them. Returns (n,): mean squared errors; a NaN pixel makes its own image's NaN.

    >>> float(image_errors(ops.ones((1, 2, 2, 1)), ops.zeros((1, 2, 2, 1)))[0])
    1.0
    """
    return ops.mean(ops.square(images - reconstructions), axis=(1, 2, 3))


def exposed_losses(normal_loss):
    """Compute L_a = 1 / L_n, the loss of images taken for anomalies.

    `normal_loss` (n,): L_n in units of its mean; below 1e-7 it counts as 1e-7. Returns
    (n,): L_a.

    The paper leaves L_a to the kind of model. The inverse of the loss is what Deep SAD
    takes for known anomalies (Ruff et al. 2020, arXiv:1906.02694); to take it of a
    reconstruction error is our choice.

    >>> float(exposed_losses(ops.array([4.0]))[0])
    0.25
    """
    # Below 1e-7 the inverse would swamp every other image of the batch.
    return 1.0 / ops.maximum(normal_loss, 1e-7)


def exposure_labels(normal_loss, exposed_loss, share: float, mode: str = "soft"):
    """Label the images of a batch that are taken for anomalies.

    `normal_loss`, `exposed_loss` (n,): L_n and L_a of each image; `share`: share of the
    batch to label, within [0, 1); `mode`: whether a labeled image gets y = 0.5 or y =
    1. Returns (n,): y: for the ``int(round(share * n))`` images with the largest L_n -
    L_a the label of the mode, 0 for the others (of equal ones the first is labeled).
    The authors' public code rounds down. No gradient passes.

    >>> loss = ops.array([0.5, 4.0, 1.0])
    >>> exposure_labels(loss, 1 / loss, 0.4, "hard").numpy().tolist()
    [0.0, 1.0, 0.0]
    """
    check_mode(mode)
    # In float64, and halves to even, as Python rounds.
    n_labeled = ops.round(ops.cast(ops.shape(normal_loss)[0], "float64") * share)
    order = ops.argsort(exposed_loss - normal_loss)
    rank = ops.argsort(order)
    labels = ops.where(ops.cast(rank, "float64") < n_labeled, LABELS[mode], 0.0)
    return ops.stop_gradient(ops.cast(labels, normal_loss.dtype))


def exposure_loss(normal_loss, exposed_loss, labels):
    """Compute the loss of a batch with labels.

    `normal_loss`, `exposed_loss`, `labels` (n,): L_n, L_a and y of each image. Returns:
    mean of ``(1 - y) * L_n + y * L_a``.

    >>> loss = ops.array([0.5, 4.0])
    >>> float(exposure_loss(loss, 1 / loss, ops.array([0.0, 0.5])))
    1.3125
    """
    return ops.mean((1.0 - labels) * normal_loss + labels * exposed_loss)


def check_mode(mode: str) -> str:
    """Check the name of a mode.

    >>> check_mode("soft")
    'soft'
    """
    if mode not in LABELS:
        raise ValueError(
            f"`mode` must be one of {', '.join(sorted(LABELS))}. Received: {mode}"
        )
    return mode
