import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.fits import FitsFile
from astroanomaly.data.options import BadCutout, ReadOptions
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.sources.array import from_array, from_numpy, numbered
from astroanomaly.data.sources.cube import from_cube, from_extensions

PLAIN = ReadOptions()


def _images(path):
    with FitsFile(str(path)) as file:
        return file.images


def test_numbered_ids_sort_in_order():
    ids = numbered("c", 1_000_001)
    assert ids[0] == "c_0000000"
    assert sorted(ids[:1000]) == ids[:1000]


def test_array(noise):
    images = noise(4, 8, 8, 2)
    source = from_array(images, ["J", "H"])
    np.testing.assert_array_equal(source.read(2, PLAIN).planes[1], images[2, ..., 1])
    turned = source.select([1]).take([3, 2])
    assert (turned.bands, turned.object_ids[1]) == (("H",), "image_000002")
    np.testing.assert_array_equal(turned.read(1, PLAIN).planes[0], images[2, ..., 1])
    assert source.probe(0, ReadOptions(size=(4, 5))) == ((4, 5), None)


def test_masked_pixels_of_an_array_are_filled_and_flagged(noise):
    images = np.ma.array(noise(3, 16, 16))
    images[1, 3:6, 3:6] = 1e6
    images[1, 3:6, 3:6] = np.ma.masked
    found = read_cutouts(images)
    assert found.table["flag"].tolist() == [0, 1, 0]
    assert found.images.max() < 20
    assert len(read_cutouts(images, nan="refuse").skipped) == 1
    with pytest.raises(ValueError, match="`mask_extension` is for files"):
        read_cutouts(images, mask_extension="DQ")


def test_a_list_of_arrays(noise):
    images = [noise(16, 16), noise(16, 16, seed=2)]
    np.testing.assert_array_equal(read_cutouts(images).images[..., 0], images)
    sizes = [noise(16, 16), noise(20, 18)]
    np.testing.assert_array_equal(
        read_cutouts(sizes, size=16).images[1, ..., 0], sizes[1][2:18, 1:17]
    )
    with pytest.raises(ValueError, match="must have one shape"):
        read_cutouts(sizes)
    with pytest.raises(ValueError, match="one number of bands"):
        read_cutouts([noise(8, 8), noise(8, 8, 2)])


@pytest.mark.parametrize("shape", [(10, 3, 64, 64), (4, 16, 32, 32), (2, 5, 40, 30)])
def test_bands_before_pixels_are_refused(shape):
    with pytest.raises(ValueError, match=r"moveaxis\(array, 1, 3\)"):
        from_array(np.zeros(shape, "f4"), None)
    assert from_array(np.zeros((4, 64, 64, 5), "f4"), None).bands[4] == "band_4"


