"""Simulated and real sets of galaxies; their scores, baselines and morphology."""

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.table import Table, hstack, vstack

from astroanomaly import Cutouts, concatenate, morphology, runs, scores, simulate
from astroanomaly.data import write_cutouts
from astroanomaly.simulate.cameras import instruments
from studies.mergers.paper import LEVELS, WGAN_GP
from studies.scoring import stretched
from studies.study import save, save_array

LOG = logging.getLogger("mergers")
MEASURES = ["concentration", "asymmetry", "smoothness", "gini", "m20", "rhalf"]
MEASURES += ["ellipticity", "measured"]
APERTURE = 1.5  # arcsec; holds most light of a galaxy of these surveys
REAL = {
    "f160w_real": ("candels_f160w", "*_h.fits"),
    "f814w_real": ("cosmos_acs_f814w", "*.fits"),
}


def isolated(n: int, seed: int, **options) -> Cutouts:
    """Simulate galaxies that pass restrictive isolation cuts."""
    return simulate.galaxies(n, isolation=True, seed=seed, progress=True, **options)


def survey(n: int, seed: int, structure: bool = True, **options) -> Cutouts:
    """Simulate galaxies of every mass, one in ten of them in a merger sequence."""
    # Each pair gives six cutouts: 6 / 60 is one in ten.
    n_pairs = max(n // 60, 1)
    options |= {"progress": True}
    n_alone = n - 6 * n_pairs
    alone = simulate.galaxies(n_alone, structure=structure, seed=seed, **options)
    pairs = simulate.mergers(n_pairs, seed=seed + 1, **options)
    # To a survey that holds mergers they are ordinary.
    pairs.table["is_anomaly"] = False
    return concatenate([alone, pairs])


def real(data: Path, name: str) -> list[Path]:
    """Return the FITS files of a real set; none if absent."""
    folder, pattern = REAL[name]
    return sorted((data / folder).glob(pattern))


def write(folder: Path, make) -> None:
    """Write the cutouts that `make` returns as FITS, unless they exist."""
    # The catalog is written last.
    if not (folder / "catalog.ecsv").is_file():
        LOG.info("simulating %s", folder.name)
        write_cutouts(folder, make())


def read(run: runs.Run, path) -> Cutouts:
    """Read a folder, or a list of files with the catalog next to them, if any."""
    options = {}
    if isinstance(path, list) and (path[0].parent / "catalog.ecsv").is_file():
        options["catalog"] = path[0].parent / "catalog.ecsv"
    return run.read(path, **options).read()


def score(detector, cutouts: Cutouts) -> Table:
    """Return the four scores of WGAN-GP in the order of the cutouts."""
    table = detector.score(cutouts)
    place = {str(name): row for row, name in enumerate(table["object_id"])}
    return table[list(WGAN_GP)][[place[str(name)] for name in cutouts.object_ids]]


def measure(path: Path, cutouts: Cutouts) -> Table:
    """Measure CAS, Gini and M20, or read what was measured."""
    if not path.is_file():
        LOG.info("measuring the morphology of %d objects: %s", len(cutouts), path.stem)
        save(morphology.measure(cutouts, progress=True), path)
    table = Table.read(path, format="ascii.ecsv")
    table.meta = {}
    return table


def aperture_magnitude(cutouts: Cutouts, zero_point: float) -> np.ndarray:
    """Return AB magnitudes within 1.5 arcsec; NaN where the flux is not positive."""
    images = cutouts.images[..., 0]
    shape = np.array(images.shape[1:])
    y, x = np.indices(shape) - (shape // 2)[:, None, None]
    inside = np.hypot(y, x) * cutouts.pixel_scale <= APERTURE
    flux = images[:, inside].sum(axis=1, dtype=float)
    return np.where(flux > 0, zero_point - 2.5 * np.log10(np.abs(flux)), np.nan)


def score_all(
    out: Path, run: runs.Run, paths: dict, instrument, n_morphology: int, seed: int
) -> None:
    """Score sets by the detector and all baselines; write a table for each.

    The first entry of `paths` is the training set, the second calibrates.
    """
    train, *names = paths
    if all((out / "scores" / f"{name}.ecsv").is_file() for name in names):
        return
    sets = {name: read(run, path) for name, path in paths.items()}
    training = sets.pop(train)
    detector = run.detector.calibrate(sets[names[0]], levels=LEVELS)
    tables = []
    for name, cutouts in sets.items():
        LOG.info("scoring %d objects: %s", len(cutouts), name)
        tables.append(score(detector, cutouts))
        features = detector.features(cutouts).reshape(len(cutouts), -1)
        save_array(out / "features" / f"{name}.npy", features)
    images = scores.baseline_scores(
        stretched(detector.stretch, training),
        stretched(detector.stretch, *sets.values()),
        seed=seed,
    )
    # Morphology is slow: the training set needs only enough to learn from.
    some = {train: training[: min(n_morphology, len(training))], **sets}
    measured = {
        name: measure(out / "morphology" / f"{name}.ecsv", cutouts)
        for name, cutouts in some.items()
    }
    shapes = morphology.baseline_scores(
        measured[train], vstack([measured[name] for name in names]), seed=seed
    )
    edges = pairwise(np.cumsum([0, *map(len, sets.values())]))
    zero_point = instruments.get(instrument).zero_point
    for name, own, (start, stop) in zip(names, tables, edges, strict=True):
        numbers = measured[name][MEASURES]
        numbers["morphology_flag"] = measured[name]["flag"]
        others = {k: v[start:stop] for k, v in {**images, **shapes}.items()}
        table = hstack([sets[name].table, own, numbers, Table(others)])
        table["mag_aperture"] = aperture_magnitude(sets[name], zero_point)
        table.meta = {}
        save(table, out / "scores" / f"{name}.ecsv")
