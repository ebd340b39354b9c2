"""What every model's training shares: data order, random numbers, saved optimizers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The shortest of our trainings that drew what it saw had 160, of a tiny network at 32
# pixels; Storey-Fisher et al. (2021) took 10,000.
FEWEST_UPDATES = 100


def stateless_seed(seed: int, step, stream: int):
    """Make the seed of one draw from (seed, step, stream) alone.

    Parameters
    ----------
    seed : int
        The model's seed.
    step : int64 scalar tensor
        The model's saved step counter.
    stream : int
        Which draw of the step.

    Returns
    -------
    int64 tensor of shape (2,)
        Seed for TensorFlow's stateless random functions. No state is kept, so
        a resumed run draws what an unbroken one would have drawn.
    """
    # Two words: the seed and the stream are one key, the step is folded in.
    folded = tf.random.experimental.stateless_fold_in(
        tf.constant([seed, stream], tf.int64), tf.cast(step, tf.int64)
    )
    return folded


def replicas() -> int:
    """Return how many devices share a batch, in the scope of their strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def own_rows(draw, n):
    """Return this device's n rows of what `draw` gives for a whole batch.

    So devices that share a batch draw together what one alone would draw for it.
    """
    if replicas() == 1:
        return draw(n)
    # Images come in this order too: the first device has the first of a batch.
    first = tf.distribute.get_replica_context().replica_id_in_sync_group * n
    return draw(replicas() * n)[first : first + n]


def update(optimizer, gradients, weights) -> None:
    """Move weights by gradients, averaged over the devices that share a batch."""
    # Keras sums those of several devices.
    if (n := replicas()) > 1:
        gradients = [gradient / n for gradient in gradients]
    optimizer.apply(gradients, weights)


class _EpochOrder(keras.callbacks.Callback):
    """Tell a data set which epoch comes, so that its order depends on nothing else."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch, logs=None):
        self.data.set_epoch(epoch)


class _StopOnNaN(keras.callbacks.Callback):
    """Stop training at the first loss that is not a finite number."""

    def on_train_batch_end(self, batch, logs=None):
        bad = [k for k, v in (logs or {}).items() if not np.isfinite(v)]
        if bad:
            raise FloatingPointError(
                f"training stopped at epoch {self.epoch + 1}, batch {batch + 1}: "
                f"{', '.join(bad)} is not a finite number. The last checkpoint is "
                "untouched; check the images for extreme pixels or lower the "
                "learning rate."
            )

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


class _FewUpdates(keras.callbacks.Callback):
    """Warn of a training that leaves a generator nearly as random as it was made."""

    def __init__(self, initial_epoch: int):
        super().__init__()
        self.initial_epoch = initial_epoch

    def on_train_begin(self, logs=None):
        # Keras counts the batches of a data set that knows its own number alone.
        if (steps := self.params.get("steps")) is not None:
            left = (self.params["epochs"] - self.initial_epoch) * steps
            self._check(self._steps() + left, f"{steps} steps an epoch")
            self._check = lambda *known: None

    def on_train_end(self, logs=None):
        self._check(self._steps(), "its steps")

    def _steps(self) -> int:
        # Through numpy: Keras makes no int of a variable of several devices.
        return int(self.model.step.numpy())

    def _check(self, steps: int, what: str):
        n_updates = self.model.generator_updates(steps)
        if n_updates < FEWEST_UPDATES:
            n_critic = getattr(self.model, "n_critic", 1)
            warnings.warn(
                f"With {what} and {n_critic} of the critic for each, this training "
                f"has {n_updates} updates of the generator in all. With fewer than "
                f"{FEWEST_UPDATES} it has learned next to nothing: train for more "
                "epochs, with smaller batches or a smaller `n_critic`.",
                stacklevel=2,
            )


class _SameValidation(keras.callbacks.Callback):
    """Show every evaluation the same batches, however the data set was made."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_test_begin(self, logs=None):
        self.data.set_epoch(0)


