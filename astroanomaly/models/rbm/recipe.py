"""How a run trains a Boltzmann machine."""

from keras.optimizers import SGD

from astroanomaly.models.common.recipe import Recipe
from astroanomaly.models.rbm.model import RBM

MACHINE = Recipe(
    RBM,
    100,
    None,
    # Without a rate the model takes one that suits its number of pixels.
    lambda rate, _: {} if rate is None else {"optimizer": SGD(rate, momentum=0.9)},
)
