"""From cutouts to batches: a tf.data pipeline whose order can be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.tables.labels import check_labels

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import ArrayLike

    from astroanomaly.stretches import Stretch

# Images looked at at once for NaN: a memory map is never in memory as a whole.
CHUNK = 256


class _Batches:
    """Batches in an order that depends on the seed and the epoch alone."""

    def __init__(
        self,
        images,
        labels,
        rows,
        batch_size,
        shuffle,
        seed,
        augment,
        keep_last,
        shift=0,
    ):
        self.images, self.labels, self.rows = images, labels, rows
        self.batch_size, self.keep_last = batch_size, keep_last
        self.shuffle, self.seed, self.augment = shuffle, seed, augment
        self.shift = shift
        self.epoch = 0

    def __len__(self) -> int:
        whole, rest = divmod(len(self.rows), self.batch_size)
        return max(whole + (1 if rest and self.keep_last else 0), 1)

    def __call__(self):
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        n = len(self.rows)
        # The order is drawn before any turn: with and without turns it is the same.
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            batch = np.asarray(self.images[self.rows[chosen]], np.float32)
            if self.augment:
                batch = _turn(batch, rng)
            if self.shift:
                batch = _shift(batch, self.shift, rng)
            yield batch if self.labels is None else (batch, self.labels[chosen])


def _turn(batch: np.ndarray, rng) -> np.ndarray:
    """Turn and mirror each image by one of the square's eight symmetries."""
    turned = np.empty_like(batch)
    for i, k in enumerate(rng.integers(8, size=len(batch))):
        image = np.rot90(batch[i], k % 4)
        turned[i] = image[::-1] if k >= 4 else image
    return turned


def _shift(batch: np.ndarray, most: int, rng) -> np.ndarray:
    """Move each image by up to `most` pixels, its edges mirrored."""
    (ny, nx), pad = batch.shape[1:3], (most, most)
    wide = np.pad(batch, ((0, 0), pad, pad, (0, 0)), "symmetric")
    shifts = rng.integers(0, 2 * most + 1, (len(batch), 2))
    pairs = zip(wide, shifts, strict=True)
    return np.stack([image[y : y + ny, x : x + nx] for image, (y, x) in pairs])


def _images(cutouts, stretch, batch_size: int) -> np.ndarray:
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
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


def _pipeline(batches: _Batches, size: int | None, stretch):
    """Return the tf.data.Dataset of some batches, with its `set_epoch`."""
    import tensorflow as tf

    signature = tf.TensorSpec((size, *batches.images.shape[1:]), tf.float32)
    if batches.labels is not None:
        signature = signature, tf.TensorSpec((size,), tf.int32)
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(len(batches)))
    if stretch is not None and batches.labels is None:
        data = data.map(stretch)
    elif stretch is not None:
        data = data.map(lambda batch, labels: (stretch(batch), labels))
    data = data.prefetch(2)
    data.set_epoch = lambda epoch: setattr(batches, "epoch", epoch)
    return data


def dataset(
    cutouts: Cutouts | np.ndarray,
    stretch: Stretch | None = None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = False,
) -> tf.data.Dataset:
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
    images = _images(cutouts, stretch, batch_size)
    rows = np.arange(len(images))
    batches = _Batches(images, None, rows, batch_size, shuffle, seed, augment, False)
    return _pipeline(batches, min(batch_size, len(images)), stretch)


