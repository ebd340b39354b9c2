"""What the reader sees in a folder or file, before anything is trained."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.find import list_files, sample_rows
from astroanomaly.data.fits import FitsFile, ImageHDU, candidates, stem
from astroanomaly.data.options import BadCutout, ReadOptions, plain_words
from astroanomaly.data.reading import find_objects
from astroanomaly.data.roles import role_of_file
from astroanomaly.data.sources import Source
from astroanomaly.data.sources.cube import CubeSource
from astroanomaly.data.sources.files import FileSource
from astroanomaly.data.sources.pictures import PictureSource, is_picture_name
from astroanomaly.data.sources.stores import is_store_name, members, open_store
from astroanomaly.data.sources.tables import table_of

# Looking at so many takes seconds; more would tell nothing new.
MAX_FILES = 200

# Counting NaN in more pixels takes longer than one waits for a look.
_FINITE_PIXELS = 50_000_000
# More endings than that are parts of names and not bands.
_MAX_BANDS = 8


@dataclass
class Inspection:
    """The findings of `inspect`; its text form is meant to be read.

    Parameters
    ----------
    path : str
        What was looked at.
    n_files : int
        Files there.
    n_looked : int
        Files opened: at most 200, spread evenly.
    hdus : Table
        A row per extension of each file opened: file, hdu, name, shape, dtype,
        pixel_scale (arcsec), unit, n_nan, use ("band", or why it is none). Of arrays,
        HDF5, Zarr, tables of images and pictures a row per object looked at: its file
        and row, hdu -1, the bands as name, dtype of arrays alone.
    shapes : dict
        Shape (rows, columns) of the bands, or of the objects looked at, to the number
        of them.
    scales : dict
        Pixel scale in arcsec, to 4 digits, to the number of bands or objects.
    bands : tuple of str
        The names that the reader would give.
    bad : Table
        Columns `file` and `reason` of the files that cannot be read.
    suggestion : str
        A call of `read_cutouts` that fits.
    n_objects : int
        Objects in arrays, HDF5, Zarr, tables of images and pictures; 0 for images in
        FITS files.
    columns : tuple of str
        The names of what comes with the pixels.
    """

    path: str
    n_files: int
    n_looked: int
    hdus: Table
    shapes: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)
    bands: tuple = ()
    bad: Table | None = None
    suggestion: str = ""
    n_objects: int = 0
    columns: tuple = ()

    def __str__(self) -> str:
        """Return the findings as lines of text."""
        lines = [f"{self.path}: {self.n_files} file(s)"]
        looked = self.n_looked < self.n_files and self.n_looked
        if self.n_objects:
            lines[0] += f", {self.n_objects} object(s)"
            # Each that was looked at has a row, or a reason for none.
            seen = len(self.hdus) + (0 if self.bad is None else len(self.bad))
            looked = seen < self.n_objects and seen
            lines += ["", "Objects (those that have the same bands are counted):"]
        else:
            lines += ["", "Extensions (files that have the same ones are counted):"]
        if looked:
            lines[0] += f", {looked} of them looked at, spread evenly"
        lines += [f"  {text}" for text in self._kinds()]
        if self.columns:
            lines += ["", f"Object columns: {', '.join(self.columns)}"]
        lines += ["", f"Bands: {', '.join(self.bands) or 'not known'}"]
        lines += ["Shapes: " + _counts(self.shapes, lambda s: f"{s[0]}x{s[1]}")]
        lines += ["Pixel scales: " + _counts(self.scales, lambda s: f'{s:.4g}"')]
        if len(self.hdus):
            bands = self.hdus[self.hdus["use"] == "band"]
            with_nan = int(np.sum(bands["n_nan"] > 0))
            lines += [f"NaN or infinite pixels: in {with_nan} of {len(bands)} images"]
        if self.bad is not None and len(self.bad):
            what = "object" if self.n_objects else "file"
            lines += ["", f"{len(self.bad)} {what}(s) are left out or cannot be read:"]
            lines += [f"  {row['file']}: {row['reason']}" for row in self.bad[:10]]
        lines += ["", f"Suggestion: {self.suggestion}"]
        return "\n".join(lines)

    def _kinds(self) -> list[str]:
        counts: Counter = Counter()
        for row in self.hdus:
            unit = f", unit {row['unit']}" if row["unit"] else ""
            scale = row["pixel_scale"]
            size = f', {scale:.4g}"/pixel' if np.isfinite(scale) else ""
            use = "band" if row["use"] == "band" else f"not a band: {row['use']}"
            if row["hdu"] < 0:
                kind = f", {row['dtype']}" if row["dtype"] else ""
                counts[f"{row['name']}, {row['shape']}{kind}{size}{unit}"] += 1
                continue
            name = row["name"] or "(no name)"
            counts[
                f"HDU {row['hdu']} {name}, {row['shape']}, {row['dtype']}{size}{unit}: "
                f"{use}"
            ] += 1
        return [f"{n} x {text}" for text, n in counts.items()]


def _counts(counts: dict, text) -> str:
    items = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{text(k)} ({n})" for k, n in items) or "not stated"


def _row(path: str, file: FitsFile, image: ImageHDU) -> tuple:
    n_nan = -1
    if not image.why_not and np.prod(image.shape) <= _FINITE_PIXELS:
        planes = (file.plane(image, k) for k in range(image.n_planes))
        n_nan = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in planes)
    kind = "float" if image.bitpix < 0 else "uint" if image.bitpix == 8 else "int"
    return (
        os.path.basename(path),
        image.index,
        image.name,
        "x".join(str(n) for n in image.shape),
        f"{kind}{abs(image.bitpix)}",
        file.position(image)[1] or np.nan,
        image.unit,
        n_nan,
        image.why_not or "band",
    )


_COLUMNS = {
    "file": str,
    "hdu": int,
    "name": str,
    "shape": str,
    "dtype": str,
    "pixel_scale": float,
    "unit": str,
    "n_nan": int,
    "use": str,
}


def _table(rows: list[tuple], columns: dict) -> Table:
    values = zip(*rows, strict=True) if rows else [[] for _ in columns]
    return Table(
        {
            name: np.array(list(column), kind)
            for (name, kind), column in zip(columns.items(), values, strict=True)
        }
    )


def inspect(path: str | Path) -> Inspection:
    """Look at what `read_cutouts` would read.

    Parameters
    ----------
    path : str or Path
        A folder, a glob, a FITS file, or any other form that `read_cutouts` reads from
        a path. Of more than 200 files, or objects of a store or table, 200 are looked
        at, spread evenly.

    Returns
    -------
    Inspection
        ``print(inspect(path))`` shows it.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If a folder holds no FITS file and no picture, nothing matches a glob, or
        an array, store or picture cannot be read.

    Examples
    --------
    >>> np.save("images.npy", np.zeros((3, 8, 8), "f4"))
    >>> inspect("images.npy").shapes
    {(8, 8): 3}
    """
    name = os.fspath(path)
    options, problem = ReadOptions(), None
    try:
        source, columns = find_objects(name, options)
    except ValueError as error:
        source, problem = None, error
        # Where several arrays or columns hold images, each may be a band.
        names = _names_of_images(name)
        try:
            if names:
                options = ReadOptions(bands=names)
                source, columns = find_objects(name, options)
        except ValueError:
            source = None
    if source is not None and not isinstance(source, FileSource | CubeSource):
        return _inspect_source(name, source, columns, options)
    if problem and (name.endswith((".npy", ".npz")) or is_store_name(name)):
        raise problem
    paths = list_files(name)
    if problem and all(map(is_picture_name, paths)):
        raise problem
    rows, bad, shapes, scales = [], [], Counter(), Counter()
    mixed = not all(role_of_file(path) for path in paths)
    for row in sample_rows(len(paths), MAX_FILES):
        if mixed and (role := role_of_file(paths[row])):
            reason = f"is {role} by its name, no image of the sky"
            bad.append((os.path.basename(paths[row]), reason))
            continue
        try:
            with FitsFile(paths[row]) as file:
                rows += [_row(paths[row], file, image) for image in file.images]
                for image in candidates(file.images):
                    many = image.shape[0] if len(image.shape) > 2 else 1
                    shapes[image.shape[-2:]] += many
                    scale = file.position(image)[1]
                    if scale:
                        scales[float(f"{scale:.4g}")] += many
        except BadCutout as error:
            bad.append((os.path.basename(paths[row]), str(error)))
    looked = min(len(paths), MAX_FILES)
    found = Inspection(
        name, len(paths), looked, _table(rows, _COLUMNS), dict(shapes), dict(scales)
    )
    found.bad = _table(bad, {"file": str, "reason": str})
    found.bands = () if source is None else tuple(source.bands)
    found.suggestion = _suggest(found)
    if problem and "band_pattern" not in found.suggestion:
        found.suggestion = str(problem)
    return found


def _suggest(found: Inspection) -> str:
    words = [repr(found.path)]
    if len(found.scales) > 1:
        words.append(f"pixel_scale={max(found.scales)}")
    if len(found.shapes) > 1:
        side = min(min(shape) for shape in found.shapes)
        words.append(f"size={side}")
    elif found.shapes and max(next(iter(found.shapes))) > 1000 and not found.n_objects:
        words.append('catalog="catalog.ecsv", size=64')
    if found.n_objects:
        # The names of files tell bands apart in FITS files alone.
        return f"read_cutouts({', '.join(words)})"
    bands = _endings([stem(name) for name in found.hdus["file"]])
    if bands:
        words.append(f'band_pattern="{{object_id}}_{{band}}.fits", bands={bands}')
    return f"read_cutouts({', '.join(words)})"


def _endings(names: list[str]) -> list[str]:
    """Return the ends of the names if they look like bands of the same objects."""
    groups: dict[str, set[str]] = {}
    for name in names:
        start, _, end = name.rpartition("_")
        groups.setdefault(start, set()).add(end)
    common = Counter(tuple(sorted(ends)) for ends in groups.values())
    ends, count = common.most_common(1)[0] if common else ((), 0)
    if 1 < len(ends) <= _MAX_BANDS and count > 1 and count >= 0.5 * len(groups):
        return list(ends)
    return []


def _names_of_images(path: str) -> list[str]:
    """Return the arrays of a store, or columns of a table, that hold images."""
    try:
        if is_store_name(path):
            store = open_store(path)
            try:
                arrays = {} if hasattr(store, "shape") else members(store)[0]
                return [name for name, array in arrays.items() if array.ndim == 3]
            finally:
                if hasattr(store, "close"):
                    store.close()
        found = table_of(path, ReadOptions()) if os.path.isfile(path) else None
        return [c.name for c in found[0] if c.is_image] if found else []
    except BadCutout:
        return []


def _inspect_source(
    path: str, source: Source, columns: dict, options: ReadOptions
) -> Inspection:
    """Look at objects that are no images in FITS files, one by one."""
    n, images = len(source.object_ids), getattr(source, "images", None)
    # Of arrays the pixels of all are looked at, as long as one need not wait.
    few = images is not None and np.prod(images.shape) <= _FINITE_PIXELS
    rows, bad, shapes, scales = [], [], Counter(), Counter()
    for row in range(n) if few else sample_rows(n, MAX_FILES):
        file = os.path.basename(source.files[row])
        try:
            shape, scale = source.probe(row, options)
            cutout = source.read(row, options)
        except Exception as error:
            # As in the reading: no object ends a run, whatever library complains.
            known = isinstance(error, BadCutout)
            reason = str(error) if known else f"cannot be read ({plain_words(error)})"
            bad.append((file, reason))
            continue
        shapes[shape] += 1
        if scale:
            scales[float(f"{scale:.4g}")] += 1
        n_nan = sum(int(np.count_nonzero(~np.isfinite(p))) for p in cutout.planes)
        text, unit = "x".join(str(k) for k in shape), next(iter(cutout.units), "")
        kind = str(getattr(images, "dtype", ""))
        name = ", ".join(source.bands)
        rows.append((file, -1, name, text, kind, scale or np.nan, unit, n_nan, "band"))
    source.release()
    many = isinstance(source, PictureSource)
    files, looked = (n, len(rows) + len(bad)) if many else (1, 1)
    found = Inspection(
        path, files, looked, _table(rows, _COLUMNS), dict(shapes), dict(scales)
    )
    found.bad = _table(bad, {"file": str, "reason": str})
    found.bands, found.columns, found.n_objects = source.bands, tuple(columns), n
    found.suggestion = _suggest(found)
    if options.bands:
        words = f", bands={list(options.bands)})"
        found.suggestion = found.suggestion[:-1] + words
    return found
