import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

from astroanomaly.plots import parts


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("pre_merger_alone", "pre-merger alone"),
        ("post_merger", "post-merger"),
        ("kmeans", "k-means"),
        ("peak_score", "peak score"),
        ("spread_of_pre", "spread of pre"),
        ("a$b", r"a\$b"),
    ],
)
def test_names_become_words(name, shown):
    assert parts.words(name) == shown


def test_edges_show_the_bulk_of_each_group_and_all_marks():
    bulk = np.append(np.linspace(1, 2, 9999), 1e6)
    edges, scale = parts.robust_edges([bulk], [], 10)
    assert scale == "linear"
    assert 2 < edges[-1] < 2.1
    edges, scale = parts.robust_edges([bulk, [100.0, 101.0]], [0.5, 300.0], 10)
    assert scale == "log"
    assert len(edges) == 11
    assert edges[0] < 0.5
    assert edges[-1] > 300
    edges, _ = parts.robust_edges([[3.0, 3.0]], [], 4)
    assert edges[0] < 3 < edges[-1]


def test_intervals_over_systems_fall_back_where_there_is_one_system():
    table = Table({"rate": [0.5, 0.5], "low": [0.4, 0.1], "high": [0.6, 0.9]})
    assert parts.intervals(table)[1].tolist() == [0.4, 0.1]
    table["low_clustered"], table["high_clustered"] = [0.3, np.nan], [0.7, np.nan]
    rate, low, high = parts.intervals(table)
    assert low.tolist() == [0.3, 0.1]
    assert high.tolist() == [0.7, 0.9]
    np.testing.assert_allclose(parts.lengths(rate, low, high)[0], [0.2, 0.4])
    assert (parts.lengths(np.array([0.0]), np.array([1e-17]), 0.1) >= 0).all()


def test_places_are_medians_or_middles_or_numbers_of_words():
    table = Table({"bin": ["a", "b"], "low_edge": [0.0, 1.0], "high_edge": [1.0, 3.0]})
    table["value"] = [0.3, np.nan]
    x, low, high, names = parts.places(table)
    assert (x.tolist(), names) == ([0.3, 2.0], [])
    assert (low.tolist(), high.tolist()) == ([0, 1], [1, 3])
    for name in ("low_edge", "high_edge", "value"):
        table[name] = np.nan
    x, low, high, names = parts.places(table)
    assert (x.tolist(), names) == ([0, 1], ["a", "b"])
    assert (low.tolist(), high.tolist()) == ([-0.5, 0.5], [0.5, 1.5])


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [(0.1, 1.0, "linear"), (0.1, 5.0, "log"), (-1.0, 99.0, "linear")],
)
def test_scales(low, high, scale):
    axes = Figure().add_subplot()
    parts.set_scale(axes, low, high, [])
    assert axes.get_xscale() == scale


def test_rates_without_an_object_still_have_an_axis():
    nothing = dict.fromkeys(("rate", "low", "high"), [np.nan])
    axes = Figure().add_subplot()
    parts.set_rates(axes, [{"a": Table(nothing)}], None)
    assert axes.get_ylim()[1] == pytest.approx(0.055)


def test_a_level_comes_before_a_fixed_threshold():
    table = Table(
        {
            "sample": ["a", "a", "a"],
            "score": ["s", "s", "t"],
            "level": [np.nan, 90, np.nan],
            "rate": [0.5, 0.4, 0.3],
            "low": [0.4, 0.3, 0.2],
            "high": [0.6, 0.5, 0.4],
        }
    )
    for rows in ([0, 1, 2], [1, 0, 2]):
        cells = parts.rate_cells(table[rows], 90)
        assert cells["a", "s"] == pytest.approx((40, 30, 50, False))
        assert cells["a", "t"] == pytest.approx((30, 20, 40, True))
