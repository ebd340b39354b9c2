"""Cutouts written as FITS files and a catalog, to be read again bit for bit."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.fits import is_fits_name
from astroanomaly.data.stream import BATCH
from astroanomaly.tables.files import write_table
from astroanomaly.tables.objects import stack_tables
from astroanomaly.utils.files import atomic_path, sweep
from astroanomaly.utils.parallel import parallel, worker_count

SUFFIXES = (".fits", ".fits.gz")

_CHUNK = 1024


def write_cutouts(
    folder: str | Path,
    cutouts: Cutouts,
    *,
    suffix: str = ".fits",
    overwrite: bool = False,
    n_workers: int | None = None,
) -> Path:
    """Write one FITS file per object and a catalog of their table.

    One band lies in the primary HDU, several in extensions named ``<band>_FLUX``.
    The headers have OBJECT, FILTER, BUNIT, MAGZERO, FLAG and, where position and
    pixel size are known, a TAN WCS centred on the cutout. `read_cutouts` of the
    folder gives the same pixels, ids, order and columns.

    Parameters
    ----------
    folder : str or Path
        Where to write; it is made when it does not exist. Each file appears whole
        or not at all, ``catalog.ecsv`` last.
    cutouts : Cutouts or CutoutStream
        What to write; float32 pixels, NaN as it is.
    suffix : str
        ".fits" or ".fits.gz".
    overwrite : bool
        Replace files of the same names in a folder that has FITS files already.
    n_workers : int, optional
        Worker processes; by default none below 256 objects, else one per core.

    Returns
    -------
    Path
        The catalog.

    Raises
    ------
    FileExistsError
        If the folder holds FITS files or a catalog and `overwrite` is False.
    OSError
        If the folder cannot be written.
    ValueError
        If there is no object, `suffix` is unknown, or two ids give one file name.

    Examples
    --------
    >>> cutouts = Cutouts(np.zeros((2, 32, 32)), bands=["F814W"])
    >>> write_cutouts("galaxies", cutouts).name
    'catalog.ecsv'
    """
    folder = Path(folder)
    if suffix not in SUFFIXES:
        words = " or ".join(f'"{word}"' for word in SUFFIXES)
        raise ValueError(f"`suffix` must be {words}. Received: {suffix!r}.")
    if len(cutouts) == 0:
        raise ValueError("`cutouts` must hold an object. Received: zero images.")
    names = file_names([str(i) for i in cutouts.object_ids], suffix)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"`folder` must be a folder to write to. Received: the file {folder}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    held = [p.name for p in folder.iterdir() if is_fits_name(p) or "catalog." in p.name]
    if held and not overwrite:
        raise FileExistsError(
            f"The folder {folder} must hold no FITS file or catalog, or give "
            f"overwrite=True (--overwrite). Received: a folder with {len(held)}, such "
            f"as {held[0]}."
        )
    sweep(folder)
    tasks = _tasks(folder, cutouts, names)
    n_workers = worker_count(n_workers, len(cutouts))
    tables = list(parallel(_write_batch, tasks, n_workers))
    if hasattr(os, "sync"):
        # Before the catalog, which says that all are there: once for all files.
        os.sync()
    catalog = folder / "catalog.ecsv"
    write_table(stack_tables(tables), catalog)
    return catalog


def _tasks(folder: Path, cutouts, names: dict[str, str]) -> Iterator[tuple]:
    for chunk in cutouts.chunks(_CHUNK):
        for part in chunk.chunks(BATCH):
            # A memory map would travel to a worker as a whole.
            images = np.array(part.images)
            part = Cutouts(images, part.table, part.bands, part.pixel_scale)
            yield str(folder), part, [names[i] for i in part.object_ids]


def file_names(object_ids: list[str], suffix: str = ".fits") -> dict[str, str]:
    """Return the file name for each object id.

    Parameters
    ----------
    object_ids : list of str
        Unique ids.
    suffix : str
        The ending.

    Returns
    -------
    dict
        Id to file name; what a file name should not hold becomes "_".

    Raises
    ------
    ValueError
        If two ids give one name (also when only capitals differ, which some file
        systems do not tell apart).

    Examples
    --------
    >>> file_names(["COSMOS J10:00+02"])
    {'COSMOS J10:00+02': 'COSMOS_J10_00+02.fits'}
    """
    names, taken = {}, {}
    for object_id in object_ids:
        clean = re.sub(r"[^\w.+-]", "_", object_id).lstrip(".") or "_"
        other = taken.setdefault(clean.lower(), object_id)
        if other != object_id:
            raise ValueError(
                "The object ids must give different file names. Received: "
                f"{other!r} and {object_id!r}, both {clean + suffix!r}."
            )
        names[object_id] = clean + suffix
    return names


def _write_batch(folder: str, part: Cutouts, names: list[str]):
    """Write the files of some objects; return their rows of the catalog."""
    for row, name in enumerate(names):
        # Waiting for the disk at each would take longer than making them again.
        with atomic_path(Path(folder) / name, durable=False) as partial:
            hdu_list(part, row).writeto(partial, output_verify="silentfix")
    table = part.table.copy()
    table["file"] = np.array(names, str)
    return table


def hdu_list(cutouts: Cutouts, row: int) -> fits.HDUList:
    """Return one object as FITS.

    Parameters
    ----------
    cutouts : Cutouts
        Where the object is.
    row : int
        Which one.

    Returns
    -------
    HDUList
        As `write_cutouts` writes it.

    Examples
    --------
    >>> hdu_list(Cutouts(np.zeros((1, 8, 8))), 0)[0].header["FILTER"]
    'image'
    """
    image, record = cutouts.images[row], cutouts.table[row]
    hdus = []
    for channel, band in enumerate(cutouts.bands):
        header = _header(cutouts, record, band)
        plane = np.ascontiguousarray(image[..., channel], np.float32)
        if len(cutouts.bands) == 1:
            return fits.HDUList([fits.PrimaryHDU(plane, header)])
        hdu = fits.ImageHDU(plane, header)
        # The name property would turn h_FLUX into H_FLUX, another band.
        hdu.header["EXTNAME"] = f"{band}_FLUX"
        hdus.append(hdu)
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = _ascii(record["object_id"])
    return fits.HDUList([primary, *hdus])


def _ascii(text) -> str:
    return str(text).encode("ascii", "replace").decode()[:60]


def _header(cutouts: Cutouts, record, band: str) -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = (_ascii(record["object_id"]), "object_id in catalog.ecsv")
    header["FILTER"] = (_ascii(band), "band")
    if record[f"unit_{band}"]:
        header["BUNIT"] = (_ascii(record[f"unit_{band}"]), "unit of the pixels")
    if np.isfinite(record[f"zero_point_{band}"]):
        zero_point = float(record[f"zero_point_{band}"])
        header["MAGZERO"] = (zero_point, "[mag] of one unit")
    header["FLAG"] = (int(record["flag"]), "1 NaN filled, 2 padded, 4 clipped")
    scale = cutouts.pixel_scale
    if scale is not None:
        header["PIXSCALE"] = (scale, "[arcsec] pixel size")
        if np.isfinite(record["ra"]) and np.isfinite(record["dec"]):
            ny, nx, _ = cutouts.image_shape
            # A TAN projection, north up, about the centre; FITS counts from 1.
            header.update(
                CTYPE1="RA---TAN",
                CTYPE2="DEC--TAN",
                CRVAL1=float(record["ra"]),
                CRVAL2=float(record["dec"]),
                CRPIX1=(nx + 1) / 2,
                CRPIX2=(ny + 1) / 2,
                CDELT1=-scale / 3600.0,
                CDELT2=scale / 3600.0,
                CUNIT1="deg",
                CUNIT2="deg",
            )
    return header
