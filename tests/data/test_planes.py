import gzip

import numpy as np
import pytest
from astroanomaly.data.planes import (
    candidates,
    is_fits_name,
    list_images,
    open_fits,
    pixels,
    stem,
)
from astropy.io import fits

from astroanomaly.data.options import BadCutout


def _read(path):
    with open_fits(path) as hdus:
        return pixels(hdus[0])


@pytest.mark.parametrize("name", ["a.fits", "a.FIT", "a.fts.gz", "a.fits.fz"])
def test_fits_names(name):
    assert is_fits_name(name)
    assert stem(f"folder.d/{name}") == "a"


def test_other_names():
    assert not is_fits_name("a.txt.gz")
    assert stem("a.b_c.npy") == "a.b_c"


def test_absent_file():
    with pytest.raises(BadCutout, match="does not exist"):
        _read("absent.fits")


def test_not_fits(tmp_path):
    path = tmp_path / "a.fits"
    path.write_text("a,b\n1,2\n" * 1000)
    with pytest.raises(BadCutout, match="is not a FITS file"):
        _read(path)
    path.write_bytes(b"")
    with pytest.raises(BadCutout, match="is not a FITS file"):
        _read(path)


@pytest.mark.parametrize("keep", [2000, 4000, 9000])
def test_truncated(tmp_path, write_fits, noise, keep):
    path = write_fits(tmp_path / "a.fits", noise(64, 64))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadCutout, match="truncated|not a FITS file|cannot be read"):
        _read(path)


def test_truncated_gzip(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(64, 64))
    packed = gzip.compress(path.read_bytes())
    path = tmp_path / "a.fits.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadCutout, match="truncated"):
        _read(path)


def test_no_image(tmp_path):
    path = tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with open_fits(path) as hdus, pytest.raises(BadCutout, match="has no image HDU"):
        candidates(list_images(hdus))


def test_companions_of_an_image_are_no_bands():
    names = ["VIS_FLUX", "VIS_PSF", "VIS_RMS", "ERR", "DQ", "WHT", "G-MASK", "NIR_VAR"]
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name in names:
        hdus.append(fits.ImageHDU(np.zeros((4, 4)), name=name))
    images = list_images(hdus)
    assert [image.name for image in images] == names
    assert [image.name for image in candidates(images)] == ["VIS_FLUX"]
    assert images[1].why_not == "a point-spread function"


def test_only_companions_are_no_image():
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.eye(4), name="PSF")])
    with pytest.raises(BadCutout, match=r"PSF \(a point-spread function\)"):
        candidates(list_images(hdus))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "f4", "f8"])
def test_pixels_are_native_float32(tmp_path, write_fits, dtype):
    image = np.arange(64).reshape(8, 8).astype(dtype)
    found = _read(write_fits(tmp_path / "a.fits", image))
    assert found.dtype == np.float32
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, image)


def test_scaled_and_blank_pixels(tmp_path):
    hdu = fits.PrimaryHDU(np.array([[1, 2], [3, -99]], "i2"))
    hdu.header["BLANK"] = -99
    hdu.header["BSCALE"] = 0.5
    hdu.header["BZERO"] = 10.0
    path = tmp_path / "a.fits"
    path.write_bytes(b"")
    # Written by hand: astropy would apply the scale when it writes.
    header = fits.Header(hdu.header).tostring().encode()
    data = np.array([[1, 2], [3, -99]], ">i2").tobytes()
    path.write_bytes(header + data + b"\0" * (2880 - len(data)))
    np.testing.assert_array_equal(_read(path), [[10.5, 11], [11.5, np.nan]])


def test_leading_axes_of_one_are_removed(tmp_path, write_fits, noise):
    assert _read(write_fits(tmp_path / "a.fits", noise(1, 1, 8, 8))).shape == (8, 8)


def test_malformed_card_does_not_matter(shared_data):
    found = _read(shared_data / "lenses" / "cosmic_horseshoe_residual.fits")
    assert found.shape == (301, 301)
    assert np.isfinite(found).all()
