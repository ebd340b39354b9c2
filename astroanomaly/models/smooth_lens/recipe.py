"""How a run trains the physical model of smooth lenses."""

from keras.optimizers import Adam

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.smooth_lens.model import SmoothLens


def _check_stretch(settings: dict) -> None:
    """Refuse a stretch after which brightness no longer adds up."""
    name = settings["stretch"]["name"]
    if name != "linear":
        raise ValueError(
            '`stretch` of the model smooth_lens must be "linear": a lens is fitted to '
            f"brightness as it is. Received: {name!r}"
        )


# The residual of a fit is nearly white: no score of pixels alone finds half of what the
# model's own does, which knows how masses change arcs.
SMOOTH = Recipe(
    SmoothLens,
    64,
    1e-3,
    lambda rate, training: {"optimizer": Adam(rate)},
    stretch={"name": "linear"},
    epochs=30,
    detector={"score": "evidence"},
    complete=_check_stretch,
)
