"""Every example script runs at a small size, and is short."""

import re
import sys
from pathlib import Path

import pytest
from astropy.table import Table

import astroanomaly as aa

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("0*.py"))


def _run(stem, monkeypatch, folder, **sizes):
    """Run a script in a folder with other sizes; return its names."""
    (path,) = EXAMPLES.glob(f"{stem}_*.py")
    code = path.read_text(encoding="utf-8")
    for name, value in sizes.items():
        # A constant stands alone, or in a row such as N, SIZE = 100, 48.
        code, n = re.subn(
            rf"^((?:\w+, )*{name}(?:, \w+)* = [^\n]*)$",
            rf"\1\n{name} = {value}",
            code,
            count=1,
            flags=re.MULTILINE,
        )
        assert n == 1, f"{path.name} has no constant {name}"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [path.name])
    names = {"__name__": "__main__"}
    exec(compile(code, path.name, "exec"), names)
    return names


def test_there_are_five_numbered_scripts():
    assert [path.name[:2] for path in SCRIPTS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_opens_with_what_is_new(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert 30 <= len(lines) <= 60
    assert any(line.startswith("New here: ") for line in lines[:5])
    assert f"python examples/{path.name}" in "\n".join(lines[:10])
    assert not re.search(r"import _|\._[a-z]", "\n".join(lines))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
def test_find_outliers(monkeypatch, tmp_path, capsys):
    pytest.importorskip("galsim")
    sizes = {"N_TRAIN": 64, "N_CALIBRATION": 100, "N_SURVEY": 40, "SIZE": 32}
    names = _run("01", monkeypatch, tmp_path, **sizes, EPOCHS=1, ENCODER_EPOCHS=1)
    scores = aa.tables.read_table("outliers/scores.ecsv")
    assert scores["anomaly_score"].tolist() == names["table"]["anomaly_score"].tolist()
    assert set(names["found"].rates["level"]) == {90, 95, 99}
    assert "pca_60" in capsys.readouterr().out
    assert (tmp_path / "outliers" / "report.html").is_file()


def test_real_cutouts(monkeypatch, tmp_path):
    pytest.importorskip("galsim")
    names = _run("02", monkeypatch, tmp_path, N=60, SIZE=32)
    cutouts = names["cutouts"]
    assert len(cutouts) == 59
    assert len(cutouts.skipped) == 1
    assert names["flagged"]["flag"].tolist() == [1, 2]
    assert len(names["table"]) == len(names["survey"])
    assert (tmp_path / "strangest.png").is_file()


@pytest.mark.slow
def test_lens_substructure(monkeypatch, tmp_path, capsys):
    pytest.importorskip("lenstronomy")
    sizes = {"N_TRAIN": 60, "N_CALIBRATION": 40, "N_TEST": 20, "SIZE": 48}
    names = _run("03", monkeypatch, tmp_path, **sizes, EPOCHS=2)
    rows = {row["score"]: row["auc"] for row in names["found"].auc}
    assert rows["anomaly_score"] == rows["orthogonal_score"]
    assert "pca_20" in capsys.readouterr().out
    assert (tmp_path / "areas.png").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The lenses have lower outputs")
def test_lens_finder(monkeypatch, tmp_path, capsys):
    pytest.importorskip("lenstronomy")
    sizes = {"N_TRAIN": 40, "N_CALIBRATION": 40, "N_TEST": 20, "EPOCHS": 1}
    names = _run("04", monkeypatch, tmp_path, **sizes)
    surest = names["table"]["p_lens"][0]
    assert surest == names["p_lens"].max()
    assert names["found"].tp + names["found"].fn == names["truth"].sum()
    assert "purity" in capsys.readouterr().out
    assert (tmp_path / "finder" / "why.png").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
def test_survey_scoring(monkeypatch, tmp_path):
    pytest.importorskip("galsim")
    sizes = {"N_TRAIN": 60, "N_CALIBRATION": 40, "N_SIDE": 6, "SIZE": 32}
    names = _run("05", monkeypatch, tmp_path, **sizes, EPOCHS=1, BLOCK=16)
    scores = Table.read("scores.fits")
    assert len(scores) == 36
    # A cutout around each source of the mosaic is its tile again.
    tiles, cutouts = names["tiles"], names["stream"].read()
    assert abs(cutouts.images - tiles.images).max() == 0
