import numpy as np
import pytest

from astroanomaly import models
from astroanomaly.models import WGANGP
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.models.recipes import RECIPES
from astroanomaly.runs import config
from astroanomaly.runs import training as builders

SHAPE = (32, 32, 1)


def _settings(name, training=None, **model):
    return config.resolve(
        {"model": {"name": name, **model}, "training": training or {}}
    )


def _rates(*optimizers):
    return [np.float32(optimizer.learning_rate) for optimizer in optimizers]


def test_a_gan_has_two_optimizers_of_one_kind():
    training = {"learning_rate": 3e-4, "beta_1": 0.5, "seed": 9}
    settings = _settings("hsc", training, width=4, n_critic=2)
    gan = builders.build_model(settings, SHAPE, n_steps=10)
    assert isinstance(gan, WGANGP)
    assert (gan.width, gan.n_critic, gan.seed) == (4, 2, 9)
    assert gan.optimizer is not gan.critic_optimizer
    for optimizer in (gan.optimizer, gan.critic_optimizer):
        assert _rates(optimizer) == [np.float32(3e-4)]
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.9)


@pytest.mark.parametrize("name", ["dcae", "cvae"])
def test_the_rate_of_the_autoencoders_follows_one_cycle(name):
    settings = _settings(name, {"seed": 3}, latent_dim=4, weight_decay=0.5)
    model = builders.build_model(settings, SHAPE, n_steps=100)
    assert type(model).__name__ == name.upper()
    assert (model.latent_dim, model.weight_decay, model.seed) == (4, 0.5, 3)
    schedule = model.optimizer._learning_rate
    assert isinstance(schedule, OneCycle)
    assert (schedule.max_learning_rate, schedule.n_steps) == (2e-3, 100)
    np.testing.assert_allclose(_rates(model.optimizer), [2e-3 / 25], rtol=1e-5)


def test_a_constant_rate_stays():
    settings = _settings("dcae", {"schedule": "constant"}, latent_dim=4)
    model = builders.build_model(settings, SHAPE, n_steps=100)
    assert model.optimizer._learning_rate is not None
    assert _rates(model.optimizer) == [np.float32(2e-3)]


def test_a_training_of_one_step_has_a_cycle_too():
    settings = _settings("dcae", latent_dim=4)
    model = builders.build_model(settings, SHAPE, n_steps=1)
    assert model.optimizer._learning_rate.n_steps == 2


def _growing(training=None, **model):
    training = {"epochs": 4, "batch_size": 8, **(training or {})}
    return _settings("progressive", training, latent_dim=4, fmap_max=4, **model)


def test_the_growing_gan_has_three_optimizers_of_one_kind():
    gan = builders.build_model(_growing({"beta_1": 0.5}), SHAPE, n_steps=40)
    optimizers = (gan.optimizer, gan.critic_optimizer, gan.encoder_optimizer)
    assert len({id(optimizer) for optimizer in optimizers}) == 3
    assert _rates(*optimizers) == [np.float32(1e-3)] * 3
    for optimizer in optimizers:
        found = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
        assert found == (0.5, 0.99, 1e-8)


def test_the_growth_is_spread_over_the_whole_training():
    gan = builders.build_model(_growing(), SHAPE, n_steps=40)
    # 320 images for four levels and three fades.
    assert gan.schedule.fade_images == gan.schedule.stable_images == 45
    assert gan.schedule.total == 7 * 45
    own = _growing(fade_images=[0, 8, 8, 16], stable_images=32)
    assert builders.build_model(own, SHAPE, n_steps=40).schedule.total == 160


