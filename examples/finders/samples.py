"""What a lens-finder study keeps, as its tables need it: outputs, truth, scores."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.special import expit

from astroanomaly.evaluation.classifier import ProbabilityCalibration
from finders.kept import read

SCORED = ("calibration", "train", "validation", "test", "arcs", "rings")
LENSES = ("arcs", "rings")
TOGETHER = "together"
MASK = 4  # of occlusion maps, pixels, as published


def platt(labels: np.ndarray, logits: np.ndarray) -> ProbabilityCalibration:
    """Return Platt's calibration of logits."""
    return ProbabilityCalibration("sigmoid", on="logit").fit(labels, logits)


def record(out: Path) -> dict:
    """Return what is known of the study, from its study.json; empty without one."""
    path = Path(out) / "study.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@dataclass(frozen=True)
class Entry:
    """A finder's training, or the mean logit of all of a finder's trainings.

    Parameters
    ----------
    finder : str
        Name of the finder.
    member : str
        "seed 0" and so on, or "together".
    logits : dict of ndarray
        By set.
    real : dict of (float, str)
        Logit and kind, "lens" or "sky", by name of a real field.
    cost : dict
        What training.json says; empty of several together.
    """

    finder: str
    member: str
    logits: dict
    real: dict = field(default_factory=dict)
    cost: dict = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Finder and member."""
        return self.finder, self.member

    def p(self, name: str) -> np.ndarray:
        """Return the probabilities of a set as the network states them."""
        return expit(self.logits[name])


class Run:
    """A study's folder.

    Parameters
    ----------
    out : Path
        The folder, with `sets`, `finders`, `detectors`, `real` and `explained`, each
        as far as it is done.
    """

    def __init__(self, out: Path):
        self.out = Path(out)

    @cached_property
    def record(self) -> dict:
        """What study.json says."""
        return record(self.out)

    @cached_property
    def truths(self) -> dict[str, Table]:
        """The truth of each set."""
        paths = sorted((self.out / "sets").glob("*/truth.ecsv"))
        return {path.parent.name: Table.read(path) for path in paths}

    def labels(self, name: str) -> np.ndarray:
        """Return whether each frame of a set holds a lens."""
        return np.asarray(self.truths[name]["is_lens"], bool)

    def pair(self, entry: Entry, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return probabilities and labels of a set; no labels of lenses alone.

        Of a long training set the first frames alone were scored.
        """
        p = entry.p(name)
        return p, None if name in LENSES else self.labels(name)[: len(p)]

    def kinds(self, name: str) -> np.ndarray:
        """Return what each frame of a set holds."""
        return np.asarray(self.truths[name]["kind"], str)

    @cached_property
    def entries(self) -> list[Entry]:
        """All trainings whose outputs are complete, several of a finder together."""
        found = []
        for finder in self._finders():
            seeds = sorted((self.out / "finders" / finder).glob("s*"), key=_number)
            members = [one for path in seeds if (one := self._entry(finder, path))]
            found += members
            if len(members) > 1:
                found.append(_together(finder, members))
        return found

    @cached_property
    def curves(self) -> dict[tuple[str, str], ProbabilityCalibration]:
        """Platt's calibration of each entry, learned on the calibration set."""
        labels = self.labels("calibration")
        return {e.key: platt(labels, e.logits["calibration"]) for e in self.entries}

    def _finders(self) -> list[str]:
        known = list(self.record.get("finders", {}))
        there = sorted(p.name for p in (self.out / "finders").glob("*") if p.is_dir())
        return [*known, *(name for name in there if name not in known)]

    def _entry(self, finder: str, path: Path) -> Entry | None:
        logits = {name: read(path / "outputs" / f"{name}.npz") for name in SCORED}
        if not all(logits.values()):
            return None
        real = read(self.out / "real" / f"{finder}_{path.name}.npz")
        rows = zip(*(real.get(k, ()) for k in ("name", "logit", "kind")), strict=True)
        fields = {str(name): (float(v), str(kind)) for name, v, kind in rows}
        cost = path / "training.json"
        return Entry(
            finder,
            f"seed {_number(path)}",
            {name: arrays["logit"] for name, arrays in logits.items()},
            fields,
            json.loads(cost.read_text("utf-8")) if cost.is_file() else {},
        )

    @cached_property
    def detectors(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """The scores of what is no finder: by detector and score, then by set."""
        found = {}
        for path in sorted((self.out / "detectors").glob("*/done.npz")):
            sets = {one.stem: read(one) for one in path.parent.glob("*.npz")}
            for score in sets.get("test", {}):
                key = path.parent.name, score
                found[key] = {k: v[score] for k, v in sets.items() if score in v}
        return found

    def maps(self, finder: str) -> dict[str, dict[str, np.ndarray]]:
        """Return the occlusion maps of a finder, by group."""
        folder = self.out / "explained" / finder
        return {
            path.stem.removeprefix("maps_"): read(path)
            for path in sorted(folder.glob("maps_*.npz"))
        }

    @cached_property
    def looked(self) -> list[str]:
        """The finders with occlusion maps, in the study's order."""
        folder = self.out / "explained"
        there = sorted({path.parent.name for path in folder.glob("*/maps_*.npz")})
        known = [name for name in self.record.get("looks", {}) if name in there]
        return known + [name for name in there if name not in known]

    @property
    def missing_real(self) -> dict[str, str]:
        """Why real lenses are missing, by name."""
        path = self.out / "real" / "missing.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _number(path: Path) -> int:
    return int(path.name.removeprefix("s"))


def _together(finder: str, members: list[Entry]) -> Entry:
    """Return the mean logit of several trainings."""
    logits = {
        name: np.mean([one.logits[name] for one in members], axis=0) for name in SCORED
    }
    shared = [set(one.real) for one in members]
    real = {
        name: (float(np.mean([one.real[name][0] for one in members])), kind)
        for name, (_, kind) in members[0].real.items()
        if all(name in names for names in shared)
    }
    return Entry(finder, TOGETHER, logits, real)


def loss(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the cross-entropy in which both classes count alike.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        True for lenses.
    logits : ndarray of shape (n,)
        Outputs of a finder.

    Returns
    -------
    float
        In nats; ln 2 for a finder that knows nothing.
    """
    wrong = np.logaddexp(0, np.where(labels, -logits, logits))
    return float((wrong[labels].mean() + wrong[~labels].mean()) / 2)
