"""Cutouts: reading, writing, streaming, batching."""

from typing import TYPE_CHECKING

from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.data.batches import class_weights as class_weights
    from astroanomaly.data.batches import dataset as dataset
    from astroanomaly.data.batches import labelled_dataset as labelled_dataset
    from astroanomaly.data.cutouts import Cutouts as Cutouts
    from astroanomaly.data.cutouts import concatenate as concatenate
    from astroanomaly.data.cutouts import split as split
    from astroanomaly.data.options import ReadOptions as ReadOptions
    from astroanomaly.data.reading import read_cutouts as read_cutouts
    from astroanomaly.data.stream import CutoutStream as CutoutStream
    from astroanomaly.data.write import write_cutouts as write_cutouts

_NAMES = {
    "Cutouts": "cutouts",
    "CutoutStream": "stream",
    "ReadOptions": "options",
    "class_weights": "batches",
    "concatenate": "cutouts",
    "dataset": "batches",
    "labelled_dataset": "batches",
    "read_cutouts": "reading",
    "split": "cutouts",
    "write_cutouts": "write",
}

__all__ = list(_NAMES)

# Batches need TensorFlow, reading does not.
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
