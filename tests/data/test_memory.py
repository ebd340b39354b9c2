"""Images in memory: astropy's kinds, arrays of other libraries, dicts and lists."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, Cutout2D, NDData
from astropy.table import Table
from astropy.wcs import WCS

from astroanomaly.data.reading import read_cutouts

IMAGES = np.random.default_rng(5).normal(10, 1, (3, 12, 12)).astype("f4")


def tan(n=12):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.cdelt = (150.0, 2.0), (-0.2 / 3600, 0.2 / 3600)
    wcs.wcs.crpix = (n + 1) / 2, (n + 1) / 2
    return wcs


def header():
    made = tan().to_header()
    made["BUNIT"], made["FILTER"] = "nJy", "F814W"
    return made


class Tensor:
    """What PyTorch and TensorFlow offer of an array on the CPU."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, "tensor"

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


class Differentiable(Tensor):
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def ccd(image):
    return CCDData(image, unit="nJy", wcs=tan(), meta={"FILTER": "F814W"})


@pytest.mark.parametrize(
    "make",
    [
        lambda image: fits.PrimaryHDU(image, header()),
        lambda image: fits.ImageHDU(image.astype(">f8"), header()),
        lambda image: fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, header())]),
        lambda image: fits.CompImageHDU(image, header(), quantize_level=0),
        ccd,
        lambda image: NDData(image * u.nJy, wcs=tan(), meta={"FILTER": "F814W"}),
    ],
    ids=["primary", "image", "list", "compressed", "ccd", "nddata"],
)
@pytest.mark.parametrize("collection", [lambda x: x, lambda x: [x], lambda x: {"a": x}])
def test_astropy_images_keep_pixels_unit_and_position(make, collection):
    got = read_cutouts(collection(make(IMAGES[0])))
    np.testing.assert_array_equal(got.images[0, ..., 0], IMAGES[0])
    ra, dec = tan().all_pix2world(5.5, 5.5, 0)
    assert got.table["ra"][0] == pytest.approx(float(ra), abs=1e-9)
    assert got.table["dec"][0] == pytest.approx(float(dec), abs=1e-9)
    assert got.pixel_scale == pytest.approx(0.2)
    assert got.bands == ("F814W",)
    assert got.table["unit_F814W"][0] == "nJy"
    wanted = "a" if isinstance(collection(0), dict) else "image_000000"
    assert (got.object_ids, list(got.table["file"])) == ([wanted], [""])


def test_a_cutout2d_has_the_position_of_its_own_centre():
    whole = np.random.default_rng(1).normal(size=(40, 40)).astype("f4")
    cut = Cutout2D(whole, (10, 12), 8, wcs=tan(40))
    got = read_cutouts(cut)
    np.testing.assert_array_equal(got.images[0, ..., 0], whole[8:16, 6:14])
    ra, dec = tan(40).all_pix2world(9.5, 11.5, 0)
    assert got.table["ra"][0] == pytest.approx(float(ra), abs=1e-9)
    assert got.table["dec"][0] == pytest.approx(float(dec), abs=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda image, mask: NDData(image, mask=mask),
        lambda image, mask: CCDData(image, mask=mask, unit="adu"),
        lambda image, mask: np.ma.array(image, mask=mask)[np.newaxis],
    ],
    ids=["nddata", "ccd", "masked"],
)
@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_masked_pixels_are_undefined(make, dtype):
    image, mask = IMAGES[0].astype(dtype), np.zeros((12, 12), bool)
    image[3, 4:6], mask[3, 4:6] = 9999, True
    got = read_cutouts(make(image, mask))
    assert got.images.max() < 20
    assert got.table["flag"][0] == 1
    np.testing.assert_array_equal(got.images[0, ..., 0][~mask], image[~mask])


def test_an_hdu_list_in_memory_is_read_as_its_file(tmp_path):
    mask = np.zeros((12, 12), "i2")
    mask[2, 2] = 4
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(IMAGES[0], name="SCI")])
    hdus.append(fits.ImageHDU(mask, name="DQ"))
    hdus.writeto(tmp_path / "ngc.fits")
    from_file = read_cutouts(tmp_path / "ngc.fits", mask_extension="DQ")
    with fits.open(tmp_path / "ngc.fits") as opened:
        from_memory = read_cutouts(opened, mask_extension="DQ")
    assert from_memory.object_ids == from_file.object_ids == ["ngc"]
    np.testing.assert_array_equal(from_memory.images, from_file.images)
    assert from_memory.table["flag"][0] == 1


