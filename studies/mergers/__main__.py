"""Galaxy mergers as outliers: the three applications of the paper.

    python -m studies.mergers --out RUN --scale laptop --seed 0

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346) trained a WGAN-GP on isolated
galaxies of a simulation and found mergers as outliers: those with a companion in the
frame, subtly disturbed ones, and, after training on all galaxies, real ones that the
simulation lacks. This study repeats the protocol on mocks that anyone can make.
To resume an interrupted study, repeat the command.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from astroanomaly import runs, simulate
from astroanomaly.simulate.cameras import instruments
from studies import study
from studies.mergers import figures, sets, tables, tries

LOG = logging.getLogger("mergers")
# The mocks and their variants share a seed: the same
# galaxies, drawn again. Survey sets also use the next seed, for their merging pairs.
SEEDS = {"train": 1, "calibration": 2, "isolated": 3, "mergers": 4, "f160w_train": 11}
SEEDS |= dict.fromkeys(("f160w_mocks", "f160w_white", "f160w_plain"), 21)
SEEDS |= {"f814w_train": 41, "f814w_mocks": 51}
# The brightness of the real cutouts: COSMOS's are faint survey objects.
FAINT = (21.0, 25.5)
# Galaxies and their reconstructions need more bytes than curves do.
LARGEST = 250_000


@dataclass(frozen=True)
class Scale:
    """How much a study does."""

    minutes: dict  # of each stage, about
    n: tuple  # objects of each set in SEEDS; pairs for "mergers", nine cutouts each
    n_morphology: int  # training objects whose morphology is measured
    model: dict
    training: dict
    encoder: dict
    survey_epochs: tuple  # of GAN and encoder of application 3
    real: bool = True


MODEL = {"width": 16, "kernel_size": 5, "latent_dim": 64, "n_critic": 2, "ema": 0.99}
TRAINING = {"epochs": 80, "batch_size": 32, "learning_rate": 3e-4, "augment": True}
SCALES = {
    "smoke": Scale(
        minutes={"mergers": 2, "f160w": 1.5, "tries": 1, "results": 1},
        n=(160, 80, 60, 10, 160, 60, 40, 40, 160, 60),
        n_morphology=60,
        model=MODEL | {"width": 4, "latent_dim": 8, "ema": 0.9},
        training=TRAINING | {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
        encoder={"epochs": 2, "learning_rate": 1e-3},
        survey_epochs=(2, 2),
        real=False,
    ),
    "laptop": Scale(
        minutes={"mergers": 36, "f160w": 10, "f814w": 10, "tries": 7, "results": 1},
        n=(5000, 1500, 1500, 300, 4000, 1200, 600, 600, 4000, 1200),
        n_morphology=2500,
        model=MODEL,
        training=TRAINING,
        encoder={"epochs": 16, "learning_rate": 1e-3},
        survey_epochs=(30, 12),
    ),
    "full": Scale(
        minutes={"mergers": 600, "f160w": 400, "f814w": 400}
        | {"tries": 60, "results": 20},
        n=(20000, 5000, 5000, 2000, 20000, 5000, 3000, 3000, 20000, 5000),
        n_morphology=10000,
        model=MODEL | {"width": 32, "latent_dim": 128},
        training=TRAINING | {"epochs": 100},
        encoder={"epochs": 30, "learning_rate": 1e-3},
        survey_epochs=(100, 30),
    ),
}


class Study(study.Study):
    """The stages of the study; `data` is the folder of the real cutouts."""

    name, page, scales = "mergers", "galaxy_mergers", SCALES
    needs = (("galsim", "sim"), ("statmorph", "morphology"))
    data, tries = Path("../shared/data"), False
    more = {
        "--data": {"type": Path, "help": "real cutouts"},
        "--tries": {"action": "store_true", "help": "also score in other ways"},
    }

    def stages(self) -> dict:
        """Return the stages; F814W only where its real galaxies are."""
        stages = {"mergers": self.mergers, "f160w": self.f160w}
        if self.scale.real and sets.real(self.data, "f814w_real"):
            stages["f814w"] = self.f814w
        if self.tries:
            stages["tries"] = lambda: tries.write(self.out)
        return stages | {"results": self.results}

    def announce(self) -> None:
        """Log what the study costs, and what it leaves out."""
        super().announce()
        if "f814w" not in self.stages() and self.scale.real:
            LOG.info("  f814w is left out: no real galaxies in %s", self.data)

    def options(self) -> list[str]:
        """Return the command's options, without the paths of this machine."""
        return [*super().options(), *["--tries"] * self.tries]

    def config(self, survey: bool) -> dict:
        """Return the config of a training."""
        training, encoder = dict(self.scale.training), dict(self.scale.encoder)
        if survey:
            training["epochs"], encoder["epochs"] = self.scale.survey_epochs
        return {
            "model": self.scale.model,
            "training": training,
            "encoder": encoder,
            "stretch": {"name": "asinh"},
            "detector": {"score": "peak", "smoothing": 2.5, "views": 8},
        }

    def make(self, name: str, maker, **options) -> Path:
        """Write a simulated set, and return its folder."""
        folder = self.out / "sets" / name
        n = dict(zip(SEEDS, self.scale.n, strict=True))[name]
        seed = 1000 * self.seed + SEEDS[name]
        sets.write(folder, lambda: maker(n, seed=seed, **options))
        return folder

    def learn(self, run: str, paths: dict, instrument: str, survey: bool, **reading):
        """Train on the first of `paths`, score the others; the second calibrates."""
        out, reading = self.out / run / "run", {"size": 64, **reading}
        LOG.info("training on %s", next(iter(paths)))
        trained = runs.train(
            next(iter(paths.values())),
            out,
            self.config(survey),
            seed=self.seed,
            resume=(out / "config.toml").is_file(),
            progress=True,
            **reading,
        )
        n = self.scale.n_morphology
        sets.score_all(self.out, trained, paths, instrument, n, self.seed)

    def mergers(self) -> None:
        """Applications 1 and 2: train on isolated galaxies, test on mergers."""
        names = ("train", "calibration", "isolated")
        paths = {name: self.make(name, sets.isolated) for name in names}
        options = {"n_before": 2, "progress": True}
        paths["mergers"] = self.make("mergers", simulate.mergers, **options)
        self.learn("app1", paths, "wfc3_f160w", survey=False)

    def f160w(self) -> None:
        """Application 3: train on all mocks of a survey, compare with other sets."""
        white = instruments.WFC3_F160W.replace(correlation="none")
        asked = {
            "f160w_train": {},
            "f160w_mocks": {},
            "f160w_white": {"instrument": white},
            "f160w_plain": {"structure": False},
        }
        paths = {name: self.make(name, sets.survey, **o) for name, o in asked.items()}
        if self.scale.real and (files := sets.real(self.data, "f160w_real")):
            paths["f160w_real"] = files
        self.learn("f160w", paths, "wfc3_f160w", survey=True)

    def f814w(self) -> None:
        """Application 3 again: mocks of COSMOS against its real galaxies."""
        # Drawn larger, at the real pixel scale, and resampled to 64 pixels as the real
        # ones are.
        options = {"instrument": "acs_f814w", "size": 128, "magnitude": FAINT}
        names = ("f814w_train", "f814w_mocks")
        paths = {name: self.make(name, sets.survey, **options) for name in names}
        paths["f814w_real"] = sets.real(self.data, "f814w_real")[0].parent
        self.learn("f814w", paths, "acs_f814w", survey=True, pixel_scale=0.06)

    def results(self) -> None:
        """Make tables and figures."""
        self.record(config=self.config(False), survey_config=self.config(True))
        found = tables.compute(self.out)
        page, drawn = tables.tables(found, self.seconds()), figures.figures
        study.save_tables(self.out / "tables", page)
        study.save_figures(self.out / "figures", drawn(self.out, found), LARGEST)


if __name__ == "__main__":
    Study.main()
