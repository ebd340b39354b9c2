"""Figures for a paper or a talk; each function returns a matplotlib Figure.

Every plot returns its figure and takes `figsize` (inches) or `fig`, a Figure or
SubFigure to draw on; those of one panel also take `ax`. A notebook shows the figure as
the value of its cell; where pyplot has a window, ``plt.show()`` shows it; and
``figure.savefig(...)`` keeps it.
"""

from astroanomaly.plots.contamination import auc_loss, contamination_curves
from astroanomaly.plots.finder import (
    output_histogram,
    purity_completeness,
    reliability,
    roc_curves,
    set_rates,
)
from astroanomaly.plots.images import (
    gallery,
    reconstructions,
    sample_grid,
    sample_statistics,
    samples_by_level,
)
from astroanomaly.plots.interpret import dreams, filter_images, grad_cam, occlusion
from astroanomaly.plots.rates import (
    areas,
    detection_by,
    rate_bars,
    rates_along,
    score_by_property,
    score_distributions,
    trend_panels,
)
from astroanomaly.plots.scores import (
    feature_map,
    roc,
    score_histogram,
    training_curves,
)

__all__ = [
    "areas",
    "auc_loss",
    "contamination_curves",
    "detection_by",
    "dreams",
    "feature_map",
    "filter_images",
    "gallery",
    "grad_cam",
    "occlusion",
    "output_histogram",
    "purity_completeness",
    "rate_bars",
    "rates_along",
    "reconstructions",
    "reliability",
    "roc",
    "roc_curves",
    "sample_grid",
    "sample_statistics",
    "samples_by_level",
    "score_by_property",
    "score_distributions",
    "score_histogram",
    "set_rates",
    "training_curves",
    "trend_panels",
]
