"""Models of ordinary images; each is a Keras model with an ordinary ``fit``."""

from astroanomaly.models.wgan_gp import WGANGP

__all__ = ["WGANGP"]
