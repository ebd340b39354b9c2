"""Galaxy mergers as outliers: the three applications of the source paper.

    python examples/galaxy_mergers.py --out RUN --scale laptop --seed 0

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346) trained a WGAN-GP on isolated
galaxies of a simulation and found mergers as outliers: those with a companion in
the frame, subtly disturbed ones, and, trained on all galaxies, real ones that the
simulation lacks. This study repeats the protocol on mocks that anyone can make.
Stages whose result exists are skipped: an interrupted study goes on where it
stopped, and a training at its last epoch.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from mergers import page as mergers_page
from mergers import results as mergers_results
from mergers import sets
from mergers import tries as mergers_tries

import studies
from astroanomaly import simulate

LOG = logging.getLogger("mergers")
SEEDS = {
    "train": 1,
    "calibration": 2,
    "isolated": 3,
    "mergers": 4,
    "f160w_train": 11,
    "f160w_mocks": 21,
    "f160w_white": 21,
    "f160w_plain": 21,
    "f814w_train": 41,
    "f814w_mocks": 51,
}
# The brightness of the real cutouts: COSMOS's are faint survey objects.
FAINT = (21.0, 25.5)


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Parameters
    ----------
    minutes : dict of float
        About how long each stage takes on two CPU cores.
    n_train, n_calibration, n_isolated : int
        Isolated galaxies.
    n_pairs : int
        Merging pairs; each gives two moments before and one after, from 3 sides.
    n_survey, n_mocks, n_variant : int
        Mocks of a whole survey: to train on, to calibrate with, of each variant.
    n_morphology : int
        Training objects whose morphology is measured.
    training, encoder, model : dict
        Tables of the config.
    survey_epochs : tuple of int
        Epochs of GAN and encoder of the survey's networks.
    real : bool
        Whether real cutouts are compared.
    """

    minutes: dict
    n_train: int
    n_calibration: int
    n_isolated: int
    n_pairs: int
    n_survey: int
    n_mocks: int
    n_variant: int
    n_morphology: int
    model: dict
    training: dict
    encoder: dict
    survey_epochs: tuple[int, int]
    real: bool = True


MODEL = {"width": 16, "kernel_size": 5, "latent_dim": 64, "n_critic": 2, "ema": 0.99}
TRAINING = {"epochs": 80, "batch_size": 32, "learning_rate": 3e-4, "augment": True}
SCALES = {
    "smoke": Scale(
        {"mergers": 2, "f160w": 1.5, "tries": 1, "results": 1},
        160,
        80,
        60,
        10,
        160,
        60,
        40,
        60,
        MODEL | {"width": 4, "latent_dim": 8, "ema": 0.9},
        TRAINING | {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3},
        {"epochs": 2, "learning_rate": 1e-3},
        (2, 2),
        real=False,
    ),
    "laptop": Scale(
        {"mergers": 36, "f160w": 10, "f814w": 10, "tries": 7, "results": 1},
        5000,
        1500,
        1500,
        300,
        4000,
        1200,
        600,
        2500,
        MODEL,
        TRAINING,
        {"epochs": 16, "learning_rate": 1e-3},
        (30, 12),
    ),
    "full": Scale(
        {"mergers": 600, "f160w": 400, "f814w": 400, "tries": 60, "results": 20},
        20000,
        5000,
        5000,
        2000,
        20000,
        5000,
        3000,
        10000,
        MODEL | {"width": 32, "latent_dim": 128},
        TRAINING | {"epochs": 100},
        {"epochs": 30, "learning_rate": 1e-3},
        (100, 30),
    ),
}
DETECTOR = {"score": "peak", "smoothing": 2.5, "views": 8}


