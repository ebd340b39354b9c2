"""What a trained model makes of images: a critic's features, or latent vectors."""

from __future__ import annotations

from pathlib import Path

import astroanomaly.stretches.backend  # noqa: F401  # before Keras

# isort: split

from typing import TYPE_CHECKING

import keras
import numpy as np

from astroanomaly import stretches
from astroanomaly.features.base import Features, check_images
from astroanomaly.utils.chunks import in_chunks
from astroanomaly.utils.keras_files import load_model

if TYPE_CHECKING:
    from astroanomaly.latent.encoder import Encoder
    from astroanomaly.stretches import Stretch

KINDS = ("critic", "latents")
_MODEL, _ENCODER = "features_model.keras", "features_encoder.keras"
_STRETCH = "features_stretch.json"


class ModelFeatures(Features):
    """The features or the latent vectors of a trained model.

    Parameters
    ----------
    model : keras.Model
        Any model of the package: a GAN, an autoencoder, PCA, a lens finder.
    stretch : Stretch
        The adapted stretch that it was trained with.
    kind : {"critic", "latents"}, optional
        "critic" takes ``model.features``: a critic's last convolution, an
        autoencoder's or a classifier's last layer. "latents" takes the latent vector:
        ``model.encode``, or that of a GAN's `encoder`.
    encoder : Encoder, optional
        The trained encoder of a GAN, for its latents.

    Raises
    ------
    ValueError
        If the kind is unknown, the stretch is not adapted, or the model has no such
        features.

    Examples
    --------
    >>> from astroanomaly.models import DCAE
    >>> from astroanomaly.stretches import Linear
    >>> model = DCAE((32, 32, 1), latent_dim=8)
    >>> features = ModelFeatures(model, Linear(vmin=0, vmax=1), "latents")
    >>> features(np.zeros((2, 32, 32, 1))).shape
    (2, 8)
    """

    name = "model"
    arguments = ("kind",)

    def __init__(
        self,
        model: keras.Model,
        stretch: Stretch,
        kind: str = "critic",
        encoder: Encoder | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(
                f"`kind` must be one of {', '.join(KINDS)}. Received: {kind!r}"
            )
        if not stretch.adapted:
            raise ValueError(
                "`stretch` must be adapted to the model's training images first: call "
                "`stretch.adapt(train)`. Received: one that is not."
            )
        asked = "encode" if kind == "latents" else "features"
        if not hasattr(model, asked) and (encoder is None or kind == "critic"):
            raise ValueError(
                f"`model` must have the method `{asked}`"
                f"{', or an `encoder` of its own' if kind == 'latents' else ''} for "
                f"{kind}. Received: {type(model).__name__}."
            )
        self.model, self.stretch = model, stretch
        self.kind, self.encoder = kind, encoder
        self.image_shape = tuple(model.image_shape)

    def __call__(self, images):
        """Turn linear pixels (n, ny, nx, n_bands) into features (n, d)."""
        images = check_images(images)
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"`images` must have the shape of the model's, {self.image_shape}. "
                f"Received: {images.shape[1:]}."
            )
        if self.kind == "critic":
            take = self.model.features
        else:
            take = self.model.encode if self.encoder is None else self.encoder
        found = in_chunks(lambda chunk: take(self.stretch(chunk)), images)
        return found.reshape(len(images), int(np.prod(found.shape[1:])))

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Return a critic's last convolution by position (n, gy, gx, d)."""
        critic = getattr(self.model, "critic", None)
        # The last convolution is what its first layer without positions takes.
        flat = [
            layer.input.shape[1:]
            for layer in getattr(critic, "layers", ())
            if isinstance(layer, keras.layers.Flatten)
        ]
        found = self(images)
        if self.kind != "critic" or not flat or np.prod(flat[0]) != found.shape[1]:
            return super().maps(images)
        return found.reshape(len(images), *flat[0])

    @classmethod
    def of_run(cls, run: str | Path, kind: str) -> ModelFeatures:
        """Take the networks and the stretch of a finished run's folder."""
        folder = Path(run) / "detector"
        if not (folder / "model.keras").is_file():
            raise ValueError(
                f"`features` {kind}:RUN must name the folder of a finished run with a "
                f"network. Received: {run}, which has no {folder.name}/model.keras."
            )
        return cls._read(folder, "model.keras", "encoder.keras", "stretch.json", kind)

    @classmethod
    def _read(cls, folder: Path, model: str, encoder: str, stretch: str, kind: str):
        # Keras finds the class of a saved model only where it was imported.
        import astroanomaly.models  # noqa: F401

        network, search = load_model(folder / model), None
        if (folder / encoder).is_file():
            search = load_model(folder / encoder)
            search.attach(network)
        return cls(network, stretches.load(folder / stretch), kind, search)

    def get_weights(self) -> list[np.ndarray]:
        """Return the weights of the networks."""
        networks = [self.model, *([] if self.encoder is None else [self.encoder])]
        return [weight for network in networks for weight in network.get_weights()]

    def save_more(self, folder: Path) -> None:
        """Write the networks and the stretch."""
        self.model.save(folder / _MODEL)
        if self.encoder is not None:
            self.encoder.save(folder / _ENCODER)
        self.stretch.save(folder / _STRETCH)

    @classmethod
    def load_from(cls, folder: Path, config: dict) -> ModelFeatures:
        """Make the extractor of a folder that `save` wrote."""
        return cls._read(folder, _MODEL, _ENCODER, _STRETCH, **config)
