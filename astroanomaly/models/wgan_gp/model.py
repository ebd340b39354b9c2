"""Wasserstein GAN with gradient penalty as a Keras model."""

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from astroanomaly.models.common import losses, networks
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    own_rows,
    stateless_seed,
    update,
)


def _default_optimizer() -> keras.optimizers.Optimizer:
    # Gulrajani et al. 2017, algorithm 1, with beta_1 = 0 as in their later runs.
    return keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)


@keras.saving.register_keras_serializable("astroanomaly")
class WGANGP(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Wasserstein GAN with gradient penalty that learns ordinary images.

    Every batch gives the critic one update; every `n_critic`-th batch gives the
    generator one too (Gulrajani et al. 2017, algorithm 1), so the critic sees
    fresh images at each update and one epoch is one pass over the data.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images in [0, 1]; square, 32 to 256
        pixels, any number of bands.
    latent_dim : int, optional
        Length of z, drawn from a standard normal distribution.
    width : int, optional
        Filters of the networks' outermost level.
    kernel_size : int, optional
        Side of the convolution kernels in pixels.
    n_critic : int, optional
        Critic updates per generator update.
    gradient_penalty_weight : float, optional
        Weight of the gradient penalty.
    ema : float, optional
        Decay of an exponential moving average of the generator's weights, such
        as 0.99. The averaged generator then draws and scores. None: no average.
    seed : int, optional
        Seed of the first weights and of every random number in training.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    generator, critic : keras.Model
        The two networks that train.
    scoring_generator : keras.Model
        The generator that draws and scores: averaged when `ema` is set.
    step : keras.Variable
        Batches seen so far; with `seed` it fixes all random numbers, so that a
        model saved and loaded goes on as if it had never stopped.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    References
    ----------
    Gulrajani et al. 2017, arXiv:1704.00028; Margalef-Bentabol et al. 2020,
    MNRAS 496, 2346, section 3.3.

    Examples
    --------
    >>> gan = WGANGP(image_shape=(32, 32, 1), width=4)
    >>> gan.compile()
    >>> gan.generate(2, seed=1).shape
    (2, 32, 32, 1)
    """

    mirrors = True
    optimizer_names = {
        "generator_optimizer": "optimizer",
        "critic_optimizer": "critic_optimizer",
    }

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 1),
        latent_dim: int = 128,
        width: int = 32,
        kernel_size: int = 5,
        n_critic: int = 5,
        gradient_penalty_weight: float = 10.0,
        ema: float | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = networks.check_image_shape(image_shape)
        for name, value in {
            "latent_dim": latent_dim,
            "width": width,
            "kernel_size": kernel_size,
            "n_critic": n_critic,
        }.items():
            if int(value) != value or value < 1:
                raise ValueError(f"`{name}` must be an integer >= 1. Received: {value}")
        if gradient_penalty_weight < 0:
            raise ValueError(
                "`gradient_penalty_weight` must be >= 0. "
                f"Received: {gradient_penalty_weight}"
            )
        # At 0 there is no average, at 1 it never moves.
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f"`ema` must be None or within (0, 1). Received: {ema}")
        self.latent_dim, self.width = int(latent_dim), int(width)
        self.kernel_size, self.n_critic = int(kernel_size), int(n_critic)
        self.gradient_penalty_weight = float(gradient_penalty_weight)
        self.ema, self.seed = ema, int(seed)
        self._build_networks()
        self._build_metrics()
        self.built = True

    @classmethod
    def hsc(
        cls, image_shape: tuple[int, int, int] = (96, 96, 3), **kwargs: Any
    ) -> "WGANGP":
        """Make the network of the HSC outlier search, with its settings.

        Parameters
        ----------
        image_shape : tuple of int, optional
            (ny, nx, n_bands); the published network saw 96x96x3.
        **kwargs
            Further arguments of :class:`WGANGP`.

        Returns
        -------
        WGANGP
            Width 64, 5x5 kernels, z of length 128: 6.68 million parameters in
            the generator and 4.32 million in the critic (Storey-Fisher et al.
            2021). Compile it with Adam(1e-4, 0.5, 0.9) for the published
            training.
        """
        return cls(image_shape, latent_dim=128, width=64, kernel_size=5, **kwargs)

    def _build_networks(self):
        # Independent words of one seed, so that the two networks share no weights.
        seeds = np.random.SeedSequence(self.seed).generate_state(2)
        shape = (self.image_shape, self.latent_dim, self.width, self.kernel_size)
        self.generator = networks.build_generator(*shape, seed=int(seeds[0]))
        self.critic = networks.build_critic(
            self.image_shape, self.width, self.kernel_size, seed=int(seeds[1])
        )
        self.generator_ema = None
        if self.ema is not None:
            self.generator_ema = networks.build_generator(*shape)
            # The average starts where the generator does, not at other random weights.
            self.generator_ema.set_weights(self.generator.get_weights())
            self.generator_ema.trainable = False
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )

    def _build_metrics(self):
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in (
                "critic_loss",
                "generator_loss",
                "gradient_penalty",
                "wasserstein",
            )
        }

    @property
    def scoring_generator(self) -> keras.Model:
        """The generator that draws and scores."""
        return self.generator if self.generator_ema is None else self.generator_ema

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | None = None,
        critic_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the two optimizers.

        Parameters
        ----------
        generator_optimizer, critic_optimizer : keras.optimizers.Optimizer, optional
            By default Adam with learning rate 1e-4 and betas (0, 0.9) for each.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        # XLA was 4 to 10 times slower than oneDNN for these layers on two CPU cores.
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=generator_optimizer or _default_optimizer(), **kwargs)
        self.critic_optimizer = critic_optimizer or _default_optimizer()
        self.optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self.critic.trainable_variables)

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Draw images from latent vectors.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim)
            Latent vectors.
        training : bool, optional
            Draw with the generator that trains, not with its average.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Images in [0, 1].
        """
        generator = self.generator if training else self.scoring_generator
        return generator(z, training=training)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the critic on a batch and, each `n_critic`-th time, the generator."""
        return self._step(images, self._generator_is_due())

    def _generator_is_due(self):
        # After the critic has had its `n_critic` updates, not before the first.
        return tf.equal((tf.convert_to_tensor(self.step) + 1) % self.n_critic, 0)

    def make_train_function(self, force: bool = False) -> None:
        """Make the function that takes a step, as :meth:`keras.Model.fit` wants it.

        Parameters
        ----------
        force : bool, optional
            Make it anew where there is one.
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            super().make_train_function(force)
        elif self.steps_per_execution != 1:
            raise ValueError(
                "`steps_per_execution` must be 1 on several devices. "
                f"Received: {self.steps_per_execution}."
            )
        elif force or getattr(self, "train_function", None) is None:
            # Devices cannot meet within a condition of a graph: a graph for each case.
            steps = [
                self._make_function(partial(self._step, due=due))
                for due in (False, True)
            ]
            self.train_function = lambda batches: steps[int(self._generator_is_due())](
                batches
            )

    def _step(self, images, due):
        """Update the critic and, where it is due, the generator."""
        step = tf.convert_to_tensor(self.step)
        self._train_critic(images, step)
        n = tf.shape(images)[0]
        if isinstance(due, bool):
            loss = self._train_generator(n, step) if due else tf.constant(0.0)
        else:
            loss = tf.cond(
                due, lambda: self._train_generator(n, step), lambda: tf.constant(0.0)
            )
        self.trackers["generator_loss"].update_state(
            # Batches without a generator update have no loss and must not count.
            loss,
            sample_weight=tf.cast(due, tf.float32),
        )
        self.step.assign_add(1)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def generator_updates(self, steps: int) -> int:
        """Return how many updates the generator gets in a number of batches."""
        return steps // self.n_critic

    def _latent(self, n, step, stream):
        seed = stateless_seed(self.seed, step, stream)
        return own_rows(
            lambda n: tf.random.stateless_normal((n, self.latent_dim), seed), n
        )

    def _train_critic(self, images, step):
        # Outside the tape: the critic's step gives the generator no gradient.
        z = self._latent(tf.shape(images)[0], step, 0)
        fake = self.generator(z, training=True)
        alpha = self._mixing_numbers(images, step, 1)
        with tf.GradientTape() as tape:
            loss = self._critic_loss(images, fake, alpha)
        weights = self.critic.trainable_variables
        update(self.critic_optimizer, tape.gradient(loss, weights), weights)

    def _mixing_numbers(self, images, step, stream):
        # One per image: equation 3 is an expectation over images.
        seed = stateless_seed(self.seed, step, stream)
        return own_rows(
            lambda n: tf.random.stateless_uniform((n, 1, 1, 1), seed),
            tf.shape(images)[0],
        )

    def _critic_loss(self, images, fake, alpha):
        """Compute the critic's loss and record it with its parts."""
        mixed = losses.interpolate(images, fake, alpha)
        real_output, _ = self.critic(images, training=True)
        fake_output, _ = self.critic(fake, training=True)
        with tf.GradientTape() as inner:
            inner.watch(mixed)
            mixed_output, _ = self.critic(mixed, training=True)
        penalty = losses.gradient_penalty(inner.gradient(mixed_output, mixed))
        distance = losses.wasserstein_distance(real_output, fake_output)
        # Minimized, hence minus the distance (equation 3).
        loss = self.gradient_penalty_weight * penalty - distance
        self.trackers["critic_loss"].update_state(loss)
        self.trackers["gradient_penalty"].update_state(penalty)
        self.trackers["wasserstein"].update_state(distance)
        return loss

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch with the networks as training left them."""
        step = tf.convert_to_tensor(self.step)
        # Streams 3 and 4, so that a validation draws nothing that training draws.
        fake = self.generator(self._latent(tf.shape(images)[0], step, 3))
        self._critic_loss(images, fake, self._mixing_numbers(images, step, 4))
        loss = losses.generator_loss(self.critic(fake)[0])
        self.trackers["generator_loss"].update_state(loss)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _train_generator(self, n, step):
        with tf.GradientTape() as tape:
            fake = self.generator(self._latent(n, step, 2), training=True)
            loss = losses.generator_loss(self.critic(fake, training=True)[0])
        weights = self.generator.trainable_variables
        update(self.optimizer, tape.gradient(loss, weights), weights)
        if self.generator_ema is not None:
            pairs = zip(
                self.generator_ema.variables, self.generator.variables, strict=True
            )
            for average, weight in pairs:
                # Every variable, so that the average is a whole network at any step.
                average.assign(self.ema * average + (1.0 - self.ema) * weight)
        return loss

    def generate(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw images.

        Parameters
        ----------
        n : int
            How many.
        seed : int, optional
            Seed of the latent vectors.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1], float32.

        Raises
        ------
        ValueError
            If `n` is below 1.
        """

        def vectors(n):
            # By numpy: the same images on every device.
            z = np.random.default_rng(seed).standard_normal((n, self.latent_dim))
            return z.astype("float32")

        draw = self.scoring_generator.predict_on_batch
        return networks.draw_images(n, vectors, draw)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the critic's last convolution's output.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, d)
            Features; row i depends on image i alone.
        """
        # Of its last convolution: Margalef-Bentabol et al. 2020, section 3.5.
        return self.critic(images, training=False)[1]

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "kernel_size": self.kernel_size,
            "n_critic": self.n_critic,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "ema": self.ema,
            "seed": self.seed,
        }
