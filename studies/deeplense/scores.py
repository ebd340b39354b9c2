"""Train the models and score the sets; every score lies in a table."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table
from keras import layers

from astroanomaly import runs
from astroanomaly.data import Cutouts
from astroanomaly.detector import AnomalyDetector
from astroanomaly.scores import baseline_scores
from studies.scoring import Components, every_score, forest, stretched
from studies.study import save

LOG = logging.getLogger("deeplense")
# Chosen on planted lenses of another seed, before the test sets were scored.
DETECTOR = {"score": "orthogonal", "smoothing": 2.0}
PCA_COMPONENTS = (20, 60, 300)
METHODS = ("encoder", "refine", "mapping")
# Of the principal components that a detector scores with.
N_COMPONENTS = 60


class Learner:
    """Everything that is trained and scored on one setting of the redshifts.

    Runs lie in `out`/MODEL/run, scores in `out`/scores/MODEL/SET.ecsv; what is there is
    not made again. `paths` are the sets: "train", "labelled", and those scored.
    """

    def __init__(self, out: Path, paths: dict[str, Path], seed: int):
        self.out, self.paths, self.seed = out, paths, seed
        self.tested = [name for name in paths if name not in ("train", "labelled")]

    def train(self, name: str, config: dict) -> runs.Run:
        """Train a model, resume its training, or open what is finished."""
        LOG.info("training %s: %s", self.out.name, name)
        out = self.out / name / "run"
        resume = (out / "config.toml").is_file()
        options = {"seed": self.seed, "resume": resume, "progress": True}
        return runs.train(self.paths["train"], out, config, **options)

    def read(self, run: runs.Run, name: str, n: int | None = None) -> Cutouts:
        """Read a set, or its first objects, as the training set was read."""
        return run.read(self.paths[name]).read()[:n]

    def write(self, name: str, run, make: Callable, sets=None, n=None) -> None:
        """Score sets (all, or the first `n` objects of some), unless that is done.

        `run` says how they are read: a Run, or the model that has one. `make` takes it
        and returns what makes a table of scores from cutouts.
        """
        sets, folder = self.tested if sets is None else sets, self.out / "scores" / name
        if all((folder / f"{known}.ecsv").is_file() for known in sets):
            return
        LOG.info("scoring %s by %s", self.out.name, name)
        if isinstance(run, str):
            run = runs.load_run(self.out / run / "run")
        score = make(run)
        for known in sets:
            cutouts = self.read(run, known, n)
            table = score(cutouts)
            table.add_column(cutouts.table["object_id"], index=0)
            table.meta = {}
            save(table, folder / f"{known}.ecsv")

    def detector(self, model, run: runs.Run, **options) -> Callable:
        """Return what scores cutouts by a model and the stretch of a run."""
        stretch, options = run.detector.stretch, DETECTOR | options
        detector = AnomalyDetector(model, stretch, seed=self.seed, **options)
        detector.measure_noise(self.read(run, "train"))
        return partial(every_score, detector)

    def model(self, name: str, config: dict) -> None:
        """Train a model and score all sets by its detector."""
        run = self.train(name, config)
        self.write(name, run, lambda run: partial(every_score, run.detector))

    def ensemble(self, members: list[str]) -> None:
        """Score all sets by the mean reconstruction of several trained models."""

        def make(run):
            opened = [runs.load_run(self.out / name / "run") for name in members]
            models = [one.detector.model for one in opened]
            # Also reconstructed after half a turn, which the setting's lenses allow.
            return self.detector(Ensemble(models), run, views=2)

        self.write("ensemble", members[0], make)

    def gan(self, config: dict, sets: tuple[str, ...], n_searched: int) -> None:
        """Train a WGAN-GP and score some sets by each of its latent methods.

        The slow searches see the first `n_searched` lenses of each set only, the
        training set included.
        """
        run = self.train("wgan_gp", config)
        for method in METHODS:
            n = None if method == "encoder" else n_searched

            def make(run, method=method, n=n):
                detector = run.detector.use(method)
                # Measured on calibration lenses, their own scores would be too low.
                detector.measure_noise(self.read(run, "train", n))
                return partial(every_score, detector)

            self.write(f"wgan_gp_{method}", run, make, sets, n)

    def baselines(self, like: str) -> None:
        """Score all sets by brightness, principal components and a forest on them."""

        def make(run):
            train, *images = (
                stretched(run.detector.stretch, self.read(run, name))
                for name in ("train", *self.tested)
            )
            most = min(PCA_COMPONENTS[-1], len(train) // 2)
            found = baseline_scores(
                train,
                np.concatenate(images),
                seed=self.seed,
                n_components=tuple(k for k in PCA_COMPONENTS if k <= most),
                n_forest_components=min(150, most),
            )
            # One fit for all sets, which come in the same order again.
            edges = [0, *np.cumsum([len(one) for one in images])]
            places = (slice(*pair) for pair in pairwise(edges))

            def score(_):
                place = next(places)
                return Table({name: values[place] for name, values in found.items()})

            return score

        self.write("baselines", like, make)

    def components(self, like: str) -> None:
        """Score all sets by a detector whose model is principal components."""

        def make(run):
            images = stretched(run.detector.stretch, self.read(run, "train"))
            return self.detector(Components(images, N_COMPONENTS, self.seed), run)

        self.write("pca", like, make)

    def forest(self, like: str) -> None:
        """Score all sets by an isolation forest on a model's latent vectors."""

        def make(run):
            features = run.detector.features
            judge = forest(features(self.read(run, "train")), self.seed)
            return lambda cutouts: Table({"forest": judge(features(cutouts))})

        self.write(f"{like}_forest", like, make)

    def ceiling(self, name: str, width: int, epochs: int, like: str, residuals: bool):
        """Train a supervised network and score all sets by it.

        The images are stretched as for the model `like`; with `residuals` the network
        also sees that model's weighted residuals.
        """

        def see(run, cutouts):
            if not residuals:
                return stretched(run.detector.stretch, cutouts)
            parts = run.detector.explain(cutouts)
            pair = parts["original"], parts["reconstruction"]
            return np.concatenate([pair[0], run.detector.noise.weighted(*pair)], -1)

        def make(run):
            parts = [see(run, self.read(run, one)) for one in ("train", "labelled")]
            labels = np.repeat([0.0, 1.0], [len(part) for part in parts])
            images = np.concatenate(parts)
            network = supervised(images, labels, width, epochs, self.seed)

            def score(cutouts):
                chance = network.predict(see(run, cutouts), batch_size=64, verbose=0)
                return Table({"supervised": chance[:, 0]})

            return score

        self.write(name, like, make)


