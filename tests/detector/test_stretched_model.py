"""A model with its stretch: chunks, bands, shapes."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly.detector.stretched_model import StretchedModel
from astroanomaly.stretches import Linear


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
    return StretchedModel(Half(), Linear(vmin=0, vmax=200, bands=["i"]))


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
    np.testing.assert_array_equal(model.count_clipped(both), below + [0, 1, 0])
    model.model.image_shape = (48, 48, 1)
    with pytest.raises(ValueError, match=r"shape \(48, 48, 1\).*32, 1\); read .*=48"):
        model.stretched(both)


def test_a_stretch_without_a_range_is_refused():
    with pytest.raises(ValueError, match="must be adapted to the training images"):
        StretchedModel(Half(), Linear())
