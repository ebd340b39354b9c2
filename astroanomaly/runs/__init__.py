"""Whole runs: train, calibrate, score, explain, and the folder that keeps them."""

from importlib import import_module

from astroanomaly.runs.comparison import compare
from astroanomaly.runs.demo import quickstart
from astroanomaly.runs.explanations import explain
from astroanomaly.runs.run import Run, calibrate, load_run, pixel_hashes, train
from astroanomaly.runs.shards import merge_scores
from astroanomaly.runs.survey import score_survey
from astroanomaly.runs.verification import Verification, verify

# These import Keras, which the command line does without until it trains.
_CALLBACKS = (
    "Checkpoint",
    "KeepBest",
    "ReconstructionGrid",
    "SampleGrid",
    "TrainingProgress",
    "load_checkpoint",
    "save_checkpoint",
    "write_history",
)

__all__ = [
    "Checkpoint",
    "KeepBest",
    "ReconstructionGrid",
    "Run",
    "SampleGrid",
    "TrainingProgress",
    "Verification",
    "calibrate",
    "compare",
    "explain",
    "load_checkpoint",
    "load_run",
    "merge_scores",
    "pixel_hashes",
    "quickstart",
    "save_checkpoint",
    "score_survey",
    "train",
    "verify",
    "write_history",
]


def __getattr__(name):
    """Import a callback on first use."""
    if name in _CALLBACKS:
        return getattr(import_module(f"{__name__}.callbacks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
