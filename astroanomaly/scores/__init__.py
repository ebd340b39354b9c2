"""Score images: arrays in, one number per image out."""

from typing import TYPE_CHECKING

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
from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.scores.baselines import baseline_scores as baseline_scores

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

# They fit models of scikit-learn, which scoring does without.
__getattr__, _ = on_first_use(__name__, {"baseline_scores": "baselines"})
