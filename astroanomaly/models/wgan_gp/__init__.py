"""The Wasserstein GAN with gradient penalty."""

from astroanomaly.models.wgan_gp.model import WGANGP

__all__ = ["WGANGP"]
