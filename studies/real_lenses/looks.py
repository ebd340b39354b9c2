"""Where the committee looks: real lenses, and real frames that it takes for lenses."""

import numpy as np
import tensorflow as tf

from astroanomaly import interpret
from studies.real_lenses import tables
from studies.real_lenses.training import middle, stretch

# As Wilde et al. 2022: a square of 4 pixels; steps of 3 leave a map of 14 x 14 squares.
MASK, STRIDE = 4, 3
N_WORST = 5


def every(own: dict, sets: dict, model) -> dict[str, np.ndarray]:
    """Return maps of the real lenses and of the highest real frames without one."""
    real = tables.real_frames(own, sets)
    worst = np.argsort(-real["logit"])[:N_WORST]
    known = sets["lenses"]
    images = np.concatenate([known["images"], real["images"][worst]])
    names = [*known["name"], *real["name"][worst]]
    seen = np.asarray(stretch()(middle(images, model.image_shape[0])))
    # Traced once: a committee that runs step by step takes seven times as long.
    logit = tf.function(model.logit)
    maps = [interpret.occlusion_map(logit, x, MASK, STRIDE) for x in seen]
    return {
        "images": images,
        "name": np.array(names, str),
        "is_lens": np.arange(len(names)) < len(known["name"]),
        "output": np.array([one.output for one in maps]),
        "change": np.array([one.change for one in maps], "f4"),
    }
