"""What happens at the end of a training epoch: checkpoint, pictures, progress."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.keras_files import load_model, read_member
from astroanomaly.utils.progress import bar_or_lines

if TYPE_CHECKING:
    from rich.console import Console

# In the archive itself, so that model and epoch cannot part.
_MEMBER = "training.json"
# Losses that fit beside the bar in 80 columns.
_SHOWN = 2


def save_checkpoint(
    path: str | Path, model: keras.Model, epoch: int, rows: Sequence[Mapping]
) -> None:
    """Write a model together with how far its training has come.

    Parameters
    ----------
    path : str or Path
        A .keras file. Model, epoch and losses are one file that appears whole or
        not at all, so that they can never belong to different epochs. Keras
        itself reads it as any other model.
    model : keras.Model
        A compiled model; its optimizers' state is kept.
    epoch : int
        Epochs finished.
    rows : sequence of dict
        The losses of each of them.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> save_checkpoint("gan.keras", gan, 1, [{"epoch": 1, "critic_loss": -0.5}])
    >>> load_checkpoint("gan.keras")[1]
    1
    """
    state = {"epoch": int(epoch), "rows": [dict(row) for row in rows]}
    with atomic_path(path) as partial:
        model.save(partial)
        # A .keras file is a zip archive, and Keras ignores members it does not know.
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(_MEMBER, json.dumps(state))


def load_checkpoint(path: str | Path) -> tuple[keras.Model, int, list[dict]]:
    """Read what :func:`save_checkpoint` wrote.

    Parameters
    ----------
    path : str or Path
        The .keras file.

    Returns
    -------
    model : keras.Model
        The compiled model.
    epoch : int
        Epochs finished: the ``initial_epoch`` with which ``fit`` goes on.
    rows : list of dict
        The losses of each of them.

    Raises
    ------
    ValueError
        If the file is not a checkpoint.

    Examples
    --------
    >>> model, epoch, rows = load_checkpoint("gan.keras")
    """
    state = read_member(path, _MEMBER)
    epoch, rows = state.get("epoch"), state.get("rows")
    whole = isinstance(epoch, int) and isinstance(rows, list) and len(rows) > 0
    if not whole or any(
        not isinstance(row, dict)
        or not all(isinstance(value, int | float) for value in row.values())
        or not isinstance(row.get("epoch"), int)
        for row in rows
    ):
        raise ValueError(
            f"{path} must be a checkpoint whose {_MEMBER} has `epoch` and `rows` of "
            f"losses. Received: epoch {epoch!r}, rows {str(rows)[:80]}."
        )
    return load_model(path), epoch, rows


class Checkpoint(keras.callbacks.Callback):
    """Keep the state of a training in one file, replaced after every epoch.

    Parameters
    ----------
    path : str or Path
        A .keras file.
    rows : sequence of dict, optional
        Losses of the epochs before this training went on.
    on_saved : callable, optional
        Called with all rows after each save.

    Attributes
    ----------
    rows : list of dict
        Epoch (counted from 1) and losses of every finished epoch.

    Examples
    --------
    >>> checkpoint = Checkpoint("gan.keras")
    >>> history = gan.fit(data, epochs=2, callbacks=[checkpoint])
    >>> len(checkpoint.rows)
    2
    """

    def __init__(
        self,
        path: str | Path,
        rows: Sequence[Mapping] = (),
        on_saved: Callable | None = None,
    ) -> None:
        super().__init__()
        self.path, self.on_saved = Path(path), on_saved
        self.rows = [dict(row) for row in rows]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the file."""
        losses = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **losses})
        save_checkpoint(self.path, self.model, epoch + 1, self.rows)
        if self.on_saved is not None:
            self.on_saved(self.rows)


class KeepBest(keras.callbacks.Callback):
    """Keep the model of the epoch with the lowest validation loss in a file.

    Parameters
    ----------
    path : str or Path
        A .keras file, written by :func:`save_checkpoint`: it appears whole or not at
        all, and holds the epoch and its losses with the model.

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
    NaN never is. Place it before :class:`Checkpoint`: if the machine stops between the
    two, the epoch is trained once more.

    Examples
    --------
    >>> keep = KeepBest("run/best.keras")
    >>> keep.best, keep.best_epoch
    (inf, None)
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.on_train_begin()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Wait for the first epoch, whose number shows whether a training goes on."""
        self.best, self.best_epoch, self._begun = math.inf, None, False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take up what the file says, once, where a training goes on."""
        if not self._begun and epoch > 0 and self.path.exists():
            _, self.best_epoch, rows = load_checkpoint(self.path)
            self.best = rows[-1]["val_loss"]
        self._begun = True

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
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


class SampleGrid(keras.callbacks.Callback):
    """Draw the same latent vectors after every epoch, one PNG each.

    Parameters
    ----------
    folder : str or Path
        Where ``samples_0001.png``, ``samples_0002.png``, ... appear.
    n : int, optional
        How many images.
    seed : int, optional
        Seed of the latent vectors, the same for every epoch.

    Raises
    ------
    ValueError
        If `n` is below 1.

    Examples
    --------
    >>> grid = SampleGrid("run/figures", n=16)
    >>> history = gan.fit(data, epochs=1, callbacks=[grid])
    """

    def __init__(self, folder: str | Path, n: int = 16, seed: int = 0) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"`n` must be at least 1. Received: {n}")
        self.folder, self.n, self.seed = Path(folder), int(n), int(seed)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the picture."""
        from astroanomaly import plots

        figure = plots.sample_grid(self.model.generate(self.n, seed=self.seed))
        with atomic_path(self.folder / f"samples_{epoch + 1:04d}.png") as partial:
            figure.savefig(partial)


