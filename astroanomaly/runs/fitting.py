"""Trainings that go on from their checkpoints, and the history that they leave."""

from pathlib import Path

from astroanomaly import plots
from astroanomaly.runs import callbacks
from astroanomaly.utils.files import atomic_path

_TITLES = {"encoder": "Encoder", "lens_finder": "Lens finder"}


class Fitting:
    """Fit the models of a run one after the other, each from its checkpoint on.

    Parameters
    ----------
    folder : Path
        The run folder; its checkpoints, if any, are taken up.
    settings : dict
        Resolved settings.
    progress : bool
        Show bars.

    Attributes
    ----------
    rows : dict of list of dict
        By the name of a model, the losses of its finished epochs.
    """

    def __init__(self, folder: Path, settings: dict, progress: bool):
        self.folder, self.settings, self.progress = folder, settings, progress
        self.seed = settings["training"]["seed"]
        self.rows: dict[str, list[dict]] = {}

    def loaded(self, name: str):
        """Give a model as its checkpoint holds it, None where there is none."""
        self.rows[name] = []
        file = self.checkpoint(name)
        if not file.is_file():
            return None
        model, _, self.rows[name] = callbacks.load_checkpoint(file)
        return model

    def checkpoint(self, name: str) -> Path:
        """Give the file of a model's checkpoint."""
        return self.folder / "checkpoint" / f"{name}.keras"

    def fit(self, name: str, model, epochs: int, batches, **options) -> None:
        """Train one model from its last finished epoch on.

        Parameters
        ----------
        name : str
            Its name in `rows` and of its checkpoint.
        model : keras.Model
            As :meth:`loaded` gave it, or new.
        epochs : int
            Epochs of the whole training.
        batches : callable
            Makes the data set.
        **options
            Further arguments of the model's ``fit``.
        """
        done = len(self.rows[name])
        if done >= epochs:
            return
        watchers = self._watchers(name)
        try:
            model.fit(
                batches(),
                epochs=epochs,
                initial_epoch=done,
                verbose=0,
                callbacks=watchers,
                **options,
            )
        finally:
            for watcher in watchers:
                getattr(watcher, "close", lambda: None)()

    def _watchers(self, name: str) -> list:
        def saved(all_rows):
            self.rows[name] = all_rows
            callbacks.write_history(self.folder / "history.csv", *self.rows.values())

        # Last, so that all that belongs to an epoch is there once it counts as done.
        file = self.checkpoint(name)
        watchers = [*self._before_checkpoint(name)]
        watchers.append(callbacks.Checkpoint(file, self.rows[name], on_saved=saved))
        if self.progress:
            title = _TITLES.get(name, name.upper())
            watchers.append(callbacks.TrainingProgress(f"{title}, epoch"))
        return watchers

    def _before_checkpoint(self, name: str) -> list:
        """Give the callbacks whose work belongs to an epoch, as the class has it."""
        return []

    def draw_curves(self) -> None:
        """Write the history of all models, and draw it."""
        history = self.folder / "history.csv"
        callbacks.write_history(history, *self.rows.values())
        with atomic_path(self.folder / "figures" / "training_curves.png") as partial:
            plots.training_curves(history).savefig(partial)
