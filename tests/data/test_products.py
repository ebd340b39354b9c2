"""Files as surveys deliver them, through the reader."""

import math

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astroanomaly.data import read_cutouts
from astroanomaly.data.inspect import inspect


def image(seed=1, n=40, peak=100.0):
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    noise = np.random.default_rng(seed).normal(size=(n, n))
    return (peak * np.exp(-(x**2 + y**2) / 18) + noise).astype("f4")


def put(path, *images, **cards):
    """Write images, the first in the primary HDU, others as (name, pixels, cards)."""
    hdus = [fits.PrimaryHDU(images[0], fits.Header())]
    hdus[0].header.update(cards)
    for name, pixels, more in images[1:]:
        hdus.append(fits.ImageHDU(pixels, name=name))
        hdus[-1].header.update(more)
    fits.HDUList(hdus).writeto(path)
    return path


def jwst(path, filters, seed=1):
    named = dict(zip(("FILTER", "PUPIL"), filters, strict=True))
    unit = {"BUNIT": "MJy/sr", "PIXAR_SR": 2.1e-14}
    ones = np.ones((40, 40), "f4")
    more = [("ERR", ones, {}), ("VAR_POISSON", ones, {}), ("WHT", ones, {})]
    science = ("SCI", image(seed), unit)
    return put(path, None, science, *more, TELESCOP="JWST", **named)


def test_filters_of_jwst_are_not_mixed(tmp_path):
    jwst(tmp_path / "a.fits", ("CLEAR", "F115W"))
    jwst(tmp_path / "b.fits", ("F277W", "CLEARP"), 2)
    with pytest.raises(ValueError, match="Received: F115W .*a.fits.*, F277W"):
        read_cutouts(tmp_path)
    one = read_cutouts(tmp_path / "a.fits")
    assert one.bands == ("F115W",)
    expected = -6.10 - 2.5 * math.log10(2.1e-14)
    assert one.table["zero_point_F115W"][0] == pytest.approx(expected)


def test_a_file_of_another_filter_is_listed(tmp_path):
    for k in range(30):
        put(tmp_path / f"{k:02d}.fits", image(k), FILTER="r")
    # Not among those that are looked at before the reading.
    put(tmp_path / "01b.fits", image(99), FILTER="i")
    found = read_cutouts(tmp_path)
    assert len(found) == 30
    assert "is of the filter i where the others are of r" in found.skipped["reason"][0]


def test_a_file_of_another_filter_among_the_files_of_a_band(tmp_path):
    for k in range(30):
        for band, name in (("h", "F160W"), ("j", "F125W")):
            name = "F140W" if (k, band) == (1, "h") else name
            put(tmp_path / f"{k:02d}_{band}.fits", image(k), FILTER=name)
    found = read_cutouts(tmp_path, band_pattern="{object_id}_{band}.fits")
    assert (len(found), found.bands) == (29, ("h", "j"))
    assert "is of the filter F140W" in found.skipped["reason"][0]


def test_extensions_of_several_filters_are_not_mixed(tmp_path):
    extensions = [(f"O{k}", image(k), {"FILTER": name}) for k, name in enumerate("rri")]
    path = put(tmp_path / "a.fits", None, *extensions)
    with pytest.raises(ValueError, match="extensions of one filter.*O2 of i"):
        read_cutouts(path)


LEGACY = {"BANDS": "grz", "BAND0": "g", "BAND1": "r", "BAND2": "z"}


def test_planes_of_the_legacy_surveys(tmp_path):
    cube = np.stack([image(k) for k in range(3)])
    for k in range(4):
        put(tmp_path / f"o{k}.fits", cube + k, **LEGACY)
    # One file is one object, whether its bands are named or not.
    for bands in (["g", "r", "z"], None):
        one = read_cutouts(tmp_path / "o0.fits", bands=bands)
        assert (one.images.shape, one.bands) == ((1, 40, 40, 3), ("g", "r", "z"))
        np.testing.assert_array_equal(one.images[0], np.moveaxis(cube, 0, 2))
    # By name, not by position.
    turned = read_cutouts(tmp_path, bands=["z", "g"])
    np.testing.assert_array_equal(turned.images[2, ..., 0], cube[2] + 2)
    np.testing.assert_array_equal(turned.images[2, ..., 1], cube[0] + 2)
    put(tmp_path / "p.fits", cube, BANDS="gri")
    found = read_cutouts(tmp_path)
    assert len(found) == 4
    assert "has the bands g, r, i where the others" in found.skipped["reason"][0]


