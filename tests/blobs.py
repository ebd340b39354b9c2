"""Simulated blobs with names, and a small detector's parts, for several tests."""

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts


def blobs(n, seed, companion=False, bands=("i",)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    images = np.exp(-(x**2 + y**2) / rng.uniform(10, 60, (n, 1, 1)))
    if companion:
        images = images + np.exp(-((x - 9) ** 2 + (y - 6) ** 2) / 8.0)
    images = images * 50 + rng.normal(0, 1, images.shape)
    table = Table({"object_id": [f"{seed}-{i}" for i in range(n)]})
    stack = np.repeat(images[..., None], len(bands), axis=-1)
    return Cutouts(stack, table, bands=bands, pixel_scale=0.06)
