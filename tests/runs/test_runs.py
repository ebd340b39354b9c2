import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from astroanomaly import runs
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import load_detector
from astroanomaly.models import WGANGP
from astroanomaly.runs import config, training
from astroanomaly.runs.defaults import commented
from astroanomaly.runs.objects import held_out_rows

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "data": {"size": 32},
    "model": {"width": 4, "latent_dim": 8, "ema": 0.9},
    "training": {"epochs": 2, "batch_size": 8, "sample_grid": 4, "augment": True},
    "encoder": {"epochs": 2},
}
# One that draws samples and changes a weight by epoch, one that reconstructs; every
# model's own file goes on to the bit in tests/models/test_guarantees.py.
TINY = {"dcae": {"latent_dim": 4}, "cvae": {"latent_dim": 4}}
OPTIMIZERS = ("optimizer", "critic_optimizer", "adversarial_optimizer")
KILLED = """
import os, signal, sys
import keras
from astroanomaly import runs
from astroanomaly.runs import training

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.params["epochs"] == 2 and (self.epoch, batch) == (1, 1):
            os.kill(os.getpid(), signal.SIGKILL)
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

def watchers(self, name, plain=training.Training.watchers):
    return [*plain(self, name), Kill()]

training.Training.watchers = watchers
runs.train(sys.argv[1], sys.argv[2], sys.argv[3], seed=5)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(1)
    for name, n in (("train", 24), ("held_out", 30)):
        np.save(folder / f"{name}.npy", rng.exponential(size=(n, 32, 32)).astype("f4"))
    text = []
    for table, keys in CONFIG.items():
        text.append(f"[{table}]")
        text += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    (folder / "run.toml").write_text("\n".join(text))
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return runs.train(folder / "train.npy", folder / "run", CONFIG, seed=5)


def _weights(path):
    model = keras.saving.load_model(path)
    optimizers = [getattr(model, name, None) for name in OPTIMIZERS]
    states = [v for o in optimizers if o is not None for v in o.variables]
    return [np.asarray(v) for v in (*model.variables, *states)]


def _same(one, other):
    ours, theirs = _weights(one), _weights(other)
    assert len(ours) == len(theirs) > 8
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_folder_holds_what_the_contract_says(run, folder):
    out = folder / "run"
    config = tomllib.loads((out / "config.toml").read_text())
    assert config["training"] == {
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "beta_1": 0.0,
        "beta_2": 0.9,
        "augment": True,
        "seed": 5,
        "sample_grid": 4,
    }
    assert config["run"]["format"] == 1
    assert config["versions"]["keras"] == keras.__version__
    gan = keras.saving.load_model(out / "model.keras")
    assert isinstance(gan, WGANGP)
    assert int(gan.step) == 2 * 3
    assert int(gan.critic_optimizer.iterations) == 6
    header, *rows = (out / "history.csv").read_text().split()
    assert header.startswith("epoch,critic_loss,generator_loss,gradient_penalty")
    assert "encoder_loss" in header
    assert len(rows) == 2
    assert {p.name for p in (out / "figures").iterdir()} == {
        "samples_0001.png",
        "samples_0002.png",
        "training_curves.png",
    }
    assert (out / "checkpoint" / "gan.keras").is_file()
    assert not [p for p in out.rglob("*") if p.suffix in (".pkl", ".pickle")]


def test_a_loaded_run_knows_how_to_read_and_score(run, folder):
    loaded = runs.load_run(folder / "run")
    assert loaded.bands == ("image",)
    assert loaded.detector.noise is not None
    assert loaded.detector.seed == 5
    stream = loaded.read(folder / "held_out.npy")
    assert (len(stream), stream.image_shape) == (30, (32, 32, 1))


@pytest.mark.slow
def test_killed_and_resumed_equals_never_stopped(run, folder):
    """SIGKILL in the GAN's second epoch, then a break in the encoder's."""
    out = folder / "killed"
    command = [sys.executable, "-c", KILLED]
    command += [str(folder / "train.npy"), str(out), str(folder / "run.toml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (out / "model.keras").exists()
    with zipfile.ZipFile(out / "checkpoint" / "gan.keras") as checkpoint:
        assert json.loads(checkpoint.read("training.json"))["epoch"] == 1
    with pytest.raises(ValueError, match="whose training has not ended; go on with"):
        runs.load_run(out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("astroanomaly.latent.Encoder.train_step", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            runs.train(folder / "train.npy", out, resume=True)
    assert (out / "model.keras").is_file()
    resumed = runs.train(folder / "train.npy", out, resume=True)

    whole = folder / "run"
    _same(out / "model.keras", whole / "model.keras")
    _same(out / "detector" / "encoder.keras", whole / "detector" / "encoder.keras")
    for name in ("history.csv", "detector/detector.json", "detector/stretch.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert resumed.settings == run.settings


def _interrupt(self, images):
    raise KeyboardInterrupt


class Stop(keras.callbacks.Callback):
    """Stops in the second of three epochs, as Ctrl-C does."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            raise KeyboardInterrupt


