import numpy as np
import pytest
from astropy.table import Table
from matplotlib.colors import to_rgba

from astroanomaly import plots
from astroanomaly.evaluation import contamination
from astroanomaly.plots.contamination import spread
from astroanomaly.plots.style import BLUE, CYCLE, GREY

SHARES = (0.0, 0.005, 0.1)
SCORES = {"gan": ("total", "peak"), "dcae": ("residual", "mse"), "pca": ("mse",)}


def study():
    rows = []
    for k, (model, scores) in enumerate(SCORES.items()):
        for score in scores:
            for p in SHARES[::-1]:
                for seed in (0, 1) if p == 0.1 else (0,):
                    auc = 0.9 - 0.1 * k - p + 0.02 * seed - 0.05 * (score == "peak")
                    rows.append((model, score, p, seed, auc, auc - 0.04, auc + 0.05))
    names = "model", "score", "training_contamination", "seed", "auc", "low", "high"
    table = Table(rows=rows, names=names)
    table["n_normal"], table["n_anomalous"], table["seconds"] = 100, 1, 1.0
    return table


@pytest.fixture
def summary():
    return contamination.summarize(study())


@pytest.fixture
def losses():
    table = contamination.auc_loss(study())
    table["low"], table["high"] = table["loss"] - 0.02, table["loss"] + 0.03
    return table


def curves(axes):
    """Give the curves, without the ticks of their seeds."""
    return [container.lines[0] for container in axes.containers]


def names(axes):
    return [text.get_text() for text in axes.texts]


def is_blue(points):
    return [tuple(color) == to_rgba(BLUE) for color in points.get_facecolors()]


def note(figure):
    return figure.get_supxlabel()


