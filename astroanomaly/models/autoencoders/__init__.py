"""Autoencoders: deterministic, variational, adversarial, and outlier exposure."""

from astroanomaly.models.autoencoders.aae import AAE
from astroanomaly.models.autoencoders.annealing import KLAnnealing
from astroanomaly.models.autoencoders.cvae import CVAE
from astroanomaly.models.autoencoders.dcae import DCAE
from astroanomaly.models.autoencoders.outlier_exposure import OutlierExposure

__all__ = ["AAE", "CVAE", "DCAE", "KLAnnealing", "OutlierExposure"]
