"""Binned rates, and tests of trends that know about systems."""

from functools import partial
from itertools import permutations, product

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import LinearRegression

from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.evaluation.trends import (
    Trend,
    binned_rates,
    drivers,
    quantile_bins,
    trend,
    trends,
)


def systems(seed, n=50, ragged=False):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, n) if ragged else np.full(n, 3)
    groups = np.repeat(np.arange(n), sizes)
    score = rng.normal(size=n)[groups] + 0.5 * rng.normal(size=len(groups))
    return rng, groups, score


def test_binned_rates_by_hand():
    flagged = [True, False, True, True, True, False]
    values = [0.0, 0.5, 1.0, 2.0, 7.0, np.nan]
    table = binned_rates(flagged, values, (0, 1, 2, 3))
    assert table["bin"].tolist() == ["0 to 1", "1 to 2", "2 to 3"]
    assert table["n"].tolist() == [2, 1, 1]
    assert table["n_flagged"].tolist() == [1, 1, 1]
    assert table["value"].tolist() == [0.25, 1.0, 2.0]
    ends = binomial_interval([1, 1, 1], [2, 1, 1])
    np.testing.assert_allclose([table["low"], table["high"]], ends)
    assert table.meta == {"n_missing": 1, "n_outside": 1}


def test_an_empty_bin_has_no_rate():
    table = binned_rates([1, 0], [0.5, 2.5], (0, 1, 2, 3), groups=["a", "b"])
    assert table["n"].tolist() == [1, 0, 1]
    assert np.isnan([*table["rate", "low", "high", "value"][1]]).all()
    assert np.isnan(table["low_clustered"]).all()
    assert table["n_groups"].tolist() == [1, 0, 1]


def test_bins_over_systems_are_wider():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(200), 3)
    flagged = (rng.random(200) < 0.4)[groups]
    table = binned_rates(flagged, rng.random(200)[groups], 2, groups, seed=1)
    width = table["high_clustered"] - table["low_clustered"]
    np.testing.assert_allclose(
        width / (table["high"] - table["low"]), np.sqrt(3), rtol=0.12
    )
    np.testing.assert_allclose(table["design_effect"], 3, rtol=0.02)


def test_bins_of_equal_counts_and_of_words():
    flagged = np.arange(90) % 3 == 0
    table = binned_rates(flagged, np.arange(90.0), 3)
    assert table["n"].tolist() == [30, 30, 30]
    assert table["n_flagged"].tolist() == [10, 10, 10]
    table = binned_rates([1, 0, 1], ["disc", "disc", "irr"], 3)
    assert table["bin"].tolist() == ["disc", "irr"]
    assert table["rate"].tolist() == [0.5, 1.0]


def test_quantile_bins_leave_out_what_is_missing():
    edges = quantile_bins(MaskedColumn([1.0, 2, 3, 99], mask=[0, 0, 0, 1]), 2)
    assert edges.tolist() == [1, 2, 3]


@pytest.mark.parametrize("flag", [False, True])
def test_rho_equals_scipy(flag):
    rng = np.random.default_rng(2)
    values = np.round(rng.normal(size=80), 1)
    score = values + 2 * rng.normal(size=80)
    score = score > 1 if flag else score
    found = trend(score, values, n_permutations=4000, n_bootstrap=50)
    theirs = spearmanr(score, values)
    assert found.rho == pytest.approx(theirs.statistic)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.012)
    assert (found.n, found.n_missing, found.n_groups) == (80, 0, 80)
    assert found.method == "permuted"


def test_interval_is_a_bootstrap_over_systems_written_out():
    rng, groups, score = systems(3)
    values = score + rng.normal(size=50)[groups]
    found = trend(score, values, groups, n_bootstrap=2000)
    pairs, draws = np.stack([score, values], axis=1).reshape(50, 3, 2), []
    for _ in range(2000):
        drawn = pairs[rng.integers(50, size=50)].reshape(-1, 2)
        draws.append(spearmanr(drawn).statistic)
    ends = np.percentile(draws, (2.5, 97.5))
    np.testing.assert_allclose((found.low, found.high), ends, atol=0.03)


