"""Train the study's models and score its sets; every score lies in a table."""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table
from sklearn.ensemble import IsolationForest

from astroanomaly import baselines, runs
from astroanomaly._files import atomic_path
from astroanomaly._training import stretched
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.scoring import wasserstein_score
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

    def gan(self, name: str, config: dict, sets, n_searched: int) -> None:
        """Train a GAN and score some sets by each latent method.

        The slow searches see the first `n_searched` lenses of each set only.
        """
        run = self.train(name, config)
        for method in METHODS:
            if not self._missing(f"{name}_{method}", sets):
                continue
            n = None if method == "encoder" else n_searched
            detector = run.detector.use(method)
            detector.measure_noise(self.read(run, "calibration", n))
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

    def ceiling(self, width: int, epochs: int, like: str = "dcae") -> None:
        """Train the supervised network and score all sets by it."""
        if not self._missing("ceiling", self.tested):
            return
        LOG.info("training %s: the supervised ceiling", self.out.name)
        run = runs.load_run(self.out / like / "run")
        stretch = run.detector.stretch
        parts = [stretched(stretch, self.read(run, n)) for n in ("train", "labelled")]
        labels = np.repeat([0.0, 1.0], [len(part) for part in parts])
        images = np.concatenate(parts)
        network = Ceiling(images.shape[1:], width, epochs, self.seed)
        network.fit(images, labels)
        self._write(
            "ceiling",
            lambda c: Table({"supervised": network.score(stretched(stretch, c))}),
            run,
        )

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
    blocks = [rows for rows, _ in detector.score_blocks(cutouts)]
    table = Table()
    for column in blocks[0].colnames:
        if column.endswith("_score") and column != "anomaly_score":
            values = np.concatenate([np.asarray(rows[column]) for rows in blocks])
            table[column.removesuffix("_score")] = values
    parts = detector.explain(cutouts)
    table["wasserstein"] = wasserstein_score(parts["original"], parts["reconstruction"])
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
