"""The trainings of a run, each able to go on from its checkpoint."""

from pathlib import Path

import numpy as np

from astroanomaly import stretches
from astroanomaly.data.batches import dataset
from astroanomaly.detector import AnomalyDetector
from astroanomaly.runs import builders, callbacks, config
from astroanomaly.runs.fitting import Fitting
from astroanomaly.utils.files import atomic_path


class Training(Fitting):
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
        super().__init__(folder, settings, progress)
        self.cutouts = cutouts
        self.stretch = make_stretch(settings["stretch"]).adapt(cutouts)
        name = settings["model"]["name"]
        alone = config.reconstructs(name)
        # The file of a checkpoint: "gan.keras", "dcae.keras", ...
        self.name = name if alone else "gan"
        self.model = self.loaded(self.name) or builders.build_model(
            settings, cutouts.image_shape, self._n_steps()
        )
        self.annealing = builders.build_callbacks(settings)
        self.encoder = None if alone else self._attached_encoder()
        self.detector = AnomalyDetector(
            self.model,
            self.stretch,
            latent=self.encoder,
            seed=self.seed,
            **settings["detector"],
        )

    def _attached_encoder(self):
        encoder = self.loaded("encoder")
        if encoder is None:
            encoder = builders.build_encoder(self.settings, self.model)
        return encoder.attach(self.model)

    def run(self) -> AnomalyDetector:
        """Train, or go on, and write the finished detector last."""
        epochs = self.settings["training"]["epochs"]
        self.fit(self.name, self.model, epochs, self._batches)
        with atomic_path(self.folder / "model.keras") as partial:
            self.model.save(partial)
        if self.encoder is not None:
            epochs = self.settings["encoder"]["epochs"]
            self.fit("encoder", self.encoder, epochs, self._batches)
        self.detector.measure_noise(self.cutouts)
        self.draw_curves()
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

    def _before_checkpoint(self, name: str) -> list:
        return [] if name == "encoder" else [*self.annealing, self._grid()]

    def _grid(self):
        """Return what draws after each epoch: samples, or else reconstructions."""
        folder, n = self.folder / "figures", self.settings["training"]["sample_grid"]
        if hasattr(self.model, "generate"):
            return callbacks.SampleGrid(folder, n, self.seed)
        return callbacks.ReconstructionGrid(
            folder, stretched(self.stretch, self.cutouts[:n])
        )


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
    return getattr(stretches, config.STRETCHES[name])(name=name, **chosen)


def stretched(stretch, cutouts, out: np.ndarray | None = None) -> np.ndarray:
    """Stretch cutouts chunk by chunk, which needs little memory beside the result.

    The result is `out` where that is given; it may be the cutouts' own images.
    """
    if out is None:
        out = np.empty(cutouts.images.shape, np.float32)
    done = 0
    for chunk in cutouts.chunks(512):
        out[done : done + len(chunk)] = stretch(chunk.images)
        done += len(chunk)
    return out
