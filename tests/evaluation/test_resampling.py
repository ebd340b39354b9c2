"""Systems, their draws, ranks, adjusted p-values and bins."""

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table
from scipy.stats import rankdata, spearmanr

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import binomial_interval


def test_scores_masked_or_nan_are_refused_by_name():
    np.testing.assert_array_equal(checked_scores([1, 2], "peak"), [1.0, 2.0])
    with pytest.raises(ValueError, match="`peak` must not be NaN. Received: 1 NaN"):
        checked_scores(MaskedColumn([1.0, 2.0], mask=[True, False]), "peak")


def test_property_values_are_numbers_with_nan_where_missing():
    column = MaskedColumn([1, 2, 3], mask=[False, True, False])
    found = resampling.property_values(column, "mass", 3)
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0])


def test_named_takes_a_table_or_a_mapping():
    table = Table({"a": [1, 2], "b": [3, 4]})
    assert list(resampling.named(table)) == ["a", "b"]
    assert resampling.named({"a": [1]}) == {"a": [1]}


def test_system_codes():
    assert resampling.system_codes(None, 3).tolist() == [0, 1, 2]
    assert resampling.system_codes(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    words = np.array(["b", 7, "b"], dtype=object)
    assert len(set(resampling.system_codes(words, 3))) == 2


def test_one_per_system_draws_each_member_alike():
    codes = np.array([0, 1, 1, 1, 2])
    drawn = np.array([resampling.one_per_system(codes, seed) for seed in range(900)])
    assert (drawn[:, 0] == 0).all()
    assert (drawn[:, 2] == 4).all()
    counts = np.bincount(drawn[:, 1], minlength=4)[1:4]
    assert counts.sum() == 900
    # Four standard deviations of a third of 900.
    assert np.abs(counts - 300).max() < 4 * np.sqrt(900 * 2 / 9)


def test_draws_take_systems_whole(monkeypatch):
    codes = np.array([3, 3, 5, 9, 9, 9])
    whole = np.concatenate(list(resampling.draws(codes, 50, 1)))
    assert whole.shape == (50, 6)
    assert (whole[:, 0] == whole[:, 1]).all()
    assert (whole[:, 3] == whole[:, 5]).all()
    assert (whole[:, [0, 2, 3]].sum(axis=1) == 3).all()
    monkeypatch.setattr(resampling, "CELLS", 7 * len(codes))
    parts = list(resampling.draws(codes, 50, 1))
    assert len(parts) == 8
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_rank_correlations_equal_scipy_on_the_drawn_objects():
    rng = np.random.default_rng(2)
    columns = np.round(rng.normal(size=(3, 30)), 1)
    columns[2] += columns[0]
    weights = np.concatenate(list(resampling.draws(np.arange(30), 4, 3)))
    found = resampling.rank_correlations(columns, weights)
    for one, w in zip(found, weights.astype(int), strict=True):
        theirs = spearmanr(np.repeat(columns, w, axis=1), axis=1).statistic
        np.testing.assert_allclose(one, theirs, atol=1e-12)


def test_a_draw_without_variation_has_no_correlation():
    columns = np.array([[1.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    found = resampling.rank_correlations(columns, np.array([[1.0, 2.0, 0.0]]))
    assert np.isnan(found[0, 0, 1])
    assert np.isnan(resampling.percentile_interval(found)[:, 0, 1]).all()


def test_percentile_interval_leaves_nan_out():
    values = np.append(np.arange(1001.0), np.nan)
    np.testing.assert_allclose(resampling.percentile_interval(values), [25, 975])


def test_holm_by_hand():
    # Holm (1979): 0.01 * 4, 0.02 * 3, 0.03 * 2 raised to 0.06, 0.9 * 1.
    found = resampling.holm([0.03, 0.9, 0.01, 0.02])
    np.testing.assert_allclose(found, [0.06, 0.9, 0.04, 0.06])
    np.testing.assert_allclose(resampling.holm([0.6, 0.5]), [1.0, 1.0])
    np.testing.assert_allclose(resampling.holm([np.nan, 0.02]), [np.nan, 0.02])


def test_design_effect_of_agreeing_and_independent_members():
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(2000), 3)
    agreeing = (rng.random(2000) < 0.3)[codes].astype(float)
    apart = (rng.random(6000) < 0.3).astype(float)
    both = np.stack([agreeing, apart], axis=1)
    found = resampling.clustered_rates(both, codes, 200, 0)
    # n_sys / (n_sys - 1) * 3, cut at what agreement gives.
    assert found.design_effect[0] == 3.0
    assert found.design_effect[1] == pytest.approx(1, abs=0.1)
    width = found.high - found.low
    sd = np.sqrt(0.3 * 0.7 / np.array([2000, 6000]))
    np.testing.assert_allclose(width, 2 * 1.96 * sd, rtol=0.15)


def test_design_effect_by_hand():
    # Systems (1, 0), (1,), (0,): rate 1/2, sums less rate 0, 1/2, -1/2.
    flagged = np.array([[1.0], [0.0], [1.0], [0.0]])
    found = resampling.clustered_rates(flagged, np.array([0, 0, 1, 2]), 10, 0)
    # 3/2 * (1/2) / 16, over 1/4 / 4: 0.75, but never below 1.
    assert found.design_effect[0] == 1.0
    flagged = np.array([[1.0], [1.0], [0.0], [0.0]])
    found = resampling.clustered_rates(flagged, np.array([0, 0, 1, 2]), 10, 0)
    # Sums 1, -1/2, -1/2: 3/2 * (3/2) / 16 over 1/16 is 2.25, at most 6/4.
    assert found.design_effect[0] == 1.5


def test_where_none_or_all_are_flagged_systems_count_once():
    both = np.repeat([[0.0, 1.0]], 12, axis=0)
    found = resampling.clustered_rates(both, np.repeat(np.arange(4), 3), 20, 0)
    for k, column in ((0, 0), (4, 1)):
        ends = found.low[column], found.high[column]
        assert ends == binomial_interval(k, 4)
    np.testing.assert_allclose(found.design_effect, 3)


def test_one_system_has_no_interval():
    found = resampling.clustered_rates(np.array([[1.0], [0.0]]), np.zeros(2, int), 9, 0)
    assert np.isnan(found).all()


def test_bins_of_numbers_by_hand():
    values = np.array([0.0, 1.0, 2.0, 2.0, 5.0, np.nan])
    bins, counts = resampling.binned(values, (0, 1, 2), 6)
    assert [part.members.sum() for part in bins] == [1, 3]
    assert [part[1:4] for part in bins] == [(0, 1, 0), (1, 2, 2)]
    assert counts == {"n_missing": 1, "n_outside": 1}
    bins, _ = resampling.binned(values, 2, 6)
    assert [part[1:3] for part in bins] == [(0, 2), (2, 5)]
    assert len(resampling.binned(np.arange(20), None, 20)[0]) == 4


def test_bins_of_words():
    column = Column(["disc", "irr", "", "disc"])
    bins, counts = resampling.binned(column, None, 4)
    assert [(part.name, int(part.members.sum())) for part in bins] == [
        ("disc", 2),
        ("irr", 1),
    ]
    assert np.isnan(bins[0][1:4]).all()
    assert counts == {"n_missing": 1, "n_outside": 0}


def test_quantile_bins_hold_equal_counts():
    values = np.random.default_rng(1).normal(size=300)
    edges = resampling.quantile_bins(values, 5)
    assert np.histogram(values, edges)[0].tolist() == [60] * 5
    tied = resampling.quantile_bins([0, 0, 0, 0, 1, 2], 3)
    assert len(tied) < 4
    assert rankdata(tied).tolist() == list(range(1, len(tied) + 1))


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (resampling.binned, ([1.0], (0, 1), 2, "mass"), "`mass` must have one value"),
        (resampling.binned, ([np.nan] * 2, (0, 1), 2, "mass"), "`mass` must .*: 2"),
        (resampling.quantile_bins, ([1.0], 0), "Quantile bins need at .*`n` 0"),
        (resampling.quantile_bins, ([1.0, 1.0], 3), "`values` must differ .* only 1.0"),
        (resampling.property_values, ([1.0], "mass", 2), "`mass` must have one value"),
        (
            resampling.property_values,
            (["a"], "mass", 1),
            "`mass` must hold numbers.*<U1",
        ),
        (
            *(resampling.property_values, ([np.inf, 1.0, np.nan], "mass", 3)),
            "`mass` must be finite, or NaN .*1 infinite",
        ),
        (resampling.named, ({},), "`properties` must hold at least one prop"),
        (resampling.system_codes, (["a"], 3), "`groups` must name the system of each"),
        (resampling.system_codes, (["a", ""], 2), "Received: 1 of 2 objects without"),
    ],
)
def test_what_cannot_be_used_is_refused(function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
