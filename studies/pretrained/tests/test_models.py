"""The models that are to ship: settings that a run takes, seeds that differ."""

from functools import partial

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import pretrained, read_cutouts, write_cutouts
from astroanomaly.runs import config
from studies.pretrained import models, train
from studies.pretrained.models import MODELS


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
    for name in pretrained.names():
        own, card = MODELS[name], pretrained.card(name)
        assert (card.model, card.size) == (own.model, own.size)
        # A lens finder's card adds what became of the real lenses.
        assert tuple(card.failures[: len(own.failures)]) == own.failures
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


def test_clear_frames_are_bright_lenses_and_plain_ellipticals(tmp_path):
    table = Table({"object_id": ["a", "b", "c", "d"], "is_lens": [1, 1, 0, 0]})
    table["is_lens"] = table["is_lens"].astype(bool)
    table["n_source_pixels"] = [900, 100, 0, 0]
    table["kind"] = ["lens", "lens", "elliptical", "group"]
    table["n_stars"] = [0, 0, 0, 2]
    images = np.random.default_rng(3).normal(size=(4, 16, 16, 1))
    write_cutouts(tmp_path / "train", models.Cutouts(images, table, ["VIS"]))
    clear = train.clear_frames(tmp_path / "train", tmp_path / "clear")
    assert read_cutouts(clear, n_workers=1).object_ids == ["a", "c"]


def test_a_mixed_set_holds_each_real_galaxy_five_times(monkeypatch):
    pytest.importorskip("galsim")
    rng = np.random.default_rng(1)
    real = models.Cutouts(rng.normal(size=(6, 64, 64, 1)), bands=["F814W"])
    monkeypatch.setattr(models, "_real", lambda data, rows: real[rows])
    mixed = models._mixed(4, 1, data=None)
    assert len(mixed) == 4 + 5 * 6
    assert (mixed.images[4:10] == mixed.images[10:16]).all()
    assert mixed.pixel_scale == 0.06
