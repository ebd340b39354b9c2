"""A GAN that grows level by level, with an encoder trained at the same time."""

from astroanomaly.models.progressive.model import ProgressiveGAN

__all__ = ["ProgressiveGAN"]
