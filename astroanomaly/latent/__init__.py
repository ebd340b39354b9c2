"""From an image to its latent vector: three methods with one face.

Each has ``search(images)``, which returns z of shape (n, latent_dim) and a
boolean per image that tells whether the search converged.
"""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.latent.encoder import Encoder
from astroanomaly.latent.mapping import Mapping
from astroanomaly.latent.refine import Refine

__all__ = ["Encoder", "Mapping", "Refine"]
