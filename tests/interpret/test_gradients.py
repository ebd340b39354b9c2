"""Grad-CAM and guided backpropagation against computations by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from astroanomaly.interpret import grad_cam, guided_backpropagation, guided_grad_cam
from astroanomaly.interpret.gradients import centres, enlarge, guided_relu
from astroanomaly.models.lens_finder.networks import build_lens_network

DENSE = np.float32([[1.0, 2.0], [-1.0, 0.5], [0.5, -3.0]])


def pooled(size=6, activation=None):
    """Build one 3x3 convolution, a mean over the pixels, two outputs."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((size, size, 2))
    x = layers.Conv2D(3, 3, padding="same", activation=activation, name="maps")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, layers.Dense(2, name="dense")(x))
    network.get_layer("dense").set_weights([DENSE, np.zeros(2)])
    return network


@pytest.fixture
def small():
    return np.random.default_rng(0).random((6, 6, 2), dtype="float32")


@pytest.mark.parametrize("contrast", [False, True])
@pytest.mark.parametrize("target", [0, 1])
def test_grad_cam_is_cam_where_cam_exists(small, target, contrast):
    network = pooled()
    kernel, bias = network.get_layer("maps").get_weights()
    padded = np.pad(small, ((1, 1), (1, 1), (0, 0)))
    maps = np.zeros((6, 6, 3))
    for y in range(6):
        for x in range(6):
            window = padded[y : y + 3, x : x + 3]
            maps[y, x] = np.tensordot(window, kernel, 3) + bias
    # The gradient of a mean over 36 pixels is the dense weight over 36.
    weights = DENSE[:, target] - contrast * DENSE[:, 1 - target]
    expected = np.maximum(maps @ weights / 36, 0)
    assert 0 < (expected > 0).sum() < 36
    found = grad_cam(network, small, target=target, contrast=contrast)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_grad_cam_does_not_need_trainable_weights(small):
    network = pooled()
    free = grad_cam(network, small)
    network.trainable = False
    np.testing.assert_array_equal(grad_cam(network, small), free)


def test_a_small_map_is_enlarged_to_the_image(finder, image):
    heat = grad_cam(finder, image)
    assert heat.shape == image.shape[:2]
    assert heat.min() >= 0
    first = finder.network.layers[1].name
    assert not np.allclose(grad_cam(finder, image, layer=first), heat)
    # Without `last_convolution`, the last one is found.
    np.testing.assert_array_equal(grad_cam(finder.network, image), heat)


def test_one_output_and_its_negative(small):
    inputs = keras.Input((6, 6, 2))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(1, 1, name="maps")(inputs))
    network = keras.Model(inputs, layers.Dense(1, name="dense")(x))
    network.get_layer("maps").set_weights([np.ones((1, 1, 2, 1)), np.zeros(1)])
    network.get_layer("dense").set_weights([np.float32([[36.0]]), np.zeros(1)])
    np.testing.assert_allclose(grad_cam(network, small), small.sum(axis=2), rtol=1e-5)
    np.testing.assert_array_equal(grad_cam(network, small, target=0), 0)


def test_unpooled_heat_is_what_each_pixel_adds(small):
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(1, 1, use_bias=False, name="maps")(inputs)
    x = layers.Dense(1, use_bias=False, name="dense")(layers.Flatten()(x))
    network = keras.Model(inputs, x)
    network.get_layer("maps").set_weights([np.ones((1, 1, 2, 1))])
    # A lens in the left half, and more against it in the right one.
    sign = np.repeat([[1.0] * 3 + [-5.0] * 3], 6, axis=0)
    network.get_layer("dense").set_weights([sign.reshape(36, 1)])
    np.testing.assert_array_equal(grad_cam(network, small), 0)
    heat = grad_cam(network, small, pooled=False)
    expected = np.maximum(small.sum(axis=2) * sign, 0)
    np.testing.assert_allclose(heat, expected, rtol=1e-5)
    against = grad_cam(network, small, target=0, pooled=False)
    y = float(network(small[None])[0, 0])
    assert heat.sum() - against.sum() == pytest.approx(y, rel=1e-5)
    guided = guided_grad_cam(network, small, pooled=False)
    by_hand = np.repeat((heat * sign)[..., None], 2, axis=2)
    np.testing.assert_allclose(guided, by_hand, rtol=1e-5)


