"""Trained models inside the package: list, load, calibrate, score, train further.

Each lies in a folder of its own here, with a card that says what it was trained on, how
well it finds what, where it fails, and how to make it again.
"""

from astroanomaly.pretrained.cards import Card, card, models
from astroanomaly.pretrained.folders import folder, names
from astroanomaly.pretrained.use import calibrate, fine_tune, from_pretrained, open_run

__all__ = [
    "Card",
    "calibrate",
    "card",
    "fine_tune",
    "folder",
    "from_pretrained",
    "models",
    "names",
    "open_run",
]
