import sys

import pytest

from astroanomaly import simulate
from astroanomaly.utils.optional import require


def test_missing_galsim_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(ImportError, match=r'pip install "astroanomaly\[sim\]"'):
        simulate.galaxies(1)


def test_present_package_is_returned():
    assert require("sys") is sys


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "statmorph", None)
    message = r'^Morphology needs `statmorph`, .*"astroanomaly\[morphology\]"$'
    with pytest.raises(ImportError, match=message):
        require("statmorph", "morphology")
