"""The models that are to ship: settings that a run takes, seeds that differ."""

from functools import partial

import numpy as np
import pytest

from astroanomaly import pretrained
from astroanomaly.runs import config
from studies.pretrained import models
from studies.pretrained.models import MODELS
from studies.real_lenses.ship import FINDERS


@pytest.mark.parametrize("name", MODELS)
def test_a_run_takes_the_settings(name):
    own = MODELS[name]
    settings = config.resolve(own.config, {"model": {"name": own.model}})
    assert settings["data"]["size"] == own.size
    assert settings["stretch"]["per_image"]
    assert {"train", "ordinary"} <= set(own.sets)
    seeds = [
        (made.args[1], str(made.keywords))
        for made in own.sets.values()
        if isinstance(made, partial) and len(made.args) > 1
    ]
    assert len(set(seeds)) == len(seeds)


def test_what_ships_is_what_the_study_makes():
    assert set(pretrained.names()) == {*MODELS, *FINDERS}
    for name in pretrained.names():
        card = pretrained.card(name)
        if name in FINDERS:
            assert (card.model, card.score) == ("lens_finder", "logit")
            assert card.bands == list(FINDERS[name].bands)
            assert "studies.real_lenses.ship" in card.command
            continue
        own = MODELS[name]
        assert (card.model, card.size) == (own.model, own.size)
        assert tuple(card.failures) == own.failures
        assert f"studies.pretrained.train {name}" in card.command


def test_an_encoder_learns_from_images_of_unit_noise(monkeypatch):
    rng = np.random.default_rng(2)
    images = (
        rng.normal(size=(4, 64, 64, 1)) * np.array([0.1, 1, 5, 90])[:, None, None, None]
    )
    found = models.Cutouts(images, bands=["F814W"], pixel_scale=0.06)
    monkeypatch.setattr(models, "_mixed", lambda *args, repeats: found)
    scaled = models._in_noise(4, 1, data=None)
    np.testing.assert_allclose(scaled.images.std(axis=(1, 2, 3)), 1, atol=0.06)
    assert scaled.object_ids == found.object_ids


def test_a_mixed_set_holds_each_real_galaxy_five_times(monkeypatch):
    pytest.importorskip("galsim")
    rng = np.random.default_rng(1)
    real = models.Cutouts(rng.normal(size=(6, 64, 64, 1)), bands=["F814W"])
    monkeypatch.setattr(models, "_real", lambda data, rows: real[rows])
    mixed = models._mixed(4, 1, data=None)
    assert len(mixed) == 4 + 5 * 6
    assert (mixed.images[4:10] == mixed.images[10:16]).all()
    assert mixed.pixel_scale == 0.06
