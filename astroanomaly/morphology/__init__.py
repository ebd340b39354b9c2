"""Galaxy morphology without a model, and the outliers that it shows.

Concentration, asymmetry and smoothness (CAS; Conselice 2003, ApJS 147, 1), Gini and
M20 (Lotz, Primack & Madau 2004, AJ 128, 163) as statmorph measures them
(Rodriguez-Gomez et al. 2019, MNRAS 483, 4140), and the baselines that a detector
has to beat: k-means with two clusters, which the source paper used, and an
isolation forest, on those five numbers.
"""

from astroanomaly.morphology.table import (
    FEATURES,
    KMeansOutliers,
    MorphologyWarning,
    baseline_scores,
    measure,
)

__all__ = [
    "FEATURES",
    "KMeansOutliers",
    "MorphologyWarning",
    "baseline_scores",
    "measure",
]
