"""The model of a detector with its stretch and its latent search."""

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split

import keras
import numpy as np
import tensorflow as tf

from astroanomaly import latent
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.drawing import QuickGenerator
from astroanomaly.detector.image_input import ImageInput
from astroanomaly.utils.chunks import in_chunks, joined

# The square's symmetries: quarter turns, and whether mirrored. Any first few of
# them are as unlike each other as that number allows.
TURNS = ((0, 0), (2, 0), (1, 0), (3, 0), (0, 1), (2, 1), (1, 1), (3, 1))
# Of so many numbers TensorFlow computes the last ones one by one, in other bits.
_PACKET = 64
SEARCHES = {
    "encoder": latent.Encoder,
    "refine": latent.Refine,
    "mapping": latent.Mapping,
}


class ImageModel(ImageInput):
    """Turn cutouts into stretched images, reconstructions, features and logits.

    Images pass in chunks of one fixed size, the last one padded, so that the result
    for an image does not depend on its neighbors.

    Parameters
    ----------
    model : keras.Model
        Trained model with `image_shape`.
    stretch : Stretch
        The adapted stretch that it was trained with.
    search : Encoder, Refine, Mapping or str, optional
        How a GAN finds z; None for a model that needs no search.
    w : float, optional
        Weight of the feature term of a search that is made here by its name.
    seed : int, optional
        Seed of such a search.
    views : int, optional
        Turned and mirrored views of an image that are reconstructed and averaged.
    encoder : Encoder, optional
        Trained encoder; by default that of the search.

    Attributes
    ----------
    search : Encoder, Refine, Mapping or None
        The search in use.
    method : str
        Its name; "model" when the model needs none.
    image_shape : tuple of int
        Shape (ny, nx, n_bands) of the images that the model takes.

    Raises
    ------
    ValueError
        If the stretch is not adapted, or `search` or `views` does not suit.
    """

    def __init__(
        self, model, stretch, search=None, w=0.1, seed=0, views=1, encoder=None
    ):
        if views not in range(1, len(TURNS) + 1):
            raise ValueError(
                f"`views` must be an integer from 1 to {len(TURNS)}. Received: {views}"
            )
        if not stretch.adapted:
            raise ValueError(
                "`stretch` must be adapted to the training images first: call "
                "`stretch.adapt(train)`."
            )
        self.model, self.stretch = model, stretch
        # A tuple also where a loaded config gave a list: shapes are compared.
        self.image_shape = tuple(model.image_shape)
        self.views, self.w, self.seed = int(views), w, seed
        self.encoder = encoder or getattr(search, "encoder", None)
        if isinstance(search, latent.Encoder):
            self.encoder = search
        self._traced: dict = {}
        self.use(search)

    def use(self, search) -> None:
        """Choose a latent search, by itself or by its name."""
        if search is not None and hasattr(self.model, "reconstruct"):
            raise ValueError(
                f"{type(self.model).__name__} reconstructs by itself and needs no "
                f"latent search: leave `latent` out. Received: {search}"
            )
        if not isinstance(search, str):
            self.search = search
        elif search not in SEARCHES:
            raise ValueError(
                f"`latent` must be one of {', '.join(SEARCHES)}. Received: {search}"
            )
        elif search == "mapping":
            self.search = latent.Mapping(self.model, w=self.w, seed=self.seed)
        elif self.encoder is None:
            raise ValueError(
                f"the method {search!r} needs a trained Encoder, which this "
                "detector does not have."
            )
        elif search == "encoder":
            self.search = self.encoder
        else:
            self.search = latent.Refine(self.encoder, w=self.w)
        self.method = "model" if self.search is None else self.search.name_in_tables

    @property
    def bands(self) -> tuple[str, ...] | None:
        """Names of the bands, None when the stretch was adapted to an array."""
        return None if self.stretch.bands is None else tuple(self.stretch.bands)

    def clipped(self, cutouts: Cutouts) -> np.ndarray:
        """Return which cutouts, of the bands of the training, the stretch clips."""
        return self.stretch.count_clipped(cutouts) > 0

    def stretched(self, cutouts: Cutouts) -> np.ndarray:
        """Pick the bands by name, check the shape, stretch."""
        images = self.chosen(cutouts).images
        if len(images) and images[0].size % _PACKET == 0:
            # Pixel by pixel, or image by image: without a network all go at once.
            return np.asarray(self.stretch(images))
        return in_chunks(self.stretch, images)

    def of_images(self, name: str, images: np.ndarray) -> np.ndarray:
        """Apply a method of the model to stretched images."""
        method = getattr(self.model, name)
        if isinstance(self.model, keras.Model):
            # Eager calls cost several times more than a graph. A model that grows
            # needs another graph for each of its levels.
            key = name, getattr(self.model, "level", None)
            if key not in self._traced:
                self._traced[key] = tf.function(method)
            method = self._traced[key]
        return in_chunks(method, images)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Compute the features of stretched images."""
        return self.of_images("features", images)

    def _encode_and_draw(self):
        """Return the graph from images to z and drawings; None without an encoder."""
        if hasattr(self.model, "fitted"):
            # A fit's parameters are its z: they and the drawing come out of one fit.
            return self.model.fitted
        if isinstance(self.search, latent.Encoder):
            encode, draw = self.search, self.model.scoring_generator
        elif isinstance(self.model, keras.Model) and hasattr(self.model, "decode"):
            encode, draw = self.model.encode, self.model.decode
        else:
            return None
        key = "both", self.search, getattr(self.model, "level", None)
        both, quick = self._traced.get(key, (None, None))
        # A generator that has learned since is another one.
        if both is None or (quick is not None and not quick.is_current()):
            quick = QuickGenerator(draw) if QuickGenerator.knows(draw) else None
            draw = quick or draw

            @tf.function
            def both(images):
                # The z of the table and the one that is drawn are the same.
                z = encode(images)
                return z, draw(z)

            self._traced[key] = both, quick
        return both

    def reconstruct(self, images: np.ndarray):
        """Return reconstructions, z (or None) and convergence of stretched images.

        A reconstruction is the mean over the views, turned back; z is that of the
        image as it is.
        """
        total, first_z, converged = 0, None, np.ones(len(images), bool)
        for turn in TURNS[: self.views]:
            # Only the first view's z is kept: others are z of turned objects.
            view, z = turned(images, *turn) if any(turn) else images, None
            if (both := self._encode_and_draw()) is not None:
                z, drawn = joined(both, view)
            elif self.search is not None:
                z, settled = self.search.search(view)
                converged &= settled
                drawn = in_chunks(self.model.scoring_generator.predict_on_batch, z)
            else:
                drawn = in_chunks(self.model.reconstruct, view)
            if any(turn):
                total = total + turned_back(drawn, *turn)
            else:
                total, first_z = drawn, z
        # float32 keeps the type of the images.
        return total / np.float32(self.views), first_z, converged


def turned(images: np.ndarray, quarters: int, mirrored: int) -> np.ndarray:
    """Turn images (n, ny, nx, n_bands) by quarters, and mirror them after that."""
    found = np.rot90(images, quarters, axes=(1, 2))
    return np.ascontiguousarray(found[:, ::-1] if mirrored else found)


def turned_back(images: np.ndarray, quarters: int, mirrored: int) -> np.ndarray:
    """Undo `turned`."""
    images = images[:, ::-1] if mirrored else images
    return np.rot90(images, -quarters, axes=(1, 2))
