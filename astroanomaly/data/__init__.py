"""Cutouts: reading, writing, streaming, batching."""

from importlib import import_module

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


def __getattr__(name):
    """Import a name on first use: batches need TensorFlow, reading does not."""
    if name in _NAMES:
        found = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
        # Kept, so that the next use finds it without asking here.
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the public names."""
    return sorted(__all__)
