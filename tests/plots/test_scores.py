import sys
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.colors import to_hex

from astroanomaly import plots
from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts


@pytest.fixture
def calibration():
    return Calibration(np.arange(1.0, 1001.0))


def thresholds(axes):
    return {
        line.get_label(): line.get_xdata()[0]
        for line in axes.lines
        if "level" in line.get_label()
    }


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_thresholds_stand_where_the_calibration_puts_them(table, calibration):
    figure = plots.score_histogram(table, calibration)
    assert thresholds(figure.axes[0]) == {
        # ceil(1001 x 0.9) and so on.
        "90% level: 901": 901.0,
        "95% level: 951": 951.0,
        "99% level: 991": 991.0,
    }
    figure = plots.score_histogram(table, calibration, levels=(85, 99.5))
    assert list(thresholds(figure.axes[0]).values()) == [851.0, 996.0]
    assert "calibration (1,000)" in legend(figure)


def test_thresholds_come_from_the_table_when_there_is_no_calibration(table):
    table.meta.update(score="peak", thresholds={"90": 3.5, "99": 4.5})
    axes = plots.score_histogram(table).axes[0]
    assert list(thresholds(axes).values()) == [3.5, 4.5]
    # They were made for the ranking score and say nothing of another one.
    axes = plots.score_histogram(table, score="feature_score").axes[0]
    assert thresholds(axes) == {}


def test_each_population_adds_up_to_one(table):
    figure = plots.score_histogram({"isolated": [1, 2, 3], "mergers": [4, 5]}, bins=7)
    filled = [p for p in figure.axes[0].patches if p.get_fill()]
    assert [patch.get_data().values.sum() for patch in filled] == [1.0, 1.0]
    assert legend(figure) == ["isolated (3)", "mergers (2)"]
    first, second = (to_hex(patch.get_facecolor()) for patch in filled)
    assert first != second


def test_labels_are_matched_by_id(table):
    labels = Table(
        {
            "object_id": ["a", "b", "c", "d", "e", "unused"],
            "is_anomaly": [False, True, False, False, True, True],
        }
    )
    figure = plots.score_histogram(table, labels=labels, bins=4)
    normal, anomalous = (p for p in figure.axes[0].patches if p.get_fill())
    edges = anomalous.get_data().edges
    held = edges[:-1][anomalous.get_data().values > 0]
    assert held.min() >= 2.9
    assert legend(figure) == ["normal (3)", "anomalous (2)"]
    table["truth"] = table["anomaly_score"] > 3.5
    assert legend(plots.score_histogram(table, labels="truth")) == legend(figure)
    with pytest.raises(ValueError, match="object_id 'e' is not in the labels"):
        plots.score_histogram(table, labels=labels[:4])


def test_nan_scores_are_left_out_and_counted(table):
    table["anomaly_score"][0] = np.nan
    assert legend(plots.score_histogram(table)) == [
        "scored objects (4, 1 NaN left out)"
    ]
    table["anomaly_score"] = np.nan
    with pytest.raises(ValueError, match="no finite anomaly_score"):
        plots.score_histogram(table)


def test_a_wide_range_of_positive_scores_is_logarithmic():
    assert plots.score_histogram({"a": [1, 100]}).axes[0].get_xscale() == "log"
    assert plots.score_histogram({"a": [-1, 100]}).axes[0].get_xscale() == "linear"
    assert plots.score_histogram({"a": [3, 3]}).axes[0].get_xscale() == "linear"


def test_levels_need_a_calibration(table):
    with pytest.raises(ValueError, match=r"`levels` \(85,\) need the calibration"):
        plots.score_histogram(table, levels=(85,))


@pytest.fixture
def features():
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0, 1, (20, 60)), rng.normal(9, 1, (10, 60))])


def test_feature_map_keeps_two_groups_apart(features):
    truth = np.arange(30) >= 20
    figure = plots.feature_map(features, labels=truth, seed=1, perplexity=5)
    normal, anomalous = (c.get_offsets() for c in figure.axes[0].collections)
    assert (len(normal), len(anomalous)) == (20, 10)
    nearest = np.linalg.norm(normal[:, None] - anomalous[None], axis=-1).min()
    within = np.linalg.norm(anomalous[:, None] - anomalous[None], axis=-1)
    within[np.diag_indices(10)] = np.inf
    assert nearest > within.min(axis=1).max()
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["normal (20)", "anomalous (10)"]


def test_feature_map_is_reproducible_and_colours_by_rank(features):
    scores = np.arange(30.0) ** 3
    maps = [
        plots.feature_map(features, scores=scores, seed=2, perplexity=5)
        for _ in range(2)
    ]
    points = [figure.axes[0].collections[0] for figure in maps]
    np.testing.assert_array_equal(points[0].get_offsets(), points[1].get_offsets())
    np.testing.assert_allclose(points[0].get_array()[-1], 100.0)
    assert maps[0].axes[1].get_ylabel() == "percentile of the score"