def test_permuted_p_is_that_of_all_permutations():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(5), (2, 1, 3, 1, 2))
    score = rng.normal(size=9) + np.arange(5)[groups]
    values = np.array([0.1, 0.2, 0.8, 0.5, 0.9])
    found = trend(score, values[groups], groups, 20_000, n_bootstrap=0)
    sums = np.bincount(groups, rankdata(score) - 5)
    ranks = rankdata(values)
    truth = abs(ranks @ sums)
    every = [abs(np.array(order) @ sums) for order in permutations(ranks)]
    exact = np.mean(np.array(every) >= truth - 1e-9)
    assert found.method == "permuted"
    assert found.p_value == pytest.approx(exact, abs=0.01)


def test_flipped_p_is_that_of_all_signs():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(6), 3)
    values = rng.normal(size=18)
    score = values + rng.normal(size=6)[groups]
    found = trend(score, values, groups, 20_000, n_bootstrap=0)
    parts = (rankdata(score) - 9.5) * (rankdata(values) - 9.5)
    parts = np.bincount(groups, parts)
    every = [abs(np.array(signs) @ parts) for signs in product((-1, 1), repeat=6)]
    exact = np.mean(np.array(every) >= abs(parts.sum()) - 1e-9)
    assert found.method == "flipped"
    assert found.p_value == pytest.approx(exact, abs=0.01)


def _null(kind, seed, ragged):
    rng, groups, score = systems(seed, ragged=ragged)
    n = groups[-1] + 1
    if kind == "mass":
        values = rng.normal(size=n)[groups]
    elif kind == "time":
        order = np.arange(len(groups)) - np.searchsorted(groups, groups)
        values = order + rng.uniform(0, 0.5, n)[groups]
    else:
        values = rng.normal(size=n)[groups] + 0.3 * rng.normal(size=len(groups))
    return score, values, groups


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", ["mass", "time", "separation"])
def test_p_is_uniform_under_the_null_with_clustered_data(kind, ragged):
    p, naive = [], []
    for seed in range(400):
        score, values, groups = _null(kind, seed, ragged)
        args = {"n_permutations": 199, "seed": seed, "n_bootstrap": 0}
        p.append(trend(score, values, groups, **args).p_value)
        naive.append(trend(score, values, **args).p_value)
    for alpha in (0.05, 0.2, 0.5):
        error = 3 * np.sqrt(alpha * (1 - alpha) / 400)
        assert np.mean(np.array(p) <= alpha) == pytest.approx(alpha, abs=error)
    if kind != "time":
        # What ignoring the systems would do.
        assert np.mean(np.array(naive) <= 0.05) > 0.12


@pytest.mark.parametrize("kind", ["mass", "time", "separation"])
def test_a_real_trend_is_found(kind):
    score, values, groups = _null(kind, 1, False)
    found = trend(score + values, values, groups, n_permutations=499)
    assert found.p_value <= 0.01
    assert 0 < found.low < found.rho < found.high


def test_missing_values_are_left_out_and_counted():
    values = MaskedColumn([1.0, 2, 3, 4, 5], mask=[0, 0, 0, 0, 1])
    values[0] = np.nan
    found = trend([9, 1, 2, 3, 0], values, n_bootstrap=0)
    assert (found.n, found.n_missing, found.n_groups) == (3, 2, 3)
    assert found.rho == 1
    assert np.isnan(found.low)


@pytest.mark.parametrize(
    ("score", "values", "groups"),
    [
        ([1.0, 1, 1, 1], [1.0, 2, 3, 4], None),
        ([1.0, 2, 3, 4], [5.0, 5, 5, 5], None),
        ([1.0, 2, 3, 4], [np.nan] * 4, None),
        ([1.0, 2, 3, 4], [1.0, 2, 3, 4], ["a", "a", "b", "b"]),
    ],
)
def test_nothing_to_test(score, values, groups):
    found = trend(score, values, groups)
    assert np.isnan([found.rho, found.low, found.high, found.p_value]).all()
    assert found.method == "none"


