"""Short texts by which the same pixels are known again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts


def pixel_hashes(cutouts: Cutouts) -> list[str]:
    """Return one short text per image that only the same pixels give again.

    Parameters
    ----------
    cutouts : Cutouts
        Images as they were read.

    Returns
    -------
    list of str
        64 bits of BLAKE2b each, in hexadecimal digits.

    Examples
    --------
    >>> from astroanomaly.data.cutouts import Cutouts
    >>> len(set(pixel_hashes(Cutouts(np.zeros((2, 8, 8))))))
    1
    """
    return [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).hexdigest()
        for image in cutouts.images
    ]
