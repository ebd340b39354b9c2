"""What every study shares."""

import argparse
import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from PIL import Image

from studies import study, tables
from studies.study import Missing


class Small(study.Study):
    """Two stages, the second of which may fail."""

    name, needs, page = "small", (("numpy", "sim"),), "lenses"
    minutes = {"first": 2, "second": 0.5}
    scales = dict.fromkeys(("smoke", "laptop"), SimpleNamespace(minutes=minutes))
    more = {"--broken": {"action": "store_true"}}
    broken = False

    def stages(self):
        return {"first": lambda: None, "second": self.second}

    def second(self):
        if self.broken:
            raise OSError("no space left")
        study.save_tables(self.out / "tables", {"a": Table({"x": [1.0]})})
        study.save_figures(self.out / "figures", {"roc": Figure, "none": _absent})


def _absent():
    raise Missing("this run has no vortices")


def test_seconds_add_up_over_sessions_and_count_a_broken_stage(tmp_path):
    small = Small(tmp_path / "run", "smoke", 0, broken=True)
    with pytest.raises(OSError, match="no space left"):
        small.run()
    known = small.seconds()
    assert set(known) == {"first", "second"}
    small.broken = False
    small.run()
    assert small.seconds()["first"] > known["first"]


def test_the_command_runs_and_publishes_and_records_itself_without_paths(tmp_path):
    run, docs = tmp_path / "run", tmp_path / "docs"
    (docs / "lenses").mkdir(parents=True)
    (docs / "lenses" / "old.png").write_bytes(b"")
    Small.main(["--out", str(run), "--seed", "3", "--page", str(docs)])
    # The folder of a page is replaced as a whole.
    found = sorted(path.name for path in (docs / "lenses").iterdir())
    assert found == ["a.ecsv", "roc.png"]
    Small(run, "laptop", 3).record(config={"a": 1})
    text = (run / "study.json").read_text()
    command = "python -m studies.small --out RUN --scale laptop --seed 3"
    assert json.loads(text)["command"] == command
    assert json.loads(text)["config"] == {"a": 1}
    assert str(tmp_path) not in text
    with pytest.raises(OSError, match="no space left"):
        Small.main(["--out", str(run), "--broken"])


def test_a_missing_package_stops_it_before_anything_is_made(tmp_path):
    small = Small(tmp_path / "run", "smoke", 0)
    small.needs = (("no_such_package", "sim"),)
    with pytest.raises(ImportError, match="no_such_package"):
        small.run()
    assert not (tmp_path / "run").exists()


def test_the_time_of_a_part_counts_once():
    seconds = {"fixed": 600, "fixed_rbm": 240, "sets": 30, "tries": 60}
    stages = {"sets": "simulating", "fixed": "training", "results": "figures"}
    found = tables.times(seconds, stages, str.upper)
    parts = ["simulating", "training", "- of it RBM", "tries", "**all**"]
    assert found["stage"].tolist() == parts
    np.testing.assert_allclose(found["minutes"], [0.5, 10, 4, 1, 11.5])


def test_rows_are_spread_over_columns_with_headings_and_formats(tmp_path):
    names = "model score step auc auc_low auc_high"
    long = [("a", "x", 1.0, 0.5, 0.4, 0.6), ("a", "x", 2.0, 0.7, 0.6, 0.8)]
    long.append(("b", "x", 2.0, 0.9, 0.8, 1.0))
    places = {1.0: ("one", "at 1"), 2.0: ("two", "at 2")}
    long = tables.table_of(names, long)
    made = tables.wide(long, ("model", "score"), "step", places, "auc", ".2f")
    study.save_tables(tmp_path / "tables", {"one": made})
    found = Table.read(tmp_path / "tables" / "one.ecsv")
    assert found["two"].meta == {"heading": "at 2", "format": ".2f"}
    assert found["two_high"].tolist() == [0.8, 1.0]
    np.testing.assert_array_equal(np.asarray(found["one"]), [0.5, np.nan])
    assert not len(tables.wide(long[:0], ("model",), "step", places, "auc"))
    assert [tables.verdict(*x) for x in ((1, 2), (-2, -1), (-1, 1))] == [
        *("yes", "no", "not clear")
    ]


def test_figures_stay_below_a_size_and_missing_ones_are_named(tmp_path):
    noisy = Figure(figsize=(4, 4))
    noise = np.random.default_rng(1).uniform(size=(440, 440, 3))
    noisy.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    plain = Figure(figsize=(2, 1), facecolor="#0072B2")
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"")
    draw = {"noise": lambda: noisy, "plain": lambda: plain, "vortex": _absent}
    missing = study.save_figures(folder, draw, 60_000)
    assert missing == {"vortex": "this run has no vortices"}
    assert json.loads((folder / "missing.json").read_text()) == missing
    drawn = {path.stem: path for path in folder.glob("*.png")}
    assert set(drawn) == {"noise", "plain"}
    assert drawn["noise"].stat().st_size < 60_000
    # A small figure keeps its pixels and colors.
    image = Image.open(drawn["plain"])
    assert image.size == (2 * study.DPI, study.DPI)
    assert image.getpixel((5, 5)) == (0x00, 0x72, 0xB2)


@pytest.mark.parametrize("text", ["0", "-3", "2.5", "many", ""])
def test_a_number_below_the_least_is_a_sentence(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=study.at_least(1))
    assert parser.parse_args(["--n", "12"]).n == 12
    with pytest.raises(SystemExit):
        parser.parse_args([f"--n={text}"])
    message = f"--n: must be a whole number >= 1. Received: {text}"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1", "-0.1", "nan", "half"])
def test_a_share_outside_its_range_is_a_sentence(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=study.below_one)
    assert parser.parse_args(["--hidden", "0.1"]).hidden == 0.1
    with pytest.raises(SystemExit):
        parser.parse_args([f"--hidden={text}"])
    message = f"--hidden: must lie in [0, 1). Received: {text}"
    assert message in capsys.readouterr().err
