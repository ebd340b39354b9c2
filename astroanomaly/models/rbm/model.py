"""Restricted Boltzmann machine as a Keras model."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common.networks import check_image_shape
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    stateless_seed,
)
from astroanomaly.models.rbm import layers


@keras.saving.register_keras_serializable("astroanomaly")
class RBM(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Restricted Boltzmann machine of flattened images, trained by CD-1.

    A pixel of a stretched image, a number in [0, 1], is taken as the probability
    that its visible unit is on, as is usual for gray images. Each training batch
    takes one step of :func:`~astroanomaly.models.rbm.layers.contrastive_divergence`,
    which the optimizer applies as if it were a gradient.

    The first batch of all also sets the visible biases to ``log(p / (1 - p))``, p
    being its mean image within [0.01, 0.99] (Hinton 2010, section 8.1). Without it
    the weights must first learn the mean image: on simulated rings of 150x150
    pixels the squared error after 80 batches was seven times as large.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images in [0, 1]; square, 32 to 256
        pixels, any number of bands. The default is the published shape, 22500
        visible units.
    n_hidden : int, optional
        Hidden units.
    weight_scale : float, optional
        Standard deviation of the first weights. 0.01 is Hinton's (2010,
        section 8); the authors' public code has 1, for weights and biases alike.
    seed : int, optional
        Seed of the first weights and of the hidden states in training.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    kernel : keras.Variable of shape (n_visible, n_hidden)
        Weights.
    visible_bias, hidden_bias : keras.Variable
        Biases of the two layers.
    step : keras.Variable
        Batches trained on so far; with `seed` it fixes all random numbers, so that
        a model saved and loaded goes on as if it had never stopped.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    A reconstruction is a mean-field pass up and down, probabilities throughout,
    hence deterministic. The authors' code scores a random draw of black and white
    pixels instead, which adds the draw's own variance to the squared error.

    References
    ----------
    Hinton 2002, Neural Computation 14, 1771; Hinton 2010, UTML TR 2010-003;
    Alexander et al. 2020, arXiv:2008.12731.

    Examples
    --------
    >>> rbm = RBM((32, 32, 1), n_hidden=16)
    >>> rbm.features(np.zeros((2, 32, 32, 1), "float32")).shape
    TensorShape([2, 16])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (150, 150, 1),
        n_hidden: int = 1000,
        weight_scale: float = 0.01,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = check_image_shape(image_shape)
        if int(n_hidden) != n_hidden or n_hidden < 1:
            raise ValueError(
                f"`n_hidden` must be an integer >= 1. Received: {n_hidden}"
            )
        if not 0 < weight_scale < np.inf:
            raise ValueError(
                f"`weight_scale` must be finite and > 0. Received: {weight_scale}"
            )
        self.n_hidden, self.seed = int(n_hidden), int(seed)
        self.weight_scale = float(weight_scale)
        self.n_visible = int(np.prod(self.image_shape))
        self._build_weights()
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in ("loss", "free_energy_gap")
        }
        self.built = True

    def _build_weights(self):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.n_visible, self.n_hidden),
            initializer=keras.initializers.RandomNormal(
                stddev=self.weight_scale, seed=self.seed
            ),
        )
        self.visible_bias, self.hidden_bias = (
            self.add_weight(name=name, shape=(n,), initializer="zeros")
            for name, n in (
                ("visible_bias", self.n_visible),
                ("hidden_bias", self.n_hidden),
            )
        )
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )

    def compile(
        self, optimizer: keras.optimizers.Optimizer | None = None, **kwargs: Any
    ) -> None:
        """Set the optimizer.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            By default SGD with momentum 0.9 and learning rate ``20 / n_visible``
            (0.005 at 64x64, 0.0009 at 150x150): a hidden unit's input sums over
            all visible units, so a rate that suits one image size saturates the
            hidden units of a larger one. On simulated rings of both sizes 9 and 21
            per cent of the hidden probabilities came within 0.01 of 0 or 1 in 8
            epochs, and more than half of them at four times the rate.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        kwargs.setdefault("jit_compile", False)
        # Momentum: CD-1 is noisy (Hinton 2010, section 9).
        default = keras.optimizers.SGD(20.0 / self.n_visible, momentum=0.9)
        super().compile(optimizer=optimizer or default, **kwargs)
        self.optimizer.build(self.trainable_variables)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update weights and biases by CD-1 on a batch."""
        visible = self._visible(images)
        step = tf.convert_to_tensor(self.step)
        # Hinton 2010, section 8.1: the mean image need not be learned.
        self._set_first_bias(visible, step)
        uniform = tf.random.stateless_uniform(
            (tf.shape(images)[0], self.n_hidden), stateless_seed(self.seed, step, 0)
        )
        weights = [self.kernel, self.visible_bias, self.hidden_bias]
        values = [tf.convert_to_tensor(weight) for weight in weights]
        gradients, reconstruction = layers.contrastive_divergence(
            visible, uniform, *values
        )
        logs = self._record(visible, reconstruction, values)
        self.optimizer.apply(gradients, weights)
        self.step.assign_add(1)
        return logs

    def _set_first_bias(self, visible, step):
        p = ops.clip(ops.mean(visible, axis=0), 0.01, 0.99)
        first = ops.log(p) - ops.log(1.0 - p)
        self.visible_bias.assign(ops.where(step == 0, first, self.visible_bias))

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the history's numbers for a batch from mean-field passes."""
        visible = self._visible(images)
        reconstruction = self._visible(self(images))
        weights = [self.kernel, self.visible_bias, self.hidden_bias]
        return self._record(visible, reconstruction, weights)

    def _record(self, visible, reconstruction, weights):
        # The gap falls to about zero as the model comes to hold the data for as
        # probable as its own reconstructions.
        gap = layers.free_energy(visible, *weights) - layers.free_energy(
            reconstruction, *weights
        )
        self.trackers["loss"].update_state(ops.mean((visible - reconstruction) ** 2))
        self.trackers["free_energy_gap"].update_state(gap)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _visible(self, images):
        images = ops.cast(images, "float32")
        return ops.reshape(images, (-1, self.n_visible))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Pass images up and down once, as probabilities.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].
        training : bool, optional
            Changes nothing.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Reconstructions in [0, 1].
        """
        visible = layers.visible_probability(
            self.features(images), self.kernel, self.visible_bias
        )
        return ops.reshape(visible, (-1, *self.image_shape))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Compute mean-field reconstructions, without any random draw.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1]. A NaN pixel makes its own image's
            reconstruction NaN and no other.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Visible probabilities given the hidden probabilities given the image;
            row i depends on image i alone.
        """
        return self(images)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the hidden probabilities.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, n_hidden)
            Probabilities; row i depends on image i alone.
        """
        return layers.hidden_probability(
            self._visible(images), self.kernel, self.hidden_bias
        )

    def free_energy(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the free energy of images: higher for less probable ones.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n,)
            Free energies (natural units, up to a constant of the model).
        """
        weights = (self.kernel, self.visible_bias, self.hidden_bias)
        return layers.free_energy(self._visible(images), *weights)

    def generate(self, n: int, seed: int = 0, n_gibbs: int = 200) -> np.ndarray:
        """Draw images by Gibbs sampling.

        Parameters
        ----------
        n : int
            How many; each has its own chain.
        seed : int, optional
            Seed of the chains.
        n_gibbs : int, optional
            Steps of each chain, up and down, from hidden states of fair coins.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            Visible probabilities of the last step, in [0, 1], float32.

        Raises
        ------
        ValueError
            If `n` or `n_gibbs` is below 1.
        """
        for name, value in {"n": n, "n_gibbs": n_gibbs}.items():
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        # Fair coins: no chain starts near the data.
        hidden = ops.full((n, self.n_hidden), 0.5)
        for step in range(n_gibbs):
            on = _coins(hidden, stateless_seed(seed, step, 0))
            drawn = layers.visible_probability(on, self.kernel, self.visible_bias)
            on = _coins(drawn, stateless_seed(seed, step, 1))
            hidden = layers.hidden_probability(on, self.kernel, self.hidden_bias)
        return np.reshape(drawn, (n, *self.image_shape))

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "n_hidden": self.n_hidden,
            "weight_scale": self.weight_scale,
            "seed": self.seed,
        }


def _coins(probability, seed):
    uniform = tf.random.stateless_uniform(tf.shape(probability), seed)
    return ops.cast(uniform < probability, "float32")