def _tiny(model):
    return {
        "data": {"size": 32},
        "model": {"name": model, **TINY[model]},
        "training": {"epochs": 3, "batch_size": 8, "sample_grid": 4, "augment": True},
    }


@pytest.mark.slow
@pytest.mark.parametrize("model", TINY)
def test_a_run_of_an_autoencoder_goes_on_to_the_bit(folder, tmp_path, model):
    whole = runs.train(folder / "train.npy", tmp_path / "whole", _tiny(model), seed=5)
    out = tmp_path / "broken"
    with pytest.MonkeyPatch.context() as patch:
        plain = training.Training.watchers
        patch.setattr(training.Training, "watchers", lambda *a: [*plain(*a), Stop()])
        with pytest.raises(KeyboardInterrupt):
            runs.train(folder / "train.npy", out, _tiny(model), seed=5)
    assert not (out / "model.keras").exists()
    resumed = runs.train(folder / "train.npy", out, resume=True)
    assert resumed.settings == whole.settings
    _same(out / "model.keras", whole.folder / "model.keras")
    for name in ("history.csv", "detector/detector.json", "config.toml"):
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes()
    grid = "reconstructions" if model == "dcae" else "samples"
    names = {f"{grid}_{epoch:04d}.png" for epoch in (1, 2, 3)}
    for run in (out, whole.folder):
        figures = {path.name for path in (run / "figures").iterdir()}
        assert figures == names | {"training_curves.png"}
        assert [p.name for p in (run / "checkpoint").iterdir()] == [f"{model}.keras"]
        assert not (run / "detector" / "encoder.keras").exists()
    assert "encoder" not in resumed.settings
    found = runs.calibrate(out, folder / "held_out.npy", levels=(80,)).detector
    assert (found.method, found.levels) == ("model", (80,))


def test_a_finished_run_is_resumed_at_no_cost(run, folder, monkeypatch):
    monkeypatch.setattr("astroanomaly.runs.training.Training.run", None)
    again = runs.train("nowhere", folder / "run", resume=True)
    assert again.settings == run.settings


def test_a_folder_in_use_is_refused(run, folder):
    with pytest.raises(ValueError, match=r"run must be a new folder.*\(--resume\)"):
        runs.train(folder / "train.npy", folder / "run")


def test_a_resume_with_other_settings_names_them(run, folder):
    with pytest.raises(
        ValueError, match=r"own settings. Received: \[training\] epochs"
    ):
        runs.train(folder / "train.npy", folder / "run", resume=True, epochs=7)
    with pytest.raises(ValueError, match=r"\[model\] width was 4, now 8"):
        runs.train("x", folder / "run", {"model": {"width": 8}}, resume=True)


def test_a_resume_with_other_images_is_refused(run, folder, tmp_path):
    for name in ("config.toml", "training_objects.json"):
        (tmp_path / name).write_bytes((folder / "run" / name).read_bytes())
    with pytest.raises(ValueError, match="24 of .*train.npy. Received: 30 of .*held"):
        runs.train(folder / "held_out.npy", tmp_path, resume=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "vae"}, "`model` must be one of wgan_gp, hsc, .*Received: vae"),
        ({"model": "dcae", "config": {"encoder": {"epochs": 1}}}, "takes no .encoder"),
        ({"config": {"model": {"ema": 2.0}}}, "`ema` must be None or within"),
        ({"config": {"detector": {"score": "x"}}}, "`score` must be one of"),
        ({"config": {"stretch": {"name": "sqrt", "a": 0.1}}}, "sqrt has no setting a"),
        ({"sizes": 32}, r"unknown key sizes in \[data\]"),
        ({"epochs": 0}, "epochs of at least 1. Received: 0"),
        ({"size": 30}, "image_shape"),
        ({"bands": ["J", "H"]}, "J.*H"),
    ],
)
def test_bad_settings_leave_nothing_behind(folder, tmp_path, options, sentence):
    options = {"size": 32, **options}
    with pytest.raises(ValueError, match=sentence):
        runs.train(folder / "train.npy", tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_refused_before_the_reading(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        runs.train("nowhere", tmp_path / "file" / "run")


def test_what_is_no_run_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="must be a run folder.*without config.toml"):
        runs.load_run(tmp_path)
    with pytest.raises(ValueError, match="must be a run folder.*no such folder"):
        runs.load_run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="must be a run folder.*Received: a file"):
        runs.load_run(folder / "train.npy")


