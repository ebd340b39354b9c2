import numpy as np
import pytest

from astroanomaly.evaluation import auc
from astroanomaly.evaluation.classifier import (
    metrics_at,
    negatives_table,
    purity_at,
    reliability,
    set_table,
)
from astroanomaly.plots import classification as plots


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.5
    return 1 / (1 + np.exp(-rng.normal(size=n) - 3 * labels + 1.5)), labels


TEST = drawn(200, 1)
RINGS = (np.linspace(0, 1, 50), None)
REAL = ([0.9580, 0.7104, 0.9953, 0.8228], None)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines(axes, label):
    return next(line for line in axes.lines if line.get_label().startswith(label))


def test_histogram_draws_each_set_normalized_and_the_few_one_by_one():
    sets = {"test": TEST, "rings": RINGS, "real $1": REAL}
    figure = plots.output_histogram(sets, 0.7)
    n = int(TEST[1].sum())
    assert legend(figure) == [
        *(r"real \$1 (4)", f"test: lenses ({n})"),
        *(f"test: non-lenses ({200 - n})", "rings (50)"),
    ]
    strip, axes = figure.axes
    outlines = [p for p in axes.patches if not p.get_fill()]
    shares = [patch.get_data().values for patch in outlines]
    np.testing.assert_allclose([share.sum() for share in shares], 1)
    expected = np.histogram(TEST[0][TEST[1]], np.linspace(0, 1, 21))[0] / n
    np.testing.assert_allclose(shares[0], expected)
    # The non-lenses alone are filled.
    filled = [p.get_data().values for p in axes.patches if p.get_fill()]
    assert len(filled) == 1
    np.testing.assert_array_equal(filled[0], shares[1])
    assert axes.get_yscale() == "log"
    assert strip.lines[0].get_xdata().tolist() == REAL[0]
    for each in (strip, axes):
        assert 0.7 in [line.get_xdata()[0] for line in each.lines]
    assert strip.texts[0].get_text() == "called a lens from 0.7"


def test_histogram_of_many_or_of_few_alone():
    assert len(plots.output_histogram({"rings": RINGS}).axes) == 1
    (strip,) = plots.output_histogram({"real": REAL, "rest": REAL}).axes
    assert [line.get_ydata()[0] for line in strip.lines[:2]] == [0, -1]
    assert strip.get_xlabel() == "output: probability of a lens"


def test_reliability_draws_the_table():
    table = reliability(TEST[1], TEST[0], n_bins=5)
    figure = plots.reliability({"raw": table, "mended": reliability(*TEST[::-1])})
    axes, below = figure.axes
    drawn_points = axes.containers[0].lines[0]
    np.testing.assert_array_equal(drawn_points.get_xdata(), table["mean_probability"])
    np.testing.assert_array_equal(drawn_points.get_ydata(), table["lens_fraction"])
    bars = axes.containers[0].lines[2][0].get_segments()
    ends = np.stack([table["low"], table["high"]], axis=1)
    np.testing.assert_allclose([bar[:, 1] for bar in bars], ends, atol=1e-12)
    np.testing.assert_array_equal(below.patches[0].get_data().values, table["n"])
    meta = table.meta
    expected = f"raw  {meta['expected_calibration_error']:.3f} "
    expected += f"({meta['error_by_chance']:.3f})"
    assert axes.get_legend().get_texts()[0].get_text() == expected


def test_reliability_of_one_table_with_a_gap_between_its_bins():
    table = reliability([0, 0, 1, 1], [0.1, 0.15, 0.9, 0.95])
    axes, below = plots.reliability(table).axes
    assert not below.patches
    levels = [path[0, 1] for path in below.collections[0].get_segments()]
    assert levels == [2, 1, 1] or levels == [2, 2]
    assert axes.get_legend().get_texts()[0].get_text().startswith("0.")


def test_reliability_refuses():
    with pytest.raises(ValueError, match="`tables` must hold at least one table"):
        plots.reliability({})
    table = reliability(TEST[1], TEST[0])
    table.remove_column("low")
    with pytest.raises(ValueError, match="no column 'low'"):
        plots.reliability(table)


def test_roc_curves_mark_the_threshold():
    figure = plots.roc_curves({"test": TEST}, 0.6, n_bootstrap=50)
    (axes,) = figure.axes
    area = auc(TEST[1], TEST[0], n_bootstrap=50)
    spans = f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
    assert legend(figure) == [f"test  {spans}"]
    found = metrics_at(TEST[1], TEST[0], 0.6)
    mark = axes.containers[0].lines[0]
    assert mark.get_xdata() == found.false_positive_rate.value
    assert mark.get_ydata() == found.recall.value
    # Half a non-lens is where the axis begins: no rate lies left of it.
    start = 0.5 / int((~TEST[1]).sum())
    assert axes.get_xlim()[0] == start
    assert lines(axes, "test").get_xdata().min() == start
    texts = [axes.xaxis.get_major_formatter()(x) for x in (0.0001, 0.01, 1)]
    assert texts == ["0.01%", "1%", "100%"]


