"""Features: what turns an image into a vector, and what is near to what.

``features(images)`` takes linear pixels, float32 of shape (n, ny, nx, n_bands), and
returns (n, d). Any such function may be given where an extractor is asked for.
"""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.features.base import Features
from astroanomaly.features.contrastive import Contrastive
from astroanomaly.features.frame import FrameCheck
from astroanomaly.features.model import ModelFeatures
from astroanomaly.features.morphology import Morphology
from astroanomaly.features.neighbors import neighbors
from astroanomaly.features.onnx import Onnx
from astroanomaly.features.patches import Patches
from astroanomaly.features.profiles import Profiles
from astroanomaly.features.spec import as_features, load, make_features
from astroanomaly.features.table import Table

__all__ = [
    "Contrastive",
    "Features",
    "FrameCheck",
    "ModelFeatures",
    "Morphology",
    "Onnx",
    "Patches",
    "Profiles",
    "Table",
    "as_features",
    "load",
    "make_features",
    "neighbors",
]