def test_a_run_of_another_version_is_refused(tmp_path):
    (tmp_path / "config.toml").write_text('[run]\nformat = 9\nastroanomaly = "3.1"\n')
    with pytest.raises(
        ValueError, match="of run format 1.*format 9, written by .* 3.1"
    ):
        runs.load_run(tmp_path)
    (tmp_path / "config.toml").write_text("[run")
    with pytest.raises(ValueError, match="config.toml must be a TOML file"):
        runs.load_run(tmp_path)


def test_calibrate_keeps_thresholds_of_each_method(run, folder):
    runs.calibrate(folder / "run", folder / "held_out.npy", levels=(80, 95))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("astroanomaly.latent.Refine.search", _no_search)
        refined = runs.calibrate(
            folder / "run", folder / "held_out.npy", levels=(90,), method="refine"
        )
    assert refined.detector.method == "refine"
    saved = load_detector(folder / "run" / "detector")
    assert saved.method == "encoder"
    assert saved.levels == (80, 95)
    scores = np.sort(saved.calibration.scores)
    assert saved.calibration.thresholds[80] == scores[24]  # ceil(0.8 * 31) = 25th
    assert saved.use("refine").levels == (90,)
    assert len(saved.calibration) == 30  # also those that measured the noise


def test_held_out_objects_calibrate_without_a_folder(folder, tmp_path, monkeypatch):
    config = {**CONFIG, "model": {**CONFIG["model"], "n_critic": 5}}
    del config["encoder"]
    monkeypatch.chdir(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        run = runs.train(
            "held_out.npy", tmp_path / "run", config, seed=5, hold_out=0.4, epochs=1
        )
    said = "\n".join(str(warning.message) for warning in caught)
    # 18 images in batches of 8 are 2 or 3 steps: no update of the generator at all.
    assert "18 images are few to learn from" in said
    assert "steps an epoch and 5 of the critic for each, this training" in said
    assert "has 0 updates of the generator in all" in said
    assert run.settings["encoder"]["epochs"] == 1  # not 50
    kept = json.loads((tmp_path / "run" / "training_objects.json").read_text())
    assert (len(kept["object_id"]), len(kept["held_out"]["object_id"])) == (18, 12)
    assert not set(kept["pixels"]) & set(kept["held_out"]["pixels"])
    # The path was relative: it must hold in another folder.
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="12 calibration objects are too few"):
        found = runs.calibrate(tmp_path / "run")
    assert (len(found.detector.calibration), found.detector.levels) == (12, (90,))
    with pytest.warns(UserWarning, match="18 of the 30 .* 12 calibrated it"):
        table = found.detector.score(folder / "held_out.npy")
    flags = dict(zip(table["object_id"], table["flag"] & 48, strict=True))
    assert {flags[name] for name in kept["object_id"]} == {16}
    assert {flags[name] for name in kept["held_out"]["object_id"]} == {32}
    again = runs.train("held_out.npy", tmp_path / "run", resume=True, hold_out=0.4)
    assert again.settings == run.settings
    kept["held_out"]["cutouts"] = str(folder / "train.npy")
    (tmp_path / "run" / "training_objects.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match="must still hold the 12 objects"):
        runs.calibrate(tmp_path / "run")


def test_a_run_without_held_out_objects_wants_cutouts(run, folder):
    with pytest.raises(ValueError, match="`cutouts` .CUTOUTS., or train with `hold_o"):
        runs.calibrate(folder / "run")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hold_out": 1.5}, "`hold_out` .* between 0 and 1. Received: 1.5"),
        ({"hold_out": 0.01}, None),
        ({"group": "file"}, "`group` .* needs `hold_out`"),
        ({"hold_out": 0.2, "group": "x"}, "`group` .* Received: 'x'; columns are obje"),
        ({"hold_out": 0.2, "group": "unit_image"}, None),
    ],
)
def test_held_out_rows_are_whole_groups(options, sentence):
    cutouts = Cutouts(np.zeros((20, 8, 8)))
    cutouts.table["file"] = [f"f{i // 4}" for i in range(20)]
    cutouts.table["unit_image"] = ["one"] * 20
    if sentence is None:
        # One object, or one group, cannot be on both sides.
        if options["hold_out"] == 0.01:
            assert len(held_out_rows(cutouts, {**options, "seed": 1})[1]) == 1
            return
        sentence = "`hold_out` .* Received: 1 groups of unit_image"
    with pytest.raises(ValueError, match=sentence):
        held_out_rows(cutouts, config.resolve({"training": options})["training"])


