"""Types that the signatures of several rooms share; imported for type checks alone."""

from pathlib import Path

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.stream import CutoutStream

CutoutsLike = Cutouts | CutoutStream | np.ndarray | str | Path
