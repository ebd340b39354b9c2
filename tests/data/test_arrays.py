import numpy as np
import pytest
from astroanomaly.data.planes import list_images, open_fits
from astropy.io import fits

from astroanomaly.data.options import BadCutout
from astroanomaly.data.sources.array import from_array, from_numpy, numbered
from astroanomaly.data.sources.cube import ExtensionSource, from_cube


def test_numbered_ids_sort_in_order():
    ids = numbered("c", 1_000_001)
    assert ids[0] == "c_0000000"
    assert sorted(ids[:1000]) == ids[:1000]


def test_array(noise):
    images = noise(4, 8, 8, 2)
    source = from_array(images, ["J", "H"])
    np.testing.assert_array_equal(source.read(2).planes[1], images[2, ..., 1])
    turned = source.select([1])
    assert turned.bands == ("H",)
    np.testing.assert_array_equal(turned.read(2).planes[0], images[2, ..., 1])


def test_npy_is_mapped_and_released(tmp_path, noise):
    path = str(tmp_path / "a.npy")
    np.save(path, noise(4, 8, 8).astype(">f8"))
    source, columns = from_numpy(path, None)
    assert columns == {}
    np.testing.assert_allclose(source.read(3).planes[0], noise(4, 8, 8)[3])
    assert isinstance(source.pixels(), np.memmap)
    source.release()
    assert source.read(0).planes[0].dtype == np.float32


def test_npz_with_columns(tmp_path, noise):
    path = str(tmp_path / "a.npz")
    objects = np.array([{}, {}, {}], dtype=object)
    np.savez(
        path,
        images=noise(3, 8, 8),
        object_id=["x", "y", "z"],
        mass=[1.0, 2.0, 3.0],
        objects=objects,
        scale=0.05,
    )
    source, columns = from_numpy(path, ["i"])
    assert source.object_ids == ["x", "y", "z"]
    assert list(columns) == ["mass"]
    np.savez(path, noise(3, 8, 8))
    assert len(from_numpy(path, None)[0].object_ids) == 3
    np.savez(path, a=noise(3, 8, 8), b=noise(3, 8, 8))
    with pytest.raises(ValueError, match=r"or one named 'images'. Received: \['a', 'b"):
        from_numpy(path, None)


def test_pickles_are_refused(tmp_path):
    path = str(tmp_path / "a.npy")
    np.save(path, np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="must be a .npy or .npz file of numbers"):
        from_numpy(path, None)


def test_wrong_arrays(tmp_path, noise):
    with pytest.raises(ValueError, match="holds zero images"):
        from_array(noise(0, 8, 8), None)
    with pytest.raises(ValueError, match=r"Received: shape \(8, 8\)"):
        from_array(noise(8, 8), None)
    with pytest.raises(ValueError, match=r"2 different name.* Received: \['J'\]"):
        from_array(noise(2, 8, 8, 2), ["J"])
    (tmp_path / "a.npy").write_text("no")
    with pytest.raises(ValueError, match="must be a .npy or .npz file of numbers"):
        from_numpy(str(tmp_path / "a.npy"), None)


def test_cube(tmp_path, write_fits, noise, tan_header):
    cube = noise(3, 2, 8, 8)
    path = write_fits(tmp_path / "c.fits", cube, BUNIT="adu", **tan_header(8, 8))
    with open_fits(path) as hdus:
        image, header = list_images(hdus)[0], hdus[0].header
    source = from_cube(str(path), image, header, ["J", "H"])
    raw = source.read(1)
    np.testing.assert_array_equal(raw.planes, cube[1])
    assert raw.units == ["adu", "adu"]
    assert raw.scales[0] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="2 different name"):
        from_cube(str(path), image, header, ["J"])


def test_cube_of_scaled_pixels(tmp_path, write_fits):
    cube = np.arange(192, dtype=np.uint16).reshape(3, 8, 8)
    path = write_fits(tmp_path / "c.fits", cube)
    with open_fits(path) as hdus:
        image, header = list_images(hdus)[0], hdus[0].header
    source = from_cube(str(path), image, header, None)
    np.testing.assert_array_equal(source.read(2).planes[0], cube[2])
    held = source.pixels()
    source.release()
    assert source.pixels() is held


def test_a_plain_cube_is_mapped_and_released(tmp_path, write_fits, noise):
    path = write_fits(tmp_path / "c.fits", noise(3, 8, 8))
    with open_fits(path) as hdus:
        image, header = list_images(hdus)[0], hdus[0].header
    source = from_cube(str(path), image, header, None)
    held = source.pixels()
    assert source.pixels() is held
    source.release()
    assert source.pixels() is not held


def test_extensions(tmp_path, noise):
    images = noise(3, 8, 8)
    hdus = [fits.PrimaryHDU(images[0]), *(fits.ImageHDU(i) for i in images[1:])]
    fits.HDUList(hdus).writeto(tmp_path / "e.fits")
    path = str(tmp_path / "e.fits")
    with open_fits(path) as found:
        listed = list_images(found)
    source = ExtensionSource(path, listed, "H")
    assert source.object_ids == ["e_0000", "e_0001", "e_0002"]
    assert source.files[1] == f"{path}[1]"
    np.testing.assert_array_equal(source.read(2).planes[0], images[2])
    source.release()
    np.testing.assert_array_equal(source.read(1).planes[0], images[1])
    source.release()


def test_extensions_of_a_truncated_file(tmp_path, noise):
    images = noise(3, 64, 64)
    hdus = [fits.PrimaryHDU(images[0]), *(fits.ImageHDU(i) for i in images[1:])]
    fits.HDUList(hdus).writeto(tmp_path / "e.fits")
    path = tmp_path / "e.fits"
    with open_fits(path) as found:
        listed = list_images(found)
    path.write_bytes(path.read_bytes()[:-12000])
    source = ExtensionSource(str(path), listed, "H")
    np.testing.assert_array_equal(source.read(0).planes[0], images[0])
    with pytest.raises(BadCutout):
        source.read(2)
    source.release()
