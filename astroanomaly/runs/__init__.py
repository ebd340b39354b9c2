"""Whole runs: train, calibrate, score, explain, and the folder that keeps them."""

from typing import TYPE_CHECKING

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
    from astroanomaly.runs.cluster import score_parts as score_parts
    from astroanomaly.runs.committees import committee as committee
    from astroanomaly.runs.comparison import compare as compare
    from astroanomaly.runs.demo import quickstart as quickstart
    from astroanomaly.runs.explanations import explain as explain
    from astroanomaly.runs.parts import ScoredParts as ScoredParts
    from astroanomaly.runs.run import Run as Run
    from astroanomaly.runs.run import calibrate as calibrate
    from astroanomaly.runs.run import has_onnx as has_onnx
    from astroanomaly.runs.run import load_run as load_run
    from astroanomaly.runs.run import pixel_hashes as pixel_hashes
    from astroanomaly.runs.run import train as train
    from astroanomaly.runs.shards import merge_scores as merge_scores
    from astroanomaly.runs.survey import score_survey as score_survey
    from astroanomaly.runs.verification import Verification as Verification
    from astroanomaly.runs.verification import verify as verify

_NAMES = {
    "Checkpoint": "callbacks",
    "KeepBest": "callbacks",
    "ReconstructionGrid": "callbacks",
    "Run": "run",
    "SampleGrid": "callbacks",
    "ScoredParts": "parts",
    "TrainingProgress": "callbacks",
    "Verification": "verification",
    "calibrate": "run",
    "committee": "committees",
    "compare": "comparison",
    "explain": "explanations",
    "has_onnx": "run",
    "load_checkpoint": "callbacks",
    "load_run": "run",
    "merge_scores": "shards",
    "pixel_hashes": "run",
    "quickstart": "demo",
    "save_checkpoint": "callbacks",
    "score_parts": "cluster",
    "score_survey": "survey",
    "train": "run",
    "verify": "verification",
    "write_history": "callbacks",
}

__all__ = list(_NAMES)

# A worker that scores needs neither Keras nor what simulates.
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
