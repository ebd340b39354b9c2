"""A small encoder that learns from the user's own cutouts, without labels."""

from __future__ import annotations

from pathlib import Path

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from astroanomaly import stretches
from astroanomaly.features.base import Features, check_images
from astroanomaly.features.whitening import gaussian, whitened
from astroanomaly.models.common.networks import check_image_shape, initializers
from astroanomaly.stretches.sky import sky_noise
from astroanomaly.utils.arrays import load_arrays, save_arrays
from astroanomaly.utils.chunks import in_chunks
from astroanomaly.utils.keras_files import bounded_weights, load_model
from astroanomaly.utils.progress import progress_bar

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.stretches import Stretch

_ENCODER, _STRETCH = "features_encoder.keras", "features_stretch.json"
_WHITENING = "features_whitening.npz"
# Images that the sky's noise is measured on, at most.
_SAMPLE = 1000
# Widths of the head that the loss sees and that is left out afterwards (Chen et al.).
_HEAD = 128, 64
# Feature maps that are normalized together, per image.
_GROUPS = 8
# Of pasted light: shares of the side from the center, and the least share of its flux.
_PASTED_AT, _PASTED_RATIO = (0.1, 0.35), 0.1
# Smaller maps hold no position.
_SMALLEST = 4


class Contrastive(Features):
    """Features of an encoder that learned to know an object again (SimCLR).

    Two views of each image are made from its linear pixels: turned by any angle and
    mirrored, shifted, brighter or fainter, noisier. The encoder, four convolutions of
    stride 2 with group normalization and a mean over positions, is trained so that
    views of one image are near to each other and far from those of all others in the
    batch (Chen et al. 2020, the loss NT-Xent). A second head, left out afterwards, lies
    between encoder and loss. With `paste`, a view to which the light of another object
    was added counts as one of the others (as in Tack et al. 2020), which teaches the
    encoder to see companions.

    Features are means and maxima of the last maps over positions, whitened by the
    (shrunk) covariance of the training images: a distance then counts each direction
    by how much ordinary objects differ along it.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training images.
    batch_size : int, optional
        Images a step, each with two views; all of a smaller set.
    width : int, optional
        Feature maps of the first convolution; an image has 16 times as many features.
    temperature : float, optional
        Of the loss; smaller ones attend to the nearest others.
    shift : float, optional
        Largest shift of a view, pixels.
    noise : float, optional
        Largest noise added to a view, in units of the sky's.
    flux : float, optional
        A view is up to 2 to the power of this brighter or fainter.
    learning_rate : float, optional
        Of Adam at the start; it falls to 0 along a cosine.
    seed : int, optional
        Seed of the weights, the views and their order.
    paste : bool, optional
        Whether views with the light of another object are further others.
    stretch : Stretch, optional
        From linear pixels to those that the encoder sees; an asinh stretch by default,
        which `fit` adapts.

    Attributes
    ----------
    encoder : keras.Model or None
        From stretched images to the last maps and the features; None before `fit`.
    history : list of dict
        The loss of each epoch.

    Raises
    ------
    ValueError
        If a number is outside its range.

    References
    ----------
    Chen et al. 2020, ICML (arXiv:2002.05709); Tack et al. 2020, NeurIPS
    (arXiv:2007.08176).

    Examples
    --------
    >>> images = np.random.default_rng(1).normal(size=(16, 32, 32, 1))
    >>> Contrastive(epochs=1, width=8).fit(images)(images).shape
    (16, 128)
    """

    name = "contrastive"
    arguments = (
        "epochs",
        "batch_size",
        "width",
        "temperature",
        "shift",
        "noise",
        "flux",
        "learning_rate",
        "seed",
        "paste",
    )
    added = ("paste",)

    def __init__(
        self,
        epochs: int = 60,
        batch_size: int = 128,
        width: int = 16,
        temperature: float = 0.2,
        shift: float = 1.0,
        noise: float = 0.5,
        flux: float = 0.0,
        learning_rate: float = 2e-3,
        seed: int = 0,
        paste: bool = True,
        stretch: Stretch | None = None,
    ) -> None:
        for name, value, least in (
            ("epochs", epochs, 1),
            # One image has no others to be told from.
            ("batch_size", batch_size, 2),
            ("width", width, 1),
        ):
            if int(value) != value or not least <= value <= 1_000_000:
                raise ValueError(
                    f"`{name}` must be a whole number >= {least}. Received: {value}"
                )
        if width % _GROUPS:
            raise ValueError(
                f"`width` must be a multiple of {_GROUPS}. Received: {width}"
            )
        for name, value in (
            ("temperature", temperature),
            ("learning_rate", learning_rate),
        ):
            if not 0 < value < np.inf:
                raise ValueError(f"`{name}` must be above 0. Received: {value}")
        for name, value in (("shift", shift), ("noise", noise), ("flux", flux)):
            if not 0 <= value < np.inf:
                raise ValueError(f"`{name}` must be >= 0. Received: {value}")
        self.epochs, self.batch_size = int(epochs), int(batch_size)
        self.width, self.temperature = int(width), float(temperature)
        self.shift, self.noise, self.flux = float(shift), float(noise), float(flux)
        self.learning_rate, self.seed = float(learning_rate), int(seed)
        self.paste = bool(paste)
        self.stretch, self.encoder, self.history = stretch, None, []
        self._traced = self._whitening = None

    # Asked each time, where other extractors keep an attribute.
    @property
    def fitted(self) -> bool:  # type: ignore[override]
        """Whether the encoder is trained."""
        return self.encoder is not None

    def fit(self, cutouts: Cutouts) -> Contrastive:
        """Train the encoder on ordinary cutouts, or on an array of linear pixels."""
        images = check_images(getattr(cutouts, "images", cutouts))
        if len(images) < 2 or not np.isfinite(images).all():
            raise ValueError(
                "`cutouts` must hold at least 2 images of finite pixels. Received: "
                f"{len(images)}, {'finite' if len(images) < 2 else 'not all finite'}."
            )
        if self.stretch is None:
            self.stretch = stretches.Asinh(name="asinh")
        if not self.stretch.adapted:
            self.stretch.adapt(cutouts if hasattr(cutouts, "images") else images)
        sample = images[:: -(-len(images) // _SAMPLE)]
        sky = [sky_noise(sample[..., b]) for b in range(images.shape[3])]
        with bounded_weights("`width`"):
            encoder = ContrastiveEncoder(
                images.shape[1:], self.width, self.seed, name="encoder"
            )
            network = _Learner(encoder, self, np.float32(sky))
        size = min(self.batch_size, len(images))
        n_steps = len(images) // size
        schedule = keras.optimizers.schedules.CosineDecay(
            self.learning_rate, n_steps * self.epochs
        )
        network.compile(keras.optimizers.Adam(schedule, name="optimizer"))
        rng = np.random.default_rng(self.seed)
        self.history = []
        with progress_bar("Learning features", self.epochs) as advance:
            for epoch in range(self.epochs):
                # What does not fill a batch has its turn in another epoch.
                order = rng.permutation(len(images))[: n_steps * size]
                losses = [
                    network.train_on_batch(images[np.sort(rows)].astype(np.float32))
                    for rows in order.reshape(n_steps, size)
                ]
                loss = float(np.mean(losses))
                if not np.isfinite(loss):
                    raise FloatingPointError(
                        f"the loss of epoch {epoch + 1} is not finite: a smaller "
                        f"`learning_rate` may help. Received: {loss}"
                    )
                self.history.append({"epoch": epoch + 1, "loss": loss})
                advance(1)
        self._use(encoder)
        center, whitening = gaussian(self._pooled(images))
        self._whitening = {"center": center, "whitening": whitening}
        return self

    def _use(self, encoder) -> None:
        self.encoder = encoder
        self._traced = tf.function(
            lambda images: encoder(self.stretch(images), training=False)
        )

    def _outputs(self, images, which: int) -> np.ndarray:
        if self.encoder is None:
            raise ValueError("the features are not learned yet: call `fit` first.")
        images = check_images(images)
        shape = self.encoder.image_shape
        if images.shape[1:] != shape:
            raise ValueError(
                f"`images` must have the shape of the training's, {shape}. Received: "
                f"{images.shape[1:]}."
            )
        return in_chunks(lambda chunk: self._traced(chunk)[which], images)

    def __call__(self, images):
        """Turn linear pixels (n, ny, nx, n_bands) into features (n, 16 width)."""
        # An encoder that was saved before its features were whitened has means alone.
        if self.encoder is not None and self._whitening is None:
            return self._outputs(images, 1)
        return whitened(self._pooled(images), **self._whitening or {})

    def _pooled(self, images):
        """Return means and maxima over positions (n, 16 width)."""
        maps = self.maps(images).astype(np.float64)
        return np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Return the last convolution by position (n, gy, gx, 8 width)."""
        return self._outputs(images, 0)

    def get_weights(self) -> list[np.ndarray]:
        """Return the weights of the encoder."""
        return [] if self.encoder is None else self.encoder.get_weights()

    def save_more(self, folder: Path) -> None:
        """Write encoder and stretch."""
        if self.encoder is None:
            raise ValueError("the features are not learned yet: call `fit` first.")
        self.encoder.save(folder / _ENCODER)
        self.stretch.save(folder / _STRETCH)
        if self._whitening is not None:
            save_arrays(folder / _WHITENING, self._whitening)

    @classmethod
    def load_from(cls, folder: Path, config: dict) -> Contrastive:
        """Make the extractor of a folder that `save` wrote."""
        made = cls(**config, stretch=stretches.load(folder / _STRETCH))
        encoder = load_model(folder / _ENCODER)
        if not isinstance(encoder, ContrastiveEncoder):
            raise ValueError(
                f"{folder / _ENCODER} must hold a ContrastiveEncoder. Received: "
                f"{type(encoder).__name__}."
            )
        made._use(encoder)
        if (folder / _WHITENING).is_file():
            shapes = {"center": 1, "whitening": 2}
            made._whitening = load_arrays(folder / _WHITENING, shapes)
        return made


@keras.saving.register_keras_serializable("astroanomaly")
class ContrastiveEncoder(keras.Model):
    """Four convolutions of stride 2: images to their last maps and to their means.

    Parameters
    ----------
    image_shape : tuple of int
        (ny, nx, n_bands).
    width : int
        Feature maps of the first convolution.
    seed : int
        Of the first weights.
    **kwargs
        Passed to :class:`keras.Model`.
    """

    def __init__(self, image_shape, width: int = 16, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.width = check_image_shape(image_shape), int(width)
        self.seed = int(seed)
        images, weights = keras.Input(self.image_shape), initializers(self.seed)
        x = images
        for k in range(4):
            x = layers.Conv2D(
                width * 2**k,
                3,
                strides=1 if min(x.shape[1:3]) <= _SMALLEST else 2,
                padding="same",
                use_bias=False,
                kernel_initializer=next(weights),
            )(x)
            # Not batch normalization: features may not depend on the other images.
            x = layers.GroupNormalization(_GROUPS)(x)
            x = layers.Activation("silu")(x)
        self.network = keras.Model(images, [x, layers.GlobalAveragePooling2D()(x)])
        # Keras would ask for a `build` of the whole.
        self.built = True

    def call(self, images, training=False):
        """Return the maps (n, gy, gx, 8 width) and the features (n, 8 width)."""
        return self.network(images, training=training)

    def get_config(self):
        """Return the arguments that make this encoder again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "width": self.width,
            "seed": self.seed,
        }


class _Learner(keras.Model):
    """The encoder with its head, and the views that it learns from."""

    def __init__(self, encoder, settings, sky):
        super().__init__()
        weights = initializers(settings.seed + 1)
        self.encoder, self.settings, self.sky = encoder, settings, sky
        self.head = keras.Sequential(
            [
                keras.Input((8 * encoder.width,)),
                layers.Dense(
                    _HEAD[0], activation="relu", kernel_initializer=next(weights)
                ),
                layers.Dense(_HEAD[1], kernel_initializer=next(weights)),
            ]
        )
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.built = True

    def key(self, stream: int):
        """Return the seed of a stream of random numbers at this step."""
        seed = tf.cast(self.settings.seed % 2**31, tf.int64)
        return tf.stack([seed, 2 * self.step + stream])

    def views(self, images, stream: int):
        """Turn, mirror, shift, brighten and disturb linear pixels at random."""
        n, ny, nx, n_bands = images.shape
        own = self.settings
        key = self.key(stream)
        draw = tf.random.stateless_uniform((n, 7), key)
        # Half of the turns are by a right angle, which leaves the noise as it is.
        quarter = tf.floor(4 * draw[:, 0]) + tf.where(draw[:, 1] < 0.5, 0.0, draw[:, 1])
        angle = quarter * (np.pi / 2)
        mirror = tf.where(draw[:, 2] < 0.5, 1.0, -1.0)
        cos, sin = tf.cos(angle), tf.sin(angle)
        # Pixels of the view are taken from A (p - middle) + middle + shift.
        a, b, c, d = cos * mirror, -sin, sin * mirror, cos
        middle_x, middle_y = (nx - 1) / 2, (ny - 1) / 2
        shift = own.shift * (2 * draw[:, 3:5] - 1)
        zero = tf.zeros(n)
        rows = [
            [a, b, middle_x - a * middle_x - b * middle_y + shift[:, 0]],
            [c, d, middle_y - c * middle_x - d * middle_y + shift[:, 1]],
            [zero, zero],
        ]
        transforms = tf.stack([value for row in rows for value in row], axis=1)
        images = ops.image.affine_transform(images, transforms, fill_mode="reflect")
        images = images * 2.0 ** (own.flux * (2 * draw[:, 5] - 1))[:, None, None, None]
        noise = tf.random.stateless_normal((n, ny, nx, n_bands), key + [1, 0])
        strength = own.noise * draw[:, 6, None, None, None] * self.sky
        return images + strength * noise

    def pasted(self, images, views):
        """Return views with the light of another object of the batch beside it."""
        n, ny, nx, n_bands = images.shape
        others = tf.roll(images, 1, axis=0)
        level = tf.sort(tf.reshape(others, (n, ny * nx, n_bands)), axis=1)
        others = others - level[:, ny * nx // 2, None, None]
        # Its light alone: a second sky would be told by its noise.
        others = tf.where(others > 2 * self.sky, others, 0.0)
        # Away from the streams of the views and of their noise.
        draw = tf.random.stateless_uniform((n, 3), self.key(0) + [2, 0])
        low, high = (min(ny, nx) * share for share in _PASTED_AT)
        radius = low + (high - low) * draw[:, 0]
        angle, one, zero = 2 * np.pi * draw[:, 1], tf.ones(n), tf.zeros(n)
        x, y = radius * tf.cos(angle), radius * tf.sin(angle)
        moves = tf.stack([one, zero, x, zero, one, y, zero, zero], axis=1)
        others = ops.image.affine_transform(others, moves, fill_mode="constant")
        # Uniform in the logarithm, from this to 1.
        ratio = _PASTED_RATIO ** draw[:, 2]
        return views + ratio[:, None, None, None] * others

    def train_step(self, data):
        """Learn from two views of each image of a batch."""
        images = keras.utils.unpack_x_y_sample_weight(data)[0]
        seen = [self.views(images, 0), self.views(images, 1)]
        if self.settings.paste:
            seen.append(self.pasted(images, seen[0]))
        seen, n = tf.concat(seen, axis=0), images.shape[0]
        with tf.GradientTape() as tape:
            found = self.encoder(self.settings.stretch(seen), training=True)[1]
            z = tf.math.l2_normalize(self.head(found), axis=1)
            loss = nt_xent(z[:n], z[n : 2 * n], self.settings.temperature, z[2 * n :])
        variables = [*self.encoder.trainable_weights, *self.head.trainable_weights]
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        self.step.assign_add(1)
        return {"loss": loss}


def nt_xent(first, second, temperature: float, others=None):
    """Return the normalized temperature-scaled cross entropy of two sets of views.

    Parameters
    ----------
    first, second : tensor of shape (n, d)
        Vectors of length 1; row i of both is one image.
    temperature : float
        What their scalar products are divided by.
    others : tensor of shape (m, d), optional
        Further vectors that all views are far from.

    Returns
    -------
    tensor of shape ()
        Equation 1 of Chen et al. 2020, its mean over all 2n views.
    """
    z = ops.concatenate([first, second])
    n = first.shape[0]
    # A view is none of its own others.
    products = ops.matmul(z, ops.transpose(z)) / temperature - 1e9 * ops.eye(2 * n)
    if others is not None:
        further = ops.matmul(z, ops.transpose(others)) / temperature
        products = ops.concatenate([products, further], axis=1)
    partner = np.r_[n : 2 * n, 0:n]
    own = ops.sum(z * ops.take(z, partner, axis=0), axis=1) / temperature
    return ops.mean(ops.logsumexp(products, axis=1) - own)
