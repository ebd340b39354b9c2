"""A disc galaxy, and its numbers."""

import pytest
from sersic import cutouts_of, galaxy

from astroanomaly.morphology import measure


@pytest.fixture(scope="module")
def disc():
    return galaxy(48, 1, 4.0, 500, axis_ratio=0.7)


@pytest.fixture(scope="module")
def measured(disc):
    return measure(cutouts_of(disc))