def test_same_seed_same_bits_in_any_chunks(monkeypatch):
    rng, groups, score = systems(6)
    values = rng.normal(size=len(groups))
    one = trend(score, values, groups, 300, seed=1)
    assert isinstance(one, Trend)
    assert one == trend(score, values, groups, 300, seed=1)
    assert one != trend(score, values, groups, 300, seed=2)
    monkeypatch.setattr(resampling, "CELLS", 1000)
    chunked = trend(score, values, groups, 300, seed=1)
    np.testing.assert_allclose((chunked.low, chunked.high), (one.low, one.high))
    assert chunked.p_value == pytest.approx(one.p_value, abs=0.1)


def test_trends_adjust_over_the_properties_of_a_score():
    rng, groups, score = systems(7, n=80)
    properties = {
        "mass": score + 0.3 * rng.normal(size=len(groups)),
        "redshift": rng.normal(size=80)[groups],
        "age": np.full(len(groups), np.nan),
    }
    named = {"peak": score, "noise": rng.normal(size=len(groups))}
    table = trends(named, Table(properties), groups, seed=3)
    assert table["score"].tolist() == ["peak"] * 3 + ["noise"] * 3
    assert table["property"].tolist() == [*properties] * 2
    assert table["real"].tolist() == [True, False, False] + [False] * 3
    one = trend(score, properties["mass"], groups, seed=3)
    row = table[0]
    assert (row["rho"], row["low"], row["high"]) == (one.rho, one.low, one.high)
    assert row["p_value"] == one.p_value == 1 / 2001
    # The age is not tested, so it is none of the properties adjusted for.
    assert row["p_adjusted"] == pytest.approx(2 / 2001)
    assert table["n_missing"].tolist() == [0, 0, 240] * 2
    assert table["method"].tolist() == ["flipped", "permuted", "none"] * 2


def test_one_score_without_a_name():
    table = trends([1.0, 2, 3, 4], {"x": [1.0, 2, 3, 5]}, n_permutations=99)
    assert table["score"].tolist() == ["score"]


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (trend, ([1.0, np.nan], [1.0, 2]), "`score_or_flag` must not be NaN"),
        (trend, ([1.0, 2], [1.0]), "`values` must have one value for each of"),
        (trend, ([1, 2], [1, 2], None, 0), "`n_permutations` must be at least 1. Rec"),
        (trend, ([1.0, 2], [1.0, 2], ["a"]), "`groups` must name the system of each"),
        (trends, ({"peak": [np.nan]}, {"x": [1.0]}), "`peak` must not be NaN"),
        (trends, ([1.0, 2], {"mass": [1.0]}), "`mass` must have one value for each"),
        (
            partial(trends, n_permutations=39),
            ([1.0], {"x": [1.0], "y": [1.0]}),
            "`n_permutations` must be at least 20 for each property. .*39 for 2",
        ),
        (binned_rates, ([0.5], [1.0], (0, 1)), "`flagged` must hold true and .*0.5"),
        (binned_rates, ([1], [1.0], (1, 0)), "`bins` must be at least two rising"),
    ],
)
def test_trends_refuse_what_they_cannot_test(function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)


# --- drivers --------------------------------------------------------------------


def galaxies(seed, n=300, per=1):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n), per)
    mass = rng.normal(size=n)[groups]
    size = mass + 0.7 * rng.normal(size=n)[groups]
    ratio = rng.uniform(size=n * per)
    score = np.exp(mass - ratio + rng.normal(size=n)[groups])
    return score, {"size": size, "mass": mass, "axis_ratio": ratio}, groups


