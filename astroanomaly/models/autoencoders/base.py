"""What the convolutional autoencoders share: checks, optimizer, steps, saving."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from astroanomaly.models.autoencoders import networks as conv_stack
from astroanomaly.models.common import networks
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    update,
)


def add_weight_decay(gradients, weights, weight_decay: float) -> list:
    """Add weight_decay * w to the gradient of each weight w.

    That is the "weight decay" of PyTorch's Adam, the gradient of an L2 penalty
    0.5 * weight_decay * sum(w**2), and not the decoupled one of AdamW, which is
    what Keras's own argument of that name means.
    """
    # The same list without the sum of zeros, which costs a pass over all weights.
    if weight_decay == 0:
        return list(gradients)
    pairs = zip(gradients, weights, strict=True)
    return [gradient + weight_decay * weight for gradient, weight in pairs]


class Autoencoder(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Trunk, `heads` dense layers side by side, decoder; one optimizer.

    A subclass names its `loss_names` and gives a function `compute_losses(images,
    training)` that returns them in a dictionary; "loss" is what trains.
    """

    mirrors = True
    heads: tuple[str, ...] = ("z",)
    loss_names: tuple[str, ...] = ("loss",)

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        weight_decay: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = networks.check_image_shape(image_shape)
        if int(latent_dim) != latent_dim or latent_dim < 1:
            raise ValueError(
                f"`latent_dim` must be an integer >= 1. Received: {latent_dim}"
            )
        if not 0 <= weight_decay < np.inf:
            raise ValueError(
                f"`weight_decay` must be finite and >= 0. Received: {weight_decay}"
            )
        self.latent_dim, self.seed = int(latent_dim), int(seed)
        self.weight_decay = float(weight_decay)
        self._build_networks()
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in self.loss_names
        }
        self.built = True

    def _build_networks(self):
        # Trunk, decoder, then one seed per head.
        seeds = np.random.SeedSequence(self.seed).generate_state(2 + len(self.heads))
        trunk = conv_stack.build_trunk(self.image_shape, int(seeds[0]))
        outputs = [
            layers.Dense(
                self.latent_dim,
                kernel_initializer=keras.initializers.GlorotUniform(int(seed)),
                name=name,
            )(trunk.output)
            for name, seed in zip(self.heads, seeds[2:], strict=True)
        ]
        self.encoder = keras.Model(
            trunk.input, self.finish_encoder(outputs), name="encoder"
        )
        self.decoder = conv_stack.build_decoder(
            self.image_shape, self.latent_dim, int(seeds[1])
        )

    def finish_encoder(self, outputs: list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
        """Make the encoder's outputs from those of its heads."""
        return outputs

    def compile(
        self, optimizer: keras.optimizers.Optimizer | None = None, **kwargs: Any
    ) -> None:
        """Set the optimizer.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            By default Adam with learning rate 2e-3; the published training
            changed it by the rule of ``schedules.OneCycle``.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer or keras.optimizers.Adam(2e-3), **kwargs)
        self.optimizer.build(self.trainable_variables)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update all weights on a batch."""
        with tf.GradientTape() as tape:
            losses = self.compute_losses(images, training=True)
        weights = self.trainable_variables
        gradients = tape.gradient(losses["loss"], weights)
        gradients = add_weight_decay(gradients, weights, self.weight_decay)
        update(self.optimizer, gradients, weights)
        self.step.assign_add(1)
        return self._record(losses)

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch as at scoring time."""
        return self._record(self.compute_losses(images, training=False))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encode and decode images, without any random draw.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].
        training : bool, optional
            Use the batch's statistics instead of the saved ones.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Reconstructions, within [-1, 1].
        """
        return self.decode(self.encode(images, training=training), training=training)

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the latent vectors of images.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            As for :meth:`call`.

        Returns
        -------
        tensor of shape (n, latent_dim)
            z; row i depends on image i alone unless `training`.
        """
        return self.encoder(images, training=training)

    def decode(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the images of latent vectors.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim)
            Latent vectors.
        training : bool, optional
            As for :meth:`call`.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Images within [-1, 1] (tanh).
        """
        return self.decoder(z, training=training)

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Encode and decode images as at scoring time.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1]. A NaN pixel makes its own image's
            reconstruction NaN and no other.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Reconstructions; row i depends on image i alone.
        """
        return self(images, training=False)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the latent vectors, the features that a score compares.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, latent_dim)
            What :meth:`encode` gives; row i depends on image i alone.
        """
        return self.encode(images)

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "weight_decay": self.weight_decay,
            "seed": self.seed,
        }


def mean_squared_error(images, reconstructions):
    """Average the squared difference over all pixels, bands and images."""
    return ops.mean(ops.square(images - reconstructions))


class PriorMixin:
    """Adds `generate` to an autoencoder with a `prior` of z."""

    def generate(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw images by decoding z from the prior.

        Parameters
        ----------
        n : int
            How many.
        seed : int, optional
            Seed of the latent vectors.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            Stretched images within [-1, 1], float32.

        Raises
        ------
        ValueError
            If `n` is below 1.
        """
        key = np.random.SeedSequence(seed).generate_state(2).view(np.int32)

        def vectors(n):
            return self.prior.sample(n, seed=key).numpy()

        return networks.draw_images(n, vectors, self.decoder.predict_on_batch)
