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
