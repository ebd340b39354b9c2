"""File names: which files there are, and what their names say."""

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from astroanomaly.data.files import FILES, FileSource, Layout
from astroanomaly.data.planes import is_fits_name

_SHOWN = 5


def sample_rows(n: int, k: int) -> list[int]:
    """Return up to `k` different rows spread evenly over `n`.

    Parameters
    ----------
    n, k : int
        How many there are, how many are wanted.

    Returns
    -------
    list of int
        The first and the last are among them.

    Examples
    --------
    >>> sample_rows(10, 3)
    [0, 4, 9]
    """
    return sorted({int(row) for row in np.linspace(0, n - 1, min(n, k))})


def list_files(path: str | Path | Sequence) -> list[str]:
    """List the FITS files that a folder, a glob or a list of paths names.

    Parameters
    ----------
    path : str, Path or sequence of them
        A folder (its own files with a FITS ending, not those of folders in it), a
        glob (``**`` reaches into folders), a file, or a list of files.

    Returns
    -------
    list of str
        Sorted by name; a list keeps its order.

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist.
    ValueError
        If a folder has no FITS file, or nothing matches a glob, or a list is empty.

    Examples
    --------
    >>> list_files(["b.fits", "a.fits"])
    ['b.fits', 'a.fits']
    """
    if not isinstance(path, str | Path):
        files = [os.fspath(item) for item in path]
        if not files:
            raise ValueError("The list of files must name one. Received: zero files.")
        return files
    name = os.fspath(path)
    if os.path.isdir(name):
        with os.scandir(name) as entries:
            found = [
                e.path
                for e in entries
                if is_fits_name(e.name) and not e.name.startswith(".") and e.is_file()
            ]
        found = [f for f in found if os.path.basename(f) != "catalog.fits"]
        if not found:
            raise ValueError(
                f"The folder {name} must hold FITS files (.fits, .fit or .fts, also "
                f"with .gz or .fz). Received: {_content(name)}."
            )
        return sorted(found)
    if os.path.exists(name):
        return [name]
    if not glob.has_magic(name):
        raise FileNotFoundError(f"There is no file or folder {name!r}.")
    found = sorted(f for f in glob.glob(name, recursive=True) if os.path.isfile(f))
    if not found:
        raise ValueError(f"No file matches the pattern {name!r}. Received: zero files.")
    return found


def _content(folder: str) -> str:
    names = sorted(os.listdir(folder))
    if not names:
        return "an empty folder"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def name_pattern(pattern: str, bands: Sequence[str] | None) -> re.Pattern:
    """Return the regular expression of a file-name pattern.

    Parameters
    ----------
    pattern : str
        With ``{object_id}`` and ``{band}``; ``*`` stands for any text.
    bands : sequence of str, optional
        The only bands to accept; any text without "_" or "/" by default.

    Returns
    -------
    re.Pattern
        With the groups `object_id` and `band`.

    Examples
    --------
    >>> found = name_pattern("{object_id}_{band}.fits", None).fullmatch("a_b_h.fits")
    >>> found["object_id"], found["band"]
    ('a_b', 'h')
    """
    text = re.escape(pattern).replace(r"\*", ".*")
    names = "[^_/]+" if bands is None else "|".join(re.escape(b) for b in bands)
    text = text.replace(r"\{object_id\}", "(?P<object_id>.+)", 1)
    text = text.replace(r"\{band\}", f"(?P<band>{names})", 1)
    return re.compile(text)


def from_named_files(path, pattern: str, bands) -> FileSource:
    """Group files into objects by a file-name pattern.

    Parameters
    ----------
    path : str, Path or sequence of them
        Where the files are.
    pattern : str
        With ``{object_id}`` and ``{band}``, such as "{object_id}_{band}.fits". With
        a "/" in it, it is matched from the folder `path` downwards.
    bands : sequence of str, optional
        The bands wanted, in order; all that occur, sorted, by default.

    Returns
    -------
    FileSource
        An object that lacks a band stays, and is skipped when it is read.

    Raises
    ------
    ValueError
        If no file fits the pattern, or none of a wanted band.
    """
    if "/" in pattern and isinstance(path, str | Path) and os.path.isdir(path):
        root = os.fspath(path)
        files = sorted(
            f for f in glob.glob(f"{root}/**/*", recursive=True) if os.path.isfile(f)
        )
        names = [os.path.relpath(f, root).replace(os.sep, "/") for f in files]
    else:
        files = list_files(path)
        names = [os.path.basename(f) for f in files]
    expression = name_pattern(pattern, bands)
    groups: dict[str, dict[str, str]] = {}
    seen: dict[str, None] = {}
    for name, file in zip(names, files, strict=True):
        found = expression.fullmatch(name)
        if found:
            groups.setdefault(found["object_id"], {})[found["band"]] = file
            seen[found["band"]] = None
    if not groups:
        _refuse_names(pattern, bands, names)
    wanted = tuple(sorted(seen)) if bands is None else tuple(bands)
    missing = [band for band in wanted if band not in seen]
    if missing:
        raise ValueError(
            f"`bands` must name bands that the file names have. Received: "
            f"{list(wanted)}; no file fits {pattern!r} with {missing}."
        )
    paths = [tuple(group.get(b, "") for b in wanted) for group in groups.values()]
    return FileSource(groups, paths, Layout(FILES, wanted))


def _refuse_names(pattern: str, bands, names: list[str]):
    if bands is not None:
        loose = name_pattern(pattern, None)
        present = sorted({m["band"] for m in map(loose.fullmatch, names) if m})
        if present:
            raise ValueError(
                f"`bands` must name bands that the file names have, {present}. "
                f"Received: {list(bands)}."
            )
    raise ValueError(
        f"`band_pattern` {pattern!r} must fit the file names. Received: "
        f"{', '.join(names[:_SHOWN])}."
    )
