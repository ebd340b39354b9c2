"""Whole runs: train, calibrate, score, explain, and the folder that keeps them."""

from typing import TYPE_CHECKING

from astroanomaly.runs.cluster import score_parts
from astroanomaly.runs.committees import committee
from astroanomaly.runs.comparison import compare
from astroanomaly.runs.demo import quickstart
from astroanomaly.runs.explanations import explain
from astroanomaly.runs.parts import ScoredParts
from astroanomaly.runs.run import (
    Run,
    calibrate,
    has_onnx,
    load_run,
    pixel_hashes,
    train,
)
from astroanomaly.runs.shards import merge_scores
from astroanomaly.runs.survey import score_survey
from astroanomaly.runs.verification import Verification, verify
from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.runs.callbacks import Checkpoint as Checkpoint
    from astroanomaly.runs.callbacks import KeepBest as KeepBest
    from astroanomaly.runs.callbacks import ReconstructionGrid as ReconstructionGrid
    from astroanomaly.runs.callbacks import SampleGrid as SampleGrid
    from astroanomaly.runs.callbacks import TrainingProgress as TrainingProgress
    from astroanomaly.runs.callbacks import load_checkpoint as load_checkpoint
    from astroanomaly.runs.callbacks import save_checkpoint as save_checkpoint
    from astroanomaly.runs.callbacks import write_history as write_history

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
    "ScoredParts",
    "TrainingProgress",
    "Verification",
    "calibrate",
    "committee",
    "compare",
    "explain",
    "has_onnx",
    "load_checkpoint",
    "load_run",
    "merge_scores",
    "pixel_hashes",
    "quickstart",
    "save_checkpoint",
    "score_parts",
    "score_survey",
    "train",
    "verify",
    "write_history",
]

# Callbacks import Keras, which the command line does without until it trains.
# The other names are there, and `dir` finds all.
__getattr__, _ = on_first_use(__name__, dict.fromkeys(_CALLBACKS, "callbacks"))
