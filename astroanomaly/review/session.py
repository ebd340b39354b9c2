"""What a review shows and keeps: lists, pictures, neighbours, labels, progress."""

import hashlib
import inspect
import json
import re
import struct
import threading
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.table import Table

from astroanomaly import tables
from astroanomaly.detector.base import plain
from astroanomaly.plots import display
from astroanomaly.report.objects import MEANINGS, Objects
from astroanomaly.review.agreement import check_of, proportion
from astroanomaly.review.labels import LABELS, LabelStore, class_of
from astroanomaly.review.neighbours import FeatureSpace
from astroanomaly.tables import columns
from astroanomaly.tables.flags import flag_words
from astroanomaly.utils.fingerprints import pixel_hashes

# Pictures are kept for who goes back and forth: 2,000 of 64 x 64 pixels in two bands.
_MOST_BYTES = 2**28
# One place in so many tests the reviewer, with a known anomaly and a repeat in turn.
_TEST_EVERY = 10
# A repeat this soon is remembered, not judged again.
_APART = 15
# A page asks for the objects of a screen, a search shows what can be read at a glance.
_MOST_ASKED, _MOST_FOUND = 200, 20
# Lists that are kept for browsers that have not heard of a newer one.
_LISTS = 8
# The page draws so many points of a curve.
_POINTS = 120
_RECENT = 20
# What a page can draw of an object, in the order in which the planes travel.
PARTS = ("original", "reconstruction", "residual")
_SKY = ("ra", "dec")
# The methods that a page may call.
CALLS = (
    "start",
    "cards",
    "search",
    "similar",
    "pixels",
    "label",
    "undo",
    "progress",
    "rerank",
    "restart",
    "send",
    "export",
)


@dataclass(frozen=True)
class Order:
    """A list to go through: rows of the table (below zero: tests), and its kind."""

    number: int
    kind: str
    rows: np.ndarray
    drawn: np.ndarray

    def source(self, place: int) -> str:
        """Return what brought the object to this place."""
        return "random" if self.drawn[place] else self.kind


@dataclass(frozen=True)
class Test:
    """An object that tests the reviewer: the name it is shown under, and what it is."""

    alias: str
    kind: str
    object_id: str
    row: int
    number: int


