"""Pre-trained models: half precision, cards, calibration, further training."""

import json
import shutil
import warnings
import zipfile

import h5py
import numpy as np
import pytest
from blobs import blobs
from scipy.stats import spearmanr

import astroanomaly as aa
from astroanomaly import Cutouts, cli, pretrained, runs, write_cutouts
from astroanomaly.data.stream import CutoutStream
from astroanomaly.detector import load_detector
from astroanomaly.pretrained import folders
from astroanomaly.pretrained.write import pack, write

CONFIG = {
    "data": {"size": 32},
    "stretch": {"per_image": True, "sigmas": [-5, 100]},
    "model": {"width": 4, "latent_dim": 8, "n_critic": 1, "ema": 0.9},
    "training": {"epochs": 2, "batch_size": 16, "sample_grid": 4},
    "encoder": {"epochs": 2},
}
ABOUT = {
    "about": "Blobs.",
    "data": "120 blobs.",
    "pixel_scale": 0.06,
    "psf_fwhm": 0.2,
    "command": "python -m make blobs",
    "minutes": 0.1,
    "figures": [
        {
            "set": "companions",
            "score": "peak",
            "auc": 0.9,
            "low": 0.8,
            "high": 0.95,
            "n_normal": 10,
            "n_anomalous": 5,
        }
    ],
    "failures": ["Everything else."],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give a run, and the folder of the models written from it."""
    folder = tmp_path_factory.mktemp("pretrained")
    write_cutouts(folder / "train", blobs(120, 1))
    write_cutouts(folder / "ordinary", blobs(120, 2))
    # Fainter, so that they score otherwise.
    other = blobs(120, 3)
    write_cutouts(folder / "survey", Cutouts(other.images, bands=("i",)))
    for name, model in (("run", "wgan_gp"), ("autoencoder", "dcae")):
        own = {k: v for k, v in CONFIG.items() if model == "wgan_gp" or k != "encoder"}
        if model == "dcae":
            own["model"] = {"latent_dim": 8}
            own["training"] = {"epochs": 30, "batch_size": 16, "sample_grid": 4}
        run = runs.train(folder / "train", folder / name, own, model=model, seed=1)
        name = {"run": "blobs-i", "autoencoder": "blobs-dcae"}[name]
        write(run, folder / "models" / name, blobs(60, 4), **ABOUT)
    return folder


@pytest.fixture
def shelf(made, tmp_path, monkeypatch):
    """Put a copy of the written models where the package looks."""
    shutil.copytree(made / "models", tmp_path / "models")
    monkeypatch.setattr(folders, "_HERE", tmp_path / "models")
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "run"), [("blobs-dcae", "autoencoder"), ("blobs-i", "run")]
)
def test_stored_models_score_and_rank_as_their_runs(made, shelf, name, run):
    objects = blobs(80, 5)
    rows, stored = (
        np.asarray(next(d.score_blocks(objects))[0]["anomaly_score"])
        for d in (load_detector(made / run / "detector"), aa.from_pretrained(name))
    )
    precision = pretrained.card(name).precision
    kept = precision["largest relative change of a score"]
    # Networks this small and raw feel half precision; the first that does well is kept.
    assert [*kept][-1] == precision["stored as"] != "float32"
    assert all(change > 1e-3 for change in [*kept.values()][:-1])
    np.testing.assert_allclose(stored, rows, rtol=1e-3)
    assert spearmanr(rows, stored).statistic >= 0.999


def test_half_precision_is_taken_where_scores_allow_it(made, tmp_path, monkeypatch):
    monkeypatch.setattr("astroanomaly.pretrained.write.MOST_DIFFERENCE", 0.5)
    monkeypatch.setattr("astroanomaly.pretrained.write.LEAST_SPEARMAN", 0.9)
    run = runs.load_run(made / "autoencoder")
    assert (
        write(run, tmp_path / "x", blobs(60, 4), **ABOUT).precision["stored as"]
        == "float16"
    )


@pytest.mark.parametrize(("precision", "bits"), [("float16", 11), ("float24", 16)])
def test_every_weight_is_the_nearest_and_optimizers_are_gone(
    made, tmp_path, precision, bits
):
    source = made / "autoencoder" / "model.keras"
    target, whole = tmp_path / "half.keras", tmp_path / "whole.keras"
    pack(source, target, precision)
    pack(source, whole, "float32")
    found = {}
    for path in (source, target):
        (tmp_path / path.stem).mkdir()
        zipfile.ZipFile(path).extract("model.weights.h5", tmp_path / path.stem)
        with h5py.File(tmp_path / path.stem / "model.weights.h5") as file:
            found[path] = {}
            file.visititems(
                lambda name, node, kept=found[path]: (
                    kept.update({name: node[()]}) if hasattr(node, "dtype") else None
                )
            )
    wanted = {k: v for k, v in found[source].items() if "optimizer" not in k}
    assert set(found[target]) == set(wanted) < set(found[source])
    for name, values in wanted.items():
        own = found[target][name]
        half = precision == "float16" and values.dtype == np.float32
        assert own.dtype == (np.float16 if half else values.dtype)
        # At most half of the last bit; below 6e-5 half precision has a fixed step.
        step = 2**-25 if half else 0
        np.testing.assert_allclose(own, values, rtol=2.0**-bits, atol=step)
    share = target.stat().st_size / whole.stat().st_size
    assert share < {"float16": 0.6, "float24": 0.85}[precision]


def test_a_weight_beyond_half_precision_is_refused(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[1.0], [7e4]]), np.zeros(1)])
    model.save(tmp_path / "large.keras")
    with pytest.raises(ValueError, match="65504.*70000"):
        pack(tmp_path / "large.keras", tmp_path / "half.keras")
    assert not (tmp_path / "half.keras").exists()


@pytest.mark.parametrize("name", ["detector/model.keras", "config.toml"])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_files_that_are_not_those_of_the_card_are_refused(shelf, name, how):
    file = shelf / "blobs-i" / name
    if how == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    for load in (aa.from_pretrained, pretrained.open_run, pretrained.card):
        with pytest.raises(ValueError, match=name.rpartition("/")[2]):
            load("blobs-i")


def test_a_file_that_the_card_does_not_name_is_refused(shelf):
    (shelf / "blobs-i" / "detector" / "more.keras").write_bytes(b"")
    with pytest.raises(ValueError, match=r"more\.keras.*not named"):
        aa.from_pretrained("blobs-i")


def test_a_card_without_a_field_is_refused(shelf):
    file = shelf / "blobs-i" / "card.json"
    state = json.loads(file.read_text())
    del state["failures"]
    file.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="`failures`"):
        pretrained.card("blobs-i")


def test_an_unknown_name_shows_the_nearest(shelf):
    with pytest.raises(ValueError, match="`name`.*'blob-i'.*Did you mean blobs-i"):
        aa.from_pretrained("blob-i")
    with pytest.raises(ValueError, match=r"'\.\./blobs-i'"):
        aa.from_pretrained("../blobs-i")


def test_it_ranks_at_once_and_says_that_it_is_not_calibrated(shelf):
    detector = aa.from_pretrained("blobs-dcae")
    objects = blobs(40, 6)
    with pytest.warns(UserWarning, match="blobs-dcae.*calibrate"):
        table = detector.score(objects)
    assert np.isnan(table["p_value"]).all()
    assert not [name for name in table.colnames if name.startswith("is_anomaly")]
    assert (np.diff(table["anomaly_score"]) <= 0).all()
    assert table.meta["pretrained"] == "blobs-dcae"
    with pytest.raises(ValueError, match="calibrate"):
        detector.score(objects, fdr=0.1)
    # The card's own kind of objects: no word of a shift.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.calibrate(blobs(120, 7), levels=(90,))
        p_values = detector.score(objects)["p_value"]
    assert ((p_values > 0) & (p_values <= 1)).all()


@pytest.mark.parametrize(
    ("name", "bands", "size"),
    [
        ("euclid-lenses-vis", ("VIS",), 44),
        ("euclid-lenses-4band", ("VIS", "Y", "J", "H"), 56),
    ],
)
def test_a_finder_that_ships_says_p_lens(name, bands, size):
    detector = aa.from_pretrained(name)
    assert (detector.bands, detector.image_shape[:2]) == (bands, (size, size))
    sky = np.random.default_rng(4).normal(size=(2, size, size, len(bands)))
    with pytest.warns(UserWarning, match=name):
        table = detector.score(Cutouts(sky, bands=bands, pixel_scale=0.1))
    logits = np.asarray(table["anomaly_score"])
    np.testing.assert_allclose(table["p_lens"], 1 / (1 + np.exp(-logits)))
    # Nothing but sky is no lens.
    assert not np.any(table["is_lens"])
    assert np.isfinite(table["disagreement"]).all()
    turned = sky[:, ::-1].copy()
    again = detector.score_block(Cutouts(turned, bands=bands, pixel_scale=0.1))
    np.testing.assert_allclose(
        np.sort(again["anomaly_score"]), np.sort(logits), rtol=1e-3, atol=1e-3
    )


def test_what_ships_is_small():
    folder = folders._HERE
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) < 20e6


def test_other_bands_are_refused_and_other_pixels_and_psf_warn(shelf):
    alien = blobs(40, 6, bands=("g",))
    with pytest.raises(ValueError, match="i.*g"):
        aa.from_pretrained("blobs-dcae").score(alien)
    detector = aa.from_pretrained("blobs-dcae", psf_fwhm=0.4)
    same = blobs(40, 6)
    coarse = Cutouts(same.images, same.table, ("i",), 0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector.score(coarse)
    texts = [str(one.message) for one in caught]
    assert [t for t in texts if "0.06 arcsec" in t and "0.1 arcsec" in t]
    assert [t for t in texts if "0.2 arcsec" in t and "0.4 arcsec" in t]
    near = Cutouts(same.images, same.table, ("i",), 0.063)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aa.from_pretrained("blobs-dcae", psf_fwhm=0.19).calibrate(near, levels=(90,))


def test_objects_that_score_otherwise_are_told_when_they_calibrate(shelf):
    bright = blobs(120, 8, companion=True)
    with pytest.warns(UserWarning, match="Kolmogorov-Smirnov.*120"):
        aa.from_pretrained("blobs-dcae").calibrate(bright, levels=(90,))


def test_a_run_by_name_reads_its_objects_once(made, shelf, monkeypatch):
    read, calls = CutoutStream.read, []

    def counted(stream, *args):
        calls.append(len(stream))
        return read(stream, *args)

    monkeypatch.setattr(CutoutStream, "read", counted)
    found = pretrained.calibrate("blobs-dcae", made / "ordinary", shelf.parent / "run")
    assert calls == [120]
    detector = aa.from_pretrained("blobs-dcae").calibrate(blobs(120, 2))
    np.testing.assert_array_equal(
        found.detector.calibration.scores, detector.calibration.scores
    )
    assert found.detector.frame is not None


def test_the_command_line_lists_scores_calibrates_and_reports(made, shelf, capsys):
    out = shelf.parent
    assert cli.main(["models"]) == 0
    assert "blobs-i" in capsys.readouterr().out
    assert cli.main(["models", "blobs-i"]) == 0
    shown = capsys.readouterr().out
    assert "0.900 (0.800 to 0.950)" in shown
    assert "Everything else." in shown
    survey, table = str(made / "survey"), str(out / "scores.ecsv")
    words = ["score", "--pretrained", "blobs-i", survey, "--out", table]
    assert cli.main(words) == 0
    assert "calibrate --pretrained blobs-i" in capsys.readouterr().err
    run = str(out / "run")
    words = ["calibrate", "--pretrained", "blobs-i", str(made / "ordinary")]
    assert cli.main([*words, "--out", run]) == 0
    assert runs.verify(run).good
    capsys.readouterr()
    words = ["score", run, survey, "--out", str(out / "again.ecsv")]
    assert cli.main(words) == 0
    first, again = (aa.tables.read_table(p) for p in (table, out / "again.ecsv"))
    first.sort("object_id")
    again.sort("object_id")
    np.testing.assert_array_equal(first["anomaly_score"], again["anomaly_score"])
    assert np.isfinite(again["p_value"]).all()
    words = ["report", run, str(out / "again.ecsv"), survey]
    assert cli.main([*words, "--out", str(out / "report.html"), "--n", "3"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "--pretrained", "blob", "x", "--out", "t.ecsv"], "blobs-i"),
        (["score", "--pretrained", "blobs-i", "x", "y", "--out", "t.ecsv"], "RUN"),
        (["score", "x", "--out", "t.ecsv"], "CUTOUTS"),
        (["calibrate", "--pretrained", "blobs-i", "x"], "--out"),
        (["calibrate", "x", "--out", "y"], "--pretrained"),
        (["train", "x", "--out", "y", "--from", "blobs"], "blobs-i"),
    ],
)
def test_wrong_commands_say_so_in_a_sentence(shelf, words, said, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_further_training_begins_with_the_weights_and_resumes(made, shelf, tmp_path):
    words = ["train", str(made / "train"), "--out", str(tmp_path / "run")]
    words += ["--from", "blobs-i", "--epochs", "1", "--hold-out", "0.2"]
    assert cli.main(words) == 0
    run = runs.load_run(tmp_path / "run")
    assert run.settings["training"]["start"] == "blobs-i"
    assert run.settings["model"]["width"] == 4
    start = pretrained.open_run("blobs-i").detector
    for name in ("model", "encoder"):
        old, new = (getattr(d, name).get_weights() for d in (start, run.detector))
        moved = [
            np.abs(a - b).max() for a, b in zip(old, new, strict=True) if a.ndim > 1
        ]
        # Steps of 1e-4 and 1e-3 for one epoch of seven batches, not new weights.
        assert 0 < max(moved) < 0.02
    assert cli.main([*words, "--resume"]) == 0
    alien = tmp_path / "g"
    write_cutouts(alien, blobs(120, 1, bands=("g",)))
    with pytest.raises(ValueError, match="bands"):
        pretrained.fine_tune("blobs-i", alien, tmp_path / "other")
    # Told before the training, which then stops at a setting.
    same, coarse = blobs(120, 1), tmp_path / "coarse"
    write_cutouts(coarse, Cutouts(same.images, same.table, ("i",), 0.1))
    with (
        pytest.warns(UserWarning, match="0.06 arcsec.*0.1 arcsec"),
        pytest.raises(ValueError, match="epochs"),
    ):
        pretrained.fine_tune("blobs-i", coarse, tmp_path / "other", epochs=0)


def test_an_encoder_that_was_learned_serves_other_objects(made, tmp_path, monkeypatch):
    config = {
        "data": {"size": 32},
        "stretch": CONFIG["stretch"],
        "model": {"features": "contrastive"},
        "training": {"epochs": 1, "batch_size": 32},
    }
    run = runs.train(made / "train", tmp_path / "run", config, model="knn")
    monkeypatch.setattr(folders, "_HERE", tmp_path / "models")
    card = write(run, tmp_path / "models" / "near", blobs(60, 4), **ABOUT)
    assert (
        card.precision["Spearman correlation with the scores of the training"] > 0.999
    )
    own, kept = run.detector, aa.from_pretrained("near")
    assert kept.scorer.rows.nbytes <= own.scorer.rows.nbytes / 2
    objects = blobs(20, 5)
    np.testing.assert_allclose(
        kept.score_block(objects)["anomaly_score"],
        own.score_block(objects)["anomaly_score"],
        rtol=1e-3,
    )
    words = ["train", str(made / "ordinary"), "--out", str(tmp_path / "other")]
    words += ["--size", "32", "--model", "mahalanobis"]
    assert cli.main([*words, "--features", "contrastive:near"]) == 0
    other = runs.load_run(tmp_path / "other").detector
    np.testing.assert_array_equal(other.features(objects), kept.features(objects))
    with pytest.raises(ValueError, match=r"`start`.*near.*features"):
        pretrained.fine_tune("near", made / "train", tmp_path / "third")
