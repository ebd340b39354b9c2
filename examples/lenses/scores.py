"""Train the study's models and score its sets; every score lies in a table."""

import logging
from copy import copy
from pathlib import Path

import numpy as np
from astropy.table import Table
from components import Components
from sklearn.ensemble import IsolationForest

from astroanomaly import runs
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import AnomalyDetector
from astroanomaly.runs.training import stretched
from astroanomaly.scores import baselines
from astroanomaly.utils.files import atomic_path
from lenses.ceiling import Ceiling

LOG = logging.getLogger("deeplense")
PCA_COMPONENTS = (20, 60, 300)
METHODS = ("encoder", "refine", "mapping")


class Learner:
    """Everything that is trained and scored on one setting of the redshifts.

    Parameters
    ----------
    out : Path
        Where runs and scores lie: `<model>/run` and `scores/<model>/<set>.ecsv`.
    paths : dict of str to Path
        The sets: "train", "labelled", and those that are scored.
    seed : int
        Seed of everything.
    """

    def __init__(self, out: Path, paths: dict[str, Path], seed: int):
        self.out, self.paths, self.seed = out, paths, seed
        self.tested = [name for name in paths if name not in ("train", "labelled")]

    def train(self, name: str, config: dict) -> runs.Run:
        """Train a model, or go on with one, or open what is finished."""
        LOG.info("training %s: %s", self.out.name, name)
        out = self.out / name / "run"
        resume = (out / "config.toml").is_file()
        return runs.train(
            self.paths["train"],
            out,
            config,
            seed=self.seed,
            resume=resume,
            progress=True,
        )

    def model(self, name: str, config: dict) -> None:
        """Train a model and score all sets by it."""
        run = self.train(name, config)
        if self._missing(name, self.tested):
            self._write(name, lambda cutouts: score(run.detector, cutouts), run)

    def ensemble(self, members: tuple[str, ...], detector: dict) -> None:
        """Score all sets by the mean reconstruction of several trained models.

        Each image is also reconstructed after half a turn, which the lenses of the
        setting allow.
        """
        if not self._missing("ensemble", self.tested):
            return
        opened = [runs.load_run(self.out / name / "run") for name in members]
        run = opened[0]
        together = AnomalyDetector(
            Ensemble([one.detector.model for one in opened]),
            run.detector.stretch,
            views=2,
            seed=self.seed,
            **detector,
        )
        together.measure_noise(self.read(run, "train"))
        self._write("ensemble", lambda cutouts: score(together, cutouts), run)

    def gan(self, name: str, config: dict, sets, n_searched: int) -> None:
        """Train a GAN and score some sets by each latent method.

        The slow searches see the first `n_searched` lenses of each set only, the
        training set included.
        """
        run = self.train(name, config)
        for method in METHODS:
            if not self._missing(f"{name}_{method}", sets):
                continue
            n = None if method == "encoder" else n_searched
            detector = run.detector.use(method)
            # On calibration lenses it would make their own scores too low.
            detector.measure_noise(self.read(run, "train", n))
            self._write(
                f"{name}_{method}", lambda c, d=detector: score(d, c), run, sets, n
            )

    def baselines(self, like: str) -> None:
        """Score all sets without a network, stretched as a model's run did it."""
        if not self._missing("baselines", self.tested):
            return
        run = runs.load_run(self.out / like / "run")
        stretch = run.detector.stretch
        learned = stretched(stretch, self.read(run, "train"))
        read = {n: self.read(run, n) for n in self.tested}
        images = {n: stretched(stretch, cutouts) for n, cutouts in read.items()}
        found = _baselines(learned, images, self.seed)
        for name, table in found.items():
            table.add_column(read[name].table["object_id"], index=0)
            self._save("baselines", name, table)

    def components(self, n: int, like: str, detector: dict) -> None:
        """Score all sets by every score, with principal components as the model."""
        if not self._missing("pca", self.tested):
            return
        run = runs.load_run(self.out / like / "run")
        stretch, train = run.detector.stretch, self.read(run, "train")
        linear = Components(stretched(stretch, train), n, self.seed)
        by = AnomalyDetector(linear, stretch, seed=self.seed, **detector)
        by.measure_noise(train)
        self._write("pca", lambda cutouts: score(by, cutouts), run)

    def forest(self, like: str) -> None:
        """Score all sets by an isolation forest on a model's latent vectors."""
        if not self._missing(f"{like}_forest", self.tested):
            return
        run = runs.load_run(self.out / like / "run")
        forest = IsolationForest(random_state=self.seed)
        forest.fit(run.detector.features(self.read(run, "train")))

        def make(cutouts):
            features = run.detector.features(cutouts)
            return Table({"forest": -forest.score_samples(features)})

        self._write(f"{like}_forest", make, run)

    def ceiling(self, name: str, width: int, epochs: int, like: str, residuals: bool):
        """Train a supervised network and score all sets by it.

        Parameters
        ----------
        name : str
            The name of its scores.
        width, epochs : int
            As `Ceiling` takes them.
        like : str
            The model whose run stretches the images.
        residuals : bool
            Whether it sees the weighted residuals of that model beside the images.
        """
        if not self._missing(name, self.tested):
            return
        LOG.info("training %s: %s", self.out.name, name)
        run = runs.load_run(self.out / like / "run")

        def see(cutouts):
            if not residuals:
                return stretched(run.detector.stretch, cutouts)
            parts = run.detector.explain(cutouts)
            pair = parts["original"], parts["reconstruction"]
            return np.concatenate([pair[0], run.detector.noise.weighted(*pair)], -1)

        parts = [see(self.read(run, known)) for known in ("train", "labelled")]
        labels = np.repeat([0.0, 1.0], [len(part) for part in parts])
        images = np.concatenate(parts)
        network = Ceiling(images.shape[1:], width, epochs, self.seed)
        network.fit(images, labels)
        self._write(name, lambda c: Table({"supervised": network.score(see(c))}), run)

    def read(self, run: runs.Run, name: str, n: int | None = None) -> Cutouts:
        """Read a set, or its first objects, as the training set was read."""
        cutouts = run.read(self.paths[name]).read()
        return cutouts if n is None else cutouts[:n]

    def _missing(self, name: str, sets) -> bool:
        folder = self.out / "scores" / name
        return not all((folder / f"{known}.ecsv").is_file() for known in sets)

    def _write(self, name: str, make, run, sets=None, n=None) -> None:
        for known in self.tested if sets is None else sets:
            LOG.info("scoring %s by %s", known, name)
            cutouts = self.read(run, known, n)
            table = make(cutouts)
            table.add_column(cutouts.table["object_id"], index=0)
            self._save(name, known, table)

    def _save(self, name: str, known: str, table: Table) -> None:
        path = self.out / "scores" / name / f"{known}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.meta = {}
        with atomic_path(path) as partial:
            table.write(partial, format="ascii.ecsv")