class Study(studies.Study):
    """The stages of the study, each done once.

    Parameters
    ----------
    out : Path
        Where everything lies.
    data : Path
        Folder of the real files.
    name : {"smoke", "laptop", "full"}
        How much is done.
    seed : int
        Seed of everything.
    tries : bool
        Whether to score in other ways too.
    """

    script = "examples/galaxy_mergers.py"
    needs = (("galsim", "sim"), ("statmorph", "morphology"))

    def __init__(
        self, out: Path, data: Path, name: str, seed: int, tries: bool = False
    ):
        super().__init__(out, name, seed)
        self.data, self.tries = data, tries
        self.scale = SCALES[name]

    def stages(self) -> dict:
        """Return the stages by name; real F814W galaxies only where they are."""
        stages = {"mergers": self.mergers, "f160w": self.f160w}
        if self.scale.real and sets.real(self.data, "f814w_real"):
            stages["f814w"] = self.f814w
        if self.tries:
            stages["tries"] = lambda: mergers_tries.write(self.out)
        return stages | {"results": self.results}

    def announce(self) -> None:
        """Say what the study costs before it starts."""
        super().announce()
        if "f814w" not in self.stages() and self.scale.real:
            LOG.info("  f814w is left out: no real galaxies in %s", self.data)

    def make(self, name: str, n: int, maker, **options) -> Path:
        """Write a simulated set, and return its folder."""
        folder = self.out / "sets" / name
        seed = 1000 * self.seed + SEEDS[name]
        sets.write(folder, lambda: maker(n, seed=seed, **options))
        return folder

    def config(self, survey: bool) -> dict:
        """Return the tables of a training's config."""
        training, encoder = dict(self.scale.training), dict(self.scale.encoder)
        if survey:
            training["epochs"], encoder["epochs"] = self.scale.survey_epochs
        return {
            "model": self.scale.model,
            "training": training,
            "encoder": encoder,
            "stretch": {"name": "asinh"},
            "detector": DETECTOR,
        }

    def learn(self, network: sets.Network, paths: dict, run: str) -> None:
        """Train a network and score its sets."""
        trained = sets.train(
            paths[network.train], self.out / run / "run", network, self.seed
        )
        n = self.scale.n_morphology
        sets.score_all(self.out, network, trained, paths, n, self.seed)

    def mergers(self) -> None:
        """Applications 1 and 2: trained on isolated galaxies, tested on mergers."""
        scale = self.scale
        paths = {
            "train": self.make("train", scale.n_train, sets.isolated),
            "calibration": self.make("calibration", scale.n_calibration, sets.isolated),
            "isolated": self.make("isolated", scale.n_isolated, sets.isolated),
            "mergers": self.make(
                "mergers", scale.n_pairs, simulate.mergers, n_before=2, progress=True
            ),
        }
        names = ("calibration", "isolated", "mergers")
        network = sets.Network("wfc3_f160w", "train", names, self.config(False))
        self.learn(network, paths, "app1")

    def f160w(self) -> None:
        """Application 3: trained on all mocks of a survey, compared with others."""
        scale = self.scale
        white = simulate.instruments.WFC3_F160W.replace(correlation="none")
        paths = {
            "f160w_train": self.make("f160w_train", scale.n_survey, sets.survey),
            "f160w_mocks": self.make("f160w_mocks", scale.n_mocks, sets.survey),
            "f160w_white": self.make(
                "f160w_white", scale.n_variant, sets.survey, instrument=white
            ),
            "f160w_plain": self.make(
                "f160w_plain", scale.n_variant, sets.survey, structure=False
            ),
        }
        names = ["f160w_mocks", "f160w_white", "f160w_plain"]
        if scale.real and (files := sets.real(self.data, "f160w_real")):
            paths["f160w_real"] = files
            names.append("f160w_real")
        network = sets.Network(
            "wfc3_f160w", "f160w_train", tuple(names), self.config(True)
        )
        self.learn(network, paths, "f160w")

    def f814w(self) -> None:
        """Application 3 again: mocks of COSMOS against its real galaxies."""
        scale = self.scale
        options = {
            "instrument": "acs_f814w",
            "size": sets.FRAME["f814w"],
            "magnitude": FAINT,
        }
        paths = {
            name: self.make(name, n, sets.survey, **options)
            for name, n in (
                ("f814w_train", scale.n_survey),
                ("f814w_mocks", scale.n_mocks),
            )
        }
        paths["f814w_real"] = sets.real(self.data, "f814w_real")[0].parent
        network = sets.Network(
            "acs_f814w",
            "f814w_train",
            ("f814w_mocks", "f814w_real"),
            self.config(True),
            {"size": 64, "pixel_scale": 0.06},
        )
        self.learn(network, paths, "f814w")

    def results(self) -> None:
        """Make tables, figures and the page."""
        self.record(config=self.config(False), survey_config=self.config(True))
        mergers_results.write(self.out)
        mergers_page.write(self.out, self.out / "page")

    def words(self) -> list[str]:
        """Return the command's options without this machine's paths."""
        return [*super().words(), *["--tries"] * self.tries]


def main() -> None:
    """Read the command line and run the study."""
    parser = studies.parser(__doc__.splitlines()[0], SCALES)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="real cutouts"
    )
    parser.add_argument(
        "--tries", action="store_true", help="other ways to score, for comparison"
    )
    chosen = parser.parse_args()
    study = Study(chosen.out, chosen.data, chosen.scale, chosen.seed, chosen.tries)
    study.announce() if chosen.cost else study.run()


if __name__ == "__main__":
    sys.exit(main())
