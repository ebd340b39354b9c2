from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import plots
from astroanomaly.evaluation import binomial_interval, evaluate


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
