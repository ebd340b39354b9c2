"""What the reader sees in a folder or file, before anything is trained."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.decode import FitsFile, ImageHDU, candidates, header_of, stem
from astroanomaly.data.find import find_objects, list_files, sample_rows
from astroanomaly.data.headers import unit
from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.roles import role_of_file
from astroanomaly.data.sky import pixel_scale

MAX_FILES = 200

_FINITE_PIXELS = 50_000_000
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
        pixel_scale (arcsec), unit, n_nan, use ("band", or why it is none).
    shapes : dict
        Shape (rows, columns) of the bands to the number of them.
    scales : dict
        Pixel scale in arcsec, to 4 digits, to the number of bands.
    bands : tuple of str
        The names that the reader would give.
    bad : Table
        Columns `file` and `reason` of the files that cannot be read.
    suggestion : str
        A call of `read_cutouts` that fits.
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

    def __str__(self) -> str:
        """Return the findings as lines of text."""
        lines = [f"{self.path}: {self.n_files} file(s)"]
        if self.n_looked < self.n_files:
            lines[0] += f", {self.n_looked} of them looked at, spread evenly"
        lines += ["", "Extensions (files that have the same ones are counted):"]
        lines += [f"  {text}" for text in self._kinds()]
        lines += ["", f"Bands: {', '.join(self.bands) or 'not known'}"]
        lines += ["Shapes: " + _counts(self.shapes, lambda s: f"{s[0]}x{s[1]}")]
        lines += ["Pixel scales: " + _counts(self.scales, lambda s: f'{s:.4g}"')]
        if len(self.hdus):
            bands = self.hdus[self.hdus["use"] == "band"]
            with_nan = int(np.sum(bands["n_nan"] > 0))
            lines += [f"NaN or infinite pixels: in {with_nan} of {len(bands)} images"]
        if self.bad is not None and len(self.bad):
            lines += ["", f"{len(self.bad)} file(s) are left out or cannot be read:"]
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
        pixel_scale(header_of(image)) or np.nan,
        unit(image.header),
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
        A folder, a glob, a FITS file, a .npy or a .npz file. Of more than 200 files,
        200 are opened, spread evenly.

    Returns
    -------
    Inspection
        ``print(inspect(path))`` shows it.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If a folder holds no FITS file or nothing matches a glob.

    Examples
    --------
    >>> np.save("images.npy", np.zeros((3, 8, 8), "f4"))
    >>> inspect("images.npy").shapes
    {(8, 8): 3}
    """
    name = os.fspath(path)
    if name.endswith((".npy", ".npz")):
        return _inspect_array(name)
    paths = list_files(name)
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
                    scale = pixel_scale(header_of(image))
                    if scale:
                        scales[float(f"{scale:.4g}")] += many
        except BadCutout as error:
            bad.append((os.path.basename(paths[row]), str(error)))
    looked = min(len(paths), MAX_FILES)
    found = Inspection(
        name, len(paths), looked, _table(rows, _COLUMNS), dict(shapes), dict(scales)
    )
    found.bad = _table(bad, {"file": str, "reason": str})
    problem = ""
    try:
        found.bands = tuple(find_objects(name, ReadOptions())[0].bands)
    except ValueError as error:
        found.bands, problem = (), str(error)
    found.suggestion = _suggest(found)
    if problem and "band_pattern" not in found.suggestion:
        found.suggestion = problem
    return found


def _suggest(found: Inspection) -> str:
    words = [repr(found.path)]
    if len(found.scales) > 1:
        words.append(f"pixel_scale={max(found.scales)}")
    if len(found.shapes) > 1:
        side = min(min(shape) for shape in found.shapes)
        words.append(f"size={side}")
    elif found.shapes and max(next(iter(found.shapes))) > 1000:
        words.append('catalog="catalog.ecsv", size=64')
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


def _inspect_array(path: str) -> Inspection:
    source, columns = find_objects(path, ReadOptions())
    array = source.images
    n, shape = len(array), tuple(int(k) for k in array.shape[1:3])
    kind = "x".join(str(k) for k in array.shape)
    n_nan = -1
    if np.prod(array.shape) <= _FINITE_PIXELS:
        n_nan = sum(int(np.count_nonzero(~np.isfinite(array[row]))) for row in range(n))
    name = f"columns: {', '.join(columns)}" if columns else ""
    row = (os.path.basename(path), 0, name, kind, str(array.dtype), np.nan, "")
    table = _table([(*row, n_nan, "band")], _COLUMNS)
    found = Inspection(path, 1, 1, table, {shape: n}, {}, tuple(source.bands))
    found.bad = _table([], {"file": str, "reason": str})
    found.suggestion = _suggest(found)
    return found
