import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.fits import Header
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.wcs import WCS

from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.sources.files import SINGLE, Layout
from astroanomaly.data.sources.mosaic import (
    MosaicSource,
    from_mosaic,
    native_box,
    positions,
)


@pytest.fixture
def mosaic(tmp_path, write_fits, noise, tan_header):
    """Return the path of a mosaic of 120 rows and 100 columns, and its pixels."""
    image = noise(120, 100)
    header = tan_header(100, 120)
    return str(write_fits(tmp_path / "m.fits", image, FILTER="i", **header)), image


def test_sky_positions_go_through_the_wcs(mosaic):
    path, image = mosaic
    wcs = WCS(fits.getheader(path))
    x, y = np.array([30.0, 61.0]), np.array([40.0, 75.0])
    ra, dec = wcs.all_pix2world(x, y, 0)
    catalog = Table({"object_id": ["a", "b"], "RA": ra, "DEC": dec, "mag": [20, 21]})
    found = read_cutouts(path, catalog=catalog, size=16)
    for i in range(2):
        expected = Cutout2D(image, (x[i], y[i]), (16, 16)).data
        np.testing.assert_array_equal(found.images[i, ..., 0], expected)
    np.testing.assert_allclose(found.table["ra"], ra)
    assert found.table["mag"].tolist() == [20, 21]
    assert found.bands == ("i",)
    # Positions alone, in another frame.
    alone = SkyCoord(ra, dec, unit="deg").galactic
    again = read_cutouts(path, catalog=alone, size=16)
    np.testing.assert_array_equal(again.images, found.images)
    np.testing.assert_allclose(again.table["ra"], ra)
    assert len(read_cutouts(path, catalog=alone[0], size=16)) == 1
    assert found.pixel_scale == pytest.approx(0.1)


@pytest.mark.parametrize("size", [15, 16, (9, 32)])
@pytest.mark.parametrize("x", [15.5, 30, 30.4999, 30.5, 30.6, 30 + 1e-11, 0.2, 97.8])
def test_the_centre_is_that_of_cutout2d(mosaic, size, x):
    path, image = mosaic
    catalog = Table({"x": [x], "y": [75.5 - 1e-11]})
    found = read_cutouts(path, catalog=catalog, size=size)
    position = (round(x, 6), 75.5)
    part = Cutout2D(image, position, size, mode="partial", fill_value=np.nan).data
    inside = np.isfinite(part)
    np.testing.assert_array_equal(found.images[0, ..., 0][inside], part[inside])
    assert found.table["flag"][0] == (0 if inside.all() else 2)


def test_pixel_positions_count_from_zero(mosaic):
    path, image = mosaic
    found = read_cutouts(path, catalog=Table({"x": [30.0], "y": [40.0]}), size=5)
    np.testing.assert_array_equal(found.images[0, ..., 0], image[38:43, 28:33])
    sextractor = Table({"X_IMAGE": [31.0], "Y_IMAGE": [41.0]})
    again = read_cutouts(path, catalog=sextractor, size=5)
    np.testing.assert_array_equal(found.images, again.images)
    expected = WCS(fits.getheader(path)).all_pix2world(30, 40, 0)
    assert found.table["ra"][0] == pytest.approx(float(expected[0]))


def test_outside_is_skipped_and_the_edge_padded(mosaic):
    catalog = Table(
        {"id": ["in", "edge", "out", "nan"], "x": [50.0, 2, 500, np.nan], "y": [50] * 4}
    )
    found = read_cutouts(mosaic[0], catalog=catalog, size=16)
    assert found.object_ids == ["in", "edge"]
    assert found.table["flag"].tolist() == [0, 2]
    reasons = found.skipped["reason"].tolist()
    assert reasons[0].startswith("out lies outside the mosaic, at x=500.0, y=50.0")
    assert reasons[1] == "nan has no position in the catalog"
    strict = read_cutouts(mosaic[0], catalog=catalog, size=16, edge="error")
    assert strict.object_ids == ["in"]
    assert "reaches over the edge" in strict.skipped["reason"][0]


def test_all_outside(mosaic):
    catalog = Table({"x": [500.0], "y": [500.0]})
    with pytest.raises(ValueError, match="None of the 1 objects.*outside the mosaic"):
        read_cutouts(mosaic[0], catalog=catalog, size=16)


def test_no_wcs(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "m.fits", noise(50, 50))
    catalog = Table({"ra": [150.0], "dec": [2.0]})
    with pytest.raises(ValueError, match="must have a celestial WCS"):
        read_cutouts(path, catalog=catalog, size=16)


def test_no_usable_columns(mosaic):
    with pytest.raises(ValueError, match=r"columns ra and dec .*Received: .*\['mag'\]"):
        read_cutouts(mosaic[0], catalog=Table({"mag": [20.0]}), size=16)


def test_no_size(mosaic):
    with pytest.raises(ValueError, match="`size` must be given to cut"):
        read_cutouts(mosaic[0], catalog=Table({"x": [50.0], "y": [50.0]}))


def test_resampled_cutouts_are_full(mosaic):
    path, image = mosaic
    found = read_cutouts(
        path, catalog=Table({"x": [50.0], "y": [60.0]}), size=16, pixel_scale=0.2
    )
    assert found.table["flag"][0] == 0
    assert found.image_shape == (16, 16, 1)
    # 16 pixels of 0.2" about pixel (50, 60) are 32 of 0.1".
    expected = image[43:75, 33:65].reshape(16, 2, 16, 2).sum(axis=(1, 3))
    shifted = image[44:76, 34:66].reshape(16, 2, 16, 2).sum(axis=(1, 3))
    close = [np.allclose(found.images[0, ..., 0], e) for e in (expected, shifted)]
    assert any(close)


