"""Named arrays in one file, written whole and read as data."""

import zipfile
from pathlib import Path

import numpy as np

from astroanomaly.utils.files import atomic_path

# `np.savez` does not compress, so that the parts are about as long as the whole.
_LARGEST_RATIO = 2
# Of the archive's own records, for files of a few numbers.
_SMALL = 65_536


def save_arrays(path: str | Path, arrays: dict) -> None:
    """Write arrays as .npz, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    arrays : dict of str to ndarray
        Numbers or text of a fixed width; no objects.

    Examples
    --------
    >>> save_arrays("found.npz", {"mean": np.zeros(3)})
    >>> load_arrays("found.npz", {"mean": 1})["mean"].shape
    (3,)
    """
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def load_arrays(path: str | Path, expected: dict[str, int]) -> dict:
    """Read arrays from a file that may come from anywhere.

    Parameters
    ----------
    path : str or Path
        A file that :func:`save_arrays` wrote.
    expected : dict of str to int
        The names that it must hold, with the number of dimensions of each.

    Returns
    -------
    dict of str to ndarray
        Numbers are finite.

    Raises
    ------
    ValueError
        If the file is missing or broken, declares more than it holds, or holds other
        arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} must be a file of arrays. Received: none.")
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(part.file_size for part in archive.infolist())
        if declared > _LARGEST_RATIO * path.stat().st_size + _SMALL:
            raise ValueError(f"parts of {declared:,} bytes")
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as part:
            found = {name: part[name] for name in part.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must hold arrays as `save` writes them. Received: {error}."
        ) from None
    shapes = {name: array.ndim for name, array in found.items()}
    if shapes != expected:
        raise ValueError(
            f"{path} must hold arrays of these numbers of dimensions: {expected}. "
            f"Received: {shapes}."
        )
    for name, array in found.items():
        if array.dtype.kind not in "iufbU" or (
            array.dtype.kind == "f" and not np.isfinite(array).all()
        ):
            raise ValueError(
                f"{path} must hold finite numbers in `{name}`. Received: others."
            )
    return found
