"""How well scores separate anomalies: areas, rates, trends, with intervals.

`classifier` holds what concerns lens finders, `contamination` the study of anomalies
hidden in the training set.
"""

from astroanomaly.evaluation import classifier, contamination
from astroanomaly.evaluation.generated import (
    pixel_histogram,
    power_spectrum,
    sample_distance,
    summary_statistics,
)
from astroanomaly.evaluation.rates import (
    detection_rates,
    false_positive_check,
    rates_markdown,
)
from astroanomaly.evaluation.summary import (
    AUC,
    ROC,
    AUCDifference,
    Evaluation,
    auc,
    auc_difference,
    baseline_scores,
    binomial_interval,
    contamination_study,
    evaluate,
    roc,
)
from astroanomaly.evaluation.surveys import TwoSamples, by_property, two_samples
from astroanomaly.evaluation.trends import (
    Trend,
    binned_rates,
    drivers,
    quantile_bins,
    trend,
    trends,
)

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
]
