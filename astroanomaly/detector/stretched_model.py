"""A trained model with its stretch: cutouts in, what the model says out."""

import keras
import numpy as np
import tensorflow as tf

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.latent.objective import in_chunks


class StretchedModel:
    """Cutouts in; stretched images and what the model makes of them out.

    Images go through in chunks of one fixed size, the last one padded, so that what
    comes out for an image does not depend on its neighbors.

    Parameters
    ----------
    model : keras.Model
        Trained model with `image_shape`.
    stretch : Stretch
        The adapted stretch that it was trained with.

    Raises
    ------
    ValueError
        If the stretch is not adapted.
    """

    def __init__(self, model, stretch):
        if not stretch.adapted:
            raise ValueError(
                "`stretch` must be adapted to the training images first: call "
                "`stretch.adapt(train)`."
            )
        self.model, self.stretch = model, stretch
        self._traced: dict = {}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (ny, nx, n_bands) of the images that the model takes."""
        return tuple(self.model.image_shape)

    def stretched(self, cutouts: Cutouts) -> np.ndarray:
        """Pick the bands by name, check the shape, stretch."""
        cutouts = self._own_bands(cutouts)
        if cutouts.image_shape != self.image_shape:
            raise ValueError(
                f"`cutouts` must have images of shape {self.image_shape}, as the "
                f"model was trained on. Received: {cutouts.image_shape}; read them "
                f"with size={self.image_shape[0]}."
            )
        return in_chunks(self.stretch, cutouts.images)

    def count_clipped(self, cutouts: Cutouts) -> np.ndarray:
        """Count the pixels of each image that the stretch clips."""
        return self.stretch.count_clipped(self._own_bands(cutouts))

    def _own_bands(self, cutouts: Cutouts) -> Cutouts:
        bands = self.stretch.bands
        if bands is None or cutouts.bands == tuple(bands):
            return cutouts
        return cutouts.select_bands(bands)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Compute the features of stretched images."""
        return self.of_images("features", images)

    def of_images(self, name: str, images: np.ndarray) -> np.ndarray:
        """Give what a method of the model makes of stretched images."""
        return in_chunks(self._function(name), images)

    def _function(self, name: str):
        """Give a method of the model as a graph: eager calls cost several times more.

        A model that grows gets another graph for each level.
        """
        method = getattr(self.model, name)
        if not isinstance(self.model, keras.Model):
            return method
        key = name, getattr(self.model, "level", None)
        if key not in self._traced:
            self._traced[key] = tf.function(method)
        return self._traced[key]
