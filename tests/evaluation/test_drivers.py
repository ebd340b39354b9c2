"""What drives a score when the properties are correlated."""

import numpy as np
import pytest
from astropy.table import Table
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import LinearRegression

from astroanomaly.evaluation.trends import drivers


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


def test_drivers_refuse_what_they_cannot_separate():
    score, properties, _ = galaxies(7)
    with pytest.raises(ValueError, match="`properties` must not follow from each oth"):
        drivers(score, {"mass": properties["mass"], "light": properties["mass"] * 2})
    with pytest.raises(ValueError, match="must vary. Received: only one value of z."):
        drivers(score, {"z": np.ones(300)})
    with pytest.raises(ValueError, match="3 properties need at least 5 objects .*: 4 "):
        drivers(score[:4], {k: v[:4] for k, v in properties.items()})
    with pytest.raises(ValueError, match="`scores` must not be NaN"):
        drivers([np.nan], {"x": [1.0]})
