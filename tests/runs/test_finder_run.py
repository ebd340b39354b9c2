"""A lens finder's run folder: train, go on, calibrate, score, by verb and by call."""

import json
import shutil
import tomllib
import warnings

import keras
import numpy as np
import pytest
from rings import rings

from astroanomaly import cli, runs, simulate
from astroanomaly.data.write import write_cutouts
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.models import LensFinder
from astroanomaly.runs import survey
from astroanomaly.runs.callbacks import load_checkpoint
from astroanomaly.runs.objects import TrainingObjects
from astroanomaly.runs.training import FinderTraining, parts

CONFIG = """
[model]
name = "lens_finder"
threshold = 0.4
[training]
batch_size = 8
learning_rate = 1e-3
validation_fraction = 0.25
"""
EPOCHS = 4


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Cutouts with labels, and a run trained by the command line."""
    work = tmp_path_factory.mktemp("finder")
    write_cutouts(work / "train", rings(40, 1, "train"))
    write_cutouts(work / "held_out", rings(41, 2, "held_out"))
    (work / "run.toml").write_text(CONFIG)
    words = ["train", f"{work}/train", "--out", f"{work}/run", "--size", "58"]
    words += ["--labels", f"{work}/train/catalog.ecsv", "--config", f"{work}/run.toml"]
    assert cli.main([*words, "--epochs", str(EPOCHS), "--seed", "3"]) == 0
    return work


@pytest.fixture(scope="module")
def whole(work):
    return runs.load_run(work / "run")


def _train(work, out, **options):
    labels = options.pop("labels", work / "train" / "catalog.ecsv")
    settings = {"size": 58, "epochs": EPOCHS, "seed": 3, "labels": labels}
    return runs.train(work / "train", out, work / "run.toml", **settings | options)


def _fails(capsys, *words):
    assert cli.main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.strip().splitlines()[-1].removeprefix("astroanomaly: ")


def _weights(path):
    model = load_checkpoint(path)[0]
    return [np.asarray(v) for v in (*model.variables, *model.optimizer.variables)]


def test_the_run_folder(whole, work):
    out = work / "run"
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names == {
        "config.toml",
        "checksums.json",
        "detector/checksums.json",
        "training_objects.json",
        "model.keras",
        "history.csv",
        "detector/model.keras",
        "detector/stretch.json",
        "detector/detector.json",
        "detector/frame.npz",
        "figures/training_curves.png",
        "checkpoint/lens_finder.keras",
        "checkpoint/lens_finder_best.keras",
    }
    config = tomllib.loads((out / "config.toml").read_text())
    assert config["model"] == {
        "name": "lens_finder",
        "network": "ou66",
        "dropout": 0.2,
        "threshold": 0.4,
        "channels": ["image"],
    }
    assert "encoder" not in config
    record = json.loads((out / "training_objects.json").read_text())
    expected = {f"train_{i:03d}": i % 2 for i in range(40)}
    found = dict(zip(record["object_id"], record["labels"], strict=True))
    assert found == expected


def test_the_kept_epoch_is_the_best_one(whole, work):
    history = np.genfromtxt(work / "run" / "history.csv", delimiter=",", names=True)
    names = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert set(history.dtype.names) == names
    assert len(history) == EPOCHS
    folder = work / "run" / "checkpoint"
    best, epoch, _ = load_checkpoint(folder / "lens_finder_best.keras")
    assert epoch == 1 + np.argmin(history["val_loss"])
    last, epoch, _ = load_checkpoint(folder / "lens_finder.keras")
    assert (epoch, int(last.step)) == (EPOCHS, 3 * EPOCHS)  # 30 images, batches of 8
    kept = keras.saving.load_model(work / "run" / "model.keras")
    assert isinstance(kept, LensFinder)
    models = (kept, whole.detector.model)
    for one, other, third in zip(
        best.get_weights(), *[model.get_weights() for model in models], strict=True
    ):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


def test_the_run_gives_a_finder(whole):
    assert whole.classifies
    assert type(whole.use()) is ClassifierDetector
    detector = whole.detector
    assert (detector.threshold, detector.bands) == (0.4, ("VIS",))
    assert (detector.image_shape, detector.level) == ((58, 58, 1), 95)


class Stop(keras.callbacks.Callback):
    """Stops in the third of four epochs, as Ctrl-C does."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def broken(work):
    out = work / "broken"
    with pytest.MonkeyPatch.context() as patch:
        plain = FinderTraining.watchers
        patch.setattr(FinderTraining, "watchers", lambda *a: [*plain(*a), Stop()])
        with pytest.raises(KeyboardInterrupt):
            _train(work, out)
    return out