def test_feature_map_refuses_what_it_cannot_map(features):
    with pytest.raises(ValueError, match=r"n >= 4. Received: shape \(3, 60\)"):
        plots.feature_map(features[:3])
    with pytest.raises(ValueError, match="30 rows, the colours have 2"):
        plots.feature_map(features, labels=[1, 2])
    with pytest.raises(ValueError, match="not both"):
        plots.feature_map(features, labels=[1] * 30, scores=[1] * 30)
    with pytest.raises(ValueError, match="`scores` holds NaN"):
        plots.feature_map(features, scores=[np.nan] * 30)
    with pytest.raises(ValueError, match="`method`.*Received: 'pca'"):
        plots.feature_map(features, method="pca")
    with pytest.raises(ValueError, match="`cutouts`.*30 rows. Received: 2"):
        plots.feature_map(features, cutouts=Cutouts(np.zeros((2, 8, 8))))


def test_feature_map_shows_pictures_at_the_places_of_their_objects(
    features, monkeypatch
):
    class Plane:
        def __init__(self, n_neighbors, random_state):
            assert (n_neighbors, random_state) == (15, 4)

        def fit_transform(self, features):
            return np.stack(np.divmod(np.arange(30.0), 6), axis=1)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Plane))
    images = np.tile(np.arange(64.0).reshape(8, 8), (30, 1, 1))
    options = {"method": "umap", "seed": 4, "cutouts": Cutouts(images)}
    axes = plots.feature_map(features, n_pictures=9, **options).axes[0]
    assert len(axes.images) == 9
    places = {(k // 6, k % 6) for k in range(30)}
    middles = {
        (round(np.mean(i.get_extent()[:2]), 9), round(np.mean(i.get_extent()[2:]), 9))
        for i in axes.images
    }
    assert middles <= places
    # One in each third of both axes.
    assert len({(int(x * 3 / 4.001), int(y * 3 / 5.001)) for x, y in middles}) == 9
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="maps"):
        plots.feature_map(features, method="umap")


HISTORY = {
    "wasserstein": [8.0, 4.0, 2.0],
    "critic_loss": [-8.0, -4.0, -2.0],
    "generator_loss": [1.0, 2.0, 3.0],
    "gradient_penalty": [0.3, 0.2, 0.1],
}
NAMES = ["critic loss", "generator loss", "gradient penalty", "Wasserstein estimate"]


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def test_training_curves_draw_each_metric_of_a_dict():
    drawn = panels(plots.training_curves(HISTORY))
    assert list(drawn) == NAMES
    line = drawn["critic loss"].lines[0]
    np.testing.assert_allclose(line.get_xydata(), [[0, -8], [1, -4], [2, -2]])
    assert drawn["gradient penalty"].get_xlabel() == "epoch"


@pytest.mark.parametrize(
    ("recorded", "drawn"),
    [
        (
            ("beta", "kl", "loss", "reconstruction_loss"),
            ["loss", "reconstruction loss", "KL divergence", "KL weight"],
        ),
        (
            ("adversarial_loss", "critic_loss", "loss"),
            ["loss", "critic loss", "adversarial loss"],
        ),
        (("free_energy_gap", "loss"), ["loss", "free energy gap"]),
    ],
)
def test_training_curves_begin_with_the_loss(recorded, drawn):
    history = {name: [2.0 + k, 1.0 + k] for k, name in enumerate(recorded)}
    shown = panels(plots.training_curves(history))
    assert list(shown) == drawn
    line = shown["loss"].lines[0].get_ydata()
    np.testing.assert_allclose(line, history["loss"])


def test_training_curves_read_a_file_and_a_keras_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,critic_loss,extra_metric\n5,-1,\n6,-2,7\n")
    drawn = panels(plots.training_curves(path))
    assert list(drawn) == ["critic loss", "extra metric"]
    np.testing.assert_allclose(
        drawn["critic loss"].lines[0].get_xydata(), [[5, -1], [6, -2]]
    )
    np.testing.assert_allclose(drawn["extra metric"].lines[0].get_ydata(), [np.nan, 7])

    class History:
        epoch = [3, 4]
        history = {"loss": [2.0, 1.0], "val_loss": [3.0, 2.5]}

    axes = panels(plots.training_curves(History()))["loss"]
    assert [line.get_label() for line in axes.lines] == ["training", "held out"]
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[3, 3], [4, 2.5]])


def test_training_curves_refuse_an_empty_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,critic_loss\n")
    for history in ({}, {"epoch": []}, {"critic_loss": []}, path):
        with pytest.raises(ValueError, match="holds no epoch"):
            plots.training_curves(history)


def test_roc_gives_the_area_of_each_curve_best_first():
    labels = [0, 0, 1, 1]
    figure = plots.roc(
        labels, {"brightness": [1.0, 3.0, 2.0, 4.0], "peak_score": [1.0, 2.0, 3.0, 4.0]}
    )
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["1.000  peak score", "0.750  brightness"]
    _, peak, brightness = figure.axes[0].lines
    assert peak.get_linewidth() > brightness.get_linewidth()
    assert np.trapezoid(*brightness.get_data()[::-1]) == pytest.approx(0.75)


def test_roc_refuses_what_has_no_curve():
    with pytest.raises(ValueError, match="at least one score"):
        plots.roc([0, 1], {})
    with pytest.raises(ValueError, match="`labels` must"):
        plots.roc([0, 1], {"peak_score": [1.0]})
    with pytest.raises(ValueError, match="`labels`"):
        plots.roc([1, 1], {"peak_score": [1.0, 2.0]})
