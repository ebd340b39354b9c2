"""FITS binary tables with an image in each row, compared with astropy."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astroanomaly.data.reading import read_cutouts

RNG = np.random.default_rng(6)
STAMPS = RNG.normal(10, 1, (3, 8, 9)).astype("f4")
IDS = np.array([2**62 + 1, 2**62 + 2, 7])


def write(path, columns, **cards):
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def stamps(name="STAMP", images=STAMPS, form="E"):
    dim = "(" + ",".join(str(n) for n in reversed(images.shape[1:])) + ")"
    return fits.Column(name, f"{images[0].size}{form}", dim=dim, array=images)


@pytest.mark.parametrize("packed", [False, True])
def test_stamps_with_ids_and_positions(tmp_path, packed):
    columns = [
        fits.Column("ID", "K", array=IDS),
        fits.Column("RA", "D", array=[1.0, 2, 3]),
        stamps(),
        fits.Column("DEC", "D", array=[-1.0, -2, -3]),
        fits.Column("name", "5A", array=["a", "bb", "ccc"]),
        fits.Column("counts", "I", bzero=32768, array=np.array([1, 2, 65535], "u2")),
    ]
    path = write(tmp_path / "t.fits", columns)
    if packed:
        data = gzip.compress(path.read_bytes())
        path = tmp_path / "t.fits.gz"
        path.write_bytes(data)
    got = read_cutouts(path)
    np.testing.assert_array_equal(got.images[..., 0], STAMPS)
    assert got.object_ids == [str(i) for i in IDS]
    assert list(got.table["ra"]) == [1, 2, 3]
    assert list(got.table["dec"]) == [-1, -2, -3]
    assert list(got.table["counts"]) == [1, 2, 65535]
    assert got.table["file"][1] == f"{path}[row 2]"


@pytest.mark.parametrize("form", ["B", "I", "J", "K", "E", "D"])
@pytest.mark.parametrize("scaled", [False, True])
def test_every_number_type_gives_its_values(tmp_path, form, scaled):
    images = RNG.integers(0, 100, (3, 8, 9)).astype("f8")
    column = stamps(images=images, form=form)
    cards = {"TSCAL1": 0.5, "TZERO1": 3.0} if scaled else {}
    path = write(tmp_path / "t.fits", [column], **cards)
    wanted = images * 0.5 + 3 if scaled else images
    np.testing.assert_array_equal(read_cutouts(path).images[..., 0], wanted)


def test_undefined_integers_are_filled(tmp_path):
    images = RNG.integers(0, 100, (3, 8, 9))
    images[1, 2, 3] = -99
    path = write(tmp_path / "t.fits", [stamps(images=images, form="J")], TNULL1=-99)
    got = read_cutouts(path)
    assert list(got.table["flag"]) == [0, 1, 0]
    assert got.images.min() >= 0


def test_a_column_for_each_band_and_a_mask(tmp_path):
    mask = np.zeros(STAMPS.shape, "i2")
    mask[0, 1, 1] = 8
    columns = [stamps("g"), stamps("r", STAMPS + 1), stamps("dq", mask, "I")]
    path = write(tmp_path / "t.fits", columns)
    got = read_cutouts(path, bands=["r", "g"], mask_extension="dq")
    np.testing.assert_array_equal(got.images[1:, ..., 1], STAMPS[1:])
    assert list(got.table["flag"]) == [1, 0, 0]
    with pytest.raises(ValueError, match=r"`bands` must name.*\['g', 'r', 'dq'\]"):
        read_cutouts(path)


@pytest.mark.parametrize("order", ["first", "last"])
def test_an_image_of_several_bands(tmp_path, order):
    images = RNG.normal(size=(3, 3, 16, 16)).astype("f4")
    held = images if order == "first" else np.moveaxis(images, 1, 3)
    path = write(tmp_path / "t.fits", [stamps(images=held)])
    got = read_cutouts(path, bands=["g", "r", "z"])
    np.testing.assert_array_equal(got.images, np.moveaxis(images, 1, 3))


def test_columns_of_variable_length_are_refused(tmp_path):
    column = fits.Column(
        "STAMP", "PE()", array=np.array([s.ravel() for s in STAMPS], "O")
    )
    path = write(tmp_path / "t.fits", [column])
    with pytest.raises(ValueError, match="(?s)Received.*STAMP.*variable length"):
        read_cutouts(path)


def test_a_table_without_images_is_no_image(tmp_path):
    write(tmp_path / "t.fits", [fits.Column("ID", "K", array=IDS)])
    with pytest.raises(ValueError, match="(?s)Received.*no image HDU"):
        read_cutouts(tmp_path / "t.fits")


def test_one_bad_row_is_listed(tmp_path):
    images = STAMPS.copy()
    images[1] = np.nan
    path = write(tmp_path / "t.fits", [stamps(images=images)])
    got = read_cutouts(path, catalog=Table({"object_id": ["t_000002"], "mag": [3.0]}))
    assert got.object_ids == ["t_000000", "t_000002"]
    assert got.skipped["file"][0] == f"{path}[row 2]"
    assert got.table["mag"][1] == 3


def test_worker_processes_read_a_table(tmp_path):
    path = write(tmp_path / "t.fits", [stamps(images=np.repeat(STAMPS, 40, axis=0))])
    got = read_cutouts(path, n_workers=2)
    np.testing.assert_array_equal(got.images[..., 0], np.repeat(STAMPS, 40, axis=0))
