"""Models of ordinary images; each is a Keras model with an ordinary ``fit``."""

from astroanomaly.models.aae import AAE
from astroanomaly.models.annealing import KLAnnealing
from astroanomaly.models.cvae import CVAE
from astroanomaly.models.dcae import DCAE
from astroanomaly.models.lens_finder import LensFinder
from astroanomaly.models.outlier_exposure import OutlierExposure
from astroanomaly.models.progressive import ProgressiveGAN
from astroanomaly.models.rbm import RBM
from astroanomaly.models.schedules import OneCycle
from astroanomaly.models.wgan_gp import WGANGP

__all__ = [
    "AAE",
    "CVAE",
    "DCAE",
    "RBM",
    "KLAnnealing",
    "LensFinder",
    "OneCycle",
    "OutlierExposure",
    "ProgressiveGAN",
    "WGANGP",
]
