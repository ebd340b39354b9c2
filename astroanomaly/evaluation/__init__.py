"""How well scores separate anomalies: areas, rates, trends, with intervals.

`classifier` evaluates lens finders, `contamination` studies anomalies hidden in the
training set.
"""

from astroanomaly.evaluation import classifier, contamination
from astroanomaly.evaluation.contamination import contamination_study
from astroanomaly.evaluation.generated import (
    pixel_histogram,
    power_spectrum,
    sample_distance,
    summary_statistics,
)
from astroanomaly.evaluation.planted import best_score, what_finds
from astroanomaly.evaluation.rates import (
    detection_rates,
    false_positive_check,
    rates_markdown,
)
from astroanomaly.evaluation.roc_auc import (
    AUC,
    ROC,
    AUCDifference,
    auc,
    auc_difference,
    binomial_interval,
    roc,
)
from astroanomaly.evaluation.summary import Evaluation, evaluate
from astroanomaly.evaluation.surveys import TwoSamples, by_property, two_samples
from astroanomaly.evaluation.trends import (
    Trend,
    binned_rates,
    drivers,
    quantile_bins,
    trend,
    trends,
)
from astroanomaly.scores.baselines import baseline_scores

__all__ = [
    "AUC",
    "ROC",
    "AUCDifference",
    "Evaluation",
    "Trend",
    "TwoSamples",
    "auc",
    "auc_difference",
    "baseline_scores",
    "best_score",
    "binned_rates",
    "binomial_interval",
    "by_property",
    "classifier",
    "contamination",
    "contamination_study",
    "detection_rates",
    "drivers",
    "evaluate",
    "false_positive_check",
    "pixel_histogram",
    "power_spectrum",
    "quantile_bins",
    "rates_markdown",
    "roc",
    "sample_distance",
    "summary_statistics",
    "trend",
    "trends",
    "two_samples",
    "what_finds",
]
