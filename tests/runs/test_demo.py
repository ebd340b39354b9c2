import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astroanomaly import runs
from astroanomaly.runs import demo as module
from astroanomaly.runs import survey
from astroanomaly.runs.demo import SCALES, Settings, quickstart

TINY = Settings(
    minutes=0.3,
    n_train=70,
    n_calibration=100,
    n_isolated=15,
    n_companions=15,
    size=32,
    model={"width": 4, "latent_dim": 8},
    training={"epochs": 1, "batch_size": 16, "sample_grid": 4},
    encoder={"epochs": 1},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quick") / "start"


@pytest.fixture(scope="module")
def result(folder):
    pytest.importorskip("galsim")
    return quickstart(folder, seed=3, scale=TINY, n_workers=1)


def test_the_survey_is_real_fits_with_its_truth(result, folder):
    sizes = {"train": 70, "calibration": 100, "test": 30}
    for name, n in sizes.items():
        files = sorted((folder / "cutouts" / name).glob("*.fits"))
        assert len(files) == n
        with fits.open(files[0]) as hdus:
            assert hdus[0].data.shape == (32, 32)
    truth = Table.read(folder / "cutouts" / "test" / "catalog.ecsv")
    ratios = truth["flux_ratio"][truth["is_anomaly"]]
    assert len(ratios) == 15
    assert np.all((ratios >= 0.1) & (ratios <= 1))


def test_the_three_sets_share_no_image(result, folder):
    hashes = []
    run = runs.load_run(folder / "run")
    for name in ("train", "calibration", "test"):
        hashes += runs.pixel_hashes(run.read(folder / "cutouts" / name).read())
    assert len(hashes) == len(set(hashes)) == 200


def test_every_score_stands_beside_the_baselines(result, folder):
    names = set(result.evaluation.auc["score"])
    scores = {"anomaly_score", "peak_score", "total_score", "residual_score"}
    baselines = {"brightness", "pca_20", "pca_60", "isolation_forest"}
    scores |= {"mse_score", "whitened_score", "orthogonal_score"}
    others = {"feature_score", "latent_norm", "frame_score"}
    assert scores | baselines | others == names
    assert np.all(result.evaluation.auc["low"] <= result.evaluation.auc["high"])
    bins = list(dict.fromkeys(result.evaluation.by["bin"]))
    assert bins == ["0.1 to 0.25", "0.25 to 0.5", "0.5 to 1"]
    assert set(result.evaluation.rates["level"]) == {90, 95, 99}
    written = Table.read(folder / "results" / "auc.ecsv")
    assert list(written["auc"]) == list(result.evaluation.auc["auc"])


def test_what_lies_in_the_folder(result, folder):
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert figures == {
        "gallery",
        "reconstructions",
        "score_histogram",
        "roc",
        "feature_map",
        "training_curves",
        "areas",
        "detection_by_flux_ratio",
    }
    assert "Training" in (folder / "report.html").read_text()
    table = survey.read_table(folder / "scores.ecsv")
    assert list(table["object_id"]) == list(result.table["object_id"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["seed"] == 3
    assert summary["winner"] == result.evaluation.winner
    assert set(summary["thresholds"]) == {"90", "95", "99"}
    assert len(summary["seconds"]) == 6
    assert summary["settings"]["n_train"] == 70


def test_the_detector_scores_as_the_table_says(result, folder):
    run = runs.load_run(folder / "run")
    assert run.detector.levels == (90, 95, 99)
    table = run.detector.score(run.read(folder / "cutouts" / "test"))
    np.testing.assert_array_equal(table["peak_score"], result.table["peak_score"])


def test_a_folder_in_use_is_refused(result, folder, tmp_path):
    with pytest.raises(ValueError, match=r"holds an earlier quickstart; resume.*--out"):
        quickstart(folder, scale=TINY)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="one that holds files already"):
        quickstart(tmp_path, scale=TINY)


def test_a_broken_quickstart_is_resumed_with_the_same_result(
    result, folder, tmp_path, monkeypatch
):
    broken = tmp_path / "broken"

    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module._Chain, "score", stop)
        with pytest.raises(KeyboardInterrupt):
            quickstart(broken, seed=3, scale=TINY, n_workers=1)
    # As if the writing of the test set had been broken off too.
    (broken / "cutouts" / "test" / "catalog.ecsv").unlink()
    with pytest.raises(ValueError, match="`resume` needs the seed"):
        quickstart(broken, seed=4, scale=TINY, resume=True)
    trained = (broken / "run" / "model.keras").stat().st_mtime_ns
    again = quickstart(broken, seed=3, scale=TINY, n_workers=1, resume=True)
    assert (broken / "run" / "model.keras").stat().st_mtime_ns == trained
    # The files lie elsewhere; all else is the same to the bit.
    for name in set(result.table.colnames) - {"file"}:
        assert list(again.table[name]) == list(result.table[name]), name
    assert (broken / "report.html").is_file()


def test_an_unknown_scale_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`scale` must be one of standard, smoke. Rec"):
        quickstart(tmp_path / "new", scale="huge")
    assert not (tmp_path / "new").exists()


def test_the_cost_is_announced_before_it_is_paid(tmp_path, capsys, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Chain, "simulate", stop)
    with pytest.raises(KeyboardInterrupt):
        quickstart(tmp_path / "new", progress=True)
    text = " ".join(capsys.readouterr().err.split())
    settings = SCALES["standard"]
    assert f"{settings.n} simulated galaxies, about 8 minutes on 2 CPU cores" in text
