"""What every study shares."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from PIL import Image

from studies import study
from studies.study import Missing


class Small(study.Study):
    """Two stages, the second of which may fail."""

    name = "small"
    needs = (("numpy", "sim"),)
    scales = dict.fromkeys(
        ("smoke", "laptop"), SimpleNamespace(minutes={"first": 2, "second": 0.5})
    )
    broken = False

    def stages(self):
        return {"first": lambda: None, "second": self.second}

    def second(self):
        if self.broken:
            raise OSError("no space left")
        study.save_tables(self.out / "tables", {"a": Table({"x": [1.0]})})


def test_seconds_add_up_over_sessions_and_count_a_broken_stage(tmp_path):
    small = Small(tmp_path / "run", "smoke", 0)
    small.broken = True
    with pytest.raises(OSError, match="no space left"):
        small.run()
    assert set(small.seconds()) == {"first", "second"}
    small.note("first", 100.0)
    small.broken = False
    small.run()
    assert 100 < small.seconds()["first"] < 101


def test_the_record_holds_the_command_without_paths(tmp_path):
    small = Small(tmp_path / "run", "laptop", 3)
    small.run()
    small.record(config={"a": 1})
    record = json.loads((tmp_path / "run" / "study.json").read_text())
    command = "python -m studies.small --out RUN --scale laptop --seed 3"
    assert record["command"] == command
    assert record["config"] == {"a": 1}
    assert str(tmp_path) not in json.dumps(record)


def test_a_missing_package_stops_it_before_anything_is_made(tmp_path):
    small = Small(tmp_path / "run", "smoke", 0)
    small.needs = (("no_such_package", "sim"),)
    with pytest.raises(ImportError, match="no_such_package"):
        small.run()
    assert not (tmp_path / "run").exists()


def test_the_command_shows_the_cost_or_runs_and_publishes(tmp_path, caplog):
    parser = study.parser("A study.", Small.scales)
    out, docs = tmp_path / "run", tmp_path / "docs"
    chosen = parser.parse_args(["--out", str(out), "--cost"])
    assert (chosen.scale, chosen.seed) == ("laptop", 0)
    small = Small(chosen.out, chosen.scale, chosen.seed)
    with caplog.at_level(logging.INFO, logger="study"):
        small.start(chosen)
    assert "scale laptop: about 2 minutes on 2 CPU cores" in caplog.text
    assert "second   about 0.5 min" in caplog.text
    assert not out.exists()
    small.start(parser.parse_args(["--out", str(out), "--page", str(docs)]))
    assert [path.name for path in (docs / "small").iterdir()] == ["a.ecsv"]


def test_the_time_of_a_part_counts_once():
    seconds = {"fixed": 600, "fixed_rbm": 240, "sets": 30, "tries": 60}
    stages = {"sets": "simulating", "fixed": "training", "results": "figures"}
    found = study.times(seconds, stages, str.upper)
    assert found["stage"].tolist() == [
        "simulating",
        "training",
        "- of it RBM",
        "tries",
        "**all**",
    ]
    np.testing.assert_allclose(found["minutes"], [0.5, 10, 4, 1, 11.5])


def test_tables_keep_headings_and_formats(tmp_path):
    column = study.column("auc", [0.5], "AUC", ".2f")
    study.save_tables(tmp_path / "tables", {"one": Table([column])})
    found = Table.read(tmp_path / "tables" / "one.ecsv")
    assert found["auc"].meta == {"heading": "AUC", "format": ".2f"}


def _noise() -> Figure:
    figure = Figure(figsize=(4, 4))
    noise = np.random.default_rng(1).uniform(size=(440, 440, 3))
    figure.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    return figure


def _absent():
    raise Missing("this run has no vortices")


def test_figures_stay_below_a_size_and_missing_ones_are_named(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"")
    draw = {"noise": _noise, "vortex": _absent}
    missing = study.save_figures(folder, draw, 60_000)
    assert missing == {"vortex": "this run has no vortices"}
    assert json.loads((folder / "missing.json").read_text()) == missing
    assert [path.name for path in folder.glob("*.png")] == ["noise.png"]
    assert (folder / "noise.png").stat().st_size < 60_000


def test_a_small_figure_keeps_its_pixels_and_colors(tmp_path):
    figure = Figure(figsize=(2, 1), facecolor="#0072B2")
    study.save_figure(figure, tmp_path / "plain.png")
    image = Image.open(tmp_path / "plain.png")
    assert image.size == (2 * study.DPI, study.DPI)
    assert image.getpixel((5, 5)) == (0x00, 0x72, 0xB2)


def test_publishing_replaces_the_folder_of_a_page(tmp_path):
    run, docs = tmp_path / "run", tmp_path / "docs"
    study.save_tables(run / "tables", {"a": Table({"x": [1.0]})})
    (run / "figures").mkdir()
    (run / "figures" / "roc.png").write_bytes(b"png")
    (run / "figures" / "missing.json").write_text("{}")
    (docs / "lenses").mkdir(parents=True)
    (docs / "lenses" / "old.png").write_bytes(b"")
    study.publish(run, docs, "lenses")
    found = sorted(path.name for path in (docs / "lenses").iterdir())
    assert found == ["a.ecsv", "roc.png"]