class Review:
    """One survey under review: what any page, widget or script asks and tells.

    Labels never touch the calibrated columns of the table: a learned list is another
    order of the same rows.

    Parameters
    ----------
    detector : AnomalyDetector or ClassifierDetector
        Gives ``explain`` and ``features``.
    table : Table
        Its score table.
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``.
    labels : LabelStore, str or Path
        The database of labels; it is made when it does not exist.
    read_only : bool, optional
        Show labels and keep none.
    plant : Cutouts, optional
        Known anomalies that are mixed in among the objects, together with repeats, to
        measure the reviewer's completeness and consistency.
    features : callable, optional
        From linear images (n, ny, nx, n_bands) to features (n, d), for neighbours and
        for learning; by default those of the detector's model.
    ranker : callable, optional
        Makes the learner; by default :class:`astroanomaly.review.ActiveRanker`.
    seed : int, optional
        Random seed.

    Raises
    ------
    ValueError
        If no object of the table has a cutout, or the labels are those of another
        table.

    Warns
    -----
    UserWarning
        If some objects have no cutout, or some labelled objects are gone.
    """

    def __init__(
        self,
        detector,
        table: Table,
        cutouts,
        labels: LabelStore | str | Path,
        *,
        read_only: bool = False,
        plant=None,
        features: Callable | None = None,
        ranker: Callable | None = None,
        seed: int = 0,
    ):
        if not len(table):
            raise ValueError("`table` must have rows. Received: none to review.")
        columns.require(table, "object_id", "anomaly_score")
        self.detector, self.seed, self.read_only = detector, seed, read_only
        n_calibration = 0 if detector.calibration is None else len(detector.calibration)
        self.objects = Objects(table, "anomaly_score", len(table), n_calibration)
        columns.check_unique(self.objects.ids, "The table")
        self._row = {name: row for row, name in enumerate(self.objects.ids)}
        self.cutouts = detector.opened(cutouts)
        where = {name: row for row, name in enumerate(self.cutouts.object_ids)}
        self._where = np.array([where.get(name, -1) for name in self.objects.ids])
        if (lost := int((self._where < 0).sum())) == len(table):
            raise ValueError(
                "`cutouts` must hold the objects of the table. Received: none of them; "
                f"the table has such as {self.objects.ids[0]!r}, the cutouts "
                f"{next(iter(where), 'none')!r}."
            )
        if lost:
            warnings.warn(
                f"{lost} of the {len(table)} objects of the table have no cutout: they "
                "are shown without a picture.",
                stacklevel=2,
            )
        own = isinstance(labels, LabelStore)
        self.store = labels if own else LabelStore(labels, read_only)
        if gone := self.store.check_table(table):
            warnings.warn(
                f"{self.store.path} holds labels of {gone} objects that are not in the "
                "table: they are kept, and not shown.",
                stacklevel=2,
            )
        # While a list is learned, the older one is still shown.
        self._reading, self._listing = threading.RLock(), threading.RLock()
        self._ranking = threading.Lock()
        self._ranker_class, self._ranker = ranker, None
        self._pictures: OrderedDict[str, dict] = OrderedDict()
        self._orders: dict[str, OrderedDict[int, Order]] = {}
        self._tests: dict[str, Test] = {}
        self._numbered: list[Test] = []
        self.plant = None
        if plant is not None:
            scored = detector.score(plant)
            self.plant = Objects(scored, "anomaly_score", len(scored), n_calibration)
            places = {name: k for k, name in enumerate(plant.object_ids)}
            self._planted = plant[np.array([places[name] for name in self.plant.ids])]
            for row, name in enumerate(self.plant.ids):
                self._test("planted", name, row)
        key = f"{self.model} {len(self)} {getattr(features, 'name', features)!r} "
        if hasattr(self.cutouts, "fingerprint"):
            key += self.cutouts.fingerprint()
        names = "\n".join(self.objects.ids).encode()
        key += hashlib.sha256(names).hexdigest()
        beside = self.store.path.with_name(f"{self.store.path.stem}.features.npz")
        # Arrays in memory may change behind the same names.
        keep = hasattr(self.cutouts, "fingerprint") and not read_only
        self.space = FeatureSpace(
            lambda rows: self._features(rows, features),
            len(self),
            beside if keep else None,
            key,
            seed,
        )

    def __len__(self) -> int:
        """Return the number of objects of the table."""
        return len(self.objects)

    @cached_property
    def model(self) -> str:
        """A hash of the detector's weights and settings."""
        settings = {
            k: v for k, v in self.detector.settings().items() if k != "versions"
        }
        found = hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode())
        # Only a network has weights.
        model = getattr(self.detector, "model", None)
        for weights in model.get_weights() if hasattr(model, "get_weights") else ():
            found.update(np.ascontiguousarray(weights).tobytes())
        return found.hexdigest()[:16]

    # --- lists --------------------------------------------------------------

    def order(self, reviewer: str, number: int | None = None) -> Order:
        """Return a reviewer's list: the newest one, or that of a number.

        Raises
        ------
        LookupError
            If the list of that number is no longer kept.
        """
        with self._listing:
            if reviewer not in self._orders:
                self.restart(reviewer)
            kept = self._orders[reviewer]
            if number is None:
                return kept[next(reversed(kept))]
            if number not in kept:
                raise LookupError("This list was replaced by a newer one.")
            return kept[number]

    def _keep(self, reviewer: str, kind: str, rows, drawn) -> Order:
        """Make a list the reviewer's newest."""
        with self._listing:
            kept = self._orders.setdefault(reviewer, OrderedDict())
            if self.plant is not None:
                rows, drawn = self._with_tests(reviewer, rows, drawn)
            # Another start of the program must not answer to the numbers of this one.
            order = Order(uuid.uuid4().int % 2**48, kind, rows, drawn)
            kept[order.number] = order
            while len(kept) > _LISTS:
                kept.popitem(last=False)
        return order

    def _test(self, kind: str, object_id: str, row: int) -> Test:
        """Return a test under a name that looks like any other of the table."""
        words, count = f"{self.store.uid} {kind} {object_id}", 0
        while True:
            digest = hashlib.sha256(f"{words} {count}".encode()).digest()
            rng = np.random.default_rng(np.frombuffer(digest, np.uint64))
            pattern = self.objects.ids[rng.integers(len(self))]
            digits = iter(rng.integers(10, size=len(pattern)))
            alias = re.sub("[0-9]", lambda _, new=digits: str(next(new)), pattern)
            if alias == pattern:
                alias = f"{pattern}_{rng.integers(100)}"
            known = self._tests.get(alias)
            if known and (known.kind, known.object_id) == (kind, object_id):
                return known
            if not known and alias not in self._row:
                test = Test(alias, kind, object_id, row, len(self._numbered))
                self._tests[alias] = test
                self._numbered.append(test)
                return test
            count += 1

    def _with_tests(self, reviewer: str, rows, drawn) -> tuple[np.ndarray, np.ndarray]:
        """Mix known anomalies and repeats into a list, at random places."""
        digest = hashlib.sha256(f"{self.store.uid} {reviewer}".encode()).digest()
        rng = np.random.default_rng(np.frombuffer(digest, np.uint64))
        seen = self.store.seen(reviewer)
        left = [t for t in self._tests.values() if t.kind == "planted"]
        left = [test for test in left if test.object_id not in seen]
        left = [left[k] for k in rng.permutation(len(left))]
        labelled = [row["object_id"] for row in self.store.rows(reviewer)]
        again = {row["object_id"] for row in self.store.rows(reviewer, "repeat")}
        old = [self._row[name] for name in labelled if name in self._row]
        found, chance = rows.tolist(), drawn.tolist()
        used = {self._row[name] for name in again if name in self._row}
        place, turn = _TEST_EVERY, 0
        while left and place < len(found):
            here = min(place - int(rng.integers(_TEST_EVERY)), len(found))
            if turn % 2 == 0:
                test = left.pop()
            else:
                # What was labelled long ago, or stands well before in this list.
                pool = old[:-_APART] + found[: max(here - _APART, 0)]
                pool = [row for row in pool if row >= 0 and row not in used]
                if not pool:
                    place, turn = place + _TEST_EVERY, turn + 1
                    continue
                row = pool[rng.integers(len(pool))]
                used.add(row)
                test = self._test("repeat", self.objects.ids[row], row)
            found.insert(here, -1 - test.number)
            chance.insert(here, False)
            place, turn = place + _TEST_EVERY, turn + 1
        return np.array(found), np.array(chance, bool)

    def _found(self, shown: str) -> tuple[Objects, int, str, str]:
        """Return the objects, row, true id and kind of what is shown under a name."""
        if (test := self._tests.get(shown)) is not None:
            objects = self.plant if test.kind == "planted" else self.objects
            return objects, test.row, test.object_id, test.kind
        if shown not in self._row:
            raise ValueError(
                f"`id` must be an object of this review. Received: {shown!r}."
            )
        return self.objects, self._row[shown], shown, "label"

    def card(self, reviewer: str, shown: str) -> dict:
        """Return what a page writes beside an object, and its label."""
        objects, row, object_id, kind = self._found(shown)
        hidden = {"rank", "ra", "dec"} if self.plant is not None else {"ra", "dec"}
        cells = {
            name: objects.cell(name, row)
            for name in objects.columns
            if name not in hidden | {"object_id"}
        }
        sky = [float(objects.columns.get(n, [np.nan] * (row + 1))[row]) for n in _SKY]
        # A position would tell a planted object, which has none, from the others.
        known = self.plant is None and np.isfinite(sky).all()
        return {
            "id": shown,
            "cells": cells,
            "level": objects.highest[row],
            "flags": flag_words(objects.flags[row]),
            "sky": sky if known else None,
            **self.store.current(object_id, reviewer, kind),
        }

    def cards(
        self, reviewer: str, start: int, n: int, number: int | None = None
    ) -> dict:
        """Return the cards of a part of a list."""
        order = self.order(reviewer, number)
        start, n = max(int(start), 0), min(max(int(n), 0), _MOST_ASKED)
        found = []
        for place in range(start, min(start + n, len(order.rows))):
            row = order.rows[place]
            name = self.objects.ids[row] if row >= 0 else self._numbered[-1 - row].alias
            card = {"place": place, "source": order.source(place)}
            found.append(self.card(reviewer, name) | card)
        return {"list": order.number, "n": len(order.rows), "cards": found}

    def search(self, reviewer: str, text: str) -> dict:
        """Return the cards of objects whose id holds a text, the exact one first."""
        wanted = text.strip().lower()
        if not wanted:
            return {"cards": []}
        found = [name for name in self.objects.ids if wanted in name.lower()]
        found.sort(
            key=lambda n: (n.lower() != wanted, not n.lower().startswith(wanted))
        )
        if text.strip() in self._tests:
            found.insert(0, text.strip())
        cards = [self.card(reviewer, name) for name in found[:_MOST_FOUND]]
        return {"cards": [card | {"source": "search"} for card in cards]}

    def similar(self, reviewer: str, shown: str, n: int = 12) -> dict:
        """Return the cards of the nearest objects in feature space."""
        objects, row, _, _ = self._found(shown)
        found = []
        if objects is self.objects:
            found = self.space.similar(row, min(int(n), _MOST_ASKED))
        cards = [self.card(reviewer, self.objects.ids[k]) for k in found]
        return {
            "cards": [card | {"source": "similar"} for card in cards],
            "done": self.space.done,
            "of": self.space.n,
            "error": self.space.error,
        }

    # --- pixels -------------------------------------------------------------

    def _read(self, rows):
        """Return the cutouts of rows of the table that can be read, or None."""
        places = self._where[np.asarray(rows)]
        places = places[places >= 0]
        if not len(places) or hasattr(self.cutouts, "images"):
            return self.cutouts[places] if len(places) else None
        part = self.cutouts.take(places)
        # A few files: no bar, no processes.
        part.progress, part.n_workers = False, 1
        return next(part.chunks(len(places)))

    def _features(self, rows, plug: Callable | None):
        """Return the rows that can be read, and their features."""
        with self._reading:
            part = self._read(rows)
            if part is None or not len(part):
                return np.array([], int), np.empty((0, 1))
            own = self.detector.features(part) if plug is None else plug(part.images)
        return np.array([self._row[name] for name in part.object_ids]), np.asarray(own)

    def pictures(self, shown: Sequence[str], whole: bool = True) -> list[dict]:
        """Return linear pixels, reconstruction and residual of objects.

        Parameters
        ----------
        shown : sequence of str
            Names that they are shown under.
        whole : bool, optional
            False for the originals alone, which need no network.

        Returns
        -------
        list of dict
            `original`, `reconstruction` (linear pixels where the stretch can be
            inverted) and `residual` (stretched), float32 of shape (ny, nx, n_bands),
            and `pixels`, the hash; or `error`, why there are none. A lens finder's
            have the original alone.
        """
        with self._reading:
            kept = self._pictures
            lost = [
                n for n in shown if n not in kept or (whole and not kept[n]["whole"])
            ]
            own, planted = {}, {}
            for name in dict.fromkeys(lost):
                objects, row, _, _ = self._found(name)
                (own if objects is self.objects else planted)[name] = row
            if own:
                part = self._read(list(own.values()))
                drawn = {}
                if part is not None and len(part):
                    drawn = self._drawn(part, whole)
                for name, row in own.items():
                    object_id = self.objects.ids[row]
                    if object_id in drawn:
                        self._pictures[name] = drawn[object_id]
                        continue
                    # By itself, so that the reason is its own.
                    part = self._read([row])
                    why = (
                        "it has no cutout"
                        if part is None
                        else part.skipped["reason"][0]
                    )
                    self._pictures[name] = {
                        "error": f"{object_id}: {why}.",
                        "whole": True,
                    }
            if planted:
                part = self._planted[np.array(list(planted.values()))]
                drawn = self._drawn(part, whole)
                for name, row in planted.items():
                    self._pictures[name] = drawn[self.plant.ids[row]]
            found = []
            for name in shown:
                self._pictures.move_to_end(name)
                found.append(self._pictures[name])
            most = _MOST_BYTES // (
                4 * len(PARTS) * int(np.prod(self.detector.image_shape))
            )
            while len(self._pictures) > max(most, _MOST_ASKED):
                self._pictures.popitem(last=False)
        return found

    def _drawn(self, cutouts, whole: bool) -> dict[str, dict]:
        """Return the pictures of cutouts, by object id."""
        explained = self.detector.explain(cutouts) if whole else {}
        bands = self.detector.bands
        cutouts = cutouts.select_bands(bands) if bands else cutouts
        parts = {"original": cutouts.images}
        if "reconstruction" in explained:
            drawn = explained["reconstruction"]
            if self.linear:
                drawn = np.asarray(self.detector.stretch.invert(drawn))
            parts |= {"reconstruction": drawn, "residual": explained["residual"]}
        hashes = pixel_hashes(cutouts)
        return {
            name: {"pixels": hashes[k], "whole": whole}
            | {
                word: np.ascontiguousarray(v[k], np.float32)
                for word, v in parts.items()
            }
            for k, name in enumerate(cutouts.object_ids)
        }

    @property
    def linear(self) -> bool:
        """Whether reconstructions can be shown as linear pixels."""
        return not getattr(getattr(self.detector, "stretch", None), "per_image", True)

    def pixels(self, reviewer: str, shown: Sequence[str], whole: bool = True) -> bytes:
        """Return the pixels of objects as a page reads them.

        Returns
        -------
        bytes
            The length of a header (uint32, little-endian), the header (JSON: for each
            object its id and either `error` or `shape`, `parts` and `pixels`), and the
            planes one after the other, float32, the first row at the bottom.
        """
        heads, planes = [], []
        for name, one in zip(
            shown, self.pictures(shown[:_MOST_ASKED], whole), strict=False
        ):
            if "error" in one:
                heads.append({"id": name, "error": one["error"]})
                continue
            held = [part for part in PARTS if part in one]
            planes += [one[part].astype("<f4", copy=False).tobytes() for part in held]
            shape = list(one["original"].shape)
            heads.append({"id": name, "shape": shape, "parts": held})
        head = json.dumps(heads).encode()
        # Numbers of four bytes begin where browsers can read them in place.
        head += b" " * (-len(head) % 4)
        return b"".join([struct.pack("<I", len(head)), head, *planes])

    # --- labels -------------------------------------------------------------

    def label(
        self,
        reviewer: str,
        shown: str,
        *,
        label: str | None = None,
        grade: int | None = None,
        tags: dict | None = None,
        note: str | None = None,
        seen: bool = False,
        key: str | None = None,
        source: str = "",
        place: int | None = None,
        how: dict | None = None,
    ) -> dict:
        """Keep a label, or that an object was seen; return what holds, and progress."""
        objects, row, object_id, kind = self._found(shown)
        sky = [objects.columns.get(name, [np.nan] * (row + 1))[row] for name in _SKY]
        held = self._pictures.get(shown, {})
        score = float(objects.columns["anomaly_score"][row])
        state = self.store.add(
            object_id,
            reviewer,
            label=label,
            grade=grade,
            tags=tags,
            note=note,
            kind="seen" if seen else kind,
            key=key,
            source=source,
            place=place,
            model=self.model,
            shown={**(how or {}), "as": shown, "anomaly_score": score},
            position=tuple(sky),
            pixels=held.get("pixels"),
        )
        return {"id": shown, **state, "progress": self.progress(reviewer)}

    def undo(self, reviewer: str, key: str | None = None) -> dict:
        """Take back the reviewer's last label; return the object's card, or None."""
        undone = self.store.undo(reviewer, key)
        card = None
        if undone is not None:
            shown, kind = undone["object_id"], undone["kind"]
            objects = self.plant if kind == "planted" else self.objects
            # It may be gone, or this review may have no planted objects.
            known = objects is not None and shown in objects.ids
            if known and kind in ("planted", "repeat"):
                shown = self._test(kind, shown, objects.ids.index(shown)).alias
            card = self.card(reviewer, shown) if known else None
        return {"card": card, "progress": self.progress(reviewer)}

    def progress(self, reviewer: str) -> dict:
        """Return how many were seen and found, and how the yield changes.

        The share of interesting objects among those drawn at random estimates what the
        rest of the survey holds, with a 95 per cent interval (Wilson).
        """
        rows = self.store.rows(reviewer)
        classes = [class_of(row) for row in rows]
        found = np.cumsum([word == "interesting" for word in classes], dtype=int)
        steps = np.unique(
            np.linspace(0, len(rows), min(len(rows), _POINTS) + 1, dtype=int)
        )
        curve = [[int(n), int(found[n - 1]) if n else 0] for n in steps]
        recent = classes[-_RECENT:]
        drawn = [
            w for w, r in zip(classes, rows, strict=True) if r["source"] == "random"
        ]
        k = sum(word == "interesting" for word in drawn)
        share, low, high = proportion(k, len(drawn))
        left = len(self) - len(rows)
        check = check_of(self.store, reviewer) if self.plant is not None else None
        return {
            "n": len(self),
            "seen": len(self.store.seen(reviewer) & self._row.keys()),
            "labelled": len(rows),
            "classes": {word: classes.count(word) for word in LABELS},
            "curve": curve,
            "recent": [sum(word == "interesting" for word in recent), len(recent)],
            "random": {
                "k": k,
                "n": len(drawn),
                "missing": [round(left * x) for x in (share, low, high)]
                if drawn
                else None,
            },
            # NaN is not JSON.
            "check": check
            and {
                name: {k: v if v == v else None for k, v in one.items()}
                for name, one in check.items()
            },
        }

    def rerank(self, reviewer: str) -> dict:
        """Learn from the reviewer's labels and return the number of a new list.

        Raises
        ------
        ValueError
            If features are not ready yet, or the labels do not suffice.
        """
        if self.space.error:
            raise ValueError(f"The features could not be computed: {self.space.error}")
        if not self.space.ready:
            raise ValueError(
                "A learned list needs the features of all objects. Received: "
                f"{self.space.done} of {self.space.n} so far; try again soon."
            )
        labels = {
            k: v for k, v in self.store.labels(reviewer).items() if k in self._row
        }
        if not labels:
            raise ValueError("A learned list needs labels. Received: none yet.")
        with self._ranking:
            if self._ranker is None:
                make = self._ranker_class
                if make is None:
                    from astroanomaly.review.ranking import ActiveRanker as make

                scores = {
                    name: self.objects.columns[name] for name in self.objects.scores
                }
                scores["flag"] = self.objects.flags
                features = self.space.complete()
                self._ranker = make(features, self.objects.ids, scores, seed=self.seed)
            ranked = self._ranker.fit(labels).rank()
            ranked = ranked[np.argsort(ranked["learned_rank"], kind="stable")]
            rows = np.array([self._row[name] for name in columns.texts(ranked)])
            drawn = columns.truths(ranked, "drawn_at_random")
            order = self._keep(reviewer, "learned", rows, drawn)
        return {"list": order.number, "n": len(order.rows), "learned_from": len(labels)}

    def restart(self, reviewer: str) -> dict:
        """Return to the detector's own list."""
        none = np.zeros(len(self), bool)
        order = self._keep(reviewer, "static", np.arange(len(self)), none)
        return {"list": order.number, "n": len(order.rows)}

    def send(self, reviewer: str, shown: str | None = None) -> dict:
        """Send an object, or all that the reviewer found interesting, by SAMP."""
        if shown is not None:
            names = [self._found(shown)[2]]
        else:
            rows = self.store.rows(reviewer)
            names = [r["object_id"] for r in rows if class_of(r) == "interesting"]
        rows = [self._row[name] for name in names if name in self._row]
        if not rows:
            raise ValueError("SAMP needs an object. Received: none found yet.")
        path = self.store.path.with_name(f"{self.store.path.stem}.samp.vot")
        reached = tables.send(self.objects.table[rows], path, "review")
        return {"n": len(rows), "reached": reached}

    def start(self, reviewer: str) -> dict:
        """Return what a page needs once: bands, words, the list and where to begin."""
        order = self.order(reviewer)
        seen = self.store.seen(reviewer)
        names = (
            self.objects.ids[row] if row >= 0 else self._numbered[-1 - row].object_id
            for row in order.rows
        )
        place = next((k for k, name in enumerate(names) if name not in seen), 0)
        tags = sorted({t for row in self.store.rows(reviewer) for t in row["tags"]})
        return {
            "reviewer": reviewer,
            "readOnly": self.read_only,
            "list": order.number,
            "kind": order.kind,
            "n": len(order.rows),
            "place": place,
            "bands": list(self.detector.bands or self.cutouts.bands),
            "pixelScale": self.cutouts.pixel_scale,
            "scores": self.objects.scores,
            "by": self.objects.by,
            "meanings": MEANINGS,
            "colors": self.objects.colors,
            "tags": tags,
            "linear": self.linear,
            "limit": self.residual_limit,
            "store": self.store.uid,
            "progress": self.progress(reviewer),
        }

    @cached_property
    def residual_limit(self) -> float:
        """The residual that is drawn in full color, the same for all objects."""
        first = self.pictures(self.objects.ids[:_MOST_FOUND])
        planes = [one["residual"] for one in first if "residual" in one]
        if not planes:
            return 1.0
        return display.residual_limit(display.residual_plane(np.stack(planes)))

    def export(self, reviewer: str, ending: str) -> bytes:
        """Return the reviewer's labels as a table's file: .ecsv, .csv, .vot, ..."""
        with TemporaryDirectory() as folder:
            return self.store.export(
                Path(folder) / f"labels{ending}", reviewer
            ).read_bytes()

    def call(self, reviewer: str, name: str, body: dict) -> dict | bytes:
        """Answer a page or a widget: run one of the methods that it may ask for.

        Raises
        ------
        ValueError
            If the name is another, or a value is not one that the method takes.
        """
        if name not in CALLS or not isinstance(body, dict):
            raise ValueError(
                f"A page may ask for {', '.join(CALLS)}, with an object of values. "
                f"Received: {name!r}."
            )
        try:
            inspect.signature(getattr(self, name)).bind(reviewer, **body)
        except TypeError as error:
            raise ValueError(
                f"`{name}` takes other values. Received: {error}."
            ) from None
        return getattr(self, name)(reviewer, **body)
