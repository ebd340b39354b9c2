"""Detectors made for dirty sets, and the parts of a GAN."""

import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.data import Cutouts
from studies.contamination import diagnosis, robust
from studies.contamination.tests.made_up import cell

LABELS = np.array([False, False, False, False, True, True])


def test_trimmed_components_find_what_plain_ones_have_learned():
    rng = np.random.default_rng(2)
    # Ordinary images are of five patterns; each of four odd ones is in eight images.
    usual, odd = rng.normal(size=(5, 32, 32, 1)), rng.normal(size=(4, 32, 32, 1))
    images = np.tensordot(rng.normal(size=(400, 5)), usual, 1)
    images += 0.3 * rng.normal(size=images.shape)
    images[:32] += np.repeat(odd, 8, axis=0)
    images[360:] += np.repeat(odd, 10, axis=0)
    cutouts = Cutouts(images.astype(np.float32))
    found = robust.fits(cutouts[:300], cutouts[300:], 0, None, stretch="Linear")
    plain, trimmed = (found[name]["mse"] for name in ("pca", "pca_trimmed"))
    assert trimmed[60:].min() > trimmed[:60].max()
    gaps = [score[60:].mean() - score[:60].mean() for score in (plain, trimmed)]
    assert 3 * gaps[0] < gaps[1]
    assert {"peak", "whitened_2", "orthogonal", "mse"} <= set(found["pca"])


def test_a_trimmed_autoencoder_does_not_see_what_struck_the_first(monkeypatch):
    images = np.random.default_rng(5).uniform(0, 1, (40, 32, 32, 1))
    # Noise of larger size is drawn worse by any network: 6 of 40 are 15 per cent.
    images[10:16] *= 3
    seen = []

    def trained(kind, batches, image_shape, seed, settings, epochs):
        seen.append(np.concatenate([np.asarray(batch) for batch in batches]))
        return robust.MeanImage(seen[-1])

    monkeypatch.setattr(robust, "trained", trained)
    monkeypatch.setattr(robust, "BATCH", 2)
    cutouts = Cutouts(images.astype(np.float32))
    options = {"stretch": "Linear", "settings": {}, "epochs": 1}
    found = robust.autoencoders(cutouts, cutouts[:20], 0, None, **options)
    assert [len(batch) for batch in seen] == [40, 34]
    # Stretched by the whole set, of which the rest fills a third.
    assert seen[0].max() > 0.9
    assert seen[1].max() < 0.4
    assert set(found) == {"dcae", "dcae_trimmed"}
    assert "whitened_2" in found["dcae_trimmed"]


def test_deviates_are_those_of_ranks():
    found = robust.deviates(np.arange(9.0), np.array([-1.0, 3.5, 4.5, 99.0]))
    # (0.5, 4.5, 5.5, 9.5) / 10; the middle ones lie evenly around the median.
    assert found == pytest.approx([-1.6449, -0.12566, 0.12566, 1.6449], abs=1e-4)


def test_the_table_holds_areas_and_losses_counted_by_hand(tmp_path):
    steps = {0.0: [1, 2, 3, 4, 5, 6], 0.1: [1, 2, 5, 6, 3, 5.5]}
    for p, values in steps.items():
        own = {("pca_trimmed", "whitened"): np.array(values, float)}
        cell(tmp_path, "fits", p, 0, own, LABELS)
    (row,) = robust.table(tmp_path)
    assert row["detector"] == "PCA, trimmed, whitened, 1 pixel"
    assert (row["auc_0"], row["auc_0.1"], row["loss"]) == (1.0, 5 / 8, 3 / 8)
    assert row["seeds"] == 1
    assert not len(robust.table(tmp_path / "nothing"))


def test_the_search_ends_at_the_closest_vector():
    class Linear:
        """Draws two numbers of a vector of three; the encoder is wrong."""

        image_shape = (2,)

        def encode(self, images):
            return tf.ones((len(images), 3))

        def decode(self, z):
            return z[:, :2]

        def features(self, images):
            return images

    goal = np.array([[1.5, -0.5], [0.2, 0.9]], np.float32)
    found = diagnosis.Searched(Linear()).reconstruct(goal)
    assert np.asarray(found) == pytest.approx(goal, abs=0.1)
