"""Memory that worker processes share with the one that they read for."""

import math
import os
from contextlib import suppress

import numpy as np


def images_in(place, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return shared memory in another process than its own.

    Parameters
    ----------
    place : tuple or None
        As from `SharedRoom.of`.
    shape : tuple of int
        The shape of the images to come.

    Returns
    -------
    ndarray or None
        None where there is none, or the system hides the memory of processes.
    """
    if place is None:
        return None
    path, known, offset = place
    with suppress(OSError), open(path, "r+b") as file:
        found = os.fstat(file.fileno())
        # The process may have closed it, and opened another file under its number.
        if (found.st_dev, found.st_ino) == known:
            return np.memmap(file, np.float32, "r+", offset, shape)
    return None


class SharedRoom:
    """Memory into which worker processes write the images of their batches.

    Sent through a pipe, as results of workers are, they would be copied four times.
    The memory belongs to no file and goes with the process, however it ends.

    Parameters
    ----------
    n : int
        How many batches there is room for: as many as may be under way.
    shape : tuple of int
        The shape of the images of one batch.
    """

    def __init__(self, n: int, shape: tuple[int, ...]):
        self.shape, self.n, self._file = shape, n, None
        self._n_bytes = 4 * math.prod(shape)
        # Linux alone has it.
        if hasattr(os, "memfd_create"):
            self._file = open(os.memfd_create("astroanomaly"), "r+b")
            self._file.truncate(n * self._n_bytes)
            self._images = np.memmap(self._file, np.float32, shape=(n, *shape))
            found = os.fstat(self._file.fileno())
            self._known = found.st_dev, found.st_ino

    def of(self, k: int):
        """Return where the k-th batch goes, for `images_in`; None without memory."""
        if self._file is None:
            return None
        path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        return path, self._known, k % self.n * self._n_bytes

    def images(self, k: int) -> np.ndarray:
        """Return the images of the k-th batch; they hold until n more are begun."""
        return self._images[k % self.n]

    def close(self) -> None:
        """Let the memory go."""
        if self._file is not None:
            self._file.close()
