"""The objects that a run is trained on, and their record."""

import hashlib
import os
from pathlib import Path

import numpy as np

from astroanomaly.runs import config
from astroanomaly.runs import folder as _folder
from astroanomaly.tables.labels import check_same, read_labels


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
    **reading
        Options of :func:`astroanomaly.read_cutouts` beside those of the settings.

    Attributes
    ----------
    cutouts : Cutouts
        The images.
    labels : ndarray of int32 or None
        1 for a lens, 0 for anything else, in the cutouts' order.
    record : dict
        What ``training_objects.json`` holds.

    Raises
    ------
    ValueError
        If labels are missing, wrong or not wanted, or a resumed run has other
        cutouts or labels.
    """

    def __init__(self, folder: Path, settings: dict, path, labels, **reading):
        from astroanomaly.data.reading import read_cutouts

        old = _folder.read_objects(folder) or {}
        # Before the reading, which may take long.
        given = None if labels is None else read_labels(labels)
        finder = config.classifies(settings["model"]["name"])
        if finder and given is None and "labels" not in old:
            raise ValueError(
                f"The model {settings['model']['name']} learns from labels: give "
                "`labels` (--labels), a table of object_id and is_lens. Received: none."
            )
        reading |= settings["data"]
        self.cutouts = read_cutouts(path, stream=True, **reading).read()
        skipped = self.cutouts.skipped
        self.record = {
            "cutouts": os.fspath(path),
            "bands": list(self.cutouts.bands),
            "n": len(self.cutouts),
            "object_id": self.cutouts.object_ids,
            "pixels": pixel_hashes(self.cutouts),
            "skipped": {k: [str(v) for v in skipped[k]] for k in skipped.colnames},
        }
        if old and any(old[key] != self.record[key] for key in ("pixels", "bands")):
            raise ValueError(
                f"{folder} must be resumed with the cutouts it was begun with: "
                f"{old['n']} of {old.get('cutouts', 'others')}. "
                f"Received: {self.record['n']} of "
                f"{self.record['cutouts']}, which are not the same images."
            )
        self.labels = None
        if finder:
            if given is None:
                self.labels = np.array(old["labels"], np.int32)
            else:
                ids = self.cutouts.object_ids
                self.labels = given.of(ids, path)
                if old.get("labels") is not None:
                    check_same(old["labels"], self.labels, ids, folder, given.name)
            self.record["labels"] = self.labels.tolist()


def pixel_hashes(cutouts) -> list[str]:
    """Return one short text per image that only the same pixels give again.

    Parameters
    ----------
    cutouts : Cutouts
        Images as they were read.

    Returns
    -------
    list of str
        64 bits of BLAKE2b each, in hexadecimal digits.

    Examples
    --------
    >>> from astroanomaly.data.cutouts import Cutouts
    >>> len(set(pixel_hashes(Cutouts(np.zeros((2, 8, 8))))))
    1
    """
    return [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).hexdigest()
        for image in cutouts.images
    ]
