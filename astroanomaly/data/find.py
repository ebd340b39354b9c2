"""From what the caller names to the objects in it: files, bands, layout."""

import glob
import os
import re
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from astroanomaly.data.bytes import exists
from astroanomaly.data.filters import NO_FILTER, plane_names, same_band
from astroanomaly.data.fits import ImageHDU, candidates, is_fits_name, stem
from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.remote import is_remote, list_remote, local_copy
from astroanomaly.data.roles import role_of_file
from astroanomaly.data.sources import Source
from astroanomaly.data.sources.array import from_array, from_numpy
from astroanomaly.data.sources.cube import CubeSource, from_cube, from_extensions
from astroanomaly.data.sources.files import (
    EXTENSIONS,
    FILES,
    PLANES,
    SINGLE,
    FileSource,
    Layout,
    Looked,
    labels,
    only_image,
)
from astroanomaly.data.sources.memory import LazyImages
from astroanomaly.data.sources.pictures import (
    PICTURE_ENDINGS,
    from_pictures,
    is_picture_name,
)
from astroanomaly.data.sources.stores import from_store, is_store_name
from astroanomaly.data.sources.tables import from_table, table_of

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
        found = _filters([group[i] for group in paths if group[i]], looked)
        filters.append(next((name for name in found if name != NO_FILTER), ""))
    layout = Layout(FILES, wanted, filters=tuple(filters))
    return FileSource(groups, paths, layout, looked)


def _filters(paths: list[str], looked: Looked) -> dict[str, str]:
    """Return the filters that a sample of files states, each with the first file."""
    found: dict[str, str] = {}
    for row in sample_rows(len(paths), _SAMPLE):
        try:
            name = only_image(looked[paths[row]].images).band
        except BadCutout:
            continue
        found.setdefault(name, paths[row])
    return found


def _extension_bands(images: list[ImageHDU], pattern: str) -> dict[str, str]:
    """Return band -> extension name for the extensions that fit a pattern."""
    text = re.escape(pattern).replace(r"\{band\}", "(?P<band>.+)", 1)
    expression = re.compile(text, re.IGNORECASE)
    found = {}
    for image in images:
        match = expression.fullmatch(image.name)
        if match and not image.why_not:
            found.setdefault(match["band"], image.name)
    return found


def _pick(present: dict[str, str], bands, where: str) -> tuple[tuple, tuple]:
    """Return the wanted bands and their extensions, by name."""
    wanted = list(present) if bands is None else list(bands)
    missing = [band for band in wanted if band not in present]
    if missing:
        raise ValueError(
            f"`bands` must name bands of the files; {where} has {list(present)}. "
            f"Received: {wanted}."
        )
    return tuple(wanted), tuple(present[band] for band in wanted)


def _extension_bands_of(paths, path, pattern: str, bands, looked: Looked) -> tuple:
    """Return kind, bands and extensions of a layout, from a sample of the files."""
    union: dict[str, str] = {}
    for row in sample_rows(len(paths), _SAMPLE):
        try:
            present = _extension_bands(looked[paths[row]].images, pattern)
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
    return EXTENSIONS, *_pick(union, bands, path)


