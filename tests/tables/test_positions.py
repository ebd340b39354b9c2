"""Positions in tables, against astropy or by hand."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from astroanomaly.tables.positions import degrees, pixel_columns, sky_columns


@pytest.mark.parametrize(
    "names",
    [
        *(("ra", "dec"), ("RA", "DEC"), ("Ra", "Decl"), ("RAJ2000", "DEJ2000")),
        *(("RA_OBJ", "DEC_OBJ"), ("SC_RA", "SC_DEC"), ("RA_d", "DEC_d")),
        *(("_RAJ2000", "_DEJ2000"), ("RAdeg", "DEdeg"), ("RA_ICRS", "DE_ICRS")),
        *(("coord_ra", "coord_dec"), ("raMean", "decMean"), ("RA(deg)", "DEC(deg)")),
        *(("ALPHA_J2000", "DELTA_J2000"), ("ALPHAWIN_J2000", "DELTAWIN_J2000")),
        *(("RIGHT_ASCENSION", "DECLINATION"), ("TARGET_RA", "TARGET_DEC")),
    ],
)
def test_names_of_archives(names):
    table = Table({"id": [1], names[1]: [-5.0], names[0]: [10.0]})
    ra, dec = sky_columns(table)
    assert (ra[0], dec[0]) == (10.0, -5.0)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ([10.0] * u.hourangle, [0.5] * u.deg),
        ([10.0] * u.h, [30.0] * u.arcmin),
        ([600.0] * u.min, [1800.0] * u.arcsec),
        ([np.radians(150.0)] * u.rad, [np.radians(0.5)] * u.rad),
        (["10:00:00"], ["+00:30:00"]),
        (["10h00m00s"], ["0d30m00s"]),
        (["10 00 00.0"], ["00 30 00"]),
        (["150d00m00s"], ["0.5"]),
        (["150.0"], [b"0.5"]),
    ],
)
def test_units_and_sexagesimal_text(ra, dec):
    for table in (Table({"ra": ra, "dec": dec}), QTable({"RA": ra, "DEC": dec})):
        found = sky_columns(table)
        np.testing.assert_allclose(np.ravel(found), [150.0, 0.5], rtol=1e-14)


def test_the_sign_of_a_declination_of_minus_zero_degrees():
    assert degrees(Table({"dec": ["-00:30:00"]})["dec"]).tolist() == [-0.5]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("degrees", 150.0), ("DEG", 150.0), ("no unit", 150.0), ("hourangle", 10.0)),
        *(("HOURS", 10.0), ("Radians", np.radians(150.0))),
    ],
)
def test_unit_words_that_fits_does_not_know(tmp_path, word, value):
    columns = [
        fits.Column("RA", "D", unit=word, array=[value]),
        fits.Column("DEC", "D", array=[2.0]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        table = Table.read(tmp_path / "t.fits")
    assert sky_columns(table)[0][0] == pytest.approx(150.0, rel=1e-14)


def test_what_is_no_angle():
    with pytest.raises(ValueError, match="'ra' must be an angle.*Received: unit m"):
        sky_columns(Table({"ra": [1.0] * u.m, "dec": [1.0]}))
    with pytest.raises(ValueError, match="'dec' must be an angle.*Received: unit h"):
        sky_columns(Table({"ra": [1.0], "dec": [1.0] * u.h}))
    table = Table({"ra": ["10:00:00", "east", ""], "dec": ["1", "2", "3"]})
    with pytest.warns(UserWarning, match="'ra' must hold angles. .*'east' in row 1"):
        ra, _ = sky_columns(table)
    np.testing.assert_allclose(ra, [150.0, np.nan, np.nan], rtol=1e-14)
    assert sky_columns(Table({"mag": [1.0]})) is None


def test_missing_positions_are_nan():
    ra = MaskedColumn([1.0, 2.0, 3.0], mask=[0, 1, 0])
    ra, dec = sky_columns(Table({"ra": ra, "dec": [4.0, 5.0, -999.0]}))
    np.testing.assert_array_equal(ra, [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(dec, [4.0, 5.0, np.nan])


def test_coordinates_of_any_frame_are_icrs():
    table = QTable({"id": ["a", "b"]})
    table["box_corner"] = SkyCoord([1, 1], [1, 1], unit="deg")
    table["coord"] = SkyCoord(
        [121.17, np.nan], [-21.57, np.nan], unit="deg", frame="galactic"
    )
    ra, dec = sky_columns(table)
    # The Andromeda galaxy.
    assert ra[0] == pytest.approx(10.68, abs=0.01)
    assert dec[0] == pytest.approx(41.27, abs=0.01)
    assert np.isnan([ra[1], dec[1]]).all()
    # Plain columns go first.
    table["ra"], table["dec"] = [1.0, 2.0], [3.0, 4.0]
    assert sky_columns(table)[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("names", "first"),
    [
        *((("x", "y"), 0), (("X", "Y"), 0), (("xcentroid", "ycentroid"), 0)),
        *((("x_centroid", "y_centroid"), 0), (("X_IMAGE", "Y_IMAGE"), 1)),
        (("XWIN_IMAGE", "YWIN_IMAGE"), 1),
    ],
)
def test_pixels_are_counted_from_zero(names, first):
    column = MaskedColumn([1, 2], mask=[0, 1])
    x, y = pixel_columns(Table({names[0]: column, names[1]: [11.0, 12.0]}))
    np.testing.assert_array_equal(x, [1.0 - first, np.nan])
    np.testing.assert_array_equal(y, [11.0 - first, 12.0 - first])


def test_text_is_no_pixel():
    assert pixel_columns(Table({"x": ["a"], "y": ["b"]})) is None
