"""Real data: find companions and lenses among COSMOS galaxies, by command line.

    python examples/cosmos_outliers.py --data ../shared/data --out RUN --scale laptop

Real HST cutouts are divided into two halves of two quarters each. A detector is
trained on one half, calibrated on a quarter of the other and scores the last
quarter, so that each galaxy is scored once by a model that never saw it. Stages
whose result exists are skipped: an interrupted study goes on where it stopped.
"""

import argparse
import logging
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cosmos_inputs as inputs
import cosmos_page
import cosmos_pool
import cosmos_tries

from astroanomaly import cli
from astroanomaly.runs.config import dumps
from astroanomaly.utils.files import atomic_dir, atomic_path

LOG = logging.getLogger("cosmos")
LEVELS = ("90", "95")
READING = ("--size", str(inputs.SIZE), "--pixel-scale", str(inputs.SCALE))
MAGNITUDES = ("--magnitude", "21", "25.5")
RATIO_BINS = ("0.1", "0.25", "0.5", "1")
SNR_BINS = ("0", "10", "30", "100", "1000000")


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Parameters
    ----------
    folds : int
        2 scores every galaxy once, 1 those of one half.
    n_galaxies : int or None
        Galaxies used; None for all.
    per_object : int
        Composites for each galaxy.
    n_simulated : int
        Simulated galaxies of the try that adds them to one half.
    config : dict
        Tables of a run's config.toml.
    tries : dict of dict
        Changes of the config, each trained on one half to compare.
    one_process : bool
        Run the commands in this process, which loads TensorFlow once.
    """

    folds: int
    n_galaxies: int | None
    per_object: int
    n_simulated: int
    config: dict
    tries: dict
    one_process: bool = False


LAPTOP = {
    "model": {
        "width": 16,
        "latent_dim": 32,
        "kernel_size": 5,
        "n_critic": 3,
        "ema": 0.99,
    },
    "training": {"epochs": 200, "batch_size": 32, "learning_rate": 3e-4},
    "encoder": {"epochs": 150},
    "stretch": {"percentiles": [0, 99.9]},
    "detector": {"score": "peak", "smoothing": 2.0},
}
SMOKE = {
    "model": {"width": 4, "latent_dim": 8, "n_critic": 1, "ema": 0.9},
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
    "encoder": {"epochs": 2},
    "stretch": {"percentiles": [0, 99.9]},
    "detector": {"score": "peak", "smoothing": 2.0},
}
TRIES = {
    # A ninth of the epochs on eleven times the images: as many steps.
    "simulated": {
        "model": {"kernel_size": 4},
        "training": {"epochs": 18},
        "encoder": {"epochs": 18},
    },
    "latent_16": {"model": {"latent_dim": 16}},
    "longer": {"training": {"epochs": 400}, "encoder": {"epochs": 300}},
}
SCALES = {
    "laptop": Scale(2, None, 2, 1000, LAPTOP, TRIES),
    "smoke": Scale(1, 80, 1, 20, SMOKE, {}, one_process=True),
}


class Study:
    """The stages of the study, each done once.

    Parameters
    ----------
    data : Path
        The folder of real files.
    out : Path
        Where everything lies.
    name : {"laptop", "smoke"}
        How much is done.
    seed : int
        Seed of the division, the composites and the trainings.
    """

    def __init__(self, data: Path, out: Path, name: str, seed: int):
        self.data, self.out, self.name, self.seed = data, out, name, seed
        self.scale = SCALES[name]
        self.inputs = out / "inputs"
        self.quarters = [
            q for h in range(self.scale.folds) for q in cosmos_pool.tested_by(h)
        ]
        self.commands: list[str] = []

    def command(self, made: str | Path, *words, unseen=()) -> None:
        """Run one command of astroanomaly unless what it makes is there.

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
        words += map(str, unseen)
        if self.scale.one_process:
            if cli.main(words):
                raise RuntimeError(f"{line} failed.")
            return
        done = subprocess.run(
            [sys.executable, "-m", "astroanomaly", *words],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{line} failed: {done.stderr.strip()[-2000:]}")

    def prepare(self) -> None:
        """Write the inputs."""
        if not self.inputs.is_dir():
            LOG.info("writing quarters, composites and lenses")
            with atomic_dir(self.inputs) as partial:
                n, per_object = self.scale.n_galaxies, self.scale.per_object
                inputs.prepare(self.data, partial, self.seed, n, per_object)

    def mixed(self) -> Path:
        """Simulate galaxies and add them to the real ones of one half."""
        simulated, mixed = self.out / "simulated", self.out / "mixed_0"
        words = ["simulate", "galaxies", "--n", self.scale.n_simulated]
        words += ["--out", simulated, "--instrument", "acs_f814w", *MAGNITUDES]
        words += ["--size", inputs.FRAME, "--seed", self.seed]
        self.command("simulated/catalog.ecsv", *words, unseen=("--workers", 1))
        if not mixed.is_dir():
            with atomic_dir(mixed) as partial:
                inputs.mix(simulated, self.inputs / "half_0", partial)
        return mixed

    def train(self, name: str, cutouts: Path, changes: dict) -> Path:
        """Train a detector; a broken training goes on."""
        config = self.out / f"{name}.toml"
        tables = {t: {**keys} for t, keys in self.scale.config.items()}
        tables["training"]["augment"] = True
        for table, keys in changes.items():
            tables[table] = tables.get(table, {}) | keys
        with atomic_path(config) as partial:
            partial.write_text(dumps(tables), encoding="utf-8")
        words = ["train", cutouts, "--out", self.out / name, "--config", config]
        words += [*READING, "--seed", self.seed]
        resume = ["--resume"] if (self.out / name).exists() else []
        unseen = (*resume, "--workers", 1)
        self.command(f"{name}/detector", *words, unseen=unseen)
        return self.out / name

    def score(
        self, run: Path, calibrate_on: int, score_on: int, tag: str = "", method=()
    ) -> None:
        """Calibrate on one quarter and score another, and the lenses."""
        quarter = self.inputs / f"quarter_{calibrate_on}"
        tables = {
            "test": f"scores{tag}_{score_on}.ecsv",
            "lenses": f"lenses{tag}_{score_on}.ecsv",
        }
        mark = f"{tables['test']}.calibrated"
        if not all((self.out / name).exists() for name in tables.values()):
            # The run keeps one calibration: without the scores it is made again.
            (self.out / mark).unlink(missing_ok=True)
        words = ["calibrate", run, quarter, "--levels", *LEVELS, *method]
        self.command(mark, *words)
        (self.out / mark).touch()
        for kind, name in tables.items():
            path = self.inputs / f"{kind}_{score_on}"
            self.command(name, "score", run, path, "--out", self.out / name, *method)

    def run(self) -> None:
        """Do everything."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.prepare()
        for half in range(self.scale.folds):
            run = self.train(f"run_{half}", self.inputs / f"half_{half}", {})
            first, second = cosmos_pool.tested_by(half)
            self.score(run, first, second)
            self.report(run, second)
            self.score(run, second, first)
        cosmos_pool.pool(self.out, self.scale.folds, self.seed)
        self.evaluate()
        self.tries()
        cosmos_page.write(self)

    def report(self, run: Path, quarter: int) -> None:
        """Write the page of one quarter's strangest objects."""
        test = self.inputs / f"test_{quarter}"
        name = f"report_{quarter}.html"
        words = ["report", run, self.out / f"scores_{quarter}.ecsv", test]
        words += ["--out", self.out / name, "--labels", test / "catalog.ecsv"]
        self.command(name, *words, "--by", "flux_ratio", "--bins", *RATIO_BINS)

    def evaluate(self) -> None:
        """Compare the pooled scores with the truth, three times."""
        table = self.out / "pooled.ecsv"
        cases = {
            "results": ("labels.ecsv", "flux_ratio", RATIO_BINS),
            "results_snr": ("labels.ecsv", "companion_snr", SNR_BINS),
            "results_alone": ("labels_alone.ecsv", "companion_snr", SNR_BINS),
        }
        for name, (labels, by, bins) in cases.items():
            words = ["evaluate", table, self.out / labels, "--by", by, "--bins", *bins]
            self.command(f"{name}/evaluation.md", *words, "--out", self.out / name)

    def tries(self) -> None:
        """Score what else was tried, each by models of one half."""
        for name, changes in self.scale.tries.items():
            mixed = name == "simulated"
            cutouts = self.mixed() if mixed else self.inputs / "half_0"
            run = self.train(f"try_{name}", cutouts, changes)
            self.score(run, 2, 3, f"_{name}")
            self.score(run, 3, 2, f"_{name}")
        if self.scale.tries:
            for pair in ((2, 3), (3, 2)):
                method = ("--method", "refine")
                self.score(self.out / "run_0", *pair, "_refine", method)
            cosmos_tries.write(self.out, (*self.scale.tries, "refine"))


def main() -> None:
    """Read the command line and run the study."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    Study(chosen.data, chosen.out, chosen.scale, chosen.seed).run()


if __name__ == "__main__":
    main()