def test_a_resume_with_other_labels_is_refused(work, broken):
    labels = survey.read_table(work / "train" / "catalog.ecsv")
    labels["is_lens"][4] = True
    with pytest.raises(
        ValueError,
        match="broken must be resumed with the labels it was begun with. Received: "
        "labels, which differs for 1 of 40 objects, for example 'train_004', which "
        "was 0 and is now 1.",
    ):
        _train(work, broken, labels=labels, resume=True)
    with pytest.raises(ValueError, match="dropout was 0.2, now 0.5"):
        runs.train("x", broken, {"model": {"dropout": 0.5}}, resume=True)


def test_stop_and_go_on_equals_never_stopping(work, whole, broken):
    assert not (broken / "model.keras").exists()
    with pytest.raises(ValueError, match="whose training has not ended"):
        runs.load_run(broken)
    # The run knows its labels.
    resumed = runs.train(work / "train", broken, resume=True)
    for name in ("lens_finder", "lens_finder_best"):
        file = f"checkpoint/{name}.keras"
        for one, other in zip(
            _weights(broken / file), _weights(whole.folder / file), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    for name in (
        "history.csv",
        "config.toml",
        "detector/detector.json",
        "detector/stretch.json",
    ):
        assert (broken / name).read_bytes() == (whole.folder / name).read_bytes()
    held_out = whole.read(work / "held_out").read()
    np.testing.assert_array_equal(
        resumed.detector.probability(held_out), whole.detector.probability(held_out)
    )
    assert resumed.settings == whole.settings


def _score(work, run, out, *words):
    found = ["score", run.folder, work / "held_out", "--out", work / out, *words]
    assert cli.main([str(word) for word in found]) == 0
    return survey.read_table(work / out)


def test_scoring_needs_no_calibration(work, whole, capsys):
    table = _score(work, whole, "plain.fits", "--block", "16")
    shown = capsys.readouterr().out
    assert "The 10 likeliest lenses" in shown
    n = int(table["is_lens"].sum())
    assert f"called lenses, p_lens of 0.4 or above: {n} of 41" in shown
    assert f"{table['p_lens'][0]:.4f}" in shown
    expected = whole.detector.score(whole.read(work / "held_out"))
    assert table.colnames == expected.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], expected[name])
    assert np.isnan(table["p_value"]).all()


def test_an_interrupted_scoring_goes_on_to_the_bit(work, whole, tmp_path, monkeypatch):
    def stop(self, *block, plain=survey.Parts.add):
        plain(self, *block)
        raise KeyboardInterrupt

    out, stream = tmp_path / "t.ecsv", whole.read(work / "held_out")
    detector = runs.load_run(work / "run").detector
    with monkeypatch.context() as patch:
        patch.setattr(survey.Parts, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            survey.score_survey(detector, stream, out, block=8)
    changes = (
        lambda d: setattr(d, "threshold", 0.6),
        lambda d: d.calibrate(rings(20, 5), levels=(50,)),
        lambda d: d.calibrate_probability(rings(20, 5), np.arange(20) % 2),
        lambda d: d.model.network.get_layer("logits").bias.assign([0.0, 1e-6]),
    )
    for change in changes:
        other = runs.load_run(work / "run").detector
        change(other)
        with pytest.raises(ValueError, match="Received: another detector; repeat"):
            survey.score_survey(other, stream, out, block=8, resume=True)
    table = survey.score_survey(detector, stream, out, block=8, resume=True)
    expected = detector.score(stream)
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name])


@pytest.fixture(scope="module")
def calibrated(work):
    """Calibrate a copy of the run with labels, by the command line."""
    out = shutil.copytree(work / "run", work / "calibrated")
    words = ["calibrate", f"{out}", f"{work}/held_out", "--levels", "80", "90"]
    assert cli.main([*words, "--labels", f"{work}/held_out/catalog.ecsv"]) == 0
    return runs.load_run(out)


