"""Find the strange objects in survey images without labels.

Everything a session needs is one attribute away; each loads when it is first
used, so that ``import astroanomaly`` stays quick and TensorFlow is only
imported by what trains or scores.
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULES = (
    "baselines",
    "calibration",
    "callbacks",
    "classification",
    "comparison",
    "contamination",
    "data",
    "detector",
    "evaluation",
    "explanations",
    "interpret",
    "latent",
    "models",
    "morphology",
    "plots",
    "quickstart",
    "rates",
    "report",
    "runs",
    "sample_statistics",
    "scoring",
    "simulate",
    "stretches",
    "survey",
    "trends",
)
_NAMES = {
    "AnomalyDetector": "detector",
    "ClassifierDetector": "detector.classifier",
    "load_detector": "detector",
    "Cutouts": "data.cutouts",
    "CutoutStream": "data.stream",
    "concatenate": "data.cutouts",
    "split": "data.cutouts",
    "read_cutouts": "data.reading",
    "write_cutouts": "data.fits",
    "dataset": "data.pipeline",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name):
    """Import a public module or name on first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the public names."""
    return sorted(__all__)
