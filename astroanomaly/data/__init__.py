"""Cutouts: reading, writing, streaming, batching."""

from astroanomaly.utils.lazy import on_first_use

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