def test_labels_calibrate_levels_and_probabilities(calibrated, work):
    detector = calibrated.detector
    held_out = calibrated.read(work / "held_out").read()
    logits = np.log(1 / (1 / detector.probability(held_out) - 1))
    is_lens = np.arange(41) % 2 == 1
    # Only what is no lens sets the thresholds: of 21 the 18th and the 20th, above which
    # a new one lies with a chance of (3 + 1) / 22 and (1 + 1) / 22 at most.
    expected = np.sort(logits[~is_lens])[[17, 19]]
    thresholds = detector.calibration.thresholds
    np.testing.assert_allclose([thresholds[80], thresholds[90]], expected, atol=1e-6)
    learned = detector.probability_calibration
    assert (learned.method, learned.n_, learned.n_lenses_) == ("sigmoid", 41, 20)
    assert detector.threshold == 0.4


def test_the_verbs_after_a_calibration(calibrated, work, capsys):
    table = _score(work, calibrated, "scores.ecsv")
    assert "above the 90 per cent level: " in capsys.readouterr().out
    p_lens = np.asarray(table["p_lens_calibrated"])
    assert ((p_lens > 0) & (p_lens < 1)).all()
    assert table.meta["probability_calibration"]["n_lenses"] == 20
    words = ["evaluate", work / "scores.ecsv", work / "held_out" / "catalog.ecsv"]
    assert cli.main([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    empty = "residual_score, feature_score, peak_score, latent_norm"
    assert f"Columns without a value were left out: {empty}." in shown
    assert "anomaly_score has an AUC of" in shown
    page = work / "report.html"
    words = ["report", calibrated.folder, work / "scores.ecsv", work / "held_out"]
    assert cli.main([str(word) for word in [*words, "--out", page, "--n", "3"]]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<title>Likely lenses</title>" in text
    assert "The likeliest lenses" in text
    assert text.count("band VIS of held_out_") == 3
    assert "Training curves by epoch" in text


def test_ordinary_objects_alone_calibrate_levels(calibrated, work, tmp_path):
    write_cutouts(tmp_path / "plain", rings(40, 7, "plain")[::2])
    out = shutil.copytree(calibrated.folder, tmp_path / "run")
    found = runs.calibrate(out, tmp_path / "plain", levels=(90,)).detector
    assert (found.levels, len(found.calibration)) == ((90,), 20)
    # What the probabilities mean was learned before, and stays.
    assert found.probability_calibration.n_ == 41


def test_calibrating_on_training_objects_warns(whole, work, tmp_path):
    out = shutil.copytree(whole.folder, tmp_path / "run")
    labels = work / "train" / "catalog.ecsv"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        runs.calibrate(out, work / "train", levels=(50,), labels=labels)
    (message,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "trained on 40 of the 40 calibration objects of" in message


def test_a_finder_has_no_latent_method(whole, work, capsys):
    sentence = (
        "The model lens_finder is a classifier and needs no latent search: leave "
        "`method` (--method) out. Received: refine"
    )
    cutouts, method = work / "held_out", ("--method", "refine")
    for words in (
        ("calibrate", work / "run", cutouts, *method),
        ("score", work / "run", cutouts, "--out", work / "no.csv", *method),
    ):
        assert _fails(capsys, *words) == sentence


def test_other_bands_are_refused_by_name(whole, work, tmp_path, capsys):
    write_cutouts(tmp_path / "nisp", rings(2, 4, bands=("NIR_J",)))
    words = ("score", work / "run", tmp_path / "nisp", "--out", tmp_path / "t.csv")
    line = _fails(capsys, *words)
    assert "was trained on other bands than" in line
    assert "VIS" in line
    assert "NIR_J" in line


def test_labels_that_cannot_be_learned_from(work, tmp_path, capsys):
    def line(labels, *words):
        words = ("--model", "lens_finder", "--size", "58", *words)
        found = ("train", work / "train", "--out", tmp_path / "run", *words)
        return _fails(capsys, *found, *(["--labels", labels] if labels else []))

    truth = survey.read_table(work / "train" / "catalog.ecsv")
    labels = tmp_path / "labels.csv"
    assert line(None).startswith("The model lens_finder learns from labels: give ")
    both = line(work / "train" / "catalog.ecsv", "--paint", "0.1")
    assert both.startswith("`paint` (--paint) makes lenses of objects that are none")
    assert line(None, "--paint", "0").endswith("Received: 0.0.")
    pca = line(None, "--paint", "0.1", "--model", "pca")
    assert "paint" in pca
    assert "pca" in pca
    survey.write_table(truth["object_id", "is_lens"][:37], labels)
    assert line(labels) == (
        f"{labels} must hold a label for each of the 40 cutouts in {work}/train. "
        "Received: none for 3 of them, for example 'train_037'."
    )
    assert line(work / "held_out" / "catalog.ecsv") == (
        f"{work}/held_out/catalog.ecsv must hold labels of the cutouts in "
        f"{work}/train. Received: ids such as 'held_out_000' there, such as "
        "'train_000' among the cutouts."
    )
    assert line(tmp_path / "no.csv") == f"There is no table '{tmp_path}/no.csv'."
    truth["is_lens"] = np.arange(40) == 7
    survey.write_table(truth["object_id", "is_lens"], labels)
    assert line(labels) == (
        "`validation_fraction` 0.1 must leave lenses and non-lenses both for training "
        "and for validation. Received: 1 lenses, 39 non-lenses."
    )
    small = ("--size", "32")
    assert line(work / "train" / "catalog.ecsv", *small) == (
        "`image_shape` must be (ny, nx, n_bands) with at least one band and, for "
        "'ou66', at least 58 pixels a side. Received: (32, 32, 1)"
    )
    assert not (tmp_path / "run").exists()


def test_other_models_take_no_labels(work, tmp_path, capsys):
    labels = work / "train" / "catalog.ecsv"
    sentence = (
        "The model dcae learns from ordinary objects and takes no labels: leave "
        f"`labels` (--labels) out. Received: {labels}"
    )
    words = ("train", work / "train", "--out", tmp_path / "run", "--model", "dcae")
    assert _fails(capsys, *words, "--labels", labels) == sentence
    assert not list(tmp_path.iterdir())


def test_lenses_are_painted_where_there_are_no_labels(tmp_path):
    pytest.importorskip("lenstronomy")
    galaxies = simulate.galaxies(12, seed=4)
    # An empty frame makes no lens, and is one of the others all the same.
    galaxies.images[5] = np.random.default_rng(1).normal(0, 0.01, (64, 64, 1))
    write_cutouts(tmp_path / "survey", galaxies)
    options = {"size": 64, "model": "lens_finder", "epochs": 1, "seed": 2}
    settings = {"validation_fraction": 0.3, "paints": 3}
    options |= {"paint": 0.15, "config": {"training": settings}}
    found = []
    for name in ("one", "two"):
        # An empty frame cannot carry arcs, which is said.
        with pytest.warns(UserWarning, match="1 of 12 objects carry no painted lens"):
            found.append(runs.train(tmp_path / "survey", tmp_path / name, **options))
    first, second = found
    weights = (run.detector.model.get_weights() for run in (first, second))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.settings["training"]["paint"] == 0.15
    assert first.settings["training"]["batch_size"] == 64
    assert first.settings["model"]["channels"] == ["image", "faint", "subtracted"]
    assert first.settings["stretch"]["name"] == "asinh"
    record = json.loads((tmp_path / "one" / "training_objects.json").read_text())
    assert (record["n"], "labels" in record) == (12, False)
    with pytest.warns(UserWarning, match="carry no painted lens"):
        objects = TrainingObjects(
            tmp_path / "one", first.settings, tmp_path / "survey", None
        )
    assert objects.labels.tolist() == [0] * 12 + [1] * 33
    assert objects.groups[:13].tolist() == [
        *galaxies.object_ids,
        galaxies.object_ids[0],
    ]
    train, validation = parts(objects.labels, 0.3, 2, objects.groups)
    assert not {*objects.groups[train]} & {*objects.groups[validation]}
    assert len(train) + len(validation) == 45
