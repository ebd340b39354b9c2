"""Simulated survey images with known truth."""

from astroanomaly.simulate.galaxies import galaxies
from astroanomaly.simulate.instruments import Instrument

__all__ = ["Instrument", "galaxies"]
