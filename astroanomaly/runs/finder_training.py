"""The training of a lens finder: on images with labels, its best epoch kept."""

from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from astroanomaly.data.batches import class_weights, labelled_dataset
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.runs import builders
from astroanomaly.runs.fitting import Fitting
from astroanomaly.runs.keep_best import KeepBest
from astroanomaly.runs.training import make_stretch
from astroanomaly.utils.files import atomic_path


class FinderTraining(Fitting):
    """Train a classifier, and write what a run folder holds.

    Parameters
    ----------
    folder : Path
        The run folder; its checkpoint, if any, is taken up.
    settings : dict
        Resolved settings.
    cutouts : Cutouts
        Images for training and validation.
    labels : ndarray of shape (n,)
        1 for a lens, 0 for anything else, in the cutouts' order.
    progress : bool
        Show a bar.

    Attributes
    ----------
    model : LensFinder
        The classifier, as its last epoch left it.
    train, validation : ndarray of int
        Rows of the cutouts.

    Raises
    ------
    ValueError
        If a setting is out of range, or a part lacks a class. Nothing is written
        before.
    """

    def __init__(self, folder: Path, settings: dict, cutouts, labels, progress: bool):
        super().__init__(folder, settings, progress)
        self.cutouts, self.labels = cutouts, labels
        self.name = settings["model"]["name"]
        training = settings["training"]
        self.train, self.validation = parts(
            labels, training["validation_fraction"], self.seed
        )
        self.stretch = make_stretch(settings["stretch"])
        # Its range comes from the training images alone; per image there is none.
        seen = self.train[:1] if self.stretch.per_image else self.train
        self.stretch.adapt(cutouts[seen])
        weights = None
        if training["class_weight"]:
            weights = class_weights(labels[self.train])
        self.model = self.loaded(self.name) or builders.build_model(
            settings, cutouts.image_shape, n_steps=0, class_weight=weights
        )
        self.keep = KeepBest(self.checkpoint(f"{self.name}_best"))

    def run(self) -> ClassifierDetector:
        """Train, or go on, and write the detector of the best epoch last."""
        self.fit(
            self.name,
            self.model,
            self.settings["training"]["epochs"],
            self._batches,
            validation_data=self._held_out(),
        )
        best = self.keep.load()
        with atomic_path(self.folder / "model.keras") as partial:
            best.save(partial)
        self.draw_curves()
        detector = ClassifierDetector(best, self.stretch, **self.settings["detector"])
        detector.save(self.folder / "detector")
        return detector

    def _batches(self):
        training = self.settings["training"]
        return self._dataset(rows=self.train, augment=training["augment"])

    def _held_out(self):
        return self._dataset(rows=self.validation, augment=False, shuffle=False)

    def _dataset(self, **options):
        size = self.settings["training"]["batch_size"]
        arguments = (self.cutouts, self.labels, self.stretch, size)
        return labelled_dataset(*arguments, seed=self.seed, **options)

    def _before_checkpoint(self, name: str) -> list:
        return [self.keep]


def parts(labels, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide objects into those to train on and those to validate with.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        0 or 1; both parts hold about the same share of each.
    fraction : float
        Share for the validation.
    seed : int
        Same seed, same parts.

    Returns
    -------
    train, validation : ndarray of int
        Rising row numbers.

    Raises
    ------
    ValueError
        If a part would lack one of the classes.
    """
    rows = np.arange(len(labels))
    try:
        found = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=labels
        )
    except ValueError:
        # Fewer objects than classes in a part, or one object of a class.
        found = []
    if not found or any(len(np.unique(labels[part])) < 2 for part in found):
        n_lenses = int(np.sum(labels))
        raise ValueError(
            f"`validation_fraction` {fraction:g} must leave lenses and non-lenses both "
            "for training and for validation. Received: "
            f"{n_lenses} lenses, {len(labels) - n_lenses} non-lenses."
        )
    return np.sort(found[0]), np.sort(found[1])
