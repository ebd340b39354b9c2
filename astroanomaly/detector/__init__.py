"""Detectors: a trained model, a stretch and a calibration that score cutouts."""

from typing import TYPE_CHECKING

from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.detector.anomaly import AnomalyDetector as AnomalyDetector
    from astroanomaly.detector.engine import load_engine as load_engine
    from astroanomaly.detector.features import FeatureDetector as FeatureDetector
    from astroanomaly.detector.files import load_detector as load_detector
    from astroanomaly.detector.lens import ClassifierDetector as ClassifierDetector

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
