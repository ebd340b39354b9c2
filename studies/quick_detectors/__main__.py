"""Measure detectors that are trained in seconds, on mocks, lenses and real galaxies.

    python -m studies.quick_detectors --data ../shared/data --out RUN

Features, and what measures how far they lie from those of ordinary objects; how
`train --model auto` chooses; contrastive features; contaminated training sets. What
exists is not made again: repeat the command to resume the study.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly.detector.methods import METHODS
from astroanomaly.simulate import plant
from studies import study
from studies.quick_detectors import (
    choosing,
    contaminated,
    detectors,
    figures,
    learned,
    sets,
    tables,
)

STAGES = ("inputs", "scores", "learned", "contaminated", "tables")


@dataclass(frozen=True)
class Scale:
    """How much a study does."""

    minutes: dict[str, float]
    sizes: sets.Sizes
    names: tuple[str, ...]
    epochs: dict[str, int]
    contaminated: contaminated.Sizes


SCALES = {
    "smoke": Scale(
        dict.fromkeys(STAGES, 0.1),
        sets.Sizes(40, 16, 20, 12, 3),
        ("galaxies",),
        {"contrastive": 1, "latents": 1},
        contaminated.Sizes(60, 6, 20, 12),
    ),
    "laptop": Scale(
        dict(zip(STAGES, (5, 9, 4, 5, 1), strict=True)),
        sets.Sizes(520, 80, 400, 150, 90),
        sets.SETS,
        {"contrastive": 30, "latents": 10},
        contaminated.Sizes(1000, 111, 300, 200),
    ),
}


class Study(study.Study):
    """The stages of the study; `data` is the folder of real files."""

    name, scales = "quick_detectors", SCALES
    needs = (*study.SIM, ("statmorph", "morphology"))
    more = {"--data": {"type": Path, "help": "folder of real files"}}
    data = Path("../shared/data")

    def stages(self) -> dict[str, Callable]:
        """Return the stages by name."""
        steps = (self.make, self.score, self.learn, self.contaminate, self.write)
        return dict(zip(STAGES, steps, strict=True))

    def made(self) -> list[str]:
        """Return the names of the sets of this run that exist."""
        names = self.scale.names
        return [n for n in names if (self.out / "sets" / f"{n}.npz").is_file()]

    def make(self) -> None:
        """Simulate and read the sets."""
        (self.out / "sets").mkdir(exist_ok=True)
        makers = sets.makers(self.scale.sizes, self.data, self.seed)
        for name in self.scale.names:
            path = self.out / "sets" / f"{name}.npz"
            if name not in makers:
                study.LOG.warning("%s is left out: no files in %s", name, self.data)
            elif not path.is_file():
                self.timed(
                    f"inputs_{name}", lambda n=name, p=path: sets.write(p, makers[n]())
                )

    def score(self) -> None:
        """Train and score every detector on every set."""
        for name in self.made():
            parts = None
            for group in detectors.GROUPS:
                path = self.out / "scores" / name / f"{group}.npz"
                skipped = group in detectors.SLOW and name != detectors.SLOW_ON
                if path.is_file() or skipped:
                    continue
                parts = parts or self.with_planted(name)
                own = {
                    part: cutouts
                    for part, cutouts in parts.items()
                    if group in choosing.GROUPS
                    or not part.startswith(("choose", choosing.PLANTED))
                }
                own = detectors.fewer(own) if group == "morphology" else own
                found = detectors.scored(group, own, self.scale.epochs, self.seed)
                write = partial(detectors.write, path, found)
                self.timed(f"scores_{name}_{group}", write)

    def with_planted(self, name: str) -> detectors.Parts:
        """Return the parts of a set and what is planted in those that choose."""
        parts = sets.read(self.out / "sets" / f"{name}.npz")
        images, truth = plant(parts["choose"].images, seed=self.seed)
        for kind in dict.fromkeys(truth["kind"]):
            own = images[np.asarray(truth["kind"]) == kind]
            parts[f"{choosing.PLANTED}{kind}"] = aa.Cutouts(own)
        return parts

    def learn(self) -> None:
        """Score what other contrastive features find of the galaxies."""
        parts = sets.read(self.out / "sets" / "galaxies.npz")
        parts.pop("choose")

        def scored(train):
            epochs = self.scale.epochs["contrastive"]
            for name, take in train(parts["train"], epochs, self.seed).items():
                rows = {p: np.asarray(take(c.images), float) for p, c in parts.items()}
                method = METHODS["knn"]().fit(rows["train"], self.seed)
                scores = {part: method.score(own) for part, own in rows.items()}
                # What it costs is that of the features of `scores`.
                yield name, scores, (np.nan, np.nan)

        for name, train in learned.TRAININGS.items():
            path = self.out / "learned" / f"{name}.npz"
            if not path.is_file():
                detectors.write(path, scored(train))

    def contaminate(self) -> None:
        """Train detectors on sets with hidden anomalies."""
        contaminated.measure(
            self.out / "contaminated", self.scale.contaminated, self.seed
        )

    def write(self) -> None:
        """Write the tables and figures of the page."""
        scores = {n: detectors.read(self.out / "scores" / n) for n in self.made()}
        tries = detectors.read(self.out / "learned")
        hidden = contaminated.read(self.out / "contaminated")
        found = tables.every(scores, tries, hidden, self.seed)
        study.save_tables(self.out / "tables", found)
        shown = figures.every(self.out / "sets", self.made(), found)
        study.save_figures(self.out / "figures", shown)
        self.record()


if __name__ == "__main__":
    Study.main()
