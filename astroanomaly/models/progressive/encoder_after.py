"""The training of an encoder on a GAN that has finished growing."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common.training import EpochOrderMixin, OptimizersMixin


class EncoderAfter(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Trains a fresh encoder of a growing GAN on real images.

    `gan`: trained; nothing of it changes; `encoder`: the network that trains.
    """

    def __init__(self, gan):
        super().__init__()
        # Behind a function Keras neither trains nor saves the GAN with this model.
        self._gan = lambda: gan
        self.encoder = gan.new_encoder(
            # Another seed than that of the encoder it replaces: fresh weights.
            int(np.random.SeedSequence((gan.seed, 1)).generate_state(1)[0])
        )
        self.trackers = {"encoder_loss": keras.metrics.Mean(name="encoder_loss")}
        self.built = True

    def compile(self, optimizer, **kwargs):
        """Set the optimizer."""
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, **kwargs)

    def call(self, images):
        """Reconstruct images through the encoder that trains."""
        gan = self._gan()
        at = gan.at()
        output = self.encoder(gan.at_level(images, **at), **at)
        return gan.decode(gan.prior.vectors(output))

    def train_step(self, images):
        """Update the encoder on a batch."""
        with tf.GradientTape() as tape:
            loss = self._loss(images)
        weights = self.encoder.used_weights(self._gan().level)
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def test_step(self, images):
        """Compute the loss of a batch."""
        self._loss(images)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _loss(self, images):
        loss = ops.mean(ops.abs(images - self.call(images)))
        self.trackers["encoder_loss"].update_state(loss)
        return loss
