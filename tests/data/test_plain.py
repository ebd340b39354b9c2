import numpy as np
import pytest
from astroanomaly.data.planes import read_plain
from astropy.io import fits

from astroanomaly.data import headers
from astroanomaly.data.headers import PlainHeader
from astroanomaly.data.sources.files import SINGLE, FileSource, Layout


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_pixels_equal_astropy(tmp_path, write_fits, dtype):
    image = np.arange(63).reshape(7, 9).astype(dtype)
    path = write_fits(tmp_path / "a.fits", image)
    pixels, _ = read_plain(str(path))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, fits.getdata(path))


def test_values_equal_astropy():
    header = fits.Header(
        {
            "TEXT": "it's / a ",
            "EMPTY": "",
            "YES": True,
            "NO": False,
            "WHOLE": -12,
            "REAL": 1.25e-20,
        }
    )
    header["NOTE"] = (3.5, "with / a comment")
    plain = PlainHeader(header.tostring().encode())
    for key in header:
        assert plain.get(key) == header[key]
        assert type(plain.get(key)) is type(header[key])
        assert key in plain
    assert plain.get("REA", 7) == 7
    assert PlainHeader(b"DOUBLE  = 1.5D+02".ljust(80)).get("DOUBLE") == 150.0
    assert PlainHeader(b"UNDEF   =".ljust(80)).get("UNDEF", "none") == "none"
    assert plain.full() == header


def test_a_keyword_inside_text_is_not_one():
    text = b"COMMENT FILTER  = 'wrong'".ljust(80) + b"FILTER  = 'F814W'".ljust(80)
    assert PlainHeader(text).get("FILTER") == "F814W"


def test_what_is_not_plain_is_left_to_astropy(tmp_path, write_fits, noise):
    assert read_plain("absent.fits") is None
    cases = {
        "cube": noise(2, 8, 8),
        "packed.fits.gz": noise(8, 8),
        "unsigned": np.ones((8, 8), "u2"),
    }
    for name, image in cases.items():
        path = tmp_path / (name if "." in name else f"{name}.fits")
        assert read_plain(str(write_fits(path, image))) is None
    path = write_fits(tmp_path / "named.fits", noise(8, 8), EXTNAME="PSF")
    assert read_plain(str(path)) is None
    path = write_fits(tmp_path / "long.fits", noise(8, 8), HISTORY="x")
    assert read_plain(str(path)) is not None
    whole = path.read_bytes()
    for changed in (whole[:4000], whole[:9], b"", whole + b"\0" * 2880):
        path.write_bytes(changed)
        assert read_plain(str(path)) is None
    hdus = [fits.PrimaryHDU(noise(8, 8)), fits.ImageHDU(noise(8, 8))]
    fits.HDUList(hdus).writeto(tmp_path / "two.fits")
    assert read_plain(str(tmp_path / "two.fits")) is None


def test_real_files_equal_astropy(shared_data):
    names = ["cosmos_acs_f814w/*.fits", "candels_f160w/*.fits"]
    names += ["lenses/*.fits", "lenses/*/*.fits"]
    paths = [path for name in names for path in sorted(shared_data.glob(name))[::9]]
    n_plain = 0
    for path in paths:
        found = read_plain(str(path))
        n_plain += found is not None
        if found is None:
            continue
        with fits.open(path) as hdus:
            expected, full = hdus[0].data.astype(np.float32), hdus[0].header
            np.testing.assert_array_equal(found[0], expected)
            for function in (
                headers.band_name,
                headers.unit,
                headers.zero_point,
                headers.pixel_scale,
            ):
                a, b = function(found[1]), function(full)
                assert a == b or (a != a and b != b)
            a = headers.sky_position(found[1], 5, 6)
            np.testing.assert_array_equal(a, headers.sky_position(full, 5, 6))
    assert n_plain > 20


def test_another_projection_of_a_plain_file(tmp_path, write_fits, noise, tan_header):
    keywords = tan_header(8, 8) | {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}
    path = write_fits(tmp_path / "a.fits", noise(8, 8), **keywords)
    raw = FileSource(["a"], [(str(path),)], Layout(SINGLE, ("i",))).read(0)
    assert (raw.ra, raw.dec) == pytest.approx((150.0, 2.0))
