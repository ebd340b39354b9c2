import pytest

from astroanomaly.data.find import (
    from_named_files,
    list_files,
    name_pattern,
    sample_rows,
)
from astroanomaly.data.options import ReadOptions


def test_sample_is_spread_evenly():
    assert sample_rows(3, 10) == [0, 1, 2]
    rows = sample_rows(10_000, 32)
    assert len(rows) == 32
    assert (rows[0], rows[-1]) == (0, 9999)


def test_folder_and_glob_are_sorted(folder):
    (folder / "notes.txt").write_text("")
    (folder / ".g9.fits").write_text("")
    names = [f"{folder}/g{i}.fits" for i in range(5)]
    assert list_files(folder) == names
    assert list_files(f"{folder}/g[1-3].fits") == names[1:4]
    assert list_files([names[3], names[0]]) == [names[3], names[0]]
    assert list_files(names[2]) == [names[2]]


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match="must hold FITS files.*an empty folder"):
        list_files(tmp_path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match="must hold FITS files.*Received: a.txt"):
        list_files(tmp_path)
    with pytest.raises(ValueError, match="No file matches the pattern"):
        list_files(f"{tmp_path}/*.fits")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        list_files(tmp_path / "absent")
    with pytest.raises(ValueError, match="zero files"):
        list_files([])


def test_name_pattern_with_bands_that_hold_an_underscore():
    found = name_pattern("{object_id}_{band}.fits", ["NIR_H"]).fullmatch("a_NIR_H.fits")
    assert found["object_id"] == "a"
    found = name_pattern("{band}/*-{object_id}.fits", None).fullmatch("h/x1-a.fits")
    assert (found["band"], found["object_id"]) == ("h", "a")


def _named(path, pattern, bands=None):
    return from_named_files(path, ReadOptions(bands=bands, band_pattern=pattern))


@pytest.fixture
def pairs(tmp_path):
    for name in ("a_h", "a_j", "b_j", "other"):
        (tmp_path / f"{name}.fits").write_text("")
    return tmp_path


def test_files_are_grouped(pairs):
    source = _named(pairs, "{object_id}_{band}.fits")
    assert source.bands == ("h", "j")
    assert source.object_ids == ["a", "b"]
    assert source.paths[1] == ("", f"{pairs}/b_j.fits")
    assert _named(pairs, "{object_id}_{band}.fits", ["j"]).bands == ("j",)


def test_a_folder_per_band(tmp_path):
    for band in "hj":
        (tmp_path / band).mkdir()
        (tmp_path / band / "a.fits").write_text("")
    source = _named(tmp_path, "{band}/{object_id}.fits", ["j", "h"])
    assert source.paths == [(f"{tmp_path}/j/a.fits", f"{tmp_path}/h/a.fits")]


def test_wrong_bands_and_patterns(pairs):
    pattern = "{object_id}_{band}.fits"
    with pytest.raises(ValueError, match=r"bands that the file names have.*\['k'\]"):
        _named(pairs, pattern, ["h", "k"])
    with pytest.raises(ValueError, match=r"have, \['h', 'j'\]. Received: \['k'\]"):
        _named(pairs, pattern, ["k"])
    with pytest.raises(ValueError, match="must fit the file names"):
        _named(pairs, "{object_id}-{band}.fits")
