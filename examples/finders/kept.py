"""Arrays that a stage of the lens-finder study keeps, and what they were made from."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from astroanomaly.utils.files import atomic_path

STAMP = "stamp"


def keep(path: Path, stamp: dict, make: Callable[[], dict]) -> dict[str, np.ndarray]:
    """Return arrays from a file; make them if it is not there or of other parents.

    Parameters
    ----------
    path : Path
        A .npz file.
    stamp : dict
        What the arrays depend on, as JSON can hold it.
    make : callable
        Returns the arrays by name.

    Returns
    -------
    dict of ndarray
        As the file holds them.
    """
    if not current(path, stamp):
        arrays = make()
        with atomic_path(path) as partial:
            np.savez(partial, **arrays, **{STAMP: np.array(_text(stamp))})
    return read(path)


def _text(stamp: dict) -> str:
    return json.dumps(stamp, sort_keys=True)


def current(path: Path, stamp: dict) -> bool:
    """Tell whether a file is there and was made from what `stamp` says."""
    if not Path(path).is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as found:
            return str(found[STAMP]) == _text(stamp)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file that `keep` wrote; none where there is no file."""
    if not Path(path).is_file():
        return {}
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files if name != STAMP}
