"""Simulated survey images with known truth."""

from astroanomaly.simulate.compound import compound
from astroanomaly.simulate.galaxies import galaxies
from astroanomaly.simulate.instruments import Instrument
from astroanomaly.simulate.lens_settings import LensSetting
from astroanomaly.simulate.lens_survey import lens_survey
from astroanomaly.simulate.lenses import lenses
from astroanomaly.simulate.mergers import mergers
from astroanomaly.simulate.real import real_galaxies
from astroanomaly.simulate.sky import Sky
from astroanomaly.simulate.substructure import Subhalos, Vortex

__all__ = [
    "Instrument",
    "LensSetting",
    "Sky",
    "Subhalos",
    "Vortex",
    "compound",
    "galaxies",
    "lens_survey",
    "lenses",
    "mergers",
    "real_galaxies",
]
