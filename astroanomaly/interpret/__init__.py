"""What a network sees: the pixels that decide, and the images that excite it.

Occlusion maps (Zeiler & Fergus 2014), deep dreams (Mordvintsev et al. 2015),
Grad-CAM (Selvaraju et al. 2017) and images that excite filters, for any number of
bands; after Wilde et al. (2022, arXiv:2202.12776), who look into a lens finder.
"""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.interpret.anomaly import anomaly_output
from astroanomaly.interpret.dreams import (
    Dream,
    FilterImages,
    deep_dream,
    filter_images,
)
from astroanomaly.interpret.gradients import (
    grad_cam,
    guided_backpropagation,
    guided_grad_cam,
)
from astroanomaly.interpret.occlusion import OcclusionMap, occlusion_map

__all__ = [
    "Dream",
    "FilterImages",
    "OcclusionMap",
    "anomaly_output",
    "deep_dream",
    "filter_images",
    "grad_cam",
    "guided_backpropagation",
    "guided_grad_cam",
    "occlusion_map",
]
