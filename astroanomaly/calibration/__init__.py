"""From the scores of normal objects to thresholds, p-values and selections.

A detector is calibrated on objects known to be ordinary. What their scores say
about a new score, in rising order of what is asked:

* a percentile threshold, the paper's cut: the score that contains 90, 95 or 99
  per cent of the normal objects, with an interval for the sample's size;
* a conformal p-value, valid for any sample size and any score, and from it a
  selection at a chosen false-discovery rate;
* a threshold beyond the sample, extrapolated by a generalised Pareto tail.

All of it holds for objects like the calibration objects and for no others:
`warn_if_shifted` compares the two sets of scores.
"""

from astroanomaly.calibration.levels import check_levels
from astroanomaly.calibration.thresholds import (
    Calibration,
    Comparison,
    ExtremeThreshold,
    Tail,
    benjamini_hochberg,
    compare,
    required_size,
    warn_if_shifted,
)

__all__ = [
    "Calibration",
    "Comparison",
    "ExtremeThreshold",
    "Tail",
    "benjamini_hochberg",
    "check_levels",
    "compare",
    "required_size",
    "warn_if_shifted",
]
