"""Galaxy morphology, measured without a model, and its outliers.

Concentration, asymmetry and smoothness (CAS; Conselice 2003, ApJS 147, 1), Gini and
M20 (Lotz, Primack & Madau 2004, AJ 128, 163) as statmorph measures them
(Rodriguez-Gomez et al. 2019, MNRAS 483, 4140). As baselines for a detector: k-means
with two clusters, which the source paper used, and an isolation forest, on these five
numbers.
"""

from astroanomaly.morphology.outliers import KMeansOutliers, baseline_scores
from astroanomaly.morphology.statistics import FEATURES
from astroanomaly.morphology.table import MorphologyWarning, measure

__all__ = [
    "FEATURES",
    "KMeansOutliers",
    "MorphologyWarning",
    "baseline_scores",
    "measure",
]
