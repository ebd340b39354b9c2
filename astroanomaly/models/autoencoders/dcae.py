"""Deep convolutional autoencoder as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from astroanomaly.models.autoencoders.base import Autoencoder, mean_squared_error
from astroanomaly.models.common.training import replicas

if TYPE_CHECKING:
    import tensorflow as tf


@keras.saving.register_keras_serializable("astroanomaly")
class DCAE(Autoencoder):
    """Deep convolutional autoencoder: three convolutions, z, and their mirror image.

    The loss is the squared error averaged over all pixels of a batch. z is
    normalized by its batch's mean and variance in training and by their saved
    moving averages at scoring time (momentum 0.9 and epsilon 1e-5, PyTorch's
    defaults in Keras's terms, so that a few dozen batches settle them).

    Parameters
    ----------
    image_shape : tuple of int, optional
        (ny, nx, n_bands) of the stretched images in [0, 1]; square, 32 to 256
        pixels, any number of bands. The default is the published shape.
    latent_dim : int, optional
        Length of z.
    weight_decay : float, optional
        Weight of an L2 penalty on every trained weight, biases too: adds
        weight_decay * w to the gradient of w before Adam sees it, as PyTorch's
        Adam does. The losses that training shows do not contain it.
    seed : int, optional
        Seed of the first weights.
    **kwargs
        Passed to :class:`keras.Model`.

    Attributes
    ----------
    encoder, decoder : keras.Model
        Images to z, and z to images (tanh).
    step : keras.Variable
        Batches trained on so far.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    References
    ----------
    Alexander et al. 2020, arXiv:2008.12731; the architecture is that of their
    public code.

    Examples
    --------
    >>> dcae = DCAE((32, 32, 1), latent_dim=8)
    >>> dcae.reconstruct(np.zeros((2, 32, 32, 1), "float32")).shape
    TensorShape([2, 32, 32, 1])
    """

    heads = ("z",)
    loss_names = ("loss",)

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (150, 150, 1),
        latent_dim: int = 1000,
        weight_decay: float = 1e-5,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, latent_dim, weight_decay, seed, **kwargs)

    def finish_encoder(self, outputs: list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
        """Normalize z by its batch's statistics."""
        # PyTorch's defaults: its momentum 0.1 is Keras's 0.9.
        return layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            # The statistics of the batch and not of a device's share. Not with one
            # device, whose bits they would change.
            synchronized=replicas() > 1,
        )(outputs[0])

    def compute_losses(self, images: tf.Tensor, training: bool = False) -> dict:
        """Compute what a batch adds to the history.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.
        training : bool, optional
            Use the batch's statistics instead of the saved ones.

        Returns
        -------
        dict of scalar tensor
            The mean squared error, under "loss".
        """
        return {"loss": mean_squared_error(images, self(images, training=training))}
