import numpy as np
import pytest

from astroanomaly import stretches
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.models import WGANGP
from astroanomaly.runs import config
from astroanomaly.runs.training import Training, make_stretch, stretched


def test_the_settings_name_the_stretch():
    asinh = make_stretch({"name": "asinh", "softening": 3.0, "percentiles": [1, 99]})
    assert isinstance(asinh, stretches.Asinh)
    assert (asinh.softening, asinh.percentiles) == (3.0, (1.0, 99.0))
    assert make_stretch({"name": "log", "a": 500.0}).a == 500.0
    with pytest.raises(ValueError, match="The stretch linear has no setting softening"):
        make_stretch({"name": "linear", "softening": 3.0})


def test_chunks_are_stretched_as_the_whole():
    images = np.random.default_rng(1).random((515, 8, 8, 1)).astype("f4")
    stretch = stretches.Sqrt(vmin=0, vmax=1)
    np.testing.assert_allclose(
        stretched(stretch, Cutouts(images)), np.sqrt(images), rtol=1e-6
    )


@pytest.fixture
def cutouts():
    return Cutouts(np.random.default_rng(1).random((9, 32, 32, 1)).astype("f4"))


def test_a_gan_is_made_with_its_encoder(cutouts, tmp_path):
    settings = config.resolve(
        {
            "model": {"width": 4, "latent_dim": 8},
            "encoder": {"width": 6},
            "detector": {"score": "total", "w": 0.3, "n_modes": 7},
        }
    )
    training = Training(tmp_path, settings, cutouts, progress=False)
    assert isinstance(training.model, WGANGP)
    assert training.name == "gan"
    assert training.encoder.gan is training.model
    assert training.encoder.width == 6
    assert (training.detector.score_name, training.detector.w) == ("total", 0.3)
    assert (training.detector.method, training.detector.n_modes) == ("encoder", 7)
    assert not list(tmp_path.iterdir())


def test_other_models_reconstruct_by_themselves(cutouts, tmp_path):
    settings = config.resolve(
        {
            "model": {"name": "dcae", "latent_dim": 4},
            "training": {"epochs": 5, "batch_size": 4},
        }
    )
    training = Training(tmp_path, settings, cutouts, progress=False)
    assert (training.name, training.encoder) == ("dcae", None)
    assert training.detector.method == "model"
    # Two whole batches of nine images in each of five epochs.
    assert training.model.optimizer._learning_rate.n_steps == 10
    assert not list(tmp_path.iterdir())


def test_a_kl_weight_out_of_range_is_refused_before_anything_is_written(
    cutouts, tmp_path
):
    settings = config.resolve(
        {"model": {"name": "cvae", "latent_dim": 4}, "training": {"beta_max": -1.0}}
    )
    with pytest.raises(ValueError, match="`beta_max` must be finite and >= 0. Rec.*-1"):
        Training(tmp_path, settings, cutouts, progress=False)
    assert not list(tmp_path.iterdir())
