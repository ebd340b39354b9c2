"""A trained model with its stretch and its latent search, chunk by chunk."""

import numpy as np

from astroanomaly import latent
from astroanomaly.detector.stretched_model import StretchedModel
from astroanomaly.latent.objective import in_chunks

# The square's symmetries: quarter turns, and whether mirrored. Any first few of
# them are as unlike each other as that number allows.
TURNS = ((0, 0), (2, 0), (1, 0), (3, 0), (0, 1), (2, 1), (1, 1), (3, 1))
SEARCHES = {
    "encoder": latent.Encoder,
    "refine": latent.Refine,
    "mapping": latent.Mapping,
}


class ImageModel(StretchedModel):
    """Cutouts in; stretched images, reconstructions and features out.

    Parameters
    ----------
    model, stretch
        As for the detector.
    search : Encoder, Refine, Mapping, str or None
        How a GAN finds z.
    w : float
        Weight of the feature term of a search that is made here by its name.
    seed : int
        Seed of such a search.
    views : int
        Turned and mirrored views of an image that are reconstructed and averaged.
    """

    def __init__(self, model, stretch, search, w: float, seed: int, views: int):
        if views not in range(1, len(TURNS) + 1):
            raise ValueError(
                f"`views` must be an integer from 1 to {len(TURNS)}. Received: {views}"
            )
        super().__init__(model, stretch)
        self.views, self.w, self.seed = int(views), w, seed
        self.encoder = getattr(search, "encoder", None)
        if isinstance(search, latent.Encoder):
            self.encoder = search
        self.search = None
        self.use(search)
        if self.search is None and not hasattr(model, "reconstruct"):
            raise ValueError(
                f"`latent` must say how {type(model).__name__} finds the latent "
                'vector of an image: an Encoder, a Refine, a Mapping or "mapping". '
                "Received: None"
            )

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

    @property
    def method(self) -> str:
        """Name of the search in use; "model" when the model needs none."""
        return "model" if self.search is None else self.search.name_in_tables

    def reconstruct(self, images: np.ndarray):
        """Give reconstructions, z (or None) and convergence of stretched images.

        A reconstruction is the mean over the views, turned back; z is that of the
        image as it is.
        """
        drawn, z, converged = self._reconstruct(images)
        for turn in TURNS[1 : self.views]:
            other, _, settled = self._reconstruct(turned(images, *turn))
            drawn = drawn + turned_back(other, *turn)
            converged = converged & settled
        return drawn / np.float32(self.views), z, converged

    def _reconstruct(self, images: np.ndarray):
        if self.search is None:
            z, converged = None, np.ones(len(images), bool)
            if hasattr(self.model, "encode") and hasattr(self.model, "decode"):
                z = self.of_images("encode", images)
                return self.of_images("decode", z), z, converged
            return in_chunks(self.model.reconstruct, images), z, converged
        z, converged = self.search.search(images)
        draw = self.model.scoring_generator.predict_on_batch
        return in_chunks(draw, z), z, converged


def turned(images: np.ndarray, quarters: int, mirrored: int) -> np.ndarray:
    """Turn images (n, ny, nx, n_bands) by quarters, and mirror them after that."""
    found = np.rot90(images, quarters, axes=(1, 2))
    return np.ascontiguousarray(found[:, ::-1] if mirrored else found)


def turned_back(images: np.ndarray, quarters: int, mirrored: int) -> np.ndarray:
    """Undo what `turned` does."""
    images = images[:, ::-1] if mirrored else images
    return np.rot90(images, -quarters, axes=(1, 2))
