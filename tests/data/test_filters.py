import math

import pytest
from astropy.io import fits
from astropy.io.fits import Header

from astroanomaly.data import filters
from astroanomaly.data.headers import PlainHeader

BANDS = [
    ("F814W", {"FILTER1": "CLEAR1L", "FILTER2": "F814W"}),
    ("F435W", {"FILTER1": "F435W", "FILTER2": "CLEAR2S"}),
    ("F160W", {"FILTER": " F160W "}),
    ("F606W", {"FILTER": "CLEAR1L;F606W"}),
    ("F606W+POL0V", {"FILTER1": "F606W", "FILTER2": "POL0V"}),
    ("F555W", {"FILTNAM1": "F555W", "FILTNAM2": ""}),
    ("F115W", {"TELESCOP": "JWST", "FILTER": "CLEAR", "PUPIL": "F115W"}),
    ("F277W", {"INSTRUME": "NIRISS", "FILTER": "F277W", "PUPIL": "CLEARP"}),
    ("F164N", {"TELESCOP": "JWST", "FILTER": "F150W2", "PUPIL": "F164N"}),
    ("F405N", {"TELESCOP": "JWST", "FILTER": "F444W", "PUPIL": "F405N"}),
    ("F200W", {"TELESCOP": "JWST", "FILTER": "F200W", "PUPIL": "MASKRND"}),
    ("F1000W", {"TELESCOP": "JWST", "INSTRUME": "MIRI", "FILTER": "F1000W"}),
    ("HSC-I", {"FILTER": "HSC-I"}),
    ("i", {"FILTER": "i_39", "FILTBAND": "i"}),
    ("r", {"FILTER": "r DECam SDSS c0002 6415.0 1480.0"}),
    ("VR", {"FILTER": "VR DECam c0007 6300.0 2600.0"}),
    ("Y", {"FILTER": "Y DECam c0005 10095.0 1130.0", "BAND": "Y"}),
    ("r", {"BAND": "r"}),
    ("g", {"FILTER": "g"}),
    ("r", {"BANDS": "r"}),
    ("NIR_H", {"FILTER": "NIR_H"}),
    ("r", {"HIERARCH FPA.FILTERID": "r.00000"}),
    ("W1", {"TELESCOP": "WISE", "BAND": 1}),
    ("NUV", {"TELESCOP": "GALEX", "BAND": 1}),
    ("IRAC2", {"INSTRUME": "IRAC", "CHNLNUM": 2}),
    ("j", {"ORIGIN": "2MASS", "FILTER": "j"}),
    ("image", {"FILTER": "N/A"}),
    ("image", {"FILTER": "CLEAR", "BAND": 7}),
    ("image", {}),
]


@pytest.mark.parametrize(("band", "cards"), BANDS)
def test_bands_of_products(band, cards):
    header = Header()
    header.update(cards)
    assert filters.band_name(header) == band
    text = header.tostring(endcard=False, padding=False).encode()
    assert filters.band_name(PlainHeader(text)) == band


@pytest.mark.parametrize(
    ("names", "cards"),
    [
        (("g", "r", "z"), {"BANDS": "grz", "BAND0": "g", "BAND1": "r", "BAND2": "z"}),
        (("g", "r", "z"), {"BANDS": "grz"}),
        (("g", "r", "z"), {"BANDS": "g,r,z"}),
        (("W1", "W2", "W3"), {"BANDS": "W1 W2 W3"}),
        (None, {"BANDS": "griz"}),
        (None, {"BANDS": "ggr"}),
        (None, {}),
    ],
)
def test_planes_of_the_legacy_surveys(names, cards):
    assert filters.plane_names(Header(cards), 3) == names


def test_bands_that_are_one():
    assert filters.same_band(["r", "image", "r"])
    assert not filters.same_band(["r", "R"])


@pytest.mark.parametrize("key", filters.ZERO_POINT_KEYS)
def test_zero_point_keywords(key):
    assert filters.zero_point(Header({key: 24.6})) == 24.6


@pytest.mark.parametrize(
    ("magnitude", "cards"),
    [
        # ACS/WFC F814W in 2004: AB 25.94 (STScI's table of ACS zero points).
        (25.94, {"PHOTFLAM": 7.07236e-20, "PHOTPLAM": 8059.76}),
        (27.0, {"FLUXMAG0": 63095734448.0194}),
        # 1 MJy/sr over a pixel of 0.03 arcsec: 2.115e-8 Jy, so 8.90 - 2.5 log10 of it.
        (28.086, {"BUNIT": "MJy/sr", "PIXAR_SR": (0.03 / 206264.806) ** 2}),
        (22.5, {"BUNIT": "nanomaggy"}),
        # 2MASS J: 20.9 mag Vega, 0.91 fainter in AB.
        (21.81, {"ORIGIN": "2MASS", "FILTER": "j", "MAGZP": 20.9}),
        (23.199, {"TELESCOP": "WISE", "BAND": 1, "MAGZP": 20.5}),
        (math.nan, {"INSTRUME": "VIRCAM", "MAGZPT": 23.5}),
        (math.nan, {"MAGZERO": "none"}),
        (math.nan, {"BUNIT": "MJy/sr"}),
        (math.nan, {}),
    ],
)
def test_zero_points_of_products(magnitude, cards):
    found = filters.zero_point(Header(cards))
    assert found == pytest.approx(magnitude, abs=0.005, nan_ok=True)


def test_a_card_that_cannot_be_read_states_nothing():
    text = "".join(c.ljust(80) for c in ("FILTER  =", "MAGZERO =      25,0"))
    for header in (Header.fromstring(text), PlainHeader(text.encode())):
        assert filters.band_name(header) == "image"
        assert math.isnan(filters.zero_point(header))


def test_real_bands(shared_data):
    for name, band in (
        ("cosmos_acs_f814w/cosmos_0000.fits", "F814W"),
        ("candels_f160w/GDS_deep2_10673_j.fits", "F125W"),
        ("gz/abell_2744_cd_galaxy_f105w.fits.gz", "F105W"),
    ):
        header = fits.getheader(shared_data / name)
        assert filters.band_name(header) == band
        assert 24 < filters.zero_point(header) < 27
