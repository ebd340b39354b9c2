import json
import math
import re
import tomllib
from pathlib import Path

import pytest

from astroanomaly.runs import config

ROOT = Path(__file__).resolve().parents[2]
# What a run of the default model recorded before there were others.
WGAN_GP = """[data]
size = 64
edge = "pad"
nan = "fill"

[stretch]
name = "asinh"
percentiles = [0.0, 100.0]
per_image = false

[model]
name = "wgan_gp"
latent_dim = 128
width = 32
kernel_size = 5
n_critic = 5
gradient_penalty_weight = 10.0

[training]
epochs = 100
batch_size = 64
learning_rate = 0.0001
beta_1 = 0.0
beta_2 = 0.9
augment = false
seed = 0
sample_grid = 16

[encoder]
epochs = 50
learning_rate = 0.001
feature_weight = 1.0
latent_weight = 0.0

[detector]
score = "peak"
w = 0.1
smoothing = 2.0
views = 1
level = 95
"""
COMMON = {"epochs": 100, "batch_size": 100, "augment": False, "seed": 0}
COMMON |= {"sample_grid": 16}
OWN = {
    "rbm": ({"n_hidden": 1000, "weight_scale": 0.01}, {}),
    "dcae": (
        {"latent_dim": 1000, "weight_decay": 1e-5},
        {"learning_rate": 2e-3, "schedule": "one_cycle"},
    ),
    "cvae": (
        {"latent_dim": 1000, "weight_decay": 1e-5},
        {
            "learning_rate": 2e-3,
            "schedule": "one_cycle",
            "beta_max": 1.0,
            "kl_start": 20,
            "kl_ramp": 20,
        },
    ),
    "aae": (
        {"latent_dim": 1000, "prior_scale": 5.0},
        {
            "learning_rate": 1e-3,
            "critic_learning_rate": 1e-3,
            "adversarial_learning_rate": 1e-4,
        },
    ),
}


def _resolved(model, **training):
    return config.resolve({"model": {"name": model}, "training": training})


def test_what_is_written_is_read_back():
    tables = {
        "data": {"size": 64, "bands": ["VIS", 'a "b" \\ c'], "edge": "pad"},
        "training": {"learning_rate": 1e-7, "augment": True, "w": 0.1, "inf": math.inf},
        "text": {"lines": "one\ntwo\t\u00e9", "nothing": None},
    }
    found = tomllib.loads(config.dumps(tables))
    del tables["text"]["nothing"]
    assert found == tables


def test_later_layers_go_first_and_none_counts_for_nothing():
    settings = config.resolve(
        {"training": {"epochs": 5, "seed": 2}},
        {"training": {"epochs": 7, "seed": None}},
    )
    assert settings["training"]["epochs"] == 7
    assert settings["training"]["seed"] == 2
    assert settings["data"] == {"size": 64, "edge": "pad", "nan": "fill"}


def test_the_hsc_model_brings_the_published_settings():
    settings = config.resolve({"model": {"name": "hsc"}}, {"model": {"width": 32}})
    assert settings["model"]["width"] == 32
    assert settings["model"]["latent_dim"] == 128
    assert settings["training"]["beta_1"] == 0.5
    assert settings["training"]["batch_size"] == 32


def test_the_record_of_the_default_model_is_as_it_was():
    expected, found = tomllib.loads(WGAN_GP), config.resolve()
    assert tomllib.loads(config.dumps(found)) == expected == found
    # In the order of a record that a person reads.
    assert list(found) == list(expected)
    assert all(list(found[table]) == list(expected[table]) for table in expected)
    assert config.resolve(expected) == found


@pytest.mark.parametrize("model", OWN)
def test_each_model_has_its_own_settings_and_no_encoder(model):
    settings = _resolved(model)
    own, training = OWN[model]
    assert settings["model"] == {"name": model, **own}
    assert settings["training"] == COMMON | training
    assert "encoder" not in settings
    assert config.reconstructs(model)
    assert not config.reconstructs("hsc")
    rest = ("data", "stretch", "detector")
    assert all(settings[table] == config.resolve()[table] for table in rest)
    assert config.resolve(tomllib.loads(config.dumps(settings))) == settings


def test_a_lens_finder_has_the_published_settings():
    settings = _resolved("lens_finder")
    assert settings["model"] == {
        "name": "lens_finder",
        "dropout": 0.2,
        "threshold": 0.5,
        "network": "ou66",
        "channels": ["image"],
    }
    assert settings["training"] == {
        "epochs": 100,
        "batch_size": 500,
        "learning_rate": 3e-4,
        "validation_fraction": 0.1,
        "class_weight": True,
        "augment": True,
        "paints": 3,
        "shift": 0,
        "seed": 0,
    }
    # Every image and band by itself, as published.
    stretch = {"name": "linear", "percentiles": [0.0, 100.0], "per_image": True}
    assert settings["stretch"] == stretch
    assert settings["detector"] == {"level": 95}
    assert settings["data"] == config.resolve()["data"]
    assert "encoder" not in settings
    assert config.classifies("lens_finder")
    assert not config.reconstructs("lens_finder")
    assert not any(config.classifies(model) for model in OWN)
    assert config.resolve(tomllib.loads(config.dumps(settings))) == settings


