"""Features: what turns an image into a vector, and what is near to what.

``features(images)`` takes linear pixels, float32 of shape (n, ny, nx, n_bands), and
returns (n, d). Any such function may be given where an extractor is asked for.
"""

from typing import TYPE_CHECKING

from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.features.base import Features as Features
    from astroanomaly.features.contrastive import Contrastive as Contrastive
    from astroanomaly.features.frame import FrameCheck as FrameCheck
    from astroanomaly.features.model import ModelFeatures as ModelFeatures
    from astroanomaly.features.morphology import Morphology as Morphology
    from astroanomaly.features.nearest import neighbors as neighbors
    from astroanomaly.features.onnx import Onnx as Onnx
    from astroanomaly.features.patches import Patches as Patches
    from astroanomaly.features.profiles import Profiles as Profiles
    from astroanomaly.features.spec import as_features as as_features
    from astroanomaly.features.spec import load as load
    from astroanomaly.features.spec import make_features as make_features
    from astroanomaly.features.table import Table as Table

_NAMES = {
    "Contrastive": "contrastive",
    "Features": "base",
    "FrameCheck": "frame",
    "ModelFeatures": "model",
    "Morphology": "morphology",
    "Onnx": "onnx",
    "Patches": "patches",
    "Profiles": "profiles",
    "Table": "table",
    "as_features": "spec",
    "load": "spec",
    "make_features": "spec",
    "neighbors": "nearest",
}

__all__ = list(_NAMES)

# Networks need TensorFlow; the check of frames, which every detector makes, does not.
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
