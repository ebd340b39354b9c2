import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.stream import none_readable
from astroanomaly.data.write import write_cutouts


@pytest.fixture
def seven(tmp_path, noise):
    """Write seven files, of which number 3 is damaged; return the folder."""
    cutouts = Cutouts(noise(7, 12, 12), bands=["i"], pixel_scale=0.1)
    write_cutouts(tmp_path / "seven", cutouts)
    (tmp_path / "seven" / "000003.fits").write_text("x" * 4000)
    return tmp_path / "seven"


def test_the_face_of_cutouts(seven):
    stream = read_cutouts(seven, stream=True)
    assert len(stream) == 7
    assert stream.bands == ("i",)
    assert stream.image_shape == (12, 12, 1)
    assert stream.pixel_scale == pytest.approx(0.1)
    assert stream.object_ids == [f"{i:06d}" for i in range(7)]
    assert len(stream.skipped) == 0
    assert repr(stream).startswith("<CutoutStream: 7 objects to read, 12x12 pixels")


@pytest.mark.parametrize("n_workers", [1, 2])
def test_chunks_equal_read(seven, noise, n_workers):
    stream = read_cutouts(seven, stream=True, n_workers=n_workers)
    parts = list(stream.chunks(2))
    assert [len(part) for part in parts] == [2, 1, 2, 1]
    assert [len(part.skipped) for part in parts] == [0, 1, 0, 0]
    assert len(stream.skipped) == 1
    whole = concatenate(parts)
    np.testing.assert_array_equal(whole.images, np.delete(noise(7, 12, 12, 1), 3, 0))
    again = stream.read()
    assert again.object_ids == whole.object_ids
    assert len(stream.skipped) == len(again.skipped) == 1


def test_chunks_from_a_start(seven):
    stream = read_cutouts(seven, stream=True)
    parts = list(stream.chunks(2, start=4))
    assert parts[0].object_ids == ["000004", "000005"]
    assert list(stream.chunks(2, start=7)) == []
    with pytest.raises(ValueError, match="between 0 and 7"):
        stream.chunks(2, start=8)
    with pytest.raises(ValueError, match="`size` of a chunk"):
        stream.chunks(0)


def test_a_run_without_a_readable_object_is_empty(seven):
    part = list(read_cutouts(seven, stream=True).chunks(1))[3]
    assert len(part) == 0
    assert part.image_shape == (12, 12, 1)
    assert "not a FITS file" in part.skipped["reason"][0]
    assert part.table.colnames[:2] == ["object_id", "file"]


def test_raise_on_error(seven):
    with pytest.raises(ValueError, match="000003.fits: is not a FITS file"):
        read_cutouts(seven, on_error="raise")


def test_select_bands_by_name(noise):
    stream = read_cutouts(noise(3, 8, 8, 2), bands=["J", "H"], stream=True)
    part = stream.select_bands(["H"]).read()
    assert part.bands == ("H",)
    np.testing.assert_array_equal(part.images[..., 0], noise(3, 8, 8, 2)[..., 1])
    with pytest.raises(ValueError, match=r"bands \['J', 'H'\]"):
        stream.select_bands(["K"])


def test_catalog_columns_ride_along(seven):
    catalog = Table({"object_id": ["000005", "000001"], "mag": [25.0, 21.0]})
    stream = read_cutouts(seven, catalog=catalog, stream=True)
    parts = list(stream.chunks(3))
    rows = {row["object_id"]: row["mag"] for p in parts for row in p.table}
    assert rows["000005"] == 25
    assert rows["000001"] == 21
    assert np.isnan(rows["000000"])


def test_fingerprint(seven, noise):
    first = read_cutouts(seven, stream=True).fingerprint()
    assert read_cutouts(seven, stream=True).fingerprint() == first
    assert read_cutouts(seven, size=10, stream=True).fingerprint() != first
    (seven / "000004.fits").unlink()
    assert read_cutouts(seven, stream=True).fingerprint() != first
    images = noise(3, 8, 8)
    first = read_cutouts(images, stream=True).fingerprint()
    images[0, 0, 0] += 1
    assert read_cutouts(images, stream=True).fingerprint() != first


def test_progress_is_only_shown_when_asked(seven, capsys):
    read_cutouts(seven)
    assert capsys.readouterr().out == ""
    read_cutouts(seven, progress=True)
    assert "7/7" in capsys.readouterr().err


def test_none_readable_names_different_reasons():
    rows = [("a", "x"), ("b", "x"), ("c", "y")]
    text = none_readable(Table(rows=rows, names=["file", "reason"]))
    assert text == "None of the 3 objects could be read. Received: a: x; c: y."


def test_memory_does_not_grow_with_the_number_of_files(tmp_path, noise):
    resource = pytest.importorskip("resource")
    cutouts = Cutouts(noise(500, 32, 32), bands=["i"])
    write_cutouts(tmp_path / "a", cutouts)
    paths = sorted((tmp_path / "a").glob("*.fits"))
    # Ten names for each file: 5,000 objects of 4 KiB are 20 MiB of pixels.
    many = []
    for k in range(10):
        (tmp_path / str(k)).mkdir()
        for path in paths:
            link = tmp_path / str(k) / f"{k}_{path.name}"
            link.symlink_to(path)
            many.append(str(link))
    stream = read_cutouts(many, stream=True, n_workers=2)
    chunks = stream.chunks(100)
    n = sum(len(next(chunks)) for _ in range(10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n += sum(len(part) for part in chunks)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert n == 5000
    assert grown < 8 * 1024
