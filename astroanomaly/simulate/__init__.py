"""Simulated survey images with known truth."""

from astroanomaly.simulate.galaxies import galaxies
from astroanomaly.simulate.instruments import Instrument
from astroanomaly.simulate.mergers import mergers
from astroanomaly.simulate.real import real_galaxies
from astroanomaly.simulate.sky import Sky

__all__ = ["Instrument", "Sky", "galaxies", "mergers", "real_galaxies"]
