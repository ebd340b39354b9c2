import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header
from astropy.wcs import WCS

from astroanomaly.data import headers


def test_filter_of_acs_is_the_one_that_is_not_clear():
    assert headers.band_name(Header({"FILTER": " F160W "})) == "F160W"
    two = {"FILTER1": "F435W", "FILTER2": "CLEAR2S"}
    assert headers.band_name(Header(two)) == "F435W"
    assert headers.band_name(Header()) == "image"


@pytest.mark.parametrize("key", headers.ZERO_POINT_KEYS)
def test_zero_point_keywords(key):
    assert headers.zero_point(Header({key: 24.6})) == 24.6


def test_zero_point_of_hubble_is_the_published_one():
    # ACS/WFC F814W in 2004: PHOTFLAM 7.07236e-20, PHOTPLAM 8059.76, AB 25.94
    # (STScI's table of ACS zero points).
    header = Header({"PHOTFLAM": 7.07236e-20, "PHOTPLAM": 8059.76})
    assert headers.zero_point(header) == pytest.approx(25.94, abs=0.005)


def test_zero_point_of_hsc_coadds_is_27():
    header = Header({"FLUXMAG0": 63095734448.0194})
    assert headers.zero_point(header) == pytest.approx(27.0, abs=1e-9)


def test_zero_point_that_is_no_number():
    assert math.isnan(headers.zero_point(Header({"MAGZERO": "none"})))


def _cases():
    cd = {"CD1_1": -2e-5, "CD1_2": 1e-6, "CD2_1": 3e-6, "CD2_2": 2.1e-5}
    pc = {"CDELT1": -2e-5, "CDELT2": 2e-5, "PC1_1": 0.8, "PC1_2": -0.6}
    pc |= {"PC2_1": 0.6, "PC2_2": 0.8}
    rotated = {"CDELT1": -2e-5, "CDELT2": 3e-5, "CROTA2": 30.0}
    return [cd, pc, rotated, {"CDELT1": -2e-5, "CDELT2": 2e-5}]


@pytest.mark.parametrize("matrix", _cases())
@pytest.mark.parametrize("dec", [-89.9, -30.0, 0.0, 62.0])
def test_position_and_scale_equal_astropy(matrix, dec):
    keywords = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 359.99,
        "CRVAL2": dec,
        "CRPIX1": -11301.8,
        "CRPIX2": 402.3,
    }
    header = Header(keywords | matrix)
    wcs = WCS(header)
    ra, dec = headers.sky_position(header, 31.5, 40.0)
    expected = wcs.all_pix2world(31.5, 40.0, 0)
    assert ra == pytest.approx(float(expected[0]) % 360, abs=1e-9)
    assert dec == pytest.approx(float(expected[1]), abs=1e-9)
    area = wcs.proj_plane_pixel_area().to_value("arcsec2")
    assert headers.pixel_scale(header) == pytest.approx(math.sqrt(area), rel=1e-9)


def test_another_projection_goes_through_astropy():
    header = Header(
        {
            "CTYPE1": "RA---SIN",
            "CTYPE2": "DEC--SIN",
            "CRVAL1": 10.0,
            "CRVAL2": 20.0,
            "CRPIX1": 5.0,
            "CRPIX2": 5.0,
            "CDELT1": -0.01,
            "CDELT2": 0.01,
        }
    )
    assert headers.sky_position(header, 4, 4) == pytest.approx((10.0, 20.0))


def test_drizzled_images_keep_no_distortion(tan_header):
    plain = Header(tan_header(64, 64))
    left_over = Header(tan_header(64, 64) | {"A_ORDER": 2, "A_2_0": 1e-4})
    left_over.update({"B_ORDER": 2, "CPDIS1": "LOOKUP"})
    expected = WCS(plain).all_pix2world(3, 5, 0)
    found = headers.celestial_wcs(left_over).all_pix2world(3, 5, 0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        headers.sky_position(left_over, 3, 5), expected, atol=1e-10
    )


def test_no_celestial_axes():
    header = Header({"CTYPE1": "LINEAR", "CDELT1": 1.0})
    assert headers.pixel_scale(header) is None
    assert headers.celestial_wcs(header) is None
    assert np.isnan(headers.sky_position(header, 0, 0)).all()
    assert headers.pixel_scale(Header({"PIXSCALE": 0.06})) == 0.06


def test_real_headers(shared_data):
    path = shared_data / "cosmos_acs_f814w" / "cosmos_0000.fits"
    header = fits.getheader(path)
    assert headers.band_name(header) == "F814W"
    assert headers.pixel_scale(header) == pytest.approx(0.03, rel=1e-6)
    # catalog.csv of the same folder gives the position of the source.
    expected = (150.0213513234767, 2.388358309006599)
    assert headers.sky_position(header, 83.5, 83.5) == pytest.approx(expected, abs=2e-5)
