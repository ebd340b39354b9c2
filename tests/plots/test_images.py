from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from astroanomaly import plots
from astroanomaly.plots.style import level_colors


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_gallery_follows_the_score_and_not_the_order_of_the_table(cutouts, table):
    figure = plots.gallery(cutouts, table, n=4, columns=2)
    assert titles(figure) == ["1. b", "2. e", "3. c", "4. d"]
    figure = plots.gallery(cutouts, table, n=2, by="feature_score")
    assert titles(figure) == ["1. a", "2. d"]


def test_gallery_shows_the_pixels_of_the_object_it_names(cutouts, table, monkeypatch):
    seen = []

    def picture(image):
        seen.append(float(image[4, 4, 0]))
        return np.zeros(image.shape[:2])

    monkeypatch.setattr("astroanomaly.plots.display.picture", picture)
    plots.gallery(cutouts[[3, 1, 0, 4, 2]], table, n=3)
    assert seen == [1.0, 4.0, 2.0]


def test_gallery_writes_score_and_p_value_and_frames_by_level(cutouts, table):
    figure = plots.gallery(cutouts, table, n=3)
    first, second, third = figure.axes
    assert first.get_xlabel() == "5\np = 0.17"
    colors = level_colors(["90", "99"])
    for axes, level in ((first, "99"), (second, "90"), (third, "")):
        assert to_hex(axes.spines["left"].get_edgecolor()) == colors[level].lower()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["not flagged", "above 90%", "above 99%"]


def test_gallery_does_without_p_values_levels_and_full_rows(cutouts, table):
    figure = plots.gallery(
        cutouts, table["object_id", "anomaly_score"], n=10, columns=3
    )
    assert len(figure.axes) == 6
    assert len(pictures(figure)) == 5
    assert figure.axes[0].get_xlabel() == "5"
    assert not figure.legends


def test_gallery_puts_nan_scores_last(cutouts, table):
    table["anomaly_score"][3] = np.nan
    figure = plots.gallery(cutouts, table)
    assert titles(figure)[0] == "1. e"
    assert titles(figure)[-1] == "5. b"


def test_three_bands_make_a_colour_picture(make_cutouts, table):
    figure = plots.gallery(make_cutouts(3), table, n=1)
    assert pictures(figure)[0].shape == (8, 8, 3)


def test_a_dollar_in_a_name_is_no_mathematics(cutouts, table):
    cutouts.table["object_id"] = ["a$_x$", "b", "c", "d", "e"]
    table["object_id"] = ["e", "a$_x$", "d", "b", "c"]
    figure = plots.gallery(cutouts, table)
    assert figure.axes[-1].get_title() == r"5. a\$_x\$"


def test_an_object_without_cutout_is_named(cutouts, table):
    with pytest.raises(ValueError, match="object_id 'b' is not in the cutouts") as info:
        plots.gallery(cutouts[[0, 2, 3, 4]], table)
    assert "1 of 5 wanted objects" in str(info.value)


def test_errors_name_the_argument(cutouts, table):
    with pytest.raises(ValueError, match="no column 'peak_score'"):
        plots.gallery(cutouts, table, by="peak_score")
    with pytest.raises(ValueError, match="`n` must be a whole number >= 1"):
        plots.gallery(cutouts, table, n=0)
    with pytest.raises(ValueError, match="`columns` must be .* Received: -1"):
        plots.gallery(cutouts, table, columns=-1)
    with pytest.raises(ValueError, match="score table has no rows"):
        plots.gallery(cutouts, table[:0])


def test_reconstructions_show_three_panels_an_object(cutouts, table, detector):
    figure = plots.reconstructions(cutouts, table, n=2, detector=detector)
    assert titles(figure) == ["b", "e"]
    panels = np.array(figure.axes[:6]).reshape(3, 2)
    labels = [axes.get_ylabel() for axes in panels[:, 0]]
    assert labels == ["original", "reconstruction", "residual"]
    assert panels[2, 0].get_xlabel() == "5\np = 0.17"
    residual = panels[2, 0].images[0]
    np.testing.assert_allclose(residual.get_array()[4, 4], 1 / 20)
    assert residual.norm.vmin == -residual.norm.vmax
    assert residual.norm.vmax == panels[2, 1].images[0].norm.vmax
    assert figure.axes[6].get_ylabel() == "residual (stretched units)"


def test_reconstructions_spread_along_the_ranking(cutouts, table, detector):
    figure = plots.reconstructions(
        cutouts, table, n=3, detector=detector, choose="evenly"
    )
    assert titles(figure) == ["b", "c", "a"]


def test_reconstructions_break_into_rows(cutouts, table, detector):
    figure = plots.reconstructions(cutouts, table, n=5, detector=detector, columns=3)
    panels = np.array(figure.axes[:18]).reshape(6, 3)
    assert [axes.get_title() for axes in panels[3]] == ["d", "a", ""]
    assert not panels[3, 2].axison


def test_reconstructions_find_the_detector_on_the_table(cutouts, table, detector):
    class ScoreTable(type(table)):
        pass

    carrying = ScoreTable(table)
    carrying.detector = detector
    assert titles(plots.reconstructions(cutouts, carrying, n=1)) == ["b"]
    with pytest.raises(ValueError, match="Pass `detector=`"):
        plots.reconstructions(cutouts, table)
    finder = SimpleNamespace(explain=lambda some: {"original": some.images})
    with pytest.raises(ValueError, match="must reconstruct images; .* by `gallery`"):
        plots.reconstructions(cutouts, table, detector=finder)
    with pytest.raises(ValueError, match="'strangest' or 'evenly'. Received: 'all'"):
        plots.reconstructions(cutouts, table, detector=detector, choose="all")


def test_sample_grid_shows_each_image_on_one_scale():
    images = np.linspace(0.2, 0.8, 5)[:, None, None, None] * np.ones((5, 4, 4, 1))
    figure = plots.sample_grid(images, columns=3)
    shown = [picture[0, 0] for picture in pictures(figure)]
    np.testing.assert_allclose(shown, [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    assert len(figure.axes) == 6
    assert pictures(plots.sample_grid(np.ones((2, 4, 4, 3))))[0].shape == (4, 4, 3)
    with pytest.raises(ValueError, match=r"n > 0. Received: \(0, 4, 4, 1\)"):
        plots.sample_grid(np.zeros((0, 4, 4, 1)))


def test_a_figure_leaves_no_trace_and_shows_in_a_notebook(cutouts, table):
    before = dict(matplotlib.rcParams)
    figure = plots.gallery(cutouts, table)
    assert dict(matplotlib.rcParams) == before
    assert figure._repr_png_().startswith(b"\x89PNG")
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
