import numpy as np
import pytest

from astroanomaly.data.files import SINGLE, FileSource, Layout
from astroanomaly.data.prepare import Settings
from astroanomaly.data.workers import read_batch, worker_count
from astroanomaly.utils.parallel import parallel, usable_cores


def test_a_bad_file_does_not_stop_a_batch(folder):
    (folder / "g1.fits").write_text("x")
    paths = [(f"{folder}/g{i}.fits",) for i in range(5)]
    source = FileSource(list("abcde"), paths, Layout(SINGLE, ("i",)))
    batch = read_batch(source, Settings(), range(5), start=10)
    assert batch.rows == [10, 12, 13, 14]
    assert batch.images.shape == (4, 20, 20, 1)
    assert [row for row, _ in batch.skipped] == [11]
    assert "not a FITS file" in batch.skipped[0][1]


def test_an_all_bad_batch(tmp_path):
    source = FileSource(["a"], [("absent.fits",)], Layout(SINGLE, ("i",)))
    batch = read_batch(source, Settings(), [0])
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
    tasks = [(source.take([i]), Settings(), [0], i) for i in range(5)]
    here = [batch.images for batch in parallel(read_batch, tasks, 1)]
    there = list(parallel(read_batch, tasks, 2))
    np.testing.assert_array_equal(here, [batch.images for batch in there])
    assert [batch.rows for batch in there] == [[i] for i in range(5)]