@pytest.mark.parametrize(
    ("training", "model", "sentence"),
    [
        ({}, {"fade_images": 100, "stable_images": 50}, "at least 7: .* 500 images"),
        ({}, {"fade_images": [0, 8]}, "must have 4 numbers.* ends before the last"),
        ({"batch_size": 6}, {}, "`batch_size` must be a multiple of 4.*Received: 6"),
        ({}, {"coupling": "both"}, "`coupling` must be one of .*Received: both"),
        ({}, {"latent": "uniform"}, "`latent` must be one of .*Received: uniform"),
    ],
)
def test_a_growth_that_does_not_fit_is_refused(training, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        builders.build_model(_growing(training, **model), SHAPE, n_steps=40)


def test_the_aae_has_three_rates():
    settings = _settings("aae", {"adversarial_learning_rate": 2e-5}, latent_dim=4)
    model = builders.build_model(settings, SHAPE, n_steps=10)
    assert model.prior_scale == 5.0
    assert _rates(
        model.optimizer, model.critic_optimizer, model.adversarial_optimizer
    ) == [np.float32(rate) for rate in (1e-3, 1e-3, 2e-5)]


def test_the_rbm_has_a_rate_for_its_number_of_pixels_unless_given():
    settings = _settings("rbm", {"seed": 4}, n_hidden=6, weight_scale=0.5)
    model = builders.build_model(settings, SHAPE, n_steps=10)
    assert (model.n_hidden, model.weight_scale, model.seed) == (6, 0.5, 4)
    assert _rates(model.optimizer) == [np.float32(20 / 32**2)]
    settings = _settings("rbm", {"learning_rate": 0.01}, n_hidden=6)
    model = builders.build_model(settings, SHAPE, n_steps=10)
    assert _rates(model.optimizer) == [np.float32(0.01)]
    assert model.optimizer.momentum == 0.9


def test_a_lens_finder_is_compiled_with_its_class_weights():
    settings = config.resolve(
        {
            "data": {"size": 116},
            "model": {"name": "lens_finder", "dropout": 0.1, "threshold": 0.8},
            "training": {"seed": 3, "learning_rate": 2e-4},
        }
    )
    weights = {0: 0.6, 1: 3.0}
    model = builders.build_model(settings, (116, 116, 2), 0, class_weight=weights)
    assert (model.network_name, model.image_shape) == ("ou200", (116, 116, 2))
    assert (model.dropout, model.threshold, model.seed) == (0.1, 0.8, 3)
    assert _rates(model.optimizer) == [np.float32(2e-4)]
    assert model.get_compile_config()["class_weight"] == [0.6, 3.0]


def test_an_encoder_belongs_to_its_gan():
    settings = config.resolve(
        {
            "model": {"width": 4, "latent_dim": 8},
            "training": {"seed": 9},
            "encoder": {"width": 6, "learning_rate": 2e-3, "latent_weight": 0.5},
        }
    )
    gan = builders.build_model(settings, SHAPE, n_steps=10)
    encoder = builders.build_encoder(settings, gan)
    assert (encoder.width, encoder.seed, encoder.latent_weight) == (6, 9, 0.5)
    assert encoder.gan is gan
    assert _rates(encoder.optimizer) == [np.float32(2e-3)]


def test_the_kl_weight_rises_as_the_settings_say():
    training = {"epochs": 8, "kl_start": 2, "kl_ramp": 4, "beta_max": 0.5}
    (annealing,) = builders.build_callbacks(_settings("cvae", training))
    found = [annealing.beta(epoch) for epoch in range(8)]
    assert found == [0.0, 0.0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert builders.build_callbacks(_settings("dcae")) == []


@pytest.mark.parametrize(
    ("name", "model", "sentence"),
    [
        ("dcae", {"weight_decay": -1.0}, "`weight_decay` must be finite and >= 0"),
        ("rbm", {"n_hidden": 0}, "`n_hidden` must be"),
        ("aae", {"prior_scale": 0.0}, "`prior_scale` must be"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        builders.build_model(_settings(name, **model), SHAPE, n_steps=10)


def test_a_session_that_only_loads_a_run_knows_every_model():
    """Keras finds a saved class only if `models` itself imports it."""
    classes = {recipe.model.__name__ for recipe in RECIPES.values()}
    assert classes | {"OneCycle"} <= set(models.__all__)
