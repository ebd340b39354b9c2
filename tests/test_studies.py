"""The stages that every study shares."""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import studies  # noqa: E402


class Small(studies.Study):
    """Two stages, the second of which may fail."""

    script = "examples/small.py"
    needs = (("numpy", "sim"),)
    scale = SimpleNamespace(minutes={"first": 2, "second": 0.5})
    broken = False

    def stages(self):
        return {"first": lambda: None, "second": self.second}

    def second(self):
        if self.broken:
            raise OSError("no space left")


def test_the_cost_is_said_first(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="study"):
        Small(tmp_path / "run", "smoke", 0).announce()
    assert "scale smoke: about 2 minutes on 2 CPU cores" in caplog.text
    assert "second   about 0.5 min" in caplog.text
    assert not (tmp_path / "run").exists()


def test_seconds_add_up_over_sessions_and_count_a_broken_stage(tmp_path):
    study = Small(tmp_path / "run", "smoke", 0)
    study.broken = True
    with pytest.raises(OSError, match="no space left"):
        study.run()
    assert set(study.seconds()) == {"first", "second"}
    study.note("first", 100.0)
    study.broken = False
    study.run()
    assert 100 < study.seconds()["first"] < 101


def test_the_record_names_the_command_without_paths(tmp_path):
    study = Small(tmp_path / "run", "laptop", 3)
    study.run()
    study.record(config={"a": 1})
    record = json.loads((tmp_path / "run" / "study.json").read_text())
    command = "python examples/small.py --out RUN --scale laptop --seed 3"
    assert record["command"] == command
    assert record["config"] == {"a": 1}
    assert str(tmp_path) not in json.dumps(record)


def test_a_missing_package_stops_it_before_anything_is_made(tmp_path):
    study = Small(tmp_path / "run", "smoke", 0)
    study.needs = (("no_such_package", "sim"),)
    with pytest.raises(ImportError, match="no_such_package"):
        study.run()
    assert not (tmp_path / "run").exists()


def test_every_study_has_the_same_options(tmp_path):
    parser = studies.parser("A study.", ("smoke", "laptop"))
    chosen = parser.parse_args(["--out", str(tmp_path), "--cost"])
    assert (chosen.scale, chosen.seed, chosen.cost) == ("laptop", 0, True)
