"""The convolutional lens finder."""

from astroanomaly.models.lens_finder.model import LensFinder

__all__ = ["LensFinder"]
