"""What a run keeps, and what is measured from it: outputs, areas, misses, focus."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.special import expit

from astroanomaly import evaluation
from astroanomaly.evaluation import classifier
from astroanomaly.evaluation.roc_auc import auc_difference, aucs
from studies.lens_finder import names
from studies.lens_finder.kept import read
from studies.tables import NOTHING, table_of

SCORED = ("calibration", "train", "validation", "test", "arcs", "rings")
MASK = 4  # side of the mask of occlusion maps, pixels, as published
N_BOOTSTRAP = 1000
RATE, FIVE = 0.01, 0.05  # false-positive rates
N_BINS = 4  # quarters of a set by a property
# Distance from the main object, arcsec: its core, and where rings and arcs lie.
CORE, RING = 0.8, 3.0
LENS = 1.5  # Einstein radii that hold the images of a source


def platt(labels, logits) -> classifier.ProbabilityCalibration:
    """Return Platt's calibration of logits."""
    return classifier.ProbabilityCalibration("sigmoid", on="logit").fit(labels, logits)


def loss(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the cross-entropy in nats with equal weight for both classes."""
    wrong = np.logaddexp(0, np.where(labels, -logits, logits))
    return float((wrong[labels].mean() + wrong[~labels].mean()) / 2)


@dataclass(frozen=True)
class Entry:
    """A training of a finder, or the mean logit of all its trainings ("together").

    `real` holds logit and kind ("lens" or "sky") by name, `cost` what training.json
    says, `n_seeds` the number of trainings.
    """

    finder: str
    member: str
    logits: dict
    real: dict = field(default_factory=dict)
    cost: dict = field(default_factory=dict)
    n_seeds: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """Finder and member."""
        return self.finder, self.member

    @property
    def name(self) -> str:
        """Its name on the page."""
        many = f"{self.n_seeds} seeds together"
        member = many if self.member == names.TOGETHER else self.member
        return f"{names.finder_name(self.finder)}, {member}"

    def p(self, name: str) -> np.ndarray:
        """Return P(lens) of a set, as the network gives it."""
        return expit(self.logits[name])


class Run:
    """The folder of a run, with each stage as far as it is finished."""

    def __init__(self, out: Path):
        self.out = Path(out)

    @cached_property
    def record(self) -> dict:
        """What study.json says; empty without it."""
        path = self.out / "study.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}

    @cached_property
    def truths(self) -> dict[str, Table]:
        """The truth of each set."""
        paths = sorted((self.out / "sets").glob("*/truth.ecsv"))
        return {path.parent.name: Table.read(path) for path in paths}

    def labels(self, name: str) -> np.ndarray:
        """Return whether each frame of a set holds a lens."""
        return np.asarray(self.truths[name]["is_lens"], bool)

    def kinds(self, name: str) -> np.ndarray:
        """Return what each frame of a set holds."""
        return np.asarray(self.truths[name]["kind"], str)

    def pair(self, entry: Entry, name: str) -> tuple:
        """Return P(lens) and labels of a set; None for labels of lenses alone."""
        p = entry.p(name)
        # Only the first frames of a long training set are scored.
        return p, None if name in ("arcs", "rings") else self.labels(name)[: len(p)]

    @cached_property
    def entries(self) -> list[Entry]:
        """All trainings with complete outputs, and those of a finder together."""
        there = sorted(p.name for p in (self.out / "finders").glob("*") if p.is_dir())
        found = []
        for finder in dict.fromkeys([*self.record.get("finders", {}), *there]):
            members = []
            paths = (self.out / "finders" / finder).glob("s*")
            for path in sorted(paths, key=lambda path: int(path.name[1:])):
                sets = {n: read(path / "outputs" / f"{n}.npz") for n in SCORED}
                if not all(sets.values()):
                    continue
                logits = {name: arrays["logit"] for name, arrays in sets.items()}
                real = read(self.out / "real" / f"{finder}_{path.name}.npz")
                rows = [real.get(key, ()) for key in ("name", "logit", "kind")]
                rows = zip(*rows, strict=True)
                real = {str(n): (float(v), str(k)) for n, v, k in rows}
                cost = path / "training.json"
                cost = json.loads(cost.read_text()) if cost.is_file() else {}
                member = f"seed {path.name[1:]}"
                members.append(Entry(finder, member, logits, real, cost))
            found += members
            if len(members) > 1:
                logits = {
                    name: np.mean([one.logits[name] for one in members], axis=0)
                    for name in SCORED
                }
                real = {
                    name: (float(np.mean([one.real[name][0] for one in members])), kind)
                    for name, (_, kind) in members[0].real.items()
                    if all(name in one.real for one in members)
                }
                n = len(members)
                found.append(Entry(finder, names.TOGETHER, logits, real, n_seeds=n))
        return found

    @cached_property
    def curves(self) -> dict[tuple, classifier.ProbabilityCalibration]:
        """Platt's calibration of each entry, fitted on the calibration set."""
        labels = self.labels("calibration")
        return {e.key: platt(labels, e.logits["calibration"]) for e in self.entries}

    def loss(self, entry: Entry) -> float:
        """Return an entry's cross-entropy on the validation set."""
        return loss(self.labels("validation"), entry.logits["validation"])

    @cached_property
    def shown(self) -> list[Entry]:
        """The entry of lowest validation loss of each finder."""
        found = dict.fromkeys(entry.finder for entry in self.entries)
        return [
            min((e for e in self.entries if e.finder == finder), key=self.loss)
            for finder in found
        ]

    def bands(self, finder: str) -> tuple[str, ...]:
        """Return the bands of a finder; none where the study does not say."""
        return tuple(self.record.get("finders", {}).get(finder, {}).get("bands", ()))

    @cached_property
    def chosen(self) -> Entry | None:
        """The study's finder: the most bands, then the lowest validation loss."""
        key = self._preference
        return min(self.shown, key=key, default=None)

    def _preference(self, entry: Entry) -> tuple:
        return -len(self.bands(entry.finder)), self.loss(entry)

    @cached_property
    def assigned(self) -> dict[str, Entry]:
        """The finder of each real lens: the most bands, then the lowest loss."""
        found = {}
        for entry in self.shown:
            for name, (_, kind) in entry.real.items():
                if kind == "lens":
                    found.setdefault(name, []).append(entry)
        return {name: min(each, key=self._preference) for name, each in found.items()}

    def thresholds(self, rule: str) -> dict[tuple, tuple]:
        """Return threshold and (rate, low, high) where chosen, by entry.

        An entry that cannot reach 1 % false positives on the calibration set is left
        out: too few non-lenses, or one of them ranks first.
        """
        if rule == names.HALF:
            return {entry.key: (0.5, NOTHING) for entry in self.entries}
        labels, found = self.labels("calibration") if self.entries else None, {}
        for entry in self.entries:
            try:
                one = classifier.threshold_for(
                    labels, entry.p("calibration"), false_positive_rate=RATE
                )
            except ValueError:
                continue
            found[entry.key] = one.threshold, tuple(map(float, one.reached))
        return found

    def rates(self, entry: Entry, threshold: float, real: bool = False) -> Table:
        """Return table 1 of the reference for an entry; `real` adds real lenses."""
        sets = {name: self.pair(entry, one) for name, one in names.SETS.items()}
        if real and self.assigned:
            logits = [one.real[name][0] for name, one in self.assigned.items()]
            sets["real lenses"] = expit(np.array(logits)), None
        return classifier.set_table(sets, threshold, negatives="single test")

    def negatives(self, threshold: float) -> Table:
        """Return how often the study's finder calls each kind of non-lens a lens."""
        others = ~self.labels("test")
        kinds, p = self.kinds("test")[others], self.chosen.p("test")[others]
        return classifier.negatives_table(kinds, p, threshold)

    @cached_property
    def detectors(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """The scores of detectors and floor: by name and score, then by set."""
        found = {}
        for path in sorted((self.out / "detectors").glob("*/done.npz")):
            sets = {one.stem: read(one) for one in path.parent.glob("*.npz")}
            for score in sets.get("test", {}):
                key = path.parent.name, score
                found[key] = {k: v[score] for k, v in sets.items() if score in v}
        return found

    @cached_property
    def areas(self) -> dict[tuple, dict[str, tuple]]:
        """AUC and recalls by (kind, name, score), then by set.

        Kinds are "finder" (its score is the member), "detector" and "floor". Each set
        has (auc, low, high), the recall at the false-positive rate of the study's
        finder at 0.5, and that at 5 %, of its lenses against the test set's non-lenses.
        """
        ranked = {("finder", *entry.key): entry.logits for entry in self.entries}
        for (name, score), sets in self.detectors.items():
            if all(known in sets for known in names.LENS_SETS):
                kind = "floor" if name == names.FLOOR else "detector"
                ranked[kind, name, score] = sets
        if not self.entries:
            return {}
        truth, found = self.labels("test"), {key: {} for key in ranked}
        for name in names.LENS_SETS:
            parts = {key: split(sets, name, truth) for key, sets in ranked.items()}
            labels = np.repeat(
                [True, False], list(map(len, next(iter(parts.values()))))
            )
            joined = {key: np.concatenate(part) for key, part in parts.items()}
            for key, area in aucs(labels, joined, N_BOOTSTRAP).items():
                recalls = [recall_at(*parts[key], f) for f in (self.own_rate, FIVE)]
                found[key][name] = tuple(area[:3]), *recalls
        return found

    @property
    def own_rate(self) -> float:
        """The false-positive rate of the study's finder at 0.5, on the test set."""
        return float((self.chosen.p("test")[~self.labels("test")] >= 0.5).mean())

    def versus(self, key: tuple, name: str = "test") -> tuple:
        """Return (difference, low, high): the AUC of the study's finder less another.

        A paired bootstrap over frames; `key` is one of a detector or the floor in
        `areas`.
        """
        truth = self.labels("test")
        both = self.chosen.logits, self.detectors[key[1:]]
        parts = [split(sets, name, truth) for sets in both]
        labels = np.repeat([True, False], list(map(len, parts[0])))
        return tuple(auc_difference(labels, *map(np.concatenate, parts), N_BOOTSTRAP))

    @cached_property
    def missed(self) -> dict[str, dict[str, Table]]:
        """The recall of the study's finder in quarters of each set, by property."""
        found = {prop: {} for prop in names.PROPERTIES}
        for name in names.LENS_SETS:
            lenses = self.labels(name)
            hits = self.chosen.p(name)[lenses] >= 0.5
            for prop, each in found.items():
                values = np.asarray(self.truths[name][prop], float)[lenses]
                each[name] = evaluation.binned_rates(hits, values, N_BINS)
        return found

    @cached_property
    def looked(self) -> list[str]:
        """The finders with occlusion maps, in the study's order."""
        there = (self.out / "explained").glob("*/maps_*.npz")
        there = sorted({path.parent.name for path in there})
        known = [name for name in self.record.get("looks", {}) if name in there]
        return known + [name for name in there if name not in known]

    def maps(self, finder: str) -> dict[str, dict[str, np.ndarray]]:
        """Return the occlusion maps of a finder by group, false alarms last."""
        folder = self.out / "explained" / finder
        there = [path.stem.removeprefix("maps_") for path in folder.glob("maps_*.npz")]
        return {n: read(folder / f"maps_{n}.npz") for n in names.ordered(there)}

    def focus(self, finder: str) -> Table:
        """Return where hiding a part lowers a finder's logit, and where it raises it.

        For each group and zone: n (maps), the share of the map's fall ("for" a lens)
        and of its rise ("against") in the zone, means over maps with a bootstrap, and
        the zone's shares of the frame's area and of its light.
        """
        rows = []
        for group, found in self.maps(finder).items():
            change = found["output"][:, None, None] - found["map"]
            for zone, mask in zones(found).items():
                pair = [
                    zone_share(np.maximum(sign * change, 0), mask, found["light"])
                    for sign in (1.0, -1.0)
                ]
                if some := next(filter(None, pair), None):
                    spans = [one[1:4] if one else NOTHING for one in pair]
                    n = max(one[0] for one in pair if one)
                    rows.append((group, n, zone, *spans[0], *spans[1], *some[4:]))
        heads = "group n zone for for_low for_high against against_low against_high"
        return table_of(f"{heads} area light", rows)


def split(sets: dict, name: str, truth: np.ndarray) -> tuple:
    """Return the scores of a set's lenses and of the test set's non-lenses."""
    lenses = sets["test"][truth] if name == "test" else sets[name]
    return lenses, sets["test"][~truth]


def recall_at(lenses: np.ndarray, others: np.ndarray, false_rate: float) -> float:
    """Return the share of lenses above the threshold of a false-positive rate.

    The threshold is the lowest score that at most this share of the others exceed.
    """
    k = int(np.floor(false_rate * len(others) + 1e-9))
    if k >= len(others):
        return 1.0
    return float((lenses > np.sort(others)[::-1][k]).mean())


def zones(found: dict) -> dict[str, np.ndarray]:
    """Return which pixels of each map of a group lie in each zone.

    "lens" exists only where every object has an Einstein radius.
    """
    y, x = np.indices(found["map"].shape[1:])
    rows, columns = (found["place"][:, k][:, None, None] for k in (0, 1))
    distance = float(found["pixel_scale"]) * np.hypot(y - rows, x - columns)
    radius = np.asarray(found["theta_E"], float)
    masks = {}
    if np.isfinite(radius).all():
        masks["lens"] = distance <= LENS * radius[:, None, None]
    masks["core"] = distance <= CORE
    masks["ring"] = (distance > CORE) & (distance <= RING)
    return masks | {"elsewhere": distance > RING}


def shares(weight: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the share of each map's weight within a mask; NaN without any weight."""
    whole = weight.sum(axis=(1, 2))
    inside = (weight * mask).sum(axis=(1, 2))
    return np.where(whole > 0, inside / np.where(whole > 0, whole, 1), np.nan)


def zone_share(weight, mask, light) -> tuple | None:
    """Return n, mean share, low, high, and the shares of area and of light."""
    found = shares(weight.astype(float), mask)
    known = np.isfinite(found)
    if not known.any():
        return None
    values = found[known]
    draws = np.random.default_rng(0).choice(values, (N_BOOTSTRAP, len(values)))
    ends = np.percentile(draws.mean(axis=1), (2.5, 97.5))
    ends = ends if len(values) > 1 else (np.nan, np.nan)  # one map has no scatter
    lit = np.nanmean(shares(light[known].astype(float), mask[known]))
    area = mask[known].mean()
    return len(values), *map(float, (values.mean(), *ends, area, lit))