@pytest.mark.parametrize(
    ("size", "given", "network"),
    [
        (66, None, "ou66"),
        (115, None, "ou66"),
        (116, None, "ou200"),
        (200, None, "ou200"),
        (200, "ou66", "ou66"),
    ],
)
def test_the_size_chooses_the_finders_network(size, given, network):
    model = {"name": "lens_finder", "network": given}
    settings = config.resolve({"data": {"size": size}, "model": model})
    assert settings["model"]["network"] == network
    assert config.differences(settings, config.merge(settings)) == []


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_a_share_for_validation_lies_between_0_and_1(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1. Received: {fraction}$"):
        _resolved("lens_finder", validation_fraction=fraction)


@pytest.mark.parametrize(
    ("model", "tables", "sentence"),
    [
        (
            "lens_finder",
            {"detector": {"score": "mse"}, "encoder": {"epochs": 2}},
            "The model lens_finder takes in [detector] level; no [encoder], as it is a "
            "classifier. Received: [detector] score; [encoder] epochs, which other "
            "models have.",
        ),
        (
            "dcae",
            {"training": {"validation_fraction": 0.2}},
            "The model dcae takes in [training] epochs, batch_size, learning_rate, "
            "schedule, augment, start, hold_out, group, seed, strategy, sample_grid. "
            "Received: [training] validation_fraction, which other models have.",
        ),
        (
            "dcae",
            {"model": {"width": 3}, "encoder": {"epochs": 2}},
            "The model dcae takes in [model] name, latent_dim, weight_decay; no "
            "[encoder], as it reconstructs by itself. Received: [model] width; "
            "[encoder] epochs, which other models have.",
        ),
        (
            "rbm",
            {"encoder": {"width": 4}},
            "The model rbm takes no [encoder], as it reconstructs by itself. "
            "Received: [encoder] width, which other models have.",
        ),
        (
            "aae",
            {"training": {"kl_start": 4, "beta_1": 0.5}},
            "The model aae takes in [training] epochs, batch_size, learning_rate, "
            "critic_learning_rate, adversarial_learning_rate, augment, start, "
            "hold_out, group, seed, strategy, sample_grid. Received: [training] "
            "kl_start, beta_1, which other models have.",
        ),
        (
            "wgan_gp",
            {"model": {"n_hidden": 9}},
            "The model wgan_gp takes in [model] name, latent_dim, width, kernel_size, "
            "n_critic, gradient_penalty_weight, ema. Received: [model] n_hidden, "
            "which other models have.",
        ),
    ],
)
def test_settings_of_another_model_are_refused_by_name(model, tables, sentence):
    found = config.read_config(tables)  # Its name may come from elsewhere.
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        config.resolve(found, {"model": {"name": model}})


@pytest.mark.parametrize(
    ("epochs", "start", "ramp"), [(500, 100, 100), (9, 1, 1), (1, 0, 1)]
)
def test_annealing_takes_a_fifth_of_the_epochs_each(epochs, start, ramp):
    training = _resolved("cvae", epochs=epochs)["training"]
    assert (training["kl_start"], training["kl_ramp"]) == (start, ramp)
    training = _resolved("cvae", epochs=epochs, kl_start=0, kl_ramp=7)["training"]
    assert (training["kl_start"], training["kl_ramp"]) == (0, 7)


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ({"kl_start": 10}, "`kl_start` must be below the 10 epochs of .*Received: 10"),
        ({"kl_start": -1}, "`kl_start` must be at least 0 epochs. Received: -1"),
        ({"kl_ramp": 0}, "`kl_ramp` must be at least 1 epochs. Received: 0"),
        ({"schedule": "x"}, "`schedule` must be one of one_cycle, constant. Rec.* x"),
    ],
)
def test_an_impossible_training_is_refused(training, sentence):
    with pytest.raises(ValueError, match=sentence):
        _resolved("cvae", epochs=10, **training)


def test_the_settings_page_names_the_keys_of_every_other_model():
    text = (ROOT / "docs" / "run_folder.md").read_text(encoding="utf-8")
    usual = set(config.SCHEMA["training"]) - {"batch_size", "learning_rate"}
    for model in (*OWN, "lens_finder"):
        (row,) = re.findall(rf"^\| `{model}` \| (.*) \|$", text, flags=re.M)
        tables = config.schema(model)
        known = {**tables["model"], **tables["training"]}
        known = {k: v[0] for k, v in known.items() if k not in usual | {"name"}}
        shown = re.findall(r"`(\w+)`(?: ([^,;`]+))?", row)
        assert {k: json.loads(v) if v else None for k, v in shown} == known


def test_unknown_names_are_refused():
    known = "wgan_gp, hsc, progressive, pca, rbm, dcae, cvae, aae, lens_finder, "
    known += "smooth_lens, knn, bagged_knn, isolation_forest, mahalanobis, "
    known += "patch_gaussian, auto"
    with pytest.raises(ValueError, match=f"`model` must be one of {known}. Rec.*x"):
        config.resolve({"model": {"name": "x"}})
    with pytest.raises(ValueError, match="Received: mahalanobi; .* mahalanobis"):
        config.resolve({"model": {"name": "mahalanobi"}})
    with pytest.raises(ValueError, match="`stretch` must be one of linear, sqrt, log"):
        config.resolve({"stretch": {"name": "x"}})


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
        config.read_config(file)
    assert "run.toml" in str(error.value)


def test_the_record_of_a_run_is_a_config(tmp_path):
    file = tmp_path / "config.toml"
    settings = config.resolve({"model": {"width": 8}})
    file.write_text(config.dumps({**settings, "run": {"format": 1}, "versions": {}}))
    assert config.read_config(file) == settings


def test_layers_are_laid_over_one_another_without_defaults():
    merged = config.merge(
        {"data": {"bands": ("J", "H"), "size": 32}}, {"data": {"size": None}}
    )
    assert merged == {"data": {"bands": ["J", "H"], "size": 32}}


def test_differences_name_the_key_and_both_values():
    one, other = config.resolve(), config.resolve({"training": {"seed": 4}})
    assert config.differences(one, other) == ["[training] seed was 0, now 4"]
    assert config.differences(one, one) == []
