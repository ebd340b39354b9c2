"""A lens finder, what it sees, and the rare lenses it was never shown.

    python -m studies.lens_finder --out RUN --scale laptop --seed 0

Wilde et al. (2022, arXiv:2202.12776) trained convolutional networks to find strong
lenses in Euclid's four bands, looked into them, and gave them compound lenses that no
training had shown. This study does the same on simulated frames with hard negatives,
with real lenses, and with outlier detectors that never see a label. To resume an
interrupted study, repeat the command; a training resumes at its last epoch.
"""

from dataclasses import dataclass
from pathlib import Path

from studies import study
from studies.lens_finder import detectors, explained, figures, real, sets, tables
from studies.lens_finder import trainings as train
from studies.lens_finder.explained import Look
from studies.lens_finder.kept import read
from studies.lens_finder.results import Run, loss
from studies.lens_finder.sets import BANDS

# Network, frame and bands of each finder.
KNOWN = {
    "ou66": ("ou66", "binned", BANDS),
    "ou66_cut": ("ou66", "half", BANDS),
    "ou66_linear": ("ou66", "binned", BANDS),
    "nisp": ("ou66", "binned", BANDS[1:]),
    "ou200_cut": ("ou200", "cut", BANDS),
    "vis": ("ou66", "half", ("VIS",)),
    "yj": ("ou66", "half", ("Y", "J")),
    "ou200": ("ou200", "whole", BANDS),
}
# Those of all bands that do not have the published stretch.
FOUR = ("ou66", "ou66_cut", "ou200", "ou200_cut")
STAGES = ("sets", "finders", "detectors", "real", "explained", "results")


@dataclass(frozen=True)
class Scale:
    """How much a study does; minutes are those of each stage on two CPU cores."""

    minutes: dict
    size: int  # side of a frame, pixels of 0.1 arcsec
    sizes: dict  # frames of each set
    finders: dict  # trainings by name
    detectors: detectors.Settings
    looks: dict  # finders that are looked into


def _sizes(train, held_out, test, compound, unlabelled) -> dict:
    n = (train, held_out, held_out, test, compound, compound, unlabelled)
    return dict(zip(sets.MAKERS, n, strict=True))


def _finders(epochs: dict, seeds: dict, **more) -> dict:
    """Return finders by their epochs: over clear frames alone, then over all."""
    found = {}
    for name, (first, n) in epochs.items():
        own = {"seeds": seeds.get(name, (0,)), "first_epochs": first} | more
        if name.endswith("_linear"):
            own["softening"] = None
        found[name] = train.Finder(*KNOWN[name], n, **own)
    return found


SCALES = {
    "smoke": Scale(
        dict(zip(STAGES, (0.2, 0.3, 0.1, 0.1, 0.2, 0.2), strict=True)),
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
        dict(zip(STAGES, (8, 50, 5, 0.5, 8, 1), strict=True)),
        200,
        _sizes(20000, 800, 2000, 1000, 3000),
        _finders(
            {"ou66_cut": (12, 16), "ou66": (12, 16), "vis": (12, 12), "yj": (12, 4)},
            {"ou66_cut": (0, 1)},
        ),
        detectors.Settings(10, 32, 64, 60),
        {"ou66_cut": Look(20, 2), "vis": Look(8, 4), "yj": Look(0, 4)},
    ),
    "full": Scale(
        dict(zip(STAGES, (80, 20000, 60, 2, 60, 3), strict=True)),
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
        dict.fromkeys(("ou66", "ou66_cut"), Look(200, 1))
        | dict.fromkeys(("ou200", "ou200_cut"), Look(60, 2))
        | dict.fromkeys(("vis", "yj"), Look(0, 1)),
    ),
}


class Study(study.Study):
    """The stages of the study; `lenses` is the folder of real files."""

    name, scales, lenses = "lens_finder", SCALES, real.DATA
    more = {"--lenses": {"type": Path, "help": "folder of real lenses' files"}}

    def stages(self) -> dict:
        """Return the stages by name."""
        steps = (self.simulate, self.train, self.detect, self.real, self.explain)
        return dict(zip(STAGES, (*steps, self.results), strict=True))

    def simulate(self) -> None:
        """Write all sets."""
        for name, n in self.scale.sizes.items():
            sets.write(self.out / "sets", name, n, self.scale.size, self.seed)

    def trained(self) -> dict:
        """Return Finder and folder of every training, by name and seed."""
        return {
            (name, seed): (finder, self.out / "finders" / name / f"s{seed}")
            for name, finder in self.scale.finders.items()
            for seed in (self.seed + k for k in finder.seeds)
        }

    def train(self) -> None:
        """Train the finders and score every set."""
        train.train_all(self.out / "sets", self.trained())

    def detect(self) -> None:
        """Train and score the outlier detectors, and the supervised floor."""
        known = sets.read(self.out / "sets")
        detectors.write(self.out / "detectors", known, self.scale.detectors, self.seed)

    def real(self) -> None:
        """Score the real lenses."""
        real.write(self.out / "real", self.lenses, self.trained(), self.scale.size)

    def explain(self) -> None:
        """Look into the training of lowest validation loss of each finder."""
        known = sets.read(self.out / "sets")
        labels = known["validation"].labels
        for name, look in self.scale.looks.items():
            pairs = [pair for (one, _), pair in self.trained().items() if one == name]
            kept = [read(path / "outputs" / "validation.npz") for _, path in pairs]
            losses = [loss(labels, one["logit"]) for one in kept]
            finder, folder = pairs[losses.index(min(losses))]
            out = self.out / "explained" / name
            explained.write(out, finder, folder, known, look, self.lenses, self.seed)

    def results(self) -> None:
        """Write tables and figures."""
        self.record(
            sizes=self.scale.sizes,
            size=self.scale.size,
            finders={name: one.settings() for name, one in self.scale.finders.items()},
            detectors=vars(self.scale.detectors),
            looks={name: vars(look) for name, look in self.scale.looks.items()},
        )
        run = Run(self.out)
        study.save_tables(self.out / "tables", tables.shown(run, self.seconds()))
        study.save_figures(self.out / "figures", figures.figures(run))


if __name__ == "__main__":
    Study.main()
