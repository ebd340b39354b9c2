import sys
from types import ModuleType

import pytest

from astroanomaly.utils.lazy import on_first_use


def test_a_name_is_imported_when_it_is_used_and_then_kept(monkeypatch):
    package, inner = ModuleType("odd_package"), ModuleType("odd_package.inner")
    package.__path__, inner.answer = [], 42
    monkeypatch.setitem(sys.modules, "odd_package", package)
    monkeypatch.setitem(sys.modules, "odd_package.inner", inner)
    found = on_first_use("odd_package", {"answer": "inner"})
    package.__getattr__, package.__dir__ = found
    assert dir(package) == ["answer"]
    assert "answer" not in vars(package)
    assert package.answer == 42
    assert vars(package)["answer"] == 42
    with pytest.raises(AttributeError, match="'odd_package' has no attribute 'other'"):
        package.other  # noqa: B018
