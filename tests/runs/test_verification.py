import json
import shutil

import numpy as np
import pytest
from hostile import SAVED

from astroanomaly import cli, runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a saved run, calibrated anew, and two tables of it."""
    folder = tmp_path_factory.mktemp("verify")
    shutil.copytree(SAVED / "run", folder / "run")
    # As of this version, with checksums and the versions that are installed.
    file = folder / "run" / "config.toml"
    settings = runs.config.resolve(runs.config.read_config(file))
    file.unlink()
    runs.folder.begin(folder / "run", settings, {})
    runs.folder.write_checksums(folder / "run")
    run = runs.calibrate(folder / "run", SAVED / "cutouts", levels=(50,))
    for name in ("t.fits", "t.ecsv", "t.csv"):
        runs.score_survey(run.detector, run.read(SAVED / "cutouts"), folder / name)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


@pytest.mark.parametrize("table", ["t.fits", "t.ecsv", "t.csv", None])
def test_what_is_as_it_was_is_status_0(folder, capsys, table):
    words = [str(folder / "run"), *([str(folder / table)] if table else [])]
    assert cli.main(["verify", *words]) == 0
    out = capsys.readouterr().out
    assert "4 of 4 files" in out
    assert "5 of 5 files" in out


def _recalibrate(folder):
    runs.calibrate(folder / "run", SAVED / "cutouts", levels=(60,))


def _change_a_score(folder):
    table = runs.survey.read_table(folder / "t.fits")
    table["anomaly_score"][0] = np.nextafter(table["anomaly_score"][0], np.inf)
    runs.survey.write_table(table, folder / "t.fits")


def _drop_a_row(folder):
    table = runs.survey.read_table(folder / "t.fits")
    runs.survey.write_table(table[1:], folder / "t.fits")


def _change_a_version(folder):
    file = folder / "run" / "config.toml"
    file.write_text(file.read_text().replace('keras = "', 'keras = "0.'))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_recalibrate, "another levels and another thresholds than"),
        (_change_a_score, "t.fits holds other values"),
        (_drop_a_row, "t.fits has 5 rows; 6 were written"),
        (_change_a_version, "made with keras 0."),
        (lambda f: (f / "run/model.keras").unlink(), "model.keras is missing"),
        (lambda f: (f / "run/history.csv").write_text("x"), "history.csv is not as"),
        (
            lambda f: (f / "run/detector/modes_encoder.json").write_text("{"),
            "modes_encoder.json is not as",
        ),
        (lambda f: (f / "t.fits").write_bytes(b""), "t.fits must be a table"),
        (lambda f: (f / "t.fits.parts").mkdir(), "t.fits.parts holds a scoring"),
        (lambda f: (f / "run/.1-a.partial.x").mkdir(), "left by a command that was"),
        (lambda f: (f / "run/detector/checksums.json").write_text("{"), "checksums"),
    ],
)
def test_what_is_not_as_it_was_is_said_and_status_2(folder, capsys, change, words):
    change(folder)
    assert cli.main(["verify", str(folder / "run"), str(folder / "t.fits")]) == 2
    out = capsys.readouterr().out
    assert words in out
    assert all(line.strip() for line in out.splitlines())


def test_an_older_run_records_no_checksums_and_no_run_is_refused(tmp_path, capsys):
    found = runs.verify(shutil.copytree(SAVED / "run", tmp_path / "run"))
    assert sum("records no checksums" in line for line in found.checked) == 2
    assert cli.main(["verify", str(tmp_path / "nothing")]) == 2
    assert "must be a run folder" in capsys.readouterr().err


def test_checksums_are_those_of_sha256sum(made):
    import hashlib

    place = made / "run" / "detector"
    for name, expected in json.loads((place / "checksums.json").read_text()).items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == expected
