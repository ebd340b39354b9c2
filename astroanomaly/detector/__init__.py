"""Detectors: a trained model, a stretch and a calibration that score cutouts."""

from astroanomaly.utils.lazy import on_first_use

_NAMES = {
    "AnomalyDetector": "anomaly",
    "ClassifierDetector": "lens",
    "FeatureDetector": "features",
    "load_detector": "files",
    "load_engine": "engine",
}

__all__ = list(_NAMES)

# Scoring by ONNX does without TensorFlow.
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
