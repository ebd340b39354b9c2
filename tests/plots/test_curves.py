import numpy as np
import pytest

from astroanomaly import plots

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
    with pytest.raises(ValueError, match="two vectors of one length"):
        plots.roc([0, 1], {"peak_score": [1.0]})
    with pytest.raises(ValueError, match="both needed"):
        plots.roc([1, 1], {"peak_score": [1.0, 2.0]})
