import json
import platform
from importlib import metadata
from pathlib import Path

import astroanomaly
from astroanomaly.utils import installed

ROOT = Path(__file__).resolve().parents[2]


def test_versions_are_those_installed():
    found = installed.versions()
    assert found["astroanomaly"] == astroanomaly.__version__
    assert found["python"] == platform.python_version()
    for package in ("tensorflow", "keras", "numpy", "astropy"):
        assert found[package] == metadata.version(package)
    assert json.loads(json.dumps(found)) == found


def test_a_package_that_is_missing_is_left_out(monkeypatch):
    def version(name):
        if name == "galsim":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    found = installed.versions()
    assert "galsim" not in found
    assert found["keras"] == "1.0"


def test_the_package_metadata_has_the_same_version():
    setup = (ROOT / "setup.cfg").read_text()
    citation = (ROOT / "CITATION.cff").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = astroanomaly.__version__
    assert f"\nversion = {version}\n" in setup
    assert f"\nversion: {version}\n" in citation
    assert f"## [{version}]" in changelog
