"""Images that excite filters: by hand, each by itself, and refused."""

import keras
import numpy as np
import pytest
from keras import layers

from astroanomaly.interpret import filter_images


@pytest.fixture
def bands():
    """Build filters of one pixel: the first band, twice minus the second, nothing."""
    inputs = keras.Input((5, 5, 2))
    maps = layers.Conv2D(4, 1, activation="relu", name="maps")(inputs)
    network = keras.Model(inputs, layers.Flatten()(maps))
    kernel = np.float32([[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, -1.0, 0.0]])
    bias = np.float32([0.0, 1.0, -1.0, 0.5])
    network.get_layer("maps").set_weights([kernel[None, None], bias])
    return network


def test_a_filter_of_one_band_makes_that_band_bright(bands):
    found = filter_images(bands, "maps", steps=10)
    assert found.images.shape == (4, 5, 5, 2)
    np.testing.assert_allclose(found.images[0, ..., 0], 1.0)
    np.testing.assert_allclose(found.images[1, ..., 1], 0.0)
    # Bands that a filter does not see stay as they began, for each filter alike.
    np.testing.assert_array_equal(found.images[0, ..., 1], found.images[3, ..., 1])
    np.testing.assert_allclose(found.after, [1.0, 1.0, -1.0, 0.5])
    assert found.before[0] == pytest.approx(found.images[1, ..., 0].mean(), abs=1e-6)
    # The third is closed behind its ReLU, and led to where it is least so.
    np.testing.assert_allclose(found.images[2, ..., 1], 0.0)
    # The last sees nothing: its image is the noise.
    assert found.before[3] == found.after[3]
    np.testing.assert_array_equal(found.images[3, ..., 0], found.images[1, ..., 0])


def test_a_step_has_the_length_of_the_rate(bands):
    # 25 equal derivatives: each pixel moves by a fifth of the step.
    given = {"n": 1, "learning_rate": 0.1}
    one, two = (filter_images(bands, "maps", steps=n, **given).images for n in (1, 2))
    np.testing.assert_allclose((two - one)[0, ..., 0], 0.1 / 5, atol=1e-6)


def test_filters_do_not_depend_on_each_other(finder):
    layer = finder.network.layers[1].name
    some = filter_images(finder, layer, steps=5, filters=[3, 1])
    alone = filter_images(finder, layer, steps=5, filters=[1])
    np.testing.assert_allclose(some.images[1], alone.images[0], atol=1e-6)
    assert (some.after >= some.before).all()
    again = filter_images(finder, layer, steps=5, filters=[3, 1])
    np.testing.assert_array_equal(some.images, again.images)
    assert len(filter_images(finder, layer, n=2, steps=1).images) == 2


def test_errors_name_the_argument(bands):
    with pytest.raises(ValueError, match="`layer` must be .*Received: first"):
        filter_images(bands, "first")
    with pytest.raises(ValueError, match=r"`filters` must be .* 0 to 3. .*\[4\]"):
        filter_images(bands, "maps", filters=[4])
    with pytest.raises(ValueError, match="`n` must be a whole number >= 1"):
        filter_images(bands, "maps", n=0)
    with pytest.raises(ValueError, match="`learning_rate` must be above 0"):
        filter_images(bands, "maps", learning_rate=0)
    anysize = keras.Input((None, None, 1))
    free = keras.Model(anysize, layers.Conv2D(2, 3, name="maps")(anysize))
    with pytest.raises(ValueError, match="`shape` must be .* Received: None"):
        filter_images(free, "maps")
    assert filter_images(free, "maps", steps=1, shape=(8, 9, 1)).images.shape == (
        2,
        8,
        9,
        1,
    )