def test_groups_stay_together():
    cutouts = Cutouts(np.zeros((20, 8, 8)))
    cutouts.table["file"] = [f"f{i // 4}" for i in range(20)]
    options = {"hold_out": 0.4, "group": "file", "seed": 3}
    train, held_out = held_out_rows(cutouts, options)
    assert sorted([*train, *held_out]) == list(range(20))
    assert len(held_out) == 8
    assert not set(cutouts.table["file"][train]) & set(cutouts.table["file"][held_out])


def test_the_commented_defaults_are_the_defaults():
    for model in ("wgan_gp", "progressive", "lens_finder", "cvae"):
        text = commented(model)
        found = config.read_config(tomllib.loads(text))
        assert config.resolve(found) == config.resolve({"model": {"name": model}})
        for table, keys in config.schema(model).items():
            for key in keys:
                line = re.search(rf"^(# )?{key} =.*  # \S", text, re.MULTILINE)
                assert line, (table, key)


def _no_search(self, images):
    return np.zeros((len(images), 8), "f4"), np.ones(len(images), bool)


def test_calibrating_on_training_objects_warns(run, folder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        runs.calibrate(folder / "run", folder / "train.npy", levels=(50,))
    messages = [str(w.message) for w in caught if w.category is UserWarning]
    (message,) = [text for text in messages if "NOT TRAINED" not in text]
    assert "trained on 24 of the 24 calibration objects of" in message


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ((95, 100), "strictly between 0 and 100 per cent. Received: 100"),
        ((0,), "strictly between 0 and 100 per cent. Received: 0"),
        ((99,), "Level 99 needs at least 99 calibration objects.*Received: 30"),
    ],
)
def test_impossible_levels_are_refused(run, folder, levels, sentence):
    before = (folder / "run" / "detector" / "detector.json").read_bytes()
    with pytest.raises(ValueError, match=sentence):
        runs.calibrate(folder / "run", folder / "held_out.npy", levels=levels)
    assert (folder / "run" / "detector" / "detector.json").read_bytes() == before


def _write_fits(folder, band, n=2):
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.write import write_cutouts

    images = np.random.default_rng(2).normal(size=(n, 32, 32)).astype("f4")
    write_cutouts(folder, Cutouts(images, bands=[band]))
    return folder


def test_other_bands_are_refused_by_name(run, tmp_path):
    survey = _write_fits(tmp_path / "f160w", "F160W")
    with pytest.raises(ValueError, match="trained on other bands.*'image'.*'F160W'"):
        run.read(survey)


def test_two_bands_are_not_sought_in_a_single_image(run, tmp_path):
    survey = _write_fits(tmp_path / "f160w", "F160W")
    settings = {**run.settings, "data": {"size": 32, "bands": ["VIS", "NIR_Y"]}}
    two = runs.Run(run.folder, settings, ("VIS", "NIR_Y"))
    with pytest.raises(ValueError, match="trained on other bands than.*F160W.*'NIR_Y'"):
        two.read(survey)


def test_a_named_single_band_is_checked_against_the_header(run, tmp_path):
    survey = _write_fits(tmp_path / "f160w", "F160W")
    settings = {**run.settings, "data": {"size": 32, "bands": ["F814W"]}}
    other = runs.Run(run.folder, settings, ("F814W",))
    with pytest.raises(
        ValueError, match="band F814W. Received: .*f160w with the band F1"
    ):
        other.read(survey)
    assert other.read(survey, bands=["F814W"]).bands == ("F814W",)
    same = _write_fits(tmp_path / "f814w", "F814W")
    assert other.read(same).bands == ("F814W",)


def test_names_in_a_saved_model_do_not_tell_what_was_made_before(folder, tmp_path):
    """The optimizer of an encoder is named the same after a resume, as is the model."""
    settings = runs.config.resolve(CONFIG)
    configs = []
    for _ in range(2):
        gan = training.build_model(settings, (32, 32, 1), 4)
        encoder = training.build_encoder(settings, gan)
        configs.append(
            [
                {k: v for k, v in model.get_compile_config().items()}
                if hasattr(model, "optimizer_names")
                else model.optimizer.get_config()
                for model in (gan, encoder)
            ]
            + [gan.name, encoder.name]
        )
    assert configs[0] == configs[1]
    assert configs[0][2:] == ["wgan_gp", "encoder"]
