"""Arrays that a stage keeps, and what they were made from."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from astroanomaly.utils.files import atomic_path

STAMP = "stamp"


def keep(path: Path, stamp: dict, make: Callable[[], dict]) -> dict[str, np.ndarray]:
    """Return arrays from an .npz file; make them if it is absent or `stamp` differs.

    The stamp, a dict that JSON can hold, says what the arrays were made from.
    """
    if not current(path, stamp):
        arrays = make()
        text = np.array(json.dumps(stamp, sort_keys=True))
        with atomic_path(path) as partial:
            np.savez(partial, **arrays, **{STAMP: text})
    return read(path)


def current(path: Path, stamp: dict) -> bool:
    """Return whether a file exists and was made from what `stamp` says."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return str(found[STAMP]) == json.dumps(stamp, sort_keys=True)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that `keep` wrote; an empty dict where there is no file."""
    if not Path(path).is_file():
        return {}
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files if name != STAMP}
