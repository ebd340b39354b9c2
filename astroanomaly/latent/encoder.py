"""The fast path: one network that gives the z of any image in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common import networks
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    own_rows,
    stateless_seed,
    update,
)
from astroanomaly.utils.chunks import in_chunks

if TYPE_CHECKING:
    from astroanomaly.models.wgan_gp import WGANGP


class _Frozen:
    """Holds the GAN so that Keras neither trains nor saves it with the encoder."""

    def __init__(self, gan):
        self.gan = gan


@keras.saving.register_keras_serializable("astroanomaly")
class Encoder(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Encoder trained on a finished GAN, whose networks stay as they are.

    The loss is f-AnoGAN's "izi_f", the mean squared error of the reconstruction
    plus `feature_weight` times that of the critic's features, and `latent_weight`
    times the mean squared error of E(G(z)) for random z, which shows the encoder
    images beyond the training set.

    Parameters
    ----------
    gan : WGANGP, optional
        The trained GAN. An encoder that was loaded from a file gets it by
        :meth:`attach`.
    feature_weight : float, optional
        Weight of the feature term (kappa).
    latent_weight : float, optional
        Weight of the latent term.
    width, kernel_size : int, optional
        Filters of the first level and side of the kernels; the GAN's by default.
    seed : int, optional
        Seed of the first weights and of the random z.
    image_shape, latent_dim : optional
        Taken from `gan`; set when the encoder is loaded without one.
    **kwargs
        Passed to :class:`keras.Model`.

    Raises
    ------
    ValueError
        If a weight is negative, or there is neither a GAN nor a shape.

    References
    ----------
    Schlegl et al. 2019, Medical Image Analysis 54, 30.

    Examples
    --------
    >>> from astroanomaly.models import WGANGP
    >>> encoder = Encoder(WGANGP((32, 32, 1), width=4))
    >>> encoder.search(np.zeros((1, 32, 32, 1), "float32"))[0].shape
    (1, 128)
    """

    name_in_tables = "encoder"
    mirrors = True

    def __init__(
        self,
        gan: WGANGP | None = None,
        feature_weight: float = 1.0,
        latent_weight: float = 0.0,
        width: int | None = None,
        kernel_size: int | None = None,
        seed: int = 0,
        image_shape: tuple[int, int, int] | None = None,
        latent_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if gan is None and (image_shape is None or latent_dim is None):
            raise ValueError(
                "`gan` must be a trained model such as WGANGP. Received: None"
            )
        for name, value in {
            "feature_weight": feature_weight,
            "latent_weight": latent_weight,
        }.items():
            if value < 0:
                raise ValueError(f"`{name}` must be >= 0. Received: {value}")
        self.image_shape = tuple(image_shape or gan.image_shape)
        self.latent_dim = int(latent_dim or gan.latent_dim)
        self.width = int(width or gan.width)
        self.kernel_size = int(kernel_size or gan.kernel_size)
        self.feature_weight = float(feature_weight)
        self.latent_weight = float(latent_weight)
        self.seed = int(seed)
        # The critic's form with a latent head, as the HSC encoder has it.
        self.network = networks.build_encoder(
            self.image_shape, self.latent_dim, self.width, self.kernel_size, seed
        )
        # A weight, so that it is saved: a resumed training draws the z that follow.
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("encoder_loss", "image_loss", "feature_loss", "latent_loss")
        }
        self._frozen = _Frozen(gan)
        # The network in it is built; Keras would ask for a `build` of the whole.
        self.built = True

    @property
    def gan(self) -> WGANGP | None:
        """The GAN whose latent space this is."""
        return self._frozen.gan

    def attach(self, gan: WGANGP) -> Encoder:
        """Give a loaded encoder the GAN that it was trained on."""
        self._frozen = _Frozen(gan)
        return self

    def compile(
        self, optimizer: keras.optimizers.Optimizer | None = None, **kwargs: Any
    ) -> None:
        """Set the optimizer.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            By default Adam with learning rate 1e-3.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        # As for the GAN: XLA was several times slower on CPUs.
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer or keras.optimizers.Adam(1e-3), **kwargs)
        # Before the first step, so that even an untrained encoder saves its state.
        self.optimizer.build(self.trainable_variables)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encode stretched images of shape (n, ny, nx, n_bands) to (n, latent_dim)."""
        return self.network(images, training=training)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the encoder on a batch; the GAN's networks stay as they are."""
        with tf.GradientTape() as tape:
            loss = self._loss(images, stream=0)
        weights = self.network.trainable_variables
        update(self.optimizer, tape.gradient(loss, weights), weights)
        self.step.assign_add(1)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch."""
        # Another stream than training's, so that a validation draws other z.
        self._loss(images, stream=1)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _loss(self, images, stream):
        """Compute the loss and record it with its parts."""
        gan = self.gan
        n = tf.shape(images)[0]
        seed = stateless_seed(self.seed, tf.convert_to_tensor(self.step), stream)
        # A function of seed and step: a resumed training draws the same.
        z_drawn = own_rows(
            lambda n: tf.random.stateless_normal((n, self.latent_dim), seed), n
        )
        drawn = gan.scoring_generator(z_drawn, training=False)
        features = gan.features(images)
        reconstruction = gan.scoring_generator(self(images, training=True))
        # izi_f of f-AnoGAN: images and features count by their means, kappa 1.
        image_loss = ops.mean(ops.square(images - reconstruction))
        feature_loss = ops.mean(ops.square(features - gan.features(reconstruction)))
        latent_loss = ops.mean(ops.square(self(drawn, training=True) - z_drawn))
        loss = (
            image_loss
            + self.feature_weight * feature_loss
            + self.latent_weight * latent_loss
        )
        values = (loss, image_loss, feature_loss, latent_loss)
        for tracker, value in zip(self.trackers.values(), values, strict=True):
            tracker.update_state(value)
        return loss

    def search(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the z of each image.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        z : ndarray of shape (n, latent_dim)
            Latent vectors.
        converged : ndarray of shape (n,)
            All true: one pass has nothing that could fail to converge.
        """
        return in_chunks(self.predict_on_batch, images), np.ones(len(images), bool)

    def get_config(self) -> dict:
        """Return the arguments that make this encoder again, without its GAN."""
        return {
            **super().get_config(),
            "feature_weight": self.feature_weight,
            "latent_weight": self.latent_weight,
            "width": self.width,
            "kernel_size": self.kernel_size,
            "seed": self.seed,
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
        }
