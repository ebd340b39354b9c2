"""Simulated survey images with known truth."""

from astroanomaly.simulate.galaxies import galaxies

__all__ = ["galaxies"]
