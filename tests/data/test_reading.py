import gzip

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import astroanomaly as aa
from astroanomaly.data.options import ReadOptions
from astroanomaly.data.reading import read_cutouts


def test_folder_glob_and_list(folder, noise):
    everything = read_cutouts(folder)
    assert everything.object_ids == [f"g{i}" for i in range(5)]
    assert everything.bands == ("F814W",)
    assert everything.table["unit_F814W"][0] == "e/s"
    assert everything.table["file"][1] == f"{folder}/g1.fits"
    np.testing.assert_array_equal(everything.images[..., 0], noise(5, 20, 20))
    some = read_cutouts(f"{folder}/g[12].fits", bands="i")
    assert some.object_ids == ["g1", "g2"]
    assert some.bands == ("i",)
    one = read_cutouts([folder / "g3.fits"])
    np.testing.assert_array_equal(one.images[0, ..., 0], noise(5, 20, 20)[3])
    assert len(read_cutouts(folder / "g3.fits")) == 1


def test_packed_files(tmp_path, noise):
    images = noise(3, 32, 32).round()
    fits.PrimaryHDU(images[0]).writeto(tmp_path / "a.fits.gz")
    fits.PrimaryHDU(images[1]).writeto(tmp_path / "b.fit")
    hdu = fits.CompImageHDU(images[2], compression_type="RICE_1", quantize_level=0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "c.fits.fz")
    found = read_cutouts(tmp_path)
    assert found.object_ids == ["a", "b", "c"]
    np.testing.assert_array_equal(found.images[..., 0], images)


def test_every_form_gives_the_same_pixels(tmp_path, noise):
    images = noise(4, 16, 16, 2)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images)
    fits.PrimaryHDU(np.moveaxis(images, 3, 1)).writeto(tmp_path / "a.fits")
    forms = [images, tmp_path / "a.npy", tmp_path / "a.npz", tmp_path / "a.fits"]
    for form in forms:
        found = read_cutouts(form, bands=["J", "H"])
        np.testing.assert_array_equal(found.images, images)
        assert found.bands == ("J", "H")
    fits.PrimaryHDU(images[..., 0]).writeto(tmp_path / "one.fits")
    found = read_cutouts(tmp_path / "one.fits", size=10)
    np.testing.assert_array_equal(found.images[..., 0], images[:, 3:13, 3:13, 0])
    assert found.object_ids[3] == "one_000003"


def test_cache_is_a_memory_map(tmp_path, folder, noise):
    found = read_cutouts(folder, cache=tmp_path / "c.npy")
    assert isinstance(found.images, np.memmap)
    np.testing.assert_array_equal(found.images[..., 0], noise(5, 20, 20))
    with pytest.raises(ValueError, match="`cache` is for stream=False"):
        read_cutouts(folder, cache=tmp_path / "c.npy", stream=True)


def test_catalog_beside_the_files_gives_columns_and_order(folder):
    rows = {"object_id": ["B", "A"], "file": ["g3.fits", "g1.fits"], "mag": [3, 1]}
    Table(rows).write(folder / "catalog.csv")
    found = read_cutouts(folder)
    assert found.object_ids == ["B", "A", "g0", "g2", "g4"]
    np.testing.assert_array_equal(found.table["mag"], [3, 1, np.nan, np.nan, np.nan])
    # A catalog that tells of other objects is left alone.
    Table({"object_id": ["q"]}).write(folder / "catalog.csv", overwrite=True)
    with pytest.warns(UserWarning, match="names the objects read, such as 'g0'.*'q'"):
        assert "mag" not in read_cutouts(folder).table.colnames


def test_two_workers_equal_none(folder, noise):
    found = read_cutouts(folder, n_workers=2, size=24)
    expected = read_cutouts(folder, n_workers=1, size=24)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.table["flag"].tolist() == [2] * 5


