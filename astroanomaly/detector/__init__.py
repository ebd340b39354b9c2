"""Detectors: a trained model, a stretch and a calibration that score cutouts."""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.detector.anomaly import AnomalyDetector
from astroanomaly.detector.features import FeatureDetector
from astroanomaly.detector.files import load_detector
from astroanomaly.detector.lens import ClassifierDetector

__all__ = [
    "AnomalyDetector",
    "ClassifierDetector",
    "FeatureDetector",
    "load_detector",
]
