"""Find companions and lenses among real COSMOS galaxies, by the command line.

    python -m studies.cosmos --out RUN --scale laptop --data ../shared/data

Real HST cutouts are divided into two halves of two quarters each. A detector is
trained on one half, calibrated on a quarter of the other and scores the last
quarter, so that each galaxy is scored once by a model that never saw it. Stages whose
result exists are skipped: repeat the command to resume an interrupted study.
"""

import logging
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from astroanomaly import cli
from astroanomaly.utils import atomic_dir
from studies import study
from studies.cosmos import figures, sets, tables

LOG = logging.getLogger("cosmos")
HERE = Path(__file__).parent
LEVELS = ("90", "95")  # 50 calibration galaxies are too few for level 99.
READING = ("--size", sets.SIZE, "--pixel-scale", sets.SCALE)
RATIO_BINS = ("0.1", "0.25", "0.5", "1")
SNR_BINS = ("0", "10", "30", "100", "1000000")
LARGEST = 250_000  # bytes of a figure: the panel of all lenses needs more than most


@dataclass(frozen=True)
class Scale:
    """How much a study does; each config is a file NAME.toml next to this one."""

    minutes: dict[str, float]
    config: str
    folds: int = 2  # 2 score every galaxy once, 1 those of one half
    n_galaxies: int | None = None  # all
    per_object: int = 2  # composites for each galaxy
    n_simulated: int = 1000  # galaxies that the try "simulated" adds to one half
    tries: tuple[str, ...] = ()  # configs trained on one half to compare


STAGES = ("inputs", "train", "pool", "evaluate", "tries", "tables")
# Minutes are estimates: the run of the results page was not timed stage by stage.
SCALES = {
    "smoke": Scale(dict.fromkeys(STAGES, 0.1), "smoke", 1, 80, 1),
    "laptop": Scale(
        dict(zip(STAGES, (1, 30, 1, 1, 60, 2), strict=True)),
        "laptop",
        tries=("simulated", "latent_16", "longer"),
    ),
}


