"""Cutouts: reading, writing, streaming, batching."""

from importlib import import_module

_NAMES = {
    "FLAG_CLIPPED": "cutouts",
    "FLAG_NAN_FILLED": "cutouts",
    "FLAG_NOT_CONVERGED": "cutouts",
    "FLAG_PADDED": "cutouts",
    "Cutouts": "cutouts",
    "CutoutStream": "stream",
    "class_weights": "labelled",
    "concatenate": "cutouts",
    "dataset": "pipeline",
    "labelled_dataset": "labelled",
    "read_cutouts": "reading",
    "split": "cutouts",
    "write_cutouts": "fits",
}
_MODULES = (
    "arrays",
    "catalog",
    "cutouts",
    "files",
    "finding",
    "fits",
    "headers",
    "inspect",
    "labelled",
    "mosaic",
    "naming",
    "pipeline",
    "plain",
    "planes",
    "prepare",
    "progress",
    "reading",
    "resize",
    "sink",
    "stream",
    "tables",
    "workers",
)

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name):
    """Import a module or name on first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the public names."""
    return sorted(__all__)
