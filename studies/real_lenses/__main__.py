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

from astroanomaly import simulate
from studies import study
from studies.lens_finder import sets as old
from studies.lens_finder.kept import keep
from studies.real_lenses import figures, frames, tables, training
from studies.real_lenses.training import Try

STAGES = ("sets", "train", "score", "results")
LEARNED = ("train", "validation", "simulated")
SETS = (*LEARNED, "test", "simulated_test", "arcs", "rings", "ordinary", "lenses")
# What the page shows; the others are what was tried beside it.
SHOWN, MEMBERS = "committee", ("mix", "short")


def _tries(steps: int, few: int) -> dict[str, Try]:
    short = Try("painted and simulated, shorter", few, batch_size=64)
    return {
        "mix": Try("painted and simulated", steps),
        "short": short,
        "simulated": replace(short, words="simulated alone", simulated=1.0),
        "image": replace(short, words="the image alone", channels=("image",)),
        "painted": replace(short, words="painted alone", simulated=0.0),
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
    seeds: dict[str, int]


SCALES = {
    "smoke": Scale(
        dict(zip(STAGES, (0.5, 0.5, 0.2, 0.1), strict=True)),
        (2, 2),
        8,
        {"simulated": 24, "simulated_test": 16, "arcs": 8, "rings": 8},
        {name: replace(one, batch_size=16) for name, one in _tries(4, 2).items()},
        {},
    ),
    "laptop": Scale(
        dict(zip(STAGES, (12, 60, 5, 1), strict=True)),
        (10, 8),
        None,
        {"simulated": 4000, "simulated_test": 1000, "arcs": 300, "rings": 300},
        _tries(800, 250),
        {"short": 2},
    ),
}


class Study(study.Study):
    """The stages of the study; `data` is the folder of real files."""

    name, scales = "real_lenses", SCALES
    more = {"data": {"type": Path, "help": "folder of real files"}}
    data, shown = Path("../shared/data"), SHOWN

    def stages(self):
        """Return the stages by name."""
        steps = (self.frames, self.train, self.score, self.write)
        return dict(zip(STAGES, steps, strict=True))

    def known(self, name: str, stamp: dict, make) -> dict:
        """Return the arrays of a set, made where they are not kept."""
        (self.out / "sets").mkdir(parents=True, exist_ok=True)
        return keep(self.out / "sets" / f"{name}.npz", stamp, make)

    def frames(self, names=SETS) -> dict:
        """Return sets by name, made where they are not kept."""
        scale, made = self.scale, {}
        for part in frames.PARTS:
            n = scale.n_per_host[part != "train"]
            make = partial(frames.painted, self.data, part, n, scale.most)
            made[part] = {"n": n, "most": scale.most}, make
        for name, n in scale.simulated.items():
            maker, seed, size = simulate.lens_survey, 900 + 10_000 * self.seed, 116
            if name != "simulated":
                # The test sets of the study `lens_finder`, as far as they go.
                kind = name.removeprefix("simulated_")
                maker, size = old.MAKERS[kind], 200
                seed = 1000 * (100 * self.seed + list(old.MAKERS).index(kind))
            make = partial(frames.simulated, maker, n, seed, size)
            made[name] = {"n": n, "seed": seed}, make
        made["ordinary"] = {}, partial(frames.ordinary, self.data)
        made["lenses"] = {}, partial(frames.lenses, self.data)
        return {name: self.known(name, *made[name]) for name in names}

    def trained(self):
        """Yield the name, the try and the seed of every training."""
        for name, own in self.scale.tries.items():
            for k in range(self.scale.seeds.get(name, 1)):
                yield name, own, self.seed + k

    def train(self) -> None:
        """Train the finders."""
        sets, folder = self.frames(LEARNED), self.out / "finders"
        folder.mkdir(exist_ok=True)
        for name, own, seed in self.trained():
            training.train(folder, name, own, sets, seed)

    def score(self) -> None:
        """Score every set with every finder and with the committee."""
        sets, folder = self.frames(), self.out / "finders"
        models = {
            f"{name}_s{seed}": training.train(folder, name, own, sets, seed)
            for name, own, seed in self.trained()
        }
        members = [m for n, m in models.items() if n.rpartition("_s")[0] in MEMBERS]
        models[SHOWN] = training.joined(members, sets["validation"])
        models[SHOWN].save(folder / f"{SHOWN}.keras")
        (self.out / "scores").mkdir(exist_ok=True)
        for name, model in models.items():
            stamp = {"steps": {n: one.steps for n, one, _ in self.trained()}}

            def make(model=model):
                return training.scores(model, sets)

            keep(self.out / "scores" / f"{name}.npz", stamp, make)

    def write(self) -> None:
        """Write the tables and figures of the page."""
        sets = self.frames()
        study.save_tables(self.out / "tables", tables.every(self, sets))
        study.save_figures(self.out / "figures", figures.every(self, sets))
        self.record()


if __name__ == "__main__":
    Study.main()
