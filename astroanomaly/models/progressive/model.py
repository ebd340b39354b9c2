"""A GAN that grows level by level, with an encoder trained at the same time."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common import losses, networks
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    stateless_seed,
)
from astroanomaly.models.progressive import networks as growing
from astroanomaly.models.progressive.encoder_after import EncoderAfter
from astroanomaly.models.progressive.growth import (
    COUPLINGS,
    Grow,
    GrowthSchedule,
    LatentPrior,
)
from astroanomaly.models.progressive.scoring import GrownScoring


def _default_optimizer() -> keras.optimizers.Optimizer:
    # Karras et al. 2018, appendix A.1.
    return keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)


@keras.saving.register_keras_serializable("astroanomaly")
class ProgressiveGAN(GrownScoring, OptimizersMixin, EpochOrderMixin, keras.Model):
    """WGAN-GP grown from 4x4 pixels, and an encoder that learns beside it.

    The networks start at 4x4 pixels. Each further level doubles the size: it fades
    in over `fade_images` images and then trains over `stable_images`. Every batch
    updates the critic, the generator and the encoder once, in this order. The
    encoder sees generated images only, so that anomalies hidden in the training set
    reach it only as far as the generator draws them.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images; square, a power of two wide, 32
        to 256 pixels.
    latent_dim : int, optional
        Length of z. The published networks have 512 (Gaussian) and 40 (ClusterGAN).
    latent : {"gaussian", "cluster"}, optional
        How z is drawn: "gaussian" 0.1 N(0, I), "cluster" the same and, as the last
        `n_clusters` numbers, a one-hot vector.
    coupling : {"joint", "encoder_only", "cluster"}, optional
        What the encoder's term ``mean |G(z) - G(E(G(z)))|`` trains: "joint" both
        networks, "encoder_only" the encoder alone. "cluster" has terms of the latent
        vectors in its place, ``10 mean (E(G(z)) - z)^2`` over the continuous part and
        10 times the cross-entropy of the one-hot part, and trains both networks.
    n_clusters : int, optional
        Length of the one-hot part.
    fmap_base, fmap_max : int, optional
        Feature maps of level k: ``min(fmap_base / 2^(k + 1), fmap_max)``. The
        defaults suit two CPU cores; :meth:`published` has 8192 and 512.
    fade_images, stable_images : int or sequence of int, optional
        Images shown while a level fades in, and after that; one number for all
        levels, or one for each (the first level has nothing to fade in).
    encoder_weight : float, optional
        Weight of the encoder's term.
    gradient_penalty_weight, drift : float, optional
        Weights of the gradient penalty and of the mean of D(x)^2.
    ema : float, optional
        Decay of the average of the generator's weights that draws and scores.
    seed : int, optional
        Seed of the first weights and of every random number in training.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    generator, critic, encoder : keras.Model
        The networks that train; they take a level and its fade beside their input.
    generator_ema : keras.Model
        The averaged generator.
    step, seen : keras.Variable
        Batches and images seen so far. They fix level, fade and all random numbers,
        so that a model saved and loaded goes on as if it had never stopped.

    Raises
    ------
    ValueError
        If an argument is outside its range, or the schedule lacks a level.

    References
    ----------
    Karras et al. 2018, arXiv:1710.10196; Berg, Ahlberg and Felsberg 2019,
    arXiv:1905.11034; Mukherjee et al. 2019, arXiv:1809.03627.

    Examples
    --------
    >>> gan = ProgressiveGAN((32, 32, 1), latent_dim=8, fmap_max=8)
    >>> gan.compile()
    >>> gan.level_size, gan.generate(2, seed=1).shape
    (4, (2, 32, 32, 1))
    """

    optimizer_names = {
        "generator_optimizer": "optimizer",
        "critic_optimizer": "critic_optimizer",
        "encoder_optimizer": "encoder_optimizer",
    }

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 1),
        latent_dim: int = 64,
        latent: str = "gaussian",
        coupling: str = "encoder_only",
        n_clusters: int = 10,
        fmap_base: int = 512,
        fmap_max: int = 64,
        fade_images: int | Sequence[int] = 30_000,
        stable_images: int | Sequence[int] = 30_000,
        encoder_weight: float = 1.0,
        gradient_penalty_weight: float = 10.0,
        drift: float = 1e-3,
        ema: float = 0.999,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape = networks.check_image_shape(image_shape)
        for name, value in {
            "latent_dim": latent_dim,
            "n_clusters": n_clusters,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
        }.items():
            if int(value) != value or value < 1:
                raise ValueError(f"`{name}` must be an integer >= 1. Received: {value}")
        for name, value in {
            "encoder_weight": encoder_weight,
            "gradient_penalty_weight": gradient_penalty_weight,
            "drift": drift,
        }.items():
            if not 0 <= value < np.inf:
                raise ValueError(f"`{name}` must be finite and >= 0. Received: {value}")
        if coupling not in COUPLINGS:
            raise ValueError(
                f"`coupling` must be one of {', '.join(COUPLINGS)}. "
                f"Received: {coupling}"
            )
        if not 0 < ema < 1:
            raise ValueError(f"`ema` must be within (0, 1). Received: {ema}")
        # From 4 pixels up to the image, twice as wide at each.
        n_levels = growing.n_levels(self.image_shape[0])
        self.schedule = GrowthSchedule(n_levels, fade_images, stable_images)
        self.prior = LatentPrior(latent, int(latent_dim), int(n_clusters))
        self.latent_dim, self.latent = int(latent_dim), latent
        self.coupling, self.n_clusters = coupling, int(n_clusters)
        self.fmap_base, self.fmap_max = int(fmap_base), int(fmap_max)
        self.encoder_weight = float(encoder_weight)
        self.gradient_penalty_weight = float(gradient_penalty_weight)
        self.drift, self.ema, self.seed = float(drift), float(ema), int(seed)
        self._build_networks()
        self.built = True

    @classmethod
    def published(
        cls, image_shape: tuple[int, int, int] = (64, 64, 1), **kwargs: Any
    ) -> "ProgressiveGAN":
        """Make the networks at their published size, with the published schedule.

        Parameters
        ----------
        image_shape : tuple of int, optional
            (ny, nx, n_bands).
        **kwargs
            Further arguments of :class:`ProgressiveGAN`.

        Returns
        -------
        ProgressiveGAN
            22.48 million parameters in the generator at 64x64x1, 22.49 in the
            critic and 22.75 in the encoder; 600,000 images for each fade and each
            stable part: a task for a large GPU.
        """
        # The numbers of the authors' code of Berg et al. 2019.
        sizes = {"latent_dim": 512, "fmap_base": 8192, "fmap_max": 512}
        sizes |= {"fade_images": 600_000, "stable_images": 600_000}
        return cls(image_shape, **{**sizes, **kwargs})

    def _build_networks(self):
        size, _, n_bands = self.image_shape
        seeds = np.random.SeedSequence(self.seed).generate_state(3).tolist()
        shape = (size, n_bands, self.fmap_base, self.fmap_max)
        self.generator = growing.Generator(self.latent_dim, *shape, seeds[0])
        self.critic = growing.Critic(*shape, seeds[1])
        self.encoder = self.new_encoder(seeds[2])
        # The seed of the generator: the average starts from the same weights.
        self.generator_ema = growing.Generator(self.latent_dim, *shape, seeds[0])
        self.generator_ema.trainable = False
        self.step, self.seen = (
            self.add_weight(
                name=name, shape=(), initializer="zeros", dtype="int64", trainable=False
            )
            for name in ("step", "seen")
        )
        names = ("critic", "generator", "encoder")
        names = (*(f"{name}_loss" for name in names), "gradient_penalty", "wasserstein")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}

    def new_encoder(self, seed: int) -> growing.Encoder:
        """Make an encoder with fresh weights from a seed."""
        size, _, n_bands = self.image_shape
        shape = (size, n_bands, self.fmap_base, self.fmap_max)
        return growing.Encoder(self.latent_dim, *shape, seed)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | None = None,
        critic_optimizer: keras.optimizers.Optimizer | None = None,
        encoder_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the three optimizers; each forgets its moments at a new level.

        Parameters
        ----------
        generator_optimizer, critic_optimizer, encoder_optimizer : \
keras.optimizers.Optimizer, optional
            By default Adam with learning rate 1e-3, betas (0, 0.99), epsilon 1e-8.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=generator_optimizer or _default_optimizer(), **kwargs)
        self.critic_optimizer = critic_optimizer or _default_optimizer()
        self.encoder_optimizer = encoder_optimizer or _default_optimizer()
        for network, optimizer in self._trained():
            optimizer.build(network.trainable_variables)

    def _trained(self):
        return (
            (self.generator, self.optimizer),
            (self.critic, self.critic_optimizer),
            (self.encoder, self.encoder_optimizer),
        )

    def fit(
        self,
        x: tf.data.Dataset | None = None,
        *args: Any,
        epochs: int | None = None,
        callbacks: list[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train level by level, as :meth:`keras.Model.fit` does.

        Parameters
        ----------
        x : tf.data.Dataset
            What :func:`astroanomaly.dataset` makes, at full size; in batches of a
            multiple of four images.
        *args, **kwargs
            As for Keras.
        epochs : int, optional
            Passes over the data, at least as many as the schedule takes, which is
            the default. What comes after the schedule trains the last level.
        callbacks : list of keras.callbacks.Callback, optional
            As for Keras.

        Returns
        -------
        keras.callbacks.History
            Losses per epoch, with `level` (its width in pixels) and `fade`.

        Raises
        ------
        ValueError
            If the epochs end before the schedule does, or the batches are no
            multiple of four images.
        FloatingPointError
            When a loss is NaN or infinite; checkpoints stay as they were.
        """
        # First, as the schedule takes the shape of a batch of images for granted.
        self._check_training(x)
        epochs = self.schedule.epochs(x, epochs)
        callbacks = [Grow(), *(callbacks or [])]
        return super().fit(x, *args, epochs=epochs, callbacks=callbacks, **kwargs)

    def fit_encoder(
        self,
        x: tf.data.Dataset,
        epochs: int,
        optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Replace the encoder by one trained on the finished generator.

        This is what training the encoder beside the generator is compared with: the
        same network with the same kind of loss, ``mean |x - G(E(x))|``, but on the
        training images, and so on the anomalies among them.

        Parameters
        ----------
        x : tf.data.Dataset
            What :func:`astroanomaly.dataset` makes.
        epochs : int
            Passes over the data.
        optimizer : keras.optimizers.Optimizer, optional
            By default as for the encoder in :meth:`compile`.
        **kwargs
            Passed to :meth:`keras.Model.fit`.

        Returns
        -------
        keras.callbacks.History
            `encoder_loss` per epoch.
        """
        training = EncoderAfter(self)
        training.compile(optimizer or _default_optimizer())
        history = training.fit(x, epochs=epochs, **kwargs)
        self.encoder.set_weights(training.encoder.get_weights())
        return history

    def grow(self) -> None:
        """Begin a new level: the optimizers forget, the training step is made anew."""
        for _, optimizer in self._trained():
            for variable in optimizer.variables:
                # Moments of the old level point nowhere in the new one.
                if variable.name != "learning_rate":
                    variable.assign(ops.zeros_like(variable))
        # Level and fade length are constants of the traced graph.
        self.make_train_function(force=True)
        # What was made for the old level must not be used for the new one.
        self.predict_function = self.test_function = None

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the critic, the generator and the encoder on a batch."""
        at = self.at()
        step = tf.convert_to_tensor(self.step)
        n = tf.shape(images)[0]
        # Order of the authors' code: critic, generator, encoder.
        self._train_critic(self.at_level(images, **at), step, at)
        if self.coupling == "encoder_only":
            self._train_generator(n, step, at)
            self._train_encoder(n, step, at)
        else:
            self._train_both(n, step, at)
        self._average()
        self.step.assign_add(1)
        self.seen.assign_add(tf.cast(n, tf.int64))
        # For the history: a fade explains a jump of the losses.
        losses = {name: tracker.result() for name, tracker in self.trackers.items()}
        size = float(growing.FIRST * 2 ** at["level"])
        return {**losses, "level": size, "fade": at["fade"]}

    def generator_updates(self, steps: int) -> int:
        """Return how many updates the generator gets in a number of batches."""
        return steps

    def _draw_z(self, n, step, stream):
        return self.prior.draw(n, stateless_seed(self.seed, step, stream))

    def _train_critic(self, images, step, at):
        fake = self.generator(self._draw_z(tf.shape(images)[0], step, 0), **at)
        with tf.GradientTape() as tape:
            loss = self._critic_loss(images, fake, step, 1, at)
        self._update(tape, loss, self.critic, self.critic_optimizer, at)

    def _critic_loss(self, images, fake, step, stream, at):
        """Compute the critic's loss and record it with its parts."""
        alpha = tf.random.stateless_uniform(
            (tf.shape(images)[0], 1, 1, 1), stateless_seed(self.seed, step, stream)
        )
        mixed = losses.interpolate(images, fake, alpha)
        # Mixing with a batch of unknown length loses the static shape.
        mixed = tf.ensure_shape(mixed, images.shape)
        real_output = self.critic(images, **at)
        fake_output = self.critic(fake, **at)
        with tf.GradientTape() as inner:
            inner.watch(mixed)
            mixed_output = self.critic(mixed, **at)
        penalty = losses.gradient_penalty(inner.gradient(mixed_output, mixed))
        distance = losses.wasserstein_distance(real_output, fake_output)
        loss = (
            self.gradient_penalty_weight * penalty
            - distance
            + self.drift * losses.drift(real_output)
        )
        self.trackers["critic_loss"].update_state(loss)
        self.trackers["gradient_penalty"].update_state(penalty)
        self.trackers["wasserstein"].update_state(distance)
        return loss

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch at the level that trains."""
        at, step = self.at(), tf.convert_to_tensor(self.step)
        # Streams 4 and 5, so that a validation draws nothing that training draws.
        z = self._draw_z(tf.shape(images)[0], step, 4)
        fake = self.generator(z, **at)
        self._critic_loss(self.at_level(images, **at), fake, step, 5, at)
        drawn = losses.generator_loss(self.critic(fake, **at))
        self.trackers["generator_loss"].update_state(drawn)
        coded = self.encoder_weight * self.encoder_loss(z, fake, at)
        self.trackers["encoder_loss"].update_state(coded)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _update(self, tape, loss, network, optimizer, at):
        weights = network.used_weights(at["level"])
        optimizer.apply(tape.gradient(loss, weights), weights)

    def _train_generator(self, n, step, at):
        with tf.GradientTape() as tape:
            fake = self.generator(self._draw_z(n, step, 2), **at)
            loss = losses.generator_loss(self.critic(fake, **at))
        self._update(tape, loss, self.generator, self.optimizer, at)
        self.trackers["generator_loss"].update_state(loss)

    def _train_encoder(self, n, step, at):
        z = self._draw_z(n, step, 3)
        fake = self.generator(z, **at)
        with tf.GradientTape() as tape:
            # `fake` is made outside: the term reaches the encoder's weights alone.
            loss = self.encoder_weight * self.encoder_loss(z, fake, at)
        self._update(tape, loss, self.encoder, self.encoder_optimizer, at)
        self.trackers["encoder_loss"].update_state(loss)

    def _train_both(self, n, step, at):
        z = self._draw_z(n, step, 2)
        # Two gradients of one forward pass: the generator's and the encoder's.
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(z, **at)
            drawn = losses.generator_loss(self.critic(fake, **at))
            coded = self.encoder_weight * self.encoder_loss(z, fake, at)
            total = drawn + coded
        self._update(tape, total, self.generator, self.optimizer, at)
        self._update(tape, coded, self.encoder, self.encoder_optimizer, at)
        self.trackers["generator_loss"].update_state(drawn)
        self.trackers["encoder_loss"].update_state(coded)

    def encoder_loss(self, z: tf.Tensor, fake: tf.Tensor, at: dict) -> tf.Tensor:
        """Compute the encoder's term of the loss.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim)
            Latent vectors.
        fake : tensor of shape (n, 4 * 2^level, 4 * 2^level, n_bands)
            G(z).
        at : dict
            `level` and `fade`, as :meth:`at` gives them.

        Returns
        -------
        scalar tensor
            ``mean |G(z) - G(E(G(z)))|``, or the latent terms of "cluster".
        """
        output = self.encoder(fake, **at)
        if self.coupling == "cluster":
            return self.prior.loss(z, output)
        again = self.generator(self.prior.vectors(output), **at)
        return ops.mean(ops.abs(fake - again))

    def _average(self):
        pairs = zip(self.generator_ema.variables, self.generator.variables, strict=True)
        for average, weight in pairs:
            average.assign(self.ema * average + (1.0 - self.ema) * weight)

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "latent": self.latent,
            "coupling": self.coupling,
            "n_clusters": self.n_clusters,
            "fmap_base": self.fmap_base,
            "fmap_max": self.fmap_max,
            "fade_images": self.schedule.fade_images,
            "stable_images": self.schedule.stable_images,
            "encoder_weight": self.encoder_weight,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "drift": self.drift,
            "ema": self.ema,
            "seed": self.seed,
        }
