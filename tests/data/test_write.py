import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.write import file_names, hdu_list, write_cutouts


@pytest.fixture
def cutouts(noise):
    table = Table(
        {
            "object_id": ["z", "a b", "m/1"],
            "ra": [359.9, 10.0, 20.0],
            "dec": [-89.0, 2.0, np.nan],
            "flag": [0, 1, 2],
            "is_anomaly": [True, False, True],
            "flux_ratio": [0.25, 0.0, np.nan],
            "unit_h": ["nJy", "nJy", "nJy"],
            "zero_point_J": [24.6, 24.6, 24.7],
        }
    )
    return Cutouts(noise(3, 16, 12, 2), table, ["h", "J"], 0.06)


def _same(found, cutouts):
    np.testing.assert_array_equal(found.images, cutouts.images)
    assert found.images.dtype == np.float32
    assert found.bands == cutouts.bands
    assert found.pixel_scale == pytest.approx(cutouts.pixel_scale)
    for name in cutouts.table.colnames:
        if name == "file":
            continue
        kept, given = found.table[name], cutouts.table[name]
        if given.dtype.kind == "f":
            np.testing.assert_allclose(kept, given, rtol=1e-12)
        else:
            assert kept.tolist() == given.tolist()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_several_bands_come_back_bit_for_bit(tmp_path, cutouts, suffix):
    catalog = write_cutouts(tmp_path / "a", cutouts, suffix=suffix)
    names = Table.read(catalog)["file"].tolist()
    assert names == [f"z{suffix}", f"a_b{suffix}", f"m_1{suffix}"]
    _same(read_cutouts(tmp_path / "a"), cutouts)


def test_one_band_comes_back_bit_for_bit(tmp_path, cutouts):
    one = cutouts.select_bands(["J"])
    one.images[0, 0, 0, 0] = np.float32(1e-45)
    one.images[0, 0, 1, 0] = np.finfo(np.float32).max
    write_cutouts(tmp_path / "a", one)
    found = read_cutouts(tmp_path / "a")
    _same(found, one)
    assert found.images.tobytes() == np.ascontiguousarray(one.images).tobytes()


def test_a_second_round_gives_the_same_files(tmp_path, cutouts):
    write_cutouts(tmp_path / "a", cutouts)
    found = read_cutouts(tmp_path / "a")
    write_cutouts(tmp_path / "b", found)
    _same(read_cutouts(tmp_path / "b"), cutouts)


def test_header(cutouts):
    header = hdu_list(cutouts, 1)[1].header
    assert header["EXTNAME"] == "h_FLUX"
    assert (header["OBJECT"], header["FILTER"], header["BUNIT"]) == ("a b", "h", "nJy")
    assert "MAGZERO" not in header
    assert header["FLAG"] == 1
    wcs = WCS(header)
    assert wcs.all_pix2world(5.5, 7.5, 0) == pytest.approx((10.0, 2.0))
    area = wcs.proj_plane_pixel_area().to_value("arcsec2")
    assert area == pytest.approx(0.06**2)
    header = hdu_list(cutouts, 2)[2].header
    assert header["MAGZERO"] == 24.7
    assert header["PIXSCALE"] == 0.06
    assert "CRVAL1" not in header


def test_workers_write_the_same(tmp_path, cutouts):
    write_cutouts(tmp_path / "a", cutouts, n_workers=1)
    write_cutouts(tmp_path / "b", cutouts, n_workers=2)
    for name in ("z.fits", "a_b.fits", "m_1.fits", "catalog.ecsv"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_a_stream_is_written(tmp_path, cutouts):
    write_cutouts(tmp_path / "a", cutouts)
    write_cutouts(tmp_path / "b", read_cutouts(tmp_path / "a", stream=True))
    _same(read_cutouts(tmp_path / "b"), cutouts)


def test_only_whole_files_are_left(tmp_path, cutouts):
    write_cutouts(tmp_path / "a", cutouts)
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["a_b.fits", "catalog.ecsv", "m_1.fits", "z.fits"]


def test_a_folder_in_use(tmp_path, cutouts):
    write_cutouts(tmp_path / "a", cutouts)
    with pytest.raises(FileExistsError, match="overwrite=True.*Received: a folder"):
        write_cutouts(tmp_path / "a", cutouts)
    write_cutouts(tmp_path / "a", cutouts, overwrite=True)


def test_unwritable_output(tmp_path, cutouts):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="`folder` must be a folder"):
        write_cutouts(tmp_path / "file", cutouts)
    with pytest.raises(OSError, match="file"):
        write_cutouts(tmp_path / "file" / "below", cutouts)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_permission(tmp_path, cutouts):
    (tmp_path / "a").mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        write_cutouts(tmp_path / "a", cutouts)


def test_wrong_arguments(tmp_path, cutouts):
    with pytest.raises(ValueError, match='`suffix` must be ".fits" or ".fits.gz"'):
        write_cutouts(tmp_path / "a", cutouts, suffix=".png")
    with pytest.raises(ValueError, match="zero images"):
        write_cutouts(tmp_path / "a", cutouts[:0])
    with pytest.raises(ValueError, match="different file names.*'a b' and 'a/B'"):
        file_names(["a b", "a/B"])
    assert file_names(["../x", ".."]) == {"../x": "_x.fits", "..": "_.fits"}


def test_readable_by_fitsio(tmp_path, cutouts):
    fitsio = pytest.importorskip("fitsio")
    write_cutouts(tmp_path / "a", cutouts)
    image = fitsio.read(str(tmp_path / "a" / "z.fits"), ext="J_FLUX")
    np.testing.assert_array_equal(image, cutouts.images[0, ..., 1])
    with fits.open(tmp_path / "a" / "z.fits") as hdus:
        assert len(hdus) == 3
