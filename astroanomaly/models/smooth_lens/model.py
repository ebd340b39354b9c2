"""A smooth lens as a model of an image: an encoder proposes, a fit refines."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from astroanomaly.models.common.networks import (
    check_image_shape,
    initializers,
    level_filters,
)
from astroanomaly.models.common.training import (
    EpochOrderMixin,
    OptimizersMixin,
    stateless_seed,
)
from astroanomaly.models.smooth_lens import mass
from astroanomaly.models.smooth_lens.ray_tracing import (
    PARAMETERS,
    RayTracer,
    fit,
    gaussian_psf,
)

# What the encoder proposes; brightness and level then follow from the pixels.
_PROPOSED = PARAMETERS[:-2]
# Training images that the survey's prior and noise are measured on.
_SAMPLE = 256
# Rounds of expectation and maximization: each halves about what is left.
_ROUNDS = 200
# Variance that a prior always keeps, in squared pixels and in squares of pure numbers:
# a thousandth of either is less than any image tells.
_LEAST_VARIANCE = 1e-6
# Of the best training fits, by chi-square, that teach the prior: some fits fail.
_KEPT = 0.9


@keras.saving.register_keras_serializable("astroanomaly")
class SmoothLens(OptimizersMixin, EpochOrderMixin, keras.Model):
    """A physical model of strong lenses: what it cannot draw is no smooth lens.

    An encoder proposes a singular isothermal ellipsoid with shear and a Sersic source.
    A ray tracer draws it through PSF and pixel, and a few steps of Levenberg and
    Marquardt's method refine the 15 parameters on the image itself. The encoder trains
    without labels: on lenses that the ray tracer draws, whose parameters are known, and
    on the survey's own images by the reconstruction error.

    After the training 256 of its images teach the noise, variance = a + b times the
    brightness, and a Gaussian prior of the parameters (extreme deconvolution of one
    Gaussian, Bovy et al. 2011, Ann. Appl. Stat. 5, 1657), with which later images are
    fitted: where all lenses of a survey share a ring's radius, another one is strange.

    Parameters
    ----------
    image_shape : tuple of int
        (ny, nx, 1) of the stretched images; the stretch must be linear.
    psf_fwhm : float, optional
        Full width at half maximum of the PSF without the pixel, pixels. The default is
        that of the published recipe, 0.087" in pixels of 0.05".
    theta_E : tuple of float, optional
        Least and largest Einstein radius that the encoder proposes, as shares of the
        image's side.
    supersampling : int, optional
        Rays along a pixel's side, of the fit.
    n_steps : int, optional
        Steps of the fit, at least 2.
    width : int, optional
        Filters of the encoder's first layer.
    seed : int, optional
        Seed of the first weights and of the drawn lenses.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    encoder : keras.Model
        Images to 13 proposals in [-1, 1].
    tracer : RayTracer
        Draws lenses; lengths in pixels.
    step : keras.Variable
        Batches trained on so far.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> lens = SmoothLens((32, 32, 1), width=4, n_steps=2)
    >>> lens.features(np.zeros((2, 32, 32, 1), "float32")).shape
    TensorShape([2, 13])
    """

    loss_names = ("loss", "drawn_loss", "reconstruction_loss")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (112, 112, 1),
        psf_fwhm: float = 1.74,
        theta_E: Sequence[float] = (0.1, 0.4),
        supersampling: int = 3,
        n_steps: int = 8,
        width: int = 16,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape, self.seed = check_image_shape(image_shape), int(seed)
        if self.image_shape[2] != 1:
            raise ValueError(
                "`image_shape` must have one band, in which a lens has one source. "
                f"Received: {self.image_shape}"
            )
        if not 0 < psf_fwhm < self.image_shape[0] / 8:
            raise ValueError(
                "`psf_fwhm` must be above 0 and below an eighth of the image's side, "
                f"pixels. Received: {psf_fwhm}"
            )
        ends = tuple(float(share) for share in theta_E)
        if len(ends) != 2 or not 0 < ends[0] < ends[1] <= 0.5:
            raise ValueError(
                "`theta_E` must be two rising shares of the image's side, at most one "
                f"half. Received: {theta_E}"
            )
        for name, value, least in (
            ("supersampling", supersampling, 1),
            ("n_steps", n_steps, 2),
            ("width", width, 1),
        ):
            if int(value) != value or value < least:
                raise ValueError(
                    f"`{name}` must be an integer >= {least}. Received: {value}"
                )
        self.psf_fwhm, self.theta_E = float(psf_fwhm), ends
        self.supersampling, self.n_steps = int(supersampling), int(n_steps)
        self.width = int(width)
        size = self.image_shape[0]
        # Light from beyond the frame, as far as the PSF reaches.
        margin = int(np.ceil(2 * np.hypot(self.psf_fwhm, 1)))
        self.tracer, self.coarse = (
            RayTracer(
                *(size, 1.0, rays, gaussian_psf(self.psf_fwhm * rays), margin),
                # So few rays are drawn in less time than a compilation takes.
                compiled=rays > 1,
            )
            # Training takes one ray a pixel: a proposal need not be exact.
            for rays in (self.supersampling, 1)
        )
        self.refine = tf.function(self._refine, reduce_retracing=True)
        self.weigh = tf.function(self._weigh, reduce_retracing=True)
        ring = size * np.array(ends)
        self.middle, self.half = _ranges(ring)
        self._build_encoder()
        n = len(PARAMETERS)
        for name, shape in (
            ("noise", (2,)),
            ("prior_mean", (n,)),
            ("prior_precision", (n, n)),
        ):
            weight = self.add_weight(
                name=name, shape=shape, initializer="zeros", trainable=False
            )
            setattr(self, name, weight)
        # Before it is measured: the same of all pixels, of which no fit depends.
        self.noise.assign([1.0, 0.0])
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", dtype="int64", trainable=False
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in self.loss_names
        }
        self.built = True

    def _build_encoder(self):
        weights = initializers(self.seed)
        images = x = keras.Input(self.image_shape, name="images")
        # Neither the sky's level nor the source's brightness changes a lens.
        x = layers.LayerNormalization(
            axis=(1, 2, 3), center=False, scale=False, epsilon=1e-12
        )(x)
        for n_filters in level_filters(self.image_shape[0], self.width):
            x = layers.Conv2D(
                n_filters,
                3,
                2,
                "same",
                "channels_last",
                kernel_initializer=next(weights),
            )(x)
            x = layers.ReLU()(x)
        x = layers.Flatten()(x)
        x = layers.Dense(128, "relu", kernel_initializer=next(weights))(x)
        x = layers.Dense(len(_PROPOSED), "tanh", kernel_initializer=next(weights))(x)
        self.encoder = keras.Model(images, x, name="encoder")

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
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer or keras.optimizers.Adam(1e-3), **kwargs)
        self.optimizer.build(self.trainable_variables)

    def fit(
        self, x: tf.data.Dataset | np.ndarray | None = None, *args: Any, **kwargs: Any
    ) -> keras.callbacks.History:
        """Train the encoder, then measure the survey's noise and prior.

        Parameters
        ----------
        x : tf.data.Dataset or ndarray of shape (n, ny, nx, 1)
            Stretched images.
        *args, **kwargs
            As for :meth:`keras.Model.fit`.

        Returns
        -------
        keras.callbacks.History
            `loss`, of it `drawn_loss`, the mean squared error of the proposals for
            drawn lenses, and `reconstruction_loss`, the share of the images' variance
            that proposals leave.
        """
        history = super().fit(x, *args, **kwargs)
        if hasattr(x, "set_epoch"):
            x.set_epoch(0)
        batches, count = [], 0
        for batch in x if hasattr(x, "element_spec") else [x[:_SAMPLE]]:
            batches.append(np.asarray(batch))
            count += len(batch)
            if count >= _SAMPLE:
                break
        self.measure(np.concatenate(batches)[:_SAMPLE])
        return history

    def measure(self, images: np.ndarray) -> "SmoothLens":
        """Measure a survey's noise and prior, with the encoder as it is.

        :meth:`fit` does so with the first training images.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, 1)
            Stretched images of ordinary lenses, better some hundred.

        Returns
        -------
        SmoothLens
            Itself.
        """
        self.noise.assign([1.0, 0.0])
        self.prior_precision.assign(np.zeros(self.prior_precision.shape))
        drawn = np.asarray(self.refine(images)[0])
        # Squared residuals on brightness: a straight line in a few bins of equal size,
        # by the median, which a substructure or a bad fit here and there leaves alone.
        level = np.median(images, axis=(1, 2, 3), keepdims=True)
        light, squares = (
            values.ravel()
            for values in (np.maximum(drawn - level, 0), (images - drawn) ** 2)
        )
        order = np.array_split(np.argsort(light), 50)
        # The median of chi-square of one degree of freedom is 0.455.
        binned = [(light[k].mean(), np.median(squares[k]) / 0.455) for k in order]
        slope, floor = np.polyfit(*np.transpose(binned), 1)
        floor = max(floor, 1e-12)
        self.noise.assign([floor, max(slope, 0.0)])
        _, found, sums, matrix = (
            np.asarray(one, np.float64) for one in self.refine(images)
        )
        best = np.argsort(sums)[: max(int(_KEPT * len(sums)), 1)]
        mean, covariance = deconvolved(found[best], matrix[best])
        self.prior_mean.assign(mean)
        self.prior_precision.assign(np.linalg.inv(covariance))
        return self

    def _refine(self, images):
        """Return reconstructions (n, ny, nx, 1), parameters, sums and matrices."""
        images = ops.convert_to_tensor(images, "float32")[..., 0]
        nothing = ops.zeros_like(ops.convert_to_tensor(self.prior_precision))
        mean = ops.convert_to_tensor(self.prior_mean)
        precision = ops.convert_to_tensor(self.prior_precision)

        def one(image):
            """Fit one image alone: what is beside it changes no bit."""
            whole, image = image[None], image[None]
            # No step can be solved for with NaN: they come back at the end.
            image = ops.where(ops.isfinite(image), image, 0.0)
            start = self._proposed(self.encoder(image[..., None]), image, self.coarse)
            flat = ops.ones_like(image)
            # One ray a pixel leads into the valley at a ninth of the cost of three.
            rough, *_ = fit(
                *(self.coarse, image, flat, start, nothing, mean, self.n_steps)
            )
            light = self.tracer.draw(rough) - ops.reshape(rough[:, -1], (-1, 1, 1))
            weights = 1 / (self.noise[0] + self.noise[1] * ops.maximum(light, 0.0))
            found, *rest = fit(
                *(self.tracer, image, weights, rough, precision, mean),
                self.n_steps // 2,
            )
            drawn = self.tracer.draw(found) + 0 * ops.sum(whole)
            return tuple(part[0] for part in (drawn, found, *rest))

        kinds = [tf.TensorSpec(shape, "float32") for shape in _shapes(images.shape[1])]
        drawn, *rest = tf.map_fn(one, images, fn_output_signature=tuple(kinds))
        return drawn[..., None], *rest

    def _proposed(self, proposals, images, tracer):
        """Return parameters of proposals, with the brightness that fits best."""
        values = self.middle + self.half * proposals
        zeros = ops.zeros_like(values[:, :1])
        light = tracer.draw(ops.concatenate([values, zeros, zeros], axis=1))
        # A straight line of pixels on light, by least squares.
        apart = light - ops.mean(light, axis=(1, 2), keepdims=True)
        # A lens out of the frame has no light, and any brightness.
        scatter = ops.sum(apart * apart, axis=(1, 2)) + 1e-12
        slope = ops.sum(apart * images, axis=(1, 2)) / scatter
        slope = ops.maximum(slope, 1e-6)
        level = ops.mean(images, axis=(1, 2)) - slope * ops.mean(light, axis=(1, 2))
        return ops.concatenate(
            [values, ops.log(slope)[:, None], level[:, None]], axis=1
        )

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the encoder on drawn lenses and on a batch of images."""
        with tf.GradientTape() as tape:
            losses = self.compute_losses(images, tf.convert_to_tensor(self.step))
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(losses["loss"], weights), weights)
        self.step.assign_add(1)
        return self._record(losses)

    def test_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the losses of a batch, with the lenses drawn at the first step."""
        return self._record(self.compute_losses(images, 0))

    def compute_losses(
        self, images: tf.Tensor, step: tf.Tensor | int
    ) -> dict[str, tf.Tensor]:
        """Return the losses of images, and of as many lenses drawn at a step."""
        n = ops.shape(images)[0]
        places, noise, level = (
            stateless_seed(self.seed, step, stream) for stream in range(3)
        )
        truth = tf.random.stateless_uniform((n, len(_PROPOSED)), places, -1.0, 1.0)
        values = self.middle + self.half * truth
        zeros = ops.zeros_like(values[:, :1])
        drawn = self.coarse.draw(ops.concatenate([values, zeros, zeros], axis=1))
        # [O] Signal to noise from 7 to 50 in the brightest pixel.
        share = tf.random.stateless_uniform((n, 1, 1), level, 0.02, 0.15)
        share *= ops.max(drawn, axis=(1, 2), keepdims=True)
        drawn += share * tf.random.stateless_normal(tf.shape(drawn), noise)
        miss = ops.mean(ops.square(self.encoder(drawn[..., None]) - truth))
        found = self._proposed(self.encoder(images), images[..., 0], self.coarse)
        left = ops.mean(ops.square(images[..., 0] - self.coarse.draw(found)), (1, 2))
        share = ops.mean(left / (ops.var(images, axis=(1, 2, 3)) + 1e-12))
        names = self.loss_names
        return dict(zip(names, (miss + share, miss, share), strict=True))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Fit a smooth lens to each image; as :meth:`reconstruct`.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, 1)
            Stretched images.
        training : bool, optional
            Changes nothing.

        Returns
        -------
        tensor of shape (n, ny, nx, 1)
            Smooth lenses.
        """
        return self.refine(images)[0]

    def reconstruct(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Fit a smooth lens to each image.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, 1)
            Stretched images. A NaN pixel makes its own image's reconstruction NaN and
            no other.

        Returns
        -------
        tensor of shape (n, ny, nx, 1)
            Smooth lenses; row i depends on image i alone.
        """
        return self.refine(images)[0]

    def fitted(self, images: np.ndarray | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Fit a smooth lens to each image and return its parameters, too.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, 1)
            Stretched images.

        Returns
        -------
        parameters : tensor of shape (n, 15)
            In the order of `ray_tracing.PARAMETERS`, lengths in pixels.
        drawn : tensor of shape (n, ny, nx, 1)
            As from :meth:`reconstruct`.
        """
        drawn, found, *_ = self.refine(images)
        return found, drawn

    def evidence(
        self,
        images: np.ndarray | tf.Tensor,
        parameters: np.ndarray | tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Compute how much better uneven mass explains images than smooth lenses do.

        Small masses of either sign may lie about the ring, where a Gaussian law of
        their sizes stands for whatever a smooth lens lacks.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, 1)
            Stretched images.
        parameters : tensor of shape (n, 15), optional
            Of the images' fits, from :meth:`fitted`. By default lenses are fitted
            here.

        Returns
        -------
        tensor of shape (n,)
            Natural logarithm of the ratio of evidences; NaN for an image that holds
            one. Row i depends on image i alone.
        """
        found = self.fitted(images)[0] if parameters is None else parameters
        return self.weigh(images, found)[:, 0]

    def _weigh(self, images, found):
        """Return evidences (n, 2) of fitted images, with the prior and without it."""
        images = tf.convert_to_tensor(images, "float32")[..., 0]
        mean, precision, noise = (
            tf.convert_to_tensor(one)
            for one in (self.prior_mean, self.prior_precision, self.noise)
        )

        def one(parts):
            image, found = parts
            smooth = self.tracer.draw(found[None])[0]
            # What is not finite has no evidence, and comes back as NaN.
            fine = tf.reduce_all(tf.math.is_finite(smooth + image))
            smooth, image = (tf.where(fine, array, 0.0) for array in (smooth, image))
            weights = 1 / (noise[0] + noise[1] * tf.maximum(smooth - found[-1], 0.0))
            value = mass.evidence(
                *(self.coarse, image, smooth, weights, found[None]),
                *(precision, mean, mass.SPREAD),
            )
            return tf.where(fine, value, np.nan)

        kind = tf.TensorSpec((2,), "float64")
        return tf.map_fn(one, (images, found), fn_output_signature=kind)

    def features(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute what the encoder proposes, the features that a score compares.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, 1)
            Stretched images.

        Returns
        -------
        tensor of shape (n, 13)
            Proposals in [-1, 1]; row i depends on image i alone.
        """
        return self.encoder(images)

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        names = "image_shape psf_fwhm theta_E supersampling n_steps width seed"
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names.split()},
        }


