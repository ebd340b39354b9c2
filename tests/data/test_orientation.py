import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astroanomaly.data.orientation import orientations


def _write(path, matrix, ra=150.0, dec=2.0, first_empty=False):
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 10.5, "CRPIX2": 10.5})
    for (i, j), value in np.ndenumerate(matrix):
        header[f"CD{i + 1}_{j + 1}"] = value / 3600
    image = fits.ImageHDU(np.zeros((20, 20), "f4"), header)
    hdus = [fits.PrimaryHDU(), image]
    if not first_empty:
        hdus = [fits.PrimaryHDU(image.data, image.header)]
    fits.HDUList(hdus).writeto(path)
    return str(path)


@pytest.mark.parametrize("first_empty", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 30.0, 180.0, 251.0])
def test_north_and_east_of_a_turned_camera(tmp_path, angle, mirrored, first_empty):
    a = np.radians(angle)
    north = np.array([-np.sin(a), np.cos(a)])
    # East is to the left of north on the sky, and to its right in a mirror.
    east = np.array([-north[1], north[0]]) * (-1 if mirrored else 1)
    # Pixels to sky: the rows of the inverse of (east, north) in pixels.
    matrix = 0.2 * np.linalg.inv(np.stack([east, north], axis=1))
    path = _write(tmp_path / "a.fits", matrix, first_empty=first_empty)
    table = Table({"file": [path], "ra": [150.0], "dec": [2.0]})
    (found,) = orientations(table)
    np.testing.assert_allclose(found, [north, east], atol=1e-5)


def test_at_the_pole_north_differs_from_place_to_place(tmp_path):
    path = _write(tmp_path / "a.fits", [[-0.2, 0], [0, 0.2]], ra=0.0, dec=90.0)
    dec = 90 - 0.8 / 3600
    table = Table(
        {"file": [path] * 4, "ra": [0.0, 90.0, 180.0, 270.0], "dec": [dec] * 4}
    )
    x, y = WCS(fits.getheader(path)).all_world2pix(table["ra"], table["dec"], 0)
    # The pole lies on the middle of the frame.
    to_pole = (9.5 - np.stack([x, y], axis=1)) / 4
    found = np.array(orientations(table))
    np.testing.assert_allclose(found[:, 0], to_pole, atol=1e-4)


def test_unknown_where_there_is_no_wcs(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "plain.fits")
    (tmp_path / "text.fits").write_text("no FITS file")
    known = _write(tmp_path / "a.fits", [[-0.2, 0], [0, 0.2]])
    names = [tmp_path / "plain.fits", tmp_path / "text.fits", "gone.fits", "", known]
    nan = [np.nan] * len(names)
    table = Table({"file": [str(name) for name in names], "ra": nan, "dec": nan})
    *unknown, last = orientations(table)
    assert unknown == [None] * 4
    # Without a position the middle of the image counts.
    np.testing.assert_allclose(last, [[0, 1], [-1, 0]], atol=1e-6)
