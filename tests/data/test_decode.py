import gzip
import os
import warnings

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.fits import FitsFile, candidates, is_fits_name, stem
from astroanomaly.data.headers import PlainHeader
from astroanomaly.data.options import BadCutout


def _read(path, index=0):
    with FitsFile(str(path)) as file:
        image = file.images[index]
        planes = [file.plane(image, k) for k in range(image.n_planes)]
    return np.stack(planes).reshape(image.shape)


def _write(path, raw, cards=(), extension=False):
    """Write stored numbers and cards as they are: astropy would apply a scale."""
    hdu = fits.ImageHDU(raw) if extension else fits.PrimaryHDU(raw)
    head = hdu.header.tostring(endcard=False, padding=False).encode()
    head += b"".join(card.ljust(80).encode("latin-1") for card in (*cards, "END"))
    body = head + b" " * (-len(head) % 2880) + raw.tobytes()
    body += b"\0" * (-len(body) % 2880)
    first = fits.PrimaryHDU().header.tostring().encode() if extension else b""
    path.write_bytes(first + body)
    return path


@pytest.mark.parametrize("name", ["a.fits", "a.FIT", "a.fts.gz", "a.fits.fz"])
def test_fits_names(name):
    assert is_fits_name(name)
    assert stem(f"folder.d/{name}") == "a"
    assert not is_fits_name(f"{name}.txt")
    assert stem("a.b_c.npy") == "a.b_c"


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">i4", ">i8", ">f4", ">f8"])
@pytest.mark.parametrize(
    "cards",
    [
        (),
        ("BSCALE  =                  0.1", "BZERO   =                 10.3"),
        ("BSCALE  = 1.0", "BZERO   = 32768"),
        ("BSCALE  = 1.0", "BZERO   = 2147483648"),
        ("BZERO   = 9223372036854775808",),
        ("BZERO   = -128", "EXTNAME = 'SCI     '"),
    ],
)
@pytest.mark.parametrize("extension", [False, True])
def test_pixels_equal_astropy(tmp_path, dtype, cards, extension):
    raw = np.random.default_rng(1).normal(0, 60, (7, 9)).astype(dtype)
    path = _write(tmp_path / "a.fits", raw, cards, extension)
    found = _read(path)
    assert found.dtype == np.float32
    assert found.dtype.isnative
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fits.getdata(path, int(extension)).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("dtype", "zero", "blank"),
    [(">i2", 32768, 32767), (">i4", 2**31, -(2**31)), ("u1", 0, 255), (">i8", 0, -9)],
)
def test_blank_is_of_the_stored_numbers(tmp_path, dtype, zero, blank):
    # FITS 4.0, section 5.3: BLANK is compared before BSCALE and BZERO.
    raw = np.arange(12, dtype=dtype).reshape(3, 4)
    raw[1, 2] = blank
    cards = [f"BZERO   = {zero}", f"BLANK   = {blank}"]
    found = _read(_write(tmp_path / "a.fits", raw, cards))
    expected = np.arange(12).reshape(3, 4) + float(zero)
    expected[1, 2] = np.nan
    np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize("dtype", [">f4", ">i2"])
def test_asinh_magnitudes_become_fluxes(tmp_path, dtype):
    # Lupton et al. 1999 as Pan-STARRS1 stores it: 0 is BOFFSET, and at one magnitude
    # 2 sinh(ln(10) / 2.5) = 2.511886 - 0.398107 softenings more.
    stored = np.array([[0.0, 1.0, -1.0], [5.0, 12.0, 0.5]])
    unit = 0.001 if dtype == ">i2" else 1.0
    raw = np.rint(stored / unit).astype(dtype)
    cards = [f"BSCALE  = {unit}", "BZERO   = 0.0"] if unit != 1 else []
    cards += ["BOFFSET = 0.25", "BSOFTEN = 2.5"]
    found = _read(_write(tmp_path / "a.fits", raw, cards))
    np.testing.assert_allclose(found[0], [0.25, 5.5344475, -5.0344475], rtol=1e-6)
    # Far above the softening it is a magnitude: 5 of them are a factor of 100.
    np.testing.assert_allclose(found[1, :2], [250.225, 157739.57], rtol=1e-6)


