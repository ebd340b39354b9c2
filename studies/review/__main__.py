"""Measure how much sooner a list that learns from labels finds what is sought.

    python -m studies.review --out RUN --scale laptop --data ../shared/data

A simulated reviewer labels the first ten of a list, which learns, and so on. Stages and
sessions whose result exists are skipped: repeat the command to resume the study.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from astroanomaly.utils import atomic_path
from studies import study
from studies.review import features, figures, sets, tables
from studies.review.sessions import LEARNED, PLAIN, Case, session

ERROR = 0.05
STAGES = ("inputs", "features", "sessions", "tables")
# Kinds of features that a session may see; `every` is the default.
VIEWS = {
    "every": features.KINDS,
    "components": ("components",),
    "profiles": ("profiles",),
    "harmonics": ("harmonics",),
    "contrastive": ("contrastive",),
    "known": features.KINDS,
}
ALONE = ("components", "profiles", "harmonics", "contrastive")
KNOWN = 5  # examples that are labelled before the review, with the view "known"


@dataclass(frozen=True)
class Scale:
    """How much a study does."""

    minutes: dict[str, float]
    sizes: dict[str, tuple[int, int]]  # simulated per folder: ordinary, of each other
    cases: dict[str, Case]
    seeds: int
    epochs: int  # of the contrastive features


SCALES = {
    "smoke": Scale(
        dict.fromkeys(STAGES, 0.2),
        {"mocks": (150, 12), "lens_frames": (60, 12)},
        {
            "mocks": Case("mocks", 120, 5, 5, 20),
            "lens_frames": Case("lens_frames", 60, 4, 0, 20),
        },
        2,
        1,
    ),
    "laptop": Scale(
        dict(zip(STAGES, (10, 10, 20, 1), strict=True)),
        {"mocks": (20_000, 400), "lens_frames": (10_000, 400)},
        {
            "mocks": Case("mocks", 20_000, 100, 100),
            "lens_frames": Case("lens_frames", 10_000, 100, 0),
            "real": Case("real", 221, 20, 0, 100),
        },
        5,
        30,
    ),
}


def plan(scale: Scale):
    """Yield every session: case, method, features, error and seed, main ones first."""
    for seed in range(scale.seeds):
        for case in scale.cases:
            for method in LEARNED + PLAIN:
                yield case, method, "every", 0.0, seed
    for seed in range(scale.seeds):
        for case in scale.cases:
            yield case, "regression", "every", ERROR, seed
            yield case, "regression", "known", 0.0, seed
            # Of the small pool alone: an hour of the others would tell little more.
            for view in ALONE if case == "real" else ():
                for method in ("isolation_forest", "regression"):
                    yield case, method, view, 0.0, seed


class Study(study.Study):
    """The stages of the study; `data` is the folder of real files."""

    name = "review"
    scales = SCALES
    needs = (("galsim", "sim"), ("lenstronomy", "sim"), ("coniferest", "review"))
    more = {"--data": {"type": Path, "help": "folder of real files"}}
    data = Path("../shared/data")

    def stages(self):
        """Return the stages by name."""
        steps = (self.simulate, self.measure, self.review, self.write)
        return dict(zip(STAGES, steps, strict=True))

    def simulate(self) -> None:
        """Simulate and gather the sets."""
        makers = {"mocks": sets.mocks, "lens_frames": sets.lens_frames}
        for place, (name, make) in enumerate(makers.items()):
            if not (self.out / name).is_dir():
                seed = self.seed + 1 + 10 * place
                make(self.out / name, *self.scale.sizes[name], seed)
        if "real" in self.scale.cases and not (self.out / "real").is_dir():
            sets.real(self.out / "real", self.data, self.seed + 1)

    def measure(self) -> None:
        """Measure the features."""
        for name in sorted({case.folder for case in self.scale.cases.values()}):
            features.measure(self.out / name, self.seed + 1, self.scale.epochs)

    def review(self) -> None:
        """Run the sessions that have no result yet."""
        (self.out / "sessions").mkdir(exist_ok=True)
        for case, method, view, error, seed in plan(self.scale):
            name = f"{case}-{method}-{view}-{round(100 * error)}-{seed}.json"
            path = self.out / "sessions" / name
            if path.is_file():
                continue
            begun = time.monotonic()
            shown = session(
                self.out,
                self.scale.cases[case],
                method,
                VIEWS[view],
                seed,
                error,
                KNOWN if view == "known" else 0,
            )
            study.LOG.info(
                "%s: %d of %d in %.0f s",
                path.stem,
                shown.count("interesting"),
                len(shown),
                time.monotonic() - begun,
            )
            found = {"case": case, "method": method, "view": view, "error": error}
            found |= {"seed": seed, "shown": shown}
            with atomic_path(path) as partial:
                partial.write_text(json.dumps(found), encoding="utf-8")

    def write(self) -> None:
        """Write the tables and figures of the page."""
        sessions = tables.read(self.out / "sessions")
        study.save_tables(self.out / "tables", tables.every(sessions, self.scale.cases))
        study.save_figures(self.out / "figures", figures.every(sessions, self.out))
        self.record()


if __name__ == "__main__":
    Study.main()
