"""What a user's type checker sees of the package; mypy reads this file, nothing runs.

A session as in the README, and one call of each room whose result goes on: a name that
loses its type (`Any`) or its argument would fail here in `assert_type` or in the call.
"""

from typing import assert_type

import numpy as np
from astropy.table import Table

from astroanomaly import calibration, evaluation, plots, runs, simulate, tables
from astroanomaly.data import Cutouts, CutoutStream, read_cutouts, split, write_cutouts
from astroanomaly.detector import AnomalyDetector, load_detector
from astroanomaly.detector.base import Detector
from astroanomaly.latent import Encoder
from astroanomaly.models import WGANGP
from astroanomaly.review import ActiveRanker, LabelStore
from astroanomaly.stretches import Asinh


def session(folder: str) -> Table:
    """Train, calibrate and score, as in the README."""
    cutouts = read_cutouts(folder, size=64)
    assert_type(cutouts, Cutouts | CutoutStream)
    if isinstance(cutouts, CutoutStream):
        cutouts = cutouts.read()
    train, held_out = split(cutouts, (0.8, 0.2), seed=1)
    gan = WGANGP(image_shape=(64, 64, 1))
    stretch = Asinh().adapt(train)
    detector = AnomalyDetector(gan, stretch, latent=Encoder(gan))
    detector.calibrate(held_out, levels=[90, 95], rule="conformal")
    assert_type(load_detector("run/detector"), Detector)
    write_cutouts("copy", held_out)
    return detector.score(held_out, fdr=0.05)


def numbers(scores: np.ndarray, labels: np.ndarray, table: Table) -> None:
    """Ask for a p-value, an area, a figure and a label."""
    found = calibration.Calibration(scores, [90.0])
    assert_type(found.p_values(scores), np.ndarray)
    assert_type(evaluation.auc(labels, scores), evaluation.AUC)
    assert_type(tables.read_labels("labels.csv"), tables.Labels)
    assert_type(simulate.galaxies(10, size=32, seed=1), Cutouts)
    assert_type(runs.load_run("run"), runs.Run)
    plots.score_histogram(table, found).savefig("scores.png")
    LabelStore("labels.db").read(table, "Ada")
    ranker = ActiveRanker(np.zeros((2, 3)), ["a", "b"])
    assert_type(ranker.fit({"a": 1}), ActiveRanker)
