"""Principal components as a model of ordinary images."""

from astroanomaly.models.pca.model import PCA

__all__ = ["PCA"]
