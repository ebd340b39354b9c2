from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import plots
from astroanomaly.evaluation import binomial_interval, evaluate
from astroanomaly.evaluation.rates import detection_rates
from astroanomaly.evaluation.surveys import by_property
from astroanomaly.evaluation.trends import binned_rates
from astroanomaly.plots.style import BLUE, CYCLE, ORANGE


@pytest.fixture
def found():
    rng = np.random.default_rng(5)
    truth = np.arange(80) >= 40
    ratio = np.where(truth, np.linspace(0.05, 1, 80), 0.0)
    score = rng.normal(size=80) + 4 * ratio
    ids = [f"o{k}" for k in range(80)]
    table = Table({"object_id": ids, "anomaly_score": score})
    table["is_anomaly_90"] = score > 1.3
    table["is_anomaly_95"] = score > 1.7
    labels = Table({"object_id": ids, "is_anomaly": truth, "flux_ratio": ratio})
    baselines = Table({"object_id": ids, "brightness": rng.normal(size=80)})
    return evaluate(
        table,
        labels,
        by="flux_ratio",
        bins=(0.0, 0.75, 1.0),
        baselines=baselines,
        n_bootstrap=20,
    )


def test_areas_are_drawn_best_on_top_with_their_intervals(found):
    figure = plots.areas(found)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["brightness", "anomaly score"]
    best = found.auc[0]
    ours = axes.containers[0]
    np.testing.assert_allclose(ours.lines[0].get_xdata(), [best["auc"]])
    ends = ours.lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [best["low"], best["high"]])
    kinds = [text.get_text() for text in figure.legends[0].get_texts()]
    assert kinds == ["detector", "baseline"]


def test_detection_by_bin_has_wilson_intervals(found):
    figure = plots.detection_by(found)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["0 to 0.75", "0.75 to 1"]
    assert axes.get_xlabel() == "flux ratio"
    levels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert levels == ["90% level", "95% level"]
    rates = found.rates
    row = rates[
        (rates["bin"] == "0.75 to 1")
        & (rates["level"] == 90)
        & (rates["population"] == "anomalous")
    ][0]
    assert axes.containers[0].lines[0].get_ydata()[1] == row["k"] / row["n"]
    ends = axes.containers[0].lines[2][0].get_segments()[1][:, 1]
    np.testing.assert_allclose(ends, binomial_interval(row["k"], row["n"]), atol=1e-9)


def test_detection_by_bin_draws_areas_of_each_score(found):
    figure = plots.detection_by(found, "auc")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["anomaly score", "brightness"]
    drawn = figure.axes[0].containers[1].lines[0].get_ydata()
    rows = found.by[found.by["score"] == "brightness"]
    np.testing.assert_allclose(drawn, rows["auc"])


def test_errors_say_what_is_missing(found):
    with pytest.raises(ValueError, match="'rate' or 'auc'. Received: 'f1'"):
        plots.detection_by(found, "f1")
    without = SimpleNamespace(by=None, rates=found.rates, by_name=None)
    with pytest.raises(ValueError, match="evaluate with `by=`"):
        plots.detection_by(without)
    without = SimpleNamespace(by=found.by, rates=found.rates[:0], by_name="flux_ratio")
    with pytest.raises(ValueError, match="no is_anomaly columns"):
        plots.detection_by(without)
    with pytest.raises(ValueError, match="holds no score"):
        plots.areas(SimpleNamespace(auc=found.auc[:0]))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture
