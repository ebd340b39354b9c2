import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts, band_index, concatenate, split


@pytest.fixture
def five(noise):
    table = Table({"object_id": list("abcde"), "mag": np.arange(5.0)})
    return Cutouts(noise(5, 8, 6, 2), table, ["J", "H"], 0.06)


def test_standard_columns_are_added(five):
    assert five.image_shape == (8, 6, 2)
    assert five.images.dtype == np.float32
    for name in ("object_id", "file", "ra", "dec", "flag", "unit_J", "zero_point_H"):
        assert name in five.table.colnames
    assert np.isnan(five.table["ra"]).all()
    assert five.table["flag"].dtype == np.int32


def test_three_axes_are_one_band_named_image():
    cutouts = Cutouts(np.zeros((3, 8, 8), int))
    assert cutouts.image_shape == (8, 8, 1)
    assert cutouts.bands == ("image",)
    assert cutouts.object_ids == ["000000", "000001", "000002"]


def test_rows_follow_their_images(five):
    picked = five[[3, 1]]
    assert picked.object_ids == ["d", "b"]
    np.testing.assert_array_equal(picked.images, five.images[[3, 1]])
    assert five[five.table["mag"] > 2].object_ids == ["d", "e"]
    assert five[1:3].object_ids == ["b", "c"]
    assert five[-1].object_ids == ["e"]
    assert five[1:3].pixel_scale == 0.06


def test_a_slice_of_a_memory_map_stays_one(tmp_path, noise):
    np.save(tmp_path / "a.npy", noise(5, 8, 8, 1))
    cutouts = Cutouts(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert isinstance(cutouts.images, np.memmap)
    assert isinstance(cutouts[1:3].images, np.memmap)


def test_chunks_cover_everything_in_order(five):
    parts = list(five.chunks(2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert sum((part.object_ids for part in parts), []) == list("abcde")
    with pytest.raises(ValueError, match="`size` of a chunk must be at least 1"):
        five.chunks(0)


def test_bands_are_selected_by_name(five):
    h = five.select_bands(["H"])
    np.testing.assert_array_equal(h.images[..., 0], five.images[..., 1])
    assert "unit_J" not in h.table.colnames
    turned = five.select_bands(["H", "J"])
    np.testing.assert_array_equal(turned.images, five.images[..., ::-1])


@pytest.mark.parametrize("bands", [["K"], ["J", "J"], []])
def test_wrong_band_names_are_refused(five, bands):
    with pytest.raises(ValueError, match=r"cutouts have the bands \['J', 'H'\]"):
        five.select_bands(bands)


def test_band_index():
    assert band_index(["H", "J"], ["J", "K", "H"]) == [2, 0]


def test_duplicate_ids_are_refused(noise):
    with pytest.raises(ValueError, match="object_id once.*1 repeated.*'a'"):
        Cutouts(noise(3, 8, 8), Table({"object_id": ["a", "a", "b"]}))


def test_wrong_arguments_are_refused(noise):
    with pytest.raises(ValueError, match=r"\(n, ny, nx, n_bands\).*shape \(8, 8\)"):
        Cutouts(noise(8, 8))
    with pytest.raises(TypeError, match="array of numbers"):
        Cutouts(np.array([[["a"]]]))
    with pytest.raises(ValueError, match="2 different name"):
        Cutouts(noise(1, 8, 8, 2), bands=["J"])
    with pytest.raises(ValueError, match="one row per image, 2 rows. Received: 1"):
        Cutouts(noise(2, 8, 8), Table({"object_id": ["a"]}))


def test_concatenate_keeps_ids_and_fills_missing_columns(five, noise):
    other = Table({"object_id": ["x", "y"], "note": ["n", "m"]})
    both = concatenate([five, Cutouts(noise(2, 8, 6, 2), other, ["J", "H"], 0.06)])
    assert both.object_ids == [*"abcde", "x", "y"]
    assert np.isnan(both.table["mag"][5])
    assert both.table["note"][0] == ""


def test_concatenate_matches_bands_by_name(five):
    turned = five.select_bands(["H", "J"])
    turned.table["object_id"] = list("vwxyz")
    both = concatenate([five, turned])
    np.testing.assert_array_equal(both.images[:5], both.images[5:])


def test_concatenate_refuses_what_differs(five, noise):
    with pytest.raises(ValueError, match="at least one"):
        concatenate([])
    with pytest.raises(ValueError, match="same image shape"):
        concatenate([five, Cutouts(noise(1, 9, 9, 2), bands=["J", "H"])])
    with pytest.raises(ValueError, match="same pixel scale"):
        concatenate([five, Cutouts(noise(1, 8, 6, 2), None, ["J", "H"], 0.03)])


def test_split_is_disjoint_random_and_reproducible(noise):
    cutouts = Cutouts(noise(100, 4, 4))
    first, second = split(cutouts, (0.7, 0.3), seed=3)
    assert (len(first), len(second)) == (70, 30)
    assert set(first.object_ids) | set(second.object_ids) == set(cutouts.object_ids)
    again, _ = split(cutouts, (0.7, 0.3), seed=3)
    assert again.object_ids == first.object_ids
    other, _ = split(cutouts, (0.7, 0.3), seed=4)
    assert other.object_ids != first.object_ids
    assert first.object_ids != sorted(cutouts.object_ids)[:70]


def test_split_refuses_wrong_fractions(noise):
    cutouts = Cutouts(noise(3, 4, 4))
    with pytest.raises(ValueError, match="add up to at most 1"):
        split(cutouts, (0.8, 0.3), seed=1)
    with pytest.raises(ValueError, match="set without an object"):
        split(cutouts, (0.9, 0.05), seed=1)


def test_repr_is_one_line(five):
    assert repr(five) == '<Cutouts: 5 objects, 8x6 pixels, bands J, H, 0.06"/pixel>'
