import numpy as np
import pytest

from astroanomaly.plots import pictures
from astroanomaly.plots.style import new_figure


@pytest.mark.parametrize(
    ("value", "limits", "words"),
    [
        (0.9304, (0, 1), "0.93"),
        (0.9995, (0, 1), "above 0.999"),
        (0.999, (0, 1), "0.999"),
        (4e-23, (0, 1), "below 0.001"),
        (4e-23, None, "4e-23"),
        (12.345, None, "12.3"),
    ],
)
def test_a_number_stops_short_of_what_it_cannot_reach(value, limits, words):
    assert pictures.number(value, limits) == words


@pytest.mark.parametrize(
    ("pixel_scale", "words"), [(0.1, '5"'), (0.06, '2"'), (5.0, '60"'), (1e-4, '0.1"')]
)
def test_a_scale_bar_is_a_round_length_within_a_third(pixel_scale, words):
    axes = new_figure(3, 3).add_subplot()
    pictures.scale_bar(axes, (150, 150, 3), pixel_scale)
    assert axes.texts[0].get_text() == words
    length = np.ptp(axes.lines[0].get_xdata()) * pixel_scale
    assert length == pytest.approx(float(words[:-1]))


def test_no_scale_no_bar():
    axes = new_figure(3, 3).add_subplot()
    pictures.scale_bar(axes, (150, 150, 3), None)
    assert not axes.lines


def test_bands_have_names_and_colours():
    image = np.zeros((8, 8, 4))
    names = pictures.band_labels(image, ["VIS", "Y", "J", "H"])
    chosen = pictures.color_bands(4, None)
    assert pictures.color_key(names, chosen) == "Y blue, J green, H red"
    assert pictures.color_key(names, [0]) == "VIS gray"
    assert pictures.band_labels(image, None)[3] == "band 3"


def test_a_panel_has_the_shape_of_its_image():
    panels, figure = pictures.panel_grid(2, 3, (40, 80, 1))
    assert panels.shape == (2, 3)
    # 4.2 inches a panel and half of that high, but no less than 2.5; a bar beside.
    assert tuple(figure.get_size_inches()) == pytest.approx((13.6, 5.8))
