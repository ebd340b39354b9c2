"""Detectors trained on sets in which anomalies are hidden."""

from pathlib import Path

import numpy as np
from astropy.nddata import block_reduce

import astroanomaly as aa
from studies.contamination.sets import Sizes, galaxies, lenses
from studies.quick_detectors import detectors, sets
from studies.scoring import every_score

# As that study has them: pixels of 0.2" and 0.12".
BINNING = 2
FRACTIONS = (0.0, 0.05, 0.1)
DATA = {"lenses": lenses, "galaxies": galaxies}
GROUPS = ("pca", "pca_trimmed", "profiles", "components", "patches", "brightness")
# Of the training set, the strangest: more than may be hidden in it.
TRIMMED = 0.15


def simulated(data: str, sizes: Sizes, seed: int) -> dict[str, np.ndarray]:
    """Return normal and anomalous images, to train on and to test."""
    found = {}
    for place, (part, n) in enumerate(sizes._asdict().items()):
        own = 1000 * seed + 10 * (place + 1)
        images = DATA[data](n, own, "anomalous" in part).images
        found[part] = block_reduce(images, (1, BINNING, BINNING, 1), func=np.sum)
    return {part: images.astype(np.float32) for part, images in found.items()}


def kept(cutouts: aa.Cutouts) -> aa.Cutouts:
    """Return cutouts without those that components fitted to all find strangest."""
    scores = every_score(detectors.principal(cutouts), cutouts, False)["whitened"]
    return cutouts[np.flatnonzero(scores <= np.quantile(scores, 1 - TRIMMED))]


def measure(folder: Path, sizes: Sizes, seed: int) -> None:
    """Write FOLDER/DATA.npz, and the scores as FOLDER/DATA-PERCENT/GROUP.npz."""
    folder.mkdir(exist_ok=True)
    for data in DATA:
        path = folder / f"{data}.npz"
        if not path.is_file():
            sets.write(path, simulated(data, sizes, seed))
        images = sets.read(path)
        for fraction in FRACTIONS:
            # The fraction of the whole that is anomalous.
            n = int(fraction * sizes.normal / (1 - fraction))
            own = [images["normal"].images, images["anomalous"].images[:n]]
            parts = {
                "train": aa.Cutouts(np.concatenate(own)),
                "ordinary": images["test_normal"],
                "anomalous": images["test_anomalous"],
            }
            for group in GROUPS:
                name = f"{data}-{round(100 * fraction)}"
                made = folder / name / f"{group}.npz"
                if made.is_file():
                    continue
                if group == "pca_trimmed":
                    given = parts | {"train": kept(parts["train"])}
                else:
                    given = parts
                plain = group.removesuffix("_trimmed")
                detectors.write(made, detectors.scored(plain, given, {}, seed))


def read(folder: Path) -> dict[tuple[str, int], dict]:
    """Return the scores by data and percentage, as `detectors.read` gives them."""
    return {
        (data, percent): detectors.read(folder / f"{data}-{percent}")
        for data in DATA
        for percent in (round(100 * fraction) for fraction in FRACTIONS)
    }
