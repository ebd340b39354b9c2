import tomllib

from astroanomaly.runs import config, folder


def test_the_record_is_written_once(tmp_path):
    settings = config.resolve({"training": {"seed": 7}})
    record = {"n": 1, "bands": ["VIS"], "pixels": ["00"]}
    folder.begin(tmp_path, settings, record)
    folder.begin(tmp_path, config.resolve(), record | {"n": 2})
    assert folder.read_config(tmp_path) == settings
    assert folder.read_objects(tmp_path) == record
    tables = tomllib.loads((tmp_path / "config.toml").read_text())
    assert tables["run"] == {"format": 1, "astroanomaly": "0.1.0"}
    assert "tensorflow" in tables["versions"]


def test_what_a_broken_writing_left_does_not_count(tmp_path):
    assert not folder.holds_files(tmp_path / "nowhere")
    (tmp_path / ".1234.partial.config.toml").write_text("")
    assert not folder.holds_files(tmp_path)
    (tmp_path / "notes").write_text("")
    assert folder.holds_files(tmp_path)


def test_what_a_killed_training_left_is_swept_away(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / ".1a.partial.detector").mkdir()
    for name in (".1b.partial.gan.keras", "gan.keras"):
        (tmp_path / "checkpoint" / name).write_text("")
    (tmp_path / ".1a.partial.detector" / "detector.json").write_text("")
    folder.sweep(tmp_path)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))
    assert left == ["checkpoint", "checkpoint/gan.keras"]


def test_a_run_is_finished_when_its_detector_is_there(tmp_path):
    assert not folder.finished(tmp_path)
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "detector.json").write_text("{}")
    assert folder.finished(tmp_path)
