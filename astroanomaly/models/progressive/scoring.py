"""What a growing GAN does with images once it is trained: encode, draw, compare."""

import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.common import networks
from astroanomaly.models.progressive import equalized
from astroanomaly.models.progressive import networks as growing


class GrownScoring:
    """Adds to a growing GAN its level, and what a detector asks of a model.

    The model has `image_shape`, `latent_dim`, `schedule`, `seen`, `prior`, `encoder`,
    `critic` and `generator_ema`.
    """

    @property
    def level(self) -> int:
        """The level that trains: 0 for 4x4 pixels, 1 for 8x8, ..."""
        with tf.init_scope():  # A number, also while a graph is traced.
            return self.schedule.level(int(self.seen.numpy()))

    @property
    def level_size(self) -> int:
        """Width, in pixels, of the images of the level that trains."""
        return growing.FIRST * 2**self.level

    def fade(self) -> tf.Tensor:
        """Compute the share of the newest level, from 0 to 1, as a float32 scalar."""
        start, length = self.schedule.fade_of(self.level)
        since = ops.cast(ops.convert_to_tensor(self.seen) - start, "float32")
        return ops.clip(since / max(length, 1), 0.0, 1.0) if length else ops.ones(())

    def at(self) -> dict:
        """Return the level that trains and its fade, as the networks take them."""
        return {"level": self.level, "fade": self.fade()}

    def at_level(
        self, images: tf.Tensor, level: int, fade: float | tf.Tensor
    ) -> tf.Tensor:
        """Shrink images to a level, blended with the level below as it fades in.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Images at full size.
        level : int
            The level.
        fade : float or scalar tensor
            Its share.

        Returns
        -------
        tensor of shape (n, 4 * 2^level, 4 * 2^level, n_bands)
            Means over square blocks of pixels.
        """
        # Images arrive at full size and are averaged down to the level that trains.
        shrink = 2 ** (self.schedule.n_levels - 1 - level)
        images = equalized.downsampled(images, shrink) if shrink > 1 else images
        if level == 0:
            return images
        old = equalized.upsampled(equalized.downsampled(images))
        return equalized.blend(old, images, fade)

    def _full_size(self, images):
        shrink = self.image_shape[0] // images.shape[1]
        return equalized.upsampled(images, shrink) if shrink > 1 else images

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Reconstruct images by the averaged generator, as :meth:`reconstruct`."""
        return self.decode(self.encode(images))

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the latent vectors E(x) of images.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images at full size; a level below it sees them shrunk.

        Returns
        -------
        tensor of shape (n, latent_dim)
            z; row i depends on image i alone. Of a one-hot part, the
            probabilities.
        """
        at = self.at()
        images = self.at_level(ops.convert_to_tensor(images, "float32"), **at)
        return self.prior.vectors(self.encoder(images, **at))

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Draw the images of latent vectors by the averaged generator.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim)
            Latent vectors; the generator normalizes them, so their length has no
            effect.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Images at full size, from a linear output.
        """
        images = self.generator_ema(z, **self.at())
        return self._full_size(images)

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        """Compute G(E(x)).

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images. A NaN pixel makes its own image's reconstruction NaN
            and no other.

        Returns
        -------
        tensor of shape (n, ny, nx, n_bands)
            Reconstructions; row i depends on image i alone.
        """
        return self.decode(self.encode(images))

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Compute the critic's maps at 4x4 pixels, before images are compared.

        Parameters
        ----------
        images : tensor of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        tensor of shape (n, 16 * n_maps)
            Divided by the root of `latent_dim`, so that the sum of the absolute
            differences is the published L_dis; row i depends on image i alone.
        """
        at = self.at()
        images = self.at_level(ops.convert_to_tensor(images, "float32"), **at)
        # Before the minibatch deviation, so that row i depends on image i alone.
        maps = self.critic.trunk(images, **at)
        return ops.reshape(maps, (ops.shape(maps)[0], -1)) / np.sqrt(self.latent_dim)

    def detector_weight(self, share: float = 0.9) -> float:
        """Compute the `w` with which a detector's total score is the published one.

        Parameters
        ----------
        share : float, optional
            Weight of L_dis; that of L_res, the mean over the pixels, is 1 - share.

        Returns
        -------
        float
            A detector sums the residual over the pixels: its total score with this
            weight is ``share * L_dis + (1 - share) * L_res`` times a constant.

        Examples
        --------
        >>> from astroanomaly.models import ProgressiveGAN
        >>> gan = ProgressiveGAN((32, 32, 1), fmap_max=4)
        >>> round(gan.detector_weight(0.9), 5)
        0.99989
        """
        # total = (1 - w) * sum|pixel| + w * L_dis, and L_res = sum|pixel| / n_pixels.
        features = share * float(np.prod(self.image_shape))
        return features / (features + 1.0 - share)

    def generate(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw images.

        Parameters
        ----------
        n : int
            How many.
        seed : int, optional
            Seed of the latent vectors.

        Returns
        -------
        ndarray of shape (n, ny, nx, n_bands)
            Stretched images, float32, at full size: those of a level below it
            enlarged.

        Raises
        ------
        ValueError
            If `n` is below 1.
        """
        key = np.random.SeedSequence(seed).generate_state(2).view(np.int32)
        return networks.draw_images(n, lambda n: self.prior.draw(n, key), self.decode)
