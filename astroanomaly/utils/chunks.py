"""Images go through networks in chunks of one fixed size."""

import numpy as np

# The scores of saved runs depend on it to the last bit: sums in a convolution follow
# the number of images.
CHUNK = 32


def padded_chunks(images: np.ndarray, size: int = CHUNK):
    """Cut images into chunks of one fixed size, the last one padded.

    One size keeps shapes, and so the arithmetic of each image, the same whatever else
    is scored with it.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Images.
    size : int, optional
        Images per chunk.

    Yields
    ------
    chunk : ndarray of shape (size, ...)
        Images in float32; the last ones of the last chunk repeat its first image.
    n : int
        How many of them were given.

    Examples
    --------
    >>> [(len(chunk), n) for chunk, n in padded_chunks(np.zeros((5, 2)), 4)]
    [(4, 4), (4, 1)]
    """
    for start in range(0, len(images), size):
        chunk = np.asarray(images[start : start + size], np.float32)
        n = len(chunk)
        if n < size:
            chunk = np.concatenate([chunk, np.repeat(chunk[:1], size - n, axis=0)])
        yield chunk, n


def joined(function, inputs: np.ndarray) -> list[np.ndarray]:
    """Apply a function with several results to chunks, and join each of them.

    Parameters
    ----------
    function : callable
        From (CHUNK, ...) to several arrays (CHUNK, ...).
    inputs : ndarray of shape (n, ...)
        What it is applied to; n may be 0.

    Returns
    -------
    list of ndarray of shape (n, ...)
        Results in the inputs' order.

    Examples
    --------
    >>> joined(lambda chunk: (chunk, -chunk), np.arange(2.0))
    [array([0., 1.], dtype=float32), array([-0., -1.], dtype=float32)]
    """
    n = len(inputs)
    if n == 0:
        # One row of zeros tells the shape of a result.
        inputs = np.zeros((1, *inputs.shape[1:]), np.float32)
    parts = [
        [np.asarray(array)[:k] for array in function(chunk)]
        for chunk, k in padded_chunks(inputs)
    ]
    return [np.concatenate(found)[:n] for found in zip(*parts, strict=True)]


def in_chunks(function, inputs: np.ndarray) -> np.ndarray:
    """Apply a function to chunks of one fixed size and join the results.

    Parameters
    ----------
    function : callable
        From (CHUNK, ...) to (CHUNK, ...).
    inputs : ndarray of shape (n, ...)
        What it is applied to; n may be 0.

    Returns
    -------
    ndarray of shape (n, ...)
        Results in the inputs' order.

    Examples
    --------
    >>> in_chunks(np.negative, np.arange(3.0))
    array([-0., -1., -2.], dtype=float32)
    """
    (found,) = joined(lambda chunk: (function(chunk),), inputs)
    return found
