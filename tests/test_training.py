import numpy as np
import pytest

from astroanomaly import _config, stretches
from astroanomaly._training import Training, make_stretch, stretched
from astroanomaly.data.cutouts import Cutouts


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


def test_a_training_is_made_as_the_settings_say(tmp_path):
    images = np.random.default_rng(1).random((4, 32, 32, 1)).astype("f4")
    settings = _config.resolve(
        {
            "model": {"width": 4, "latent_dim": 8, "n_critic": 2},
            "training": {"learning_rate": 3e-4, "beta_1": 0.5, "seed": 9},
            "encoder": {"width": 6, "learning_rate": 2e-3},
            "detector": {"score": "total", "w": 0.3},
        }
    )
    training = Training(tmp_path, settings, Cutouts(images), progress=False)
    gan, encoder = training.gan, training.encoder
    assert (gan.width, gan.n_critic, gan.seed) == (4, 2, 9)
    for optimizer in (gan.optimizer, gan.critic_optimizer):
        assert float(optimizer.learning_rate) == np.float32(3e-4)
        assert optimizer.beta_1 == 0.5
    assert (encoder.width, encoder.gan is gan) == (6, True)
    assert float(encoder.optimizer.learning_rate) == np.float32(2e-3)
    assert (training.detector.score_name, training.detector.w) == ("total", 0.3)
    assert not list(tmp_path.iterdir())
