"""Score images: arrays in, one number per image out."""

from astroanomaly.scores.baselines import baseline_scores
from astroanomaly.scores.modes import ResidualModes
from astroanomaly.scores.residual import (
    SCORES,
    ResidualNoise,
    feature_score,
    mse_score,
    residual_score,
    total_score,
    wasserstein_score,
)

__all__ = [
    "SCORES",
    "ResidualModes",
    "ResidualNoise",
    "baseline_scores",
    "feature_score",
    "mse_score",
    "residual_score",
    "total_score",
    "wasserstein_score",
]
