from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from astroanomaly import plots
from astroanomaly.evaluation.generated import power_spectrum, sample_distance
from astroanomaly.plots.style import BLUE, ORANGE, level_colors


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


def test_gallery_names_the_bands_and_the_number(cutouts, table):
    table = table.copy()
    table.meta["score"] = "peak"
    heading = plots.gallery(cutouts, table).get_suptitle()
    assert heading.startswith(", ".join(cutouts.bands))
    assert heading.endswith("anomaly score (peak)")
    table["peak_score"] = table["anomaly_score"]
    table["peak_score"].unit = "sigma"
    heading = plots.gallery(cutouts, table, by="peak_score").get_suptitle()
    assert heading.endswith("peak score (sigma)")


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


SIZES = (4, 8, 16)


def blobs(n, seed, size=16, brightness=1.0):
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    light = np.exp(-(x**2 + y**2) / rng.uniform(5, 20, (n, 1, 1)))
    light *= brightness * rng.uniform(0.3, 0.8, (n, 1, 1))
    return (light + rng.normal(0.1, 0.01, (n, size, size)))[..., None]


@pytest.fixture
def levels():
    return {
        size: np.random.default_rng(size).random((6, size, size, 1)) for size in SIZES
    }


@pytest.fixture(scope="module")
def sets():
    real, generated = blobs(40, 1), blobs(30, 2, brightness=1.3)
    return real, generated, sample_distance(real, generated, n_bootstrap=20)


def test_a_row_for_each_level_coarsest_on_top_and_the_real_ones_last(levels):
    shuffled = {size: levels[size] for size in (16, 4, 8)}
    figure = plots.samples_by_level(shuffled, real=blobs(5, 1), n=3)
    grid = np.array(figure.axes).reshape(4, 3)
    names = [axes.get_ylabel() for axes in grid[:, 0]]
    assert names == ["4 px", "8 px", "16 px", "real"]
    sizes = [len(axes.images[0].get_array()) for axes in grid[:, 0]]
    assert sizes == [4, 8, 16, 16]
    for axes in grid.ravel():
        assert axes.images[0].get_interpolation() == "nearest"
        assert axes.images[0].origin == "lower"
        assert axes.images[0].get_clim() == (0.0, 1.0)


