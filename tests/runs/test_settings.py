import tomllib

import pytest
from astropy.table import Table

from astroanomaly.runs import config, folder

# As astroanomaly 0.1.0 wrote it when it knew GANs alone.
OLD = """[data]
size = 32
edge = "pad"
nan = "fill"

[stretch]
name = "asinh"
percentiles = [0.0, 100.0]
per_image = false

[model]
name = "hsc"
latent_dim = 8
width = 4
kernel_size = 5
n_critic = 5
gradient_penalty_weight = 10.0
ema = 0.9

[training]
epochs = 2
batch_size = 32
learning_rate = 0.0001
beta_1 = 0.5
beta_2 = 0.9
augment = true
seed = 5
sample_grid = 4

[encoder]
epochs = 2
learning_rate = 0.001
feature_weight = 1.0
latent_weight = 0.0

[detector]
score = "peak"
w = 0.1
smoothing = 2.0
views = 1
level = 95

[run]
format = 1
astroanomaly = "0.1.0"

[versions]
keras = "3.15.0"
"""


@pytest.fixture
def old(tmp_path):
    (tmp_path / "config.toml").write_text(OLD)
    return tmp_path


def test_a_new_run_takes_the_defaults_and_what_is_given(tmp_path):
    found = folder.settle(
        tmp_path / "run",
        {"model": {"name": "rbm"}},
        {"training": {"epochs": 3}},
        resume=True,
    )
    assert found == config.resolve(
        {"model": {"name": "rbm"}, "training": {"epochs": 3}}
    )


def test_the_record_of_an_earlier_version_goes_on_as_it_is(old):
    found = folder.settle(old, {}, {"training": {"seed": 5}}, resume=True)
    assert found == folder.read_config(old)
    assert found == tomllib.loads(OLD.partition("\n[run]")[0])


def test_a_folder_in_use_is_refused(old):
    with pytest.raises(ValueError, match=r"must be a new folder.*by `resume`"):
        folder.settle(old, {}, {}, resume=False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": {"name": "dcae"}}, r"\[model\] name was 'hsc', now 'dcae'\.$"),
        ({"training": {"kl_start": 1}}, r"\[training\] kl_start was None, now 1\.$"),
        ({"data": {"bands": ("J",)}}, r"\[data\] bands was None, now \['J'\]\.$"),
    ],
)
def test_a_resume_with_other_settings_names_them(old, given, sentence):
    with pytest.raises(ValueError, match=f"own settings. Received: {sentence}"):
        folder.settle(old, given, {}, resume=True)


def test_a_model_that_reconstructs_takes_no_latent_method():
    settings = config.resolve({"model": {"name": "dcae"}})
    with pytest.raises(
        ValueError,
        match="^The model dcae reconstructs by itself and needs no latent search: "
        r"leave `method` \(--method\) out. Received: encoder$",
    ):
        config.check_method(settings, "encoder")
    config.check_method(settings, None)
    config.check_method(config.resolve(), "mapping")


def test_a_finder_takes_no_latent_method():
    settings = config.resolve({"model": {"name": "lens_finder"}})
    with pytest.raises(
        ValueError,
        match="^The model lens_finder is a classifier and needs no latent search: "
        r"leave `method` \(--method\) out. Received: mapping$",
    ):
        config.check_method(settings, "mapping")
    config.check_method(settings, None)


def test_only_a_finder_takes_labels():
    finder = config.resolve({"model": {"name": "lens_finder"}})
    config.check_labels(finder, "labels.csv")
    config.check_labels(config.resolve(), None)
    for labels, shown in (("labels.csv", "labels.csv"), (Table(), "a table")):
        with pytest.raises(
            ValueError,
            match="^The model wgan_gp learns from ordinary objects and takes no "
            rf"labels: leave `labels` \(--labels\) out. Received: {shown}$",
        ):
            config.check_labels(config.resolve(), labels)