def test_native_box():
    assert native_box((32, 32), None, ReadOptions()) == (32, 32)
    assert native_box((32, 32), 0.1, ReadOptions(pixel_scale=0.1)) == (32, 32)
    assert native_box((10, 20), 0.1, ReadOptions(pixel_scale=0.3)) == (32, 62)


def test_bands_in_extensions_and_a_mask(tmp_path, noise, tan_header):
    images = noise(2, 60, 60)
    mask = np.zeros((60, 60), np.uint8)
    mask[30, 30] = 1
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, image in zip("GR", images, strict=True):
        hdu = fits.ImageHDU(image, name=f"{name}_FLUX")
        hdu.header.update(tan_header(60, 60))
        hdus.append(hdu)
    hdus.append(fits.ImageHDU(mask, name="MASK"))
    hdus.writeto(tmp_path / "m.fits")
    found = read_cutouts(
        tmp_path / "m.fits",
        catalog=Table({"x": [30.0], "y": [30.0]}),
        size=16,
        bands=["R", "G"],
        mask_extension="MASK",
    )
    assert found.bands == ("R", "G")
    assert found.table["flag"][0] == 1
    np.testing.assert_array_equal(found.images[0, 0, :, 0], images[1, 22, 22:38])


def test_bands_of_two_shapes(tmp_path):
    hdus = [fits.ImageHDU(np.eye(n), name=f"B{n}_FLUX") for n in (8, 9)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "m.fits")
    with pytest.raises(ValueError, match="must be images of one shape"):
        read_cutouts(
            tmp_path / "m.fits", catalog=Table({"x": [3.0], "y": [3.0]}), size=4
        )


def test_a_mosaic_per_band(tmp_path, write_fits, noise, tan_header):
    paths = {}
    for i, band in enumerate(["J", "H"]):
        image, header = noise(60, 60, seed=i), tan_header(60, 60)
        paths[band] = write_fits(tmp_path / f"{band}.fits", image, **header)
    catalog = Table({"x": [30.0], "y": [30.0]})
    found = read_cutouts(paths, catalog=catalog, size=16)
    assert found.bands == ("J", "H")
    expected = noise(60, 60, seed=1)[22:38, 22:38]
    np.testing.assert_array_equal(found.images[0, ..., 1], expected)
    one = read_cutouts(paths, catalog=catalog, size=16, bands=["H"])
    np.testing.assert_array_equal(one.images[..., 0], found.images[..., 1])
    turned = read_cutouts(paths, catalog=catalog, size=16, stream=True)
    turned = turned.select_bands(["H", "J"]).read()
    np.testing.assert_array_equal(turned.images, found.images[..., ::-1])
    with pytest.raises(ValueError, match="needs `catalog`"):
        read_cutouts(paths, size=16)
    shifted = tan_header(60, 60, ra=150.001)
    paths["K"] = write_fits(tmp_path / "K.fits", noise(60, 60), **shifted)
    with pytest.raises(ValueError, match="must lie on one pixel grid"):
        read_cutouts(paths, catalog=catalog, size=16)
    with pytest.raises(FileNotFoundError, match="Y.fits"):
        read_cutouts({"Y": tmp_path / "Y.fits"}, catalog=catalog, size=16)


def test_scaled_pixels_are_read_in_workers(tmp_path):
    image = np.arange(1600, dtype=np.uint16).reshape(40, 40)
    fits.PrimaryHDU(image).writeto(tmp_path / "m.fits")
    catalog = Table({"x": [20.0], "y": [20.0]})
    source = from_mosaic(
        [str(tmp_path / "m.fits")],
        Layout(SINGLE, ("i",)),
        catalog,
        ReadOptions(size=(8, 8)),
    )
    assert source.in_workers
    np.testing.assert_array_equal(
        source.read(0, ReadOptions()).planes[0], image[16:24, 16:24]
    )


def test_a_damaged_mosaic(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "m.fits", noise(64, 64))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ValueError, match="m.fits: is a truncated FITS file"):
        read_cutouts(path, catalog=Table({"x": [2.0], "y": [2.0]}), size=16)


def test_workers_cut_the_same(mosaic):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 100, (2, 60))
    catalog = Table({"x": x, "y": y})
    here = read_cutouts(mosaic[0], catalog=catalog, size=16, n_workers=1)
    there = read_cutouts(mosaic[0], catalog=catalog, size=16, n_workers=2)
    np.testing.assert_array_equal(here.images, there.images)


def test_positions_without_any_sky():
    x, y, ra, dec = positions("m", Header(), Table({"x": [1.0], "y": [2.0]}))
    assert (x[0], y[0]) == (1, 2)
    assert np.isnan([ra[0], dec[0]]).all()


def test_a_packed_mosaic_is_held_by_one_process(tmp_path, write_fits, noise):
    path = str(write_fits(tmp_path / "m.fits.gz", noise(40, 40)))
    layout, catalog = Layout(SINGLE, ("i",)), Table({"x": [20.0], "y": [20.0]})
    source = from_mosaic([path], layout, catalog, ReadOptions(size=(8, 8)))
    assert not source.in_workers
    expected = noise(40, 40)[16:24, 16:24]
    np.testing.assert_array_equal(source.read(0, ReadOptions()).planes[0], expected)


def test_take_and_signature(mosaic):
    places = np.array([[50.0, 50, 1, 2], [900, 900, 3, 4]])
    source = MosaicSource([mosaic[0]], Layout(SINGLE, ("i",)), "ab", places, (8, 8))
    second = source.take([1])
    assert second.object_ids == ["b"]
    assert second.signature() != source.signature()[:1]
    with pytest.raises(BadCutout, match="b lies outside"):
        second.read(0, ReadOptions())
    assert source.select([0]).bands == ("i",)
