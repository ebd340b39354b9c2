"""Convolutional variational autoencoder as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras import ops

from astroanomaly.models.autoencoders.base import (
    Autoencoder,
    PriorMixin,
    mean_squared_error,
)
from astroanomaly.models.common.training import own_rows, stateless_seed
from astroanomaly.utils.distributions import distributions

if TYPE_CHECKING:
    import tensorflow_probability as tfp


def _normal(mean, standard_deviation):
    # Independent rather than MultivariateNormalDiag, whose KL divergence is rounded
    # to below zero where posterior and prior are equal.
    tfd = distributions()
    return tfd.Independent(
        tfd.Normal(mean, standard_deviation), reinterpreted_batch_ndims=1
    )


@keras.saving.register_keras_serializable("astroanomaly")
class CVAE(PriorMixin, Autoencoder):
    """Convolutional variational autoencoder whose KL weight `beta` starts at zero.

    The trunk of the DCAE feeds two dense heads, the mean and the log variance of
    a normal posterior of z without correlations; the prior is a standard normal.
    The loss is

        mean over pixels and images of (x - x')**2
        + beta * mean over images of the sum over z of KL(posterior || prior).

    Train it with the callback :class:`astroanomaly.models.KLAnnealing`, or set
    ``cvae.beta.assign(...)``; left alone, `beta` stays 0 and the prior is unused.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images in [0, 1]; square, 32 to 256
        pixels, any number of bands. The default is the published shape.
    latent_dim : int, optional
        Length of z.
    weight_decay : float, optional
        Weight of an L2 penalty on every trained weight, biases too: adds
        weight_decay * w to the gradient of w before Adam sees it, as PyTorch's
        Adam does. The losses that training shows do not contain it.
    seed : int, optional
        Seed of the first weights and of the draws of z in training.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    encoder, decoder : keras.Model
        Images to [mean, log variance] of z, and z to images (tanh).
    beta : keras.Variable
        Weight of the KL divergence; saved with the model.
    step : keras.Variable
        Batches trained on so far; with `seed` it fixes the draws of z, so that a
        model saved and loaded goes on as if it had never stopped.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    The squared error is a mean over pixels and the KL divergence a sum, as in the
    published code. The negative log-likelihood of pixels with variance s**2 is
    ny * nx * n_bands / (2 * s**2) times that mean, so beta = 1 weighs the KL
    term ny * nx * n_bands / (2 * s**2) times heavier than a likelihood would:
    11,250 times at 150x150x1 and unit variance, and more at a realistic one. z
    may then carry nothing (the posterior is the prior and every reconstruction
    the mean image); the `beta_max` of the callback sets where annealing ends.

    References
    ----------
    Kingma & Welling 2014, arXiv:1312.6114; Alexander et al. 2020,
    arXiv:2008.12731, whose public code gives the architecture.

    Examples
    --------
    >>> cvae = CVAE((32, 32, 1), latent_dim=8)
    >>> cvae.generate(2, seed=1).shape
    (2, 32, 32, 1)
    """

    heads = ("mean", "log_variance")
    loss_names = ("loss", "reconstruction_loss", "kl", "beta")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (150, 150, 1),
        latent_dim: int = 1000,
        weight_decay: float = 1e-5,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, latent_dim, weight_decay, seed, **kwargs)
        self.beta = self.add_weight(
            name="beta", shape=(), initializer="zeros", trainable=False
        )

    @property
    def prior(self) -> tfp.distributions.Distribution:
        """The prior of z, a tensorflow-probability distribution."""
        return _normal(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))

    def posterior(
        self, images: tf.Tensor, training: bool = False
    ) -> tfp.distributions.Independent:
        """Compute the posterior of z for each image.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Passed to the encoder.

        Returns
        -------
        tensorflow_probability.distributions.Independent
            A batch of n normal distributions of vectors of length latent_dim.
        """
        mean, log_variance = self.encoder(images, training=training)
        # The head gives log(sigma^2), which may be any number; sigma stays positive.
        return _normal(mean, ops.exp(0.5 * log_variance))

    def compute_losses(self, images: tf.Tensor, training: bool = False) -> dict:
        """Compute what a batch adds to the history.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Reconstruct from a draw of z (fixed by `seed` and `step`) instead of
            the posterior's mean.

        Returns
        -------
        dict of scalar tensor
            "loss", and its parts "reconstruction_loss", "kl" (nats per image,
            not yet multiplied by beta) and "beta".
        """
        posterior = self.posterior(images, training=training)
        z = self._draw(posterior) if training else posterior.mean()
        error = mean_squared_error(images, self.decode(z, training=training))
        kl = ops.mean(posterior.kl_divergence(self.prior))
        beta = ops.convert_to_tensor(self.beta)
        return {
            "loss": error + beta * kl,
            "reconstruction_loss": error,
            "kl": kl,
            "beta": beta,
        }

    def _draw(self, posterior):
        # The reparametrised sample, mean + sigma * noise: gradients pass through.
        seed = stateless_seed(self.seed, tf.convert_to_tensor(self.step), 0)
        seed, mean = tf.cast(seed, tf.int32), posterior.mean()
        noise = own_rows(lambda n: self.prior.sample(n, seed=seed), tf.shape(mean)[0])
        return mean + posterior.stddev() * noise

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the posterior's mean of z.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Passed to the encoder.

        Returns
        -------
        tensor of shape (n, latent_dim)
            Means; row i depends on image i alone.
        """
        return self.encoder(images, training=training)[0]
