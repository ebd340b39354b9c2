"""What becomes of the objects that were read: images, table, cache."""

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.npy import NpyWriter
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.stream import CutoutStream


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


class _Source:
    """Three objects, of which the second cannot be read."""

    object_ids, files = list("abc"), ["a.fits", "b.fits", "c.fits"]
    bands, in_workers = ("H",), False

    def __init__(self, images):
        self.images = images

    def read(self, row, options):
        if row == 1:
            raise BadCutout("why")
        told = (1.0, 2.0, ["adu"], [25.0]) if row == 0 else ()
        return Cutout([self.images[row // 2, ..., 0]], [0.1], *told)

    def release(self):
        pass


def _stream(images, columns=None):
    return CutoutStream(_Source(images), ReadOptions(shape=(8, 8)), columns)


def test_table(noise):
    images = noise(2, 8, 8, 1)
    images[0, 3, 3] = np.nan
    catalog = Table({"mag": [1.0, 2, 3], "flag": [0, 0, 2], "ra": [np.nan, 5, 6]})
    found = _stream(images, catalog).read()
    table = found.table
    assert table["object_id"].tolist() == ["a", "c"]
    assert table["file"].tolist() == ["a.fits", "c.fits"]
    assert table["mag"].tolist() == [1, 3]
    # 1 is that of filled pixels, 2 the catalog's own.
    assert table["flag"].tolist() == [1, 2]
    assert table["ra"].tolist() == [1, 6]
    assert table["unit_H"].tolist() == ["adu", ""]
    assert table["zero_point_H"][0] == 25
    assert [tuple(row) for row in found.skipped] == [("b.fits", "why")]
    np.testing.assert_array_equal(found.images[1], images[1])
    plain = _stream(images).read().table
    assert plain.colnames[:5] == ["object_id", "file", "ra", "dec", "flag"]
    assert plain["flag"].dtype == np.int32


def test_the_catalog_tells_units_that_the_files_do_not(noise):
    catalog = Table({"unit_H": ["", "", "nJy"], "zero_point_H": [1.0, 1.0, 31.4]})
    source = _Source(noise(2, 8, 8, 1))
    stream = CutoutStream(source, ReadOptions(shape=(8, 8)), catalog)
    part = list(stream.chunks(2))[1]
    assert part.table["unit_H"].tolist() == ["nJy"]
    assert part.table["zero_point_H"].tolist() == [31.4]


def test_cache_is_mapped(tmp_path, noise):
    found = _stream(noise(2, 8, 8, 1)).read(tmp_path / "a.npy")
    assert isinstance(found.images, np.memmap)
    np.testing.assert_array_equal(found.images, noise(2, 8, 8, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_an_error_leaves_no_cache(tmp_path, noise):
    stream = _stream(noise(2, 8, 8, 1))
    stream.on_error = "raise"
    with pytest.raises(ValueError, match="b.fits: why"):
        stream.read(tmp_path / "a.npy")
    assert list(tmp_path.iterdir()) == []
