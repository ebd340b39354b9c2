"""The finders: trained epoch by epoch, several side by side, their outputs kept."""

import json
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from scipy.special import expit

import astroanomaly as aa
from astroanomaly.data import class_weights, labelled_dataset
from astroanomaly.detector.image_model import TURNS, turned
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.runs.callbacks import (
    Checkpoint,
    KeepBest,
    load_checkpoint,
    write_history,
)
from astroanomaly.runs.training import stretched
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.parallel import end_with_parent, process_count, shared_threads
from astroanomaly.utils.progress import count_bar
from studies.lens_finder import sets as frames
from studies.lens_finder.kept import keep
from studies.lens_finder.results import SCORED, platt
from studies.lens_finder.sets import Set, View

LOG = logging.getLogger("lens_finder")
# One size for all passes: an output must not depend on the other images of a batch.
BATCH = 32
# Enough of the training set to see whether it was learned by heart.
MOST_TRAIN = 1000
HISTORY = "history.csv"
RISE = 0.02  # part of all steps in which the learning rate rises
# What a stretch spans, in standard deviations of an image's own sky around its level:
# noise at the lower end, the cores of all but the brightest galaxies at the upper.
SIGMAS = (-5.0, 1000.0)
MEMORY = 6.0  # GiB of a training on cuts in four bands
POLL = 2.0  # seconds between two looks at the trainings


@dataclass(frozen=True)
class Finder:
    """How a finder is trained; a training for each seed."""

    network: str  # "ou200" or "ou66", as published
    frame: str  # "whole", "binned", "cut" or "half", see `sets.View`
    bands: tuple[str, ...]
    epochs: int
    seeds: tuple[int, ...] = (0,)
    # Epochs over the clear frames alone (`Set.clear`), before the others; none is kept
    # as the best. Without them a network tells ellipticals from spirals and learns no
    # more.
    first_epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 5e-4  # the largest of `OneCycle`, with Adam
    dropout: float = 0.0  # 0.2 is published, with which a network learns much later
    # Standard deviations of an image's own sky where the asinh stretch turns from
    # linear to logarithmic; None is the published stretch, linear from minimum to
    # maximum of each image.
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

    def settings(self) -> dict:
        """Return the arguments, as JSON can hold them."""
        return asdict(self) | {"bands": list(self.bands), "seeds": list(self.seeds)}


