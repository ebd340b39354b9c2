"""The ceiling: what a network that is told the answer sees in the same images."""

import keras
import numpy as np
from keras import layers


class Ceiling:
    """A small supervised network that knows smooth lenses from those with substructure.

    Four convolutions of stride 2 with batch normalization, global maxima and means,
    one dense layer; binary cross-entropy, Adam with a cosine decay, images turned by
    half a turn and mirrored at random, which the lenses of the setting allow.

    Parameters
    ----------
    image_shape : tuple of int
        (ny, nx, n_bands).
    width : int
        Filters of the first level.
    epochs : int
        Passes over the labelled set.
    seed : int
        Of first weights and order.
    """

    def __init__(self, image_shape, width: int, epochs: int, seed: int):
        self.epochs, self.seed = epochs, seed
        keras.utils.set_random_seed(seed)
        self.model = _network(image_shape, width)

    def fit(self, images: np.ndarray, labels: np.ndarray, batch_size=64) -> "Ceiling":
        """Train on labelled images.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Stretched images.
        labels : ndarray of shape (n,)
            1 with substructure, 0 without.
        batch_size : int
            Images per step.

        Returns
        -------
        Ceiling
            Itself.
        """
        rng = np.random.default_rng(self.seed)
        n_steps = max(len(images) // batch_size, 1) * self.epochs
        rate = keras.optimizers.schedules.CosineDecay(1e-3, n_steps)
        self.model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        for _ in range(self.epochs):
            order = rng.permutation(len(images))
            for start in range(0, len(images) - batch_size + 1, batch_size):
                chosen = order[start : start + batch_size]
                batch = images[chosen][
                    :, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])
                ]
                self.model.train_on_batch(batch, labels[chosen])
        return self

    def score(self, images: np.ndarray) -> np.ndarray:
        """Return the probability of substructure, shape (n,)."""
        return self.model.predict(images, batch_size=64, verbose=0)[:, 0]


def _network(image_shape, width):
    inputs = x = keras.Input(image_shape)
    for level in range(4):
        x = layers.Conv2D(width * 2**level, 5 if level == 0 else 3, 2, "same")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    )
    x = layers.Dense(64, activation="relu")(layers.Dropout(0.2, seed=0)(x))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
