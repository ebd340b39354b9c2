"""The pixels that a review shows: read, drawn by the model, and kept for a while."""

import json
import struct
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

from astroanomaly.plots import display
from astroanomaly.utils.fingerprints import pixel_hashes

# Pictures are kept for who goes back and forth: 5,000 of 64 x 64 pixels in one band.
_MOST_BYTES = 2**28
# Of a page: a grid, the next pictures and the similar ones.
_FEWEST = 200
# So many objects tell what a large residual is.
_SAMPLE = 20
# What a page can draw of an object, in the order in which the planes travel.
PARTS = ("original", "reconstruction", "residual")


class Pictures:
    """Pixels of the objects of a table, and of planted ones.

    Parameters
    ----------
    detector : AnomalyDetector or ClassifierDetector
        Gives ``explain`` and ``features``.
    cutouts : Cutouts or CutoutStream
        The images, matched by ``object_id``.
    object_ids : list of str
        The objects of the table, row by row.
    planted : Cutouts, optional
        Further objects.

    Raises
    ------
    ValueError
        If no object of the table has a cutout.

    Warns
    -----
    UserWarning
        If some have none.
    """

    def __init__(self, detector, cutouts, object_ids: list[str], planted=None):
        self.detector, self.ids, self.planted = detector, object_ids, planted
        self.cutouts = detector.opened(cutouts)
        where = {name: place for place, name in enumerate(self.cutouts.object_ids)}
        self._where = np.array([where.get(name, -1) for name in object_ids])
        self._row = {name: row for row, name in enumerate(object_ids)}
        if (lost := int((self._where < 0).sum())) == len(object_ids):
            raise ValueError(
                "`cutouts` must hold the objects of the table. Received: none of them; "
                f"the table has such as {object_ids[0]!r}, the cutouts "
                f"{next(iter(where), 'none')!r}."
            )
        if lost:
            warnings.warn(
                f"{lost} of the {len(object_ids)} objects of the table have no cutout: "
                "they are shown without a picture.",
                stacklevel=3,
            )
        # Files and networks serve one thread at a time.
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, dict] = OrderedDict()

    @property
    def linear(self) -> bool:
        """Whether reconstructions can be shown as linear pixels."""
        return not getattr(getattr(self.detector, "stretch", None), "per_image", True)

    def read(self, rows):
        """Return the cutouts of rows of the table that can be read, or None."""
        places = self._where[np.unique(rows)]
        places = places[places >= 0]
        if not len(places) or hasattr(self.cutouts, "images"):
            return self.cutouts[places] if len(places) else None
        part = self.cutouts.take(places)
        # A few files: no bar, no processes.
        part.progress, part.n_workers = False, 1
        return next(part.chunks(len(places)))

    def features(self, rows, plug: Callable | None = None) -> tuple:
        """Return the rows that can be read, and their features."""
        with self._lock:
            part = self.read(rows)
            if part is None or not len(part):
                return np.array([], int), np.empty((0, 1))
            own = self.detector.features(part) if plug is None else plug(part.images)
        return np.array([self._row[name] for name in part.object_ids]), np.asarray(own)

    def get(
        self, rows: Mapping[str, tuple[bool, int]], whole: bool = True
    ) -> dict[str, dict]:
        """Return linear pixels, reconstruction and residual of objects.

        Parameters
        ----------
        rows : dict
            From the name that an object is shown under to whether it is planted, and
            its row.
        whole : bool, optional
            False for the originals alone, which need no network.

        Returns
        -------
        dict
            From name to `original`, `reconstruction` (linear pixels where the stretch
            can be inverted) and `residual` (stretched), float32 of shape (ny, nx,
            n_bands), and `pixels`, the hash; or to `error`, why there are none. A lens
            finder's have the original alone.
        """
        with self._lock:
            kept = self._kept
            for planted in (False, True):
                lost = {
                    name: row
                    for name, (other, row) in rows.items()
                    if other == planted
                    and (name not in kept or (whole and not kept[name]["whole"]))
                }
                if lost and planted:
                    part = self.planted[np.unique(list(lost.values()))]
                    ids = self.planted.object_ids
                elif lost:
                    part, ids = self.read(list(lost.values())), self.ids
                else:
                    continue
                drawn = {}
                if part is not None and len(part):
                    drawn = self._drawn(part, whole)
                for name, row in lost.items():
                    kept[name] = drawn.get(ids[row]) or self._why_lost(row)
            found = {}
            for name in rows:
                kept.move_to_end(name)
                found[name] = kept[name]
            size = 4 * len(PARTS) * int(np.prod(self.detector.image_shape))
            while len(kept) > max(_MOST_BYTES // size, _FEWEST):
                kept.popitem(last=False)
        return found

    def _why_lost(self, row: int) -> dict:
        # By itself, so that the reason is its own.
        part = self.read([row])
        why = "it has no cutout"
        if part is not None and len(part.skipped):
            why = part.skipped["reason"][0]
        return {"error": f"{self.ids[row]}: {why}.", "whole": True}

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
        found = {}
        for k, name in enumerate(cutouts.object_ids):
            found[name] = {"pixels": hashes[k], "whole": whole}
            for part, images in parts.items():
                found[name][part] = np.ascontiguousarray(images[k], np.float32)
        return found

    def pixel_hash(self, name: str) -> str | None:
        """Return the hash of the pixels that were shown under a name, if any were."""
        return self._kept.get(name, {}).get("pixels")

    @cached_property
    def residual_limit(self) -> float:
        """The residual that is drawn in full color, the same for all objects."""
        first = self.get(
            {name: (False, k) for k, name in enumerate(self.ids[:_SAMPLE])}
        )
        planes = [one["residual"] for one in first.values() if "residual" in one]
        if not planes:
            return 1.0
        return display.residual_limit(display.residual_plane(np.stack(planes)))


def packed(pictures: Mapping[str, dict]) -> bytes:
    """Return pictures as a page reads them.

    Parameters
    ----------
    pictures : dict
        As :meth:`Pictures.get` returns them.

    Returns
    -------
    bytes
        The length of a header (uint32, little-endian), the header (JSON: of each
        object its `id` and either `error`, or `shape` and `parts`), and the planes one
        after the other, float32, the first row at the bottom.

    Examples
    --------
    >>> len(packed({"a": {"original": np.zeros((2, 3, 1), np.float32)}})) % 4
    0
    """
    heads, planes = [], []
    for name, one in pictures.items():
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
