import os
from pathlib import Path

import pytest

from astroanomaly.utils.files import (
    atomic_dir,
    atomic_path,
    file_digest,
    read_json,
    restore_dir,
    sweep,
)


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


# --- Power cuts, full disks, killed writers -------------------------------------------


def test_what_is_renamed_was_written_to_the_disk_before(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("fsync"))
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda *paths: calls.append("replace") or replace(*paths)
    )
    with atomic_path(tmp_path / "a") as partial:
        partial.write_text("a")
    # The file, its new name, and the folder that lists it.
    assert calls == ["fsync", "replace", "fsync"]
    calls.clear()
    with atomic_dir(tmp_path / "b") as partial:
        (partial / "c").mkdir()
        (partial / "c" / "d").write_text("d")
    assert calls == ["fsync"] * 3 + ["replace", "fsync"]
    calls.clear()
    with atomic_path(tmp_path / "e", durable=False) as partial:
        partial.write_text("e")
    assert calls == ["replace"]


@pytest.mark.parametrize(
    "error",
    [
        (28, "No space left on device"),
        ("Can't write data (errno = 28, error message = 'No space left')",),
    ],
)
@pytest.mark.parametrize("manager", [atomic_path, atomic_dir])
def test_a_full_disk_names_the_file(tmp_path, error, manager):
    with pytest.raises(OSError, match="No space left") as caught:
        _break(manager, tmp_path / "table.csv", lambda p: None, OSError(*error))
    assert caught.value.filename == str(tmp_path / "table.csv")
    assert caught.value.errno == 28
    assert _names(tmp_path) == []


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    error = FileNotFoundError(2, "No such file", "elsewhere")
    with pytest.raises(FileNotFoundError) as caught:
        _break(atomic_path, tmp_path / "a", lambda partial: None, error)
    assert caught.value.filename == "elsewhere"


def test_what_a_killed_writer_left_goes_and_a_living_ones_stays(tmp_path):
    # No process has the largest number; this one's own is alive.
    dead = tmp_path / f".{2**22 + 1}-0a.partial.table.csv"
    dead.write_text("half")
    living = tmp_path / f".{os.getppid()}-0b.partial.table.csv"
    living.write_text("half")
    other = tmp_path / f".{2**22 + 1}-0c.partial.other.csv"
    other.write_text("half")
    with atomic_path(tmp_path / "table.csv") as partial:
        partial.write_text("whole")
    assert _names(tmp_path) == sorted([living.name, other.name, "table.csv"])
    sweep(tmp_path)
    assert _names(tmp_path) == sorted([living.name, "table.csv"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must be a JSON file"),
        (b'{"a": ', "must be a JSON file"),
        (b"\xff", "must be a JSON file"),
        (b"[" * 10**5, "must be a JSON file"),
        (b"[]", "must hold an object"),
    ],
)
def test_broken_json_names_the_file(tmp_path, content, words):
    file = tmp_path / "state.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"state.json {words}"):
        read_json(file)


@pytest.mark.parametrize("size", [0, 100, 65_536, 65_537, 10**6])
def test_a_look_at_a_file_sees_size_time_and_pieces(tmp_path, size):
    file = tmp_path / "a.fits"
    file.write_bytes(bytes(size))
    os.utime(file, ns=(10**9, 10**9))
    first = file_digest(file)
    assert file_digest(file) == first
    os.utime(file, ns=(10**9, 10**9 + 1))
    assert file_digest(file) != first
    for place in {0, size - 1} if size else ():
        with file.open("r+b") as written:
            written.seek(place)
            written.write(b"x")
        os.utime(file, ns=(10**9, 10**9))
        assert file_digest(file) != first
