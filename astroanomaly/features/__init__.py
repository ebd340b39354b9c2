"""Features: what turns an image into a vector, and what is near to what.

``features(images)`` takes linear pixels, float32 of shape (n, ny, nx, n_bands), and
returns (n, d). Any such function may be given where an extractor is asked for.
"""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.features.base import Features
from astroanomaly.features.frame import FrameCheck
from astroanomaly.features.model import ModelFeatures
from astroanomaly.features.morphology import Morphology
from astroanomaly.features.patches import Patches
from astroanomaly.features.profiles import Profiles
from astroanomaly.features.spec import as_features, load, make_features

__all__ = [
    "Features",
    "FrameCheck",
    "ModelFeatures",
    "Morphology",
    "Patches",
    "Profiles",
    "as_features",
    "load",
    "make_features",
]
