"""The sets: strong lenses with and without substructure, galaxies and mergers."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.nddata import block_reduce

from astroanomaly import simulate
from astroanomaly.data import Cutouts, concatenate, read_cutouts, write_cutouts
from astroanomaly.simulate.lenses.settings import LENSTRONOMY

LOG = logging.getLogger("contamination")
SIZE = 64
# The pixels of the lens recipe are 0.05 arcsec: 64 of 0.1 hold the whole ring.
LENS_PIXEL = 0.1
# Of the lens's mass that lies in subhaloes or in a vortex.
FRACTION = 0.01
# Major mergers: the secondary has at least a quarter of the primary's flux.
FLUX_RATIO = (0.25, 1.0)
SEEDS = {"normal": 1, "anomalous": 2, "test_normal": 3, "test_anomalous": 4}


class Sizes(NamedTuple):
    """How many objects the training pools and the clean test set have."""

    normal: int
    anomalous: int
    test_normal: int
    test_anomalous: int


def lenses(n: int, seed: int, anomalous: bool) -> Cutouts:
    """Simulate smooth lenses, or half with subhaloes and half with a vortex."""
    camera = LENSTRONOMY.camera.replace(pixel_scale=LENS_PIXEL)
    options = {"setting": LENSTRONOMY, "instrument": camera}
    options |= {"size": SIZE, "progress": True}
    if not anomalous:
        return simulate.lenses(n, seed=seed, **options)
    subhalos = LENSTRONOMY.subhalos.replace(mass_fraction=FRACTION)
    vortex = LENSTRONOMY.vortex.replace(mass=None, mass_fraction=FRACTION)
    parts = ((subhalos, n - n // 2, seed), (vortex, n // 2, seed + 50))
    return concatenate(
        [
            simulate.lenses(count, substructure=sector, seed=own, **options)
            for sector, count, own in parts
        ]
    )


def galaxies(n: int, seed: int, anomalous: bool) -> Cutouts:
    """Simulate isolated galaxies, or galaxies before they merge with a neighbor."""
    options = {"size": SIZE, "seed": seed, "progress": True}
    if not anomalous:
        return simulate.galaxies(n, isolation=True, **options)
    # A merging pair is seen from three sides.
    n_pairs = -(-n // 3)
    pairs = simulate.mergers(n_pairs, n_after=0, flux_ratio=FLUX_RATIO, **options)
    return pairs[:n]


def write(folder: Path, data: str, sizes: Sizes, seed: int) -> None:
    """Write the four sets of "lenses" or "galaxies" as FITS, if not there."""
    make = {"lenses": lenses, "galaxies": galaxies}[data]
    for part, offset in SEEDS.items():
        if not (folder / part / "catalog.ecsv").is_file():
            LOG.info("simulating %s: %s", data, part)
            n, own = getattr(sizes, part), 1000 * seed + 10 * offset
            write_cutouts(folder / part, make(n, own, "anomalous" in part))


def read(folder: Path, binning: int) -> dict[str, Cutouts]:
    """Read the sets "normal", "anomalous" and "test", binned to larger pixels.

    The test set's column is_anomaly holds the truth; its normal objects come first.
    """
    found = {}
    for part in SEEDS:
        cutouts = read_cutouts(folder / part, size=SIZE)
        # Without the simulator's columns, which hold the truth. Ids repeat between
        # sets, so each gets the set's name.
        table = cutouts.table["object_id", "flag"]
        table["object_id"] = [f"{part}-{name}" for name in cutouts.object_ids]
        images = cutouts.images
        if binning > 1:
            images = block_reduce(images, (1, binning, binning, 1), func=np.sum)
        scale = binning * cutouts.pixel_scale
        images = images.astype(np.float32)
        found[part] = Cutouts(images, table, cutouts.bands, scale)
    tests = [found.pop("test_normal"), found.pop("test_anomalous")]
    for part, anomalous in zip(tests, (False, True), strict=True):
        part.table["is_anomaly"] = np.full(len(part), anomalous)
    return {**found, "test": concatenate(tests)}
