"""Latent Outlier Exposure: go on training where anomalies hide in the training set.

Qiu et al. 2022 (arXiv:2202.08088), algorithm 1: rank a batch, take its strangest
share for anomalies, and learn to reconstruct the others and not these.
"""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.autoencoders.base import Autoencoder, add_weight_decay
from astroanomaly.models.autoencoders.losses import (
    check_mode,
    exposed_losses,
    exposure_labels,
    exposure_loss,
    image_errors,
)
from astroanomaly.models.common.training import EpochOrderMixin, OptimizersMixin

# Images at a time when errors are measured; bounds memory, changes no number.
CHUNK = 64


@keras.saving.register_keras_serializable("astroanomaly")
class OutlierExposure(OptimizersMixin, EpochOrderMixin, keras.Model):
    """Refine a trained autoencoder whose training set holds anomalies.

    Each batch's images are ranked by L_n - L_a; the top `training_contamination`
    of them are taken for anomalies, and one step lowers

        mean over images of (1 - y) * L_n + y * L_a.

    L_n is an image's mean squared error divided by `scale`, L_a = 1 / L_n, and y
    is 0, or 1 ("hard") or 0.5 ("soft") for an image taken for an anomaly.

    Parameters
    ----------
    model : DCAE, CVAE or AAE
        Trained model, which goes on being trained: it is itself changed.
    training_contamination : float, optional
        Supposed fraction of the training set that is anomalous, within [0, 1).
        With 0 nothing is exposed, and a DCAE trains on as if by itself.
    mode : {"soft", "hard"}, optional
        "hard" pushes what is taken for an anomaly away; "soft", for labels in
        doubt, weighs both losses equally.
    seed : int, optional
        Kept with the model as in all others. The refinement draws no random
        number: the order of the images is that of the data set's own seed.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    scale : keras.Variable
        Mean over the training images of their mean squared error before the
        refinement, the unit of L_n; 0 until measured, then saved and kept.
    step : keras.Variable
        Batches of the refinement so far.
    image_shape : tuple of int
        (ny, nx, n_bands) of the wrapped model.
    latent_dim : int
        Length of z.

    Raises
    ------
    TypeError
        If `model` does not reconstruct by a call that has a gradient (an RBM, a
        GAN).
    ValueError
        If another argument is outside its range.

    Notes
    -----
    L_a = 1 / L_n needs an L_n without units. In raw mean squared errors, 1e-3 say,
    L_a would be 1000 and its gradient 1e6 times that of L_n: one image taken for
    an anomaly would outweigh all others. In units of the mean the two balance at
    L_n = 1, so that "soft" draws the images in doubt to the mean error of the
    unrefined model, from above and from below. The gradient is that of `scale`
    times the loss, so that learning rate and weight decay mean what they meant in
    the model's own training.

    The forward pass is ``model(images, training=True)``: batch statistics in the
    DCAE, the posterior's mean in the CVAE. Weight decay goes on. What ties z to a
    prior is left out, the KL divergence of the CVAE (the weights of its log
    variance stay as they are) and the adversarial steps of the AAE, so that these
    models should no longer be asked to ``generate``.

    Where ``training_contamination`` times the batch size rounds to 0, nothing
    would be exposed; ``fit`` warns.

    References
    ----------
    Qiu, Li, Kloft, Rudolph & Mandt 2022, "Latent Outlier Exposure for Anomaly
    Detection with Contaminated Data", arXiv:2202.08088, algorithm 1.

    Examples
    --------
    >>> from astroanomaly.models import DCAE
    >>> refined = OutlierExposure(DCAE((32, 32, 1), latent_dim=8), mode="hard")
    >>> int(refined.suspects(np.random.default_rng(0).random((20, 32, 32, 1))).sum())
    2
    """

    def __init__(
        self,
        model: Autoencoder,
        training_contamination: float = 0.1,
        mode: str = "soft",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(model, Autoencoder):
            raise TypeError(
                "`model` must be a trained DCAE, CVAE or AAE, whose reconstruction "
                f"has a gradient. Received: {type(model).__name__}"
            )
        if not 0 <= training_contamination < 1:
            raise ValueError(
                "`training_contamination` must be within [0, 1). "
                f"Received: {training_contamination}"
            )
        self.model, self.mode = model, check_mode(mode)
        self.training_contamination = float(training_contamination)
        self.seed = int(seed)
        self.image_shape, self.latent_dim = model.image_shape, model.latent_dim
        self.scale = self.add_weight(
            name="scale", shape=(), initializer="zeros", trainable=False
        )
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", "normal_loss", "exposed_loss", "exposed")
        }
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the history's numbers, reset at every epoch.

        They are "loss", the mean L_n of the images taken for ordinary
        ("normal_loss"), the mean L_a of the others ("exposed_loss") and the ratio
        of the others' mean L_n to the former's ("exposed", a mean over batches).
        The last two are 0 where nothing is exposed.
        """
        return list(self.trackers.values())

    @property
    def _refined_weights(self):
        # Without an AAE's latent critic.
        model = self.model
        return model.encoder.trainable_variables + model.decoder.trainable_variables

    def compile(
        self, optimizer: keras.optimizers.Optimizer | None = None, **kwargs: Any
    ) -> None:
        """Set the optimizer.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            By default Adam with learning rate 1e-4. The optimizer of the wrapped
            model's own training plays no part and is not in the config.
        **kwargs
            Passed to :meth:`keras.Model.compile`.
        """
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer or keras.optimizers.Adam(1e-4), **kwargs)
        self.optimizer.build(self._refined_weights)

    def fit(
        self, x: tf.data.Dataset | None = None, *args: Any, **kwargs: Any
    ) -> keras.callbacks.History:
        """Refine the model; the first time, measure `scale` before.

        Parameters
        ----------
        x : tf.data.Dataset
            What :func:`astroanomaly.dataset` makes of the training images.
        *args, **kwargs
            As for the other models.

        Returns
        -------
        keras.callbacks.History
            Losses per epoch.

        Raises
        ------
        FloatingPointError
            When a loss is NaN or infinite; checkpoints stay as they were.

        Warns
        -----
        UserWarning
            If the batches are too small for one image to be exposed.
        """
        # First, as the scale is measured on batches of images.
        self._check_training(x)
        self._warn_if_none_exposed(x)
        if not self.scale > 0:
            # Not checked here: with a NaN the first batch stops the training.
            self.scale.assign(np.mean(self._errors(x)))
        return super().fit(x, *args, **kwargs)

    def _warn_if_none_exposed(self, x):
        share = self.training_contamination
        n = x.element_spec.shape[0] if hasattr(x, "element_spec") else None
        if n is not None and share > 0 and round(share * n) == 0:
            warnings.warn(
                f"`training_contamination` {share} of a batch of {n} rounds to no "
                "image, so that nothing is exposed: take batches of more than "
                f"{0.5 / share:.0f} images.",
                stacklevel=3,
            )

    def measure_scale(self, images: tf.data.Dataset | np.ndarray) -> float:
        """Measure the unit of L_n on the training images, and keep it.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands) or tf.data.Dataset
            Stretched training images, or batches of them (one pass).

        Returns
        -------
        float
            `scale`, the mean over the images of the mean squared error of what
            :meth:`reconstruct` gives.

        Raises
        ------
        ValueError
            If that is not a finite number above 0.
        """
        errors = self._errors(images)
        scale = float(np.mean(errors)) if len(errors) else np.nan
        if not 0 < scale < np.inf:
            raise ValueError(
                "`images` must hold images whose mean squared error is finite and "
                f"> 0. Received: {len(errors)} images with a mean of {scale}"
            )
        self.scale.assign(scale)
        return scale

    def _errors(self, images) -> np.ndarray:
        """Compute the mean squared error of each image as at scoring time."""
        if not isinstance(images, tf.data.Dataset):
            images = [
                np.asarray(images[start : start + CHUNK], np.float32)
                for start in range(0, len(images), CHUNK)
            ]
        elif hasattr(images, "set_epoch"):
            # The first epoch's order, whatever was trained before.
            images.set_epoch(0)
        errors = [np.empty(0)]
        for batch in images:
            drawn = self.predict_on_batch(batch)
            errors.append(np.asarray(image_errors(batch, drawn), np.float64))
        return np.concatenate(errors)

    def suspects(self, images: np.ndarray) -> np.ndarray:
        """Tell which training images the model takes for anomalies.

        To look at them, or to train a model afresh without them.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Stretched images, all of the training set: the share is taken of the
            whole, not batch by batch.

        Returns
        -------
        ndarray of bool of shape (n,)
            True for the ``int(round(training_contamination * n))`` images that are
            reconstructed worst, in the images' order. An image with NaN pixels
            counts as worse than any other.
        """
        errors = self._errors(images)
        # As many as were supposed, whatever their errors are.
        n_suspects = round(self.training_contamination * len(errors))
        mask = np.zeros(len(errors), bool)
        # argsort puts NaN last, so the end holds NaN and then the largest errors.
        mask[np.argsort(errors, kind="stable")[len(errors) - n_suspects :]] = True
        return mask

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Label a batch and update encoder and decoder."""
        with tf.GradientTape() as tape:
            normal_loss, exposed_loss, labels = self._labeled(images, training=True)
            loss = exposure_loss(normal_loss, exposed_loss, labels)
            scaled = self.scale * loss
        gradients = tape.gradient(scaled, self._refined_weights)
        # None: the log variance of a CVAE, which a reconstruction does not use.
        pairs = zip(gradients, self._refined_weights, strict=True)
        gradients, weights = zip(*[p for p in pairs if p[0] is not None], strict=True)
        self.optimizer.apply(
            add_weight_decay(gradients, weights, self.model.weight_decay), weights
        )
        self.step.assign_add(1)
        return self._record(normal_loss, exposed_loss, labels, loss)

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch as at scoring time."""
        losses = self._labeled(images, training=False)
        return self._record(*losses, exposure_loss(*losses))

    def _labeled(self, images, training):
        drawn = self.model(images, training=training)
        normal_loss = image_errors(images, drawn) / self.scale
        exposed_loss = exposed_losses(normal_loss)
        share, mode = self.training_contamination, self.mode
        labels = exposure_labels(normal_loss, exposed_loss, share, mode)
        return normal_loss, exposed_loss, labels

    def _record(self, normal_loss, exposed_loss, labels, loss):
        flagged = ops.cast(labels > 0, normal_loss.dtype)
        n_flagged, n_others = ops.sum(flagged), ops.sum(1.0 - flagged)
        ordinary = ops.divide_no_nan(ops.sum(normal_loss * (1.0 - flagged)), n_others)
        strange = ops.divide_no_nan(ops.sum(normal_loss * flagged), n_flagged)
        # 0 where nothing is exposed, and then without weight in the mean.
        ratio = ops.divide_no_nan(strange, ordinary)
        both = ops.cast(n_flagged * n_others > 0, normal_loss.dtype)
        trackers = self.trackers
        trackers["loss"].update_state(loss)
        trackers["normal_loss"].update_state(normal_loss, sample_weight=1.0 - flagged)
        trackers["exposed_loss"].update_state(exposed_loss, sample_weight=flagged)
        trackers["exposed"].update_state(ratio, sample_weight=both)
        return {name: tracker.result() for name, tracker in trackers.items()}

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Reconstruct images (n, ny, nx, n_bands) as the wrapped model does."""
        return self.model(images, training=training)

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstruct images (n, ny, nx, n_bands) as at scoring time."""
        return self.model.reconstruct(images)

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the latent vectors (n, latent_dim) of images."""
        return self.model.encode(images, training=training)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the features (n, latent_dim) that a score compares."""
        return self.model.features(images)

    def get_config(self) -> dict:
        """Return the arguments that make this model again, the wrapped one too."""
        model = self.model
        return {
            **super().get_config(),
            # What serialize_keras_object gives, less its "compile_config": the wrapped
            # model's own training is over, and it may never have been compiled.
            "model": {
                "module": None,
                "class_name": type(model).__name__,
                "config": keras.saving.serialize_keras_object(model.get_config()),
                "registered_name": keras.saving.get_registered_name(type(model)),
            },
            "training_contamination": self.training_contamination,
            "mode": self.mode,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict) -> "OutlierExposure":
        """Make the model of a configuration, the wrapped one first."""
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**{**config, "model": model})
