"""The verbs `review` and `labels` on a saved run."""

import shutil
from pathlib import Path

import pytest
from astropy.table import Table

from astroanomaly import cli
from astroanomaly.review import LabelStore
from astroanomaly.review.server import Server, bound_socket
from astroanomaly.tables import read_table

SAVED = Path(__file__).parents[1] / "golden" / "saved"


@pytest.fixture
def line(tmp_path, monkeypatch):
    """Give the words of a review; the server ends at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Server, "run", lambda server: server._socket.close())
    shutil.copytree(SAVED / "cutouts", "cutouts")
    scores = read_table(SAVED / "wgan_gp.ecsv")
    scores.write("scores.ecsv")
    return ["review", str(SAVED / "run"), "scores.ecsv", "cutouts", "--no-browser"]


def test_review_prints_addresses_and_the_tunnel(line, capsys):
    names = ["--reviewer", "Ada", "--reviewer", "Ben O'Hara"]
    assert cli.main([*line, *names, "--plant", "cutouts"]) == 0
    out = capsys.readouterr().out
    addresses = [word for word in out.split() if word.startswith("http://127.0.0.1:")]
    assert len(addresses) == 2
    assert "Ben O'Hara: http" in out
    assert "ssh -N -L" in out
    assert Path("labels.db").is_file()


def test_bad_input_is_one_sentence(line, capsys):
    taken = bound_socket("127.0.0.1", 0)
    port = str(taken.getsockname()[1])
    Path("text.db").write_text("no database")
    other = read_table("scores.ecsv")
    with LabelStore("other.db") as store:
        store.add("elsewhere", "Ada", grade=1)
    for more, words in (
        (["--port", port], ("`port`", port)),
        (["--reviewer", "<b>"], ("`reviewer`", "<b>")),
        (["--labels", "text.db"], ("text.db", "not a database")),
        (["--labels", "other.db"], ("other.db", "'elsewhere'")),
        (["--labels", "gone.db", "--read-only"], ("gone.db",)),
        (["--host", "nowhere"], ("`host`", "nowhere")),
    ):
        assert cli.main([*line, *more]) == 2, more
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        for word in words:
            assert word in error
    taken.close()
    assert len(other) == 6
    assert Path("text.db").read_text() == "no database"


def test_labels_are_counted_exported_and_taken_in(line, capsys):
    ids = read_table("scores.ecsv")["object_id"].tolist()
    table = Table({"object_id": ids[:3], "is_anomaly": [True, False, True]})
    table.write("visual.ecsv")
    taken = ["labels", "labels.db", "--add", "visual.ecsv"]
    assert cli.main(taken) == 2
    assert "`--reviewer`" in capsys.readouterr().err
    for name in ("Ada", "Ben"):
        assert cli.main([*taken, "--reviewer", name]) == 0
    with LabelStore("labels.db") as store:
        store.add(ids[0], "Ben", label="artefact")
    capsys.readouterr()
    assert cli.main(["labels", "labels.db", "--out", "labels.csv"]) == 0
    out = capsys.readouterr().out
    # Of i o i and a o i: observed 2 / 3, chance (1 + 2) / 9.
    assert "0.500" in out
    assert "cohen" in out
    assert len(read_table("labels.csv")) == 6
    assert cli.main(["labels", "gone.db"]) == 2
    assert not Path("gone.db").exists()
