import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.inspect import inspect
from astroanomaly.data.reading import read_cutouts


def test_folder(folder, noise):
    image = noise(20, 20)
    image[3, 3] = np.nan
    fits.PrimaryHDU(image).writeto(folder / "g5.fits")
    (folder / "bad.fits").write_text("x" * 3000)
    found = inspect(folder)
    assert (found.n_files, found.n_looked) == (7, 7)
    assert found.bands == ("F814W",)
    assert found.shapes == {(20, 20): 6}
    assert found.hdus["n_nan"].tolist() == [0, 0, 0, 0, 0, 1]
    assert found.bad["file"].tolist() == ["bad.fits"]
    text = str(found)
    assert "5 x HDU 0 (no name), 20x20, float32, unit e/s: band" in text
    assert "NaN or infinite pixels: in 1 of 6 images" in text
    assert "bad.fits: is not a FITS file" in text


def test_euclid_extensions(tmp_path):
    names = ["VIS_FLUX", "VIS_PSF", "VIS_RMS", "H_FLUX"]
    hdus = [fits.ImageHDU(np.eye(9), name=name) for name in names]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    found = inspect(tmp_path / "a.fits")
    assert found.bands == ("VIS", "H")
    uses = ["band", "a point-spread function", "a noise map", "band"]
    assert found.hdus["use"].tolist() == uses
    assert "VIS_PSF, 9x9, float64: not a band: a point-spread function" in str(found)


def test_mixed_shapes_get_a_size(tmp_path, write_fits, noise):
    for n in (20, 30):
        write_fits(tmp_path / f"a{n}.fits", noise(n, n))
    found = inspect(tmp_path)
    assert found.shapes == {(20, 20): 1, (30, 30): 1}
    assert found.suggestion == f"read_cutouts('{tmp_path}', size=20)"


def test_file_name_bands_are_seen(tmp_path, write_fits, noise):
    for name in ("a_h", "a_j", "b_h", "b_j"):
        write_fits(tmp_path / f"{name}.fits", noise(8, 8), FILTER=name[-1])
    call = inspect(tmp_path).suggestion
    assert """band_pattern="{object_id}_{band}.fits", bands=['h', 'j']""" in call
    found = eval(call, {"read_cutouts": read_cutouts})
    assert found.bands == ("h", "j")
    assert found.object_ids == ["a", "b"]


def test_two_filters_that_no_name_tells(tmp_path, write_fits, noise):
    for i, name in enumerate(["F125W", "F160W"]):
        write_fits(tmp_path / f"g{i}.fits", noise(8, 8), FILTER=name)
    found = inspect(tmp_path)
    assert found.bands == ()
    assert "several filters must be told apart" in str(found)


def test_many_files_are_sampled(tmp_path, write_fits, noise):
    first = write_fits(tmp_path / "a000.fits", noise(4, 4))
    for i in range(1, 230):
        (tmp_path / f"a{i:03d}.fits").symlink_to(first)
    found = inspect(tmp_path)
    assert (found.n_files, found.n_looked) == (230, 200)
    assert "230 file(s), 200 of them looked at, spread evenly" in str(found)


def test_arrays_and_cubes(tmp_path, write_fits, noise):
    np.savez(tmp_path / "a.npz", images=noise(3, 8, 8), mass=np.arange(3))
    found = inspect(tmp_path / "a.npz")
    assert found.shapes == {(8, 8): 3}
    assert "columns: mass" in str(found)
    cube = write_fits(tmp_path / "c.fits", noise(5, 8, 8))
    assert inspect(cube).shapes == {(8, 8): 5}


