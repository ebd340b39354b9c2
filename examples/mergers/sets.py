"""The sets of the merger study: simulated, or real; their scores and baselines."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table, hstack, vstack

from astroanomaly import morphology, runs, simulate
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.write import write_cutouts
from astroanomaly.runs.training import stretched
from astroanomaly.scores import baselines
from astroanomaly.utils.files import atomic_path

LOG = logging.getLogger("mergers")
SCORES = ("peak_score", "residual_score", "feature_score", "total_score")
MEASURES = (
    "concentration",
    "asymmetry",
    "smoothness",
    "gini",
    "m20",
    "rhalf",
    "ellipticity",
    "measured",
)
LEVELS = (85, 90, 95)
# Simulated F814W frames are drawn as the real ones are and resampled alike.
FRAME = {"f160w": 64, "f814w": 128}
APERTURE = 1.5  # arcsec


@dataclass(frozen=True)
class Network:
    """One trained detector of the study.

    Parameters
    ----------
    instrument : str
        Preset of its simulated galaxies.
    train : str
        Set that it is trained on.
    sets : tuple of str
        Sets that it scores; the first one calibrates.
    config : dict
        Tables of a run's config.toml.
    reading : dict
        How its cutouts are read.
    """

    instrument: str
    train: str
    sets: tuple[str, ...]
    config: dict
    reading: dict = field(default_factory=lambda: {"size": 64})


def isolated(n: int, seed: int, **options) -> Cutouts:
    """Simulate galaxies that pass restrictive isolation cuts."""
    return simulate.galaxies(n, isolation=True, seed=seed, progress=True, **options)


def survey(n: int, seed: int, **options) -> Cutouts:
    """Simulate all galaxies: every mass, and one in ten in a merger sequence.

    Parameters
    ----------
    n : int
        Number of cutouts.
    seed : int
        Same seed, same bits.
    **options
        As `simulate.galaxies` takes them.

    Returns
    -------
    Cutouts
        Galaxies first, then merging ones.
    """
    n_pairs = max(n // 60, 1)
    structure = options.pop("structure", True)
    alone = simulate.galaxies(
        n - 6 * n_pairs, structure=structure, seed=seed, progress=True, **options
    )
    pairs = simulate.mergers(n_pairs, seed=seed + 1, progress=True, **options)
    pairs.table["is_anomaly"] = False
    return concatenate([alone, pairs])


def real(data: Path, name: str) -> list[Path]:
    """Return the files of a real set.

    Parameters
    ----------
    data : Path
        Folder with `candels_f160w` and `cosmos_acs_f814w`.
    name : {"f160w_real", "f814w_real"}
        The set.

    Returns
    -------
    list of Path
        FITS files; empty where there are none.
    """
    folder, pattern = {
        "f160w_real": ("candels_f160w", "*_h.fits"),
        "f814w_real": ("cosmos_acs_f814w", "*.fits"),
    }[name]
    return sorted((data / folder).glob(pattern))


def write(folder: Path, make) -> None:
    """Write a set as FITS unless it is there.

    Parameters
    ----------
    folder : Path
        Where its files go.
    make : callable
        Makes the Cutouts.
    """
    if (folder / "catalog.ecsv").is_file():
        return
    LOG.info("simulating %s", folder.name)
    write_cutouts(folder, make())


def train(folder: Path, out: Path, network: Network, seed: int) -> runs.Run:
    """Train a detector, or go on with one.

    Parameters
    ----------
    folder : Path
        The training set.
    out : Path
        The run folder.
    network : Network
        Its settings.
    seed : int
        Of the training.

    Returns
    -------
    Run
        The finished run.
    """
    LOG.info("training on %s", folder.name)
    resume = (out / "config.toml").is_file()
    return runs.train(
        folder,
        out,
        network.config,
        seed=seed,
        resume=resume,
        progress=True,
        **network.reading,
    )


def score(detector, cutouts: Cutouts) -> Table:
    """Score a set, in its own order.

    Parameters
    ----------
    detector : AnomalyDetector
        Calibrated.
    cutouts : Cutouts
        What to score.

    Returns
    -------
    Table
        The four scores of WGAN-GP.
    """
    table = detector.score(cutouts)
    place = {str(name): row for row, name in enumerate(table["object_id"])}
    rows = [place[str(name)] for name in cutouts.object_ids]
    return table[list(SCORES)][rows]


def measure(path: Path, cutouts: Cutouts) -> Table:
    """Measure CAS, Gini and M20, or read what was measured."""
    if not path.is_file():
        LOG.info("measuring the morphology of %d objects: %s", len(cutouts), path.stem)
        table = morphology.measure(cutouts, progress=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            table.write(partial, format="ascii.ecsv")
    return Table.read(path, format="ascii.ecsv")


def aperture_magnitude(cutouts: Cutouts, zero_point: float) -> np.ndarray:
    """Measure the magnitude within 1.5 arcsec of the centre.

    Parameters
    ----------
    cutouts : Cutouts
        One band.
    zero_point : float
        AB magnitude of one unit.

    Returns
    -------
    ndarray of shape (n,)
        AB mag; NaN where the flux is not positive.
    """
    images = cutouts.images[..., 0]
    y, x = (
        np.indices(images.shape[1:]) - (np.array(images.shape[1:]) // 2)[:, None, None]
    )
    inside = np.hypot(y, x) * cutouts.pixel_scale <= APERTURE
    flux = images[:, inside].sum(axis=1, dtype=float)
    return np.where(flux > 0, zero_point - 2.5 * np.log10(np.abs(flux)), np.nan)


def score_all(
    out: Path,
    network: Network,
    run: runs.Run,
    paths: dict,
    n_morphology: int,
    seed: int,
) -> None:
    """Score the sets of a network by every method; write one table for each.

    Parameters
    ----------
    out : Path
        The study's folder.
    network : Network
        Which sets.
    run : Run
        Its trained run.
    paths : dict
        From set to what is read.
    n_morphology : int
        Training objects whose morphology is measured; 0 leaves morphology out.
    seed : int
        Of the baselines.
    """
    if all((out / "scores" / f"{name}.ecsv").is_file() for name in network.sets):
        return
    sets = {name: _read(run, paths[name]) for name in network.sets}
    training = _read(run, paths[network.train])
    first = network.sets[0]
    detector = run.detector.calibrate(sets[first], levels=LEVELS)
    tables = {}
    for name, cutouts in sets.items():
        LOG.info("scoring %d objects: %s", len(cutouts), name)
        tables[name] = score(detector, cutouts)
        path = out / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.save(file, detector.features(cutouts).reshape(len(cutouts), -1))
    others = _baselines(run.detector.stretch, training, sets, seed)
    if n_morphology:
        measured = {
            name: measure(out / "morphology" / f"{name}.ecsv", cutouts)
            for name, cutouts in {
                network.train: training[: min(n_morphology, len(training))],
                **sets,
            }.items()
        }
        others = _joined(others, _morphology(measured, network, seed))
        for name in sets:
            numbers = measured[name][list(MEASURES)]
            numbers["morphology_flag"] = measured[name]["flag"]
            tables[name] = hstack([tables[name], numbers])
    for name, cutouts in sets.items():
        table = hstack([cutouts.table, tables[name], others[name]])
        zero_point = simulate.instruments.get(network.instrument).zero_point
        table["mag_aperture"] = aperture_magnitude(cutouts, zero_point)
        _save(table, out / "scores" / f"{name}.ecsv")


def _read(run: runs.Run, path) -> Cutouts:
    """Read a set, a list of files with the catalog beside them, if there is one."""
    options = {}
    if isinstance(path, list) and (path[0].parent / "catalog.ecsv").is_file():
        options["catalog"] = path[0].parent / "catalog.ecsv"
    return run.read(path, **options).read()


def _joined(one: dict, other: dict) -> dict:
    return {name: hstack([one[name], other[name]]) for name in one}


def _save(table: Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.meta = {}
    with atomic_path(path) as partial:
        table.write(partial, format="ascii.ecsv")


def _baselines(stretch, training: Cutouts, sets: dict, seed: int) -> dict:
    """Score all sets by brightness, principal components and a forest."""
    images = [stretched(stretch, cutouts) for cutouts in sets.values()]
    found = baselines.baseline_scores(
        stretched(stretch, training), np.concatenate(images), seed=seed
    )
    return _split(found, {name: len(c) for name, c in sets.items()})


def _morphology(measured: dict, network: Network, seed: int) -> dict:
    """Score all sets by k-means and a forest on CAS, Gini and M20."""
    for table in measured.values():
        table.meta = {}
    tests = vstack([measured[name] for name in network.sets])
    found = morphology.baseline_scores(measured[network.train], tests, seed=seed)
    return _split(found, {name: len(measured[name]) for name in network.sets})


def _split(scores: dict, sizes: dict) -> dict:
    """Give each set its part of concatenated scores."""
    edges = np.cumsum([0, *sizes.values()])
    return {
        name: Table({k: v[edges[i] : edges[i + 1]] for k, v in scores.items()})
        for i, name in enumerate(sizes)
    }
