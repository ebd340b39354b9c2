"""What a review shows and keeps: lists, pictures, neighbours, labels, progress."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from astroanomaly import tables
from astroanomaly.report.objects import MEANINGS, Objects
from astroanomaly.review.labels import LABELS, LabelStore, class_of
from astroanomaly.review.neighbours import FeatureSpace
from astroanomaly.review.pictures import Pictures, packed
from astroanomaly.review.planting import Tests
from astroanomaly.review.reviewers import check_of, proportion
from astroanomaly.tables import columns
from astroanomaly.tables.flags import flag_words

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector

# A page asks for the objects of a screen, a search shows what can be read at a glance.
_MOST_ASKED, _MOST_FOUND = 200, 20
# Lists that are kept for browsers that have not heard of a newer one.
_LISTS = 8
# The page draws so many points of a curve.
_POINTS = 120
_RECENT = 20
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


# What a question can bring about that is its own fault, or the disk's.
REFUSED = (ValueError, TypeError, ImportError, RecursionError, LookupError, OSError)


class OldListError(LookupError):
    """A page asks for a list that was replaced too long ago."""


def refusal(error: Exception) -> tuple[int, str]:
    """Return the HTTP status and the sentence of an error of `REFUSED`."""
    # The page then asks for the new list, or waits and asks again.
    waits = 503 if isinstance(error, OSError) else 400
    status = 409 if isinstance(error, OldListError) else waits
    return status, " ".join(str(error).split())


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

    Examples
    --------
    >>> review = Review(detector, table, test, "labels.db")
    >>> review.store.reviewers
    []
    """

    def __init__(
        self,
        detector: Detector,
        table: Table,
        cutouts: Cutouts | CutoutStream,
        labels: LabelStore | str | Path,
        *,
        read_only: bool = False,
        plant: Cutouts | None = None,
        features: Callable | None = None,
        ranker: Callable | None = None,
        seed: int = 0,
    ) -> None:
        if not len(table):
            raise ValueError("`table` must have rows. Received: none to review.")
        columns.require(table, "object_id", "anomaly_score")
        self.detector, self.seed, self.read_only = detector, seed, read_only
        n_calibration = 0 if detector.calibration is None else len(detector.calibration)
        self.objects = Objects(table, "anomaly_score", len(table), n_calibration)
        columns.check_unique(self.objects.ids, "The table")
        self._row = {name: row for row, name in enumerate(self.objects.ids)}
        own = isinstance(labels, LabelStore)
        self.store = labels if own else LabelStore(labels, read_only)
        if gone := self.store.check_table(table):
            warnings.warn(
                f"{self.store.path} holds labels of {gone} objects that are not in the "
                "table: they are kept, and not shown.",
                stacklevel=2,
            )
        self.plant, planted = None, None
        if plant is not None:
            scored = detector.score(plant)
            self.plant = Objects(scored, "anomaly_score", len(scored), n_calibration)
            planted = plant[self.plant.ids]
        self.tests = Tests(
            self.store.uid, self.objects.ids, self.plant.ids if self.plant else ()
        )
        self.pictures = Pictures(detector, cutouts, self.objects.ids, planted)
        # While a list is learned, the older one is still shown.
        self._listing, self._ranking = threading.RLock(), threading.Lock()
        self._ranker_class, self._ranker = ranker, None
        self._orders: dict[str, OrderedDict[int, Order]] = {}
        # Arrays in memory may change behind the same names.
        keep = hasattr(self.pictures.cutouts, "fingerprint") and not read_only
        self.space = FeatureSpace(
            lambda rows: self.pictures.features(rows, features),
            len(self),
            (lambda: self._features_path(features)) if keep else None,
            self.objects.ids,
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
        found = hashlib.sha256(
            json.dumps(settings, sort_keys=True, default=str).encode()
        )
        # Only a network has weights.
        model = getattr(self.detector, "model", None)
        for weights in model.get_weights() if hasattr(model, "get_weights") else ():
            found.update(np.ascontiguousarray(weights).tobytes())
        return found.hexdigest()[:16]

    def _features_path(self, plug: Callable | None) -> Path:
        """Return the file beside the labels whose name stands for these features."""
        parts = [self.model, str(getattr(plug, "name", plug)), str(self.seed)]
        parts.append(self.pictures.cutouts.fingerprint())
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
        return self.store.path.with_name(f"{self.store.path.stem}.features.{key}.npz")

    # --- lists --------------------------------------------------------------

    def order(self, reviewer: str, number: int | None = None) -> Order:
        """Return a reviewer's list: the newest one, or that of a number.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        number : int, optional
            Of the list; the newest by default.

        Returns
        -------
        Order
            Rows of the table, and which were drawn at random.

        Raises
        ------
        OldListError
            If the list of that number is no longer kept.
        """
        with self._listing:
            if reviewer not in self._orders:
                self.restart(reviewer)
            kept = self._orders[reviewer]
            if number is None:
                return kept[next(reversed(kept))]
            if number not in kept:
                raise OldListError("This list was replaced by a newer one.")
            return kept[number]

    def _keep(self, reviewer: str, made: str, rows, drawn) -> Order:
        """Make a list the reviewer's newest."""
        with self._listing:
            kept = self._orders.setdefault(reviewer, OrderedDict())
            if self.plant is not None:
                labelled, again = (
                    [
                        self._row[row["object_id"]]
                        for row in self.store.rows(reviewer, kind)
                        if row["object_id"] in self._row
                    ]
                    for kind in ("label", "repeat")
                )
                seen = self.store.seen(reviewer)
                rows, drawn = self.tests.mixed(
                    reviewer, rows, drawn, seen, labelled, again
                )
            # Another start of the program must not answer to the numbers of this one.
            order = Order(uuid.uuid4().int % 2**48, made, rows, drawn)
            kept[order.number] = order
            while len(kept) > _LISTS:
                kept.popitem(last=False)
        return order

    def _found(self, shown: str) -> tuple[Objects, int, str, str]:
        """Return the objects, row, true id and kind of what is shown under a name."""
        if (test := self.tests.named.get(shown)) is not None:
            objects = self.plant if test.kind == "planted" else self.objects
            return objects, test.row, test.object_id, test.kind
        if shown not in self._row:
            raise ValueError(
                f"`id` must be an object of this review. Received: {shown!r}."
            )
        return self.objects, self._row[shown], shown, "label"

    def card(self, reviewer: str, shown: str) -> dict:
        """Return what a page writes beside an object, and its label.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        shown : str
            Name that the object is shown under.

        Returns
        -------
        dict
            `id`, `cells` (words by column), `level`, `flags`, `sky` (degrees, or None)
            and what the reviewer said: `label`, `grade`, `tags` and `note`.
        """
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
        """Return the cards of a part of a list.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        start, n : int
            The first place and how many, at most 200.
        number : int, optional
            Of the list; the newest by default.

        Returns
        -------
        dict
            `list` (its number), `n` (its length) and `cards`, each with its `place` and
            its `source`: "static", "learned" or "random".
        """
        order = self.order(reviewer, number)
        start, n = max(int(start), 0), min(max(int(n), 0), _MOST_ASKED)
        found = []
        for place in range(start, min(start + n, len(order.rows))):
            row = order.rows[place]
            name = (
                self.objects.ids[row]
                if row >= 0
                else self.tests.numbered[-1 - row].alias
            )
            card = {"place": place, "source": order.source(place)}
            found.append(self.card(reviewer, name) | card)
        return {"list": order.number, "n": len(order.rows), "cards": found}

    def search(self, reviewer: str, text: str) -> dict:
        """Return the cards of objects whose id holds a text, the exact one first.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        text : str
            Capitals do not matter.

        Returns
        -------
        dict
            At most 20 `cards`.
        """
        wanted = text.strip().lower()
        if not wanted:
            return {"cards": []}
        found = [name for name in self.objects.ids if wanted in name.lower()]
        found.sort(
            key=lambda n: (n.lower() != wanted, not n.lower().startswith(wanted))
        )
        if text.strip() in self.tests.named:
            found.insert(0, text.strip())
        cards = [self.card(reviewer, name) for name in found[:_MOST_FOUND]]
        return {"cards": [card | {"source": "search"} for card in cards]}

    def similar(self, reviewer: str, shown: str, n: int = 12) -> dict:
        """Return the cards of the nearest objects in feature space.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        shown : str
            Name that the object is shown under.
        n : int, optional
            How many.

        Returns
        -------
        dict
            `cards`, `done` and `of`: how many objects were compared, and how many there
            are; `error`, why features cannot be computed, or None.
        """
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

    def pixels(self, reviewer: str, shown: Sequence[str], whole: bool = True) -> bytes:
        """Return the pixels of objects as ``astroanomaly.review.pictures`` packs them.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        shown : sequence of str
            Names that the objects are shown under.
        whole : bool, optional
            False for the originals alone, which need no network.

        Returns
        -------
        bytes
            Header and planes.
        """
        rows = {}
        for name in shown[:_MOST_ASKED]:
            objects, row, _, _ = self._found(name)
            rows[name] = (objects is self.plant, row)
        return packed(self.pictures.get(rows, whole))

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
        """Keep what a reviewer says of an object, or that it was seen.

        Parameters
        ----------
        reviewer : str
            Who says it.
        shown : str
            Name that the object is shown under.
        label, grade, tags, note, key, source, place
            As in :meth:`LabelStore.add`.
        seen : bool, optional
            It was passed over without a label.
        how : dict, optional
            Stretch, band and view.

        Returns
        -------
        dict
            `id`, what holds now, and `progress`.
        """
        objects, row, object_id, kind = self._found(shown)
        sky = [objects.columns.get(name, [np.nan] * (row + 1))[row] for name in _SKY]
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
            pixels=self.pictures.pixel_hash(shown),
        )
        return {"id": shown, **state, "progress": self.progress(reviewer)}

    def undo(self, reviewer: str, key: str | None = None) -> dict:
        """Take back the reviewer's last label.

        Parameters
        ----------
        reviewer : str
            Whose.
        key : str, optional
            As in :meth:`LabelStore.undo`.

        Returns
        -------
        dict
            `card` of the object, None where nothing was left, and `progress`.
        """
        undone = self.store.undo(reviewer, key)
        card = None
        if undone is not None:
            shown, kind = undone["object_id"], undone["kind"]
            objects = self.plant if kind == "planted" else self.objects
            # It may be gone, or this review may have no planted objects.
            known = objects is not None and shown in objects.ids
            if known and kind in ("planted", "repeat"):
                shown = self.tests.add(kind, shown, objects.ids.index(shown)).alias
            card = self.card(reviewer, shown) if known else None
        return {"card": card, "progress": self.progress(reviewer)}

    def progress(self, reviewer: str) -> dict:
        """Return how many were seen and found, and how the yield changes.

        Parameters
        ----------
        reviewer : str
            Whose.

        Returns
        -------
        dict
            `seen`, `labelled`, `n` (objects in all), `classes`, `curve` (found against
            labelled), `recent`, `random` (of the objects drawn at random: how many are
            interesting, and what the rest of the survey then holds, with the 95 per
            cent interval of Wilson) and `check` (with planted objects; see
            ``astroanomaly.review.reviewers.check_of``).
        """
        rows = self.store.answers(reviewer)
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
        """Learn from the reviewer's labels and make a new list.

        Parameters
        ----------
        reviewer : str
            Whose.

        Returns
        -------
        dict
            `list` (its number), `n` (its length) and `learned_from` (labels).

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
        labels = self.store.labels(reviewer)
        labels = {name: v for name, v in labels.items() if name in self._row}
        if not labels:
            raise ValueError("A learned list needs labels. Received: none yet.")
        rows = self.store.answers(reviewer)
        by_chance = [row["object_id"] for row in rows if row["source"] == "random"]
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
            ranked = self._ranker.fit(labels, by_chance).rank()
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
            self.objects.ids[row]
            if row >= 0
            else self.tests.numbered[-1 - row].object_id
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
            "bands": list(self.detector.bands or self.pictures.cutouts.bands),
            "pixelScale": self.pictures.cutouts.pixel_scale,
            "scores": self.objects.scores,
            "by": self.objects.by,
            "meanings": MEANINGS,
            "colors": self.objects.colors,
            "tags": tags,
            "linear": self.pictures.linear,
            "limit": self.pictures.residual_limit,
            "store": self.store.uid,
            "progress": self.progress(reviewer),
        }

    def export(self, reviewer: str, ending: str) -> bytes:
        """Return the reviewer's labels as a table's file: .ecsv, .csv, .vot, ..."""
        with TemporaryDirectory() as folder:
            return self.store.export(
                Path(folder) / f"labels{ending}", reviewer
            ).read_bytes()

    def call(self, reviewer: str, name: str, body: dict) -> dict | bytes:
        """Answer a page or a widget: run one of the methods that it may ask for.

        Parameters
        ----------
        reviewer : str
            Whose page asks.
        name : str
            The method.
        body : dict
            Its arguments.

        Returns
        -------
        dict or bytes
            What the method returns.

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
