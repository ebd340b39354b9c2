"""The trainings of a run: models from settings, each resumed from its checkpoint."""

import warnings
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split
import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from astroanomaly import plots, stretches
from astroanomaly.data.batches import class_weights, dataset, labelled_dataset
from astroanomaly.detector import AnomalyDetector, ClassifierDetector
from astroanomaly.latent import Encoder
from astroanomaly.models import OneCycle
from astroanomaly.runs import callbacks
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.config import STRETCHES, recipes, reconstructs
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.keras_files import bounded_weights


def build_model(settings: dict, image_shape, n_steps: int, **compiling) -> keras.Model:
    """Make the model that the settings name, compiled.

    Parameters
    ----------
    settings : dict
        Resolved settings.
    image_shape : tuple of int
        (ny, nx, n_bands).
    n_steps : int
        Steps of the whole training, over which a schedule runs.
    **compiling
        Further arguments of the model's ``compile``.

    Returns
    -------
    keras.Model
        Ready to be trained.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    chosen, training = dict(settings["model"]), settings["training"]
    name = chosen.pop("name")
    recipe = recipes()[name]
    if recipe.spread:
        chosen = recipe.spread(image_shape, n_steps * training["batch_size"]) | chosen
    # Optimizers hold two or three times as much again.
    with bounded_weights("[model]"):
        model = recipe.model(image_shape, seed=training["seed"], name=name, **chosen)
    if recipe.check:
        recipe.check(model, n_steps, training)
    rate = training.get("learning_rate")
    if training.get("schedule") == "one_cycle":
        # A cycle has a first step and a last one.
        rate = OneCycle(rate, max(n_steps, 2))
    optimizers = recipe.optimizers(rate, training)
    for argument, optimizer in optimizers.items():
        # Keras counts names on, so that a run's would tell what was made before it.
        optimizer.name = argument
    model.compile(**optimizers, **compiling)
    return model


def build_encoder(settings: dict, gan) -> Encoder:
    """Make the encoder of a GAN, compiled.

    Parameters
    ----------
    settings : dict
        Resolved settings.
    gan : WGANGP
        The GAN.

    Returns
    -------
    Encoder
        Ready to be trained.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    chosen = dict(settings["encoder"])
    chosen.pop("epochs")
    rate = chosen.pop("learning_rate")
    with bounded_weights("[encoder]"):
        encoder = Encoder(
            gan, seed=settings["training"]["seed"], name="encoder", **chosen
        )
    # With a name of its own, also where no GAN was trained before in this process.
    encoder.compile(keras.optimizers.Adam(rate, name="optimizer"))
    return encoder


