"""Windows of a network's maps against the whole network."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from astroanomaly.interpret.windows import Axis, Windows, chain, paste, stages


def masked(image, y, x, size, fill):
    images = np.repeat(image[None], len(y), axis=0)
    for one, row, column in zip(images, y, x, strict=True):
        one[row : row + size, column : column + size] = fill
    return images


def test_an_axis_by_hand():
    # A 5-pixel convolution, then a pooling by 2, on 200 pixels.
    axis = Axis(5, 1, 0, 0, 200, 196).then(Axis(2, 2, 0, 0, 196, 98))
    assert axis == Axis(6, 2, 0, 0, 200, 98)
    # 4 pixels reach 8 pixels of the map, in 4 or 5 pairs.
    assert axis.patch(4) == 5
    assert axis.window(5) == 14
    # The change of pixels 10 to 13 reaches 6 to 13 of the map, its pairs 3 to 6.
    corners = tf.constant([0, 10, 196])
    np.testing.assert_array_equal(axis.first(corners, 5), [0, 3, 93])


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_patch_holds_every_output_that_a_change_reaches(kernel, stride, before):
    n_in, changed = 17, 4
    n_out = (n_in + before + 1 - kernel) // stride + 1
    axis = Axis(kernel, stride, before, 1, n_in, n_out)
    size = axis.patch(changed)
    for corner in range(n_in - changed + 1):
        sees = [
            j
            for j in range(n_out)
            if j * stride - before < corner + changed
            and j * stride - before + kernel > corner
        ]
        first = int(axis.first(tf.constant(corner), size))
        assert 0 <= first <= n_out - size
        assert set(sees) <= set(range(first, first + size))
        end = first * stride + axis.window(size)
        assert end <= n_in + before + 1


def test_paste_by_hand():
    cache = tf.reshape(tf.range(20), (4, 5, 1))
    patches = tf.fill((2, 2, 2, 1), -1)
    corners = (tf.constant([1, 3]), tf.constant([2, -1]))
    starts = (tf.constant([0, 2]), tf.constant([1, 0]))
    found = paste(cache, patches, corners, starts, (2, 3))[..., 0]
    np.testing.assert_array_equal(found[0], [[1, 2, 3], [6, -1, -1]])
    # A patch that lies partly outside the window.
    np.testing.assert_array_equal(found[1], [[10, 11, 12], [-1, 16, 17]])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_windows_equal_whole_images(make_network, image, padding, size):
    network = make_network(padding)
    # Statistics other than 0 and 1, so that the layer does something.
    norm = next(one for one in network.layers if "batch" in one.name)
    rng = np.random.default_rng(0)
    norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    windows = Windows(network, lambda logits: logits[:, 0], image, size)
    assert len(windows.local) >= 2
    ends = np.array(image.shape[:2]) - size
    y, x = (rng.integers(0, end + 1, 40) for end in ends)
    y[:4], x[:4] = [0, 0, *ends[[0, 0]]], [0, ends[1], 0, ends[1]]
    fill = np.float32([0.3, 0.9])
    hidden = np.array([True, True])
    found = windows(*(tf.constant(v, tf.int32) for v in (y, x)), hidden, fill)
    whole = network(masked(image, y, x, size, fill), training=False)[:, 0]
    assert np.ptp(whole) > 1e-3
    np.testing.assert_allclose(found, whole, atol=1e-5)
    one = network(image[None], training=False)[:, 0]
    np.testing.assert_allclose(windows.unmasked, one, atol=1e-5)


def test_poolings_join_the_convolution_before_them(make_network):
    local, rest = stages(chain(make_network()), (64, 60))
    kinds = [[type(one).__name__ for one in stage.layers] for stage in local]
    assert kinds == [
        ["Conv2D", "MaxPooling2D"],
        ["Conv2D", "BatchNormalization", "ReLU"],
        ["Conv2D", "LeakyReLU", "AveragePooling2D"],
    ]
    assert type(rest[0]).__name__ == "Flatten"
    assert local[0].axes == (Axis(6, 2, 0, 0, 64, 30), Axis(6, 2, 0, 0, 60, 28))


def test_a_mask_that_changes_most_of_a_map_needs_no_windows(make_network, image):
    assert not Windows(make_network(), lambda y: y[:, 0], image, 50).local


def test_what_is_no_chain_is_left_alone():
    inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(2, 3, padding="same")(inputs)
    branched = keras.Model(inputs, layers.Add()([x, layers.ReLU()(x)]))
    assert chain(branched) is None
    assert chain(keras.Model(inputs, keras.ops.relu(x) + 1)) is None
    assert chain(keras.Sequential([layers.Dense(1)])) is None
    assert chain(None) is None
    built = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    assert [one.name for one in chain(built)] == [built.layers[0].name]
