import numpy as np
import pytest

from astroanomaly.data.cutouts import FLAG_NAN_FILLED, FLAG_PADDED
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions
from astroanomaly.data.prepare import prepare


def _raw(*planes, scale=None, outside=None):
    planes = [np.asarray(plane, np.float32) for plane in planes]
    return Cutout(planes, [scale] * len(planes), outside=outside)


def test_untouched_pixels(noise):
    plane = noise(12, 9)
    image, flag = prepare(_raw(plane), ReadOptions())
    np.testing.assert_array_equal(image[..., 0], plane)
    assert flag == 0


def test_crop_is_the_centre(noise):
    plane = noise(168, 168)
    image, flag = prepare(_raw(plane), ReadOptions(size=(64, 64)))
    np.testing.assert_array_equal(image[..., 0], plane[52:116, 52:116])
    assert flag == 0


def test_padding_is_background_and_flagged(noise):
    image, flag = prepare(_raw(noise(20, 20)), ReadOptions(size=(32, 32)))
    assert flag == FLAG_PADDED
    assert image[0, 0, 0] == pytest.approx(10, abs=0.3)
    assert np.isfinite(image).all()


def test_too_small_with_edge_error(noise):
    with pytest.raises(BadCutout, match="is 20x20 pixels, smaller than the size 32x32"):
        prepare(_raw(noise(20, 20)), ReadOptions(size=(32, 32), edge="error"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gaps_are_filled_and_flagged(noise, bad):
    plane = noise(20, 20)
    plane[9, 9] = bad
    image, flag = prepare(_raw(plane), ReadOptions())
    assert flag == FLAG_NAN_FILLED
    assert image[9, 9, 0] == pytest.approx(10, abs=0.3)
    rest = np.ones((20, 20), bool)
    rest[9, 9] = False
    np.testing.assert_array_equal(image[..., 0][rest], plane[rest])


def test_gaps_and_padding_are_two_flags(noise):
    plane = noise(20, 20)
    plane[9, 9] = np.nan
    _, flag = prepare(_raw(plane), ReadOptions(size=(32, 32)))
    assert flag == FLAG_NAN_FILLED | FLAG_PADDED


def test_gaps_refused(noise):
    plane = noise(20, 20)
    plane[9, 9:12] = np.nan
    with pytest.raises(BadCutout, match="has 3 NaN, infinite or masked pixels"):
        prepare(_raw(plane), ReadOptions(nan="refuse"))
    # Padding is no gap of the file.
    prepare(_raw(noise(20, 20)), ReadOptions(size=(32, 32), nan="refuse"))


def test_all_nan():
    with pytest.raises(BadCutout, match="every pixel is NaN"):
        prepare(_raw(np.full((8, 8), np.nan)), ReadOptions())


def test_constant(noise):
    with pytest.raises(BadCutout, match="constant: every pixel is 3"):
        prepare(_raw(np.full((8, 8), 3.0)), ReadOptions())
    with pytest.raises(BadCutout, match="constant: every pixel is 0"):
        prepare(_raw(np.zeros((8, 8))), ReadOptions(size=(12, 12)))
    with pytest.raises(BadCutout, match="constant"):
        prepare(_raw(noise(8, 8), np.zeros((8, 8))), ReadOptions())


def test_other_shape_than_the_rest(noise):
    with pytest.raises(BadCutout, match="is 8x9 pixels where the others are 8x8"):
        prepare(_raw(noise(8, 9)), ReadOptions(shape=(8, 8)))
    with pytest.raises(BadCutout, match="give size="):
        prepare(_raw(noise(8, 8), noise(8, 9)), ReadOptions())


def test_resampling_comes_before_the_crop(noise):
    plane = noise(80, 80)
    image, flag = prepare(
        _raw(plane, scale=0.05), ReadOptions(size=(32, 32), pixel_scale=0.1)
    )
    blocks = plane.reshape(40, 2, 40, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(image[..., 0], blocks[4:36, 4:36], rtol=1e-6)
    assert flag == 0


def test_bands_of_two_scales_meet(noise):
    raw = Cutout([noise(60, 60), noise(20, 20)], [0.1, 0.3])
    image, _ = prepare(raw, ReadOptions(pixel_scale=0.3))
    assert image.shape == (20, 20, 2)
    np.testing.assert_array_equal(image[..., 1], raw.planes[1])


def test_scales(noise):
    with pytest.raises(BadCutout, match="states no pixel scale"):
        prepare(_raw(noise(8, 8)), ReadOptions(pixel_scale=0.1))
    settings = ReadOptions(pixel_scale=0.1, input_pixel_scale=0.05)
    assert prepare(_raw(noise(8, 8)), settings)[0].shape == (4, 4, 1)
    with pytest.raises(BadCutout, match='has pixels of 0.05" where the others'):
        prepare(_raw(noise(8, 8), scale=0.05), ReadOptions(scale=0.03))


def test_edge_of_a_mosaic(noise):
    plane, outside = noise(16, 16), np.zeros((16, 16), bool)
    outside[:, :4] = True
    plane[outside] = np.nan
    raw = _raw(plane, outside=outside)
    assert prepare(raw, ReadOptions(size=(16, 16)))[1] == FLAG_PADDED
    with pytest.raises(BadCutout, match="reaches over the edge of the mosaic"):
        prepare(raw, ReadOptions(size=(16, 16), edge="error"))
    plane = plane.copy()
    plane[8, 8] = np.nan
    raw = _raw(plane, scale=0.1, outside=outside)
    settings = ReadOptions(size=(8, 8), pixel_scale=0.2)
    assert prepare(raw, settings)[1] == FLAG_PADDED | FLAG_NAN_FILLED
