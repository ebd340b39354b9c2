"""Run folders that somebody edited: each is refused in a sentence, or works."""

import shutil

import pytest
from hostile import EDITS, SAVED

from astroanomaly import runs
from astroanomaly.cli.verbs import _USER_ERRORS
from astroanomaly.runs import training

SECRET = "root:"


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(SAVED / "run", tmp_path / "run")


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_run_loads_or_is_refused_in_a_sentence(run, name):
    EDITS[name](run)
    try:
        opened = runs.load_run(run)
        opened.read(SAVED / "cutouts")
    except _USER_ERRORS as error:
        text = str(error)
        assert str(run) in text or "`" in text or "[" in text
        assert SECRET not in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config: data.catalog = '/etc/passwd'", r"unknown key catalog in \[data\]"),
        ("config: model.widht = 3", r"widht in \[model\].*Did you mean width\?"),
        ("config: data.size = 100000", r"\[data\] size of at most 1024.*100000"),
        ("training_objects.json: bands missing", "training_objects.json.*`bands`"),
        ("detector/detector.json: b'{\"half\": '", "detector.json must be a JSON file"),
        ("detector/detector.json: smoothin = 2.0", "`smoothin`.*Did you mean smooth"),
        ("detector/detector.json: noise missing", "detector.json.*`noise`.*none"),
        (
            "model.keras: config/width = 100000",
            r"model.keras must describe a network of at most 1,0\d\d,\d{3} weights",
        ),
        ("model.keras: config/image_shape = [100000, 100000, 1]", "model.keras"),
        ("model.keras: config/image_shape.. = [32, 32, 10000000]", "of at most 1,0"),
        ("model.weights.h5: external storage", "model.keras.*lies in other files"),
        ("model.weights.h5: an external link", "ExternalLink to '/etc/passwd'"),
        ("model.weights.h5: a virtual data set", "lies in other files"),
        ("model.weights.h5: a shape that is not there", r"\(1000000, 1000000\)"),
        ("model.keras: a member outside of it", "'../../outside'"),
        ("model.keras: weights that unpack to a gigabyte", "268,436,"),
        ("a link out of the folder", "detector.json, a link to"),
        ("model.keras: the encoder", "`model.keras` must hold a model that draws"),
    ],
)
def test_the_sentence_names_file_key_and_value(run, name, words):
    EDITS[name](run)
    with pytest.raises(ValueError, match=words):
        _ = runs.load_run(run).detector


def test_a_network_beyond_memory_is_refused_before_it_is_built():
    settings = runs.config.resolve({"model": {"width": 9000}})
    with pytest.raises(ValueError, match=r"\[model\] must describe.*100,000,000"):
        training.build_model(settings, (64, 64, 1), 1)


def test_a_calibration_killed_between_its_renames_loses_nothing(run):
    kept = (run / "detector" / "detector.json").read_bytes()
    EDITS["set aside by a killed calibration"](run)
    # `train --resume` leaves a finished run alone, and this one is finished.
    opened = runs.train(SAVED / "cutouts", run, resume=True)
    assert opened.detector.calibration is not None
    assert (run / "detector" / "detector.json").read_bytes() == kept
    assert not (run / ".detector.previous").exists()