def test_coefficients_equal_scikit_learn():
    score, properties, _ = galaxies(1)
    table = drivers(score, Table(properties), n_bootstrap=0)
    ranks = {k: rankdata(v) for k, v in {"score": score, **properties}.items()}
    z = {k: (v - v.mean()) / v.std() for k, v in ranks.items()}
    inputs = np.stack([z[name] for name in properties], axis=1)
    fit = LinearRegression().fit(inputs, z["score"])
    theirs = dict(zip(properties, fit.coef_, strict=True))
    for row in table:
        assert row["coefficient"] == pytest.approx(theirs[row["property"]])
        rho = spearmanr(score, properties[row["property"]]).statistic
        assert row["rho"] == pytest.approx(rho)
    assert table.meta["r_squared"] == pytest.approx(fit.score(inputs, z["score"]))
    order = np.abs(table["coefficient"])
    assert (np.diff(order) <= 0).all()
    assert np.isnan(table["low"]).all()


def test_inflation_equals_that_of_regressions_on_the_others():
    score, properties, _ = galaxies(2)
    table = drivers(score, properties, n_bootstrap=0)
    ranks = {k: rankdata(v) for k, v in properties.items()}
    for row in table:
        others = [v for k, v in ranks.items() if k != row["property"]]
        mine = ranks[row["property"]]
        r2 = (
            LinearRegression()
            .fit(np.stack(others, 1), mine)
            .score(np.stack(others, 1), mine)
        )
        assert row["vif"] == pytest.approx(1 / (1 - r2))


def test_a_property_that_only_follows_another_drives_nothing():
    score, properties, groups = galaxies(3, per=3)
    table = drivers(score, properties, groups, seed=1)
    found = {row["property"]: row for row in table}
    assert found["size"]["rho_low"] > 0.2
    assert found["size"]["low"] < 0 < found["size"]["high"]
    assert found["mass"]["low"] > 0.3
    assert found["axis_ratio"]["high"] < 0
    assert (table.meta["n"], table.meta["n_groups"]) == (900, 300)


def test_intervals_are_a_bootstrap_over_systems_written_out():
    score, properties, groups = galaxies(4, n=80, per=3)
    table = drivers(score, properties, groups, n_bootstrap=1500)
    columns = np.stack([score, *properties.values()]).reshape(4, 80, 3)
    rng, draws = np.random.default_rng(5), []
    for _ in range(1500):
        drawn = columns[:, rng.integers(80, size=80)].reshape(4, -1)
        z = np.stack([rankdata(v) for v in drawn])
        z = (z - z.mean(1)[:, None]) / z.std(1)[:, None]
        draws.append(np.linalg.lstsq(z[1:].T, z[0], rcond=None)[0])
    ends = dict(zip(properties, np.percentile(draws, (2.5, 97.5), 0).T, strict=True))
    for row in table:
        np.testing.assert_allclose(
            (row["low"], row["high"]), ends[row["property"]], atol=0.035
        )


def test_objects_that_lack_a_property_are_left_out_and_counted():
    score, properties, _ = galaxies(6)
    whole = drivers(score[:250], {k: v[:250] for k, v in properties.items()}, seed=1)
    properties["mass"][250:280] = np.nan
    properties["size"][270:] = np.nan
    found = drivers(score, properties, seed=1)
    assert found.meta["n"] == 250
    assert found.meta["n_missing"] == 50
    np.testing.assert_allclose(found["low"], whole["low"])


DUPLICATE = {"mass": galaxies(7)[1]["mass"], "light": 2 * galaxies(7)[1]["mass"]}


@pytest.mark.parametrize(
    ("scores", "properties", "message"),
    [
        (galaxies(7)[0], DUPLICATE, "`properties` must not follow from each other"),
        (galaxies(7)[0], {"z": np.ones(300)}, "must vary. Received: only one .* z."),
        ([1, 2, 3], {"a": [1, 3, 2], "b": [2, 1, 3]}, "2 `properties` need at .*: 3 "),
        ([np.nan], {"x": [1.0]}, "`scores` must not be NaN"),
    ],
)
def test_drivers_refuse_what_they_cannot_separate(scores, properties, message):
    with pytest.raises(ValueError, match=message):
        drivers(scores, properties)
