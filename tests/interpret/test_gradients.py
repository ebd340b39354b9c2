"""Grad-CAM and guided backpropagation against computations by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from astroanomaly.interpret import grad_cam, guided_backpropagation, guided_grad_cam
from astroanomaly.interpret.gradients import guided_relu

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