def deconvolved(found: np.ndarray, matrices: np.ndarray) -> tuple:
    """Return mean and covariance of what was measured with known errors.

    `found` (n, p): best parameters; `matrices` (n, p, p): the inverse of the covariance
    of each one's error. Returns: those of the Gaussian law of the true parameters that
    makes the measured ones most likely.
    """
    floor = _LEAST_VARIANCE * np.eye(found.shape[1])
    mean, covariance = found.mean(axis=0), np.atleast_2d(np.cov(found.T)) + floor
    pulls = np.einsum("nij,nj->ni", matrices, found)
    for _ in range(_ROUNDS):
        precision = np.linalg.inv(covariance)
        errors = np.linalg.inv(matrices + precision)
        likely = np.einsum("nij,nj->ni", errors, pulls + precision @ mean)
        mean = likely.mean(axis=0)
        apart = likely - mean
        covariance = apart.T @ apart / len(found) + errors.mean(axis=0) + floor
    return mean, covariance


def _ranges(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return middle and half width of what is proposed for rings of some radii."""
    middle = ring.mean()
    # [O] Sources from a fifteenth to two thirds of a ring's radius, of Sersic index 0.5
    # to 4, ellipticities and shears as large as surveys find.
    ranges = {
        "theta_E": (middle, (ring[1] - ring[0]) / 2),
        **dict.fromkeys(("e1", "e2"), (0, 0.3)),
        **dict.fromkeys(("gamma1", "gamma2"), (0, 0.15)),
        **dict.fromkeys(("center_x", "center_y"), (0, 1.0)),
        **dict.fromkeys(("source_x", "source_y"), (0, 0.4 * middle)),
        "log_radius": (np.log(0.2 * middle), 1.2),
        "log_n": (np.log(1.4), 1.05),
        **dict.fromkeys(("source_e1", "source_e2"), (0, 0.4)),
    }
    proposed = np.array([ranges[name] for name in _PROPOSED], np.float32)
    return proposed[:, 0], proposed[:, 1]


def _shapes(size):
    """Return the shapes of what the fit of one image returns."""
    n = len(PARAMETERS)
    return (size, size), (n,), (), (n, n)
