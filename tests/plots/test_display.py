import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.plots import display
from astroanomaly.plots.style import new_figure


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


@pytest.mark.parametrize(
    ("value", "limits", "words"),
    [
        (0.9304, (0, 1), "0.93"),
        (0.9995, (0, 1), "above 0.999"),
        (0.999, (0, 1), "0.999"),
        (4e-23, (0, 1), "below 0.001"),
        (4e-13, None, "4e-13"),
        # What rounding leaves of a zero.
        (4e-23, None, "0"),
        (12.345, None, "12.3"),
    ],
)
def test_a_number_stops_short_of_what_it_cannot_reach(value, limits, words):
    assert display.number(value, limits) == words


@pytest.mark.parametrize(
    ("pixel_scale", "words"), [(0.1, '5"'), (0.06, '2"'), (5.0, '60"'), (1e-4, '0.1"')]
)
def test_a_scale_bar_is_a_round_length_within_a_third(pixel_scale, words):
    axes = new_figure(3, 3).add_subplot()
    display.scale_bar(axes, (150, 150, 3), pixel_scale)
    assert axes.texts[0].get_text() == words
    length = np.ptp(axes.lines[0].get_xdata()) * pixel_scale
    assert length == pytest.approx(float(words[:-1]))


def test_no_scale_no_bar():
    axes = new_figure(3, 3).add_subplot()
    display.scale_bar(axes, (150, 150, 3), None)
    assert not axes.lines


def test_bands_have_names_and_colours():
    image = np.zeros((8, 8, 4))
    names = display.band_labels(image, ["VIS", "Y", "J", "H"])
    chosen = display.color_bands(4, None)
    assert display.color_key(names, chosen) == "Y blue, J green, H red"
    assert display.color_key(names, [0]) == "VIS gray"
    assert display.band_labels(image, None)[3] == "band 3"


def test_a_panel_has_the_shape_of_its_image():
    panels, figure = display.panel_grid(2, 3, (40, 80, 1))
    assert panels.shape == (2, 3)
    # 4.2 inches a panel and half of that high, but no less than 2.5; a bar beside.
    assert tuple(figure.get_size_inches()) == pytest.approx((13.6, 5.8))


@pytest.fixture
def turned(tmp_path):
    """Return the table of three objects, north up or to the right, one unknown."""
    names = [tmp_path / "up.fits", tmp_path / "right.fits", ""]
    for name, (cd1, cd2, cd3, cd4) in zip(
        names, ((-1, 0, 0, 1), (0, 1, 1, 0)), strict=False
    ):
        header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0}
        header |= {"CRVAL2": 0.0, "CRPIX1": 8.0, "CRPIX2": 8.0}
        header |= {"CD1_1": cd1, "CD1_2": cd2, "CD2_1": cd3, "CD2_2": cd4}
        header |= {key: header[key] / 3600 for key in header if key.startswith("CD")}
        fits.PrimaryHDU(np.zeros((16, 16)), fits.Header(header)).writeto(name)
    files = [str(name) for name in names]
    return Table({"file": files, "ra": [10.0] * 3, "dec": [0.0] * 3})


def letters(axes):
    return {
        text.get_text(): text.get_position() for text in axes.texts if text.get_text()
    }


def test_north_and_east_are_drawn_where_they_are_known(turned):
    panels = new_figure(6, 2).subplots(1, 3)
    display.compasses(panels, turned, (16, 16))
    up, right, unknown = (letters(axes) for axes in panels)
    assert up["N"][1] > up["E"][1]
    assert up["E"][0] < up["N"][0]
    # x grows with declination, y with right ascension.
    assert right["N"][0] > right["E"][0]
    assert right["E"][1] > right["N"][1]
    assert unknown == {}


def test_one_compass_serves_objects_that_are_turned_alike(turned):
    panels = new_figure(6, 2).subplots(1, 3)
    display.compasses(panels, turned[[0, 0, 0]], (16, 16))
    assert [set(letters(axes)) for axes in panels] == [{"N", "E"}, set(), set()]
