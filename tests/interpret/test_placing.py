"""Where a map lies in the image, against what its pixels really see."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from astroanomaly.interpret import grad_cam
from astroanomaly.interpret.placing import centres, enlarge
from astroanomaly.models.lens_finder.networks import build_lens_network


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_centres_are_the_middles_of_what_pixels_see(padding):
    ones = {"padding": padding, "kernel_initializer": "ones"}
    x = inputs = keras.Input((41, 40, 1))
    x = layers.Conv2D(1, 5, **ones)(x)
    x = layers.ReLU()(layers.AveragePooling2D(2)(x))
    x = layers.Conv2D(1, 3, strides=2, dilation_rate=1, **ones)(x)
    x = layers.Conv2D(1, 2, **ones, name="last")(x)
    network = keras.Model(inputs, x)
    places = centres(network, "last", (41, 40))
    image = tf.ones((1, 41, 40, 1))
    j = 3
    with tf.GradientTape() as tape:
        tape.watch(image)
        y = network(image)[0, j, j, 0]
    seen = np.argwhere(tape.gradient(y, image)[0, ..., 0] > 0)
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    expected = [first + j * step for first, step in places]
    np.testing.assert_allclose(middle, expected)


def test_the_last_map_of_the_lens_finder_by_hand():
    network = build_lens_network((200, 200, 1), "ou200")
    # Half kernels times steps: 2 + 0.5, 2 * 2 + 1, 4 + 2, 8 + 4, 16 and 16.
    assert centres(network, "conv_6", (200, 200)) == [(57.5, 16), (57.5, 16)]
    assert centres(network, "conv_1", (200, 200)) == [(2.0, 1), (2.0, 1)]


def test_enlarging_by_hand():
    network = build_lens_network((116, 132, 1), "ou200")
    # One row and two columns, in the middles of 116 and 116 + 16 pixels.
    places = centres(network, "conv_6", (116, 132))
    assert places == [(57.5, 16), (57.5, 16)]
    found = enlarge(np.array([[4.0, 8.0]]), network, "conv_6", (116, 132))
    # Half way between; then up to half a step beyond, and falling to 0.
    assert found[57, 65] == pytest.approx(4 + 4 * 7.5 / 16)
    assert found[57, 50] == pytest.approx(4.0)
    assert found[57, 41] == pytest.approx(4 * (1.5 - 16.5 / 16))
    assert found[57, 33] == 0
    assert found[82, 50] == 0


def test_the_heat_lies_on_the_source():
    x = inputs = keras.Input((48, 48, 1))
    ones = {"kernel_initializer": "ones", "activation": "relu"}
    x = layers.MaxPooling2D(2)(layers.Conv2D(1, 5, **ones)(x))
    x = layers.Conv2D(1, 5, **ones)(x)
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(x))
    image = np.zeros((48, 48, 1), np.float32)
    image[36, 12] = 1.0
    heat = grad_cam(network, image)
    y, x = np.indices(heat.shape)
    middle = (y * heat).sum() / heat.sum(), (x * heat).sum() / heat.sum()
    np.testing.assert_allclose(middle, (36, 12), atol=1.0)


def test_unknown_layers_stretch_the_map():
    inputs = keras.Input((8, 8, 1))
    x = layers.UpSampling2D()(inputs)
    network = keras.Model(inputs, layers.Conv2D(1, 1, name="last")(x))
    assert centres(network, "last", (8, 8)) is None
    found = enlarge(np.array([[1.0, 3.0]] * 2), network, "last", (8, 8))
    # Two pixels of 4, their middles at 1.5 and 5.5.
    row = [1, 1, 1.25, 1.75, 2.25, 2.75, 3, 3]
    np.testing.assert_allclose(found, [row] * 8)