class Ensemble:
    """Several autoencoders of the same stretched images as one model."""

    def __init__(self, members: list):
        self.members = members
        self.image_shape = members[0].image_shape

    def reconstruct(self, images):
        """Return the mean reconstruction."""
        drawn = [member.reconstruct(images) for member in self.members]
        return sum(drawn) / len(drawn)

    def features(self, images):
        """Return the latent vectors of all members joined."""
        return np.concatenate([member.features(images) for member in self.members], 1)


def supervised(images, labels, width: int, epochs: int, seed: int) -> keras.Model:
    """Train a small network to tell smooth lenses (0) from others (1).

    Four convolutions of stride 2, `width` filters first; global maxima and means, one
    dense layer; binary cross-entropy, Adam with a cosine decay.
    """
    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input(images.shape[1:])
    for level in range(4):
        x = layers.Conv2D(width * 2**level, 5 if level == 0 else 3, 2, "same")(x)
        # The default of 0.99 lags behind: the trainings are short.
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    # A clump is one bright residual, which a mean over the frame would dilute.
    x = layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    )
    x = layers.Dense(64, activation="relu")(layers.Dropout(0.2, seed=0)(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))

    rng, batch_size = np.random.default_rng(seed), 64
    n_steps = max(len(images) // batch_size, 1) * epochs
    rate = keras.optimizers.schedules.CosineDecay(1e-3, n_steps)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(images) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            # Mirrored and turned by half a turn, which the setting's lenses allow.
            y, x = rng.choice([-1, 1]), rng.choice([-1, 1])
            model.train_on_batch(images[chosen][:, ::y, ::x], labels[chosen])
    return model
