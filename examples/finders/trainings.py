"""The finders of the study: trained epoch by epoch, their outputs kept."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from scipy.special import expit

import astroanomaly as aa
from astroanomaly.data.labelled import class_weights, labelled_dataset
from astroanomaly.detector.image_model import TURNS, turned
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.runs.callbacks import Checkpoint, load_checkpoint, write_history
from astroanomaly.runs.keep_best import KeepBest
from astroanomaly.runs.training import stretched
from astroanomaly.utils.files import atomic_path
from finders.kept import keep, read
from finders.samples import SCORED, loss, platt
from finders.sets import Set, View

LOG = logging.getLogger("lens_finder")
# One size for all passes: an output does not depend on what stands beside an image.
BATCH = 32
# Enough of the training set to see whether it was learned by heart.
MOST_TRAIN = 1000
HISTORY = "history.csv"
# The part of all steps in which the learning rate rises.
RISE = 0.02
# What a stretch spans, in standard deviations of an image's own sky about its level:
# noise at the lower end, the cores of all but the brightest galaxies at the upper.
SIGMAS = (-5.0, 1000.0)


@dataclass(frozen=True)
class Finder:
    """How a finder is trained.

    Parameters
    ----------
    network : {"ou200", "ou66"}
        The published network.
    frame : {"whole", "binned", "cut", "half"}
        What it sees of a frame, see `sets.View`.
    bands : tuple of str
        In which bands.
    epochs : int
        Passes over the training set.
    seeds : tuple of int
        A training for each.
    first_epochs : int
        Before those, passes over the clear frames alone (`Set.clear`): bright lenses,
        and ellipticals that are none. Without them a network tells ellipticals from
        spirals and stays there; no epoch of these is kept as the best.
    batch_size : int
        Images per step.
    learning_rate : float
        Of Adam, at its largest: it rises and falls along half cosines (`OneCycle`).
    dropout : float
        Of the network; 0.2 is published, which learns much later.
    softening : float, optional
        An asinh stretch turns from linear to logarithmic at so many standard
        deviations of an image's own sky; None for the published stretch, linear from
        each image's minimum to its maximum.
    """

    network: str
    frame: str
    bands: tuple[str, ...]
    epochs: int
    seeds: tuple[int, ...] = (0,)
    first_epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 5e-4
    dropout: float = 0.0
    softening: float | None = 10.0

    @property
    def view(self) -> View:
        """What it sees."""
        return View(self.frame, self.bands)

    @property
    def stretch(self):
        """Its stretch, of each band of each image by itself."""
        if self.softening is None:
            return aa.stretches.Linear(per_image=True, name="linear")
        return aa.stretches.Asinh(
            softening=self.softening, per_image=True, sigmas=SIGMAS, name="asinh"
        )

    @property
    def late_stretch(self):
        """Its stretch where that is left to each batch: frames too large to keep."""
        return self.stretch if self.frame == "whole" else None

    def settings(self) -> dict:
        """Return the arguments, as JSON can hold them."""
        return asdict(self) | {"bands": list(self.bands), "seeds": list(self.seeds)}


class Clock(keras.callbacks.Callback):
    """Add to the losses of an epoch what it took, in seconds."""

    def on_epoch_begin(self, epoch, logs=None):
        """Start."""
        self.begun = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Stop."""
        logs["seconds"] = time.monotonic() - self.begun


def train(folder: Path, finder: Finder, sets: dict[str, Set], seed: int) -> None:
    """Train a finder, or go on with it; nothing is done where it is done.

    Parameters
    ----------
    folder : Path
        Gets checkpoint.keras (the last epoch), best.keras (that of the lowest
        validation loss) and history.csv.
    finder : Finder
        How.
    sets : dict of Set
        "train" and "validation".
    seed : int
        Of first weights, dropout, order and turns.
    """
    first, last = finder.first_epochs, finder.first_epochs + finder.epochs
    if _begun(folder)[1] >= last:
        return
    data = {
        name: (_seen(sets[name], finder), sets[name].labels)
        for name in ("train", "validation")
    }
    clear = np.flatnonzero(sets["train"].clear)
    n_steps = first * steps(len(clear), finder)
    n_steps += finder.epochs * steps(len(sets["train"]), finder)
    for rows, until in ((clear, first), (None, last)):
        _train_until(folder, finder, data, seed, rows, until, n_steps)


def _seen(one: Set, finder: Finder) -> np.ndarray:
    """Return frames stretched once for all epochs.

    Whole frames, too large for that, are stretched batch by batch instead.
    """
    cutouts = one.cutouts(finder.view)
    if finder.late_stretch is not None:
        return cutouts.images
    # Cuts are in memory already, and ours; others lie on the disk, where they stay.
    out = cutouts.images if finder.view.is_cut else None
    return stretched(finder.stretch, cutouts, out)


def _begun(folder: Path) -> tuple:
    """Return model, epochs done and their losses, as far as a training has gone."""
    file = folder / "checkpoint.keras"
    return load_checkpoint(file) if file.is_file() else (None, 0, [])


