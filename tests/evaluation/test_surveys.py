"""Whether two samples of scores differ, and along which property."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import ks_2samp, mannwhitneyu

from astroanomaly.calibration import Calibration
from astroanomaly.evaluation.roc_auc import auc, binomial_interval
from astroanomaly.evaluation.surveys import by_property, two_samples


def draw(seed, n=300, m=200, mean=0.0, width=1.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(mean, width, size=m)


def test_numbers_are_those_of_scipy_and_of_the_calibration():
    old, new = draw(1, mean=0.7)
    found = two_samples(old, new, n_bootstrap=200, seed=3)
    theirs = ks_2samp(old, new, method="asymp")
    assert (found.statistic, found.p_value) == (theirs.statistic, theirs.pvalue)
    u = mannwhitneyu(new, old).statistic
    assert found.area == pytest.approx(u / (300 * 200))
    is_new = np.arange(500) >= 300
    area = auc(is_new, np.r_[old, new], 200, 3)
    assert (found.area_low, found.area_high) == (area.low, area.high)
    calibration = Calibration(old, (95,))
    assert found.limit == calibration.thresholds[95]
    k = calibration.is_anomaly(new, 95).sum()
    assert found.fraction_above == k / 200
    assert (found.fraction_low, found.fraction_high) == binomial_interval(k, 200)
    assert (found.median_reference, found.median_other) == (
        np.median(old),
        np.median(new),
    )


@pytest.mark.parametrize(
    ("mean", "width", "verdict"),
    [
        (0.0, 1.0, "No difference of the scores is seen"),
        (0.8, 1.0, "The other scores are higher"),
        (-0.8, 1.0, "The other scores are lower"),
        (0.0, 4.0, "The scores differ, neither sample above the other"),
    ],
)
def test_the_sentence_says_what_is_seen(mean, width, verdict):
    found = two_samples(*draw(2, mean=mean, width=width), n_bootstrap=200)
    assert found.message.startswith(f"{verdict}: one of the 200 other objects")
    assert f"probability {found.area:.3f} ({found.area_low:.3f} to" in found.message
    assert f"p-value {found.p_value:.2g}" in found.message
    assert f"percentile, {found.limit:.4g}." in found.message


def test_p_is_uniform_for_clustered_samples_that_do_not_differ():
    p, naive = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), 3)
        old, new = (
            rng.normal(size=60)[groups] + 0.3 * rng.normal(size=180) for _ in range(2)
        )
        args = {"reference_groups": groups, "other_groups": groups}
        found = two_samples(old, new, seed, 0, **args)
        assert (found.n_reference, found.n_other) == (60, 60)
        p.append(found.p_value)
        naive.append(two_samples(old, new, n_bootstrap=0).p_value)
    # The asymptotic p-value of Kolmogorov and Smirnov is a little conservative.
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.0475 / 300)
    assert np.mean(np.array(naive) <= 0.05) > 0.15


def test_same_seed_same_bits():
    old, new = draw(3)
    groups = np.arange(300) // 2
    one, two = (two_samples(old, new, 1, 50, reference_groups=groups) for _ in "ab")
    assert one == two
    assert one != two_samples(old, new, 2, 50, reference_groups=groups)


def test_by_property_by_hand():
    values = [0.0, 1.0, 1.5, 2.0, 9.0, np.nan, 0.5]
    scores = [1.0, 2.0, 3.0, 99.0, 5.0, 6.0, 2.0]
    table = by_property(scores, values, (0, 1, 2, 3), np.arange(1, 101))
    assert table["n"].tolist() == [2, 2, 1]
    assert table["median"].tolist() == [1.5, 2.5, 99.0]
    assert table["q25"].tolist() == [1.25, 2.25, 99.0]
    assert table["q75"].tolist() == [1.75, 2.75, 99.0]
    assert table["value"].tolist() == [0.25, 1.25, 2.0]
    assert table["n_above"].tolist() == [0, 0, 1]
    ends = binomial_interval([0, 0, 1], [2, 2, 1])
    np.testing.assert_allclose([table["low"], table["high"]], ends)
    assert (table.meta["n_missing"], table.meta["n_outside"]) == (1, 1)
    assert table.meta["limit"] == 96
    assert table.meta["reference_quartiles"] == (25.75, 50.5, 75.25)


def test_without_a_reference_there_is_nothing_above_it():
    table = by_property([1.0, 2.0], [0.1, 0.2])
    assert table.colnames[-1] == "q75"
    assert table["n"].sum() == 2


def test_each_bin_against_the_reference_of_the_same_bin():
    rng = np.random.default_rng(4)
    size, own = rng.random(400), rng.random(300)
    # Small objects score high in both: no difference. Large ones only in one.
    old, new = rng.normal(size=400) - 3 * size, rng.normal(size=300)
    new -= np.where(own < 0.5, 3 * own, 0)
    args = own, (0, 0.5, 1, 2), old, size
    table = by_property(new, *args, seed=1, n_bootstrap=200)
    small, large, none = table
    assert small["area_low"] < 0.5 < small["area_high"]
    assert large["area_low"] > 0.8
    assert (none["n"], none["n_reference"]) == (0, 0)
    assert np.isnan([*none["median", "median_reference", "area", "area_low"]]).all()
    inside = size < 0.5
    expected = auc(
        np.arange(inside.sum() + small["n"]) >= inside.sum(),
        np.r_[old[inside], new[own < 0.5]],
        200,
        1,
    )
    assert (small["area"], small["area_low"], small["area_high"]) == expected[:3]
    quartiles = np.percentile(old[inside], (25, 50, 75))
    found = [*small["q25_reference", "median_reference", "q75_reference"]]
    np.testing.assert_allclose(found, quartiles)


def test_words_make_bins_and_missing_ones_are_counted():
    types = np.array(["disc", "irr", "", "disc"])
    theirs = np.array(["disc", "point", *["disc"] * 18])
    reference = np.arange(20.0)
    table = by_property([1.0, 2, 3, 4], types, None, reference, theirs, n_bootstrap=0)
    assert table["bin"].tolist() == ["disc", "irr"]
    assert table["n"].tolist() == [2, 1]
    assert table["n_reference"].tolist() == [19, 0]
    # 1 is above 0 alone; 4 above 0, 2, 3 and level with 4.
    assert table["area"][0] == pytest.approx((1 + 3.5) / 38)
    assert np.isnan(table["area"][1])
    assert table.meta["n_missing"] == 1
    assert table.meta["n_outside_reference"] == 1


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (
            two_samples,
            ([np.nan, 1.0], [1.0]),
            "`reference` must not be NaN. Received: 1",
        ),
        (two_samples, (np.arange(20), []), "`other` must hold at least one score. Rec"),
        (two_samples, (np.arange(18), [1.0]), "Level 95 needs at least 19 calibration"),
        (
            partial(two_samples, other_groups=["a", "b"]),
            (np.arange(20), [1.0]),
            "`other_groups` must name the system of each",
        ),
        (by_property, ([np.nan], [1.0], (0, 1)), "`scores` must not be NaN"),
        (
            by_property,
            ([1], [1, 2], (0, 1)),
            "`values` must have one value for each of",
        ),
        (by_property, ([1.0], [np.nan], (0, 1)), "`values` must not all be missing"),
        (
            partial(by_property, reference_values=[1.0]),
            ([1.0], [1.0], (0, 1)),
            "`reference_values` need the scores of the",
        ),
        (
            by_property,
            ([1.0], [1.0], (0, 1), np.arange(20), [1.0]),
            "`reference_values` must have one value for",
        ),
    ],
)
def test_comparisons_refuse_what_they_cannot_compare(function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
