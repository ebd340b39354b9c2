import math
import tomllib

import pytest

from astroanomaly import _config


def test_what_is_written_is_read_back():
    tables = {
        "data": {"size": 64, "bands": ["VIS", 'a "b" \\ c'], "edge": "pad"},
        "training": {"learning_rate": 1e-7, "augment": True, "w": 0.1, "inf": math.inf},
        "text": {"lines": "one\ntwo\t\u00e9", "nothing": None},
    }
    found = tomllib.loads(_config.dumps(tables))
    del tables["text"]["nothing"]
    assert found == tables


def test_later_layers_go_first_and_none_counts_for_nothing():
    settings = _config.resolve(
        {"training": {"epochs": 5, "seed": 2}},
        {"training": {"epochs": 7, "seed": None}},
    )
    assert settings["training"]["epochs"] == 7
    assert settings["training"]["seed"] == 2
    assert settings["data"] == {"size": 64, "edge": "pad", "nan": "fill"}


def test_the_hsc_model_brings_the_published_settings():
    settings = _config.resolve({"model": {"name": "hsc"}}, {"model": {"width": 32}})
    assert settings["model"]["width"] == 32
    assert settings["model"]["latent_dim"] == 128
    assert settings["training"]["beta_1"] == 0.5
    assert settings["training"]["batch_size"] == 32


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="`model` must be one of wgan_gp, hsc. Rec.*x"):
        _config.resolve({"model": {"name": "x"}})
    with pytest.raises(ValueError, match="`stretch` must be one of linear, sqrt, log"):
        _config.resolve({"stretch": {"name": "x"}})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[model]\nwidht = 3", r"unknown key widht in \[model\]; known are name, lat"),
        ("[optics]\na = 3", "must hold the tables data, .*Received: optics"),
        ("size = 3", "must hold the tables data, .*Received: size"),
        ("[model]\nwidth = 3.5", r"\[model\] width as int. Received: 3.5"),
        ("[model]\nwidth = true", r"\[model\] width as int. Received: True"),
        ("[training]\naugment = 1", r"\[training\] augment as bool. Received: 1"),
        ("[training]\nepochs = 0", r"epochs of at least 1. Received: 0"),
        ("[data]\nbands = 'J'", r"\[data\] bands as list. Received: 'J'"),
        ("[model", "run.toml must be a TOML file. Received: "),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, sentence):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=sentence) as error:
        _config.read_config(file)
    assert "run.toml" in str(error.value)


def test_the_record_of_a_run_is_a_config(tmp_path):
    file = tmp_path / "config.toml"
    settings = _config.resolve({"model": {"width": 8}})
    file.write_text(_config.dumps({**settings, "run": {"format": 1}, "versions": {}}))
    assert _config.read_config(file) == settings


def test_differences_name_the_key_and_both_values():
    one, other = _config.resolve(), _config.resolve({"training": {"seed": 4}})
    assert _config.differences(one, other) == ["[training] seed was 0, now 4"]
    assert _config.differences(one, one) == []
