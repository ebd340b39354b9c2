"""How a run trains a Boltzmann machine."""

from keras.optimizers import SGD

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.rbm.model import RBM


def _optimizers(rate, training) -> dict:
    # Without a rate the model takes one that suits its number of pixels.
    return {} if rate is None else {"optimizer": SGD(rate, momentum=0.9)}


MACHINE = Recipe(RBM, 100, None, _optimizers)
