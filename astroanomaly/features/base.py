"""What every feature extractor has, and how one is kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.stretches import Stretch

# Of an extractor in a folder: its name and arguments; arrays and networks lie beside.
FILE = "features.json"


class Features:
    """Turn images into vectors; the base of the extractors.

    A subclass defines ``__call__``, or `maps` for vectors by position, and takes its
    settings as arguments of the same names as its attributes. What a function of one's
    own gives is wrapped by :func:`as_features`.

    Attributes
    ----------
    name : str
        How settings and tables name it.
    fitted : bool
        Whether it has learned all that it needs.
    may_miss : bool
        Whether it cannot measure every object: such rows are NaN, and a detector
        takes those of a typical object.
    stretch : Stretch or None
        The stretch that its network takes images through.

    Examples
    --------
    >>> class Means(Features):
    ...     def __call__(self, images):
    ...         return images.mean(axis=(1, 2))
    >>> Means()(np.ones((3, 8, 8, 2))).shape
    (3, 2)
    """

    name = ""
    fitted = True
    may_miss = False
    stretch: Stretch | None = None
    # Arguments of the class, which are attributes too.
    arguments: tuple[str, ...] = ()
    # Those that a folder of an older version lacks; each has a default.
    added: tuple[str, ...] = ()

    def fit(self, cutouts: Cutouts) -> Features:
        """Learn from ordinary cutouts, where there is something to learn."""
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turn linear pixels (n, ny, nx, n_bands) into features (n, d)."""
        raise NotImplementedError

    def check_objects(self, ids: Sequence[str]) -> object:
        """Raise if some objects have no features whatever their pixels are."""

    def of(self, cutouts: Cutouts) -> np.ndarray:
        """Return the features (n, d) of cutouts."""
        return self(cutouts.images)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Turn linear pixels into features by position (n, gy, gx, d)."""
        raise ValueError(
            "`features` must have values by position for patch_gaussian: patches, "
            f"contrastive or critic:RUN. Received: {self.name}."
        )

    def maps_of(self, cutouts: Cutouts) -> np.ndarray:
        """Return the features by position of cutouts."""
        return self.maps(cutouts.images)

    def get_config(self) -> dict:
        """Return the arguments that make this extractor again."""
        return {name: getattr(self, name) for name in self.arguments}

    @classmethod
    def from_config(cls, config: dict) -> Features:
        """Make an extractor from its arguments."""
        return cls(**config)

    def get_weights(self) -> list[np.ndarray]:
        """Return the arrays that it has learned."""
        return []

    def save(self, folder: str | Path) -> None:
        """Write it into a folder, without pickle."""
        self.save_more(Path(folder))
        # Last: where it lies, all else does.
        text = json.dumps({"name": self.name, "config": self.get_config()}, indent=1)
        (Path(folder) / FILE).write_text(text, encoding="utf-8")

    def save_more(self, folder: Path) -> None:
        """Write what a subclass has learned."""

    @classmethod
    def load_from(cls, folder: Path, config: dict) -> Features:
        """Make the extractor of a folder that `save` wrote."""
        return cls.from_config(config)


def checked(found, n: int, name: str, width: int | None = None, missing: bool = False):
    """Return features in float64, one finite row per object.

    Parameters
    ----------
    found : ndarray of shape (n, d)
        What an extractor gave.
    n : int
        How many objects it got.
    name : str
        Of the extractor, for the message.
    width : int, optional
        How many numbers an object must have.
    missing : bool, optional
        Rows may be NaN.

    Returns
    -------
    ndarray of shape (n, d)
        The same in float64.

    Raises
    ------
    ValueError
        If shape or width is another, or a number is not finite.

    Examples
    --------
    >>> checked([[1, 2]], 1, "mine").dtype
    dtype('float64')
    """
    found = np.asarray(found)
    if found.ndim < 2 or len(found) != n or found.dtype.kind not in "fiub":
        raise ValueError(
            f"`features` {name} must give numbers of shape ({n}, d) for {n} images. "
            f"Received: {found.dtype} of shape {found.shape}."
        )
    if width is not None and found.shape[-1] != width:
        raise ValueError(
            f"`features` {name} must give {width} numbers for an image, as it did in "
            f"the training. Received: {found.shape[-1]}."
        )
    found = found.astype(np.float64)
    bad = ~np.isfinite(found).all(axis=tuple(range(1, found.ndim)))
    if bad.any() and not missing:
        raise ValueError(
            f"`features` {name} must be finite. Received: NaN or infinity for "
            f"{bad.sum()} of {n} images, the first of them number "
            f"{int(np.argmax(bad)) + 1}."
        )
    return found


def check_images(images, n_bands: int | None = None) -> np.ndarray:
    """Return images as an array (n, ny, nx, n_bands); raise for another shape."""
    images = np.asarray(images)
    if images.ndim != 4 or (n_bands is not None and images.shape[3] != n_bands):
        bands = "n_bands" if n_bands is None else n_bands
        raise ValueError(
            f"`images` must have shape (n, ny, nx, {bands}). Received: {images.shape}."
        )
    return images
