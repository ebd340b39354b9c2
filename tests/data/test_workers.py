import numpy as np
import pytest

from astroanomaly.data.options import ReadOptions
from astroanomaly.data.shared import SharedRoom, images_in
from astroanomaly.data.sources.files import SINGLE, FileSource, Layout
from astroanomaly.data.stream import read_batch
from astroanomaly.utils.parallel import parallel, usable_cores, worker_count


def test_a_bad_file_does_not_stop_a_batch(folder):
    (folder / "g1.fits").write_text("x")
    paths = [(f"{folder}/g{i}.fits",) for i in range(5)]
    source = FileSource(list("abcde"), paths, Layout(SINGLE, ("i",)))
    batch = read_batch(source, ReadOptions(), range(5), start=10)
    assert batch.rows == [10, 12, 13, 14]
    assert batch.images.shape == (4, 20, 20, 1)
    assert [row for row, _ in batch.skipped] == [11]
    assert "not a FITS file" in batch.skipped[0][1]


def test_an_all_bad_batch(tmp_path):
    source = FileSource(["a"], [("absent.fits",)], Layout(SINGLE, ("i",)))
    batch = read_batch(source, ReadOptions(), [0])
    assert batch.images is None
    assert batch.skipped == [(0, "does not exist")]


def test_worker_count():
    assert worker_count(None, 255) == 1
    assert worker_count(None, 256) == usable_cores()
    assert worker_count(3, 1) == 3
    with pytest.raises(ValueError, match="`n_workers` must be at least 1. Received: 0"):
        worker_count(0, 1)


def test_images_are_equal_with_and_without_workers(folder):
    paths = [(f"{folder}/g{i}.fits",) for i in range(5)]
    source = FileSource(list("abcde"), paths, Layout(SINGLE, ("i",)))
    tasks = [(source.take([i]), ReadOptions(), [0], i) for i in range(5)]
    here = [batch.images for batch in parallel(read_batch, tasks, 1)]
    there = list(parallel(read_batch, tasks, 2))
    np.testing.assert_array_equal(here, [batch.images for batch in there])
    assert [batch.rows for batch in there] == [[i] for i in range(5)]


def test_memory_is_shared_and_told_from_a_file(tmp_path):
    room, shape = SharedRoom(2, (3, 4, 4, 1)), (3, 4, 4, 1)
    place = room.of(3)
    if place is None:
        pytest.skip("this system shares no memory without a file")
    images_in(place, shape)[1] = 7.0
    # The third batch lies where the first did.
    np.testing.assert_array_equal(room.images(1)[1], 7.0)
    np.testing.assert_array_equal(room.images(0), 0.0)
    other = tmp_path / "other"
    other.write_bytes(b"kept")
    assert images_in((str(other), *place[1:]), shape) is None
    assert other.read_bytes() == b"kept"
    room.close()
    assert images_in(place, shape) is None
    assert images_in(None, shape) is None