def test_rows_have_their_own_range_but_the_last_level_that_of_the_real_ones():
    ramp = np.linspace(0, 1, 256).reshape(1, 16, 16, 1)
    levels = {8: 0.2 * ramp[:, :8, :8], 16: 0.5 * ramp}
    own = pictures(plots.samples_by_level(levels))
    assert [one.max() for one in own] == [1.0, 1.0]
    coarse, fine, real = pictures(plots.samples_by_level(levels, real=ramp))
    assert (coarse.max(), real.max()) == (1.0, 1.0)
    # Black and white are the 0.5th and the 99.9th percentile of the real pixels.
    low, high = 0.005, 0.999
    expected = np.clip((0.5 * ramp[0, ..., 0] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(fine, expected, atol=1e-6)


def test_a_level_with_few_images_leaves_places_empty(levels):
    levels[4] = levels[4][:2]
    grid = np.array(plots.samples_by_level(levels, n=5).axes).reshape(3, 5)
    assert [len(axes.images) for axes in grid[0]] == [1, 1, 0, 0, 0]
    assert [len(axes.images) for axes in grid[2]] == [1] * 5


def test_three_bands_are_in_color(levels):
    color = {size: np.tile(images, (1, 1, 1, 3)) for size, images in levels.items()}
    assert pictures(plots.samples_by_level(color))[0].shape == (4, 4, 3)


def test_levels_refuse_by_name(levels):
    with pytest.raises(ValueError, match="`levels` must hold at least one entry. Rec"):
        plots.samples_by_level({})
    with pytest.raises(
        ValueError, match="`n` must be a whole number >= 1. Received: 0"
    ):
        plots.samples_by_level(levels, n=0)
    message = r"`levels\[32\]` must have shape \(n, 32, 32, n_b.* \(6, 16, 16, 1\)"
    with pytest.raises(ValueError, match=message):
        plots.samples_by_level({32: levels[16]})
    with pytest.raises(
        ValueError, match=r"`real` must have .* Received: \(0, 16, 16, 1"
    ):
        plots.samples_by_level(levels, real=levels[16][:0])


def test_panels_hold_spectra_and_histograms_of_both_sets(sets):
    figure = plots.sample_statistics(*sets)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "cycles per pixel",
        "flux",
        "concentration",
        "pixel value",
    ]
    spectra, flux, concentration, pixels = figure.axes
    for line, images in zip(spectra.lines, sets, strict=False):
        wavenumber, power = power_spectrum(images)
        np.testing.assert_allclose(line.get_xdata(), wavenumber)
        np.testing.assert_allclose(line.get_ydata(), np.median(power[..., 0], axis=0))
    assert [line.get_color() for line in spectra.lines] == [BLUE, ORANGE]
    band = spectra.collections[0].get_paths()[0].vertices[:, 1]
    ends = np.percentile(power_spectrum(sets[0])[1][..., 0], (16, 84), axis=0)
    assert (band.min(), band.max()) == pytest.approx((ends.min(), ends.max()))
    assert (spectra.get_xscale(), spectra.get_yscale()) == ("log", "log")
    assert pixels.get_yscale() == "log"
    for axes in (flux, concentration, pixels):
        for steps in axes.patches:
            assert steps.get_data().values.sum() == pytest.approx(1.0)
    # Rice's rule for the smaller set.
    assert len(flux.patches[0].get_data().values) == round(2 * 30 ** (1 / 3))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["real", "generated"]


def test_each_panel_has_its_distance_and_floor(sets):
    figure = plots.sample_statistics(*sets, names=("galaxies", "samples"))
    table = sets[2]
    names = "power_spectrum", "flux", "concentration", "pixel_histogram"
    for axes, name in zip(figure.axes, names, strict=True):
        row = table[table["statistic"] == name][0]
        distance, low, high, floor = (
            f"{row[key]:.2g}" for key in ("distance", "low", "high", "floor")
        )
        interval = f"({low} to {high})"
        expected = f"distance {distance} {interval} {row['unit']}, floor {floor}"
        assert axes.get_title(loc="left") == expected
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["galaxies", "samples"]


def test_bands_have_a_row_each_with_their_names():
    real, generated = (
        np.concatenate([blobs(30, seed), blobs(30, seed + 9)], axis=-1)
        for seed in (1, 2)
    )
    table = sample_distance(real, generated, ["H", "J"], n_bootstrap=0)
    figure = plots.sample_statistics(real, generated, table)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels[1] == "H: flux"
    assert labels[5] == "J: flux"
    assert "(" not in figure.axes[5].get_title(loc="left")
    median = np.median(power_spectrum(real)[1][..., 1], axis=0)
    np.testing.assert_allclose(figure.axes[4].lines[0].get_ydata(), median)


def test_what_cannot_be_measured_is_said():
    sets = (np.random.default_rng(k).normal(size=(20, 16, 16)) for k in (1, 2))
    concentration = plots.sample_statistics(*sets).axes[2]
    assert concentration.get_title(loc="left") == "no distance"
    assert concentration.texts[0].get_text() == "not measurable"


def test_statistics_refuse_a_table_without_their_rows(sets):
    real, generated, table = sets
    short = table["statistic", "band", "distance", "low", "high", "unit"]
    with pytest.raises(ValueError, match="has no column 'floor'"):
        plots.sample_statistics(real, generated, short)
    with pytest.raises(ValueError, match="a row for power_spectrum .* none for image"):
        plots.sample_statistics(real, generated, table[:5])
    with pytest.raises(ValueError, match="`generated` must have the shape of the"):
        plots.sample_statistics(real, generated[:, :8, :8])
