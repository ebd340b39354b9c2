"""What anomalies hidden in the training set do to a detector.

Every method is trained on the same normal objects with more and more anomalous ones
among them, and scores the same clean test set. Each training is a cell that is kept in
a file, so that a study of many hours can be resumed.
"""

from astroanomaly.evaluation.contamination.losses import (
    LossDifference,
    auc_loss,
    loss_difference,
    summarize,
)
from astroanomaly.evaluation.contamination.sets import contaminate, n_contaminating
from astroanomaly.evaluation.contamination.study import contamination_study, read_study

__all__ = [
    "LossDifference",
    "auc_loss",
    "contaminate",
    "contamination_study",
    "loss_difference",
    "n_contaminating",
    "read_study",
    "summarize",
]