def test_an_hdu_in_memory_is_a_mosaic_with_a_catalog():
    mosaic = np.random.default_rng(2).normal(size=(50, 60)).astype("f4")
    got = read_cutouts(
        fits.PrimaryHDU(mosaic), catalog=Table({"x": [20], "y": [30]}), size=5
    )
    np.testing.assert_array_equal(got.images[0, ..., 0], mosaic[28:33, 18:23])


def test_objects_of_a_list_may_differ_in_shape_where_a_size_is_given():
    got = read_cutouts([IMAGES[0], IMAGES[1][:8, :10]], size=6)
    np.testing.assert_array_equal(got.images[0, ..., 0], IMAGES[0][3:9, 3:9])
    np.testing.assert_array_equal(got.images[1, ..., 0], IMAGES[1][1:7, 2:8])


def test_a_dict_of_arrays_names_the_objects():
    got = read_cutouts({"NGC 1": IMAGES[0], 4611686018427387905: IMAGES[1]})
    assert got.object_ids == ["NGC 1", "4611686018427387905"]
    np.testing.assert_array_equal(got.images[..., 0], IMAGES[:2])


def dask(array, tmp_path):
    return pytest.importorskip("dask.array").from_array(array, chunks=(2, 12, 12))


def zarr(array, tmp_path):
    return pytest.importorskip("zarr").create_array(
        str(tmp_path / "a.zarr"), data=array, chunks=(2, 12, 12)
    )


def h5py(array, tmp_path):
    file = pytest.importorskip("h5py").File(tmp_path / "a.h5", "w")
    return file.create_dataset("images", data=array, chunks=(2, 12, 12))


@pytest.mark.parametrize("make", [dask, zarr, h5py, lambda a, _: Tensor(a)])
def test_arrays_of_other_libraries(make, tmp_path):
    got = read_cutouts(make(IMAGES, tmp_path))
    np.testing.assert_array_equal(got.images[..., 0], IMAGES)


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", ">f4", "f2", "u8", "f8"])
def test_every_number_type_gives_its_values(dtype):
    images = np.clip(IMAGES - 9, 0, 3).astype(dtype)
    for given in (images, NDData(images[0])):
        got = read_cutouts(given)
        np.testing.assert_array_equal(got.images[0, ..., 0], images[0].astype("f4"))


def test_float64_beyond_float32_is_filled_and_flagged():
    images = IMAGES.astype("f8")
    images[0, 2, 3] = 1e300
    got = read_cutouts(images)
    assert np.isfinite(got.images).all()
    assert list(got.table["flag"]) == [1, 0, 0]


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (IMAGES.astype(complex), ValueError, "complex128"),
        (IMAGES.astype(object), ValueError, "dtype object"),
        (np.full((2, 8, 8), "a"), ValueError, "dtype <U1"),
        (fits.HDUList([fits.PrimaryHDU()]), ValueError, "no image HDU"),
        (NDData(IMAGES[0].astype(complex)), ValueError, "complex128"),
        (Differentiable(IMAGES), ValueError, "requires grad"),
        ([IMAGES[0], "a.fits"], TypeError, "ndarray, str"),
        ([IMAGES[0], ccd(IMAGES[0])], TypeError, "CCDData, ndarray"),
        ([[1, 2], [3, 4]], TypeError, "list"),
        (7, TypeError, "int"),
        (np.zeros((10, 3, 64, 64)), ValueError, r"\(10, 3, 64, 64\)"),
        ([np.zeros((3, 64, 64))] * 2, ValueError, r"\(1, 3, 64, 64\)"),
    ],
)
def test_what_is_no_image_is_refused(value, kind, words):
    with pytest.raises(kind, match=f"(?s)Received: .*{words}"):
        read_cutouts(value)


def test_one_bad_object_is_listed_and_the_others_are_read():
    images = [IMAGES[0], np.full((12, 12), np.nan), IMAGES[2]]
    for given in (images, [fits.ImageHDU(i) for i in images]):
        got = read_cutouts(given)
        assert got.object_ids == ["image_000000", "image_000002"]
        assert "NaN" in got.skipped["reason"][0]