def test_weight_maps_beside_the_images(tmp_path):
    for k in range(3):
        put(tmp_path / f"o{k}_sci.fits", image(k), FILTER="F160W")
        put(tmp_path / f"o{k}_wht.fits", np.abs(image(9 + k)), FILTER="F160W")
    put(tmp_path / "psf.fits", image(5, 20))
    put(tmp_path / "a1.fits", image(6), IMAGETYP="WEIGHT")
    put(tmp_path / "a2.fits", image(6), EXTNAME="VARIANCE")
    found = read_cutouts(tmp_path)
    assert found.object_ids == ["o0_sci", "o1_sci", "o2_sci"]
    reasons = found.skipped["reason"].tolist()
    assert sum("is a weight map by its name" in r for r in reasons) == 3
    assert sum("is a point-spread function by its name" in r for r in reasons) == 1
    assert sum("is a weight map by its header" in r for r in reasons) == 1
    assert len(found.skipped) == 6
    by_band = {"band_pattern": "{object_id}_{band}.fits"}
    with pytest.warns(UserWarning, match="are left out: .*'wht'"):
        assert read_cutouts(tmp_path, **by_band).bands == ("sci",)
    # Named alone, or with nothing else in the folder, they are read.
    assert len(read_cutouts(tmp_path / "o1_wht.fits")) == 1
    assert len(read_cutouts(tmp_path / "a2.fits")) == 1
    assert len(read_cutouts(f"{tmp_path}/*_wht.fits")) == 3
    assert inspect(tmp_path).bands == ("F160W",)


def hsc(path, seed=1):
    pixels = image(seed)
    bits = np.zeros(pixels.shape, "i4")
    bits[pixels > 5] |= 32
    bits[3, 3] |= 1
    bits[4, 4] |= 4
    planes = {"MP_BAD": 0, "MP_INTRP": 2, "HIERARCH MP_DETECTED": 5}
    more = [("MASK", bits, planes), ("VARIANCE", np.ones_like(pixels), {})]
    put(path, None, ("IMAGE", pixels, {}), *more, FILTER="HSC-I", FLUXMAG0=10**10.8)
    return pixels


def test_planes_of_the_mask_of_hsc(tmp_path):
    pixels = hsc(tmp_path / "a.fits")
    found = read_cutouts(tmp_path, mask_extension="MASK")
    differ = found.images[0, ..., 0] != pixels
    assert np.argwhere(differ).tolist() == [[3, 3]]
    assert found.table["flag"].tolist() == [1]
    assert found.table["zero_point_HSC-I"][0] == pytest.approx(27.0)
    found = read_cutouts(tmp_path, mask_extension="MASK:INTRP")
    assert np.argwhere(found.images[0, ..., 0] != pixels).tolist() == [[4, 4]]
    with pytest.raises(ValueError, match="without the plane CLIPPED; it has: BAD"):
        read_cutouts(tmp_path, mask_extension="MASK:CLIPPED")
    with pytest.raises(ValueError, match="the plane DETECTED"):
        read_cutouts(tmp_path, mask_extension="MASK:DETECTED")
    mosaic = read_cutouts(
        tmp_path / "a.fits",
        catalog=Table({"x": [19.5], "y": [19.5]}),
        size=40,
        mask_extension="MASK",
    )
    assert np.argwhere(mosaic.images[0, ..., 0] != pixels).tolist() == [[3, 3]]


def test_a_mask_that_takes_much_is_told(tmp_path):
    mask = np.zeros((40, 40), "i2")
    mask[:20] = 2
    put(tmp_path / "a.fits", image(), ("DQ", mask, {}))
    put(tmp_path / "b.fits", image(2), ("DQ", mask * 0, {}))
    with pytest.warns(UserWarning, match=r"of 1 object\(s\), at most 50% of .*a.fits"):
        found = read_cutouts(tmp_path, mask_extension="DQ")
    assert found.table["flag"].tolist() == [1, 0]


def test_bits_of_hubble(tmp_path):
    dq = np.zeros((40, 40), "i2")
    dq[5, 5], dq[6, 6] = 64, 4096
    put(tmp_path / "a.fits", None, ("SCI", image(), {}), ("DQ", dq, {}), TELESCOP="HST")
    found = read_cutouts(tmp_path, mask_extension="DQ").images[0, ..., 0]
    assert np.argwhere(found != image()).tolist() == [[6, 6]]


