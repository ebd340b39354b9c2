"""What else was tried on the merger study's first network: one table.

Each row is a way to score that the trained networks allow: views averaged, width of
the peak's filter, weight of the feature term, and how z is found. Thresholds are
set by the same calibration galaxies each time.
"""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import AnomalyDetector, latent, runs
from astroanomaly.evaluation import rates
from astroanomaly.scores import residual
from astroanomaly.utils.files import atomic_path
from mergers import sets

LOG = logging.getLogger("mergers")
SMOOTHINGS = (1.5, 2.0, 2.5, 3.0, 4.0)
WEIGHTS = (0.5, 0.9)
# A network per image is slow: every how many galaxies it sees.
EVERY = {"mapping": 6, "refine": 3}
SUBTLE = ("pre_merger_alone", "post_merger")


def samples(mergers: Table) -> dict:
    """Return the rows of each sample.

    Parameters
    ----------
    mergers : Table
        Truth.

    Returns
    -------
    dict of ndarray
        Boolean masks.
    """
    stage = np.asarray(mergers["stage"]).astype(str)
    neighbor = stage == "pre_merger_neighbor"
    return {
        "neighbor": neighbor,
        "neighbor, faint": neighbor & (np.asarray(mergers["flux_ratio"]) < 0.28),
        "subtle": np.isin(stage, SUBTLE),
    }


def row(name: str, found: dict, truth: Table) -> dict:
    """Return a try's rates.

    Parameters
    ----------
    name : str
        What was tried.
    found : dict of ndarray
        Scores of `calibration`, `isolated` and `mergers`.
    truth : Table
        Of the mergers.

    Returns
    -------
    dict of str
        "85 / 90 / 95" rates for each sample, per cent.
    """
    parts = {"isolated": {"score": found["isolated"]}}
    for sample, rows in samples(truth).items():
        parts[sample] = {"score": found["mergers"][rows]}
    table = rates.detection_rates(
        {"score": found["calibration"]}, parts, levels=sets.LEVELS
    )
    cells = {"tried": name, "n": len(found["mergers"])}
    for sample in parts:
        chosen = table[table["sample"] == sample]
        cells[sample] = " / ".join(f"{100 * r:.0f}" for r in chosen["rate"])
    return cells


def scored(detector, cutouts: dict) -> dict:
    """Return residual, feature and peak of each set, for one way to find z."""
    detector.calibrate(cutouts["calibration"], levels=sets.LEVELS)
    return {name: sets.score(detector, part) for name, part in cutouts.items()}


def table(out: Path) -> Table:
    """Score again in every way.

    Parameters
    ----------
    out : Path
        The study's folder.

    Returns
    -------
    Table
        A row per try.
    """
    run = runs.load_run(out / "app1" / "run")
    names = ("calibration", "isolated", "mergers")
    cutouts = {name: run.read(out / "sets" / name).read() for name in names}
    train = run.read(out / "sets" / "train").read()[:2000]
    truth = cutouts["mergers"].table
    rows = []
    LOG.info("smoothing lengths")
    parts = {
        n: run.detector.explain(c) for n, c in (("train", train), *cutouts.items())
    }
    for smoothing in SMOOTHINGS:
        noise = residual.ResidualNoise(smoothing)
        noise.fit(parts["train"]["original"], parts["train"]["reconstruction"])
        found = {
            n: noise.peak(parts[n]["original"], parts[n]["reconstruction"])
            for n in names
        }
        rows.append(row(f"peak, 8 views, {smoothing:g} px", found, truth))
    rows += _methods(run, cutouts, train)
    return Table(rows=rows)


def _methods(run, cutouts: dict, train) -> list[dict]:
    """Score with one view, by other searches, and other weights."""
    gan, encoder = run.detector.model, run.detector.encoder
    searches = {
        "encoder": encoder,
        "refine": latent.Refine(encoder),
        "mapping": latent.Mapping(gan),
    }
    rows = []
    for method, search in searches.items():
        LOG.info("one view, %s", method)
        every = EVERY.get(method, 1)
        part = {n: c[np.arange(0, len(c), every)] for n, c in cutouts.items()}
        detector = AnomalyDetector(
            gan, run.detector.stretch, latent=search, smoothing=run.detector.smoothing
        )
        detector.measure_noise(train[np.arange(0, len(train), 2 * every)])
        tables = scored(detector, part)
        truth = part["mergers"].table
        for score in sets.SCORES:
            found = {n: np.asarray(t[score]) for n, t in tables.items()}
            rows.append(row(f"{score}, one view, {method}", found, truth))
        for w in WEIGHTS:
            found = {
                n: residual.total_score(
                    np.asarray(t["residual_score"]), np.asarray(t["feature_score"]), w
                )
                for n, t in tables.items()
            }
            rows.append(row(f"total, w {w:g}, one view, {method}", found, truth))
    return rows


def write(out: Path) -> None:
    """Write RUN/results/tries.ecsv, unless it is there.

    Parameters
    ----------
    out : Path
        The study's folder.
    """
    path = out / "results" / "tries.ecsv"
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    found = table(out)
    with atomic_path(path) as partial:
        found.write(partial, format="ascii.ecsv")
