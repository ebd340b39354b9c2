"""Toy lenses, as rings, and other galaxies, as blobs, with names and labels."""

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts

SIZE = 58


def rings(n, seed, start="toy", bands=("VIS",)):
    """Give n objects, every second one a ring, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius = rng.uniform(8, 14, (n, 1, 1))
    distance = np.hypot(x - rng.uniform(-6, 6, (n, 1, 1)), y)
    is_lens = np.arange(n) % 2 == 1
    ring = np.exp(-(((distance - radius) / 2) ** 2))
    blob = np.exp(-((distance / radius) ** 2))
    images = np.where(is_lens[:, None, None], ring, blob)
    images = images + 0.05 * rng.normal(size=images.shape)
    table = Table({"object_id": [f"{start}_{i:03d}" for i in range(n)]})
    table["is_lens"] = table["is_anomaly"] = is_lens
    stack = np.repeat(images[..., None], len(bands), axis=-1)
    return Cutouts(stack, table, bands=bands, pixel_scale=0.3)