@pytest.mark.parametrize(
    ("unit", "level", "moved"),
    [("MJy/sr", 50.0, -5 * math.log10(2)), ("ELECTRONS/S", 200.0, 0.0)],
)
def test_brightness_is_averaged_and_flux_summed(
    tmp_path, unit, level, moved, tan_header
):
    cards = tan_header(80, 80, scale=0.03) | {"BUNIT": unit, "MAGZERO": 25.0}
    put(tmp_path / "a.fits", image(n=80) + 50, **cards)
    found = read_cutouts(tmp_path, pixel_scale=0.06, size=32)
    assert np.median(found.images) == pytest.approx(level, rel=0.02)
    # Brightness times area is flux: the sum is that of the pixels as they were.
    corner = found.images[0, :16, :16, 0].sum() * (1 if level > 100 else 4)
    assert corner == pytest.approx((image(n=80) + 50)[8:40, 8:40].sum(), rel=1e-5)
    assert found.table["zero_point_image"][0] == pytest.approx(25.0 + moved)


def test_magnitudes_are_not_resampled(tmp_path, tan_header):
    put(tmp_path / "a.fits", image(), **tan_header(40, 40), BUNIT="mag/arcsec2")
    assert len(read_cutouts(tmp_path)) == 1
    with pytest.raises(ValueError, match="is in magnitudes"):
        read_cutouts(tmp_path, pixel_scale=0.2)


@pytest.mark.parametrize(
    "cards",
    [
        {"RADESYS": "FK4", "EQUINOX": 1950.0},
        {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
        {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.0, "CRVAL2": 150.0},
    ],
)
def test_a_mosaic_of_any_frame_is_cut_at_the_source(tmp_path, tan_header, cards):
    header = tan_header(100, 100, scale=60.0) | cards
    pixels = np.random.default_rng(1).normal(size=(100, 100)).astype("f4")
    pixels[70, 40] = 500.0
    path = put(tmp_path / "m.fits", pixels, **header)
    point = WCS(fits.getheader(path)).pixel_to_world(40, 70).icrs
    catalog = Table({"id": ["s"], "ra": [point.ra.deg], "dec": [point.dec.deg]})
    found = read_cutouts(path, catalog=catalog, size=17)
    assert np.argwhere(found.images[0, ..., 0] > 400).tolist() == [[8, 8]]
    # And the other way round, from pixels to the sky.
    found = read_cutouts(path, catalog=Table({"x": [40.0], "y": [70.0]}), size=17)
    row = found.table[0]
    assert (
        SkyCoord(row["ra"], row["dec"], unit="deg").separation(point) < 0.01 * u.arcsec
    )


def test_the_other_side_of_the_sky_is_outside(tmp_path, tan_header):
    path = put(tmp_path / "m.fits", image(n=64), **tan_header(64, 64, scale=1.0))
    table = Table({"id": ["in", "anti", "far", "no"]})
    table["ra"], table["dec"] = [150.0, 330.0, 240.0, np.nan], [2.0, -2.0, 2.0, 2.0]
    found = read_cutouts(path, catalog=table, size=32)
    assert found.object_ids == ["in"]
    reasons = found.skipped["reason"].tolist()
    assert "anti lies outside the mosaic" in reasons[0]
    assert "far lies outside the mosaic" in reasons[1]
    assert "ra=240.00000, dec=2.00000" in reasons[1]
    assert "no has no position" in reasons[2]


def test_the_position_of_a_cutout_is_icrs(tmp_path, tan_header):
    put(tmp_path / "a.fits", image(), **tan_header(40, 40), EQUINOX=1950.0)
    row = read_cutouts(tmp_path).table[0]
    found = SkyCoord(row["ra"], row["dec"], unit="deg")
    expected = SkyCoord(150, 2, unit="deg", frame="fk4").icrs
    assert found.separation(expected).arcsec < 0.01


def test_real_products(shared_data):
    euclid = read_cutouts(shared_data / "multiextension")
    assert euclid.bands == ("VIS", "NIR_Y", "NIR_J", "NIR_H")
    assert np.isfinite(euclid.table["ra"]).all()
    lens = read_cutouts(shared_data / "lenses" / "sdssj0946+1006")
    assert lens.object_ids == ["data"]
    assert {r.split(" by ")[0] for r in lens.skipped["reason"]} == {
        "is a noise map",
        "is a point-spread function",
    }
    candels = read_cutouts(
        shared_data / "candels_f160w", band_pattern="{object_id}_{band}.fits", bands="h"
    )
    assert len(candels) > 5
