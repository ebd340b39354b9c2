"""The trainings of a run, each able to go on from its checkpoint."""

from pathlib import Path

import numpy as np

from astroanomaly import _builders, _config, callbacks, plots, stretches
from astroanomaly._files import atomic_path
from astroanomaly.data.pipeline import dataset
from astroanomaly.detector import AnomalyDetector


class Training:
    """Train a model, a GAN's encoder after it, and write what a run folder holds.

    Parameters
    ----------
    folder : Path
        The run folder; its checkpoints, if any, are taken up.
    settings : dict
        Resolved settings.
    cutouts : Cutouts
        The training set.
    progress : bool
        Show bars.

    Attributes
    ----------
    model : keras.Model
        The model of ordinary images.
    encoder : Encoder or None
        The encoder of a GAN; None for a model that reconstructs by itself.
    detector : AnomalyDetector
        Both with the stretch.

    Raises
    ------
    ValueError
        If a setting is out of range. Nothing is written before.
    """

    def __init__(self, folder: Path, settings: dict, cutouts, progress: bool):
        self.folder, self.settings, self.progress = folder, settings, progress
        self.cutouts = cutouts
        self.seed = settings["training"]["seed"]
        self.rows: dict[str, list[dict]] = {}
        self.stretch = make_stretch(settings["stretch"]).adapt(cutouts)
        name = settings["model"]["name"]
        alone = _config.reconstructs(name)
        # The file of a checkpoint: "gan.keras", "dcae.keras", ...
        self.name = name if alone else "gan"
        self.model = self._loaded(self.name) or _builders.build_model(
            settings, cutouts.image_shape, self._n_steps()
        )
        self.annealing = _builders.build_callbacks(settings)
        self.encoder = None if alone else self._attached_encoder()
        self.detector = AnomalyDetector(
            self.model,
            self.stretch,
            latent=self.encoder,
            seed=self.seed,
            **settings["detector"],
        )

    def _loaded(self, name: str):
        self.rows[name] = []
        file = self._checkpoint(name)
        if not file.is_file():
            return None
        model, _, self.rows[name] = callbacks.load_checkpoint(file)
        return model

    def _attached_encoder(self):
        encoder = self._loaded("encoder")
        if encoder is None:
            encoder = _builders.build_encoder(self.settings, self.model)
        return encoder.attach(self.model)

    def _checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoint" / f"{name}.keras"

    def run(self) -> AnomalyDetector:
        """Train, or go on, and write the finished detector last."""
        self._fit(self.name, self.model, self.settings["training"]["epochs"])
        with atomic_path(self.folder / "model.keras") as partial:
            self.model.save(partial)
        if self.encoder is not None:
            self._fit("encoder", self.encoder, self.settings["encoder"]["epochs"])
        self.detector.measure_noise(self.cutouts)
        self._draw_curves()
        self.detector.save(self.folder / "detector")
        return self.detector

    def _batches(self):
        training = self.settings["training"]
        return dataset(
            self.cutouts,
            self.stretch,
            batch_size=training["batch_size"],
            seed=self.seed,
            augment=training["augment"],
        )

    def _n_steps(self) -> int:
        """Return the steps of the whole training, over which a schedule runs."""
        return self.settings["training"]["epochs"] * int(self._batches().cardinality())

    def _fit(self, name: str, model, epochs: int) -> None:
        """Train one model from its last finished epoch on."""
        done = len(self.rows[name])
        if done >= epochs:
            return
        watchers = self._watchers(name)
        try:
            model.fit(
                self._batches(),
                epochs=epochs,
                initial_epoch=done,
                verbose=0,
                callbacks=watchers,
            )
        finally:
            for watcher in watchers:
                getattr(watcher, "close", lambda: None)()

    def _watchers(self, name: str) -> list:
        def saved(all_rows):
            self.rows[name] = all_rows
            callbacks.write_history(self.folder / "history.csv", *self.rows.values())

        watchers = []
        if name != "encoder":
            watchers += [*self.annealing, self._grid()]
        # Last, so that all that belongs to an epoch is there once it counts as done.
        file = self._checkpoint(name)
        watchers.append(callbacks.Checkpoint(file, self.rows[name], on_saved=saved))
        if self.progress:
            title = "Encoder" if name == "encoder" else name.upper()
            watchers.append(callbacks.TrainingProgress(f"{title}, epoch"))
        return watchers

    def _grid(self):
        """Return what draws after each epoch: samples, or else reconstructions."""
        folder, n = self.folder / "figures", self.settings["training"]["sample_grid"]
        if hasattr(self.model, "generate"):
            return callbacks.SampleGrid(folder, n, self.seed)
        return callbacks.ReconstructionGrid(
            folder, stretched(self.stretch, self.cutouts[:n])
        )

    def _draw_curves(self) -> None:
        history = self.folder / "history.csv"
        callbacks.write_history(history, *self.rows.values())
        with atomic_path(self.folder / "figures" / "training_curves.png") as partial:
            plots.training_curves(history).savefig(partial)


def make_stretch(chosen: dict) -> stretches.Stretch:
    """Make the stretch that the settings name.

    Raises
    ------
    ValueError
        If a setting belongs to another stretch.
    """
    chosen = dict(chosen)
    name = chosen.pop("name")
    own = {"asinh": ("a", "softening"), "log": ("a",)}.get(name, ())
    if alien := [key for key in ("a", "softening") if key in chosen and key not in own]:
        raise ValueError(f"The stretch {name} has no setting {alien[0]}.")
    # A name of its own keeps Keras from counting up one, run after run.
    return getattr(stretches, _config.STRETCHES[name])(name=name, **chosen)


def stretched(stretch, cutouts) -> np.ndarray:
    """Stretch cutouts chunk by chunk, which needs little memory beside the result."""
    return np.concatenate([np.asarray(stretch(c.images)) for c in cutouts.chunks(512)])