def write_form(form, path, images):
    """Write images (n, ny, nx, 3) in one of the forms; return its path."""
    if form == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path / "s.h5", "w") as file:
            file["images"], file["mag"] = images, np.arange(len(images))
            file["images"].attrs.update({"bands": ["R", "G", "B"], "pixel_scale": 0.2})
        return path / "s.h5"
    if form == "groups":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path / "g.h5", "w") as file:
            for k, image in enumerate(images):
                file[f"o{k}/image"] = image
                file[f"o{k}/image"].attrs["bands"] = ["R", "G", "B"]
        return path / "g.h5"
    if form == "zarr":
        zarr = pytest.importorskip("zarr")
        root = zarr.create_group(str(path / "s.zarr"))
        root.create_array("images", data=images, attributes={"bands": ["R", "G", "B"]})
        return path / "s.zarr"
    if form == "table":
        columns = [
            fits.Column("ID", "K", array=np.arange(len(images))),
            *(
                fits.Column(
                    band, f"{images[0, ..., 0].size}E", dim="(9,8)", array=plane
                )
                for band, plane in zip("RGB", np.moveaxis(images, 3, 0), strict=True)
            ),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(path / "t.fits")
        return path / "t.fits"
    pillow = pytest.importorskip("PIL.Image")
    for k, image in enumerate(images):
        pillow.fromarray(image.astype("u1")).save(path / f"o{k}.png")
    return path


@pytest.mark.parametrize("form", ["hdf5", "groups", "zarr", "table", "pictures"])
@pytest.mark.filterwarnings("ignore:Pictures hold display pixels")
def test_every_form_that_is_read_is_described(tmp_path, noise, form):
    images = noise(3, 8, 9, 3)
    images[1, 2, 2] = np.nan if form != "pictures" else 0
    path = write_form(form, tmp_path, images)
    found = inspect(path)
    pictures = form == "pictures"
    assert (found.n_files, found.n_objects) == (3 if pictures else 1, 3)
    assert (found.bands, found.shapes) == (("R", "G", "B"), {(8, 9): 3})
    assert found.scales == ({0.2: 3} if form == "hdf5" else {})
    assert found.hdus["n_nan"].tolist() == ([0, 0, 0] if pictures else [0, 3, 0])
    assert len(found.bad) == 0
    text = str(found)
    assert "3 x R, G, B, 8x9" in text
    assert f"in {0 if pictures else 1} of 3 images" in text
    assert ("columns: mag" in text) == (form == "hdf5")
    again = eval(found.suggestion, {"read_cutouts": read_cutouts})
    assert (len(again), again.bands) == (3, found.bands)


def test_groups_of_two_shapes_get_a_size(tmp_path, noise):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "g.h5", "w") as file:
        for k, n in enumerate((20, 30, 30)):
            file[f"o{k}/image"] = noise(n, n)
    found = inspect(tmp_path / "g.h5")
    assert found.shapes == {(20, 20): 1, (30, 30): 2}
    assert found.suggestion.endswith("g.h5', size=20)")


def test_many_objects_of_a_store_are_sampled(tmp_path, noise):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["images"] = noise(230, 4, 4)
    found = inspect(tmp_path / "s.h5")
    assert (found.n_objects, len(found.hdus)) == (230, 200)
    assert "1 file(s), 230 object(s), 200 of them looked at" in str(found)


@pytest.mark.filterwarnings("ignore:Pictures hold display pixels")
def test_a_damaged_picture_among_others_is_named(tmp_path, noise):
    write_form("pictures", tmp_path, noise(3, 8, 9, 3))
    (tmp_path / "o1.png").write_bytes(b"x")
    found = inspect(tmp_path)
    assert found.shapes == {(8, 9): 2}
    assert found.bad["file"].tolist() == ["o1.png"]
    assert "1 object(s) are left out or cannot be read:" in str(found)


@pytest.mark.parametrize("name", ["a.h5", "a.zarr.zip", "a.png", "a.npy", "a.npz"])
def test_a_file_that_is_not_what_its_name_says(tmp_path, name):
    (tmp_path / name).write_bytes(b"x" * 99)
    with pytest.raises(ValueError, match=f"{name}.*Received|Received.*{name}"):
        inspect(tmp_path / name)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="must hold FITS files"):
        inspect(tmp_path)
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "absent.fits")


def test_real_pairs(shared_data):
    found = inspect(shared_data / "candels_f160w")
    assert found.shapes == {(84, 84): 35}
    assert list(found.scales) == [0.06]
    assert "bands=['h', 'j']" in found.suggestion