class Study(study.Study):
    """The stages of the study; `data` is the folder of real files."""

    name, page, scales = "cosmos", "cosmos_acs", SCALES
    data = Path("../shared/data")
    more = {"--data": {"type": Path, "help": "folder of real files"}}

    def __init__(self, out: Path, scale_name: str, seed: int, **more):
        super().__init__(out, scale_name, seed, **more)
        self.inputs, self.commands = self.out / "inputs", []
        # Only the try "simulated" simulates.
        self.needs = (("galsim", "sim"),) if self.scale.tries else ()
        self.tags = (*self.scale.tries, "refine") if self.scale.tries else ()

    def stages(self):
        """Return the stages by name."""
        steps = (self.prepare, self.train_all, self.pool)
        steps += (self.evaluate, self.tries, self.write)
        return dict(zip(STAGES, steps, strict=True))

    def command(self, made: str, *words, unseen=()) -> None:
        """Run one command of astroanomaly unless what it makes exists.

        The words of `unseen` change nothing in the result and are not recorded.
        """
        words = [str(word) for word in words]
        shown = [word.removeprefix(f"{self.out}/") for word in words]
        line = "astroanomaly " + shlex.join(shown)
        self.commands.append(line)
        if (self.out / made).exists():
            LOG.info("done before: %s", line)
            return
        LOG.info("%s", line)
        if cli.main([*words, *map(str, unseen)]):
            raise RuntimeError(f"{line} failed.")

    def prepare(self) -> None:
        """Write the inputs."""
        if not self.inputs.is_dir():
            with atomic_dir(self.inputs) as partial:
                n, per_object = self.scale.n_galaxies, self.scale.per_object
                sets.prepare(self.data, partial, self.seed, n, per_object)

    def train_all(self) -> None:
        """Train a model on each half, and score the quarters that it never saw."""
        self.commands.clear()
        for half in range(self.scale.folds):
            cutouts = self.inputs / f"half_{half}"
            run = self.train(f"run_{half}", cutouts, self.scale.config)
            first, second = tables.tested_by(half)
            self.score(run, first, second)
            test, name = self.inputs / f"test_{second}", f"report_{second}.html"
            words = ["report", run, self.out / f"scores_{second}.ecsv", test]
            words += ["--out", self.out / name, "--labels", test / "catalog.ecsv"]
            self.command(name, *words, "--by", "flux_ratio", "--bins", *RATIO_BINS)
            self.score(run, second, first)

    def train(self, name: str, cutouts: Path, config: str) -> Path:
        """Train a detector, or resume its training."""
        place = self.out / f"{name}.toml"
        shutil.copy(HERE / f"{config}.toml", place)
        words = ["train", cutouts, "--out", self.out / name, "--config", place]
        words += [*READING, "--seed", self.seed]
        resume = ["--resume"] if (self.out / name).exists() else []
        self.command(f"{name}/detector", *words, unseen=(*resume, "--workers", 1))
        return self.out / name

    def score(self, run: Path, calibrate_on, score_on, tag="", method=()) -> None:
        """Calibrate on one quarter and score another, and the lenses."""
        quarter = self.inputs / f"quarter_{calibrate_on}"
        made = {k: f"{v}{tag}_{score_on}.ecsv" for k, v in tables.KINDS.items()}
        mark = f"{made['test']}.calibrated"
        if not all((self.out / name).exists() for name in made.values()):
            # The run keeps one calibration: without the scores it is made again.
            (self.out / mark).unlink(missing_ok=True)
        self.command(mark, "calibrate", run, quarter, "--levels", *LEVELS, *method)
        (self.out / mark).touch()
        for kind, name in made.items():
            path = self.inputs / f"{kind}_{score_on}"
            words = ("--out", self.out / name, "--scores", "all", *method)
            self.command(name, "score", run, path, *words)

    def pool(self) -> None:
        """Join the scores of all quarters."""
        if not (self.out / "pooled.ecsv").exists():
            tables.pool(self.out, self.scale.folds, self.seed)

    def evaluate(self) -> None:
        """Compare the pooled scores with the truth, three times."""
        for name, labels, by, bins in (
            ("results", "labels.ecsv", "flux_ratio", RATIO_BINS),
            ("results_snr", "labels.ecsv", "companion_snr", SNR_BINS),
            ("results_alone", "labels_alone.ecsv", "companion_snr", SNR_BINS),
        ):
            words = ["evaluate", self.out / "pooled.ecsv", self.out / labels]
            words += ["--by", by, "--bins", *bins, "--out", self.out / name]
            self.command(f"{name}/evaluation.md", *words)

    def tries(self) -> None:
        """Score what else was tried, each by models of one half."""
        for name in self.scale.tries:
            simulated = name == "simulated"
            cutouts = self.mixed() if simulated else self.inputs / "half_0"
            run = self.train(f"try_{name}", cutouts, name)
            self.score(run, 2, 3, f"_{name}")
            self.score(run, 3, 2, f"_{name}")
        if self.scale.tries:
            for pair in ((2, 3), (3, 2)):
                method = ("--method", "refine")
                self.score(self.out / "run_0", *pair, "_refine", method)

    def mixed(self) -> Path:
        """Simulate galaxies and add them to the real ones of one half."""
        simulated, mixed = self.out / "simulated", self.out / "mixed_0"
        words = ["simulate", "galaxies", "--n", self.scale.n_simulated]
        words += ["--out", simulated, "--instrument", "acs_f814w"]
        # The magnitudes of the survey's galaxies.
        words += ["--magnitude", "21", "25.5", "--size", sets.FRAME]
        words += ["--seed", self.seed]
        self.command("simulated/catalog.ecsv", *words, unseen=("--workers", 1))
        if not mixed.is_dir():
            with atomic_dir(mixed) as partial:
                sets.mix(simulated, self.inputs / "half_0", partial)
        return mixed

    def write(self) -> None:
        """Write the tables and figures of the page."""
        made = tables.every(self.out, self.tags, self.commands)
        study.save_tables(self.out / "tables", made)
        study.save_figures(self.out / "figures", figures.every(self.out), LARGEST)
        self.record()


if __name__ == "__main__":
    Study.main()