def rates():
    scores = np.arange(100.0)
    samples = {
        "isolated": {"peak_score": scores, "kmeans": scores - 98.5},
        "pre_merger_alone": {"peak_score": scores + 40, "kmeans": scores - 49.5},
    }
    groups = {name: np.arange(100) // 2 for name in samples}
    fixed = {"kmeans": 0.0}
    return detection_rates(
        {"peak_score": scores}, samples, (85, 90), groups, fixed=fixed
    )


@pytest.fixture
def binned():
    rng = np.random.default_rng(1)
    time = rng.uniform(-1, 1, 300)
    return {
        "pre_merger_neighbor": binned_rates(time < 0.5, time, 4),
        "post_merger": binned_rates(time > 0.5, time, 4, np.arange(300) // 3),
    }


def test_distributions_are_normalized_and_hold_every_object():
    rng = np.random.default_rng(2)
    samples = {"isolated": rng.gamma(3, 1, 400), "mergers": rng.gamma(9, 1, 100)}
    samples["mergers"][0] = 1e9
    figure = plots.score_distributions(samples, {90: 5.0, 95: 6.5}, bins=20)
    axes = figure.axes[0]
    outlines = [patch for patch in axes.patches if not patch.get_fill()]
    for outline, color in zip(outlines, (BLUE, ORANGE), strict=True):
        heights, edges, _ = outline.get_data()
        assert heights.sum() == pytest.approx(1)
        assert len(edges) == 21
        assert outline.get_edgecolor() == matplotlib.colors.to_rgba(color)
    # One far score neither stretches the axis nor is lost.
    assert axes.get_xlim()[1] < 1000
    assert outlines[1].get_data()[0][-1] >= 0.01
    assert [line.get_xdata()[0] for line in axes.lines] == [5.0, 6.5]
    assert legend(figure) == [
        "isolated (400)",
        "mergers (100)",
        "90% level: 5",
        "95% level: 6.5",
    ]


def test_distributions_are_logarithmic_where_positive_scores_span_decades():
    wide = {"a": np.geomspace(1, 1000, 50)}
    assert plots.score_distributions(wide).axes[0].get_xscale() == "log"
    both = {"a": np.linspace(-1, 1000, 50)}
    assert plots.score_distributions(both).axes[0].get_xscale() == "linear"


def test_rates_along_have_the_intervals_of_the_tables(binned):
    figure = plots.rates_along(
        binned, "merger time", promised=0.1, mark=0.0, mark_label="merger"
    )
    axes = figure.axes[0]
    assert axes.get_xlabel() == "merger time"
    for drawn, table, ends in zip(
        axes.containers,
        binned.values(),
        [("low", "high"), ("low_clustered", "high_clustered")],
        strict=True,
    ):
        np.testing.assert_allclose(drawn.lines[0].get_xdata(), table["value"])
        np.testing.assert_allclose(drawn.lines[0].get_ydata(), table["rate"])
        segments = np.array(drawn.lines[2][0].get_segments())[:, :, 1]
        expected = np.stack([table[name] for name in ends], axis=1)
        np.testing.assert_allclose(segments, expected, atol=1e-9)
    assert legend(figure) == [
        "pre-merger neighbor",
        "post-merger",
        "promised for normal objects (10%)",
        "merger",
    ]


def test_an_empty_bin_leaves_a_gap():
    table = binned_rates([1, 0], [0.5, 2.5], (0, 1, 2, 3))
    axes = plots.rates_along({"a": table}, "x").axes[0]
    drawn = axes.containers[0].lines[0]
    assert drawn.get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert np.isnan(drawn.get_ydata()[1])


def test_panels_keep_the_color_of_a_sample_and_one_scale(binned):
    mass = np.geomspace(1e9, 1e12, 200)
    panels = {
        "merger_time": binned,
        "stellar_mass": {"post_merger": binned_rates(mass > 1e11, mass, 4)},
    }
    labels = {"stellar_mass": r"stellar mass [M$_\odot$]"}
    figure = plots.trend_panels(panels, labels, promised=0.1)
    first, second = figure.axes
    assert first.get_xlabel() == "merger time"
    assert second.get_xlabel() == labels["stellar_mass"]
    assert (first.get_xscale(), second.get_xscale()) == ("linear", "log")
    assert first.get_ylim() == second.get_ylim()
    assert second.containers[0].lines[0].get_color() == CYCLE[1]
    assert legend(figure) == [
        "pre-merger neighbor",
        "post-merger",
        "promised for normal objects (10%)",
    ]


def test_unused_panels_are_hidden(binned):
    figure = plots.trend_panels(dict.fromkeys("abc", binned))
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def boxes(axes, number):
    return [
        (bar.get_x(), bar.get_width(), bar.get_y(), bar.get_height())
        for bar in axes.containers[number].patches
    ]


def test_quartile_boxes_beside_the_reference_of_each_bin():
    rng = np.random.default_rng(3)
    size, score = rng.uniform(0.2, 1, (2, 200))
    table = by_property(score, size, (0, 0.5, 1), score[:100] - 0.1, size[:100])
    figure = plots.score_by_property({"half_light_radius": table}, names=("A", "B"))
    axes = figure.axes[0]
    for number, end in ((0, "_reference"), (1, "")):
        low, high = table[f"q25{end}"], table[f"q75{end}"]
        expected = np.stack([[0, 0.5], [0.5, 0.5], low, high - low], axis=1)
        np.testing.assert_allclose(boxes(axes, number), expected)
    medians = np.array(axes.collections[1].get_segments())[:, 0, 1]
    np.testing.assert_allclose(medians, table["median"])
    assert [text.get_text() for text in axes.texts] == [
        *(str(n) for n in table["n"]),
        "n",
    ]
    assert legend(figure) == [
        "A: quartiles",
        "A: median",
        "B: quartiles",
        "B: median",
    ]
    assert axes.get_xlabel() == "half light radius"


def test_one_band_where_the_reference_has_no_property():
    score = np.linspace(1, 2, 40)
    types = np.where(score > 1.5, "disc", "irregular")
    table = by_property(score, types, None, np.arange(1, 101))
    figure = plots.score_by_property({"type": table}, ylabel="peak score")
    axes = figure.axes[0]
    bars = boxes(axes, 0)
    np.testing.assert_allclose([bar[2:] for bar in bars], [(25.75, 49.5)] * 2)
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["disc", "irregular"]
    alone = by_property(score, types)
    figure = plots.score_by_property({"type": alone})
    assert legend(figure) == ["objects: quartiles", "objects: median"]


def test_scores_over_decades_get_a_logarithmic_axis():
    table = by_property(np.geomspace(1, 1e4, 40), np.arange(40.0), 4)
    assert plots.score_by_property({"x": table}).axes[0].get_yscale() == "log"
    table = by_property(np.linspace(-1, 1e4, 40), np.arange(40.0), 4)
    assert plots.score_by_property({"x": table}).axes[0].get_yscale() == "linear"


def test_bars_show_the_rates_at_the_level_or_the_fixed_threshold(rates):
    figure = plots.rate_bars(rates, 90)
    axes = figure.axes[0]
    # The threshold of 90 is the 91st of 100 calibration scores.
    peak, kmeans = (axes.containers[k] for k in (0, 2))
    np.testing.assert_allclose([bar.get_height() for bar in peak], [9, 49])
    np.testing.assert_allclose([bar.get_height() for bar in kmeans], [1, 50])
    assert peak.patches[0].get_hatch() is None
    assert kmeans.patches[0].get_hatch() == "//"
    row = rates[(rates["level"] == 90) & (rates["sample"] == "isolated")][0]
    ends = axes.containers[1].lines[2][0].get_segments()[0][:, 1] / 100
    expected = row["low_clustered"], row["high_clustered"]
    np.testing.assert_allclose(ends, expected, atol=1e-9)
    assert [text.get_text() for text in axes.texts] == ["9", "49", "1", "50"]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["isolated", "pre-merger\nalone"]
    assert legend(figure) == [
        "peak score",
        "k-means (fixed threshold)",
        "promised for normal objects (10%)",
    ]


def test_published_rates_lie_across_their_bars(rates):
    published = {
        ("pre_merger_alone", 90): 45,
        ("pre_merger_alone", "kmeans", 90): 7,
        ("isolated", 90): 10,
        ("isolated", 85): 15,
        ("post_merger", 90): 38,
    }
    figure = plots.rate_bars(rates, 90, published=published, published_label="2020")
    lines = [
        lines.get_segments()[0].tolist()
        for lines in figure.axes[0].collections
        if lines.get_label() in ("2020", "_")
    ]
    expected = [
        # The sample's line leaves out the bar that has its own: half of 0.84.
        [[0.58, 45], [1.0, 45]],
        [[1.0, 7], [1.42, 7]],
        [[-0.42, 10], [0.42, 10]],
    ]
    np.testing.assert_allclose(lines, expected)
    assert "2020" in legend(figure)


def test_bars_of_chosen_samples_and_scores(rates):
    figure = plots.rate_bars(rates, 85, ["pre_merger_alone"], ["peak_score"])
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.containers[0]] == [pytest.approx(54)]
    assert axes.get_ylabel() == "flagged at the 85% level"


def test_figures_leave_the_settings_alone(rates):
    before = matplotlib.rcParams["font.size"]
    plots.rate_bars(rates, 90)
    assert matplotlib.rcParams["font.size"] == before


def test_errors_name_what_is_missing(rates, binned):
    with pytest.raises(ValueError, match="`samples` must hold at least one sample. R"):
        plots.score_distributions({})
    with pytest.raises(ValueError, match="'a' must have at least one score .* 1 infin"):
        plots.score_distributions({"a": [1.0, np.inf]})
    with pytest.raises(ValueError, match="`a` must not be NaN. Received: 1 NaN among"):
        plots.score_distributions({"a": [1.0, np.nan]})
    with pytest.raises(ValueError, match="`tables` must hold at least one entry."):
        plots.rates_along({}, "x")
    with pytest.raises(ValueError, match=r"`panels\['mass'\]` must hold at least one"):
        plots.trend_panels({"mass": {}})
    with pytest.raises(ValueError, match="no column 'low_edge'"):
        plots.rates_along({"a": Table(binned["post_merger"])["bin", "n"]}, "x")
    with pytest.raises(ValueError, match="no column 'q25'"):
        plots.score_by_property({"time": binned["post_merger"]})
    with pytest.raises(ValueError, match="`panels` must hold at least one entry."):
        plots.score_by_property({})
    with pytest.raises(ValueError, match=r"must hold rates of .*\['x'\].* level 90."):
        plots.rate_bars(rates, 90, samples=["x"])
    with pytest.raises(ValueError, match="no column 'score'"):
        plots.rate_bars(rates["sample", "level"], 90)
