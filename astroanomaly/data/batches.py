"""From cutouts to batches: a tf.data pipeline whose order can be resumed."""

import numpy as np

from astroanomaly.data.cutouts import Cutouts


class _Batches:
    """Yields batches in an order that depends on the seed and the epoch alone."""

    def __init__(self, images, batch_size, shuffle, seed, augment):
        self.images = images
        self.batch_size = batch_size
        self.shuffle, self.seed, self.augment = shuffle, seed, augment
        self.epoch = 0

    def __len__(self) -> int:
        return max(len(self.images) // self.batch_size, 1)

    def __call__(self):
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        n = len(self.images)
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            batch = np.asarray(self.images[rows], np.float32)
            yield _turn(batch, rng) if self.augment else batch


def _turn(batch: np.ndarray, rng) -> np.ndarray:
    """Turn and mirror each image by one of the square's eight symmetries."""
    turned = np.empty_like(batch)
    for i, k in enumerate(rng.integers(8, size=len(batch))):
        image = np.rot90(batch[i], k % 4)
        turned[i] = image[::-1] if k >= 4 else image
    return turned


def dataset(
    cutouts,
    stretch=None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = False,
):
    """Make the batches that ``fit`` takes.

    Parameters
    ----------
    cutouts : Cutouts or ndarray of shape (n, ny, nx, n_bands)
        Training images; an array on disk (numpy.memmap) is read batch by batch.
    stretch : Stretch, optional
        Adapted stretch; its bands are picked from the cutouts by name.
    batch_size : int, optional
        Images per batch. The last, incomplete batch of an epoch is left out (the
        next epoch's order brings others), unless it is the only one.
    shuffle : bool, optional
        Draw a new order every epoch.
    seed : int, optional
        Seed of the order and of the turns.
    augment : bool, optional
        Turn and mirror every image by one of the square's eight symmetries,
        drawn anew each epoch: the sky has no preferred direction.

    Returns
    -------
    tf.data.Dataset
        Of float32 tensors (batch_size, ny, nx, n_bands). It has a method
        ``set_epoch(k)``, which the models' ``fit`` calls so that a resumed run
        sees the order of an unbroken one.

    Raises
    ------
    ValueError
        If there is no image, `batch_size` is below 1, or bands are missing.

    Examples
    --------
    >>> batches = dataset(np.zeros((10, 32, 32, 1)), batch_size=4)
    >>> len(list(batches))
    2
    """
    import tensorflow as tf

    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
    images = _images(cutouts, stretch)
    batches = _Batches(images, batch_size, shuffle, seed, augment)
    size = batch_size if len(images) >= batch_size else len(images)
    data = tf.data.Dataset.from_generator(
        batches,
        output_signature=tf.TensorSpec((size, *images.shape[1:]), tf.float32),
    ).apply(tf.data.experimental.assert_cardinality(len(batches)))
    if stretch is not None:
        data = data.map(stretch)
    data = data.prefetch(2)
    data.set_epoch = lambda epoch: setattr(batches, "epoch", epoch)
    return data


def _images(cutouts, stretch) -> np.ndarray:
    if isinstance(cutouts, Cutouts):
        bands = getattr(stretch, "bands", None)
        images = (cutouts.select_bands(bands) if bands else cutouts).images
    else:
        images = np.asarray(cutouts)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`cutouts` must hold at least one image of shape (ny, nx, n_bands). "
            f"Received: shape {images.shape}"
        )
    return images
