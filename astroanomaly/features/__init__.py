"""Features: what turns an image into a vector, and what is near to what.

``features(images)`` takes linear pixels, float32 of shape (n, ny, nx, n_bands), and
returns (n, d). Any such function may be given where an extractor is asked for.
"""

from astroanomaly.utils.lazy import on_first_use

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