def test_roc_curves_on_a_straight_axis():
    figure = plots.roc_curves({"test": TEST}, log=False, n_bootstrap=0)
    (axes,) = figure.axes
    assert axes.get_xscale() == "linear"
    assert lines(axes, "test").get_xdata()[0] == 0
    assert legend(figure) == [f"test  {auc(TEST[1], TEST[0], 0).value:.3f}"]


def test_purity_has_a_curve_for_each_lens_fraction():
    figure = plots.purity_completeness({"test": TEST}, lens_fraction=(0.5, 0.01))
    (axes,) = figure.axes
    names = [text.split("  ")[0] for text in legend(figure)]
    assert names == ["test, 1 lens in 2", "test, 1 lens in 100"]
    found = metrics_at(TEST[1], TEST[0])
    for mark, share in zip(axes.containers, (0.5, 0.01), strict=True):
        point = mark.lines[0]
        assert point.get_xdata() == found.recall.value
        assert point.get_ydata() == purity_at(found, share).value
    # Thick only where ten non-lenses or more lie above the threshold.
    others = np.sort(TEST[0][~TEST[1]])[::-1]
    sure = lines(axes, "test, 1 lens in 2")
    kept = ~np.isnan(sure.get_ydata())
    cuts = np.unique(TEST[0])
    np.testing.assert_array_equal(kept[-len(cuts) :], cuts <= others[9])


def test_purity_of_the_set_as_it_is():
    truth = np.arange(200) < 50
    sets = {"test": (np.where(truth, 0.9, 0.2), truth)}
    figure = plots.purity_completeness(sets, 0.95)
    assert legend(figure) == ["test, 1 lens in 4  1.000"]
    # Nothing is called a lens at 0.95: there is no purity to mark.
    assert not figure.axes[0].containers
    with pytest.raises(ValueError, match="`lens_fraction` must lie strictly"):
        plots.purity_completeness(sets, lens_fraction=1.0)


def test_rates_of_sets_and_of_what_fools_the_finder():
    table = set_table({"single test": TEST, "rings": RINGS}, negatives="single test")
    kinds = negatives_table(["ring_galaxy", "spiral"], [0.9, 0.1])
    figure = plots.set_rates(table, kinds)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    n = int(TEST[1].sum())
    assert names == [
        *(f"single test ({n})", "rings (50)"),
        *("all non-lenses (2)", "ring galaxy (1)", "spiral (1)"),
    ]
    false, recall, below = (c.lines[0].get_xdata() for c in axes.containers)
    np.testing.assert_array_equal(false, table["false_positive_rate"])
    np.testing.assert_array_equal(recall, table["recall"])
    np.testing.assert_array_equal(below, [0.5, 1, 0])
    ring = lines(axes, "published recall").get_xdata()
    np.testing.assert_array_equal(ring, [0.473, np.nan])
    assert "published recall" in legend(figure)


def test_rates_without_negatives_or_published_numbers():
    figure = plots.set_rates(set_table({"mine": RINGS}))
    assert "published recall" not in legend(figure)
    with pytest.raises(ValueError, match="`table` must hold at least one set"):
        plots.set_rates(set_table({"mine": RINGS})[:0])
    with pytest.raises(ValueError, match="no column 'set'"):
        plots.set_rates(negatives_table(["spiral"], [0.1]))


@pytest.mark.parametrize(
    ("draw", "sets", "message"),
    [
        (plots.output_histogram, {}, "`outputs` must hold at least one set"),
        (plots.output_histogram, {"a": [0.1, 0.2]}, "must hold a pair"),
        (plots.output_histogram, {"a": ([0.1], [2])}, "`a: labels` must hold "),
        (plots.output_histogram, {"a": ([1.1], None)}, "`a: probabilities` must lie"),
        (plots.roc_curves, {"a": REAL}, "Every set needs labels.*None for a"),
        (plots.purity_completeness, {"a": REAL}, "Every set needs labels"),
        (plots.roc_curves, {"a": ([0.1, 0.2], [1, 1])}, "`a: labels` must hold both"),
    ],
)
def test_sets_that_cannot_be_drawn(draw, sets, message):
    with pytest.raises(ValueError, match=message):
        draw(sets)


@pytest.mark.parametrize(
    "draw", [plots.output_histogram, plots.roc_curves, plots.purity_completeness]
)
def test_thresholds_are_probabilities(draw):
    with pytest.raises(ValueError, match="`threshold` must lie between 0 and 1"):
        draw({"test": TEST}, 1.5)
