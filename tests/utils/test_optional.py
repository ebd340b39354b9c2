import sys

import pytest

from astroanomaly import simulate
from astroanomaly.utils.optional import require


def test_missing_galsim_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[sim\]"'):
        simulate.galaxies(1)


def test_present_package_is_returned():
    assert require("sys") is sys


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("statmorph", "morphology"),
        ("galsim", "sim"),
        ("pyarrow.parquet", "survey"),
        ("fitsio", "io"),
        ("pyvo.samp", "export"),
    ],
)
def test_the_extra_of_the_source_tree_is_named(monkeypatch, module, extra):
    name = module.partition(".")[0]
    monkeypatch.setitem(sys.modules, name, None)
    if module != name:
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=f"`{name}`") as caught:
        require(module, extra)
    assert f'pip install ".[{extra}]"' in str(caught.value)
    assert "astroanomaly[" not in str(caught.value)
