import numpy as np
import pytest

from astroanomaly import plots
from astroanomaly.evaluation.generated import power_spectrum, sample_distance
from astroanomaly.plots.style import BLUE, ORANGE

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


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


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