def test_curves_show_areas_with_their_intervals_in_even_steps(summary):
    axes = plots.contamination_curves(summary).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0%", "0.5%", "10%"]
    assert len(axes.containers) == 3
    rows = summary[(summary["model"] == "gan") & (summary["score"] == "total")]
    rows.sort("training_contamination")
    drawn = axes.containers[0]
    np.testing.assert_allclose(drawn.lines[0].get_ydata(), rows["auc"])
    np.testing.assert_allclose(np.diff(drawn.lines[0].get_xdata()), 1.0)
    ends = np.array(drawn.lines[2][0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.stack([rows["low"], rows["high"]], axis=1))
    # Bars of several models stand beside each other.
    places = [line.get_xdata()[0] for line in curves(axes)]
    assert np.diff(places) == pytest.approx(0.15)


def test_ticks_are_a_standard_deviation_of_the_seeds(summary):
    figure = plots.contamination_curves(summary, {"gan": "total"})
    low, high = figure.axes[0].lines[-2:]
    middle = 0.81
    spread = np.std([0.8, 0.82], ddof=1)
    expected = [np.nan, np.nan, middle - spread]
    np.testing.assert_allclose(low.get_ydata(), expected)
    np.testing.assert_allclose(high.get_ydata()[2], middle + spread)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["95% interval", "\N{PLUS-MINUS SIGN} 1 s.d. of seeds"]
    summary["seed_spread"] = np.nan
    figure = plots.contamination_curves(summary)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["95% interval", "baselines"]


@pytest.mark.parametrize(
    ("score", "at_zero"),
    [
        (None, [0.9, 0.8, 0.7]),
        ("peak", [0.85, 0.7]),
        ({"dcae": "mse", "gan": "peak"}, [0.8, 0.85]),
    ],
)
def test_the_score_is_the_published_one_or_as_asked(summary, score, at_zero):
    axes = plots.contamination_curves(summary, score).axes[0]
    np.testing.assert_allclose([line.get_ydata()[0] for line in curves(axes)], at_zero)


def test_models_are_named_at_their_ends_and_baselines_are_dashed_grey(summary):
    labels = {"gan": "progressive $GAN$"}
    axes = plots.contamination_curves(summary, labels=labels).axes[0]
    assert names(axes) == ["pca", "dcae", r"progressive \$GAN\$"]
    gan, dcae, pca = curves(axes)
    assert [gan.get_color(), dcae.get_color()] == [*CYCLE[:2]]
    assert (gan.get_linestyle(), pca.get_linestyle()) == ("-", "--")
    assert axes.texts[0].get_color() == GREY
    for text, line in zip(axes.texts, (pca, dcae, gan), strict=True):
        np.testing.assert_allclose(text.xy, line.get_xydata()[-1])


def test_what_is_highlighted_is_in_color(summary):
    axes = plots.contamination_curves(summary, highlight=["dcae", "pca"]).axes[0]
    gan, dcae, pca = curves(axes)
    assert [dcae.get_color(), pca.get_color()] == [*CYCLE[:2]]
    assert gan.get_color() not in CYCLE
    assert gan.get_linestyle() == "-"
    assert gan.get_linewidth() < dcae.get_linewidth()


def test_beyond_seven_models_dashes_tell_them_apart():
    rows = [(f"m{k}", "mse", 0.1, 0.5 + 0.04 * k, np.nan, np.nan) for k in range(9)]
    columns = "model", "score", "training_contamination", "auc", "low", "high"
    table = Table(rows=rows, names=columns)
    table["seed_spread"] = np.nan
    lines = curves(plots.contamination_curves(table).axes[0])
    styles = {(line.get_color(), line.is_dashed(), line.get_marker()) for line in lines}
    assert len({style[:2] for style in styles}) == 9


def test_missing_cells_leave_gaps_and_missing_models_are_named(summary):
    keep = (summary["model"] != "pca") | (summary["training_contamination"] != 0.1)
    score = {"gan": "total", "pca": "mse", "aae_2": "mse", "dcae": "peak"}
    figure = plots.contamination_curves(summary[keep], score, labels={"dcae": "DCAE"})
    gan, pca = curves(figure.axes[0])
    assert (len(gan.get_xdata()), len(pca.get_xdata())) == (3, 2)
    assert note(figure) == "not in the table: aae 2, DCAE"
    summary["auc"][summary["model"] == "pca"] = np.nan
    figure = plots.contamination_curves(summary)
    assert names(figure.axes[0]) == ["dcae", "gan"]
    assert note(figure) == "not in the table: pca"
    assert note(plots.contamination_curves(summary, {"gan": "total"})) == ""


def test_a_wide_interval_does_not_hide_the_points(summary):
    summary["low"], summary["high"] = summary["auc"] - 0.01, summary["auc"] + 0.01
    axes = plots.contamination_curves(summary).axes[0]
    assert 0.56 < axes.get_ylim()[0] < summary["low"].min()
    summary["low"], summary["high"] = 0.0, 1.0
    axes = plots.contamination_curves(summary).axes[0]
    points = np.concatenate([line.get_ydata() for line in curves(axes)])
    span = min(1.0, points.max() + 0.15) - (points.min() - 0.15)
    assert axes.get_ylim()[0] == pytest.approx(points.min() - 0.15 - 0.04 * span)
    # Chance comes into view.
    assert [0.5, 0.5] in [list(line.get_ydata()) for line in axes.lines]


def test_names_keep_apart_and_near_their_lines():
    np.testing.assert_allclose(spread([0.1, 0.5, 0.9], 0.1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(spread([0.1, 0.5, 0.5], 0.1), [0.1, 0.45, 0.55])
    np.testing.assert_allclose(spread([0.3, 0.3, 0.3], 0.1), [0.2, 0.3, 0.4])


def test_losses_are_sorted_least_on_top_with_their_intervals(losses):
    figure = plots.auc_loss(losses, labels={"gan": "GAN"})
    axes = figure.axes[0]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(shown) == [
        "GAN (peak)",
        "GAN (total)",
        "dcae (mse)",
        "dcae (residual)",
        "pca",
    ]
    bars, _, points = axes.collections
    x, y = points.get_offsets().T
    assert y.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(x, np.sort(losses["loss"])[::-1])
    ends = np.array(bars.get_segments())[:, :, 0]
    np.testing.assert_allclose(ends - x[:, None], [[-0.02, 0.03]] * 5)
    assert axes.get_xlabel() == "AUC lost from 0% to 10% contamination"
    assert names(axes) == [f"{value:+.3f}" for value in x]


def test_the_thick_part_is_for_other_test_objects(losses):
    losses["test_low"], losses["test_high"] = (
        losses["loss"] - 0.01,
        losses["loss"] + 0.01,
    )
    figure = plots.auc_loss(losses)
    bars, thick, points = figure.axes[0].collections
    assert thick.get_linewidth()[0] > bars.get_linewidth()[0]
    ends = np.array(thick.get_segments())[:, :, 0]
    np.testing.assert_allclose(ends - points.get_offsets()[:, :1], [[-0.01, 0.01]] * 5)
    assert len(figure.legends) == 1
    losses.remove_columns(["test_low", "test_high"])
    assert not plots.auc_loss(losses).legends


def test_losses_of_baselines_are_grey_and_missing_models_are_named(losses):
    losses.meta["missing"] = ["gan, mse", "aae, total", "aae, mse"]
    alone = losses[[0, 2, 4]]
    figure = plots.auc_loss(alone)
    axes = figure.axes[0]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    blue = dict(zip(shown, is_blue(axes.collections[-1]), strict=True))
    assert blue == {"gan": True, "dcae": True, "pca": False}
    assert note(figure) == "not in the table: aae"
    axes = plots.auc_loss(alone, highlight=["pca"]).axes[0]
    assert is_blue(axes.collections[-1]) == [name == "pca" for name in shown]


def test_errors_name_what_is_missing(summary, losses):
    with pytest.raises(ValueError, match="no column 'seed_spread'"):
        plots.contamination_curves(study())
    with pytest.raises(
        ValueError, match="Received: score {'aae': 'mse'}; models .'dca"
    ):
        plots.contamination_curves(summary, {"aae": "mse"})
    with pytest.raises(
        ValueError, match=r"`highlight` must .* \['x'\]; shown are .'gan"
    ):
        plots.contamination_curves(summary, highlight=["x", "gan"])
    with pytest.raises(ValueError, match="no column 'low'"):
        plots.auc_loss(losses["model", "score", "loss"])
    with pytest.raises(ValueError, match="`losses` must have at least one row. Rec"):
        plots.auc_loss(losses[:0])
    with pytest.raises(ValueError, match=r"`highlight` must name .* Received: \['x'\]"):
        plots.auc_loss(losses, highlight=["x"])
