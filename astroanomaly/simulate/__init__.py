"""Simulated survey images with known truth."""

from astroanomaly.simulate.cameras.artefacts import artefacts
from astroanomaly.simulate.cameras.instruments import Instrument
from astroanomaly.simulate.cameras.sky import Sky
from astroanomaly.simulate.galaxies.galaxies import galaxies
from astroanomaly.simulate.galaxies.real import real_galaxies
from astroanomaly.simulate.lenses.compound import compound
from astroanomaly.simulate.lenses.lenses import lenses
from astroanomaly.simulate.lenses.painted import paint_arcs
from astroanomaly.simulate.lenses.settings import LensSetting
from astroanomaly.simulate.lenses.substructure import Subhalos, Vortex
from astroanomaly.simulate.mergers.mergers import mergers
from astroanomaly.simulate.planted import plant
from astroanomaly.simulate.survey.lens_survey import lens_survey

__all__ = [
    "Instrument",
    "LensSetting",
    "Sky",
    "Subhalos",
    "Vortex",
    "artefacts",
    "compound",
    "galaxies",
    "lens_survey",
    "lenses",
    "mergers",
    "paint_arcs",
    "plant",
    "real_galaxies",
]
