"""The whole chain on a simulated survey, written as FITS and read back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from astroanomaly.runs.run import calibrate, train
from astroanomaly.utils.files import atomic_path, read_json
from astroanomaly.utils.installed import versions
from astroanomaly.utils.progress import Stages

# 99 per cent needs at least a hundred galaxies: `n_calibration` of each scale.
LEVELS = (90, 95, 99)
# Of companion to galaxy: minor mergers begin at 1:10.
FLUX_RATIO = (0.1, 1.0)
# 1:4 parts minor from major mergers.
BINS = (0.1, 0.25, 0.5, 1.0)
# The mark is written first, the summary last.
_SUMMARY, _MARK = "summary.json", "quickstart.json"
# Simulate, train, calibrate, score, evaluate, draw.
_N_STAGES = 6


def _table(**values):
    return field(default_factory=lambda: dict(values))


@dataclass(frozen=True)
class Settings:
    """What a quickstart simulates and how it trains.

    Parameters
    ----------
    minutes : float
        About how long it takes on two CPU cores.
    n_train, n_calibration : int
        Isolated galaxies to train on, and others to calibrate with.
    n_isolated, n_companions : int
        Test galaxies without and with a companion.
    size : int
        Side of a cutout in pixels.
    model, training, encoder, stretch, detector : dict
        Tables of a run's ``config.toml``.
    instrument : str
        Preset of the simulation.
    """

    minutes: float = 8
    n_train: int = 3000
    n_calibration: int = 1000
    n_isolated: int = 600
    n_companions: int = 600
    size: int = 64
    instrument: str = "wfc3_f160w"
    model: Mapping = _table(
        width=16, kernel_size=5, latent_dim=64, n_critic=2, ema=0.99
    )
    training: Mapping = _table(
        epochs=38, batch_size=32, learning_rate=3e-4, augment=True
    )
    encoder: Mapping = _table(epochs=16, learning_rate=1e-3)
    stretch: Mapping = _table(name="asinh")
    detector: Mapping = _table(score="peak", smoothing=3.0, views=8)

    @property
    def n(self) -> int:
        """All cutouts."""
        return self.n_train + self.n_calibration + self.n_isolated + self.n_companions


SCALES = {
    "standard": Settings(),
    "smoke": Settings(
        minutes=1.5,
        n_train=256,
        n_calibration=120,
        n_isolated=60,
        n_companions=60,
        size=32,
        model={"width": 8, "latent_dim": 16, "n_critic": 2, "ema": 0.9},
        training={
            "epochs": 20,
            "batch_size": 16,
            "learning_rate": 1e-3,
            "augment": True,
        },
        encoder={"epochs": 12, "learning_rate": 2e-3},
    ),
}


@dataclass(frozen=True)
class Result:
    """What a quickstart found.

    Attributes
    ----------
    folder : Path
        Where everything lies.
    table : ScoreTable
        The scores of the test galaxies, strangest first.
    evaluation : Evaluation
        AUC and rates, by flux ratio too, beside the baselines.
    detector : AnomalyDetector
        The calibrated detector.
    seconds : dict of float
        From stage to wall-clock time.
    """

    folder: Path
    table: object
    evaluation: object
    detector: object
    seconds: dict


def quickstart(
    out: str | Path = "quickstart",
    seed: int = 0,
    scale: str | Settings = "standard",
    progress: bool = False,
    n_workers: int | None = None,
    resume: bool = False,
) -> Result:
    """Run the whole chain on a simulated survey with known anomalies.

    Isolated galaxies are simulated, written as FITS, read back and learned; others
    calibrate thresholds at 90, 95 and 99 per cent; a test set of isolated galaxies
    and of galaxies with a companion (flux ratio 0.1 to 1) is scored, evaluated
    beside three baselines, and shown in figures and a report.

    Parameters
    ----------
    out : str or Path, optional
        A new folder.
    seed : int, optional
        Seed of everything: same seed, same survey and same scores.
    scale : {"standard", "smoke"} or Settings, optional
        "standard" takes 8 to 10 minutes on two CPU cores; "smoke" about one and
        shows that everything works, not how well.
    progress : bool, optional
        Announce stages and show bars with the time left.
    n_workers : int, optional
        Processes that simulate, write and read.
    resume : bool, optional
        Resume the interrupted quickstart in `out`, of the same seed and scale; the
        result is identical to an uninterrupted one.

    Returns
    -------
    Result
        Scores, evaluation, detector, times; all of it lies in `out` too.

    Raises
    ------
    ValueError
        If `out` holds something already (without `resume`), or a quickstart of
        another seed or scale, or `scale` is unknown.
    ImportError
        If GalSim is missing.

    Examples
    --------
    >>> result = quickstart("quickstart", scale="smoke")
    >>> sentence = result.evaluation.winner
    """
    if not isinstance(scale, Settings) and scale not in SCALES:
        raise ValueError(
            f"`scale` must be one of {', '.join(SCALES)}. Received: {scale}"
        )
    settings = scale if isinstance(scale, Settings) else SCALES[scale]
    folder, mark = Path(out), Path(out) / _MARK
    # As JSON gives it back, where tuples are lists.
    record = json.loads(json.dumps({"seed": int(seed), "settings": asdict(settings)}))
    if resume and mark.is_file():
        if read_json(mark) != record:
            raise ValueError(
                f"`resume` needs the seed and the scale with which {folder} was begun. "
                f"Received: others than {mark} holds."
            )
    elif folder.is_dir() and any(path.name[0] != "." for path in folder.iterdir()):
        what = "files already"
        if mark.is_file():
            what = "an earlier quickstart; resume it by `resume` (--resume)"
        raise ValueError(
            f"{folder} must be a new folder. Received: one that holds {what}, or "
            "choose another by `out` (--out)."
        )
    folder.mkdir(parents=True, exist_ok=True)
    stages = Stages(_N_STAGES, progress)
    megabytes = settings.n * (settings.size**2 * 4 + 5760) / 1e6 + 30
    stages.say(
        f"Quickstart: {settings.n} simulated galaxies, about {settings.minutes:g} "
        f"minutes on 2 CPU cores, {megabytes:.0f} MB in {folder}."
    )
    with atomic_path(mark) as partial:
        partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
    chain = _Chain(folder, settings, int(seed), stages, progress, n_workers, resume)
    chain.simulate()
    chain.train()
    table = chain.score()
    evaluation = chain.evaluate(table)
    chain.draw(table, evaluation)
    chain.write_summary(evaluation)
    return Result(folder, table, evaluation, chain.run.detector, stages.seconds)


class _Chain:
    """The steps of a quickstart, each the call that a user would make."""

    def __init__(self, folder, settings, seed, stages, progress, n_workers, resume):
        self.folder, self.settings, self.seed = folder, settings, seed
        self.stages, self.progress, self.n_workers = stages, progress, n_workers
        self.cutouts, self.resume = folder / "cutouts", resume

    def simulate(self) -> None:
        """Simulate and write the three sets, each with random numbers of its own."""
        from astroanomaly import simulate
        from astroanomaly.data.cutouts import concatenate
        from astroanomaly.data.write import write_cutouts

        sets = self.settings
        with self.stages.stage(f"Simulating {sets.n} galaxies, writing FITS"):
            seeds = np.random.SeedSequence(self.seed).generate_state(4)
            plan = {
                "train": [("train", sets.n_train, 0.0)],
                "calibration": [("calibration", sets.n_calibration, 0.0)],
                "test": [
                    ("isolated", sets.n_isolated, 0.0),
                    ("companion", sets.n_companions, 1.0),
                ],
            }
            seeds = iter(seeds.tolist())
            for name, parts in plan.items():
                own = [next(seeds) for _ in parts]
                # The catalog is written last: it says that a set is whole.
                if self.resume and (self.cutouts / name / "catalog.ecsv").is_file():
                    continue
                drawn = []
                for (prefix, n, fraction), seed in zip(parts, own, strict=True):
                    galaxies = simulate.galaxies(
                        n,
                        instrument=sets.instrument,
                        size=sets.size,
                        companion_fraction=fraction,
                        flux_ratio=FLUX_RATIO,
                        seed=seed,
                        n_workers=self.n_workers,
                        progress=self.progress,
                    )
                    ids = [f"{prefix}_{i:05d}" for i in range(n)]
                    galaxies.table["object_id"] = ids
                    drawn.append(galaxies)
                cutouts = drawn[0] if len(drawn) == 1 else concatenate(drawn)
                write_cutouts(
                    self.cutouts / name,
                    cutouts,
                    overwrite=self.resume,
                    n_workers=self.n_workers,
                )

    def train(self) -> None:
        """Train, then calibrate on galaxies that the training did not see."""
        sets = self.settings
        config = {
            name: dict(getattr(sets, name))
            for name in ("model", "training", "encoder", "stretch", "detector")
        }
        with self.stages.stage("Reading the training set, training GAN and encoder"):
            train(
                self.cutouts / "train",
                self.folder / "run",
                config,
                size=sets.size,
                seed=self.seed,
                resume=self.resume,
                progress=self.progress,
                n_workers=self.n_workers,
            )
        with self.stages.stage(f"Calibrating on {sets.n_calibration} other galaxies"):
            self.run = calibrate(
                self.folder / "run",
                self.cutouts / "calibration",
                LEVELS,
                n_workers=self.n_workers,
            )

    def score(self):
        """Score the test set into a table."""
        from astroanomaly.runs import survey

        n = self.settings.n_isolated + self.settings.n_companions
        with self.stages.stage(f"Scoring {n} test galaxies"):
            stream = self.run.read(self.cutouts / "test", n_workers=self.n_workers)
            table = survey.score_survey(
                self.run.detector,
                stream,
                self.folder / "scores.ecsv",
                resume=self.resume,
                progress=self.progress,
                # Its figures compare them.
                scores="all",
            )
            self.test = stream.read()
        return table

    def evaluate(self, table):
        """Compare with the truth and with the baselines, on the same images."""
        from astroanomaly import evaluation
        from astroanomaly.runs.training import stretched

        with self.stages.stage("Evaluating with the baselines"):
            train = self.run.read(self.cutouts / "train", n_workers=self.n_workers)
            stretch = self.run.detector.stretch
            self.baselines = evaluation.baseline_scores(
                stretched(stretch, train.read()),
                stretched(stretch, self.test),
                seed=self.seed,
            )
            found = evaluation.evaluate(
                table,
                self.test.table,
                by="flux_ratio",
                bins=BINS,
                baselines={"object_id": self.test.object_ids, **self.baselines},
                seed=self.seed,
            )
            found.write(self.folder / "results")
        return found

    def draw(self, table, found) -> None:
        """Draw the figures and write the report."""
        from astroanomaly import report

        with self.stages.stage("Drawing figures, writing the report"):
            for name, figure in self._figures(table, found):
                with atomic_path(self.folder / "figures" / f"{name}.png") as partial:
                    figure.savefig(partial)
            labelled = table.copy()
            rows = _rows(self.test.object_ids, table["object_id"])
            truth = np.asarray(self.test.table["is_anomaly"], bool)
            labelled["is_anomaly"] = truth[rows]
            report.write(
                self.folder / "report.html",
                self.run.detector,
                self.test,
                labelled,
                evaluation=found,
                history=self.folder / "run" / "history.csv",
                title="Quickstart: galaxies with companions",
            )

    def _figures(self, table, found):
        from astroanomaly import plots

        detector, test = self.run.detector, self.test
        rows = _rows(table["object_id"], test.object_ids)
        truth = np.asarray(test.table["is_anomaly"], bool)
        scores = {
            name: np.asarray(table[name])[rows]
            for name in ("peak_score", "total_score", "residual_score", "feature_score")
        }
        yield "gallery", plots.gallery(test, table, n=24)
        yield "reconstructions", plots.reconstructions(test, table, 12, detector)
        yield (
            "score_histogram",
            plots.score_histogram(table, detector.calibration, labels=test.table),
        )
        yield "roc", plots.roc(truth, {**scores, **self.baselines})
        yield (
            "feature_map",
            plots.feature_map(detector.features(test), labels=truth, seed=self.seed),
        )
        history = self.folder / "run" / "history.csv"
        yield "training_curves", plots.training_curves(history)
        yield "areas", plots.areas(found)
        yield "detection_by_flux_ratio", plots.detection_by(found)

    def write_summary(self, found) -> None:
        """Write the numbers of the run as JSON."""
        calibration = self.run.detector.calibration
        summary = {
            "winner": found.winner,
            "auc": {row["score"]: float(row["auc"]) for row in found.auc},
            "thresholds": {f"{k:g}": v for k, v in calibration.thresholds.items()},
            "rule": calibration.rule,
            "status": "trained" if self.run.detector.trained else "not trained",
            "reconstruction": self.run.detector.reconstruction,
            "seconds": self.stages.seconds,
            "seed": self.seed,
            "settings": asdict(self.settings),
            "versions": versions(),
        }
        with atomic_path(self.folder / _SUMMARY) as partial:
            partial.write_text(json.dumps(summary, indent=1), encoding="utf-8")


def _rows(ids, wanted) -> list[int]:
    place = {str(name): row for row, name in enumerate(ids)}
    return [place[str(name)] for name in wanted]