def build_callbacks(settings: dict) -> list:
    """Make the callbacks that the model itself needs.

    Parameters
    ----------
    settings : dict
        Resolved settings.

    Returns
    -------
    list of keras.callbacks.Callback
        The annealing of a KL term, or nothing.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    make = recipes()[settings["model"]["name"]].callbacks
    return [] if make is None else make(settings["training"])


# One for all trainings of a process: the devices of a second one would wait for those
# of the first.
@cache
def mirrored() -> tf.distribute.Strategy | None:
    """Return the strategy by which all devices share a batch; None for one device.

    Returns
    -------
    tf.distribute.MirroredStrategy or None
        Of all GPUs, without any of all CPUs that TensorFlow knows.
    """
    found = tf.distribute.MirroredStrategy()
    return found if found.num_replicas_in_sync > 1 else None


# Real galaxies are too many-sided for fewer; 201 cutouts are the fewest we tried.
FEW_IMAGES = 100
# Others are shown by the name of their model in capitals.
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
    begun : Run, optional
        The run whose networks new ones begin with.

    Attributes
    ----------
    rows : dict of list of dict
        By the name of a model, the losses of its finished epochs.
    """

    def __init__(self, folder: Path, settings: dict, progress: bool, begun=None):
        self.folder, self.settings, self.progress = folder, settings, progress
        self.seed = settings["training"]["seed"]
        self.rows: dict[str, list[dict]] = {}
        self.begun = begun
        wanted = settings["training"].get("strategy") == "mirrored"
        self.strategy = mirrored() if wanted else None
        if wanted and self.strategy is None:
            warnings.warn(
                "`strategy` (--strategy mirrored) found one device: the training is "
                "that of no strategy.",
                stacklevel=3,
            )

    def devices(self):
        """Return the scope in which the models are made."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def begin(self, name: str, model, known):
        """Give a new model the weights of `known`, where the training has a start.

        Parameters
        ----------
        name : str
            Name of the model.
        model, known : keras.Model
            The new model; that of the start, None without one.

        Returns
        -------
        keras.Model
            The new model.
        """
        if known is not None:
            shapes = [[w.shape for w in m.get_weights()] for m in (model, known)]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"`start` (--from) must hold a {name} of the same settings and "
                    f"image shape, {tuple(model.image_shape)}. Received: one of "
                    f"{tuple(known.image_shape)} or of other layers."
                )
            model.set_weights(known.get_weights())
        elif (start := self.settings["training"].get("start")) is not None:
            raise ValueError(
                f"`start` (--from {start}) must be given again, as {self.folder} has "
                "no checkpoint yet. Received: none."
            )
        return model

    def settle_stretch(self, cutouts, seen):
        """Return the stretch of the start, or a new one adapted to what is `seen`."""
        if self.begun is None:
            return make_stretch(self.settings["stretch"]).adapt(seen)
        if tuple(cutouts.bands) != tuple(self.begun.bands):
            raise ValueError(
                f"`cutouts` must have the bands of {self.begun.folder.name}, "
                f"{', '.join(self.begun.bands)}. Received: {', '.join(cutouts.bands)}."
            )
        return self.begun.detector.stretch

    def loaded(self, name: str, shape=None):
        """Load a model from its checkpoint; return None if no checkpoint exists.

        Parameters
        ----------
        name : str
            Name of the model.
        shape : tuple of int, optional
            The shape that its images must have.
        """
        self.rows[name] = []
        file = self.checkpoint(name)
        if not file.is_file():
            return None
        model, _, self.rows[name] = callbacks.load_checkpoint(file)
        # A checkpoint from elsewhere would fail deep within the first step.
        own = tuple(getattr(model, "image_shape", ()))
        encodes = isinstance(model, Encoder)
        if shape and (own != tuple(shape) or encodes != (name == "encoder")):
            raise ValueError(
                f"{file} must hold the {name} of images of shape {tuple(shape)}. "
                f"Received: {type(model).__name__} of images of shape {own}"
            )
        return model

    def checkpoint(self, name: str) -> Path:
        """Return the file of a model's checkpoint."""
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
        watchers = self.watchers(name)
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

    def watchers(self, name: str) -> list:
        """Return the callbacks of the training of a model."""

        def saved(all_rows):
            self.rows[name] = all_rows
            callbacks.write_history(self.folder / "history.csv", *self.rows.values())

        # Last, so that all that belongs to an epoch is there once it counts as done.
        checkpoint = callbacks.Checkpoint(
            self.checkpoint(name), self.rows[name], on_saved=saved
        )
        watchers = [*self._before_checkpoint(name), checkpoint]
        if self.progress:
            title = _TITLES.get(name, name.upper())
            watchers.append(callbacks.TrainingProgress(f"{title}, epoch"))
        return watchers

    def _before_checkpoint(self, name: str) -> list:
        """Return the callbacks whose work belongs to an epoch of a model."""
        return []

    def draw_curves(self) -> None:
        """Write the history of all models, and draw it."""
        history = self.folder / "history.csv"
        callbacks.write_history(history, *self.rows.values())
        with atomic_path(self.folder / "figures" / "training_curves.png") as partial:
            plots.training_curves(history).savefig(partial)


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
    begun : Run, optional
        The run whose networks and stretch it begins with.

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

    def __init__(
        self, folder: Path, settings: dict, cutouts, progress: bool, begun=None
    ):
        super().__init__(folder, settings, progress, begun)
        self.cutouts = cutouts
        if len(cutouts) < FEW_IMAGES:
            warnings.warn(
                f"{len(cutouts)} images are few to learn from: a network that saw "
                f"fewer than {FEW_IMAGES} knows each by heart, and every other object "
                "is strange to it. A thousand are good; `augment` turns few into more.",
                stacklevel=2,
            )
        self.stretch = self.settle_stretch(cutouts, cutouts)
        name = settings["model"]["name"]
        alone = reconstructs(name)
        # The file of a checkpoint: "gan.keras", "dcae.keras", ...
        self.name = name if alone else "gan"
        # Over the steps of the whole training a schedule runs.
        n_steps = settings["training"]["epochs"] * int(self._batches().cardinality())
        known = begun and begun.detector
        self.encoder, shape = None, cutouts.image_shape
        with self.devices():
            self.model = self.loaded(self.name, shape) or self.begin(
                self.name,
                build_model(settings, shape, n_steps),
                known and known.model,
            )
            if not alone:
                self.encoder = self.loaded("encoder", shape) or self.begin(
                    "encoder",
                    build_encoder(settings, self.model),
                    known and known.encoder,
                )
        self.annealing = build_callbacks(settings)
        self.detector = self.detect()

    def detect(self) -> AnomalyDetector:
        """Make the detector of the models."""
        if self.encoder is not None:
            self.encoder.attach(self.model)
        return AnomalyDetector(
            self.model,
            self.stretch,
            latent=self.encoder,
            seed=self.seed,
            **self.settings["detector"],
        )

    def run(self) -> AnomalyDetector:
        """Train, or go on, and write the finished detector last."""
        epochs = self.settings["training"]["epochs"]
        self.fit(self.name, self.model, epochs, self._batches)
        with atomic_path(self.folder / "model.keras") as partial:
            self.model.save(partial)
        if self.encoder is not None:
            epochs = self.settings["encoder"]["epochs"]
            self.fit("encoder", self.encoder, epochs, self._batches)
        if self.strategy is not None:
            # Networks of several devices predict everything once on each.
            self.model = self.loaded(self.name)
            self.encoder = self.encoder and self.loaded("encoder")
            self.detector = self.detect()
        self.detector.measure_noise(self.cutouts)
        self.detector.remember("trained", self.cutouts)
        self.detector.check_frames(self.cutouts)
        self.draw_curves()
        # Before the detector, which says that a run is whole.
        _folder.write_checksums(self.folder)
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

    def _before_checkpoint(self, name: str) -> list:
        if name == "encoder":
            return []
        folder, n = self.folder / "figures", self.settings["training"]["sample_grid"]
        if hasattr(self.model, "generate"):
            grid = callbacks.SampleGrid(folder, n, self.seed)
        else:
            images = stretched(self.stretch, self.cutouts[:n])
            grid = callbacks.ReconstructionGrid(folder, images)
        return [*self.annealing, grid]


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
    begun : Run, optional
        The run whose network and stretch it begins with.
    groups : ndarray of shape (n,), optional
        Cutouts of one group are all trained on, or all kept for the validation.
    repeated : array-like of int, optional
        Rows to show again, where they are trained on; a row may come several times.

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

    def __init__(
        self,
        folder: Path,
        settings: dict,
        cutouts,
        labels,
        progress: bool,
        begun=None,
        groups=None,
        repeated=(),
    ):
        super().__init__(folder, settings, progress, begun)
        self.cutouts, self.labels = cutouts, labels
        self.name = settings["model"]["name"]
        training = settings["training"]
        self.train, self.validation = parts(
            labels, training["validation_fraction"], self.seed, groups
        )
        repeated = np.asarray(repeated, int)
        again = repeated[np.isin(repeated, self.train)]
        self.train = np.concatenate([self.train, again])
        # Its range comes from the training images alone; per image there is none.
        seen = self.train[:1] if settings["stretch"]["per_image"] else self.train
        self.stretch = self.settle_stretch(cutouts, cutouts[seen])
        weights = None
        if training["class_weight"]:
            weights = class_weights(labels[self.train])
        self.model = self.loaded(self.name, cutouts.image_shape) or self.begin(
            self.name,
            build_model(settings, cutouts.image_shape, 0, class_weight=weights),
            begun and begun.detector.model,
        )
        self.keep = callbacks.KeepBest(self.checkpoint(f"{self.name}_best"))

    def run(self) -> ClassifierDetector:
        """Train, or go on, and write the detector of the best epoch last."""
        self.fit(
            self.name,
            self.model,
            self.settings["training"]["epochs"],
            self.batches,
            validation_data=self.batches(self.validation, shuffle=False),
        )
        best = self.keep.load()
        with atomic_path(self.folder / "model.keras") as partial:
            best.save(partial)
        self.draw_curves()
        _folder.write_checksums(self.folder)
        detector = ClassifierDetector(best, self.stretch, **self.settings["detector"])
        detector.remember("trained", self.cutouts)
        detector.check_frames(self.cutouts)
        detector.save(self.folder / "detector")
        return detector

    def batches(self, rows=None, shuffle: bool = True):
        """Return batches of some rows, by default shuffled ones of the training."""
        training = self.settings["training"]
        return labelled_dataset(
            self.cutouts,
            self.labels,
            self.stretch,
            training["batch_size"],
            seed=self.seed,
            rows=self.train if rows is None else rows,
            # The validation sees each image as it is, and in one order.
            augment=training["augment"] and shuffle,
            shift=training["shift"] if shuffle else 0,
            shuffle=shuffle,
        )

    def _before_checkpoint(self, name: str) -> list:
        return [self.keep]


def parts(
    labels, fraction: float, seed: int, groups=None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide objects into those to train on and those to validate with.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        0 or 1; both parts hold about the same share of each.
    fraction : float
        Share for the validation.
    seed : int
        Same seed, same parts.
    groups : ndarray of shape (n,), optional
        Objects of one group are never divided; the share is then one of groups.

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
    options = {"test_size": fraction, "random_state": seed}
    try:
        if groups is None:
            found = train_test_split(rows, stratify=labels, **options)
        else:
            found = next(GroupShuffleSplit(1, **options).split(rows, groups=groups))
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
    # A fixed name keeps Keras from counting up one, run after run.
    return getattr(stretches, STRETCHES[name])(name=name, **chosen)


def stretched(stretch, cutouts, out: np.ndarray | None = None) -> np.ndarray:
    """Stretch cutouts chunk by chunk, which needs little memory besides the result.

    The result is `out` where that is given; it may be the cutouts' own images.
    """
    if out is None:
        out = np.empty(cutouts.images.shape, np.float32)
    done = 0
    for chunk in cutouts.chunks(512):
        out[done : done + len(chunk)] = stretch(chunk.images)
        done += len(chunk)
    return out