def steps(n: int, finder: Finder) -> int:
    """Return the steps of an epoch over so many images."""
    return max(n // finder.batch_size, 1)


def _train_until(folder, finder, data, seed, rows, until, n_steps) -> None:
    """Train on some frames, or on all, until so many epochs are done."""
    model, done, history = _begun(folder)
    if done >= until:
        return
    LOG.info("training %s, epochs %d to %d", folder, done + 1, until)
    model = model or _new(finder, data["train"], seed, n_steps)
    batches = {"batch_size": finder.batch_size, "seed": seed}
    batches["stretch"] = finder.late_stretch
    best = [KeepBest(folder / "best.keras")] if rows is None else []
    model.fit(
        labelled_dataset(*data["train"], rows=rows, **batches),
        validation_data=labelled_dataset(
            *data["validation"], shuffle=False, augment=False, **batches
        ),
        initial_epoch=done,
        epochs=until,
        verbose=0,
        callbacks=[
            Clock(),
            *best,
            Checkpoint(
                folder / "checkpoint.keras",
                history,
                lambda rows: write_history(folder / HISTORY, rows),
            ),
        ],
    )


def _new(finder: Finder, train: tuple, seed: int, n_steps: int):
    images, labels = train
    model = aa.models.LensFinder(
        images.shape[1:], network=finder.network, seed=seed, dropout=finder.dropout
    )
    rate = OneCycle(finder.learning_rate, max(n_steps, 2), pct_start=RISE)
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, class_weight=class_weights(labels))
    return model


def epochs_done(folder: Path) -> int:
    """Return how many epochs of a training are done, from its history.csv."""
    path = folder / HISTORY
    return len(path.read_text().splitlines()) - 1 if path.is_file() else 0


def load(folder: Path) -> tuple:
    """Return the finder of the best epoch, and what says which it is.

    Parameters
    ----------
    folder : Path
        Of `train`.

    Returns
    -------
    model : LensFinder
        The finder.
    stamp : dict
        Epochs trained and the best one: what depends on the model keeps this.
    """
    model, best, _ = load_checkpoint(folder / "best.keras")
    done = load_checkpoint(folder / "checkpoint.keras")[1]
    return model, {"epochs": done, "best_epoch": best}


def validation_loss(folder: Path, validation: Set) -> float:
    """Return the loss of a training's kept outputs, by which the page chooses too."""
    found = read(folder / "outputs" / "validation.npz")
    return loss(validation.labels, found["logit"])


def logits(model, stretch, images: np.ndarray) -> np.ndarray:
    """Return by how much a finder prefers "lens", image by image.

    The mean over the eight turned and mirrored views of an image.

    Parameters
    ----------
    model : LensFinder
        A trained finder.
    stretch : Stretch
        The one that it was trained with.
    images : ndarray of shape (n, ny, nx, n_bands)
        As the cameras give them; they are stretched here.

    Returns
    -------
    ndarray of shape (n,)
        float64.
    """
    found = []
    for start in range(0, len(images), BATCH):
        part = np.asarray(images[start : start + BATCH])
        padded = np.concatenate([part, np.repeat(part[:1], BATCH - len(part), axis=0)])
        seen = np.asarray(stretch(padded))
        views = [model.logit(turned(seen, *turn)) for turn in TURNS]
        found.append(np.mean(np.asarray(views, np.float64), axis=0)[: len(part)])
    return np.concatenate(found)


def outputs(folder: Path, finder: Finder, sets: dict[str, Set]) -> None:
    """Keep what a finder gives for every set.

    Parameters
    ----------
    folder : Path
        Of `train`; outputs/<set>.npz get `logit`, `probability` and `calibrated`:
        Platt's probability, learned on the set "calibration".
    finder : Finder
        What it sees.
    sets : dict of Set
        Those to score.
    """
    model, stamp = load(folder)
    _cost(folder, model, stamp)
    curve = None
    for name in SCORED:
        LOG.info("scoring %s by %s", name, folder)
        n = min(len(sets[name]), MOST_TRAIN if name == "train" else len(sets[name]))
        stamp["n"] = n

        def make(name=name, n=n, curve=curve):
            images = sets[name].seen(finder.view)[:n]
            found = logits(model, finder.stretch, images)
            fitted = curve or platt(sets[name].labels, found)
            return {
                "logit": found,
                "probability": expit(found),
                "calibrated": fitted.apply(found),
            }

        found = keep(folder / "outputs" / f"{name}.npz", dict(stamp), make)
        if name == "calibration":
            curve = platt(sets[name].labels, found["logit"])


def _cost(folder: Path, model, stamp: dict) -> None:
    """Write what a training took and where it ended."""
    rows = load_checkpoint(folder / "checkpoint.keras")[2]
    found = dict(stamp)
    found["seconds"] = sum(row["seconds"] for row in rows)
    found["parameters"] = model.network.count_params()
    best = rows[stamp["best_epoch"] - 1]
    found |= {name: best[name] for name in ("val_loss", "val_accuracy")}
    with atomic_path(folder / "training.json") as partial:
        partial.write_text(json.dumps(found, indent=1), "utf-8")
