"""Forms of FITS files: EXTVER, planes that state their bands, bzip2 and xz."""

import bz2
import lzma

import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.reading import read_cutouts

RNG = np.random.default_rng(9)
CHIPS = RNG.normal(10, 1, (2, 14, 14)).astype("f4")


def flc(path):
    """Write an exposure of two chips as HST's archive has them."""
    hdus = [fits.PrimaryHDU()]
    for k, chip in enumerate(CHIPS, 1):
        mask = np.zeros(chip.shape, "i2")
        mask[k, k] = 4
        for name, data in (("SCI", chip), ("ERR", chip * 0 + 1), ("DQ", mask)):
            hdus.append(fits.ImageHDU(data, name=name, ver=k))
    hdus.append(fits.ImageHDU(np.ones((4, 8), "f4"), name="D2IMARR", ver=1))
    fits.HDUList(hdus).writeto(path)
    return path


def test_each_chip_is_an_object_with_its_own_mask(tmp_path):
    path = flc(tmp_path / "j1_flc.fits")
    got = read_cutouts(path, mask_extension="DQ")
    assert got.object_ids == ["j1_flc_SCI_1", "j1_flc_SCI_2"]
    for k, image in enumerate(got.images[..., 0]):
        # Chip k's mask is bad at pixel k + 1 alone.
        same = image == CHIPS[k]
        assert np.argwhere(~same).tolist() == [[k + 1, k + 1]]
    assert list(got.table["flag"]) == [1, 1]


def test_one_chip_is_never_taken_silently(tmp_path):
    flc(tmp_path / "a_flc.fits")
    flc(tmp_path / "b_flc.fits")
    with pytest.raises(ValueError, match=r"SCI,1, SCI,2.*Received: no bands"):
        read_cutouts(tmp_path)
    with pytest.raises(ValueError, match=r"\['SCI,1', 'SCI,2'.*Received: \['SCI'\]"):
        read_cutouts(tmp_path, bands=["SCI"])
    got = read_cutouts(tmp_path, bands=["SCI,2"])
    np.testing.assert_array_equal(got.images[:, ..., 0], CHIPS[[1, 1]])


@pytest.mark.parametrize("single", [True, False])
def test_planes_that_state_their_bands_are_one_object(tmp_path, single):
    cards = fits.Header({"BANDS": "grz", "BAND0": "g", "BAND1": "r", "BAND2": "z"})
    cube = RNG.normal(size=(3, 16, 16)).astype("f4")
    fits.PrimaryHDU(cube, cards).writeto(tmp_path / "a.fits")
    path = tmp_path / "a.fits" if single else tmp_path
    got = read_cutouts(path)
    assert got.bands == ("g", "r", "z")
    np.testing.assert_array_equal(got.images[0], np.moveaxis(cube, 0, -1))
    got = read_cutouts(path, bands=["z", "g"])
    np.testing.assert_array_equal(got.images[0], np.moveaxis(cube[[2, 0]], 0, -1))
    # Without such cards a cube is a stack of objects.
    fits.PrimaryHDU(cube).writeto(tmp_path / "b.fits")
    assert len(read_cutouts(tmp_path / "b.fits")) == 3


@pytest.mark.parametrize(("ending", "pack"), [("bz2", bz2), ("xz", lzma)])
def test_packed_frames(tmp_path, ending, pack):
    path = tmp_path / f"frame-r-1.fits.{ending}"
    hdus = [fits.PrimaryHDU(CHIPS[0]), fits.ImageHDU(np.ones(14, "f4"))]
    fits.HDUList(hdus).writeto(tmp_path / "a")
    path.write_bytes(pack.compress((tmp_path / "a").read_bytes()))
    got = read_cutouts(tmp_path)
    assert got.object_ids == ["frame-r-1"]
    np.testing.assert_array_equal(got.images[0, ..., 0], CHIPS[0])
    path.write_bytes(pack.compress((tmp_path / "a").read_bytes())[:-20])
    with pytest.raises(ValueError, match="truncated or damaged compressed"):
        read_cutouts(tmp_path)


def test_other_forms_are_read_one_by_one(tmp_path):
    names = [str(tmp_path / name) for name in ("a.fits", "b.npy")]
    with pytest.raises(ValueError, match=r"one by one.*Received: .*b.npy among 2"):
        read_cutouts(names)
    (tmp_path / "x.h5").write_bytes(b"")
    with pytest.raises(ValueError, match="must hold FITS files.*pictures.*x.h5"):
        read_cutouts(tmp_path)
