"""The files that a caller names, and the bands by the names of files or extensions."""

import glob
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from astroanomaly.data.bytes import exists
from astroanomaly.data.filters import NO_FILTER
from astroanomaly.data.fits import ImageHDU, is_fits_name
from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.remote import is_remote, list_remote
from astroanomaly.data.roles import role_of_file
from astroanomaly.data.sources.files import (
    EXTENSIONS,
    FILES,
    FileSource,
    Layout,
    Looked,
    labels,
    only_image,
)
from astroanomaly.data.sources.pictures import (
    PICTURE_ENDINGS,
    is_picture_name,
)

FLUX_PATTERN = "{band}_FLUX"
_SAMPLE = 8
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
    """List the FITS files, or pictures, that a folder, glob or list names.

    Parameters
    ----------
    path : str, Path or sequence of them
        A folder (its own files with a FITS ending, not those of folders in it; if
        there is none, those with a picture's ending), a glob (``**`` reaches into
        folders), a file, or a list of files; URLs too.

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
    if is_remote(name):
        return list_remote(name, is_fits_name)
    if os.path.isdir(name):
        with os.scandir(name) as entries:
            # Links that lead nowhere and pipes are in, to be listed as skipped.
            files = [
                e.path
                for e in entries
                if not e.name.startswith(".")
                and not e.is_dir(follow_symlinks=False)
                and not (e.is_symlink() and os.path.isdir(e.path))
            ]
        found = [f for f in files if is_fits_name(f)]
        found = [f for f in found if os.path.basename(f) != "catalog.fits"]
        # Pictures beside FITS files are previews of them.
        found = found or [f for f in files if is_picture_name(f)]
        if not found:
            held = sorted(os.listdir(name))
            text = ", ".join(held[:_SHOWN]) or "an empty folder"
            if len(held) > _SHOWN:
                text += f" and {len(held) - _SHOWN} more"
            raise ValueError(
                f"The folder {name} must hold FITS files (.fits, .fit or .fts, also "
                f"with .gz, .fz, .bz2 or .xz) or pictures "
                f"({', '.join(PICTURE_ENDINGS)}); other forms are read one by one. "
                f"Received: {text}."
            )
        return sorted(found)
    if exists(name):
        return [name]
    if not glob.has_magic(name):
        raise FileNotFoundError(f"There is no file or folder {name!r}.")
    # A folder "field[1]" that exists is meant, and not a folder "field1".
    pattern, folder = [], ""
    for part in name.split("/"):
        folder += part
        pattern.append(glob.escape(part) if os.path.lexists(folder) else part)
        folder += "/"
    found = glob.glob("/".join(pattern), recursive=True)
    found = sorted(f for f in found if not os.path.isdir(f))
    if not found:
        raise ValueError(f"No file matches the pattern {name!r}. Received: zero files.")
    return found


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


def from_named_files(path, options: ReadOptions) -> FileSource:
    """Group files into objects by a file-name pattern.

    Parameters
    ----------
    path : str, Path or sequence of them
        Where the files are.
    options : ReadOptions
        Its `band_pattern` has ``{object_id}`` and ``{band}``, such as
        "{object_id}_{band}.fits". With a "/" in it, it is matched from the folder
        `path` downwards. All bands that occur, sorted, are read by default.

    Returns
    -------
    FileSource
        An object that lacks a band stays, and is skipped when it is read.

    Raises
    ------
    ValueError
        If no file fits the pattern, or none of a wanted band.
    """
    pattern, bands = options.band_pattern, options.bands
    if "/" in pattern and isinstance(path, str | Path) and os.path.isdir(path):
        root = os.fspath(path)
        files = sorted(
            f
            for f in glob.glob(f"{glob.escape(root)}/**/*", recursive=True)
            if not os.path.isdir(f)
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
    if not groups and bands is not None:
        loose = name_pattern(pattern, None)
        present = sorted({m["band"] for m in map(loose.fullmatch, names) if m})
        if present:
            raise ValueError(
                f"`bands` must name bands that the file names have, {present}. "
                f"Received: {list(bands)}."
            )
    if not groups:
        raise ValueError(
            f"`band_pattern` {pattern!r} must fit the file names. Received: "
            f"{', '.join(names[:_SHOWN])}."
        )
    if bands is None:
        # "wht" of o1_sci.fits and o1_wht.fits is no band, unless there is no other.
        others = [
            band
            for band in seen
            if any(role_of_file(group.get(band, "")) for group in groups.values())
        ]
        if len(others) < len(seen):
            for band in others:
                del seen[band]
            if others:
                warnings.warn(
                    f"Files that are no images of the sky are left out: {others}.",
                    UserWarning,
                    stacklevel=2,
                )
    wanted = tuple(sorted(seen)) if bands is None else tuple(bands)
    missing = [band for band in wanted if band not in seen]
    if missing:
        raise ValueError(
            f"`bands` must name bands that the file names have. Received: "
            f"{list(wanted)}; no file fits {pattern!r} with {missing}."
        )
    paths = [tuple(group.get(b, "") for b in wanted) for group in groups.values()]
    looked = Looked(options.max_bytes)
    filters = []
    for i in range(len(wanted)):
        found = filters_of([group[i] for group in paths if group[i]], looked)
        filters.append(next((name for name in found if name != NO_FILTER), ""))
    layout = Layout(FILES, wanted, filters=tuple(filters))
    return FileSource(groups, paths, layout, looked)


def filters_of(paths: list[str], looked: Looked) -> dict[str, str]:
    """Return the filters that a sample of files states, each with the first file."""
    found: dict[str, str] = {}
    for row in sample_rows(len(paths), _SAMPLE):
        try:
            name = only_image(looked[paths[row]].images).band
        except BadCutout:
            continue
        found.setdefault(name, paths[row])
    return found


def extension_bands(images: list[ImageHDU], pattern: str) -> dict[str, str]:
    """Return band -> extension name for the extensions that fit a pattern."""
    text = re.escape(pattern).replace(r"\{band\}", "(?P<band>.+)", 1)
    expression = re.compile(text, re.IGNORECASE)
    found = {}
    for image in images:
        match = expression.fullmatch(image.name)
        if match and not image.why_not:
            found.setdefault(match["band"], image.name)
    return found


def pick(present: dict[str, str], bands, where: str) -> tuple[tuple, tuple]:
    """Return the wanted bands and their extensions, by name."""
    wanted = list(present) if bands is None else list(bands)
    missing = [band for band in wanted if band not in present]
    if missing:
        raise ValueError(
            f"`bands` must name bands of the files; {where} has {list(present)}. "
            f"Received: {wanted}."
        )
    return tuple(wanted), tuple(present[band] for band in wanted)


def extension_layout(paths, path, pattern: str, bands, looked: Looked) -> tuple:
    """Return kind, bands and extensions of a layout, from a sample of the files."""
    union: dict[str, str] = {}
    for row in sample_rows(len(paths), _SAMPLE):
        try:
            present = extension_bands(looked[paths[row]].images, pattern)
        except BadCutout:
            continue
        for band, name in present.items():
            union.setdefault(band, name)
    if not union:
        names = labels(looked[path].images)
        raise ValueError(
            f"`band_pattern` {pattern!r} must fit extensions of the files. Received: "
            f"{path} with {names}."
        )
    return EXTENSIONS, *pick(union, bands, path)
