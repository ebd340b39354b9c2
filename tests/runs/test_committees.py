"""Finders joined, and trained further on the non-lenses that they find hard."""

import json

import numpy as np
import pytest
from astropy.table import Table
from rings import SIZE, rings

from astroanomaly import cli, runs
from astroanomaly.data.write import write_cutouts
from astroanomaly.models import Committee
from astroanomaly.runs.training import FinderTraining

SETTINGS = {
    "model": {"network": "small", "channels": ["image", "faint"]},
    "training": {"batch_size": 8, "learning_rate": 1e-3, "validation_fraction": 0.25},
}


def train(work, name, **options):
    labels, given = work / "train" / "catalog.ecsv", {"seed": 1, "epochs": 1}
    given |= {"size": SIZE, "model": "lens_finder", "config": SETTINGS}
    return runs.train(work / "train", work / name, labels=labels, **given | options)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Two finders, the second with calibrated probabilities."""
    work = tmp_path_factory.mktemp("committee")
    write_cutouts(work / "train", rings(40, 1, "train"))
    write_cutouts(work / "held_out", rings(30, 2, "held_out"))
    train(work, "one")
    train(work, "two", seed=2)
    labels = work / "held_out" / "catalog.ecsv"
    runs.calibrate(work / "two", work / "held_out", levels=[80], labels=labels)
    return work


def test_two_runs_score_as_one(work, capsys):
    words = ["committee", work / "one", work / "two", "--out", work / "both"]
    assert cli.main([*map(str, words), "--turns", "1"]) == 0, capsys.readouterr().err
    joined = runs.load_run(work / "both")
    assert isinstance(joined.detector.model, Committee)
    curve = runs.load_run(work / "two").detector.probability_calibration
    assert joined.detector.model.calibrations == [
        [1.0, 0.0],
        [curve.slope_, curve.intercept_],
    ]
    words = ["score", work / "both", work / "held_out", "--out", work / "t.ecsv"]
    assert cli.main([str(word) for word in words]) == 0
    table = Table.read(work / "t.ecsv")
    table.sort("object_id")
    own = []
    for name in ("one", "two"):
        run = runs.load_run(work / name)
        cutouts = run.read(work / "held_out").read()
        order = np.argsort(cutouts.object_ids)
        # The table would warn that half of these objects calibrated the run.
        images = run.detector.images
        own.append(images.of_images("logit", images.stretched(cutouts))[order])
    own[1] = curve.slope_ * own[1] + curve.intercept_
    np.testing.assert_allclose(table["anomaly_score"], np.mean(own, 0), rtol=1e-4)
    np.testing.assert_allclose(table["disagreement"], np.std(own, 0), atol=1e-4)
    assert runs.verify(work / "both").good


def test_runs_that_do_not_fit_are_named(work, tmp_path):
    with pytest.raises(ValueError, match="`runs` must name at least one run"):
        runs.committee([], tmp_path / "none")
    other = {**SETTINGS, "stretch": {"name": "sqrt", "per_image": True}}
    train(work, "other", config=other)
    with pytest.raises(
        ValueError, match="`runs` must have one stretch. Received: .*one"
    ):
        runs.committee([work / "one", work / "other"], tmp_path / "odd")
    few = {"model": {"n_components": 8}}
    runs.train(work / "train", work / "pca", size=SIZE, model="pca", config=few)
    with pytest.raises(
        ValueError, match="`runs` must be runs of the model lens_finder"
    ):
        runs.committee([work / "pca"], tmp_path / "odd")
    assert not list(tmp_path.iterdir())


def test_hard_non_lenses_are_shown_more(work, monkeypatch):
    with pytest.raises(ValueError, match="`mine` must come with a finder to begin"):
        train(work, "alone", config={"training": {"mine": 0.2}})
    shown, batches = [], FinderTraining.batches

    def noted(self, rows=None, shuffle=True):
        shown.append(self.train.tolist() if rows is None else None)
        return batches(self, rows, shuffle)

    monkeypatch.setattr(FinderTraining, "batches", noted)
    mining = {"training": {"mine": 0.2}}
    train(work, "mined", start=work / "one", config=mining)
    record = json.loads((work / "mined" / "training_objects.json").read_text())
    first = runs.load_run(work / "one")
    cutouts = first.read(work / "train").read()
    labels = np.array(record["labels"])
    by_id = first.detector.probability(cutouts)
    others = np.flatnonzero(labels == 0)
    want = others[np.argsort(-by_id[others])[: round(0.2 * len(others))]]
    assert record["mined"] == sorted(want.tolist())
    rows = next(one for one in shown if one is not None)
    counts = np.bincount(rows, minlength=40)
    trained = counts > 0
    # Once as all, and four times more.
    assert (counts[trained & np.isin(np.arange(40), want)] == 5).all()
    assert (counts[trained & ~np.isin(np.arange(40), want)] == 1).all()
