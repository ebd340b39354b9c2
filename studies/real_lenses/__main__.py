"""Find real lenses with finders trained on arcs painted on real galaxies.

    python -m studies.real_lenses --out RUN --scale laptop --data ../shared/data

Arcs are painted on real COSMOS galaxies; finders learn from these, from the galaxies as
they are and from simulated frames; they are tested on galaxies that none has seen, on
other real frames and, once, on real lenses. To resume, repeat the command; what exists
is kept.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from astroanomaly.models import Committee
from studies import study
from studies.lens_finder.kept import keep
from studies.lens_finder.sets import BANDS
from studies.real_lenses import figures, frames, lists, looks, tables, training
from studies.real_lenses.training import Try

STAGES = ("sets", "train", "score", "others", "results")
LEARNED = ("train", "validation", "simulated", "simulated_validation")
TESTS = ("test", "simulated_test", "arcs", "rings", "ordinary", "lenses", "euclid")
# Sets of simulated frames, and what they are in the study `lens_finder`.
SIMULATED = {
    "simulated": "train",
    "simulated_validation": "validation",
    "simulated_test": "test",
    "arcs": "arcs",
    "rings": "rings",
}
# What the page shows, of one band and of four; the others are what was tried beside it.
COMMITTEES = {"committee": ("long", "mix"), "four_bands": ("four",)}
SHOWN = "committee"


def _members(steps: int) -> dict[str, Try]:
    return {
        "long": Try("painted and simulated, longer", steps * 3 // 2, simulated=0.5),
        "mix": Try("painted and simulated", steps),
        "four": Try(
            "simulated alone, four bands",
            steps * 4 // 3,
            bands=BANDS,
            simulated=1.0,
            neighbors=0.0,
        ),
    }


def _tries(steps: int, few: int) -> dict[str, Try]:
    short = Try("painted and simulated, shorter", few)
    return _members(steps) | {
        # Rare on the sky, and a fifth of the simulated non-lenses.
        "no_rings": Try(
            "without ring galaxies, more painted",
            steps,
            simulated=0.3,
            without=("ring_galaxy",),
        ),
        "short": short,
        "simulated": replace(short, words="simulated alone", simulated=1.0),
        "painted": replace(short, words="painted alone", simulated=0.0),
        "image": replace(short, words="the image alone", channels=("image",)),
        "mined": replace(
            short, words="mix, then hard non-lenses", mined=0.3, start="mix"
        ),
    }


@dataclass(frozen=True)
class Scale:
    """How much a study does; minutes are those of each stage on two CPU cores."""

    minutes: dict[str, float]
    n_per_host: tuple[int, int]  # painted on each galaxy: training, others
    most: int | None  # galaxies of a part
    simulated: dict[str, int]
    tries: dict[str, Try]


_LAPTOP = Scale(
    dict(zip(STAGES, (20, 45, 5, 3, 1), strict=True)),
    (10, 8),
    None,
    {
        "simulated": 10_000,
        "simulated_validation": 600,
        "simulated_test": 1000,
        "arcs": 300,
        "rings": 300,
    },
    _tries(3000, 400),
)
SCALES = {
    "smoke": Scale(
        dict(zip(STAGES, (0.5, 0.5, 0.2, 0.1, 0.1), strict=True)),
        (2, 2),
        8,
        {**dict.fromkeys(SIMULATED, 8), "simulated": 24, "simulated_test": 16},
        {name: replace(one, batch_size=16) for name, one in _tries(3, 2).items()},
    ),
    "laptop": _LAPTOP,
    # Of another seed, to see how far trainings differ: those of the page alone.
    "members": replace(_LAPTOP, tries=_members(3000)),
}


class Study(study.Study):
    """The stages of the study; `data` is the folder of real files."""

    name, scales = "real_lenses", SCALES
    more = {
        "--data": {"type": Path, "help": "folder of real files"},
        "--beside": {
            "type": Path,
            "nargs": "*",
            "help": "runs of other seeds, shown beside this one",
        },
    }
    data, beside, committees = Path("../shared/data"), (), COMMITTEES

    def stages(self):
        """Return the stages by name."""
        steps = (self.frames, self.train, self.score, self.look, self.write)
        return dict(zip(STAGES, steps, strict=True))

    def known(self, name: str, stamp: dict, make) -> dict:
        """Return the arrays of a set, made where they are not kept."""
        (self.out / "sets").mkdir(parents=True, exist_ok=True)
        return keep(self.out / "sets" / f"{name}.npz", stamp, make)

    def frames(self, names=LEARNED + TESTS) -> dict:
        """Return sets by name, made where they are not kept."""
        scale, made = self.scale, {}
        for part in frames.PARTS:
            n = scale.n_per_host[part != "train"]
            make = partial(frames.painted, self.data, part, n, scale.most)
            made[part] = {"n": n, "most": scale.most}, make
        for name, kind in SIMULATED.items():
            n = scale.simulated[name]
            make = partial(frames.simulated, kind, n, self.seed)
            made[name] = {"n": n, "seed": self.seed}, make
        for maker in (frames.ordinary, frames.lenses, frames.euclid):
            made[maker.__name__] = {}, partial(maker, self.data)
        return {name: self.known(name, *made[name]) for name in names}

    def train(self) -> None:
        """Train the finders."""
        sets, folder = self.frames(LEARNED), self.out / "finders"
        folder.mkdir(exist_ok=True)
        for name, own in self.scale.tries.items():
            training.train(folder, name, own, sets, self.seed)

    def score(self) -> None:
        """Score every set with every finder, and join the committees."""
        sets, folder, tries = self.frames(), self.out / "finders", self.scale.tries
        (self.out / "scores").mkdir(exist_ok=True)
        models, found = {}, {}
        for name, own in tries.items():
            models[name] = training.train(folder, name, own, sets, self.seed)
            # Eight orientations take as long again as a short training.
            turns = 8 if any(name in names for names in COMMITTEES.values()) else 1
            make = partial(training.scores, models[name], sets, turns)
            stamp = {"steps": own.steps, "turns": turns}
            found[name] = keep(self.out / "scores" / f"{name}.npz", stamp, make)
        for name, names in COMMITTEES.items():
            lines = [training.line(found[n], sets) for n in names]
            joined = Committee([models[n] for n in names], lines, turns=8)
            joined.save(folder / f"{name}.keras")
            # What the committee says is the mean of what its members do.
            logits = {
                key: np.mean(
                    [
                        a * found[n][key] + b
                        for n, (a, b) in zip(names, lines, strict=True)
                    ],
                    axis=0,
                )
                for key in found[names[0]]
            }
            path = self.out / "scores" / f"{name}.npz"
            keep(path, {"lines": lines}, lambda logits=logits: logits)

    def look(self) -> None:
        """Draw occlusion maps, and look through lists of the same frames."""
        folder, sets = self.out / "finders", self.frames(TESTS)
        own = tables.scored(self.out)[SHOWN]
        model = keras.saving.load_model(folder / f"{SHOWN}.keras")
        (self.out / "others").mkdir(exist_ok=True)
        stamp = {"logits": float(own["test_images"].sum())}
        for maker in (looks, lists):
            name = maker.__name__.rpartition(".")[2]
            make = partial(maker.every, own, sets, model)
            keep(self.out / "others" / f"{name}.npz", stamp, make)

    def write(self) -> None:
        """Write the tables and figures of the page."""
        sets = self.frames()
        study.save_tables(self.out / "tables", tables.every(self, sets))
        study.save_figures(self.out / "figures", figures.every(self, sets))
        self.record()


if __name__ == "__main__":
    Study.main()