@pytest.mark.parametrize(
    "kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"]
)
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "u2"])
def test_compressed_tiles_equal_astropy(tmp_path, noise, kind, dtype):
    image = np.abs(noise(40, 36) * 50).astype(dtype)
    if kind == "PLIO_1" and dtype in ("f4", "u2"):
        pytest.skip("PLIO holds no such numbers")
    options = {}
    if dtype == "f4":
        image[3, 4:7] = np.nan if kind != "HCOMPRESS_1" else 5
        options = {"quantize_method": 2, "dither_seed": 3}
    hdu = fits.CompImageHDU(image, compression_type=kind, **options)
    # A card that astropy cannot parse has nothing to do with the tiles.
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    expected = fits.getdata(tmp_path / "a.fits", 1).astype(np.float32)
    path = tmp_path / "a.fits"
    data = path.read_bytes()
    card = b"GCOUNT  =                    1"
    assert card in data
    at = data.rfind(b"END".ljust(80))
    odd = b"CRVAL1  =                  NaN".ljust(80) + b"END".ljust(80)
    path.write_bytes(data[:at] + odd + data[at + 160 :])
    np.testing.assert_array_equal(_read(path), expected)


def test_blank_of_compressed_integers(tmp_path):
    image = np.arange(256, dtype="i2").reshape(16, 16)
    hdu = fits.CompImageHDU(image, compression_type="RICE_1")
    hdu.header["BLANK"] = 17
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    expected = image.astype(np.float32)
    expected[1, 1] = np.nan
    np.testing.assert_array_equal(_read(tmp_path / "a.fits"), expected)


@pytest.mark.parametrize("end", ["no padding", "blocks", "bytes", "text"])
def test_what_follows_the_pixels_does_not_matter(tmp_path, write_fits, noise, end):
    image = noise(20, 20)
    path = write_fits(tmp_path / "a.fits", image)
    data = path.read_bytes()
    changed = {
        "no padding": data[: 2880 + 1600],
        "blocks": data + b"\0" * 5760,
        "bytes": data + b"\0" * 33,
        "text": data + b"<html>",
    }
    path.write_bytes(changed[end])
    np.testing.assert_array_equal(_read(path), image)


def test_axes_of_length_one_are_removed(tmp_path, write_fits, noise):
    assert _read(write_fits(tmp_path / "a.fits", noise(1, 1, 8, 9))).shape == (8, 9)
    assert _read(write_fits(tmp_path / "b.fits", noise(1, 5, 8, 9))).shape == (5, 8, 9)


def test_parts_of_an_image(tmp_path, write_fits, noise):
    cube = noise(3, 20, 30)
    path = write_fits(tmp_path / "a.fits", cube)
    with FitsFile(str(path)) as file:
        found = file.plane(file.images[0], 2, slice(3, 9), slice(25, 30))
    np.testing.assert_array_equal(found, cube[2, 3:9, 25:])


@pytest.mark.parametrize("value", [1, 2**31 + 5, 2**24 + 1])
def test_bits_of_a_mask_are_whole(tmp_path, write_fits, value):
    mask = np.full((4, 4), value, np.uint32)
    path = write_fits(tmp_path / "a.fits", mask)
    with FitsFile(str(path)) as file:
        np.testing.assert_array_equal(file.plane(file.images[0], bits=True), mask)


@pytest.mark.parametrize(
    ("cards", "word"),
    [
        (["BZERO   =               1000,5"], "1000,5"),
        (["BSCALE  = '2.0     '"], "BSCALE"),
        (["BLANK   = T"], "BLANK"),
        (["BSCALE  ="], "BSCALE"),
    ],
)
def test_a_card_of_the_pixels_that_is_no_number(tmp_path, cards, word):
    path = _write(tmp_path / "a.fits", np.ones((4, 4), ">i2"), cards)
    with pytest.raises(BadCutout, match=word):
        _read(path)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("NAXIS1  =                    8", "NAXIS1  =                   -8", "NAXIS1"),
        ("NAXIS1  =                    8", "NAXIS1  =                  8.5", "NAXIS1"),
        (
            "NAXIS1  =                    8",
            "NAXIS1  =               999999",
            "truncated",
        ),
        ("BITPIX  =                  -32", "BITPIX  =                   12", "BITPIX"),
        ("NAXIS   =                    2", "NAXIS   = 'two'", "NAXIS"),
        (
            "SIMPLE  =                    T",
            "SIMPEL  =                    T",
            "not a FITS",
        ),
        ("END".ljust(80), "END OF IT".ljust(80), "END"),
    ],
)
def test_damaged_headers(tmp_path, write_fits, noise, old, new, word):
    path = write_fits(tmp_path / "a.fits", noise(8, 8))
    data = path.read_bytes()
    assert old.encode() in data
    path.write_bytes(data.replace(old.encode(), new.ljust(len(old)).encode()[:80]))
    with pytest.raises(BadCutout, match=word):
        _read(path)


