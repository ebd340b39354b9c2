"""The convolutional lens finder, and committees of several."""

from astroanomaly.models.lens_finder.committee import Committee
from astroanomaly.models.lens_finder.model import LensFinder

__all__ = ["Committee", "LensFinder"]
