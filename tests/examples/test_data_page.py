"""The code of data/README.md for a user's own galaxies runs on simulated ones."""

import re
from pathlib import Path

import numpy as np
import pytest

import astroanomaly as aa

PAGE = Path(__file__).resolve().parents[2] / "data" / "README.md"
TINY = {
    "model": {"width": 4, "latent_dim": 8, "kernel_size": 3, "n_critic": 1},
    "training": {"epochs": 1, "batch_size": 16},
    "encoder": {"epochs": 1},
}


def _section(title):
    text = PAGE.read_text(encoding="utf-8")
    return re.split(r"^##+ ", text.split(f"## {title}\n")[1], flags=re.M)[0]


def _code(title):
    (code,) = re.findall(r"^```python\n(.*?)^```", _section(title), flags=re.M | re.S)
    return code


def _galaxies(folder, n, seed):
    cutouts = aa.simulate.galaxies(n, size=32, seed=seed)
    return aa.write_cutouts(folder, cutouts)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Return a folder with what the page needs: a run, mocks, real files."""
    pytest.importorskip("galsim")
    folder = tmp_path_factory.mktemp("own")
    _galaxies(folder / "horizon" / "train", 48, 1)
    _galaxies(folder / "horizon" / "held_out", 40, 2)
    _galaxies(folder / "RUN" / "sets" / "f160w_mocks", 60, 3)
    real = folder / "DATA" / "candels_f160w"
    table = aa.data.read_cutouts(_galaxies(real, 30, 4).parent, size=32).table
    for name in table["object_id"]:
        (real / f"{name}.fits").rename(real / f"{name}_h.fits")
    # A row less than files, and another filter beside, as in a survey's folder.
    table["object_id"] = [f"{name}_h" for name in table["object_id"]]
    columns = ["object_id", "redshift", "stellar_mass", "half_light_radius"]
    table[columns][1:].write(real / "catalog.ecsv", overwrite=True)
    (real / "other_j.fits").write_bytes(b"not read")
    out = folder / "RUN" / "f160w" / "run"
    aa.runs.train(folder / "horizon" / "train", out, TINY, size=32)
    return folder


@pytest.mark.slow
# A network that learned nothing may score two samples apart.
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
def test_a_users_own_images_are_compared_as_the_page_says(sky, monkeypatch, capsys):
    monkeypatch.chdir(sky)
    names = {}
    exec(_code("CANDELS"), names)
    assert len(names["mine"]) == 30
    assert np.isnan(names["mine"]["redshift"]).sum() == 1
    assert len(names["theirs"]) == 60
    for table in names["panels"].values():
        assert sum(table["n"]) == 29
        assert sum(table["n_reference"]) <= 60
    assert (sky / "real.png").is_file()
    code = _code("Horizon-AGN").replace("size=64", "size=32")
    exec(code.replace("settings = {", f"settings = {TINY} | {{"), names)
    assert names["found"].n_other == 30
    assert set(names["run"].detector.levels) == {85, 90, 95}
    assert capsys.readouterr().out.count("Kolmogorov-Smirnov") == 2


def test_the_page_names_the_folder_that_the_study_reads(tmp_path):
    from studies.mergers import sets

    folder = tmp_path / "candels_f160w"
    folder.mkdir()
    for name in ("a_h.fits", "a_j.fits", "catalog.ecsv"):
        (folder / name).touch()
    assert sets.real(tmp_path, "f160w_real") == [folder / "a_h.fits"]
    text = _section("CANDELS")
    assert "`DATA/candels_f160w`" in text
    assert "`*_h.fits`" in text


def test_the_columns_that_the_page_asks_for_are_those_of_simulated_sets():
    pytest.importorskip("galsim")
    table = aa.simulate.galaxies(1, size=16, seed=1).table
    named = ("redshift", "stellar_mass", "half_light_radius", "axis_ratio", "n")
    text = _section("CANDELS")
    for name in named:
        assert f"`{name}`" in text
        assert name in table.colnames
    assert table["stellar_mass"].unit == "solMass"
    assert table["half_light_radius"].unit == "arcsec"
