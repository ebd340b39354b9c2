"""Compare the scores of runs on planted anomalies, or on labelled objects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation import what_finds
from astroanomaly.runs.run import load_run
from astroanomaly.simulate import plant
from astroanomaly.tables.labels import read_labels

# Enough for intervals of 0.02, and seconds to score; each host gets every kind.
MOST_HOSTS = 500
# Fewer say nothing: the interval of an area is then 0.4 wide.
LEAST = 10


def compare(
    runs: Sequence[str | Path],
    cutouts: str | Path,
    labels: str | Path | Table | None = None,
    seed: int = 0,
    **reading: Any,
) -> Table:
    """Measure which score of which run finds anomalies.

    Without labels, every object is compared with copies that get planted anomalies
    (:func:`astroanomaly.simulate.plant`): bright and faint companions, streaks, missing
    halves, bumps, clumps and distortions. Best are ordinary objects that trained none
    of the runs.

    Parameters
    ----------
    runs : sequence of str or Path
        Run folders.
    cutouts : str or Path
        Ordinary objects; with labels, ordinary and anomalous ones.
    labels : str, Path or Table, optional
        `object_id` and `is_anomaly` of every object.
    seed : int, optional
        Seed of what is planted and of the intervals.
    **reading
        As for :meth:`astroanomaly.runs.Run.read`.

    Returns
    -------
    Table
        As :func:`astroanomaly.evaluation.what_finds`; the detectors are the folders'
        names, with "brightness" (the sum of all pixels) as the last. `meta` holds what
        was compared.

    Raises
    ------
    ValueError
        If there is no run, a folder is none, objects differ between the runs, labels
        are missing, or there are fewer than 10 objects of a kind.

    Examples
    --------
    >>> table = compare(["run"], "held_out/")
    >>> table["kind"][:5].tolist()
    ['companion', 'streak', 'missing_half', 'bump', 'faint_companion']
    """
    folders = [Path(run) for run in runs]
    if not folders:
        raise ValueError("`runs` must name at least one run folder. Received: none.")
    known = None if labels is None else read_labels(labels)
    # Two runs may have the same last name.
    short = len({folder.name for folder in folders}) == len(folders)
    detectors, sets, ids = {}, {}, None
    for folder in folders:
        run = load_run(folder)
        objects = run.read(cutouts, **reading).read()
        objects = objects[np.argsort(objects.object_ids)]
        if ids not in (None, objects.object_ids):
            raise ValueError(
                f"{cutouts} must give every run the same objects. Received: "
                f"{len(objects)} for {folder}, {len(ids)} for {folders[0]}, or others."
            )
        ids = objects.object_ids
        name = folder.name if short else str(folder)
        detectors[name] = run.detector
        if known is None:
            sets[name] = planted_sets(objects, seed, str(cutouts))
        else:
            found = known.of(ids, cutouts).astype(bool)
            truth = Table({"kind": ["labelled"] * found.sum()})
            truth["host"] = np.arange(len(truth))
            sets[name] = objects[~found], objects[found], truth
    table = measure(detectors, sets, seed)
    table.meta = {
        "cutouts": str(cutouts),
        "anomalies": "planted" if known is None else "labelled",
        "seed": int(seed),
    }
    return table


def planted_sets(objects: Cutouts, seed: int, name: str) -> tuple:
    """Plant every kind of anomaly in copies of ordinary objects.

    A planted object is compared with the same objects as they were: how bright or
    large those are that happen to be drawn then matters little.

    Parameters
    ----------
    objects : Cutouts
        Ordinary objects in linear pixels.
    seed : int
        Seed.
    name : str
        Where they come from, for the message.

    Returns
    -------
    ordinary, planted : Cutouts
        At most 500 of the objects, and their copies.
    truth : Table
        As :func:`astroanomaly.simulate.plant` gives it, a row for each planted one.

    Raises
    ------
    ValueError
        If there are fewer than 10 objects.
    """
    if len(objects) < LEAST:
        raise ValueError(
            f"{name} must hold at least {LEAST} ordinary objects to plant anomalies "
            f"in. Received: {len(objects)}."
        )
    order = np.random.default_rng(seed).permutation(len(objects))
    hosts = objects[np.sort(order[:MOST_HOSTS])]
    images, truth = plant(hosts.images, seed=seed)
    ids = [f"{hosts.object_ids[r['host']]}:{r['kind']}" for r in truth]
    planted = Cutouts(images, Table({"object_id": ids}), hosts.bands, hosts.pixel_scale)
    return hosts, planted, truth


def measure(detectors: dict, sets: dict, seed: int) -> Table:
    """Score the sets of each detector by all its scores, and compare them.

    Parameters
    ----------
    detectors : dict
        Detectors by name.
    sets : dict of tuple
        For each, ordinary objects, anomalies and their truth (`kind`, `host`).
    seed : int
        Seed of the intervals.

    Returns
    -------
    Table
        As :func:`compare`.

    Raises
    ------
    ValueError
        If there are fewer than 10 objects of a kind.
    """
    scores = {}
    for name, detector in detectors.items():
        ordinary, anomalies, truth = sets[name]
        if min(len(ordinary), len(anomalies)) < LEAST:
            raise ValueError(
                f"`labels` must leave at least {LEAST} objects of each kind. Received: "
                f"{len(ordinary)} ordinary and {len(anomalies)} anomalous ones."
            )
        columns = [_columns(detector, part) for part in (ordinary, anomalies)]
        scores |= {
            (name, score): (column, columns[1][score])
            for score, column in columns[0].items()
            if score in columns[1]
        }
    # The same pixels for all; of more bands, the sum over them.
    flux = [part.images.sum(axis=(1, 2, 3)) for part in (ordinary, anomalies)]
    scores["brightness", "flux"] = tuple(flux)
    return what_finds(scores, truth["kind"], truth["host"], seed=seed)


def _columns(detector, cutouts: Cutouts) -> dict[str, np.ndarray]:
    """Return every score that a detector knows, by the name that `score=` takes."""
    rows = vstack([rows for rows, _ in detector.score_blocks(cutouts) if rows])
    found = {
        name.removesuffix("_score"): np.asarray(rows[name], float)
        for name in rows.colnames
        # The check of frames ranks nothing.
        if name.endswith("_score") and name not in ("anomaly_score", "frame_score")
    }
    # NaN stands for a score that a detector does not have.
    found = {
        name: column for name, column in found.items() if np.isfinite(column).all()
    }
    return found or {detector.score_name: np.asarray(rows["anomaly_score"], float)}