def test_mask_extension(tmp_path, noise):
    mask = np.zeros((16, 16), np.int16)
    mask[4, 4] = 16
    hdus = [fits.PrimaryHDU(noise(16, 16)), fits.ImageHDU(mask, name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert read_cutouts(tmp_path).table["flag"][0] == 0
    found = read_cutouts(tmp_path, mask_extension="DQ")
    assert found.table["flag"][0] == 1
    assert found.images[0, 4, 4, 0] == pytest.approx(10, abs=0.5)


# --- bad input: each with its sentence ---------------------------------------


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="The folder .* must hold FITS files"):
        read_cutouts(tmp_path)


def test_glob_without_match(tmp_path):
    with pytest.raises(ValueError, match="No file matches the pattern"):
        read_cutouts(f"{tmp_path}/*.fits")


def test_absent_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        read_cutouts(tmp_path / "absent")


def test_only_bad_files(tmp_path, write_fits, noise):
    (tmp_path / "a.fits").write_text("x" * 4000)
    path = write_fits(tmp_path / "b.fits", noise(64, 64))
    path.write_bytes(path.read_bytes()[:9000])
    expected = "None of the 2 objects.*a.fits: is not a FITS file.*b.fits: is a trunc"
    with pytest.raises(ValueError, match=expected):
        read_cutouts(tmp_path)


def test_no_image_hdu(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="a.fits: has no image HDU"):
        read_cutouts(tmp_path)


def test_wrong_band_names(tmp_path, noise):
    hdus = [fits.ImageHDU(noise(8, 8), name=f"{b}_FLUX") for b in ("VIS", "NIR_H")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    expected = r"`bands` must name bands.*\['VIS', 'NIR_H'\]. Received: \['NIR_Z'\]"
    with pytest.raises(ValueError, match=expected):
        read_cutouts(tmp_path, bands=["NIR_Z"])
    assert read_cutouts(tmp_path, bands=["NIR_H"]).image_shape == (8, 8, 1)


def test_mixed_shapes_without_a_size(folder, write_fits, noise):
    write_fits(folder / "h.fits", noise(30, 20))
    expected = "must have one shape.*5 of 20x20 pixels .*g0.fits.*1 of 30x20"
    with pytest.raises(ValueError, match=expected):
        read_cutouts(folder)
    assert len(read_cutouts(folder, size=16)) == 6


def test_mixed_pixel_scales(tmp_path, write_fits, noise, tan_header):
    for i, scale in enumerate([0.1, 0.2]):
        header = tan_header(20, 20, scale=scale)
        write_fits(tmp_path / f"{i}.fits", noise(20, 20), **header)
    with pytest.raises(ValueError, match="must have one pixel scale"):
        read_cutouts(tmp_path)
    found = read_cutouts(tmp_path, pixel_scale=0.2, size=10)
    assert found.pixel_scale == 0.2
    assert found.table["flag"].tolist() == [0, 0]


def test_size_larger_than_the_images(folder):
    with pytest.raises(ValueError, match="is 20x20 pixels, smaller than the size 32"):
        read_cutouts(folder, size=32, edge="error")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "every pixel is NaN"), (2.5, "constant: every pixel is 2.5")],
)
def test_an_empty_image(folder, value, reason):
    fits.PrimaryHDU(np.full((20, 20), value)).writeto(folder / "h.fits")
    found = read_cutouts(folder)
    assert len(found) == 5
    assert found.skipped["file"].tolist() == [f"{folder}/h.fits"]
    assert reason in found.skipped["reason"][0]


def test_zero_images(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((0, 8, 8)))
    with pytest.raises(ValueError, match="holds zero images"):
        read_cutouts(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="zero files"):
        read_cutouts([])


def test_pixels_beyond_float32_are_filled(tmp_path, write_fits, noise):
    image = noise(16, 16).astype(float)
    image[8, 8] = 1e300
    write_fits(tmp_path / "a.fits", image)
    found = read_cutouts(tmp_path)
    assert found.table["flag"][0] == 1
    assert found.images.max() < 20


def test_refused_gaps(folder, noise):
    image = noise(20, 20)
    image[2, 2] = np.nan
    fits.PrimaryHDU(image).writeto(folder / "h.fits")
    assert read_cutouts(folder).table["flag"][5] == 1
    found = read_cutouts(folder, nan="refuse")
    assert len(found) == 5
    assert "has 1 NaN" in found.skipped["reason"][0]


def test_duplicate_object_id(folder):
    (folder / "g1.fits.gz").write_bytes(
        gzip.compress((folder / "g1.fits").read_bytes())
    )
    twice = "each object_id once.*'g1' from .*g1.fits and .*g1.fits.gz"
    with pytest.raises(ValueError, match=twice):
        read_cutouts(folder)


def test_catalog_that_names_no_object(folder):
    with pytest.raises(ValueError, match=r"column object_id or file.*\['mag'\]"):
        read_cutouts(folder, catalog=Table({"mag": [1.0]}))


