"""Batches of images with labels, for a classifier."""

import numpy as np

from astroanomaly.data.batches import _Batches, _images

CHUNK = 256


class _AllBatches(_Batches):
    """As the base class, the last and incomplete batch included."""

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)


class _Rows:
    """Some rows of an array of images, which are copied batch by batch only."""

    def __init__(self, images, rows):
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key):
        return self.images[self.rows[key]]


class _LabelledBatches:
    """Yields (images, labels); two iterators of one seed go through one order."""

    def __init__(self, images, labels, batch_size, shuffle, seed, augment):
        kind = _Batches if shuffle else _AllBatches
        self._images = kind(images, batch_size, shuffle, seed, augment)
        # The order is the first thing drawn, so that turns do not move the labels.
        self._labels = kind(labels, batch_size, shuffle, seed, False)

    def __len__(self) -> int:
        return len(self._images)

    def __call__(self):
        for images, labels in zip(self._images(), self._labels(), strict=True):
            yield images, labels.astype(np.int32)

    def set_epoch(self, epoch: int) -> None:
        self._images.epoch = self._labels.epoch = epoch


def labelled_dataset(
    cutouts,
    labels,
    stretch=None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = True,
    rows=None,
):
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
        Numbers of the images to take, which are not copied for it; all by default.

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
        read once to see), labels are not as :func:`check_labels` wants them,
        `batch_size` is below 1, bands are missing, or images that are not square
        are to be turned.

    Examples
    --------
    >>> images, labels = np.zeros((10, 32, 32, 1)), np.arange(10) % 2
    >>> batch, truth = next(iter(labelled_dataset(images, labels, batch_size=4)))
    >>> batch.shape[0], truth.shape[0]
    (4, 4)
    """
    import tensorflow as tf

    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
    images = _images(cutouts, stretch)
    labels = check_labels(labels, len(images))
    if rows is not None:
        rows = np.asarray(rows)
        images, labels = _Rows(images, rows), check_labels(labels[rows])
    _check_pixels(images, augment)
    batches = _LabelledBatches(images, labels, batch_size, shuffle, seed, augment)
    size = min(batch_size, len(images)) if shuffle else None
    data = tf.data.Dataset.from_generator(
        batches,
        output_signature=(
            tf.TensorSpec((size, *images.shape[1:]), tf.float32),
            tf.TensorSpec((size,), tf.int32),
        ),
    ).apply(tf.data.experimental.assert_cardinality(len(batches)))
    if stretch is not None:
        data = data.map(lambda batch, labels: (stretch(batch), labels))
    data = data.prefetch(2)
    data.set_epoch = batches.set_epoch
    return data


def _check_pixels(images, augment) -> None:
    if augment and images.shape[1] != images.shape[2]:
        raise ValueError(
            "`augment` must be False for images that are not square. "
            f"Received: shape {images.shape}"
        )
    for start in range(0, len(images), CHUNK):
        finite = np.isfinite(images[start : start + CHUNK]).all(axis=(1, 2, 3))
        if not finite.all():
            raise ValueError(
                "`cutouts` must have finite pixels: fill NaN when reading. "
                f"Received: NaN or infinity in image {start + np.argmin(finite)}"
            )


def check_labels(labels, n: int | None = None) -> np.ndarray:
    """Check that labels tell two classes apart.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Numbers 0 and 1, or booleans; both must occur. A masked entry, NaN or text
        is refused.
    n : int, optional
        How many there must be, one per image.

    Returns
    -------
    ndarray of int32 of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If there are others than 0 and 1, one class only, or another number of
        labels.

    Examples
    --------
    >>> check_labels([True, False, True]).tolist()
    [1, 0, 1]
    """
    values = np.ma.masked_array(labels)
    if values.ndim != 1 or (n is not None and len(values) != n):
        many = "n" if n is None else n
        raise ValueError(
            f"`labels` must have shape ({many},), one per image. "
            f"Received: shape {values.shape}"
        )
    if np.any(np.ma.getmaskarray(values)):
        raise ValueError("`labels` must not be masked. Received: masked entries")
    values = values.data
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(
            "`labels` must be 0 (no lens) or 1 (lens). "
            f"Received: {np.unique(values)[:8].tolist()}"
        )
    if len(set(values.tolist())) < 2:
        raise ValueError(
            "`labels` must hold both classes, 0 and 1. "
            f"Received: {len(values)} labels, all {np.unique(values).tolist()}"
        )
    return values.astype(np.int32)


def class_weights(labels) -> dict[int, float]:
    """Compute weights with which two classes count alike in a loss.

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

    labels = check_labels(labels)
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    return {label: float(weight) for label, weight in enumerate(weights)}
