"""Frames on the disk, what is seen of them, and arrays that know their parents."""

import numpy as np
import pytest
from astropy.table import Table

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

from studies.lens_finder import kept, sets  # noqa: E402

BANDS = ("VIS", "Y", "J", "H")
N, SIZE = 6, 180


def invented(folder, n=12, size=SIZE):
    """Write a set in which only the main object's pixel is bright."""
    rng = np.random.default_rng(1)
    reach = 0.1 * size / 2 - 3
    table = Table({"object_id": [f"o{k}" for k in range(n)]})
    table["is_lens"] = np.arange(n) % 2 == 0
    # In the middle of a pixel, so that there is no doubt which one it is.
    middle = (size - 1) / 2
    at = np.rint(rng.uniform(-reach, reach, (n, 2)) / 0.1 + middle)
    table["center_x"], table["center_y"] = (0.1 * (at - middle)).T
    images = np.zeros((n, size, size, 4), np.float32)
    for k, (x, y) in enumerate(at.astype(int)):
        images[k, y, x] = 1, 2, 3, 4
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "binned.npy", sets.reduced(images))
    table.write(folder / "truth.ecsv", format="ascii.ecsv")
    return sets.Set(folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write two sets of a few small frames."""
    folder = tmp_path_factory.mktemp("sets")
    for name in ("test", "rings"):
        sets.write(folder, name, N, SIZE, 3)
    return folder


def test_binning_adds_pixels_up_from_the_middle():
    image = np.arange(8 * 8, dtype=float).reshape(1, 8, 8, 1)
    found = sets.reduced(image)
    assert found.shape == (1, 2, 2, 1)
    assert found.dtype == np.float32
    # Rows and columns 1 to 6 are used, one is left out on each side.
    assert found[0, 0, 0, 0] == image[0, 1:4, 1:4, 0].sum()
    assert found[0, 1, 1, 0] == image[0, 4:7, 4:7, 0].sum()


def test_a_set_is_what_was_simulated(written):
    found = sets.read(written)
    assert list(found) == ["test", "rings"]
    one = found["test"]
    assert one.images.shape == (N, SIZE, SIZE, 4)
    assert one.binned.shape == (N, SIZE // 3, SIZE // 3, 4)
    by_hand = one.images[2, 60:63, 90:93, 1].sum()
    assert one.binned[2, 20, 30, 1] == pytest.approx(by_hand, rel=1e-5)
    assert len(set(one.truth["object_id"])) == N
    assert {"is_lens", "kind", "theta_E", "center_x"} <= set(one.truth.colnames)
    assert found["rings"].labels.all()
    assert set(found["rings"].truth["kind"]) == {"ring"}


def test_a_set_that_is_there_stays_and_one_of_other_frames_is_refused(written):
    before = (written / "test" / "images.npy").stat().st_mtime_ns
    sets.write(written, "test", N, SIZE, 3)
    assert (written / "test" / "images.npy").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"holds 6 frames of 180 .* 7 of 180\."):
        sets.write(written, "test", N + 1, SIZE, 3)


def test_chunks_have_fields_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "CHUNK", 2)
    sets.write(tmp_path, "test", 4, 180, 0)
    found = sets.read(tmp_path)["test"]
    assert len(set(found.truth["object_id"])) == 4
    flat = found.images[:].reshape(4, -1)
    assert len(np.unique(flat, axis=0)) == 4
    # No seed of a set is another set's, for any number of chunks below a thousand.
    firsts = [1000 * (100 * seed + k) for seed in (0, 1) for k in range(7)]
    assert np.diff(sorted(firsts)).min() >= 1000


def test_a_broken_off_set_leaves_nothing(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setitem(sets.MAKERS, "test", broken)
    with pytest.raises(KeyboardInterrupt):
        sets.write(tmp_path, "test", 4, 180, 0)
    assert sets.read(tmp_path) == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frame", list(sets.FRAMES))
def test_the_main_object_is_where_it_is_said_to_be(tmp_path, frame):
    found = invented(tmp_path / "set")
    view = sets.View(frame, BANDS)
    images, places = found.seen(view), found.places(view)
    assert images.shape == (12, *view.shape(SIZE))
    for image, place in zip(images, places, strict=True):
        bright = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        assert image[bright].tolist() == [1, 2, 3, 4]
        # A larger pixel has its middle within one of VIS's of the object's.
        np.testing.assert_allclose(place, bright, atol=0.34)


def test_cuts_keep_the_main_object_from_the_edge_and_move_it_about(tmp_path):
    found = invented(tmp_path / "set", n=40)
    places = found.places(sets.View("cut", ("VIS",)))
    assert places.min() >= 29
    assert places.max() <= sets.CUT - 30
    assert places.std(axis=0).min() > 8
    # The first frames are cut alike in a longer set.
    short = invented(tmp_path / "short", n=12)
    np.testing.assert_array_equal(found.corners()[:1].shape, short.corners()[:1].shape)


def test_half_a_cut_is_the_cut_with_its_pixels_added_up(tmp_path):
    found = invented(tmp_path / "set")
    cut, half = (found.seen(sets.View(frame, BANDS)) for frame in ("cut", "half"))
    blocks = cut.reshape(12, 58, 2, 58, 2, 4)
    np.testing.assert_array_equal(half, blocks.sum(axis=(2, 4)))
    assert sets.View("half", BANDS).pixel_scale == pytest.approx(0.2)


def test_bands_are_chosen_by_name_and_must_follow_one_another(tmp_path):
    found = invented(tmp_path / "set")
    nisp = found.seen(sets.View("binned", ("Y", "J", "H")))
    np.testing.assert_array_equal(nisp, found.binned[..., 1:])
    assert np.shares_memory(nisp, found.binned)
    with pytest.raises(ValueError, match="`bands` must follow one another"):
        found.seen(sets.View("whole", ("VIS", "H")))


def test_cutouts_tell_nothing_of_the_truth(tmp_path):
    cutouts = invented(tmp_path / "set").cutouts(sets.View("binned", ("VIS",)))
    assert cutouts.pixel_scale == pytest.approx(0.3)
    assert cutouts.bands == ("VIS",)
    assert {"is_lens", "center_x"}.isdisjoint(cutouts.table.colnames)


def test_kept_arrays_are_made_once_and_again_for_other_parents(tmp_path):
    path, made = tmp_path / "a.npz", []

    def make():
        made.append(1)
        return {"x": np.arange(3)}

    for stamp in ({"epochs": 1}, {"epochs": 1}, {"epochs": 2}):
        found = kept.keep(path, stamp, make)
    assert len(made) == 2
    assert list(found) == ["x"]
    assert found["x"].tolist() == [0, 1, 2]
    assert kept.current(path, {"epochs": 2})
    assert not kept.current(path, {"epochs": 1})
    path.write_bytes(b"broken")
    assert not kept.current(path, {"epochs": 2})
    assert kept.read(tmp_path / "none.npz") == {}


def test_clear_frames_are_bright_lenses_and_ellipticals(tmp_path):
    one = invented(tmp_path / "test", 4)
    table = one.truth
    table["kind"] = ["lens", "elliptical", "lens", "chance_alignment"]
    table["n_source_pixels"] = [sets.CLEAR, 0, sets.CLEAR + 1, 900]
    table["n_stars"] = [0, 0, 0, 0]
    assert one.clear.tolist() == [False, True, True, False]
    table["n_stars"] = [0, 0, 1, 0]
    assert one.clear.tolist() == [False, True, False, False]
