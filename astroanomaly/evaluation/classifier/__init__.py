"""How well a lens finder tells lenses from other galaxies.

Everything works on probabilities and labels, whichever network gave them. An
object is called a lens where its probability is at or above the threshold, the
rule of Wilde et al. (2022, arXiv:2202.12776). Every rate stands with its counts
and a 95 per cent interval. Purity is precision, completeness is recall.

A share of false alarms belongs to the finder; purity belongs to the finder *and*
to how common lenses are. Simulated sets hold about as many lenses as other
galaxies. Of the 1.5 billion galaxies that Euclid will see, 170,000 are expected to be
lenses that can be found (Collett 2015, ApJ 811, 20), one in 9000; the first search, of
about a million objects, came to 250 almost certain and 247 probable ones, one in 2000
(Euclid Collaboration 2025, arXiv:2503.15326). `purity_at` says what is left there.
"""

from astroanomaly.calibration.probability import ProbabilityCalibration
from astroanomaly.evaluation.classifier.metrics import (
    Metrics,
    PurityCompleteness,
    Rate,
    Threshold,
    metrics_at,
    purity_at,
    purity_completeness,
    reliability,
    threshold_for,
)
from astroanomaly.evaluation.classifier.tables import (
    PUBLISHED_OUTPUTS,
    PUBLISHED_SETS,
    named_table,
    negatives_table,
    set_table,
    trivial_recall,
)

__all__ = [
    "PUBLISHED_OUTPUTS",
    "PUBLISHED_SETS",
    "Metrics",
    "ProbabilityCalibration",
    "PurityCompleteness",
    "Rate",
    "Threshold",
    "metrics_at",
    "named_table",
    "negatives_table",
    "purity_at",
    "purity_completeness",
    "reliability",
    "set_table",
    "threshold_for",
    "trivial_recall",
]