def test_unwritable_cache(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        read_cutouts(folder, cache=tmp_path / "file" / "c.npy")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ({"edge": "crop"}, '`edge` must be "pad" or "error". Received: \'crop\''),
        ({"nan": "keep"}, '`nan` must be "fill" or "refuse"'),
        ({"on_error": "warn"}, '`on_error` must be "skip" or "raise"'),
        ({"size": 0}, "`size` must be a whole number"),
        ({"size": 3.5}, "`size` must be a whole number"),
        ({"size": (3, 4, 5)}, "`size` must be a whole number"),
        ({"pixel_scale": -1}, "`pixel_scale` must be a number above 0"),
        ({"input_pixel_scale": "a"}, "`input_pixel_scale` must be a number above 0"),
        ({"n_workers": 0}, "`n_workers` must be at least 1"),
    ],
)
def test_wrong_arguments(folder, argument, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_cutouts(folder, **argument)


def test_one_bad_file_among_many_does_not_end_the_run(tmp_path, write_fits, noise):
    first = write_fits(tmp_path / "g0000.fits", noise(8, 8))
    for i in range(1, 1000):
        (tmp_path / f"g{i:04d}.fits").symlink_to(first)
    (tmp_path / "g0700.fits").unlink()
    (tmp_path / "g0700.fits").write_text("x")
    found = read_cutouts(tmp_path, n_workers=1)
    assert len(found) == 999
    assert found.skipped["file"].tolist() == [f"{tmp_path}/g0700.fits"]
    assert "is not a FITS file" in found.skipped["reason"][0]
    assert "1 skipped" in repr(found)


def test_an_odd_shape_among_many_is_skipped(tmp_path, write_fits, noise):
    first = write_fits(tmp_path / "g0000.fits", noise(8, 8))
    for i in range(1, 200):
        (tmp_path / f"g{i:04d}.fits").symlink_to(first)
    (tmp_path / "g0101.fits").unlink()
    write_fits(tmp_path / "g0101.fits", noise(8, 9))
    found = read_cutouts(tmp_path)
    assert len(found) == 199
    assert "is 8x9 pixels where the others are 8x8" in found.skipped["reason"][0]


# --- real files --------------------------------------------------------------


def test_cosmos(shared_data):
    found = aa.read_cutouts(shared_data / "cosmos_acs_f814w", size=64)
    assert len(found) == 201
    assert found.image_shape == (64, 64, 1)
    assert found.bands == ("F814W",)
    assert found.pixel_scale == pytest.approx(0.03, rel=1e-6)
    assert len(found.skipped) == 0
    assert found.table["mag_auto"][0] == pytest.approx(23.3357563)
    assert np.isnan(found.table["mag_auto"][-1])
    assert found.table["zero_point_F814W"][0] == pytest.approx(25.94, abs=0.01)
    path = shared_data / "cosmos_acs_f814w" / "cosmos_0002.fits"
    expected = fits.getdata(path)[52:116, 52:116].astype(np.float32)
    row = found.object_ids.index("cosmos_0002")
    np.testing.assert_array_equal(found.images[row, ..., 0], expected)


def test_candels_pairs(shared_data):
    found = aa.read_cutouts(
        shared_data / "candels_f160w",
        band_pattern="{object_id}_{band}.fits",
        bands=["j", "h"],
    )
    assert len(found) == 17
    assert found.image_shape == (84, 84, 2)
    assert found.skipped["reason"].tolist() == ["has no file for the band j"]
    assert "GDS_wide2_208" in found.object_ids
    with pytest.raises(ValueError, match="several filters"):
        aa.read_cutouts(shared_data / "candels_f160w")


def test_euclid(shared_data):
    found = aa.read_cutouts(shared_data / "multiextension", bands=["NIR_H", "VIS"])
    assert found.image_shape == (300, 300, 2)
    assert found.pixel_scale == pytest.approx(0.1)
    assert found.table["zero_point_VIS"].tolist() == [24.6, 24.6]
    assert np.isfinite(found.table["ra"]).all()


def test_resampled_real_flux(shared_data):
    path = shared_data / "multiextension"
    fine = aa.read_cutouts(path, bands=["VIS"])
    coarse = aa.read_cutouts(path, bands=["VIS"], pixel_scale=0.3)
    assert coarse.image_shape == (100, 100, 1)
    np.testing.assert_allclose(
        coarse.images.sum(axis=(1, 2)), fine.images.sum(axis=(1, 2)), rtol=1e-5
    )


def test_packed_and_malformed(shared_data):
    found = aa.read_cutouts(shared_data / "gz", size=64)
    assert (len(found), len(found.skipped)) == (4, 1)
    assert "is a point-spread function by its name" in found.skipped["reason"][0]
    assert found.bands == ("F105W",)
    arcs = aa.read_cutouts(
        shared_data / "lenses" / "cosmic_horseshoe_residual.fits",
        input_pixel_scale=0.05,
        pixel_scale=0.1,
    )
    assert arcs.image_shape == (150, 150, 1)


def test_array_file(shared_data):
    path = shared_data / "deeplense_model1" / "axion_vortex.npz"
    found = aa.read_cutouts(path, size=128)
    assert found.image_shape == (128, 128, 1)
    assert "axion_mass" in found.table.colnames


def test_all_options_as_one_object(folder):
    options = ReadOptions(size=12, bands=["i"], edge="error")
    one = read_cutouts(folder, options=options)
    same = read_cutouts(folder, size=12, bands=["i"], edge="error")
    assert one.image_shape == (12, 12, 1)
    np.testing.assert_array_equal(one.images, same.images)
    with pytest.raises(ValueError, match="`options`.*Received: size, nan"):
        read_cutouts(folder, options=options, size=12, nan="refuse", edge="pad")
    # What is given counts, also where it is the default.
    mixed = ReadOptions(edge="pad").over({"size": 8, "edge": "error", "nan": "refuse"})
    assert mixed.asked() == {"size": 8, "edge": "pad", "nan": "refuse"}
    assert ReadOptions(size=(8, 9)).over({}).asked() == {"size": (8, 9)}
