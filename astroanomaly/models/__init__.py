"""Models of ordinary images; each is a Keras model with an ordinary ``fit``."""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.models.autoencoders.aae import AAE
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE
from astroanomaly.models.autoencoders.outlier_exposure import OutlierExposure
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.models.lens_finder.committee import Committee
from astroanomaly.models.lens_finder.model import LensFinder
from astroanomaly.models.pca.model import PCA
from astroanomaly.models.progressive.model import ProgressiveGAN
from astroanomaly.models.rbm.model import RBM
from astroanomaly.models.smooth_lens.model import SmoothLens
from astroanomaly.models.wgan_gp.model import WGANGP

__all__ = [
    "AAE",
    "CVAE",
    "DCAE",
    "PCA",
    "Committee",
    "RBM",
    "KLAnnealing",
    "LensFinder",
    "OneCycle",
    "OutlierExposure",
    "ProgressiveGAN",
    "SmoothLens",
    "WGANGP",
]
