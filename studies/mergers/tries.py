"""Other ways to score that the first network allows: one table.

Views averaged, width of the peak's filter, weight of the feature term, and how z is
found. The same calibration galaxies set the thresholds each time.
"""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import AnomalyDetector, evaluation, latent, runs, scores
from studies.mergers.paper import RATIO_EDGES, RULE, SUBTLE, WGAN_GP
from studies.mergers.results import levels_for
from studies.mergers.sets import score
from studies.study import save
from studies.tables import rows

LOG = logging.getLogger("mergers")
SMOOTHINGS = (1.5, 2.0, 2.5, 3.0, 4.0)
WEIGHTS = (0.5, 0.9)
# A network fitted to each image is slow: it sees every n-th galaxy only.
EVERY = {"mapping": 6, "refine": 3}
SETS = ("calibration", "isolated", "mergers")


def row(name: str, found: dict, truth: Table) -> dict:
    """Return the rates of isolated galaxies and mergers as "85 / 90 / 95" per cent."""
    stage = np.asarray(truth["stage"]).astype(str)
    neighbor = stage == "pre_merger_neighbor"
    faint = np.asarray(truth["flux_ratio"]) < RATIO_EDGES[1]
    own = found["mergers"]
    parts = {
        "isolated": found["isolated"],
        "neighbor": own[neighbor],
        "neighbor, faint": own[neighbor & faint],
        "subtle": own[np.isin(stage, SUBTLE)],
    }
    table = evaluation.detection_rates(
        {"score": found["calibration"]},
        {sample: {"score": part} for sample, part in parts.items()},
        levels=levels_for(len(found["calibration"])),
        rule=RULE,
    )
    cells = {"tried": name, "n": len(own)}
    for sample in parts:
        rates = rows(table, sample=sample)["rate"]
        cells[sample] = " / ".join(f"{100 * rate:.0f}" for rate in rates)
    return cells


def smoothings(run: runs.Run, cutouts: dict, train) -> list[dict]:
    """Score by the peak with other widths of its filter."""
    LOG.info("smoothing lengths")
    parts = {n: run.detector.explain(c) for n, c in {"train": train, **cutouts}.items()}
    pairs = {n: (p["original"], p["reconstruction"]) for n, p in parts.items()}
    made = []
    for smoothing in SMOOTHINGS:
        noise = scores.ResidualNoise(smoothing)
        noise.fit(*pairs["train"])
        found = {name: noise.peak(*pairs[name]) for name in SETS}
        name = f"peak, 8 views, {smoothing:g} px"
        made.append(row(name, found, cutouts["mergers"].table))
    return made


def searches(run: runs.Run, cutouts: dict, train) -> list[dict]:
    """Score with one view, by other searches for z, and other weights."""
    gan, encoder = run.detector.model, run.detector.encoder
    methods = {"encoder": encoder, "refine": latent.Refine(encoder)}
    methods["mapping"] = latent.Mapping(gan)
    made, smoothing = [], run.detector.smoothing
    for method, search in methods.items():
        LOG.info("one view, %s", method)
        every = EVERY.get(method, 1)
        part = {n: c[np.arange(0, len(c), every)] for n, c in cutouts.items()}
        detector = AnomalyDetector(
            gan, run.detector.stretch, latent=search, smoothing=smoothing
        )
        # Half of the training galaxies measure the noise well enough.
        detector.measure_noise(train[np.arange(0, len(train), 2 * every)])
        tables = {name: score(detector, one) for name, one in part.items()}
        ways = {
            one: {name: np.asarray(table[one]) for name, table in tables.items()}
            for one in WGAN_GP
        }
        for w in WEIGHTS:
            terms = ways["residual_score"], ways["feature_score"]
            ways[f"total, w {w:g}"] = {
                name: scores.total_score(*(term[name] for term in terms), w)
                for name in tables
            }
        for one, found in ways.items():
            name = f"{one}, one view, {method}"
            made.append(row(name, found, part["mergers"].table))
    return made


def write(out: Path) -> None:
    """Write RUN/results/tries.ecsv, unless it exists."""
    path = out / "results" / "tries.ecsv"
    if path.is_file():
        return
    run = runs.load_run(out / "app1" / "run")
    cutouts = {name: run.read(out / "sets" / name).read() for name in SETS}
    # Enough to measure the noise of the residuals.
    train = run.read(out / "sets" / "train").read()[:2000]
    made = smoothings(run, cutouts, train) + searches(run, cutouts, train)
    save(Table(rows=made), path)