def find_layout(paths: list[str], options: ReadOptions, looked: Looked) -> Layout:
    """Tell from the first readable file where its bands are.

    Parameters
    ----------
    paths : list of str
        FITS files, one object each.
    options : ReadOptions
        With `band_pattern`, the extension of a band such as "{band}_FLUX", and
        `bands`, the bands wanted, or the name of the only one.
    looked : Looked
        The headers read so far.

    Returns
    -------
    Layout
        One image: the band's name is `bands`, else the header's filter. Extensions
        that end in _FLUX: Euclid's form. One image of three axes: its planes are the
        bands, which `bands` must name. Several images: `bands` names the extensions.

    Raises
    ------
    ValueError
        If the bands are not in the files, or no file can be read.
    """
    bands = options.bands
    path, check_role = _first_readable(paths, looked)
    # Weight maps and the like are objects that cannot be used, and so are listed.
    made = partial(Layout, check_role=check_role)
    if check_role:
        paths = [p for p in paths if not role_of_file(p)]
    images = looked[path].images
    if options.band_pattern is not None:
        return made(
            *_extension_bands_of(paths, path, options.band_pattern, bands, looked)
        )
    if any(image.name.upper().endswith("_FLUX") for image in images) and (
        _extension_bands(images, FLUX_PATTERN)
    ):
        return made(*_extension_bands_of(paths, path, FLUX_PATTERN, bands, looked))
    try:
        image = only_image(images)
    except BadCutout as error:
        if bands is None:
            raise ValueError(f"{path} {error}. Received: no bands.") from error
        found = candidates(images)
        named = zip(found, labels(found), strict=True)
        present = {label: label for image, label in named if image.name}
        return made(EXTENSIONS, *_pick(present, bands, path))
    if len(image.shape) == 3:
        names = plane_names(image.header, image.shape[0])
        if names is not None and set(bands or names) <= set(names):
            wanted = tuple(bands or names)
            planes = tuple(names.index(band) for band in wanted)
            return made(PLANES, wanted, (), planes, names=names)
        if bands is None or len(bands) != image.shape[0]:
            raise ValueError(
                f"`bands` must give {image.shape[0]} names: {path} has an image of "
                f"shape {image.shape}, a plane per band. Received: {bands}."
            )
        return made(PLANES, tuple(bands), (), tuple(range(len(bands))))
    if bands is not None:
        if len(bands) != 1:
            raise ValueError(
                f"`bands` must give one name: {path} has one image, of the filter "
                f"{image.band!r}. Received: {list(bands)}."
            )
        return made(SINGLE, tuple(bands))
    found = _filters(paths, looked)
    # A file that does not say is taken for one of the others.
    named = [name for name in found if name != NO_FILTER]
    if not same_band(named):
        shown = ", ".join(f"{name} ({found[name]})" for name in named)
        raise ValueError(
            "Files of several filters must be told apart with band_pattern="
            '"{object_id}_{band}.fits" or the like; bands=[name] takes them for one. '
            f"Received: {shown}."
        )
    name = named[0] if named else NO_FILTER
    # Where no file of the sample says, the first that does is another filter, too.
    return made(SINGLE, (name,), filters=(name,))


def _first_readable(paths: list[str], looked: Looked) -> tuple[str, bool]:
    """Return the first file with an image of the sky, and True.

    If there are only weight maps and the like, the first of these, and False.
    """
    reasons, companion = [], ""
    # By their names first: no need to open what is called a weight map.
    for path in sorted(paths, key=lambda p: bool(role_of_file(p))):
        by_name = role_of_file(path)
        try:
            images = looked[path].images
            found = [image for image in images if not image.why_not]
            image = (found or candidates(images))[0]
        except BadCutout as error:
            reasons.append(f"{path}: {error}")
            continue
        if not by_name and not image.role:
            return path, True
        companion = companion or path
        if by_name:
            break
    if companion:
        return companion, False
    shown = "; ".join(reasons[:_SHOWN])
    raise ValueError(
        f"None of the {len(paths)} objects could be read. Received: {shown}."
    )


def from_files(paths: list[str], options: ReadOptions) -> FileSource:
    """Return the source for FITS files with one object each.

    Parameters
    ----------
    paths : list of str
        The files.
    options : ReadOptions
        See `find_layout`.

    Returns
    -------
    FileSource
        The object ids are the files' names without their endings, with as much of
        the folders before them as tells files of one name apart.

    Raises
    ------
    ValueError
        If two files give one id, such as a.fits and a.fits.gz.
    """
    looked = Looked(options.max_bytes)
    layout = find_layout(paths, options, looked)
    ids = [stem(path) for path in paths]
    if len(set(ids)) < len(ids):
        root = os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])
        folders = [os.path.relpath(os.path.dirname(p) or ".", root) for p in paths]
        ids = [
            name if folder == "." else f"{folder.replace(os.sep, '/')}/{name}"
            for folder, name in zip(folders, ids, strict=True)
        ]
        first: dict[str, str] = {}
        for name, path in zip(ids, paths, strict=True):
            if name in first:
                raise ValueError(
                    "The files must give each object_id once. Received: "
                    f"{name!r} from {first[name]} and {path}."
                )
            first[name] = path
    return FileSource(ids, [(path,) for path in paths], layout, looked)