@pytest.mark.parametrize("keep", [0, 40, 2000, 4000, 9000])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated(tmp_path, write_fits, noise, keep, packed):
    path = write_fits(tmp_path / "a.fits", noise(64, 64))
    data = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
    path.write_bytes(data[:keep])
    with pytest.raises(BadCutout, match="truncated|not a FITS file"):
        _read(path)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    os.symlink(tmp_path / "gone.fits", tmp_path / "link.fits")
    os.symlink(tmp_path / "self.fits", tmp_path / "self.fits")
    for name, word in (
        ("pipe.fits", "no regular file"),
        ("/dev/zero", "no regular file"),
        (".", "no regular file"),
        ("link.fits", "link to a file that does not exist"),
        ("self.fits", "cannot be opened"),
        ("absent.fits", "does not exist"),
    ):
        with pytest.raises(BadCutout, match=word):
            _read(tmp_path / name)


def test_companions_of_an_image_are_no_bands(tmp_path):
    names = ["VIS_FLUX", "VIS_PSF", "VIS_RMS", "ERR", "DQ", "WHT", "G-MASK", "NIR_VAR"]
    images = [fits.ImageHDU(np.zeros((4, 4)), name=name) for name in names]
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table, *images]).writeto(tmp_path / "a.fits")
    with FitsFile(str(tmp_path / "a.fits")) as file:
        assert [image.name for image in file.images] == names
        assert [image.name for image in candidates(file.images)] == ["VIS_FLUX"]
        with pytest.raises(BadCutout, match=r"VIS_PSF \(a point-spread function\)"):
            candidates(file.images[1:])


def test_values_of_cards_equal_astropy():
    header = fits.Header(
        {"TEXT": "it's / a ", "EMPTY": "", "YES": True, "NO": False, "WHOLE": -12}
    )
    header["REAL"] = 1.25e-20
    header["NOTE"] = (3.5, "with / a comment")
    header["LONG"] = "x" * 150 + "&"
    plain = PlainHeader(header.tostring().encode())
    for key in header:
        if key != "CONTINUE":
            assert plain.get(key) == header[key]
            assert type(plain.get(key)) is type(header[key])
            assert key in plain
    assert plain.get("REA", 7) == 7
    assert plain.full() == header


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("KEY     = 1.5D+02", 150.0),
        ("KEY     =", None),
        ("KEY     = 1_000", None),
        ("KEY     = 1000,5", None),
        ("KEY       3", None),
        ("COMMENT KEY     = 3", None),
    ],
)
def test_odd_cards(card, value):
    assert PlainHeader(card.ljust(80).encode()).get("KEY") == value


def test_of_two_cards_the_first_counts():
    text = b"KEY     = 1".ljust(80) + b"KEY     = 2".ljust(80)
    assert PlainHeader(text).get("KEY") == 1


def test_a_keyword_is_inherited_from_the_primary_header(tmp_path, noise):
    primary, image = fits.PrimaryHDU(), fits.ImageHDU(noise(8, 8))
    primary.header["FILTER"], primary.header["BUNIT"] = "F814W", "wrong"
    image.header["BUNIT"] = "adu"
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    with FitsFile(str(tmp_path / "a.fits")) as file:
        image = file.images[0]
        assert "FILTER" not in file.header(image)
    assert (image.band, image.unit) == ("F814W", "adu")


def test_real_files_equal_astropy(shared_data):
    names = ["cosmos_acs_f814w/*.fits", "candels_f160w/*.fits", "gz/*.gz"]
    names += ["lenses/*.fits", "lenses/*/*.fits", "multiextension/*.fits"]
    paths = [path for name in names for path in sorted(shared_data.glob(name))[::9]]
    assert len(paths) > 20
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with FitsFile(str(path)) as file, fits.open(path) as hdus:
                for image in file.images:
                    expected, full = hdus[image.index].data, hdus[image.index].header
                    np.testing.assert_array_equal(
                        file.plane(image), expected.astype(np.float32)
                    )
                    for key in ("NAXIS1", "CRVAL1", "CD1_1", "BUNIT", "MAGZERO"):
                        assert file.header(image).get(key) == full.get(key)
