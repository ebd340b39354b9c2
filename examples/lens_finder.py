"""A lens finder, what it sees, and the rare lenses it was never shown.

    python examples/lens_finder.py --out RUN --scale laptop --seed 0

Wilde et al. (2022, arXiv:2202.12776) trained convolutional networks to find strong
lenses in Euclid's four bands, looked into them, and gave them compound lenses that no
training had shown. This study does the same on simulated frames with hard negatives,
with real lenses, and with outlier detectors that never see a label beside it. Every
stage is kept: an interrupted study goes on where it stopped, a training at its last
epoch.
"""

from dataclasses import dataclass
from pathlib import Path

from finders import (
    detectors,
    explained,
    page,
    real,
    results,
    sets,
    side_by_side,
    trainings,
)
from finders.explained import Look
from finders.trainings import Finder

import studies

NISP = sets.BANDS[1:]
# Finders of all bands, with the stretch that is not the published one.
FOUR = ("ou66", "ou66_cut", "ou200", "ou200_cut")


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Parameters
    ----------
    minutes : dict of float
        About how long each stage takes on two CPU cores.
    size : int
        Side of a frame, pixels of 0.1 arcsec.
    sizes : dict of int
        Frames of each set.
    finders : dict of Finder
        The trainings, by name.
    detectors : detectors.Settings
        What is trained without labels.
    looks : dict of Look
        The finders that are looked into, by name.
    """

    minutes: dict
    size: int
    sizes: dict
    finders: dict
    detectors: detectors.Settings
    looks: dict


def _sizes(train, held_out, test, compound, unlabelled) -> dict:
    return {
        "train": train,
        "validation": held_out,
        "calibration": held_out,
        "test": test,
        "arcs": compound,
        "rings": compound,
        "unlabelled": unlabelled,
    }


def _finders(epochs: dict, seeds: dict, **more) -> dict:
    """Return the finders that have epochs, of seed 0 where `seeds` names no others.

    Epochs come in pairs: over clear frames alone, then over all.
    """
    known = {
        "ou66": ("ou66", "binned", sets.BANDS),
        "ou66_cut": ("ou66", "half", sets.BANDS),
        "ou66_linear": ("ou66", "binned", sets.BANDS),
        "nisp": ("ou66", "binned", NISP),
        "ou200_cut": ("ou200", "cut", sets.BANDS),
        "vis": ("ou66", "half", ("VIS",)),
        "yj": ("ou66", "half", ("Y", "J")),
        "ou200": ("ou200", "whole", sets.BANDS),
    }
    found = {}
    for name, (first, n) in epochs.items():
        own = {"seeds": seeds.get(name, (0,)), "first_epochs": first}
        if name.endswith("_linear"):
            own["softening"] = None
        found[name] = Finder(*known[name], n, **own, **more)
    return found


SCALES = {
    "smoke": Scale(
        {
            "sets": 0.2,
            "finders": 0.3,
            "detectors": 0.1,
            "real": 0.1,
            "explained": 0.2,
            "results": 0.2,
        },
        174,
        _sizes(48, 32, 48, 16, 48),
        _finders(
            {"ou66": (1, 1), "vis": (0, 1), "yj": (0, 1)},
            {"ou66": (0, 1)},
            batch_size=16,
        ),
        detectors.Settings(1, 16, 8, 8),
        {"ou66": Look(2, 4, 3), "vis": Look(0, 4)},
    ),
    "laptop": Scale(
        {
            "sets": 8,
            "finders": 50,
            "detectors": 5,
            "real": 0.5,
            "explained": 8,
            "results": 1,
        },
        200,
        _sizes(20000, 800, 2000, 1000, 3000),
        _finders(
            {"ou66_cut": (12, 16), "ou66": (12, 16), "vis": (12, 12), "yj": (12, 4)},
            {"ou66_cut": (0, 1)},
        ),
        detectors.Settings(10, 32, 64, 60),
        {
            "ou66_cut": Look(20, 2),
            "vis": Look(8, 4),
            "yj": Look(0, 4),
        },
    ),
    "full": Scale(
        {
            "sets": 80,
            "finders": 20000,
            "detectors": 60,
            "real": 2,
            "explained": 60,
            "results": 3,
        },
        200,
        _sizes(45000, 3000, 12000, 10000, 20000),
        _finders(
            dict.fromkeys((*FOUR, "vis", "yj", "nisp", "ou66_linear"), (20, 150)),
            dict.fromkeys(FOUR, (0, 1, 2)),
            batch_size=500,
            learning_rate=3e-4,
            dropout=0.2,
        ),
        detectors.Settings(40, 32, 256, 300),
        {
            "ou66": Look(200, 1),
            "ou66_cut": Look(200, 1),
            "ou200": Look(60, 2),
            "ou200_cut": Look(60, 2),
            "vis": Look(0, 1),
            "yj": Look(0, 1),
        },
    ),
}


class Study(studies.Study):
    """The stages of the study.

    Parameters
    ----------
    out : Path
        Where everything lies: `sets`, `finders`, `detectors`, `real`, `explained`,
        results and page.
    name : {"smoke", "laptop", "full"}
        The scale.
    seed : int
        Seed of the simulations and of the first trainings.
    lenses : Path, optional
        Folder of real files; by default the one beside the repository. The stage
        "real" does nothing where there is none.
    """

    script = "examples/lens_finder.py"
    needs = (("galsim", "sim"), ("lenstronomy", "sim"))

    def __init__(self, out: Path, name: str, seed: int, lenses: Path | None = None):
        super().__init__(out, name, seed)
        self.scale = SCALES[name]
        self.lenses = real.BESIDE if lenses is None else Path(lenses)

    def stages(self) -> dict:
        """Return the stages by name."""
        return {
            "sets": self.simulate,
            "finders": self.train,
            "detectors": self.detect,
            "real": self.real,
            "explained": self.explain,
            "results": self.results,
        }

    def simulate(self) -> None:
        """Write all sets."""
        for name, n in self.scale.sizes.items():
            sets.write(self.out / "sets", name, n, self.scale.size, self.seed)

    def trained(self) -> dict:
        """Return every training by finder and seed: how, and where it lies."""
        return {
            (name, seed): (finder, self.out / "finders" / name / f"s{seed}")
            for name, finder in self.scale.finders.items()
            for seed in (self.seed + k for k in finder.seeds)
        }

    def train(self) -> None:
        """Train the finders and keep what they give for every set."""
        side_by_side.train_all(self.out / "sets", self.trained())

    def detect(self) -> None:
        """Train and score what sees no label, and the supervised floor."""
        known = sets.read(self.out / "sets")
        detectors.write(self.out / "detectors", known, self.scale.detectors, self.seed)

    def real(self) -> None:
        """Score the real lenses."""
        real.write(self.out / "real", self.lenses, self.trained(), self.scale.size)

    def explain(self) -> None:
        """Look into the finders."""
        known = sets.read(self.out / "sets")
        for name, look in self.scale.looks.items():
            finder = self.scale.finders[name]
            folder = self.best(name, known["validation"])
            out = self.out / "explained" / name
            explained.write(out, finder, folder, known, look, self.lenses, self.seed)

    def best(self, name: str, validation: sets.Set) -> Path:
        """Return the training of a finder with the lowest validation loss."""
        folders = [
            where for (one, _), (_, where) in self.trained().items() if one == name
        ]
        return min(
            folders, key=lambda where: trainings.validation_loss(where, validation)
        )

    def results(self) -> None:
        """Make tables, figures and the page."""
        self.record(
            sizes=self.scale.sizes,
            size=self.scale.size,
            finders={name: one.settings() for name, one in self.scale.finders.items()},
            detectors=vars(self.scale.detectors),
            looks={name: vars(look) for name, look in self.scale.looks.items()},
        )
        results.write(self.out)
        page.write(self.out, self.out / "page")


def main() -> None:
    """Read the command line and run the study."""
    parser = studies.parser(__doc__.splitlines()[0], SCALES)
    parser.add_argument("--lenses", type=Path, help="folder of real lenses' files")
    chosen = parser.parse_args()
    study = Study(chosen.out, chosen.scale, chosen.seed, chosen.lenses)
    study.announce() if chosen.cost else study.run()


if __name__ == "__main__":
    main()
