"""Figures for a paper or a talk; each function returns a matplotlib Figure.

No figure touches pyplot's state: show it by returning it from a notebook cell,
keep it with ``figure.savefig(...)``.
"""

from .curves import roc, training_curves
from .images import gallery, reconstructions, sample_grid
from .rates import areas, detection_by
from .samples import (
    rate_bars,
    rates_along,
    score_by_property,
    score_distributions,
    trend_panels,
)
from .scores import feature_map, score_histogram

__all__ = [
    "areas",
    "detection_by",
    "feature_map",
    "gallery",
    "rate_bars",
    "rates_along",
    "reconstructions",
    "roc",
    "sample_grid",
    "score_by_property",
    "score_distributions",
    "score_histogram",
    "training_curves",
    "trend_panels",
]
