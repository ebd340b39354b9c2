"""A model with its stretch and its search."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly.detector import AnomalyDetector, drawing
from astroanomaly.detector.image_model import ImageModel
from astroanomaly.latent import Encoder
from astroanomaly.models import DCAE, WGANGP, ProgressiveGAN
from astroanomaly.stretches import Linear


def test_bands_are_taken_by_name(parts, test_set, detector):
    both = blobs(5, 3, bands=("z", "i"))
    both.images[..., 0] = 0
    few = both.select_bands(["i"])
    np.testing.assert_array_equal(
        detector.score_samples(both), detector.score_samples(few)
    )
    with pytest.raises(ValueError, match="'i'.*z"):
        detector.score(both.select_bands(["z"]))


class Mean:
    """A model that reconstructs by itself, without a latent search."""

    image_shape = (32, 32, 1)

    def reconstruct(self, images):
        return np.full(np.shape(images), 0.3, np.float32)

    def features(self, images):
        return np.reshape(images, (len(images), -1))

    def get_config(self):
        return {}


def test_any_model_that_reconstructs_will_do(parts, test_set):
    detector = AnomalyDetector(Mean(), parts[1], score="residual")
    table = detector.calibrate(blobs(40, 2), (90,)).score(test_set)
    assert np.isnan(table["latent_norm"]).all()
    assert detector.method == "model"


def test_views_are_averaged_after_they_are_turned_back(parts, test_set):
    gan, stretch, encoder = parts
    images = np.asarray(stretch(test_set[44:48].images))

    def drawn(views):
        return np.asarray(gan.generator(encoder.network(views)))

    turned = np.rot90(images, 2, axes=(1, 2))
    expected = (drawn(images) + np.rot90(drawn(turned), -2, axes=(1, 2))) / 2
    model = ImageModel(gan, stretch, encoder, w=0.1, seed=0, views=2)
    np.testing.assert_allclose(model.reconstruct(images)[0], expected, atol=1e-5)


def test_a_model_that_reconstructs_takes_no_search():
    model = DCAE((32, 32, 1), latent_dim=4)
    with pytest.raises(ValueError, match="DCAE reconstructs by itself .* mapping"):
        ImageModel(model, Linear(vmin=0, vmax=1), "mapping", 0.1, 0, 1)


def test_all_views_of_an_image_have_the_same_mean_reconstruction(parts, test_set):
    gan, stretch, encoder = parts
    images = np.asarray(stretch(test_set[44:48].images))
    model = ImageModel(gan, stretch, encoder, w=0.1, seed=0, views=8)
    mirrored = model.reconstruct(images[:, :, ::-1])[0][:, :, ::-1]
    np.testing.assert_allclose(model.reconstruct(images)[0], mirrored, atol=1e-5)


def test_views_beyond_the_symmetries_are_refused(parts):
    for views in (0, 9, 2.5):
        with pytest.raises(ValueError, match="`views` must be an integer from 1 to 8"):
            AnomalyDetector(*parts, views=views)


def test_a_model_that_grew_is_scored_at_its_new_level():
    gan = ProgressiveGAN((32, 32, 1), latent_dim=4, fmap_max=4, stable_images=8)
    images = np.random.default_rng(0).random((3, 32, 32, 1)).astype(np.float32)
    model = ImageModel(gan, Linear(vmin=0, vmax=1), None, w=0.1, seed=0, views=1)
    model.features(images)
    model.reconstruct(images)
    gan.seen.assign(8)
    np.testing.assert_allclose(model.features(images), gan.features(images), atol=1e-5)
    drawn, z, _ = model.reconstruct(images)
    np.testing.assert_allclose(drawn, gan.reconstruct(images), atol=1e-5)
    np.testing.assert_allclose(z, gan.encode(images.astype(np.float64)), atol=1e-5)


class Half:
    """A model of which only two methods are known."""

    image_shape = [32, 32, 1]
    sizes = ()

    def features(self, images):
        self.sizes = (*self.sizes, len(images))
        return images.reshape(len(images), -1) / 2

    def mean(self, images):
        return images.mean(axis=(1, 2, 3))


@pytest.fixture
def model():
    return ImageModel(Half(), Linear(vmin=0, vmax=200, bands=["i"]))


def test_chunks_of_one_size_go_through(model):
    cutouts = blobs(35, 1)
    images = model.stretched(cutouts)
    np.testing.assert_allclose(images, np.clip(cutouts.images / 200, 0, 1), atol=1e-7)
    found = model.features(images)
    np.testing.assert_array_equal(found, images.reshape(35, -1) / 2)
    assert model.model.sizes == (32, 32)
    np.testing.assert_allclose(
        model.of_images("mean", images), images.mean(axis=(1, 2, 3)), rtol=1e-6
    )


def test_the_models_bands_are_picked_and_its_shape_wanted(model):
    assert model.image_shape == (32, 32, 1)
    both = blobs(3, 1, bands=("z", "i"))
    both.images[..., 0] = 150
    expected = model.stretched(both.select_bands(["i"]))
    np.testing.assert_array_equal(model.stretched(both), expected)
    both.images[1, 0, 0, 1] = 300
    below = (both.images[..., 1] < 0).sum(axis=(1, 2))
    np.testing.assert_array_equal(
        model.stretch.count_clipped(model.select_bands(both)), below + [0, 1, 0]
    )
    model.image_shape = (48, 48, 1)
    with pytest.raises(ValueError, match=r"shape \(48, 48, 1\).*32, 1\); read .*=48"):
        model.stretched(both)


def test_a_stretch_without_a_range_is_refused():
    with pytest.raises(ValueError, match="must be adapted to the training images"):
        ImageModel(Half(), Linear())


@pytest.mark.parametrize("bands", [1, 5])
def test_slow_layers_are_drawn_by_phases_up_to_rounding(bands, monkeypatch):
    monkeypatch.setattr(drawing, "_WORTH", 0)
    # 40 pixels: five at first, so that the drawn 80 are cut.
    gan = WGANGP((40, 40, bands), latent_dim=8, width=4, kernel_size=4 + bands % 2)
    search = Encoder(gan)
    model = ImageModel(gan, Linear(vmin=0, vmax=1), search)
    images = np.random.default_rng(1).random((3, 40, 40, bands), np.float32)

    def difference():
        expected = gan.generator(search.network(images))
        return np.max(np.abs(model.reconstruct(images)[0] - expected))

    assert difference() < 1e-6
    # A generator that learned more is drawn as it is now.
    gan.generator.set_weights([2 * w for w in gan.generator.get_weights()])
    assert difference() < 1e-6
