import numpy as np
import pytest

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.plots import display


def test_asinh_lifts_faint_light():
    image = np.linspace(0.0, 1.0, 10000).reshape(100, 100, 1)
    shown = display.picture(image)
    assert shown.min() == 0.0
    assert shown.max() == 1.0
    # AsinhStretch(a): asinh(x / a) / asinh(1 / a), at x a tenth of the range.
    low, high = np.percentile(image, (1.0, 99.7))
    x = (image[10, 0, 0] - low) / (high - low)
    expected = np.arcsinh(x / 0.1) / np.arcsinh(10.0)
    np.testing.assert_allclose(shown[10, 0], expected, atol=1e-3)
    assert shown[10, 0] > 0.2


def test_nan_pixels_and_constant_images_do_not_break_a_picture():
    image = np.random.default_rng(1).normal(size=(16, 16, 1))
    image[3, 3] = np.nan
    assert np.isfinite(display.picture(image)).all()
    assert not display.picture(np.full((8, 8, 1), 7.0)).any()
    assert not display.picture(np.full((8, 8, 1), np.nan)).any()


def test_last_of_three_bands_is_red():
    image = np.zeros((16, 16, 3))
    image[8, 8, 2] = image[7, 8, 2] = 5.0
    red, green, blue = display.picture(image)[8, 8]
    assert red > 0.5
    assert green == blue == 0.0


def test_a_pair_shares_the_scale_of_its_first_image():
    original = np.linspace(0, 0.5, 64).reshape(8, 8, 1)
    first, second = display.stretched_pictures(original, 2 * original)
    assert first[-1, -1] == second[-1, -1] == 1.0
    np.testing.assert_allclose(second[2, 2], 2 * first[2, 2], rtol=0.02)


class Stream:
    """Only what a stream promises: ids, and chunks that skip what is bad."""

    def __init__(self, cutouts, unreadable=()):
        self.cutouts, self.unreadable = cutouts, unreadable
        self.object_ids = cutouts.object_ids

    def chunks(self, size, start=0):
        for part in self.cutouts.chunks(2):
            yield part[np.array([i not in self.unreadable for i in part.object_ids])]


def test_a_stream_is_read_until_the_wanted_objects_were_met(cutouts):
    found = display.select(Stream(cutouts), ["d", "a"])
    assert isinstance(found, Cutouts)
    assert found.object_ids == ["d", "a"]
    np.testing.assert_allclose(found.images[:, 4, 4, 0], [3.0, 0.0])
    with pytest.raises(ValueError, match="object_id 'x' is not in the cutouts"):
        display.select(Stream(cutouts), ["x"])
    with pytest.raises(ValueError, match="'d' is in the table but could not be read"):
        display.select(Stream(cutouts, ["d"]), ["d", "a"])
