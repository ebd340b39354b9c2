"""Adversarial autoencoder as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from astroanomaly.models.autoencoders.base import (
    Autoencoder,
    PriorMixin,
    mean_squared_error,
)
from astroanomaly.models.common.networks import initializers
from astroanomaly.models.common.training import own_rows, stateless_seed, update
from astroanomaly.utils.distributions import distributions

if TYPE_CHECKING:
    import tensorflow_probability as tfp

# The public code: 1000-256-256-1.
CRITIC_UNITS = 256


def latent_critic_loss(prior_output, encoded_output):
    """Compute the latent critic's loss, binary cross-entropy from logits.

    `prior_output`, `encoded_output` (n, 1): the latent critic's output, a logit, for
    draws from the prior and for encoded images. Returns: the mean of
    ``-log(sigmoid(D(z)))`` over the prior's and of ``-log(1 - sigmoid(D(z)))`` over the
    encoder's z, both weighing one half: log 2 for a critic that cannot tell. The
    authors' code sums the two, a factor of 2 that a step of Adam does not feel.

    >>> round(float(latent_critic_loss(ops.zeros((2, 1)), ops.zeros((2, 1)))), 4)
    0.6931
    """
    prior_term = ops.mean(ops.softplus(-prior_output))
    # softplus(-x) = -log(sigmoid(x)), without overflow for large logits.
    return 0.5 * (prior_term + ops.mean(ops.softplus(encoded_output)))


def adversarial_loss(encoded_output):
    """Compute the loss of an encoder that wants its z taken for the prior's.

    `encoded_output` (n, 1): the latent critic's output, a logit, for encoded images.
    Returns: ``E[-log(sigmoid(D(E(x))))]``.

    >>> round(float(adversarial_loss(ops.zeros((2, 1)))), 4)
    0.6931
    """
    return ops.mean(ops.softplus(-encoded_output))


def build_latent_critic(latent_dim: int, seed: int = 0) -> keras.Model:
    """Build the latent critic: two layers of 256 units (ReLU), then one logit.

    `seed`: seed of the first weights (Glorot uniform). Returns: z of shape (n,
    latent_dim) to logits of shape (n, 1).

    >>> build_latent_critic(1000).count_params()
    322305
    """
    x = z = keras.Input((latent_dim,), name="z")
    weights = initializers(seed)
    for _ in range(2):
        x = layers.Dense(
            CRITIC_UNITS, activation="relu", kernel_initializer=next(weights)
        )(x)
    output = layers.Dense(1, kernel_initializer=next(weights))(x)
    return keras.Model(z, output, name="latent_critic")


@keras.saving.register_keras_serializable("astroanomaly")
class AAE(PriorMixin, Autoencoder):
    """Adversarial autoencoder: a latent critic draws the encoded z to the prior.

    Each batch takes three steps (Makhzani et al. 2015, section 2): encoder and
    decoder lower the mean squared error; the latent critic learns to tell draws
    from the prior from encoded images; the encoder alone learns to be taken for
    the prior.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images in [0, 1]; square, 32 to 256
        pixels, any number of bands. The default is the published shape.
    latent_dim : int, optional
        Length of z.
    prior_scale : float, optional
        Standard deviation of the prior, a normal distribution around 0 without
        correlations.
    seed : int, optional
        Seed of the first weights and of the draws from the prior.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    encoder, decoder : keras.Model
        Images to z, and z to images (tanh).
    latent_critic : keras.Model
        z to a logit, high for draws from the prior.
    step : keras.Variable
        Batches trained on so far; with `seed` it fixes all random numbers, so that
        a model saved and loaded goes on as if it had never stopped.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    References
    ----------
    Makhzani et al. 2015, arXiv:1511.05644; Alexander et al. 2020,
    arXiv:2008.12731, whose public code gives architecture, prior and rates.

    Examples
    --------
    >>> aae = AAE((32, 32, 1), latent_dim=8)
    >>> aae.generate(2, seed=1).shape
    (2, 32, 32, 1)
    """

    heads = ("z",)
    loss_names = ("loss", "critic_loss", "adversarial_loss")
    optimizer_names = {
        name: name
        for name in ("optimizer", "critic_optimizer", "adversarial_optimizer")
    }

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (150, 150, 1),
        latent_dim: int = 1000,
        prior_scale: float = 5.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not 0 < prior_scale < np.inf:
            raise ValueError(
                f"`prior_scale` must be finite and > 0. Received: {prior_scale}"
            )
        super().__init__(image_shape, latent_dim, 0.0, seed, **kwargs)
        self.prior_scale = float(prior_scale)

    def _build_networks(self):
        super()._build_networks()
        # The first three words are the seeds of trunk, decoder and head.
        seed = np.random.SeedSequence(self.seed).generate_state(4)[3]
        self.latent_critic = build_latent_critic(self.latent_dim, int(seed))

    def finish_encoder(self, outputs: list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
        """Take z as it is."""
        return outputs[0]

    @property
    def prior(self) -> tfp.distributions.Distribution:
        """The prior of z, a tensorflow-probability distribution."""
        return distributions().MultivariateNormalDiag(
            loc=tf.zeros(self.latent_dim),
            scale_diag=tf.fill((self.latent_dim,), self.prior_scale),
        )

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        critic_optimizer: keras.optimizers.Optimizer | None = None,
        adversarial_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the three optimizers.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            Of the reconstruction step; by default Adam with learning rate 1e-3.
        critic_optimizer : keras.optimizers.Optimizer, optional
            Of the latent critic; by default Adam with learning rate 1e-3.
        adversarial_optimizer : keras.optimizers.Optimizer, optional
            Of the encoder's adversarial step; by default Adam with learning rate
            1e-4.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        # Rates of the public code: 1e-3, 1e-3 and 1e-4.
        adam = keras.optimizers.Adam
        kwargs.setdefault("jit_compile", False)
        # Not the autoencoder's own, which would give the first optimizer the
        # latent critic's weights too.
        keras.Model.compile(self, optimizer=optimizer or adam(1e-3), **kwargs)
        self.critic_optimizer = critic_optimizer or adam(1e-3)
        self.adversarial_optimizer = adversarial_optimizer or adam(1e-4)
        self.optimizer.build(self._reconstruction_weights)
        self.critic_optimizer.build(self.latent_critic.trainable_variables)
        self.adversarial_optimizer.build(self.encoder.trainable_variables)

    @property
    def _reconstruction_weights(self):
        return self.encoder.trainable_variables + self.decoder.trainable_variables

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Take the three steps on a batch: reconstruct, criticize, deceive."""
        # Makhzani et al. 2015, section 2: reconstruction first, then the two of the
        # prior.
        losses = {"loss": self._train_reconstruction(images)}
        weights = self.encoder.trainable_variables
        with tf.GradientTape() as tape:
            # The critic's step leaves the encoder as it is, so one pass serves both.
            z = self.encoder(images, training=True)
            with tape.stop_recording():
                losses["critic_loss"] = self._train_critic(z)
            loss = adversarial_loss(self.latent_critic(z, training=True))
        update(self.adversarial_optimizer, tape.gradient(loss, weights), weights)
        losses["adversarial_loss"] = loss
        self.step.assign_add(1)
        return self._record(losses)

    def _train_reconstruction(self, images):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(images, self(images, training=True))
        weights = self._reconstruction_weights
        update(self.optimizer, tape.gradient(loss, weights), weights)
        return loss

    def _train_critic(self, z):
        drawn = self._draw(tf.shape(z)[0])
        with tf.GradientTape() as tape:
            loss = latent_critic_loss(
                self.latent_critic(drawn, training=True),
                self.latent_critic(z, training=True),
            )
        weights = self.latent_critic.trainable_variables
        update(self.critic_optimizer, tape.gradient(loss, weights), weights)
        return loss

    def _draw(self, n):
        seed = stateless_seed(self.seed, tf.convert_to_tensor(self.step), 0)
        seed = tf.cast(seed, tf.int32)
        return own_rows(lambda n: self.prior.sample(n, seed=seed), n)

    def compute_losses(self, images: tf.Tensor, training: bool = False) -> dict:
        """Compute the three losses of a batch, with no step in between.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Passed to the networks.

        Returns
        -------
        dict of scalar tensor
            "loss" (mean squared error), "critic_loss" and "adversarial_loss".
        """
        z = self.encode(images, training=training)
        encoded = self.latent_critic(z, training=training)
        drawn = self.latent_critic(self._draw(ops.shape(z)[0]), training=training)
        return {
            "loss": mean_squared_error(images, self.decode(z, training=training)),
            "critic_loss": latent_critic_loss(drawn, encoded),
            "adversarial_loss": adversarial_loss(encoded),
        }

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        config = {**super().get_config(), "prior_scale": self.prior_scale}
        del config["weight_decay"]  # the published training has none
        return config