class EpochOrderMixin:
    """What a model needs to train: a resumable data order, a stop on NaN, checks."""

    # A model whose step Keras itself takes may change these two.
    float32_only = True
    learns_from_labels = False
    # Whether its step is the same on several devices that share a batch.
    mirrors = False

    def _check_training(self, x, y=None, weights=None):
        """Refuse settings, targets and devices that the steps are not made for."""
        # The networks inside follow the global policy, the model its own argument.
        kinds = {part.compute_dtype for part in (self, *self.layers)} - {"float32"}
        # The squares of small gradients underflow in float16, and the optimizers
        # of a step of our own get no scaled loss.
        if self.float32_only and kinds:
            raise ValueError(
                f"`dtype` of {type(self).__name__} must be float32 in training: make "
                'it after keras.mixed_precision.set_global_policy("float32"). '
                f"Received: {', '.join(sorted(kinds))}"
            )
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "`image_data_format` of Keras must be channels_last: images have "
                "shape (n, ny, nx, n_bands). Received: channels_first"
            )
        spec = getattr(x, "element_spec", None)
        if not self.learns_from_labels and (
            y is not None or weights is not None or isinstance(spec, tuple | list)
        ):
            raise ValueError(
                f"`x` must hold images alone, without targets or weights: "
                f"{type(self).__name__} learns from nothing else. Received: "
                + (f"batches of {len(spec)} parts" if spec else "targets or weights")
            )
        strategy = self.distribute_strategy
        n = strategy.num_replicas_in_sync
        found = f"{type(strategy).__name__} of {n} replicas"
        known = isinstance(strategy, tf.distribute.MirroredStrategy) and self.mirrors
        # On several machines each would read the data in an order of its own.
        if n > 1 and not known:
            several = (
                " or, by tf.distribute.MirroredStrategy, on several of one machine"
            )
            raise ValueError(
                f"{type(self).__name__} trains on one device"
                f"{several if self.mirrors else ''}. Received: {found}."
            )
        # Smaller shares would weigh as much as larger ones.
        size = getattr(spec, "shape", [None])[0]
        if size is not None and size % n:
            raise ValueError(
                f"`x` must have batches that {n} devices can share evenly "
                f"(`batch_size` a multiple of {n}). Received: batches of {size}."
            )

    def fit(
        self,
        x: tf.data.Dataset | None = None,
        y: ArrayLike | None = None,
        *args: Any,
        validation_data: tf.data.Dataset | np.ndarray | None = None,
        callbacks: list[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train as :meth:`keras.Model.fit` does.

        Parameters
        ----------
        x : tf.data.Dataset
            What :func:`astroanomaly.dataset` makes. The order of its images is
            a function of its seed and the epoch's number, so that
            ``initial_epoch=k`` goes on where an unbroken run would be.
        y : array-like, optional
            Labels, for a model that learns from them.
        *args, **kwargs
            As for Keras.
        validation_data : tf.data.Dataset or ndarray, optional
            Images for the history's losses `val_...`; of what
            :func:`astroanomaly.dataset` makes every epoch sees the same batches.
        callbacks : list of keras.callbacks.Callback, optional
            As for Keras.

        Returns
        -------
        keras.callbacks.History
            Losses per epoch.

        Raises
        ------
        ValueError
            If there are targets from which the model does not learn, or several
            devices.
        FloatingPointError
            When a loss is NaN or infinite; checkpoints stay as they were.

        Warns
        -----
        UserWarning
            If the whole training gives a GAN's generator fewer than 100 updates.
        """
        weights = kwargs.get("sample_weight", kwargs.get("class_weight"))
        self._check_training(x, y, weights)
        self._check_training(*keras.utils.unpack_x_y_sample_weight(validation_data))
        # Keras warns where a data set is shuffled twice.
        kwargs.setdefault("shuffle", False)  # a tf.data.Dataset brings its own order
        callbacks = [*(callbacks or []), _StopOnNaN()]
        if hasattr(validation_data, "set_epoch"):
            callbacks.insert(0, _SameValidation(validation_data))
        if hasattr(self, "generator_updates"):
            callbacks.append(_FewUpdates(kwargs.get("initial_epoch", 0)))
        if hasattr(x, "set_epoch"):
            # First of all callbacks: the order is fixed before any reads the data.
            callbacks.insert(0, _EpochOrder(x))
        return super().fit(
            x, y, *args, validation_data=validation_data, callbacks=callbacks, **kwargs
        )

    def evaluate(
        self,
        x: tf.data.Dataset | np.ndarray | None = None,
        y: ArrayLike | None = None,
        *args: Any,
        callbacks: list[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> float | list[float] | dict[str, float]:
        """Compute the losses as :meth:`keras.Model.evaluate` does.

        Parameters
        ----------
        x : tf.data.Dataset or ndarray of shape (n, ny, nx, n_bands)
            Stretched images; of what :func:`astroanomaly.dataset` makes, the
            batches are those of its first epoch.
        y : array-like, optional
            Labels, for a model that learns from them.
        *args, **kwargs
            As for Keras.
        callbacks : list of keras.callbacks.Callback, optional
            As for Keras.

        Returns
        -------
        float, list of float or dict of float
            Losses, the same at every call.

        Raises
        ------
        ValueError
            As for :meth:`fit`.
        """
        self._check_training(x, y, kwargs.get("sample_weight"))
        # `fit` comes here too, with a CallbackList that has what it needs.
        if hasattr(x, "set_epoch") and not isinstance(
            callbacks, keras.callbacks.CallbackList
        ):
            callbacks = [_SameValidation(x), *(callbacks or [])]
        return super().evaluate(x, y, *args, callbacks=callbacks, **kwargs)


class OptimizersMixin:
    """Adds to a model its optimizers in its file, and running means of its losses.

    A subclass has `trackers`, a dict of metrics, and may name its optimizers: from
    argument of ``compile`` to attribute.
    """

    optimizer_names = {"optimizer": "optimizer"}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running means of the losses, reset at every epoch."""
        return list(self.trackers.values())

    def _record(self, losses):
        """Add a batch's losses to the means, and return the means."""
        for name, tracker in self.trackers.items():
            tracker.update_state(losses[name])
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    # Overriding `compile` alone would lose the optimizers' state on loading.
    def get_compile_config(self) -> dict | None:
        """Return what rebuilds the optimizers when the model is loaded."""
        if not self.compiled:
            return None
        return {
            argument: keras.saving.serialize_keras_object(getattr(self, attribute))
            for argument, attribute in self.optimizer_names.items()
        }

    def compile_from_config(self, config: dict) -> None:
        """Rebuild the optimizers."""
        self.compile(**keras.saving.deserialize_keras_object(config))
