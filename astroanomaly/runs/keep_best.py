"""Keep the epoch whose validation loss is lowest."""

import math
from pathlib import Path

import keras

from astroanomaly.runs.callbacks import load_checkpoint, save_checkpoint


class KeepBest(keras.callbacks.Callback):
    """Keep the model of the epoch with the lowest validation loss in a file.

    Parameters
    ----------
    path : str or Path
        A .keras file, written by
        :func:`~astroanomaly.runs.callbacks.save_checkpoint`: it appears whole or not at
        all, and holds the epoch and its losses beside the model.

    Attributes
    ----------
    best : float
        The lowest `val_loss` so far; infinity before the first.
    best_epoch : int or None
        Its epoch, counted from 1.

    Notes
    -----
    A training that goes on (``initial_epoch`` above 0) takes up what the file says,
    so that it ends with the epoch that an unbroken training would have kept; one
    that starts anew begins from nothing. Of equal losses the first is kept, and a
    NaN never is. Give it before :class:`~astroanomaly.runs.callbacks.Checkpoint`: should
    the machine stop between the two, the epoch comes once more.

    Examples
    --------
    >>> keep = KeepBest("run/best.keras")
    >>> keep.best, keep.best_epoch
    (inf, None)
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)
        self._forget()

    def _forget(self):
        self.best, self.best_epoch, self._begun = math.inf, None, False

    def on_train_begin(self, logs=None):
        """Wait for the first epoch, whose number tells whether a training goes on."""
        self._forget()

    def on_epoch_begin(self, epoch, logs=None):
        """Take up what the file says, once, where a training goes on."""
        if not self._begun and epoch > 0 and self.path.exists():
            _, self.best_epoch, rows = load_checkpoint(self.path)
            self.best = rows[-1]["val_loss"]
        self._begun = True

    def on_epoch_end(self, epoch, logs=None):
        """Write the file if the epoch is the best so far.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        logs : dict
            Losses of the epoch.

        Raises
        ------
        ValueError
            If there is no validation loss.
        """
        losses = {name: float(value) for name, value in (logs or {}).items()}
        if "val_loss" not in losses:
            raise ValueError(
                "`validation_data` must be given to fit, or there is no best epoch. "
                f"Received: {', '.join(losses) or 'no losses'}"
            )
        if losses["val_loss"] < self.best:
            self.best, self.best_epoch = losses["val_loss"], epoch + 1
            row = {"epoch": epoch + 1, **losses}
            save_checkpoint(self.path, self.model, epoch + 1, [row])

    def load(self) -> keras.Model:
        """Load the model of the best epoch.

        Returns
        -------
        keras.Model
            Compiled, as it was at the end of that epoch.

        Raises
        ------
        OSError
            If no epoch has been kept.
        """
        return load_checkpoint(self.path)[0]
