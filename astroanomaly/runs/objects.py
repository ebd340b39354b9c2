"""The objects that a run is trained on, and their record."""

import os
import warnings
from pathlib import Path

import numpy as np

from astroanomaly.data.batches import CHUNK
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.npy import NpyWriter
from astroanomaly.data.options import ReadOptions
from astroanomaly.runs import config
from astroanomaly.runs import folder as _folder
from astroanomaly.tables import columns
from astroanomaly.tables.labels import check_same, read_labels
from astroanomaly.utils.fingerprints import pixel_hashes

# A hard non-lens is shown so many times more than the others: of a tenth of them,
# about a third of what an epoch shows. [O]
_REPEATS = 4


class TrainingObjects:
    """Cutouts, a classifier's labels, and what a run remembers of both.

    Parameters
    ----------
    folder : Path
        The run folder; what an earlier start left there has to be the same.
    settings : dict
        Resolved settings.
    path : str or Path
        Where the cutouts lie.
    labels : str, Path, Table or None
        Labels, for a classifier alone; a run that goes on has its own.
    catalog, n_workers, progress, on_error, cache
        As for :func:`astroanomaly.read_cutouts`; all else is in the settings.

    Attributes
    ----------
    cutouts : Cutouts
        The images.
    labels : ndarray of int32 or None
        1 for a lens, 0 for anything else, in the cutouts' order.
    groups : ndarray of str or None
        With painted lenses: the object on which each is painted, to be kept together.
    repeated : ndarray of int
        Rows that a training shows once more: hard non-lenses.
    record : dict
        What ``training_objects.json`` holds.

    Raises
    ------
    ValueError
        If labels are missing, wrong or not wanted, or a resumed run has other
        cutouts or labels.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict,
        path,
        labels,
        catalog=None,
        n_workers: int | None = None,
        progress: bool | None = None,
        on_error: str | None = None,
        cache: str | Path | None = None,
    ):
        from astroanomaly.data.reading import read_cutouts

        old = _folder.read_objects(folder) or {}
        # Before the reading, which may take long.
        given = None if labels is None else read_labels(labels)
        finder = config.classifies(settings["model"]["name"])
        psf = settings["training"].get("paint")
        if psf is not None and given is not None:
            raise ValueError(
                "`paint` (--paint) makes lenses of objects that are none, without "
                f"`labels` (--labels). Received: both, {given.name}."
            )
        if finder and psf is None and given is None and "labels" not in old:
            raise ValueError(
                f"The model {settings['model']['name']} learns from labels: give "
                "`labels` (--labels), a table of object_id and is_lens, or paint "
                "lenses on the cutouts by `paint` (--paint FWHM). Received: neither."
            )
        found = read_cutouts(
            path,
            catalog=catalog,
            n_workers=n_workers,
            progress=progress,
            options=ReadOptions(**settings["data"], on_error=on_error),
            cache=cache,
        )
        skipped = found.skipped
        rows, held_out = held_out_rows(found, settings["training"])
        if held_out is None:
            self.cutouts = found
        elif cache is None:
            self.cutouts, apart = found[rows], found[held_out]
        else:
            self.cutouts, apart = (
                mapped(found, own, cache, name)
                for own, name in ((rows, "trained"), (held_out, "held_out"))
            )
        self.record = {
            "cutouts": os.fspath(path),
            "bands": list(self.cutouts.bands),
            "n": len(self.cutouts),
            "object_id": self.cutouts.object_ids,
            "pixels": pixel_hashes(self.cutouts),
            "skipped": {k: [str(v) for v in skipped[k]] for k in skipped.colnames},
        }
        if held_out is not None:
            self.record["held_out"] = {
                "object_id": apart.object_ids,
                "pixels": pixel_hashes(apart),
                # To be read again by another call, maybe from another folder.
                "cutouts": full_path(path),
                "catalog": None if catalog is None else full_path(catalog),
            }
        if old and any(old[key] != self.record[key] for key in ("pixels", "bands")):
            raise ValueError(
                f"{folder} must be resumed with the cutouts it was begun with: "
                f"{old['n']} of {old.get('cutouts', 'others')}. "
                f"Received: {self.record['n']} of "
                f"{self.record['cutouts']}, which are not the same images."
            )
        self.labels = self.groups = None
        self.repeated, self._old = np.zeros(0, int), old
        if psf is not None:
            self._paint(psf, settings["training"], progress)
        elif finder:
            if given is None:
                self.labels = np.array(old["labels"], np.int32)
            else:
                ids = self.cutouts.object_ids
                self.labels = given.of(ids, path)
                if old.get("labels") is not None:
                    check_same(old["labels"], self.labels, ids, folder, given.name)
            self.record["labels"] = self.labels.tolist()

    def _paint(self, psf: float, training: dict, progress) -> None:
        """Add lenses painted on the cutouts, and label both."""
        # The command line starts without it.
        from astroanomaly.simulate import paint_arcs

        painted = paint_arcs(
            self.cutouts,
            psf,
            n_per_host=training["paints"],
            seed=training["seed"],
            progress=progress,
        )
        lenses = painted[np.flatnonzero(painted.table["is_lens"])]
        reasons = np.asarray(painted.table["not_painted"])[:: training["paints"]]
        if (bare := reasons[reasons != ""]).size:
            warnings.warn(
                f"{bare.size} of {len(reasons)} objects carry no painted lens and are "
                f"shown as non-lenses alone; the first has {bare[0]}.",
                UserWarning,
                stacklevel=2,
            )
        self.groups = np.array([*self.cutouts.object_ids, *lenses.table["host"]], str)
        labels = np.repeat([0, 1], [len(self.cutouts), len(lenses)])
        self.labels = labels.astype(np.int32)
        self.cutouts = concatenate([self.cutouts, lenses])

    def mine(self, share: float | None, begun) -> None:
        """Choose the non-lenses that a finder takes for lenses, to be shown again.

        Parameters
        ----------
        share : float or None
            Of the non-lenses, how many; None for none.
        begun : Run or None
            The finder that the training begins with.

        Raises
        ------
        ValueError
            If there is no finder to tell which they are.
        """
        if share is None:
            return
        hard = self._old.get("mined")
        if hard is None:
            if begun is None:
                raise ValueError(
                    "`mine` must come with a finder to begin with, `start` (--from), "
                    f"which tells the hard non-lenses. Received: {share:g} alone."
                )
            rows = np.flatnonzero(self.labels == 0)
            logits = begun.detector.images.of_images(
                "logit", begun.detector.images.stretched(self.cutouts[rows])
            )
            n = max(1, round(share * len(rows)))
            hard = np.sort(rows[np.argsort(-logits, kind="stable")[:n]]).tolist()
        self.record["mined"] = hard
        self.repeated = np.repeat(np.array(hard, int), _REPEATS)


def mapped(cutouts, rows, cache: str | Path, name: str) -> Cutouts:
    """Return some of the cutouts, their pixels in a file beside the cache.

    Parameters
    ----------
    cutouts : Cutouts
        Mapped from the cache.
    rows : ndarray of int
        Which ones.
    cache : str or Path
        The file, such as "cache.npy".
    name : str
        What the other file's name ends in: "trained" makes "cache.trained.npy".

    Returns
    -------
    Cutouts
        As ``cutouts[rows]``.
    """
    cache = Path(cache)
    writer = NpyWriter(cache.with_name(f"{cache.stem}.{name}.npy"), cutouts.image_shape)
    try:
        for start in range(0, len(rows), CHUNK):
            writer.write(cutouts.images[rows[start : start + CHUNK]])
        writer.close()
    finally:
        writer.abandon()
    images = np.load(writer.path, mmap_mode="r")
    return Cutouts(images, cutouts.table[rows], cutouts.bands, cutouts.pixel_scale)


def held_out_rows(cutouts, training: dict) -> tuple:
    """Divide cutouts into those to train on and those that are held out.

    Parameters
    ----------
    cutouts : Cutouts
        All objects.
    training : dict
        The settings `hold_out`, the share of objects (of groups, with `group`, the
        name of a column of the cutouts' table), and `seed`.

    Returns
    -------
    train, held_out : ndarray of int
        Rising row numbers; without `hold_out` the second is None.

    Raises
    ------
    ValueError
        If the column is missing, or a part would be empty.
    """
    # The command line starts without it.
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

    n = len(cutouts)
    if (share := training.get("hold_out")) is None:
        return np.arange(n), None
    options = {"n_splits": 1, "test_size": share, "random_state": training["seed"]}
    groups, splitter = None, ShuffleSplit(**options)
    if (name := training.get("group")) is not None:
        if name not in cutouts.table.colnames:
            raise ValueError(
                f"`group` (--group) must be a column of the cutouts' table or catalog. "
                f"Received: {name!r}; columns are {', '.join(cutouts.table.colnames)}."
            )
        groups, splitter = (
            columns.words(cutouts.table[name]),
            GroupShuffleSplit(**options),
        )
        # Objects without a group belong to none together.
        alone = columns.is_missing(cutouts.table[name])
        groups = np.where(alone, [f"\0{i}" for i in range(n)], groups)
    try:
        train, held_out = next(splitter.split(np.zeros(n), groups=groups))
    except ValueError:
        what = "objects" if groups is None else f"groups of {training['group']}"
        n_parts = n if groups is None else len(set(groups.tolist()))
        raise ValueError(
            f"`hold_out` (--hold-out) {share:g} must leave objects on both sides. "
            f"Received: {n_parts} {what}."
        ) from None
    return np.sort(train), np.sort(held_out)


def full_path(path) -> str:
    """Return a path that holds in every folder; addresses stay as they are."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)