def test_a_guided_relu_stops_closed_units_and_negative_gradients():
    x = tf.constant([-1.0, 2.0, 3.0, -4.0])
    weights = tf.constant([1.0, 1.0, -1.0, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(weights * guided_relu(x))
    assert float(y) == 2.0 - 3.0
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 0, 0])


RELUS = {
    "inside": lambda x: layers.Conv2D(4, 1, activation="relu", name="maps")(x),
    "layer": lambda x: layers.ReLU()(layers.Conv2D(4, 1, name="maps")(x)),
    "activation": lambda x: layers.Activation("relu")(
        layers.Conv2D(4, 1, name="maps")(x)
    ),
}


@pytest.mark.parametrize("kind", RELUS)
def test_guided_backpropagation_by_hand(kind):
    inputs = keras.Input((1, 1, 1))
    x = layers.Flatten()(RELUS[kind](inputs))
    network = keras.Model(inputs, layers.Dense(1, name="dense")(x))
    # Units 2x, 3x, -5x and 7x with weights 1, -1, 1 and 1: the second has a negative
    # gradient, the third is closed. Unguided the gradient would be 2 - 3 + 7.
    kernel = np.float32([2, 3, -5, 7]).reshape(1, 1, 1, 4)
    network.get_layer("maps").set_weights([kernel, np.zeros(4)])
    dense = np.float32([[1], [-1], [1], [1]])
    network.get_layer("dense").set_weights([dense, np.zeros(1)])
    image = np.full((1, 1, 1), 0.5, np.float32)
    assert guided_backpropagation(network, image)[0, 0, 0] == pytest.approx(9)
    assert guided_backpropagation(network, image, target=0)[0, 0, 0] == pytest.approx(3)
    x = tf.constant(image[None])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network(x)
    # The network itself is as it was.
    assert float(tape.gradient(y, x)[0, 0, 0, 0]) == pytest.approx(6)


def test_a_leaky_relu_is_left_as_it_is():
    inputs = keras.Input((1, 1, 1))
    x = layers.ReLU(negative_slope=0.5)(inputs)
    network = keras.Model(inputs, layers.Flatten()(x))
    image = np.full((1, 1, 1), -1.0, np.float32)
    assert guided_backpropagation(network, image)[0, 0, 0] == pytest.approx(0.5)


def test_guided_grad_cam_is_the_product(finder, image):
    heat = grad_cam(finder, image)
    guided = guided_backpropagation(finder, image)
    found = guided_grad_cam(finder, image)
    np.testing.assert_allclose(found, heat[..., None] * guided)
    assert found.shape == image.shape


def test_errors_name_the_argument(small):
    network = pooled()
    with pytest.raises(ValueError, match="`layer` must be .*maps. Received: dense"):
        grad_cam(network, small, layer="dense")
    with pytest.raises(ValueError, match="`target` must be .* 0 to 1. Received: 2"):
        grad_cam(network, small, target=2)
    with pytest.raises(ValueError, match="`target` must be .* 0 to 1. Received: -1"):
        guided_backpropagation(network, small, target=-1)
    with pytest.raises(ValueError, match=r"`image` must have the shape \(6, 6, 2\)"):
        guided_grad_cam(network, small[..., :1])
    with pytest.raises(ValueError, match="`image` must hold finite pixels"):
        grad_cam(network, small * np.nan)
    with pytest.raises(ValueError, match="functional keras.Model.*Received: function"):
        grad_cam(lambda x: x, small)
    inputs = keras.Input((6, 6, 2))
    flat = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="`network` must have a convolution"):
        grad_cam(flat, small)


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
