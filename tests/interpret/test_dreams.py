"""Dreams: the steps by hand, the direction, the range, the seed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from astroanomaly.interpret import deep_dream, filter_images

WEIGHTS = np.float32([[[3.0, 0.0]], [[0.0, -4.0]]])


def linear(images):
    return tf.reduce_sum(images * WEIGHTS, axis=(1, 2, 3))


def test_a_step_on_a_linear_output_by_hand():
    start = np.full((2, 1, 2), 0.5, np.float32)
    # The gradient is the weights, of norm 5.
    dream = deep_dream(linear, start, target=1, steps=1)
    np.testing.assert_allclose(dream.image, start + 0.1 * WEIGHTS / 5, atol=1e-6)
    np.testing.assert_allclose(dream.history, [-0.5, -0.5 + 0.5], atol=1e-6)
    plain = deep_dream(
        linear, start, target="non-lens", steps=1, learning_rate=0.05, normalize="none"
    )
    np.testing.assert_allclose(plain.image, start - 0.05 * WEIGHTS, atol=1e-6)
    assert plain.target == -1


def test_pixels_stay_between_0_and_1():
    start = np.full((2, 1, 2), 0.5, np.float32)
    dream = deep_dream(linear, start, steps=30, normalize="none")
    np.testing.assert_array_equal(dream.image[WEIGHTS > 0], 1.0)
    np.testing.assert_array_equal(dream.image[WEIGHTS < 0], 0.0)
    np.testing.assert_array_equal(dream.image[WEIGHTS == 0], 0.5)


@pytest.mark.parametrize(("target", "sign"), [("lens", 1), ("non-lens", -1)])
def test_a_finder_is_led_either_way(finder, image, target, sign):
    dream = deep_dream(finder, image, target, steps=15)
    assert sign * (dream.history[-1] - dream.history[0]) > 0.01
    assert dream.history.shape == (16,)
    assert dream.history[0] == pytest.approx(float(finder.probability(image[None])[0]))
    assert 0 <= dream.image.min() <= dream.image.max() <= 1
    np.testing.assert_array_equal(dream.start, image)


def test_a_saturated_probability_has_a_way_back(finder, image):
    class Sure(type(finder)):
        def logit(self, images):
            return super().logit(images) + 60.0

    dream = deep_dream(Sure(finder.network), image, "non-lens", steps=2)
    assert dream.history[0] == 1.0
    assert np.abs(dream.image - image).max() > 1e-4


def test_noise_has_a_seed_and_any_number_of_bands():
    def output(images):
        return tf.reduce_mean(images[:, 2:4, 2:4], axis=(1, 2, 3))

    one, again, other = (
        deep_dream(output, shape=(6, 6, 5), steps=3, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.image, again.image)
    assert np.abs(one.start - other.start).max() > 0.01
    assert 0.4 <= one.start.min() <= one.start.max() <= 0.6


def test_progress_is_told_after_each_step():
    told = []
    deep_dream(linear, shape=(2, 1, 2), steps=2, progress=lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)]


def test_errors_name_the_argument(image):
    with pytest.raises(ValueError, match="`target` must be .*Received: 'arc'"):
        deep_dream(linear, image, target="arc")
    with pytest.raises(ValueError, match="`steps` must be .* Received: 0"):
        deep_dream(linear, image, steps=0)
    with pytest.raises(ValueError, match="`learning_rate` must be above 0"):
        deep_dream(linear, image, learning_rate=-1)
    with pytest.raises(ValueError, match="`normalize` must be one of norm, none"):
        deep_dream(linear, image, normalize="max")
    with pytest.raises(ValueError, match=r"stretched to \[0, 1\].*to 2"):
        deep_dream(linear, np.full((2, 1, 2), 2.0))
    with pytest.raises(ValueError, match="`shape` must be .* Received: None"):
        deep_dream(linear)
    with pytest.raises(ValueError, match="`shape` must be .* Received: .*0"):
        deep_dream(linear, shape=(8, 0, 1))
    for blind in (
        lambda images: np.asarray(images).sum(axis=(1, 2, 3)),
        lambda images: tf.zeros(len(images)),
    ):
        with pytest.raises(ValueError, match="`output` must be differentiable"):
            deep_dream(blind, image)
    with pytest.raises(ValueError, match="one number per image"):
        deep_dream(lambda images: images, image)


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


def test_errors_of_filters_name_the_argument(bands):
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