def labelled_dataset(
    cutouts: Cutouts | np.ndarray,
    labels: ArrayLike,
    stretch: Stretch | None = None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = True,
    rows: ArrayLike | None = None,
    shift: int = 0,
) -> tf.data.Dataset:
    """Make the batches of images and labels that a classifier's ``fit`` takes.

    Parameters
    ----------
    cutouts : Cutouts or ndarray of shape (n, ny, nx, n_bands)
        Images; an array on disk (numpy.memmap) is read batch by batch.
    labels : array-like of shape (n,)
        1 or True for a lens, 0 or False for anything else, in the images' order.
    stretch : Stretch, optional
        Adapted stretch; its bands are picked from the cutouts by name. A lens
        finder's is ``stretches.Linear(per_image=True)``.
    batch_size : int, optional
        Images per batch; the published training takes 500.
    shuffle : bool, optional
        Draw a new order every epoch and leave out its last batch if incomplete, as
        :func:`astroanomaly.dataset` does. With False, for a validation set, every
        image comes once and in order; the last batch may be smaller.
    seed : int, optional
        Seed of the order and of the turns.
    augment : bool, optional
        Turn and mirror every image by one of the square's eight symmetries, drawn
        anew each epoch; set False for a validation set.
    rows : array-like of int, optional
        Numbers of the images to take, which are not copied for it; all by default. A
        number that comes twice is shown twice an epoch.
    shift : int, optional
        Move every image by up to so many pixels in both directions, drawn anew each
        epoch, its edges mirrored: a survey's galaxies are seldom in the very middle.

    Returns
    -------
    tf.data.Dataset
        Of pairs: float32 (batch_size, ny, nx, n_bands), int32 (batch_size,). It has
        a method ``set_epoch(k)``, which ``fit`` calls so that a resumed run sees
        the order of an unbroken one: that of ``dataset`` with the same seed.

    Raises
    ------
    ValueError
        If there is no image, an image has a NaN or infinite pixel (all pixels are
        read once to see), labels fail :func:`check_labels
        <astroanomaly.tables.check_labels>` or are all the same,
        `batch_size` is below 1, bands are missing, images that are not square are to
        be turned, or `shift` is negative or as large as an image.

    Examples
    --------
    >>> images, labels = np.zeros((10, 32, 32, 1)), np.arange(10) % 2
    >>> batch, truth = next(iter(labelled_dataset(images, labels, batch_size=4)))
    >>> batch.shape[0], truth.shape[0]
    (4, 4)
    """
    images = _images(cutouts, stretch, batch_size)
    labels = check_labels(labels, n=len(images), both=True)
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    labels = check_labels(labels[rows], both=True).astype(np.int32)
    if augment and images.shape[1] != images.shape[2]:
        raise ValueError(
            "`augment` must be False for images that are not square. "
            f"Received: shape {(len(rows), *images.shape[1:])}"
        )
    if not 0 <= shift < min(images.shape[1:3]):
        raise ValueError(
            "`shift` must be from 0 to less than the side of the images, "
            f"{min(images.shape[1:3])}. Received: {shift}"
        )
    for start in range(0, len(rows), CHUNK):
        chunk = images[rows[start : start + CHUNK]]
        finite = np.isfinite(chunk).all(axis=(1, 2, 3))
        if not finite.all():
            raise ValueError(
                "`cutouts` must have finite pixels: fill NaN when reading. "
                f"Received: NaN or infinity in image {start + np.argmin(finite)}"
            )
    batches = _Batches(
        images, labels, rows, batch_size, shuffle, seed, augment, not shuffle, shift
    )
    # Without shuffling the last batch may be smaller, so that no size is fixed.
    return _pipeline(batches, min(batch_size, len(rows)) if shuffle else None, stretch)


def class_weights(labels: ArrayLike) -> dict[int, float]:
    """Compute weights with which two classes have equal weight in a loss.

    Parameters
    ----------
    labels : array-like of shape (n,)
        0 or 1.

    Returns
    -------
    dict
        Weights of the classes 0 and 1: n / (2 * n_class), scikit-learn's
        "balanced" weights, whose mean over the labels is 1. What ``class_weight``
        wants in :meth:`LensFinder.compile
        <astroanomaly.models.lens_finder.model.LensFinder.compile>`.

    Raises
    ------
    ValueError
        If labels are not 0 or 1, or of one class only.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    from sklearn.utils.class_weight import compute_class_weight

    labels = check_labels(labels, both=True).astype(int)
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    return {label: float(weight) for label, weight in enumerate(weights)}
