from inspect import signature

import matplotlib
import pytest
from matplotlib.figure import Figure

from astroanomaly import plots
from astroanomaly.plots import style

ROC = ([0, 1, 0, 1], {"peak": [0.1, 0.9, 0.2, 0.7]})


def test_stricter_levels_are_darker():
    colors = style.level_colors(["90", "95", "99"])
    light = [sum(matplotlib.colors.to_rgb(c)) for c in colors.values()]
    assert list(colors) == ["", "90", "95", "99"]
    assert light == sorted(light, reverse=True)


def test_a_long_name_is_cut_in_its_middle():
    assert style.shorten("cosmos_0096", 14) == "cosmos_0096"
    cut = style.shorten("J100012.34+021234.5_F814W", 11)
    assert cut == "J1000\N{HORIZONTAL ELLIPSIS}F814W"
    assert len(cut) == 11


def test_curves_of_a_figure_never_share_a_color():
    colors = [style.curve_color(k) for k in range(40)]
    assert len(set(colors)) == 40


def test_a_plot_goes_where_the_caller_wants_it():
    figure = Figure(figsize=(6, 3))
    left, right = figure.subplots(1, 2)
    assert plots.roc(*ROC, ax=right) is figure
    assert len(right.lines) > 0
    assert len(left.lines) == 0
    assert left.xaxis.label.get_text() == ""
    assert list(plots.roc(*ROC, figsize=(4, 3)).get_size_inches()) == [4, 3]
    above, below = Figure().subfigures(2, 1)
    history = {"critic_loss": [1.0, 0.5]}
    assert plots.training_curves(history, fig=below) is below
    assert below.axes
    assert not above.axes
    assert {"ax", "fig", "figsize"} <= set(signature(plots.roc).parameters)
    with pytest.raises(ValueError, match="`ax` must be left out: training_curves"):
        plots.training_curves(history, ax=left)
    with pytest.raises(ValueError, match="one of `ax`, `fig` and `figsize`"):
        plots.roc(*ROC, ax=left, figsize=(4, 3))


def test_with_a_window_the_figure_is_one_that_pyplot_shows(monkeypatch):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plots.roc(*ROC)
    assert pyplot.get_fignums() == before
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "QtAgg")
    figure = plots.roc(*ROC)
    assert pyplot.figure(figure.number) is figure
    pyplot.close(figure)
