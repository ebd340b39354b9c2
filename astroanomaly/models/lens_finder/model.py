"""A convolutional classifier of strong lenses (Wilde et al. 2022, arXiv:2202.12776)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common.training import EpochOrderMixin, stateless_seed
from astroanomaly.models.lens_finder.channels import check_channels, see
from astroanomaly.models.lens_finder.networks import (
    build_lens_network,
    check_lens_shape,
    last_layers,
)

# Of Adam: Wilde et al. 2022 (arXiv:2202.12776).
LEARNING_RATE = 3e-4


class LensProbabilityMixin:
    """Adds P(lens) and its threshold to a model with a `logit`."""

    @property
    def threshold(self) -> float:
        """P(lens) from which on an image counts as a lens."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float):
        if not 0 <= value <= 1:
            raise ValueError(f"`threshold` must be within [0, 1]. Received: {value}")
        self._threshold = float(value)

    def probability(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute P(lens) from the logit.

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n,)
            Within [0, 1]; row i depends on image i alone, differentiably. NaN for
            an image with a NaN pixel.

        Raises
        ------
        ValueError
            If the images have another shape than the model's.
        """
        return ops.sigmoid(self.logit(images))


@keras.saving.register_keras_serializable("astroanomaly")
class LensFinder(LensProbabilityMixin, EpochOrderMixin, keras.Model):
    """Tell lenses from other galaxies.

    Images go through one of the two published networks to two logits, and

        P(lens) = softmax(logits)[1] = sigmoid(logits[1] - logits[0]).

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands), any number of bands; at least 116 pixels a side for
        "ou200", 58 for "ou66" and 30 for "small".
    network : {"ou200", "ou66", "small"}, optional
        "ou200": six convolutions for VIS's 200x200 pixels of 0.1 arcsec, NISP's
        bands scaled up to them. "ou66": nine convolutions for NISP's 66x66 pixels
        of 0.3 arcsec. "small": ours, five convolutions for small images.
    seed : int, optional
        Seed of the first weights and of the dropout.
    dropout : float, optional
        Fraction of the values dropped in training after each convolution (and its
        pool), within [0, 1).
    threshold : float, optional
        P(lens) from which on an image counts as a lens, within [0, 1]. It is kept
        with the model, may be set later, and changes neither the training nor
        what :meth:`predict` gives.
    channels : sequence of str, optional
        What the network sees of each image, made from it: "image" as it is; "faint",
        linear within 10 standard deviations of its sky; "subtracted", the same
        without the main galaxy's light, which is modelled by medians on ellipses.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    network : keras.Model
        Images to logits, a chain of named layers without dropout.
    network_name : str
        "ou200" or "ou66".
    last_convolution : str
        Name of the network's last convolution, for Grad-CAM.
    step : keras.Variable
        Training batches so far.

    Raises
    ------
    ValueError
        If an argument is outside its range, or the images are too small.

    Notes
    -----
    Published: the networks, Adam with learning rate 3e-4, batches of 500 images,
    150 epochs, a cross-entropy with class weights that is also the validation's,
    and of all epochs the one with the lowest validation loss. As there, a training
    takes ``compile(class_weight=class_weights(labels))`` and
    :class:`~astroanomaly.runs.callbacks.KeepBest`.

    Ours: the dropout's masks are a function of (seed, step, layer), so that a
    training that was stopped and went on drops what an unbroken one would have; and
    the weighted cross-entropy of a batch is divided by the number of its images,
    not by the sum of their weights, so that a validation loss does not depend on
    how the images fall into batches. The published weights, N_lens / N for
    non-lenses and the reverse, have the ratio of the balanced ones.

    Images are stretched one by one, band by band, to [0, 1]
    (``stretches.Linear(per_image=True)``). One with a NaN or infinite pixel gets NaN
    in every output: a maximum would pass over it.

    References
    ----------
    Wilde, Serjeant, Bromley et al. 2022, "Detecting gravitational lenses using
    machine learning: exploring interpretability and sensitivity to rare lensing
    configurations", arXiv:2202.12776.

    Examples
    --------
    >>> finder = LensFinder((66, 66, 4), network="ou66")
    >>> finder.network.count_params()
    203192
    >>> finder.probability(np.zeros((3, 66, 66, 4))).numpy().tolist()
    [0.5, 0.5, 0.5]
    """

    # Keras itself takes the step, and scales the loss of mixed precision.
    float32_only = False
    learns_from_labels = True

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (200, 200, 4),
        network: str = "ou200",
        seed: int = 0,
        dropout: float = 0.2,
        threshold: float = 0.5,
        channels: Sequence[str] = ("image",),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be within [0, 1). Received: {dropout}")
        self.channels = check_channels(channels)
        self.image_shape = check_lens_shape(image_shape, network)
        ny, nx, n_bands = self.image_shape
        seen = ny, nx, n_bands * len(self.channels)
        self.network = build_lens_network(seen, network, seed)
        self.network_name, self.seed = network, int(seed)
        self.dropout, self.threshold = float(dropout), threshold
        self.last_convolution = f"conv_{len(last_layers(network))}"
        self._class_weight = None
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.built = True

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        class_weight: dict | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the optimizer and the weights of the two classes.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            By default Adam with learning rate 3e-4, as published.
        class_weight : dict, optional
            Weights of non-lenses (0) and lenses (1) in the loss, in training and
            validation alike: what
            :func:`~astroanomaly.data.class_weights` makes. Both 1 by
            default. They are kept with the model.
        **kwargs
            Passed to :meth:`keras.Model.compile`, apart from loss and metrics.

        Raises
        ------
        ValueError
            If there is not one finite weight above 0 for each class.
        """
        values = None
        if class_weight is not None:
            values = [class_weight.get(label, np.nan) for label in (0, 1)]
            extra = set(class_weight) - {0, 1}
            if extra or not np.all(np.isfinite(values)) or min(values) <= 0:
                raise ValueError(
                    "`class_weight` must give the classes 0 and 1 a finite weight "
                    f"above 0 each. Received: {class_weight}"
                )
        self._class_weight = values and tuple(map(float, values))
        kwargs.setdefault("jit_compile", False)
        super().compile(
            optimizer=optimizer or keras.optimizers.Adam(LEARNING_RATE),
            # Two logits, lens and non-lens, as published.
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            **kwargs,
        )
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> dict | None:
        """Return what rebuilds optimizer and loss when the model is loaded."""
        if not self.compiled:
            return None
        weights = self._class_weight
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            # JSON knows no whole numbers as keys.
            "class_weight": None if weights is None else list(weights),
        }

    def compile_from_config(self, config: dict) -> None:
        """Rebuild optimizer and loss."""
        config = keras.saving.deserialize_keras_object(config)
        weights = config.pop("class_weight")
        weights = None if weights is None else dict(enumerate(weights))
        self.compile(**config, class_weight=weights)

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Update the weights by one batch, and count it."""
        logs = super().train_step(data)
        self.step.assign_add(1)
        return logs

    def compute_loss(
        self,
        x: tf.Tensor | None = None,
        y: tf.Tensor | None = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Compute the cross-entropy of a batch, weighted by class.

        Parameters
        ----------
        x : tensor of shape (n, ny, nx, n_bands)
            Images.
        y : tensor of shape (n,)
            Labels, 0 or 1.
        y_pred : tensor of shape (n, 2)
            Logits.
        sample_weight : tensor of shape (n,), optional
            Weights of the images beside those of their classes.
        training : bool, optional
            As for Keras.

        Returns
        -------
        tensor
            Sum over the images of weight times cross-entropy, divided by n.
        """
        if self._class_weight is not None:
            weights = ops.convert_to_tensor(self._class_weight, "float32")
            weights = ops.take(weights, ops.cast(ops.reshape(y, (-1,)), "int32"))
            if sample_weight is not None:
                weights = weights * ops.cast(sample_weight, "float32")
            sample_weight = weights
        return super().compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the logits (n, 2) of images (n, ny, nx, n_bands)."""
        return self._through(images, self.network.layers[1:], training)

    def _through(self, images, layers, training=False):
        """Apply the first layers of the network, with dropout in training."""
        images = self._check_images(images)
        x = see(images, self.channels)
        dropped = last_layers(self.network_name) if training and self.dropout else ()
        for layer in layers:
            x = layer(x)
            if layer.name in dropped:
                x = self._drop(x, dropped.index(layer.name))
        finite = ops.all(ops.isfinite(images), axis=(1, 2, 3))
        return ops.where(finite[:, None], x, np.float32(np.nan))

    def _drop(self, x, stream):
        seed = stateless_seed(self.seed, tf.convert_to_tensor(self.step), stream)
        return tf.nn.experimental.stateless_dropout(x, self.dropout, seed)

    def _check_images(self, images):
        images = ops.convert_to_tensor(images, "float32")
        if not images.shape.is_compatible_with((None, *self.image_shape)):
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"`images` must have shape (n, {wanted}). "
                f"Received: shape {tuple(images.shape)}"
            )
        # A stretch inside a pipeline may forget how many bands there are.
        if None in images.shape[1:]:
            images = ops.reshape(images, (-1, *self.image_shape))
        return images

    def logit(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute by how much the logit of "lens" is above that of "non-lens".

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n,)
            Row i depends on image i alone, differentiably; above 0 where P(lens)
            is above 0.5. NaN for an image with a NaN pixel.

        Raises
        ------
        ValueError
            If the images have another shape than the model's.
        """
        # A difference of logits keeps digits where P rounds to 0 or 1.
        logits = self.call(images)
        return logits[:, 1] - logits[:, 0]

    def features(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute what the last layer before the outputs says.

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n, 350) or (n, 500)
            Zero or above. NaN for an image with a NaN pixel.

        Raises
        ------
        ValueError
            If the images have another shape than the model's.
        """
        return self._through(images, self.network.layers[1:-1])

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "network": self.network_name,
            "seed": self.seed,
            "dropout": self.dropout,
            "threshold": self.threshold,
            "channels": self.channels,
        }
