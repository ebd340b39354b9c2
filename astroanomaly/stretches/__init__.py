"""Stretch pixels to [0, 1] before a network sees them."""

import astroanomaly.stretches.backend  # noqa: F401  # before all else
from astroanomaly.stretches.sky import sky_noise
from astroanomaly.stretches.stretch import Asinh, Linear, Log, Sqrt, Stretch, load

__all__ = ["Asinh", "Linear", "Log", "Sqrt", "Stretch", "load", "sky_noise"]
