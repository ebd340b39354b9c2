"""A .npy file that grows while cutouts are read."""

import os
from pathlib import Path

import numpy as np

from astroanomaly.utils.files import beside, sweep


class NpyWriter:
    """Write a .npy file of float32 images whose number is not known before.

    Parameters
    ----------
    path : str or Path
        The file to appear when `close` is called; its folder is made.
    image_shape : tuple of int
        The shape of one image.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> writer = NpyWriter("cache.npy", (8, 8, 1))
    >>> writer.write(np.zeros((3, 8, 8, 1), "f4")); writer.close()
    >>> np.load("cache.npy", mmap_mode="r").shape
    (3, 8, 8, 1)
    """

    def __init__(self, path: str | Path, image_shape: tuple[int, ...]):
        self.path = Path(path)
        if self.path.suffix != ".npy":
            raise ValueError(f"`cache` must end in .npy. Received: {str(path)!r}.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # As large as the survey: what a killed command left is not kept.
        sweep(self.path.parent, self.path.name)
        self._partial = beside(self.path)
        self._shape, self._n = tuple(image_shape), 0
        self._file = open(self._partial, "wb")
        self._header()

    def _header(self) -> None:
        # numpy leaves room for the first axis to grow: the header keeps its length.
        description = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (self._n, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, description)

    def write(self, images: np.ndarray) -> None:
        """Append images of shape (n, ny, nx, n_bands)."""
        self._file.write(np.ascontiguousarray(images, "<f4").data)
        self._n += len(images)

    def close(self) -> None:
        """Complete the header and put the file in its place."""
        self._file.seek(0)
        self._header()
        self._file.close()
        os.replace(self._partial, self.path)

    def abandon(self) -> None:
        """Remove what was written, unless `close` came first."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