def find_objects(path, options: ReadOptions) -> tuple[Source, dict]:
    """Return the source for what the caller named, and columns found with it.

    Parameters
    ----------
    path : str, Path, sequence of them, ndarray or list of ndarray
        See `read_cutouts`; not a mosaic.
    options : ReadOptions
        What the caller asked of the reader.

    Returns
    -------
    Source
        Of files, a cube or an array.
    dict
        Columns that came with the pixels (.npz).
    """
    arrays = np.ndarray | LazyImages
    if isinstance(path, arrays) or (
        isinstance(path, list | tuple)
        and len(path) > 0
        and all(isinstance(item, arrays) for item in path)
    ):
        if options.mask_extension is not None:
            raise ValueError(
                "`mask_extension` is for files; mask an array with np.ma.array. "
                f"Received: {options.mask_extension!r}."
            )
        return from_array(path, options.bands), {}
    if isinstance(path, str | Path):
        name = os.fspath(path)
        numpy, store = name.endswith((".npy", ".npz")), is_store_name(name)
        if numpy or store:
            if is_remote(name) and not name.rstrip("/").endswith(".zarr"):
                name = local_copy(name, options.max_bytes)
            if not exists(name):
                raise FileNotFoundError(f"There is no file or folder {name!r}.")
            return (from_numpy if numpy else from_store)(name, options)
    if options.band_pattern is not None and "{object_id}" in options.band_pattern:
        return from_named_files(path, options), {}
    paths = list_files(path)
    # Whether a folder is a store takes a look into it; FITS files are most of all.
    others = [p for p in paths if not is_fits_name(p) or os.path.isdir(p)]
    pictures = [p for p in others if is_picture_name(p)]
    if len(pictures) == len(paths):
        return from_pictures(paths, options), {}
    other = next(
        (p for p in others if is_store_name(p) or p.endswith((".npy", ".npz"))), None
    )
    if pictures or other:
        odd = other or pictures[0]
        raise ValueError(
            "A list or pattern of files must name FITS files alone or pictures alone; "
            f".npy, .npz, HDF5 and Zarr are read one by one. Received: {odd} among "
            f"{len(paths)} files."
        )
    if isinstance(path, str | Path) and paths == [os.fspath(path)]:
        found = _table_in(paths[0], options)
        if found is not None:
            return from_table(paths[0], found, options)
        source = _many_in_one(paths[0], options)
        if source is not None:
            return source, {}
    return from_files(paths, options), {}


def _table_in(path: str, options: ReadOptions):
    """Return the table of images of a file that has no image of its own, or None."""
    looked = Looked(options.max_bytes)
    try:
        if any(not image.why_not for image in looked[path].images):
            return None
        return table_of(path, options)
    except BadCutout as error:
        raise ValueError(
            f"None of the 1 objects could be read. Received: {path}: {error}."
        ) from error


def _many_in_one(path: str, options: ReadOptions) -> CubeSource | None:
    """Return the source for a file of many objects, or None for a file of one."""
    looked, bands = Looked(options.max_bytes), options.bands
    images = looked[_first_readable([path], looked)[0]].images
    found = candidates(images)
    if len(found) == 1 and len(found[0].shape) > 2:
        # As many names as planes, or the header's: these are the bands of one object.
        if len(found[0].shape) == 3 and (
            (bands and 1 < len(bands) == found[0].shape[0])
            or plane_names(found[0].header, found[0].shape[0])
        ):
            return None
        return from_cube(path, found[0], bands)
    flux = options.band_pattern is not None or _extension_bands(images, FLUX_PATTERN)
    flat = all(len(image.shape) == 2 for image in found)
    if len(found) == 1 or flux or not flat or (bands and len(bands) > 1):
        return None
    if bands and bands[0] in {image.name for image in found} | set(labels(found)):
        return None
    try:
        only_image(images)
    except BadCutout:
        science = [image for image in found if image.name.upper() == "SCI"]
        found = science or found
        if bands is None:
            named = zip(labels(found), found, strict=True)
            names = {label: image.band for label, image in named}
            if not same_band(list(names.values())):
                raise ValueError(
                    f"{path} must have extensions of one filter, one for each object, "
                    "or `bands` must name those that are bands. Received: "
                    f"{', '.join(f'{k} of {v}' for k, v in names.items())}."
                ) from None
            known = [name for name in names.values() if name != NO_FILTER]
            bands = known[:1] or [NO_FILTER]
        return from_extensions(path, found, bands[0])
    return None
