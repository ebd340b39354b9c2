import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.options import Cutout
from astroanomaly.data.stream import Batch, NpyWriter, Sink


def test_npy_grows(tmp_path, noise):
    writer = NpyWriter(tmp_path / "new" / "a.npy", (8, 8, 1))
    for part in np.array_split(noise(25, 8, 8, 1), 4):
        writer.write(part)
    assert not (tmp_path / "new" / "a.npy").exists()
    writer.close()
    np.testing.assert_array_equal(np.load(tmp_path / "new/a.npy"), noise(25, 8, 8, 1))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.npy"]


def test_npy_abandoned(tmp_path, noise):
    NpyWriter(tmp_path / "a.npy", (8, 8, 1)).abandon()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="`cache` must end in .npy"):
        NpyWriter(tmp_path / "a.dat", (8, 8, 1))


def _batch(images):
    records = [Cutout([], [0.1], 1.0, 2.0, ["adu"], [25.0], flag=1), Cutout([], [None])]
    return Batch([0, 2], images, records, [(1, "why")])


def test_table(noise):
    sink = Sink(3, (8, 8, 1))
    sink.add(_batch(noise(2, 8, 8, 1)))
    catalog = Table({"mag": [1.0, 2, 3], "flag": [0, 0, 2], "ra": [np.nan, 5, 6]})
    table = sink.table(list("abc"), ["a.fits", "b.fits", "c.fits"], ["H"], catalog)
    assert table["object_id"].tolist() == ["a", "c"]
    assert table["mag"].tolist() == [1, 3]
    assert table["flag"].tolist() == [1, 2]
    assert table["ra"].tolist() == [1, 6]
    assert table["unit_H"].tolist() == ["adu", ""]
    assert table["zero_point_H"][0] == 25
    assert sink.skipped == [(1, "why")]
    np.testing.assert_array_equal(sink.images(), noise(2, 8, 8, 1))


def test_the_catalog_tells_units_that_the_files_do_not(noise):
    sink = Sink(1, (8, 8, 1))
    sink.add(Batch([0], noise(1, 8, 8, 1), [Cutout([], [None])]))
    catalog = Table({"unit_H": ["nJy"], "zero_point_H": [31.4]})
    table = sink.table(["a"], ["a.npy"], ["H"], catalog)
    assert table["unit_H"][0] == "nJy"
    assert table["zero_point_H"][0] == 31.4


def test_cache_is_mapped(tmp_path, noise):
    with Sink(3, (8, 8, 1), tmp_path / "a.npy") as sink:
        sink.add(_batch(noise(2, 8, 8, 1)))
        sink.close()
        images = sink.images()
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, noise(2, 8, 8, 1))


def test_an_error_leaves_no_cache(tmp_path):
    with pytest.raises(RuntimeError), Sink(3, (8, 8, 1), tmp_path / "a.npy"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
