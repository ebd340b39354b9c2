"""Runs compared on planted anomalies, and the choice that `auto` makes of them."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly import cli, concatenate, runs, write_cutouts
from astroanomaly.runs.auto import QUICK
from astroanomaly.runs.comparison import planted_sets
from astroanomaly.runs.folder import read_objects
from astroanomaly.simulate.planted import SOUGHT
from astroanomaly.tables import read_table

CONFIG = {
    "data": {"size": 32},
    "model": {"latent_dim": 4},
    "training": {"epochs": 1, "sample_grid": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    write_cutouts(folder / "train", blobs(200, 1))
    write_cutouts(folder / "held_out", blobs(80, 2))
    odd = concatenate([blobs(30, 3), blobs(20, 4, companion=True)])
    odd.table["is_anomaly"] = np.arange(50) >= 30
    write_cutouts(folder / "odd", odd)
    return folder


@pytest.fixture(scope="module")
def auto(folder):
    return runs.train(
        folder / "train",
        folder / "run",
        CONFIG,
        model="auto",
        network="dcae",
        seed=3,
    )


def test_the_choice_is_the_largest_area_of_the_table(auto):
    table = read_table(auto.folder / "choice.ecsv")
    rows = table[np.isin(table["kind"], SOUGHT) & (table["detector"] != "brightness")]
    rows = rows["detector", "score", "auc"].group_by(["detector", "score"])
    rows = rows.groups.aggregate(np.mean)
    best = rows[np.argmax(rows["auc"])]
    chosen = (table.meta["chosen"], table.meta["score"])
    assert chosen == (best["detector"], best["score"])
    assert auto.settings["model"]["name"] == chosen[0]
    assert auto.detector.score_name == chosen[1]
    # A method over features has no choice of scores.
    assert auto.settings["detector"].get("score", chosen[1]) == chosen[1]
    assert "frame" not in set(table["score"])
    assert set(table["detector"]) == {*QUICK, "dcae", "brightness"}
    assert runs.verify(auto.folder).good


def test_what_chose_does_not_calibrate(auto):
    kept = read_objects(auto.folder)["held_out"]["object_id"]
    all_held = read_objects(auto.folder / "candidates" / "pca")["held_out"]["object_id"]
    # 30 per cent of 200, half of which chose.
    assert (len(kept), len(all_held)) == (30, 60)
    assert set(kept) < set(all_held)
    calibrated = runs.calibrate(auto.folder, levels=[90])
    assert len(calibrated.detector.calibration) == 30
    other = read_objects(auto.folder / "candidates" / "dcae")["held_out"]["object_id"]
    assert other == all_held


def test_a_choice_that_was_broken_off_ends_as_an_unbroken_one(auto, folder, capsys):
    (auto.folder / "detector" / "detector.json").rename(folder / "aside.json")
    table = (auto.folder / "choice.ecsv").read_text()
    words = [folder / "train", auto.folder]
    with pytest.raises(ValueError, match="--resume"):
        runs.train(*words, CONFIG, model="auto", network="dcae", seed=3)
    again = runs.train(
        *words, CONFIG, model="auto", network="dcae", seed=3, resume=True
    )
    assert (auto.folder / "choice.ecsv").read_text() == table
    assert again.detector.score_name == auto.detector.score_name


def test_runs_are_compared_on_planted_and_on_labelled_objects(auto, folder, capsys):
    paths = [str(auto.folder / "candidates" / n) for n in ("pca", "dcae")]
    out = folder / "compared.ecsv"
    words = ["compare", *paths, str(folder / "held_out"), "--out", str(out)]
    assert cli.main(words) == 0
    table = read_table(out)
    shown = capsys.readouterr().out
    assert "pca whitened" in shown
    # Means over the kinds, which fit on a terminal of 80 columns.
    assert "artefacts" in shown
    # Every object is compared with copies of all.
    assert table["n_normal"].tolist() == [80] * len(table)
    # The same images, by the detector itself.
    detector = runs.load_run(paths[0]).detector
    normal, planted, truth = planted_sets(
        blobs(80, 2)[np.argsort(blobs(80, 2).object_ids)], 0, "these"
    )
    scored = [detector.score_blocks(part) for part in (normal, planted)]
    scored = [
        np.concatenate([np.asarray(rows["mse_score"]) for rows, _ in part])
        for part in scored
    ]
    own = scored[1][truth["kind"] == "bump"]
    expected = (own[:, None] > scored[0]).mean()
    row = table[
        (table["detector"] == "pca")
        & (table["score"] == "mse")
        & (table["kind"] == "bump")
    ]
    assert row["auc"][0] == pytest.approx(expected, abs=1e-9)
    labels = folder / "odd" / "catalog.ecsv"
    table = runs.compare(paths[:1], folder / "odd", labels)
    assert set(table["kind"]) == {"labelled", "all"}
    assert (table["n_normal"][0], table["n_anomalous"][0]) == (30, 20)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "auto", "labels": "truth.ecsv"}, "`labels`"),
        ({"model": "auto", "start": "run"}, "`start`"),
        ({"model": "auto", "features": "profiles"}, "`features`"),
        ({"model": "auto", "network": "lens_finder"}, "`network`.*lens_finder"),
        ({"model": "auto", "network": "dcea"}, "`network`.*dcea"),
        ({"model": "pca", "network": "dcae"}, "`network`.*pca"),
        ({"model": "auto", "hold_out": 0.05}, "`hold_out`.*5"),
    ],
)
def test_what_auto_cannot_take_is_refused(folder, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        runs.train(
            folder / "train", tmp_path / "run", {"data": {"size": 32}}, **options
        )
