"""Small networks, and a classifier that is shaped as the lens finder."""

import keras
import numpy as np
import pytest
from keras import layers

SHAPE = (64, 60, 2)


def build(padding="valid", n_outputs=2, seed=0, shape=SHAPE):
    """Build a chain of every kind of layer that windows know."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(shape)
    x = layers.Conv2D(5, 5, activation="relu", padding=padding)(x)
    x = layers.MaxPooling2D(2, padding=padding)(x)
    x = layers.Conv2D(6, 3, padding=padding, dilation_rate=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(4, 3, strides=2, padding=padding, name="last")(x)
    x = layers.LeakyReLU()(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(n_outputs)(x))


class Finder(keras.Model):
    """What the looks into a network need of a classifier."""

    last_convolution = "last"

    def __init__(self, network):
        super().__init__()
        self.network = network

    def logit(self, images):
        logits = self.network(images, training=False)
        return logits[:, 1] - logits[:, 0]

    def probability(self, images):
        return keras.ops.sigmoid(self.logit(images))


@pytest.fixture(scope="session")
def network():
    return build()


@pytest.fixture(scope="session")
def finder(network):
    return Finder(network)


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(3).random(SHAPE, dtype="float32")


@pytest.fixture
def make_network():
    return build
