import configparser
import json
import platform
import re
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
    recipe = (ROOT / "recipe" / "meta.yaml").read_text()
    codemeta = json.loads((ROOT / "codemeta.json").read_text())
    version = astroanomaly.__version__
    assert f"\nversion = {version}\n" in setup
    assert f"\nversion: {version}\n" in citation
    assert f"## [{version}]" in changelog
    assert f'\n  version: "{version}"\n' in recipe
    assert codemeta["version"] == version


def test_the_recipe_needs_what_setup_needs():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    # conda-forge writes a name with a hyphen.
    wanted = setup["options"]["install_requires"].replace("_", "-").split()
    recipe = (ROOT / "recipe" / "meta.yaml").read_text().split("  run:\n")[1]
    lines = recipe.split("\n\n")[0].replace(" - ", "").splitlines()
    run = [line.partition("#")[0].replace(" ", "") for line in lines]
    assert run[0] == "python" + setup["options"]["python_requires"].replace(", ", ",")
    assert run[1:] == wanted


def test_the_paper_cites_what_its_bibliography_holds():
    cited = set(re.findall(r"@(\w+)", (ROOT / "paper.md").read_text()))
    listed = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "paper.bib").read_text(), re.M))
    assert cited == listed