class Ensemble:
    """Several autoencoders as one model: the mean of what they draw.

    Parameters
    ----------
    members : list of keras.Model
        Trained on the same stretched images.
    """

    def __init__(self, members: list):
        self.members = members
        self.image_shape = members[0].image_shape

    def reconstruct(self, images):
        """Return the mean reconstruction."""
        drawn = [member.reconstruct(images) for member in self.members]
        return sum(drawn) / len(drawn)

    def features(self, images):
        """Return the latent vectors of all members side by side."""
        return np.concatenate([member.features(images) for member in self.members], 1)


def score(detector, cutouts: Cutouts) -> Table:
    """Score a set by every score of a detector.

    Parameters
    ----------
    detector : AnomalyDetector
        Its residual noise measured.
    cutouts : Cutouts
        The set.

    Returns
    -------
    Table
        `mse`, `wasserstein`, `whitened`, `orthogonal` and the others, in the set's
        order.
    """
    # The Wasserstein score is there only where it ranks.
    every = copy(detector)
    every.score_name = "wasserstein"
    blocks = [rows for rows, _ in every.score_blocks(cutouts)]
    table = Table()
    for column in blocks[0].colnames:
        if column.endswith("_score") and column != "anomaly_score":
            values = np.concatenate([np.asarray(rows[column]) for rows in blocks])
            table[column.removesuffix("_score")] = values
    return table


def _baselines(learned: np.ndarray, images: dict, seed: int) -> dict[str, Table]:
    """Score sets by brightness, principal components and a forest on them."""
    most = min(PCA_COMPONENTS[-1], len(learned) // 2)
    found = baselines.baseline_scores(
        learned,
        np.concatenate(list(images.values())),
        seed=seed,
        n_components=tuple(k for k in PCA_COMPONENTS if k <= most),
        n_forest_components=min(150, most),
    )
    edges = np.cumsum([0, *map(len, images.values())])
    return {
        name: Table({k: v[edges[i] : edges[i + 1]] for k, v in found.items()})
        for i, name in enumerate(images)
    }
