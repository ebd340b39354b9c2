import os
from pathlib import Path

import pytest

from astroanomaly.utils.files import atomic_dir, atomic_path, restore_dir


def _break(manager, path, write, error):
    """Write half of something, then fail inside the block."""
    with manager(path) as partial:
        write(partial)
        raise error


def _half_a_file(partial):
    partial.write_text("half of the n")


def _half_a_folder(partial):
    (partial / "new.json").write_text("half")


def _names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    file = tmp_path / "new" / "table.csv"
    with atomic_path(file) as partial:
        partial.write_text("a,b\n")
        assert not file.exists()
        assert partial.parent == file.parent
        assert partial.suffix == ".csv"
        assert partial.name.startswith(".")
    assert file.read_text() == "a,b\n"
    assert _names(file.parent) == ["table.csv"]


def test_a_file_is_replaced_in_one_step(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")
    with open(file) as reader, atomic_path(str(file)) as partial:
        partial.write_text("new")
        assert file.read_text() == "old"
        assert reader.read() == "old"
    assert file.read_text() == "new"
    assert _names(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, error):
    file = tmp_path / "table.csv"
    file.write_text("old")
    with pytest.raises(error):
        _break(atomic_path, file, _half_a_file, error)
    assert file.read_text() == "old"
    assert _names(tmp_path) == ["table.csv"]


def test_an_error_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ValueError, match="broken"):
        _break(atomic_path, tmp_path / "t", _half_a_file, ValueError("broken"))
    assert _names(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "table.csv"):
        pass
    assert _names(tmp_path) == []


def test_a_file_in_the_way_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), atomic_path(tmp_path / "file" / "t"):
        pass


def test_two_writers_do_not_meet(tmp_path):
    file = tmp_path / "table.csv"
    with atomic_path(file) as one, atomic_path(file) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one"  # the outer block ends last
    assert _names(tmp_path) == ["table.csv"]


def test_a_folder_appears_as_a_whole(tmp_path):
    folder = tmp_path / "run" / "detector"
    with atomic_dir(folder) as partial:
        (partial / "a.json").write_text("{}")
        (partial / "deep").mkdir()
        assert not folder.exists()
    assert _names(folder) == ["a.json", "deep"]
    assert _names(folder.parent) == ["detector"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "detector"
    folder.mkdir()
    (folder / "old.json").write_text("old")
    with atomic_dir(str(folder)) as partial:
        (partial / "new.json").write_text("new")
        assert _names(folder) == ["old.json"]
    assert _names(folder) == ["new.json"]
    assert _names(tmp_path) == ["detector"]


def test_an_error_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "detector"
    folder.mkdir()
    (folder / "old.json").write_text("old")
    with pytest.raises(ValueError, match="broken"):
        _break(atomic_dir, folder, _half_a_folder, ValueError("broken"))
    assert (folder / "old.json").read_text() == "old"
    assert _names(tmp_path) == ["detector"]


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"), atomic_dir(tmp_path / "d"):
        pass
    assert _names(tmp_path) == []


def test_an_old_folder_stays_when_the_new_one_cannot_take_its_place(
    tmp_path, monkeypatch
):
    folder = tmp_path / "detector"
    folder.mkdir()
    (folder / "old.json").write_text("old")
    replace, calls = os.replace, []

    def second_fails(source, target):
        calls.append((source, target))
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OSError, match="Input/output"), atomic_dir(folder) as partial:
        (partial / "new.json").write_text("new")
    assert _names(tmp_path) == ["detector"]
    assert (folder / "old.json").read_text() == "old"


def test_a_replacement_broken_off_between_its_steps_is_undone(tmp_path):
    folder = tmp_path / "detector"
    aside = tmp_path / ".detector.previous"
    aside.mkdir()
    (aside / "old.json").write_text("old")
    restore_dir(folder)
    assert (folder / "old.json").read_text() == "old"
    assert _names(tmp_path) == ["detector"]
    aside.mkdir()
    restore_dir(folder)
    assert _names(tmp_path) == ["detector"]
