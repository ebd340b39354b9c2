import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.fits import ImageHDU
from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.sources.files import (
    EXTENSIONS,
    FILES,
    PLANES,
    SINGLE,
    FileSource,
    Layout,
    find_image,
    find_images,
    only_image,
)


@pytest.fixture
def euclid(tmp_path, noise):
    """Write one object in Euclid's form, its pixels being VIS, H."""
    images = noise(2, 16, 16)
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for band, image, zero_point in zip(
        ["VIS", "NIR_H"], images, [24.6, 29.9], strict=True
    ):
        hdu = fits.ImageHDU(image, name=f"{band}_FLUX")
        hdu.header["MAGZERO"] = zero_point
        mask = np.zeros((16, 16), np.int16)
        mask[0, 0] = 4
        hdus += [hdu, fits.ImageHDU(np.ones((5, 5)), name=f"{band}_PSF")]
        hdus.append(fits.ImageHDU(mask, name=f"{band}_MASK"))
    hdus.writeto(tmp_path / "a.fits")
    return str(tmp_path / "a.fits"), images


BOTH = Layout(EXTENSIONS, ("VIS", "NIR_H"), ("VIS_FLUX", "NIR_H_FLUX"))


def test_extensions(euclid):
    path, images = euclid
    raw = FileSource(["a"], [(path,)], BOTH).read(0, ReadOptions())
    np.testing.assert_array_equal(raw.planes, images)
    assert raw.zero_points == [24.6, 29.9]


def test_select_turns_the_bands(euclid):
    path, images = euclid
    source = FileSource(["a"], [(path,)], BOTH).select([1])
    assert source.bands == ("NIR_H",)
    np.testing.assert_array_equal(source.read(0, ReadOptions()).planes, images[1:])


def test_masked_pixels_are_nan(euclid):
    source = FileSource(["a"], [(euclid[0],)], BOTH)
    for plane in source.read(0, ReadOptions(mask_extension="{band}_MASK")).planes:
        assert np.isnan(plane[0, 0])
        assert np.isnan(plane).sum() == 1
    with pytest.raises(BadCutout, match=r"no extension DQ \(the mask\)"):
        source.read(0, ReadOptions(mask_extension="DQ"))


def test_a_band_that_is_missing(euclid):
    layout = Layout(EXTENSIONS, ("NIR_Y",), ("NIR_Y_FLUX",))
    expected = "has no extension NIR_Y_FLUX .the band NIR_Y.; it has: VIS_FLUX"
    with pytest.raises(BadCutout, match=expected):
        FileSource(["a"], [(euclid[0],)], layout).read(0, ReadOptions())


def test_several_images_where_one_was_expected():
    images = [ImageHDU(i, name, (8, 8)) for i, name in enumerate("GR")]
    with pytest.raises(BadCutout, match=r"2 image extensions \(G, R\)"):
        only_image(images)
    assert only_image([*images, ImageHDU(2, "SCI", (8, 8))]).name == "SCI"
    assert find_image(images, "r", "test").index == 1
    assert find_images(images[:1], Layout(SINGLE, ("H",)))[0].name == "G"


def test_one_file_per_band(tmp_path, write_fits, noise):
    h = write_fits(tmp_path / "a_h.fits", noise(8, 8), BUNIT="e/s")
    j = write_fits(tmp_path / "a_j.fits", noise(8, 8, seed=2), BUNIT="adu")
    layout = Layout(FILES, ("h", "j"))
    source = FileSource(["a", "b"], [(str(h), str(j)), (str(h), "")], layout)
    raw = source.read(0, ReadOptions())
    assert raw.units == ["e/s", "adu"]
    np.testing.assert_array_equal(raw.planes[1], noise(8, 8, seed=2))
    with pytest.raises(BadCutout, match="has no file for the band j"):
        source.read(1, ReadOptions())
    assert source.select([0]).read(1, ReadOptions()).units == ["e/s"]
    j.write_text("no")
    with pytest.raises(BadCutout, match=r"not a FITS file.*band j, file a_j.fits"):
        source.read(0, ReadOptions())


def test_planes_of_one_image(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(3, 8, 8))
    layout = Layout(PLANES, ("g", "r", "i"), planes=(0, 1, 2))
    source = FileSource(["a"], [(str(path),)], layout)
    np.testing.assert_array_equal(source.read(0, ReadOptions()).planes, noise(3, 8, 8))
    np.testing.assert_array_equal(
        source.select([2]).read(0, ReadOptions()).planes, noise(3, 8, 8)[2:]
    )
    wrong = Layout(PLANES, tuple("griz"), planes=(0, 1, 2, 3))
    with pytest.raises(BadCutout, match="has 3 planes where 4"):
        FileSource(["a"], [(str(path),)], wrong).read(0, ReadOptions())


def test_wrong_number_of_axes(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(3, 8, 8))
    with pytest.raises(BadCutout, match=r"shape \(3, 8, 8\) where 2 axes"):
        FileSource(["a"], [(str(path),)], Layout(SINGLE, ("g",))).read(0, ReadOptions())


def test_another_filter_is_refused(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(8, 8), FILTER="F125W")
    layout = Layout(SINGLE, ("F160W",), filters=("F160W",))
    with pytest.raises(BadCutout, match="filter F125W where the others are of F160W"):
        FileSource(["a"], [(str(path),)], layout).read(0, ReadOptions())


def test_signature_changes_with_the_file(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "a.fits", noise(8, 8))
    source = FileSource(["a"], [(str(path),)], Layout(SINGLE, ("g",)))
    before = source.signature()
    path.write_bytes(path.read_bytes() + b"\0")
    assert source.signature() != before