class Clock(keras.callbacks.Callback):
    """Add to the losses of an epoch how long it took, in seconds."""

    def on_epoch_begin(self, epoch, logs=None):
        """Start."""
        self.begun = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Stop."""
        logs["seconds"] = time.monotonic() - self.begun


def train_all(folder: Path, trained: dict) -> None:
    """Train all finders, or resume them, and score every set in `folder`.

    `trained` holds Finder and folder by name and seed. Networks this small gain little
    from a second core: as many as cores and memory allow are trained at a time.
    """
    n = process_count(None, MEMORY, len(trained))
    # A forked copy of a process that holds TensorFlow hangs.
    spawn = multiprocessing.get_context("spawn")
    total = sum(one.first_epochs + one.epochs for one, _ in trained.values())
    with shared_threads(n), count_bar(True) as bar:
        task = bar.add_task("training, epoch", total=total)
        with ProcessPoolExecutor(n, spawn, end_with_parent) as pool:
            left = [
                pool.submit(train_one, folder, finder, where, seed)
                for (_, seed), (finder, where) in trained.items()
            ]
            while left:
                done, left = wait(left, timeout=POLL)
                for one in done:
                    one.result()
                places = [where for _, where in trained.values()]
                bar.update(task, completed=sum(map(epochs_done, places)))


def train_one(folder: Path, finder: Finder, where: Path, seed: int) -> None:
    """Train a finder and score every set, in a process of its own."""
    known = frames.read(folder)
    train(where, finder, known, seed)
    outputs(where, finder, known)


def train(folder: Path, finder: Finder, sets: dict[str, Set], seed: int) -> None:
    """Train a finder, resume it, or do nothing if it is finished.

    `folder` gets checkpoint.keras (the last epoch), best.keras (that of the lowest
    validation loss) and history.csv.
    """
    last = finder.first_epochs + finder.epochs
    if epochs_done(folder) >= last:
        return
    # Whole frames are too large to keep: they are stretched batch by batch.
    late = finder.stretch if finder.frame == "whole" else None
    data = {}
    for name in ("train", "validation"):
        cutouts = sets[name].cutouts(finder.view)
        images = cutouts.images
        if late is None:
            # Cuts are in memory already and may be overwritten; others are on disk.
            out = images if finder.view.is_cut else None
            images = stretched(finder.stretch, cutouts, out)
        data[name] = images, sets[name].labels
    clear = np.flatnonzero(sets["train"].clear)
    n_steps = finder.first_epochs * max(len(clear) // finder.batch_size, 1)
    n_steps += finder.epochs * max(len(sets["train"]) // finder.batch_size, 1)
    batches = {"batch_size": finder.batch_size, "seed": seed, "stretch": late}
    for rows, until in ((clear, finder.first_epochs), (None, last)):
        file = folder / "checkpoint.keras"
        model, done, history = (None, 0, [])
        if file.is_file():
            model, done, history = load_checkpoint(file)
        if done >= until:
            continue
        LOG.info("training %s, epochs %d to %d", folder, done + 1, until)
        if model is None:
            images, labels = data["train"]
            model = aa.models.LensFinder(
                images.shape[1:],
                network=finder.network,
                seed=seed,
                dropout=finder.dropout,
            )
            rate = OneCycle(finder.learning_rate, max(n_steps, 2), pct_start=RISE)
            optimizer = keras.optimizers.Adam(rate)
            model.compile(optimizer, class_weight=class_weights(labels))
        best = [KeepBest(folder / "best.keras")] if rows is None else []
        checkpoint = Checkpoint(
            file, history, lambda rows: write_history(folder / HISTORY, rows)
        )
        model.fit(
            labelled_dataset(*data["train"], rows=rows, **batches),
            validation_data=labelled_dataset(
                *data["validation"], shuffle=False, augment=False, **batches
            ),
            initial_epoch=done,
            epochs=until,
            verbose=0,
            callbacks=[Clock(), *best, checkpoint],
        )


def epochs_done(folder: Path) -> int:
    """Return how many epochs of a training are finished, from its history.csv."""
    path = folder / HISTORY
    return len(path.read_text().splitlines()) - 1 if path.is_file() else 0


def load(folder: Path) -> tuple:
    """Return the model of the best epoch, and a stamp: epochs trained, best epoch."""
    model, best, _ = load_checkpoint(folder / "best.keras")
    return model, {"epochs": epochs_done(folder), "best_epoch": best}


def logits(model, stretch, images: np.ndarray) -> np.ndarray:
    """Return the logit of linear images, lens minus non-lens, as float64.

    The mean over the eight turned and mirrored views of an image.
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
    """Keep a finder's outputs for every set, and what its training cost.

    outputs/<set>.npz get `logit`, `probability` and `calibrated`: Platt's probability,
    fitted on the set "calibration".
    """
    model, stamp = load(folder)
    rows = load_checkpoint(folder / "checkpoint.keras")[2]
    cost = stamp | {"seconds": sum(row["seconds"] for row in rows)}
    cost["parameters"] = model.network.count_params()
    best = rows[stamp["best_epoch"] - 1]
    cost |= {name: best[name] for name in ("val_loss", "val_accuracy")}
    with atomic_path(folder / "training.json") as partial:
        partial.write_text(json.dumps(cost, indent=1), "utf-8")
    curve = None
    for name in SCORED:  # "calibration" comes first
        LOG.info("scoring %s with %s", name, folder)
        n = min(len(sets[name]), MOST_TRAIN) if name == "train" else len(sets[name])

        def make(name=name, n=n, curve=curve):
            images = sets[name].seen(finder.view)[:n]
            found = logits(model, finder.stretch, images)
            fitted = curve or platt(sets[name].labels, found)
            return {
                "logit": found,
                "probability": expit(found),
                "calibrated": fitted.apply(found),
            }

        found = keep(folder / "outputs" / f"{name}.npz", stamp | {"n": n}, make)
        if name == "calibration":
            curve = platt(sets[name].labels, found["logit"])
