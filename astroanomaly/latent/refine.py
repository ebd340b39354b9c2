"""The encoder's z, then a few gradient steps for each image by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from astroanomaly.latent.objective import check_weight, image_losses
from astroanomaly.utils.chunks import in_chunks

if TYPE_CHECKING:
    from astroanomaly.latent.encoder import Encoder


class Refine:
    """Start at the encoder's z and follow the loss's gradient for a few steps.

    Parameters
    ----------
    encoder : Encoder
        Trained encoder, with its GAN.
    n_steps : int, optional
        Adam steps on z.
    learning_rate : float, optional
        Adam's learning rate in the first half of the steps; from there it falls
        linearly to zero.
    betas : tuple of float, optional
        Adam's decays.
    w : float, optional
        Weight of the feature term in the loss, within [0, 1].
    prior_weight : float, optional
        Weight of ``|z|^2 / 2``, the standard normal prior's penalty.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    Adam acts on every element of z by itself and the loss is a sum over images,
    so the z of an image does not depend on the others. A search without
    restraint learns to paint the anomaly itself: compare with the encoder.

    References
    ----------
    Storey-Fisher et al. 2021, arXiv:2105.02434 (10 steps at 0.1).

    Examples
    --------
    >>> from astroanomaly.latent import Encoder
    >>> from astroanomaly.models import WGANGP
    >>> refine = Refine(Encoder(WGANGP((32, 32, 1), width=4)), n_steps=2)
    >>> refine.search(np.zeros((1, 32, 32, 1), "float32"))[0].shape
    (1, 128)
    """

    name_in_tables = "refine"

    def __init__(
        self,
        encoder: Encoder,
        n_steps: int = 35,
        learning_rate: float = 0.2,
        betas: tuple[float, float] = (0.8, 0.95),
        w: float = 0.1,
        prior_weight: float = 0.0,
    ) -> None:
        if n_steps < 1:
            raise ValueError(f"`n_steps` must be at least 1. Received: {n_steps}")
        for name, value in {
            "learning_rate": learning_rate,
            "prior_weight": prior_weight,
        }.items():
            if value < 0:
                raise ValueError(f"`{name}` must be >= 0. Received: {value}")
        check_betas(betas)
        self.encoder, self.gan, self.betas = encoder, encoder.gan, tuple(betas)
        self.n_steps, self.learning_rate = int(n_steps), float(learning_rate)
        self.w, self.prior_weight = check_weight(w), float(prior_weight)
        # One graph for all chunks; eager steps cost several times more.
        self._refine = tf.function(self._steps, reduce_retracing=True)

    def _steps(self, images):
        features = self.gan.features(images)
        z = self.encoder(images, training=False)
        mean, square = tf.zeros_like(z), tf.zeros_like(z)
        # The encoder's own z stays where no step is better.
        best_z, best_loss = z, tf.fill(tf.shape(z)[:1], tf.constant(np.inf, z.dtype))
        for step in tf.range(1, self.n_steps + 1):
            with tf.GradientTape() as tape:
                tape.watch(z)
                residual, feature = image_losses(self.gan, images, features, z)
                # Minus log of the standard normal density that z is drawn from.
                prior = 0.5 * tf.reduce_sum(z**2, axis=1)
                loss = (1 - self.w) * residual + self.w * feature
                loss += self.prior_weight * prior
            # The last step need not be the best: Adam overshoots.
            better = loss < best_loss
            best_loss = tf.where(better, loss, best_loss)
            best_z = tf.where(better[:, None], z, best_z)
            gradient = tape.gradient(loss, z)
            # The full rate for half of the steps, then in a line to 0.
            left = 1 - tf.cast(step - 1, z.dtype) / self.n_steps
            rate = self.learning_rate * tf.minimum(2 * left, 1)
            z, mean, square = adam_step(
                z, gradient, mean, square, step, rate, self.betas
            )
        return best_z

    def search(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the z of each image.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        z : ndarray of shape (n, latent_dim)
            Latent vector of the lowest loss.
        converged : ndarray of shape (n,)
            Whether z is finite: the number of steps is fixed.
        """
        # Chunks of one size: sums in a convolution follow the number of images.
        z = in_chunks(lambda chunk: self._refine(tf.constant(chunk)), images)
        return z, np.isfinite(z).all(axis=1)

    def get_config(self) -> dict:
        """Return the settings."""
        return {
            "n_steps": self.n_steps,
            "learning_rate": self.learning_rate,
            "betas": self.betas,
            "w": self.w,
            "prior_weight": self.prior_weight,
        }


def check_betas(betas) -> None:
    """Refuse Adam's decays outside [0, 1)."""
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"`betas` must be two numbers in [0, 1). Received: {betas}")


def adam_step(x, gradient, mean, square, step, rate, betas=(0.9, 0.999)):
    """Take one Adam step (Kingma & Ba 2015), element by element.

    `step`: 1 for the first step; a tensor that broadcasts against `x` gives each image
    its own count. `x, mean, square`: after the step, with epsilon 1e-8, in the paper's
    second form (the end of its section 2), which is also that of Keras.
    """
    step = tf.cast(step, x.dtype)
    first, second = betas
    mean = first * mean + (1 - first) * gradient
    square = second * square + (1 - second) * gradient**2
    rate = rate * tf.sqrt(1 - second**step) / (1 - first**step)
    return x - rate * mean / (tf.sqrt(square) + 1e-8), mean, square
