"""Principal components as a Keras model, fitted in one pass over the images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops
from scipy.linalg import eigh
from sklearn.utils.extmath import svd_flip
from threadpoolctl import threadpool_limits

from astroanomaly.models.common.networks import check_image_shape

if TYPE_CHECKING:
    import tensorflow as tf

# With a share of the variance for `n_components`, the components looked at.
_MOST = 256
# Rows a step: larger blocks lose less in each merge, and need more memory.
_BLOCK = 512


@keras.saving.register_keras_serializable("astroanomaly")
class PCA(keras.Model):
    """Mean image and principal components: a detector that is fitted in seconds.

    The components are those of scikit-learn's ``IncrementalPCA``, merged block after
    block (Ross et al. 2008), so that the images need not fit in memory. An image is
    reconstructed as the mean and its projection on the components.

    Parameters
    ----------
    image_shape : tuple of int
        (ny, nx, n_bands) of the stretched images.
    n_components : int or float, optional
        How many components; or, below 1, the share of the variance that they must
        explain, with at most 256.
    trimmed : float, optional
        Share of the training images, below 1, that the fit leaves out, the strangest.
        For training sets that may hide anomalies: choose more than may be hidden.
        0 leaves out none.
    rounds : int, optional
        Fits without them. Each looks anew at all images, so that one left out before
        may come back.
    seed : int, optional
        Taken as every model takes it; nothing here is random.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    n_used : int
        Components that reconstruct; 0 before the fit.
    explained : float
        Share of the variance of the training images that they explain.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    With `trimmed` the strangest images are those drawn worst, by the squared error, or
    with the strangest components, by their squares over the median ones; in the last
    round those drawn worst. Hidden anomalies may otherwise own a component.

    References
    ----------
    Ross et al. 2008, Int. J. Comput. Vision 77, 125.

    Examples
    --------
    >>> images = np.random.default_rng(1).random((64, 32, 32, 1)).astype("float32")
    >>> pca = PCA((32, 32, 1), n_components=8)
    >>> _ = pca.fit(images)
    >>> pca.features(images).shape
    TensorShape([64, 8])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 1),
        n_components: float = 60,
        trimmed: float = 0.0,
        rounds: int = 4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape, self.seed = check_image_shape(image_shape), int(seed)
        self.n_pixels = int(np.prod(self.image_shape))
        whole = float(n_components).is_integer()
        if not 0 < n_components <= self.n_pixels or not (whole or n_components < 1):
            raise ValueError(
                "`n_components` must be a whole number from 1 to the number of pixels, "
                f"{self.n_pixels}, or a share of the variance below 1. Received: "
                f"{n_components}."
            )
        if not 0 <= trimmed < 1:
            raise ValueError(f"`trimmed` must lie in [0, 1). Received: {trimmed}.")
        if int(rounds) != rounds or rounds < 1:
            raise ValueError(
                f"`rounds` must be a whole number of at least 1. Received: {rounds}."
            )
        self.trimmed, self.rounds = float(trimmed), int(rounds)
        self.n_components = int(n_components) if whole else float(n_components)
        self.n_kept = self.n_components if whole else min(_MOST, self.n_pixels)
        shapes = {
            "mean": (self.n_pixels,),
            "variance": (self.n_pixels,),
            "components": (self.n_kept, self.n_pixels),
            "singular_values": (self.n_kept,),
        }
        for name, shape in shapes.items():
            # In float64: a resumed fit goes on from exactly these numbers.
            weight = self.add_weight(
                name=name,
                shape=shape,
                dtype="float64",
                initializer="zeros",
                trainable=False,
            )
            setattr(self, name, weight)
        # How many images, and how many of the kept components reconstruct.
        self.counts = self.add_weight(
            name="counts",
            shape=(2,),
            dtype="int64",
            initializer="zeros",
            trainable=False,
        )
        self.built = True

    @property
    def n_used(self) -> int:
        """Components that reconstruct."""
        return int(self.counts[1])

    @property
    def explained(self) -> float:
        """Share of the variance of the training images that is explained."""
        n = max(int(self.counts[0]) - 1, 1)
        total = float(self.variance.numpy().sum()) * int(self.counts[0]) / n
        used = self.singular_values.numpy()[: self.n_used] ** 2 / n
        return float(used.sum() / total) if total else 0.0

    def fit(
        self,
        x: tf.data.Dataset | np.ndarray,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: list[keras.callbacks.Callback] | None = None,
        verbose: int | str = 0,
        validation_data: tf.data.Dataset | np.ndarray | None = None,
    ) -> keras.callbacks.History:
        """Fit mean and components in one pass an epoch.

        Parameters
        ----------
        x : tf.data.Dataset or ndarray of shape (n, ny, nx, n_bands)
            Stretched images, as :func:`astroanomaly.dataset` gives them. They need
            not fit in memory.
        epochs : int, optional
            Further passes see further views of a data set that is augmented, and add
            nothing otherwise.
        initial_epoch : int, optional
            Passes done before.
        callbacks : list of keras.callbacks.Callback, optional
            As for Keras.
        verbose : int or str, optional
            Taken as Keras takes it; nothing is printed.
        validation_data : tf.data.Dataset or ndarray, optional
            Adds `val_loss` to the history.

        Returns
        -------
        keras.callbacks.History
            `loss`, the mean squared error of the training images that are not left out,
            and `explained`.

        Raises
        ------
        ValueError
            If there are fewer images than components, or a pixel is not finite.
        """
        watchers = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            model=self,
            epochs=epochs,
            steps=None,
            verbose=0,
        )
        self.stop_training = False
        watchers.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            watchers.on_epoch_begin(epoch)
            self._one_pass(x, epoch, watchers)
            # In the last epoch: a fit that is resumed before it ends the same.
            for k in range(self.rounds if self.trimmed and epoch == epochs - 1 else 0):
                # At last by the error alone, which lets rare but ordinary images in.
                self._without_strangest(x, epoch, by_error=k == self.rounds - 1)
            # What is not explained is the loss: the images need no second pass.
            loss = float(self.variance.numpy().mean()) * (1 - self.explained)
            logs = {"loss": loss, "explained": self.explained}
            if validation_data is not None:
                logs["val_loss"] = self.evaluate(validation_data)
            watchers.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        watchers.on_train_end(logs if epochs > initial_epoch else None)
        return self.history

    def _without_strangest(self, x, epoch: int, by_error: bool) -> None:
        """Fit anew without the share `trimmed` of the images, the strangest so far.

        Strange is an image that is drawn badly or, but for `by_error`, has strange
        components: one that few images own draws these well.
        """
        axes, mean = self.components.numpy()[: self.n_used], self.mean.numpy()

        def measured(rows):
            rows = rows - mean
            along = rows @ axes.T
            squares = np.einsum("ij,ij->i", rows, rows)
            return along, squares - np.einsum("ij,ij->i", along, along)

        parts = [measured(rows) for rows in self._blocks(x, _BLOCK, epoch)]
        along, errors = map(np.concatenate, zip(*parts, strict=True))
        # Medians, which the few do not move. What is the same for all tells nothing.
        scale = np.median(np.abs(along), axis=0)
        scale[scale == 0] = np.inf

        def distance(along):
            return ((along / scale) ** 2).sum(axis=1)

        # Both in units of their own spread, so that the larger of them may speak.
        units = []
        for values in (errors, distance(along)):
            middle = np.median(values)
            units.append((middle, np.median(np.abs(values - middle)) or 1.0))

        def strange(along, errors):
            found = (errors - units[0][0]) / units[0][1]
            if by_error:
                return found
            return np.maximum(found, (distance(along) - units[1][0]) / units[1][1])

        most = np.quantile(strange(along, errors), 1 - self.trimmed)
        self.counts.assign([0, 0])
        self._one_pass(
            x,
            epoch,
            keras.callbacks.CallbackList(),
            lambda rows: strange(*measured(rows)) <= most,
        )

    def _one_pass(self, x, epoch: int, watchers, keep=None) -> None:
        """Merge all images, or those that `keep` is true of, into the components."""
        n, mean, variance = (
            int(self.counts[0]),
            self.mean.numpy(),
            self.variance.numpy(),
        )
        known = min(n, self.n_kept)
        axes = self.components.numpy()[:known]
        strengths = self.singular_values.numpy()[:known]
        by_share = isinstance(self.n_components, float)
        blocks = self._blocks(x, max(_BLOCK, 2 * self.n_kept), epoch, keep)
        for step, rows in enumerate(blocks):
            watchers.on_train_batch_begin(step)
            if not np.isfinite(rows).all():
                raise ValueError(
                    "`x` must be finite. Received: NaN or infinite pixels."
                )
            least = 2 if by_share else self.n_kept
            if n == 0 and len(rows) < least:
                raise ValueError(
                    "`x` must hold at least as many images as components, "
                    f"{least}. Received: {len(rows)}."
                )
            # Two samples as one (Chan et al. 1983): their means' distance counts once.
            total, own = n + len(rows), rows.mean(axis=0)
            apart = (mean - own) * np.sqrt(n * len(rows) / total)
            rows = rows - own
            squares = n * variance + np.einsum("ij,ij->j", rows, rows) + apart**2
            mean, variance = (n * mean + len(rows) * own) / total, squares / total
            if n:
                rows = np.vstack([strengths[:, None] * axes, rows, apart])
            strengths, axes = _leading(rows, min(self.n_kept, total))
            n = total
            watchers.on_train_batch_end(step)
        n_used = self.n_kept
        if by_share:
            shares = np.cumsum(strengths**2) / (n * variance.sum() or 1.0)
            n_used = int(np.searchsorted(shares, self.n_components)) + 1
        n_used = min(n_used, len(axes)) if variance.any() else 0
        self.counts.assign([n, n_used])
        self.mean.assign(mean)
        self.variance.assign(variance)
        rest = self.n_kept - len(axes)
        self.components.assign(np.pad(axes, ((0, rest), (0, 0))))
        self.singular_values.assign(np.pad(strengths, (0, rest)))

    def _blocks(self, x, size: int, epoch: int | None = None, keep=None):
        """Yield rows of float64 in blocks of at least `size`, the last one joined."""
        if epoch is not None and hasattr(x, "set_epoch"):
            # A data set goes on to its next epoch's views by itself.
            x.set_epoch(epoch)
        parts = (
            x if hasattr(x, "element_spec") else np.array_split(x, -(-len(x) // size))
        )
        held, count = [], 0
        for part in parts:
            rows = np.asarray(part, np.float64).reshape(len(part), -1)
            held.append(rows if keep is None else rows[keep(rows)])
            count += len(held[-1])
            if count >= 2 * size:
                rows = np.concatenate(held)
                yield rows[:size]
                held, count = [rows[size:]], count - size
        if count:
            yield np.concatenate(held)

    def evaluate(self, x: tf.data.Dataset | np.ndarray, **kwargs: Any) -> float:
        """Compute the mean squared error of reconstructions.

        Parameters
        ----------
        x : tf.data.Dataset or ndarray of shape (n, ny, nx, n_bands)
            Stretched images.
        **kwargs
            Taken as Keras takes them, without effect.

        Returns
        -------
        float
            Mean over images, pixels and bands.
        """
        total, count = 0.0, 0
        for rows in self._blocks(x, _BLOCK):
            images = rows.reshape(-1, *self.image_shape).astype(np.float32)
            error = images - np.asarray(self.reconstruct(images))
            total, count = (
                total + float((error**2).sum(dtype=float)),
                count + error.size,
            )
        return total / count

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the components of images.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, n_kept)
            Projections on the components; 0 for those beyond `n_used`. Row i depends
            on image i alone.
        """
        rows = ops.reshape(ops.cast(images, "float32"), (-1, self.n_pixels))
        return ops.matmul(
            rows - ops.cast(self.mean, "float32"), ops.transpose(self._axes())
        )

    def _axes(self):
        """Return the components that reconstruct, zeros in place of the others."""
        used = ops.arange(self.n_kept, dtype="int64") < self.counts[1]
        return ops.cast(self.components, "float32") * ops.cast(used, "float32")[:, None]

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Reconstruct images.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Changes nothing.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            The mean and the projection on the components. A NaN pixel makes its own
            image's reconstruction NaN and no other.
        """
        rows = ops.matmul(self.features(images), self._axes())
        rows = rows + ops.cast(self.mean, "float32")
        return ops.reshape(rows, (-1, *self.image_shape))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Reconstruct images; as :meth:`call`.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Row i depends on image i alone.
        """
        return self(images)

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "n_components": self.n_components,
            "trimmed": self.trimmed,
            "rounds": self.rounds,
            "seed": self.seed,
        }


def _leading(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest `n` singular values and their right vectors, as rows.

    From the eigenvectors of R R', or of R' R, whichever is smaller: of hundreds of rows
    only the leading ones are wanted, and a whole SVD takes seven times as long.
    """
    wide = rows.shape[0] <= rows.shape[1]
    products = rows @ rows.T if wide else rows.T @ rows
    size = len(products)
    n = min(n, size)
    # A second thread mostly waits for the first, beside other work for seconds.
    with threadpool_limits(1, "blas"):
        squares, vectors = eigh(products, subset_by_index=[size - n, size - 1])
    # Products hold eight digits of a root: what lies below is rounding, no direction.
    squares = np.where(squares > 1e-14 * squares[-1], squares, 0.0)[::-1]
    strengths, axes = np.sqrt(squares), vectors[:, ::-1].T
    if wide:
        axes = axes @ rows / np.where(strengths > 0, strengths, np.inf)[:, None]
    # The sign of a vector is free: scikit-learn's choice, its largest number above 0.
    # Of the other side, which older versions must be given, nothing is used.
    other = np.ones((1, len(axes)))
    return strengths, svd_flip(other, axes, u_based_decision=False)[1]
