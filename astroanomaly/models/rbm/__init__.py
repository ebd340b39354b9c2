"""The restricted Boltzmann machine."""

from astroanomaly.models.rbm.model import RBM

__all__ = ["RBM"]