class ReconstructionGrid(keras.callbacks.Callback):
    """Draw the same images beside their reconstructions after every epoch.

    For a model that cannot draw samples.

    Parameters
    ----------
    folder : str or Path
        Where ``reconstructions_0001.png``, ``reconstructions_0002.png``, ... appear.
    images : ndarray of shape (n, ny, nx, n_bands)
        Stretched images in [0, 1]; each stands left of its reconstruction.

    Raises
    ------
    ValueError
        If there is no image.

    Examples
    --------
    >>> images = np.zeros((4, 32, 32, 1), "float32")
    >>> grid = ReconstructionGrid("run/figures", images)
    """

    def __init__(self, folder: str | Path, images: np.ndarray) -> None:
        super().__init__()
        self.folder, self.images = Path(folder), np.asarray(images, np.float32)
        if not len(self.images):
            raise ValueError("`images` must hold at least one image. Received: none")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the picture."""
        from astroanomaly import plots

        found = np.asarray(self.model.reconstruct(self.images))
        # An even number of columns keeps the two of a pair side by side.
        pairs = np.stack([self.images, found], 1).reshape(-1, *self.images.shape[1:])
        figure = plots.sample_grid(pairs, columns=8)
        name = f"reconstructions_{epoch + 1:04d}.png"
        with atomic_path(self.folder / name) as partial:
            figure.savefig(partial)


class TrainingProgress(keras.callbacks.Callback):
    """Show a bar with the epoch, the losses and the time left.

    Where the console is no terminal, one line an epoch and one a minute.

    Parameters
    ----------
    title : str
        What is trained.
    console : rich.console.Console, optional
        Where to draw; standard error by default.

    Examples
    --------
    >>> history = gan.fit(data, epochs=5, callbacks=[TrainingProgress("GAN")])
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        super().__init__()
        self.title, self.console = title, console
        self._bar = self._task = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the bar."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        self._bar = bar_or_lines(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Count in batches, so that the time left is known within an epoch."""
        if self._task is None:
            steps = self.params.get("steps") or 1
            self._steps, self._first = steps, epoch
            total = (self.params["epochs"] - epoch) * steps
            self._task = self._bar.add_task(self.title, total=total, losses="")
        text = f"{self.title} {epoch + 1}/{self.params['epochs']}"
        self._bar.update(self._task, description=text)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar."""
        self._bar.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Show the losses of the epoch."""
        done = (epoch - self._first + 1) * self._steps
        # The total loss before its terms, losses before other metrics.
        shown = sorted(
            (logs or {}).items(),
            key=lambda item: (item[0] != "loss", not item[0].endswith("_loss")),
        )[:_SHOWN]
        losses = ", ".join(
            f"{name.removesuffix('_loss')} {float(value):.4g}" for name, value in shown
        )
        self._bar.update(self._task, completed=done, losses=losses)
        if hasattr(self._bar, "line"):
            self._bar.line()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar, also after a training that broke off."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def write_history(path: str | Path, *trainings: Sequence[Mapping]) -> None:
    """Write the losses of trainings that ran one after the other as one CSV file.

    Parameters
    ----------
    path : str or Path
        The file, replaced as a whole.
    *trainings : sequence of dict
        For each training its rows, with `epoch` counted from 1. Row k of the file
        holds epoch k of each; a training that was shorter leaves its cells empty.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> write_history("history.csv", [{"epoch": 1, "critic_loss": -0.5}])
    >>> Path("history.csv").read_text().split()
    ['epoch,critic_loss', '1,-0.5']
    """
    merged: dict[int, dict] = {}
    for row in (row for rows in trainings for row in rows):
        merged.setdefault(row["epoch"], {}).update(row)
    names = dict.fromkeys(name for row in merged.values() for name in row)
    with (
        atomic_path(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(names) or ["epoch"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(merged[epoch] for epoch in sorted(merged))
