"""When a growing GAN changes its level, and how its latent vectors are drawn."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from numbers import Integral

import keras
import tensorflow as tf
from keras import ops

from astroanomaly.models.progressive.equalized import GROUP
from astroanomaly.models.progressive.networks import FIRST

# What the encoder's loss trains: the paper, its authors' code, ClusterGAN.
COUPLINGS = ("joint", "encoder_only", "cluster")
# 0.1 N(0, I) is that of the authors' code.
LATENTS = ("gaussian", "cluster")
# Mukherjee et al. 2019: standard deviation of the continuous part, both weights.
SIGMA, CONTINUOUS_WEIGHT, DISCRETE_WEIGHT = 0.1, 10.0, 10.0


class GrowthSchedule:
    """Which level trains after how many images.

    `n_levels`: levels of the networks; `fade_images`, `stable_images`: images of each
    level while it fades in, and after that.
    """

    def __init__(self, n_levels: int, fade_images, stable_images):
        self.n_levels = n_levels
        self.fade_images = self._per_level("fade_images", fade_images)
        self.stable_images = self._per_level("stable_images", stable_images)
        # The first level has nothing below it to fade from.
        fades = (0, *self._expanded(self.fade_images)[1:])
        lengths = [
            fade + stable
            for fade, stable in zip(
                fades, self._expanded(self.stable_images), strict=True
            )
        ]
        if 0 in lengths:
            raise ValueError(
                "`fade_images` and `stable_images` must give every level some images. "
                f"Received: none for {FIRST * 2 ** lengths.index(0)} pixels"
            )
        self.fades, self.ends = fades, list(accumulate(lengths))

    def _per_level(self, name, value):
        numbers = [value] if isinstance(value, Integral) else value
        if not isinstance(numbers, Sequence) or not all(
            isinstance(number, Integral) and number >= 0 for number in numbers
        ):
            raise ValueError(
                f"`{name}` must be integers >= 0, one for all levels or one for each. "
                f"Received: {value}"
            )
        if numbers is value and len(numbers) != self.n_levels:
            last = FIRST * 2 ** (self.n_levels - 1)
            ends = "ends before" if len(numbers) < self.n_levels else "goes beyond"
            raise ValueError(
                f"`{name}` must have {self.n_levels} numbers, one for each level from "
                f"{FIRST} to {last} pixels; this schedule {ends} the last level. "
                f"Received: {len(numbers)} numbers, {tuple(numbers)}"
            )
        return (
            int(value)
            if isinstance(value, Integral)
            else tuple(int(number) for number in value)
        )

    def _expanded(self, value) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * self.n_levels

    @property
    def total(self) -> int:
        """Images of the whole schedule."""
        return self.ends[-1]

    def level(self, seen: int) -> int:
        """Return the level that trains after so many images."""
        # After the schedule the last level goes on training.
        return min(bisect_right(self.ends, seen), self.n_levels - 1)

    def fade_of(self, level: int) -> tuple[int, int]:
        """Return the image at which a level begins and the length of its fade."""
        return (0, *self.ends)[level], self.fades[level]

    def epochs(self, data, epochs: int | None) -> int:
        """Return the epochs of a training on batches; None: as the schedule needs."""
        if not isinstance(data, tf.data.Dataset):
            raise TypeError(
                "`x` must be a tf.data.Dataset, such as `astroanomaly.dataset` makes. "
                f"Received: {type(data).__name__}"
            )
        n_batches = int(data.cardinality())
        if n_batches < 1:
            raise ValueError(
                "`x` must have a known number of batches, one epoch's, not repeated. "
                f"Received: a cardinality of {n_batches}"
            )
        return self.check(data.element_spec.shape[0], n_batches, epochs)

    def check(self, batch: int | None, n_batches: int, epochs: int | None) -> int:
        """Return the epochs of a training, refused if they end before the schedule."""
        # The minibatch deviation reshapes the batch into groups.
        if batch is None or batch % GROUP:
            raise ValueError(
                f"`batch_size` must be a multiple of {GROUP}, as the critic compares "
                f"groups of {GROUP} images. Received: {batch}"
            )
        lengths = [end - start for start, end in pairwise((0, *self.ends))]
        if min(lengths) < batch:
            size = FIRST * 2 ** lengths.index(min(lengths))
            raise ValueError(
                "`fade_images` and `stable_images` must give every level at least one "
                f"batch. Received: {min(lengths)} images for {size} pixels, in batches "
                f"of {batch}"
            )
        per_epoch = n_batches * batch
        needed = -(-self.total // per_epoch)
        if epochs is not None and epochs < needed:
            raise ValueError(
                f"`epochs` must be at least {needed}: the schedule needs {self.total} "
                "images, or the training ends before the last level does. Received: "
                f"{epochs} epochs of {per_epoch} images"
            )
        return needed if epochs is None else epochs


class Grow(keras.callbacks.Callback):
    """Begin each level when its time has come."""

    def on_train_batch_begin(self, batch, logs=None):
        """Remember the level, which another callback may have restored."""
        self.level = self.model.level

    def on_train_batch_end(self, batch, logs=None):
        """Look whether the next level begins."""
        if self.model.level != self.level:
            self.model.grow()


class LatentPrior:
    """How z is drawn, and read from the output of an encoder.

    `kind`: 0.1 N(0, I), or the same with a one-hot vector behind it; `latent_dim`,
    `n_clusters`: length of z, and of its one-hot part.
    """

    def __init__(self, kind: str, latent_dim: int, n_clusters: int):
        if kind not in LATENTS:
            raise ValueError(
                f"`latent` must be one of {', '.join(LATENTS)}. Received: {kind}"
            )
        self.n_clusters = n_clusters if kind == "cluster" else 0
        self.n_continuous = latent_dim - self.n_clusters
        if self.n_continuous < 1:
            raise ValueError(
                f"`latent_dim` must be above the {n_clusters} clusters. "
                f"Received: {latent_dim}"
            )

    def draw(self, n, seed):
        """Draw n latent vectors from a stateless seed."""
        z = SIGMA * tf.random.stateless_normal((n, self.n_continuous), seed)
        if not self.n_clusters:
            return z
        # Another key, or the clusters would follow the continuous part.
        another = tf.random.experimental.stateless_fold_in(seed, 1)
        which = tf.random.stateless_uniform(
            (n,), another, maxval=self.n_clusters, dtype=tf.int32
        )
        return tf.concat([z, tf.one_hot(which, self.n_clusters)], axis=1)

    def _parts(self, output):
        return output[:, : self.n_continuous], output[:, self.n_continuous :]

    def vectors(self, output):
        """Turn the output of an encoder into latent vectors."""
        if not self.n_clusters:
            return output
        continuous, discrete = self._parts(output)
        return ops.concatenate([continuous, ops.softmax(discrete)], axis=1)

    def loss(self, z, output):
        """Compare the output of an encoder with the z that it should have found."""
        drawn, one_hot = self._parts(z)
        continuous, discrete = self._parts(output)
        loss = CONTINUOUS_WEIGHT * ops.mean(ops.square(continuous - drawn))
        if not self.n_clusters:
            return loss
        entropy = ops.categorical_crossentropy(one_hot, discrete, from_logits=True)
        return loss + DISCRETE_WEIGHT * ops.mean(entropy)
