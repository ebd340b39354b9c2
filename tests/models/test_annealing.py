"""The KL weight by epoch."""

import numpy as np
import pytest

from astroanomaly.data.batches import dataset
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE

IMAGES = np.random.default_rng(3).uniform(0, 1, (8, 32, 32, 1)).astype(np.float32)


def train(model, annealing, **kwargs):
    data = dataset(IMAGES, batch_size=8)
    return model.fit(data, verbose=0, callbacks=[annealing], **kwargs).history


def small(kind=CVAE):
    model = kind((32, 32, 1), latent_dim=4)
    model.compile()
    return model


def test_weights_by_hand():
    annealing = KLAnnealing(start=3, ramp=4, beta_max=2.0)
    weights = [annealing.beta(epoch) for epoch in range(9)]
    assert weights == [0, 0, 0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert [KLAnnealing(0, 1).beta(epoch) for epoch in range(2)] == [1.0, 1.0]


def test_defaults_are_the_published_numbers_and_a_stated_choice():
    annealing = KLAnnealing()
    assert annealing.beta(99) == 0.0
    assert annealing.beta(100) == pytest.approx(0.01)
    assert annealing.beta(149) == pytest.approx(0.5)
    assert annealing.beta(199) == annealing.beta(499) == 1.0


def test_training_runs_at_the_weight_of_its_epoch():
    cvae = small()
    history = train(cvae, KLAnnealing(1, 2, 0.5), epochs=4)
    assert history["beta"] == [0.0, 0.25, 0.5, 0.5]
    assert float(cvae.beta) == 0.5


def test_a_resumed_training_has_the_weight_of_its_epoch():
    history = train(small(), KLAnnealing(1, 4, 1.0), initial_epoch=3, epochs=5)
    assert history["beta"] == [0.75, 1.0]


def test_a_model_without_beta_is_refused():
    sentence = "`model` must have a KL weight `beta`.*Received: DCAE"
    with pytest.raises(ValueError, match=sentence):
        train(small(DCAE), KLAnnealing(), epochs=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"start": -1}, "`start` must be an integer >= 0. Received: -1"),
        ({"start": 0.5}, "`start` must be an integer >= 0. Received: 0.5"),
        ({"ramp": 0}, "`ramp` must be an integer >= 1. Received: 0"),
        ({"beta_max": -0.1}, "`beta_max` must be finite and >= 0. Received: -0.1"),
        ({"beta_max": np.inf}, "`beta_max` must be finite and >= 0. Received: inf"),
        ({"beta_max": np.nan}, "`beta_max` must be finite and >= 0. Received: nan"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        KLAnnealing(**arguments)
