"""The sets of the contamination study: lenses with substructure, merging galaxies."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.nddata import block_reduce

from astroanomaly import simulate
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.simulate.lenses.settings import LENSTRONOMY

LOG = logging.getLogger("contamination")
NAMES = ("lenses", "galaxies")
# The pixels of the lens recipe are 0.05 arcsec: 64 of 0.1 hold the whole ring.
LENS_PIXEL = 0.1
SIZE = 64
FRACTION = 0.01
FLUX_RATIO = (0.25, 1.0)
SEEDS = {"normal": 1, "anomalous": 2, "test_normal": 3, "test_anomalous": 4}


@dataclass(frozen=True)
class Sizes:
    """How many objects each set has.

    Parameters
    ----------
    normal, anomalous : int
        Training pools.
    test_normal, test_anomalous : int
        The clean test set.
    """

    normal: int
    anomalous: int
    test_normal: int
    test_anomalous: int


def lenses(n: int, seed: int, anomalous: bool) -> Cutouts:
    """Simulate strong lenses, smooth ones or half with subhaloes, half with a vortex.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Same seed, same bits.
    anomalous : bool
        With substructure of 1 per cent of the lens's mass.

    Returns
    -------
    Cutouts
        64x64 pixels of 0.1 arcsec.
    """
    options = {
        "setting": LENSTRONOMY,
        "instrument": LENSTRONOMY.camera.replace(pixel_scale=LENS_PIXEL),
        "size": SIZE,
        "progress": True,
    }
    if not anomalous:
        return simulate.lenses(n, seed=seed, **options)
    sectors = (
        LENSTRONOMY.subhalos.replace(mass_fraction=FRACTION),
        LENSTRONOMY.vortex.replace(mass=None, mass_fraction=FRACTION),
    )
    parts = [
        simulate.lenses(count, substructure=sector, seed=seed + 50 * k, **options)
        for k, (sector, count) in enumerate(
            zip(sectors, (n - n // 2, n // 2), strict=True)
        )
    ]
    return concatenate(parts)


def galaxies(n: int, seed: int, anomalous: bool) -> Cutouts:
    """Simulate isolated galaxies, or galaxies before they merge with a neighbor.

    Parameters
    ----------
    n, seed, anomalous
        As for :func:`lenses`; a merging pair is seen from three sides.

    Returns
    -------
    Cutouts
        64x64 pixels of 0.06 arcsec.
    """
    if not anomalous:
        return simulate.galaxies(n, isolation=True, size=SIZE, seed=seed, progress=True)
    return simulate.mergers(
        -(-n // 3),
        n_after=0,
        flux_ratio=FLUX_RATIO,
        size=SIZE,
        seed=seed,
        progress=True,
    )[:n]


def write(folder: Path, name: str, sizes: Sizes, seed: int) -> None:
    """Write the four sets of a survey as FITS unless they are there.

    Parameters
    ----------
    folder : Path
        Where they lie, each in a folder of its own.
    name : {"lenses", "galaxies"}
        The survey.
    sizes : Sizes
        How many objects.
    seed : int
        The study's seed.
    """
    make = {"lenses": lenses, "galaxies": galaxies}[name]
    for part, offset in SEEDS.items():
        if not (folder / part / "catalog.ecsv").is_file():
            LOG.info("simulating %s: %s", name, part)
            n, own = getattr(sizes, part), 1000 * seed + 10 * offset
            write_cutouts(folder / part, make(n, own, "anomalous" in part))


def read(folder: Path, binning: int) -> dict[str, Cutouts]:
    """Read the sets, `binning` x `binning` pixels added up to one.

    Parameters
    ----------
    folder : Path
        Where they lie.
    binning : int
        1 for the images as they are.

    Returns
    -------
    dict of Cutouts
        "normal", "anomalous", and "test", whose first objects are normal, its
        column is_anomaly saying which are not.
    """
    found = {part: _binned(_read(folder / part), binning) for part in SEEDS}
    parts = [found.pop("test_normal"), found.pop("test_anomalous")]
    for part, anomalous in zip(parts, (False, True), strict=True):
        part.table["is_anomaly"] = np.full(len(part), anomalous)
    return {**found, "test": concatenate(parts)}


def _read(folder: Path) -> Cutouts:
    """Read a set; ids of different sets are kept apart by the set's name."""
    cutouts = read_cutouts(folder, size=SIZE)
    table = cutouts.table["object_id", "flag"]
    table["object_id"] = [f"{folder.name}-{name}" for name in cutouts.object_ids]
    return Cutouts(
        cutouts.images, table, bands=cutouts.bands, pixel_scale=cutouts.pixel_scale
    )


def _binned(cutouts: Cutouts, binning: int) -> Cutouts:
    if binning == 1:
        return cutouts
    images = block_reduce(cutouts.images, (1, binning, binning, 1), func=np.sum)
    return Cutouts(
        images.astype(np.float32),
        cutouts.table,
        bands=cutouts.bands,
        pixel_scale=binning * cutouts.pixel_scale,
    )
