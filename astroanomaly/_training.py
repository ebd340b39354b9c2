"""The two trainings of a run, each able to go on from its checkpoint."""

from pathlib import Path

import keras
import numpy as np

from astroanomaly import _config, callbacks, plots, stretches
from astroanomaly._files import atomic_path
from astroanomaly.data.pipeline import dataset
from astroanomaly.detector import AnomalyDetector
from astroanomaly.latent import Encoder
from astroanomaly.models import WGANGP


class Training:
    """Train a GAN, then its encoder, and write what a run folder holds.

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
        self.gan = self._loaded("gan") or self._gan(cutouts.image_shape)
        self.encoder = self._loaded("encoder") or self._encoder(self.gan)
        self.encoder.attach(self.gan)
        self.detector = AnomalyDetector(
            self.gan,
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

    def _checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoint" / f"{name}.keras"

    def run(self) -> AnomalyDetector:
        """Train, or go on, and write the finished detector last."""
        self._fit("gan", self.gan, self.settings["training"]["epochs"])
        with atomic_path(self.folder / "model.keras") as partial:
            self.gan.save(partial)
        self._fit("encoder", self.encoder, self.settings["encoder"]["epochs"])
        self.detector.measure_noise(self.cutouts)
        self._draw_curves()
        self.detector.save(self.folder / "detector")
        return self.detector

    def _gan(self, image_shape) -> WGANGP:
        chosen = dict(self.settings["model"])
        chosen.pop("name")
        gan = WGANGP(image_shape, seed=self.seed, **chosen)
        training = self.settings["training"]
        rates = {
            "learning_rate": training["learning_rate"],
            "beta_1": training["beta_1"],
            "beta_2": training["beta_2"],
        }
        gan.compile(keras.optimizers.Adam(**rates), keras.optimizers.Adam(**rates))
        return gan

    def _encoder(self, gan) -> Encoder:
        chosen = dict(self.settings["encoder"])
        chosen.pop("epochs")
        rate = chosen.pop("learning_rate")
        encoder = Encoder(gan, seed=self.seed, **chosen)
        encoder.compile(keras.optimizers.Adam(rate))
        return encoder

    def _fit(self, name: str, model, epochs: int) -> None:
        """Train one model from its last finished epoch on."""
        done = len(self.rows[name])
        if done >= epochs:
            return
        training = self.settings["training"]
        data = dataset(
            self.cutouts,
            self.stretch,
            batch_size=training["batch_size"],
            seed=self.seed,
            augment=training["augment"],
        )
        watchers = self._watchers(name)
        try:
            model.fit(
                data, epochs=epochs, initial_epoch=done, verbose=0, callbacks=watchers
            )
        finally:
            for watcher in watchers:
                getattr(watcher, "close", lambda: None)()

    def _watchers(self, name: str) -> list:
        def saved(all_rows):
            self.rows[name] = all_rows
            callbacks.write_history(self.folder / "history.csv", *self.rows.values())

        watchers = []
        if name == "gan":
            n = self.settings["training"]["sample_grid"]
            watchers.append(callbacks.SampleGrid(self.folder / "figures", n, self.seed))
        # Last, so that all that belongs to an epoch is there once it counts as done.
        file = self._checkpoint(name)
        watchers.append(callbacks.Checkpoint(file, self.rows[name], on_saved=saved))
        if self.progress:
            title = "GAN, epoch" if name == "gan" else "Encoder, epoch"
            watchers.append(callbacks.TrainingProgress(title))
        return watchers

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
