"""From the scores of normal objects to thresholds, p-values and selections.

A detector is calibrated on objects known to be ordinary. What their scores say
about a new score, in rising order of what is asked:

* a threshold for 90, 95 or 99 per cent: a fresh ordinary object lies above it in
  at most 10, 5 or 1 per cent of cases, whatever the sample's size (the source
  paper's percentile of the sample by ``rule="percentile"``), with an interval;
* a conformal p-value, valid for any sample size and any score, and from it a
  selection at a chosen false-discovery rate;
* a threshold beyond the sample, extrapolated by a generalised Pareto tail.

All of it holds for objects like the calibration objects and for no others:
`warn_if_shifted` compares the two sets of scores.
"""

from astroanomaly.calibration.levels import check_levels, levels_for
from astroanomaly.calibration.thresholds import (
    Calibration,
    Comparison,
    ExtremeThreshold,
    Tail,
    benjamini_hochberg,
    calibration_needed,
    compare,
    q_values,
    required_size,
    warn_if_shifted,
)

__all__ = [
    "Calibration",
    "Comparison",
    "ExtremeThreshold",
    "Tail",
    "benjamini_hochberg",
    "calibration_needed",
    "check_levels",
    "compare",
    "levels_for",
    "q_values",
    "required_size",
    "warn_if_shifted",
]
