"""Find the strange objects in survey images without labels.

Everything a session needs is one attribute away; each loads when it is first
used, so that ``import astroanomaly`` stays quick and TensorFlow is only
imported by what trains or scores.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly import calibration as calibration
    from astroanomaly import data as data
    from astroanomaly import detector as detector
    from astroanomaly import evaluation as evaluation
    from astroanomaly import features as features
    from astroanomaly import interpret as interpret
    from astroanomaly import latent as latent
    from astroanomaly import models as models
    from astroanomaly import morphology as morphology
    from astroanomaly import plots as plots
    from astroanomaly import pretrained as pretrained
    from astroanomaly import report as report
    from astroanomaly import review as review
    from astroanomaly import runs as runs
    from astroanomaly import scores as scores
    from astroanomaly import simulate as simulate
    from astroanomaly import stretches as stretches
    from astroanomaly import tables as tables
    from astroanomaly import utils as utils
    from astroanomaly.data import Cutouts as Cutouts
    from astroanomaly.data import CutoutStream as CutoutStream
    from astroanomaly.data import concatenate as concatenate
    from astroanomaly.data import dataset as dataset
    from astroanomaly.data import read_cutouts as read_cutouts
    from astroanomaly.data import split as split
    from astroanomaly.data import write_cutouts as write_cutouts
    from astroanomaly.detector import AnomalyDetector as AnomalyDetector
    from astroanomaly.detector import ClassifierDetector as ClassifierDetector
    from astroanomaly.detector import FeatureDetector as FeatureDetector
    from astroanomaly.detector import load_detector as load_detector
    from astroanomaly.pretrained import from_pretrained as from_pretrained

__version__ = "0.1.0"

_ROOMS = (
    "calibration",
    "data",
    "detector",
    "evaluation",
    "features",
    "interpret",
    "latent",
    "models",
    "morphology",
    "plots",
    "pretrained",
    "report",
    "review",
    "runs",
    "scores",
    "simulate",
    "stretches",
    "tables",
    "utils",
)
_NAMES = {
    "AnomalyDetector": "detector",
    "ClassifierDetector": "detector",
    "FeatureDetector": "detector",
    "load_detector": "detector",
    "from_pretrained": "pretrained",
    "Cutouts": "data",
    "CutoutStream": "data",
    "concatenate": "data",
    "split": "data",
    "read_cutouts": "data",
    "write_cutouts": "data",
    "dataset": "data",
}
# These import TensorFlow.
_LEARNING = {
    "detector",
    "features",
    "interpret",
    "latent",
    "models",
    "pretrained",
    "stretches",
    "AnomalyDetector",
    "ClassifierDetector",
    "FeatureDetector",
    "load_detector",
    "from_pretrained",
    "dataset",
}
# Public modules of version 0.1 and where their names are now; gone in 0.3.
_MOVED = {
    "baselines": "scores.baselines",
    "callbacks": "runs.callbacks",
    "classification": "evaluation.classifier",
    "comparison": "evaluation.surveys",
    "contamination": "evaluation.contamination",
    "explanations": "runs.explanations",
    "quickstart": "runs.demo",
    "rates": "evaluation.rates",
    "sample_statistics": "evaluation.generated",
    "scoring": "scores.residual",
    "survey": "runs.survey",
    "trends": "evaluation.trends",
}

__all__ = ["__version__", *_ROOMS, *_NAMES]


def __getattr__(name):
    """Import a room or a public name on first use."""
    if name in _LEARNING:
        # Else its first lines on standard error drown the user's own.
        import_module(f"{__name__}.utils.quiet").load_tensorflow()
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        # Kept, so that it is looked up once.
        found = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
        return globals().setdefault(name, found)
    if name in _MOVED:
        new = f"{__name__}.{_MOVED[name]}"
        warnings.warn(
            f"astroanomaly.{name} is now {new}; the old name goes in version 0.3.",
            DeprecationWarning,
            stacklevel=2,
        )
        return import_module(new)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the public names."""
    return sorted(__all__)
