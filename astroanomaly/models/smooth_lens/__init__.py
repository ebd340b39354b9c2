"""Smooth lenses drawn by physics: a ray tracer, fitted to each image."""

from astroanomaly.models.smooth_lens.model import SmoothLens

__all__ = ["SmoothLens"]