@pytest.mark.parametrize("dtype", [">f8", "f2", "u8", ">i2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_read_and_not_mapped(tmp_path, noise, dtype, order):
    path, images = str(tmp_path / "a.npy"), noise(4, 8, 9).astype(dtype)
    np.save(path, np.asarray(images, order=order))
    source, columns = from_numpy(path, PLAIN)
    assert columns == {}
    np.testing.assert_array_equal(source.read(3, PLAIN).planes[0], images[3])
    source.release()
    assert source.read(0, PLAIN).planes[0].dtype == np.float32


def test_npz_with_columns_and_a_mask(tmp_path, noise):
    path = str(tmp_path / "a.npz")
    objects = np.array([{}, {}, {}], dtype=object)
    mask = np.zeros((3, 8, 8), bool)
    mask[1, 2, 3] = True
    columns = {"object_id": ["x", "y", "z"], "mass": [1.0, 2.0, 3.0]}
    np.savez(path, images=noise(3, 8, 8), bad=mask, objects=objects, s=0.05, **columns)
    source, columns = from_numpy(path, ReadOptions(bands=["i"], mask_extension="bad"))
    assert source.object_ids == ["x", "y", "z"]
    assert list(columns) == ["mass"]
    assert np.isnan(source.read(1, PLAIN).planes[0]).sum() == 1
    with pytest.raises(ValueError, match="`mask_extension`.*'DQ'"):
        from_numpy(path, ReadOptions(mask_extension="DQ"))
    np.savez(path, noise(3, 8, 8))
    assert len(from_numpy(path, PLAIN)[0].object_ids) == 3
    np.savez(path, a=noise(3, 8, 8), b=noise(3, 8, 8))
    with pytest.raises(ValueError, match=r"or one named 'images'. Received: \['a', 'b"):
        from_numpy(path, PLAIN)


def test_wrong_arrays(tmp_path, noise):
    path = str(tmp_path / "a.npy")
    np.save(path, np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="must be a .npy or .npz file of numbers"):
        from_numpy(path, PLAIN)
    (tmp_path / "a.npy").write_text("no")
    with pytest.raises(ValueError, match="must be a .npy or .npz file of numbers"):
        from_numpy(path, PLAIN)
    with pytest.raises(ValueError, match="holds zero images"):
        from_array(noise(0, 8, 8), None)
    with pytest.raises(ValueError, match=r"Received: shape \(8, 8\)"):
        from_array(noise(8, 8), None)
    with pytest.raises(ValueError, match=r"2 different name.* Received: \['J'\]"):
        from_array(noise(2, 8, 8, 2), ["J"])


def test_cube(tmp_path, write_fits, noise, tan_header):
    cube = noise(3, 2, 8, 8)
    path = write_fits(tmp_path / "c.fits", cube, BUNIT="adu", **tan_header(8, 8))
    (image,) = _images(path)
    source = from_cube(str(path), image, ["J", "H"])
    raw = source.read(1, PLAIN)
    np.testing.assert_array_equal(raw.planes, cube[1])
    assert raw.units == ["adu", "adu"]
    assert raw.scales[0] == pytest.approx(0.1)
    source.release()
    turned = source.take([2]).select([1])
    np.testing.assert_array_equal(turned.read(0, PLAIN).planes, cube[2, 1:])
    with pytest.raises(ValueError, match="2 different name"):
        from_cube(str(path), image, ["J"])


@pytest.mark.parametrize("dtype", ["f4", "u2", "i4"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".fz"])
@pytest.mark.parametrize("lead", [(), (1,)])
def test_cubes_of_every_form(tmp_path, noise, dtype, suffix, lead):
    cube = (noise(4, 16, 18) * 9).astype(dtype)
    path, stored = tmp_path / f"c.fits{suffix}", cube.reshape(*lead, *cube.shape)
    if suffix == ".fz":
        if lead:
            pytest.skip("astropy compresses three axes at most")
        kind = {"compression_type": "GZIP_2", "quantize_level": 0}
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(stored, **kind)]
    else:
        hdus = [fits.PrimaryHDU(stored)]
    fits.HDUList(hdus).writeto(path)
    found = read_cutouts(path)
    assert found.object_ids[3] == "c_000003"
    np.testing.assert_array_equal(found.images[..., 0], cube)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_mask_of_a_cube(tmp_path, noise, axes):
    cube, mask = noise(3, 12, 12), np.zeros((3, 12, 12), "i2")
    mask[1, 4, 5] = 8
    mask = mask if axes == 3 else mask[1]
    hdus = [fits.PrimaryHDU(cube), fits.ImageHDU(mask, name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "c.fits")
    found = read_cutouts(tmp_path / "c.fits", mask_extension="DQ")
    assert found.table["flag"].tolist() == ([0, 1, 0] if axes == 3 else [1, 1, 1])
    assert found.images[1, 4, 5, 0] != cube[1, 4, 5]
    with pytest.raises(ValueError, match=r"no extension MASK \(the mask\)"):
        read_cutouts(tmp_path / "c.fits", mask_extension="MASK")


def test_a_bad_object_of_a_cube_is_listed_with_its_row(tmp_path, write_fits, noise):
    cube = noise(4, 12, 12)
    cube[2] = 7
    path = write_fits(tmp_path / "c.fits", cube)
    for given, name in ((path, path), (cube, "")):
        found = read_cutouts(given)
        assert found.skipped["file"].tolist() == [f"{name}[2]"]
        assert found.skipped["reason"].tolist() == ["constant: every pixel is 7"]


def test_extensions(tmp_path, noise):
    images = noise(3, 64, 64)
    hdus = [fits.PrimaryHDU(images[0]), *(fits.ImageHDU(i) for i in images[1:])]
    path = tmp_path / "e.fits"
    fits.HDUList(hdus).writeto(path)
    source = from_extensions(str(path), _images(path), "H")
    assert source.object_ids == ["e_0000", "e_0001", "e_0002"]
    assert source.files[1] == f"{path}[1]"
    np.testing.assert_array_equal(source.read(2, PLAIN).planes[0], images[2])
    source.release()
    path.write_bytes(path.read_bytes()[:-12000])
    with pytest.raises(BadCutout, match="truncated"):
        source.read(2, PLAIN)


def test_masks_of_extensions_go_by_version(tmp_path, noise):
    images, hdus = noise(2, 12, 12), [fits.PrimaryHDU()]
    for k, image in enumerate(images):
        mask = np.zeros((12, 12), "u1")
        mask[k, k] = 1
        hdus.append(fits.ImageHDU(image, name="OBJ", ver=k + 1))
        hdus.append(fits.ImageHDU(mask, name="DQ", ver=k + 1))
    fits.HDUList(hdus).writeto(tmp_path / "e.fits")
    images = _images(tmp_path / "e.fits")
    source = from_extensions(str(tmp_path / "e.fits"), images[::2], "H")
    for k in range(2):
        (plane,) = source.read(k, ReadOptions(mask_extension="DQ")).planes
        assert np.argwhere(np.isnan(plane)).tolist() == [[k, k]]
