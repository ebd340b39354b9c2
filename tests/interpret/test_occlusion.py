"""Occlusion maps by hand, at the edges, in any batch, lazily, and refused."""

import tracemalloc

import keras
import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.interpret import occlusion_map
from astroanomaly.interpret.occlusion import mask_batches, mask_cover, mask_starts


def total(images):
    return np.asarray(images, np.float64).sum(axis=(1, 2, 3))


def test_a_sum_loses_what_is_hidden():
    image = np.arange(36.0, dtype="float32").reshape(6, 6, 1)
    result = occlusion_map(total, image, mask_size=2, stride=2, fill=0.0)
    blocks = image[..., 0].reshape(3, 2, 3, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(result.grid, image.sum() - blocks)
    # Masks that do not overlap: the map is the grid enlarged.
    np.testing.assert_allclose(result.map, np.kron(result.grid, np.ones((2, 2))))
    assert result.output == image.sum()
    np.testing.assert_allclose(result.change, result.map - image.sum())


def test_a_pixel_is_the_mean_of_the_masks_that_cover_it():
    image = np.zeros((4, 4, 1), np.float32)
    image[1, 2] = 9.0
    result = occlusion_map(total, image, mask_size=2, stride=1, fill=0.0)
    grid = np.full((3, 3), 9.0)
    grid[0:2, 1:3] = 0.0
    np.testing.assert_array_equal(result.grid, grid)
    # Row 0 is covered by the masks of row 0 alone, row 1 by those of rows 0 and 1.
    rows = [(grid[0]), (grid[0] + grid[1]) / 2, (grid[1] + grid[2]) / 2, grid[2]]
    rows = np.array(rows).T
    by_hand = [rows[0], (rows[0] + rows[1]) / 2, (rows[1] + rows[2]) / 2, rows[2]]
    np.testing.assert_allclose(result.map, np.array(by_hand).T)
    assert result.map[1, 2] == 0


def test_the_last_masks_end_at_the_edge():
    np.testing.assert_array_equal(mask_starts(10, 4, 4), [0, 4, 6])
    np.testing.assert_array_equal(mask_starts(12, 4, 4), [0, 4, 8])
    np.testing.assert_array_equal(mask_starts(4, 4, 3), [0])
    cover = mask_cover(mask_starts(10, 4, 4), 4, 10)
    np.testing.assert_allclose(cover[7], [0, 0.5, 0.5])
    np.testing.assert_allclose(cover.sum(axis=1), 1.0)
    result = occlusion_map(total, np.ones((10, 7, 1)), mask_size=4, stride=4, fill=0)
    assert result.map.shape == (10, 7)
    np.testing.assert_allclose(result.grid, 70.0 - 16.0)
    np.testing.assert_array_equal(result.positions[-1], [6, 3])


def test_without_resampling_the_map_is_the_grid():
    result = occlusion_map(
        total, np.ones((9, 9, 1)), mask_size=2, stride=4, resample=False
    )
    assert result.map.shape == (3, 3)
    np.testing.assert_array_equal(result.map, result.grid)


def test_bands_are_hidden_together_or_one_by_one():
    image = np.zeros((4, 4, 3), np.float32)
    image[...] = [1.0, 10.0, 100.0]
    given = {"mask_size": 4, "fill": 0.0}
    assert occlusion_map(total, image, **given).map[0, 0] == 0
    each = occlusion_map(total, image, bands="each", **given)
    np.testing.assert_allclose(each.map[:, 0, 0], 1776 - 16 * image[0, 0])
    assert each.bands == ["0", "1", "2"]
    names = {"band_names": ["VIS", "Y", "J"], **given}
    some = occlusion_map(total, image, bands=["J", 0], **names)
    np.testing.assert_allclose(some.map[:, 0, 0], [176, 1760])
    assert some.bands == ["J", "VIS"]
    one = occlusion_map(total, image, bands="Y", **names)
    assert one.map.shape == (4, 4)
    assert one.map[0, 0] == 1616


def test_cutouts_bring_the_names_of_their_bands():
    table = Table({"object_id": ["a"]})
    cutouts = Cutouts(np.ones((1, 8, 8, 2), np.float32), table, bands=["VIS", "H"])
    result = occlusion_map(total, cutouts, bands="each", fill=0)
    assert result.bands == ["VIS", "H"]
    two = Cutouts(np.ones((2, 8, 8, 1), np.float32), Table({"object_id": ["a", "b"]}))
    with pytest.raises(ValueError, match="`image` must hold one object. Received: 2"):
        occlusion_map(total, two)


def test_the_sky_is_the_clipped_median_of_the_border():
    rng = np.random.default_rng(0)
    image = rng.normal([3.0, -1.0], 0.1, (50, 50, 2)).astype("float32")
    image[20:30, 20:30] += 50.0
    # An object that touches the border is clipped away.
    image[:5, :4] = 40.0
    result = occlusion_map(total, image, mask_size=25, stride=25)
    np.testing.assert_allclose(result.fill, [3.0, -1.0], atol=0.02)
    flat = occlusion_map(total, image, mask_size=50, fill=[2.0, 4.0])
    np.testing.assert_allclose(flat.map, 2500 * 6.0)


def test_the_patch_that_decides_is_the_minimum(image):
    def patch(images):
        return np.asarray(images)[:, 20:24, 8:12].mean(axis=(1, 2, 3))

    result = occlusion_map(patch, image, fill=0.0)
    low = np.argwhere(result.map == result.map.min())
    np.testing.assert_array_equal(low.min(axis=0), [20, 8])
    np.testing.assert_array_equal(low.max(axis=0), [23, 11])
    assert result.map.max() == pytest.approx(result.output)


def test_windows_graph_and_memory_give_the_same_map(finder, image):
    given = {"mask_size": 4, "stride": 3}
    fast = occlusion_map(finder.probability, image, **given)
    graph = occlusion_map(finder.probability, image, windows=False, **given)
    plain = occlusion_map(lambda x: finder.probability(x), image, **given)
    assert (fast.n_windows, graph.n_windows, plain.n_windows) == (3, 0, 0)
    assert np.ptp(plain.map) > 1e-3
    for other in (fast, graph):
        np.testing.assert_allclose(other.grid, plain.grid, atol=1e-5)
        assert other.output == pytest.approx(plain.output, abs=1e-5)


@pytest.mark.parametrize("windows", [True, False])
def test_a_position_does_not_depend_on_its_batch(finder, image, windows):
    one, other = (
        occlusion_map(finder.logit, image, batch_size=size, windows=windows)
        for size in (7, 16)
    )
    np.testing.assert_allclose(one.grid, other.grid, atol=1e-5)
    each = occlusion_map(
        finder.logit, image, bands="each", batch_size=16, windows=windows
    )
    single = occlusion_map(finder.logit, image, bands=1, batch_size=16, windows=windows)
    # The same masks at other places of the same batches: the same bits.
    np.testing.assert_array_equal(each.map[1], single.map)


def test_every_pass_has_one_size_and_is_made_when_it_is_needed():
    sizes, done = [], []

    def output(images):
        sizes.append(len(images))
        return total(images)

    image = np.zeros((64, 64, 4), np.float32)
    tracemalloc.start()
    occlusion_map(output, image, 2, 1, batch_size=8, progress=lambda *n: done.append(n))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(sizes) == {8}
    assert done[-1] == (63 * 63, 63 * 63)
    # 3969 masked images are 260 MB.
    assert peak < 10e6


def test_the_last_batch_is_padded():
    axes = np.arange(3), np.arange(2) * 5
    first, last = mask_batches(axes, 4)
    np.testing.assert_array_equal(
        np.stack(first[:2], 1), [[0, 0], [0, 5], [1, 0], [1, 5]]
    )
    np.testing.assert_array_equal(
        np.stack(last[:2], 1), [[2, 0], [2, 5], [2, 0], [2, 0]]
    )
    assert (first[2], last[2]) == (4, 2)
    endless = mask_batches((np.arange(10**6), np.arange(10**6)), 4)
    assert next(endless)[2] == 4


def test_a_keras_model_is_an_output(make_network, image):
    network = make_network(n_outputs=1)
    result = occlusion_map(network, image, 6, 6)
    assert result.n_windows == 3
    whole = occlusion_map(network, image, 6, 6, windows=False)
    np.testing.assert_allclose(result.grid, whole.grid, atol=1e-5)
    with pytest.raises(ValueError, match=r"one number per image.*Received: shape"):
        occlusion_map(make_network(n_outputs=2), image)


def test_a_finder_is_its_probability(finder, image):
    one = occlusion_map(finder, image, 8, 8)
    other = occlusion_map(finder.probability, image, 8, 8)
    np.testing.assert_array_equal(one.map, other.map)
    assert 0 < one.output < 1


def test_windows_are_left_where_the_output_is_not_the_networks(finder, image):
    class Calibrated(type(finder)):
        def probability(self, images):
            return keras.ops.sigmoid(0.5 * self.logit(images) - 1.0)

    calibrated = Calibrated(finder.network)
    result = occlusion_map(calibrated.probability, image, 8, 8)
    assert result.n_windows == 0
    assert result.output == pytest.approx(
        float(calibrated.probability(image[None])[0]), abs=1e-6
    )


def test_errors_name_the_argument():
    image = np.zeros((8, 6, 2), np.float32)
    with pytest.raises(ValueError, match="`mask_size` must be .* 1 to 6. Received: 7"):
        occlusion_map(total, image, mask_size=7)
    with pytest.raises(ValueError, match="`stride` must be .* >= 1. Received: 0"):
        occlusion_map(total, image, stride=0)
    with pytest.raises(ValueError, match="`stride` must be at most `mask_size`, 2"):
        occlusion_map(total, image, mask_size=2, stride=3)
    with pytest.raises(ValueError, match="`batch_size` must be .* Received: 1.5"):
        occlusion_map(total, image, batch_size=1.5)
    with pytest.raises(ValueError, match=r"`bands` must be .* 0 to 1.*Received: 'K'"):
        occlusion_map(total, image, bands="K", band_names=["J", "H"])
    with pytest.raises(ValueError, match="`bands` must be .*without names.*: 2"):
        occlusion_map(total, image, bands=[2])
    with pytest.raises(ValueError, match="`bands` must hold at least one band"):
        occlusion_map(total, image, bands=[])
    with pytest.raises(ValueError, match="`band_names` must name the 2 bands"):
        occlusion_map(total, image, band_names=["J"])
    with pytest.raises(ValueError, match="`fill` must be \"sky\".*Received: 'noise'"):
        occlusion_map(total, image, fill="noise")
    with pytest.raises(ValueError, match="`fill` must be .* which are 2"):
        occlusion_map(total, image, fill=[0, 0, 0])
    with pytest.raises(ValueError, match=r"`image` must be one image.*\(8, 6\)"):
        occlusion_map(total, image[..., 0])
    with pytest.raises(TypeError, match="`output` must be a function.*Received: int"):
        occlusion_map(3, image)
    with pytest.raises(ValueError, match=r"shape \(16,\). Received: shape \(16, 8"):
        occlusion_map(lambda images: images, image)
    image[2, 3, 1] = np.nan
    with pytest.raises(ValueError, match="`image` must hold finite .* Received: 1"):
        occlusion_map(total, image)
