"""Train the models and score the sets; every score lies in a table."""

import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table
from keras import layers
from sklearn.ensemble import IsolationForest

from astroanomaly import runs
from astroanomaly.data import Cutouts
from astroanomaly.detector import AnomalyDetector
from astroanomaly.scores import baseline_scores
from astroanomaly.utils import atomic_path
from studies.scoring import Components, every_score, stretched

LOG = logging.getLogger("deeplense")
# Chosen on planted lenses of another seed, before the test sets were scored.
DETECTOR = {"score": "orthogonal", "smoothing": 2.0}
PCA_COMPONENTS = (20, 60, 300)
# Of the principal components that a detector scores with.
N_COMPONENTS = 60


class Learner:
    """Everything that is trained and scored on one setting of the redshifts.

    Each method skips what its tables hold already.

    Parameters
    ----------
    out : Path
        Where runs and scores lie: `MODEL/run` and `scores/MODEL/SET.ecsv`.
    paths : dict of Path
        The sets: "train", "labelled", and those that are scored.
    seed : int
        Seed of everything random.
    """

    def __init__(self, out: Path, paths: dict[str, Path], seed: int):
        self.out, self.paths, self.seed = out, paths, seed
        self.tested = [name for name in paths if name not in ("train", "labelled")]

    def train(self, name: str, config: dict) -> runs.Run:
        """Train a model, resume its training, or open what is finished."""
        LOG.info("training %s: %s", self.out.name, name)
        out = self.out / name / "run"
        return runs.train(
            self.paths["train"],
            out,
            config,
            seed=self.seed,
            resume=(out / "config.toml").is_file(),
            progress=True,
        )

    def model(self, name: str, config: dict) -> None:
        """Train a model and score all sets by its detector."""
        run = self.train(name, config)
        self.write(name, lambda cutouts: every_score(run.detector, cutouts), run)

    def ensemble(self, members: list[str]) -> None:
        """Score all sets by the mean reconstruction of several trained models.

        Each image is also reconstructed after half a turn, which the lenses of the
        setting allow.
        """
        if not self.missing("ensemble"):
            return
        opened = [self.opened(name) for name in members]
        run = opened[0]
        detector = AnomalyDetector(
            Ensemble([one.detector.model for one in opened]),
            run.detector.stretch,
            views=2,
            seed=self.seed,
            **DETECTOR,
        )
        detector.measure_noise(self.read(run, "train"))
        self.write("ensemble", lambda cutouts: every_score(detector, cutouts), run)

    def gan(self, config: dict, sets: tuple[str, ...], n_searched: int) -> None:
        """Train a WGAN-GP and score some sets by each of its latent methods.

        The slow searches see the first `n_searched` lenses of each set only, the
        training set included.
        """
        run = self.train("wgan_gp", config)
        for method in ("encoder", "refine", "mapping"):
            if not self.missing(f"wgan_gp_{method}", sets):
                continue
            n = None if method == "encoder" else n_searched
            detector = run.detector.use(method)
            # Measured on calibration lenses, their own scores would be too low.
            detector.measure_noise(self.read(run, "train", n))
            self.write(
                f"wgan_gp_{method}",
                lambda cutouts, d=detector: every_score(d, cutouts),
                run,
                sets,
                n,
            )

    def baselines(self, like: str) -> None:
        """Score all sets without a network, stretched as in a model's run."""
        if not self.missing("baselines"):
            return
        run = self.opened(like)
        stretch = run.detector.stretch
        learned = stretched(stretch, self.read(run, "train"))
        read = {name: self.read(run, name) for name in self.tested}
        images = [stretched(stretch, cutouts) for cutouts in read.values()]
        most = min(PCA_COMPONENTS[-1], len(learned) // 2)
        found = baseline_scores(
            learned,
            np.concatenate(images),
            seed=self.seed,
            n_components=tuple(k for k in PCA_COMPONENTS if k <= most),
            n_forest_components=min(150, most),
        )
        edges = np.cumsum([0, *map(len, images)])
        for (name, cutouts), start, stop in zip(
            read.items(), edges[:-1], edges[1:], strict=True
        ):
            table = Table({key: values[start:stop] for key, values in found.items()})
            self.save("baselines", name, cutouts, table)

    def components(self, like: str) -> None:
        """Score all sets by a detector whose model is principal components."""
        if not self.missing("pca"):
            return
        run = self.opened(like)
        stretch, train = run.detector.stretch, self.read(run, "train")
        model = Components(stretched(stretch, train), N_COMPONENTS, self.seed)
        detector = AnomalyDetector(model, stretch, seed=self.seed, **DETECTOR)
        detector.measure_noise(train)
        self.write("pca", lambda cutouts: every_score(detector, cutouts), run)

    def forest(self, like: str) -> None:
        """Score all sets by an isolation forest on a model's latent vectors."""
        if not self.missing(f"{like}_forest"):
            return
        run = self.opened(like)
        features = run.detector.features
        forest = IsolationForest(random_state=self.seed)
        forest.fit(features(self.read(run, "train")))
        self.write(
            f"{like}_forest",
            lambda cutouts: Table({"forest": -forest.score_samples(features(cutouts))}),
            run,
        )

    def ceiling(self, name: str, width: int, epochs: int, like: str, residuals: bool):
        """Train a supervised network and score all sets by it.

        Parameters
        ----------
        name : str
            Name of its scores.
        width, epochs : int
            As `supervised` takes them.
        like : str
            The model whose run stretches the images.
        residuals : bool
            Whether the network also sees that model's weighted residuals.
        """
        if not self.missing(name):
            return
        LOG.info("training %s: %s", self.out.name, name)
        run = self.opened(like)

        def see(cutouts):
            if not residuals:
                return stretched(run.detector.stretch, cutouts)
            parts = run.detector.explain(cutouts)
            pair = parts["original"], parts["reconstruction"]
            return np.concatenate([pair[0], run.detector.noise.weighted(*pair)], -1)

        parts = [see(self.read(run, known)) for known in ("train", "labelled")]
        labels = np.repeat([0.0, 1.0], [len(part) for part in parts])
        network = supervised(np.concatenate(parts), labels, width, epochs, self.seed)

        def probability(cutouts):
            found = network.predict(see(cutouts), batch_size=64, verbose=0)
            return Table({"supervised": found[:, 0]})

        self.write(name, probability, run)

    def opened(self, name: str) -> runs.Run:
        """Return the finished run of a model."""
        return runs.load_run(self.out / name / "run")

    def read(self, run: runs.Run, name: str, n: int | None = None) -> Cutouts:
        """Read a set, or its first objects, as the training set was read."""
        return run.read(self.paths[name]).read()[:n]

    def missing(self, name: str, sets=None) -> bool:
        """Return whether a set was not scored by a model."""
        folder = self.out / "scores" / name
        known = self.tested if sets is None else sets
        return not all((folder / f"{one}.ecsv").is_file() for one in known)

    def write(self, name: str, make: Callable, run, sets=None, n=None) -> None:
        """Score sets unless all were scored; `make` returns a table for cutouts."""
        if not self.missing(name, sets):
            return
        for known in self.tested if sets is None else sets:
            LOG.info("scoring %s by %s", known, name)
            cutouts = self.read(run, known, n)
            self.save(name, known, cutouts, make(cutouts))

    def save(self, name: str, known: str, cutouts: Cutouts, table: Table) -> None:
        """Write the scores of a set, with its objects' names."""
        table.add_column(cutouts.table["object_id"], index=0)
        table.meta = {}
        with atomic_path(self.out / "scores" / name / f"{known}.ecsv") as partial:
            table.write(partial, format="ascii.ecsv")


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


def supervised(
    images: np.ndarray, labels: np.ndarray, width: int, epochs: int, seed: int
) -> keras.Model:
    """Train a small network to tell smooth lenses from those with substructure.

    Four convolutions of stride 2, global maxima and means, one dense layer; binary
    cross-entropy, Adam with a cosine decay.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Stretched images.
    labels : ndarray of shape (n,)
        1 with substructure, 0 without.
    width : int
        Filters of the first level.
    epochs : int
        Passes over the images.
    seed : int
        Seed of first weights, order and mirroring.

    Returns
    -------
    keras.Model
        Returns the probability of substructure, shape (n, 1).
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
