"""Samples, rates, trends and comparisons of the merger study, against known numbers."""

from collections import defaultdict

import numpy as np
import pytest
from astropy.table import Table
from scipy.stats import norm

from studies.mergers import paper, results, surveys, tables
from studies.mergers.tests.synthetic import galaxies, synthetic_run
from studies.tables import rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Write a run with real galaxies, and return its tables."""
    folder = synthetic_run(tmp_path_factory.mktemp("run"))
    return results.merger_tables(folder) | surveys.survey_tables(folder)


def tiny():
    """Make tables whose rates can be counted by hand."""
    calibration = Table({"object_id": [f"c{i}" for i in range(100)]})
    calibration["peak_score"] = np.arange(1.0, 101)
    calibration["kmeans"] = np.linspace(-1.0, 0.01, 100)
    isolated = Table({"object_id": ["i0", "i1"], "peak_score": [86.0, 3.0]})
    isolated["kmeans"] = [-0.5, 0.5]
    stage = ["pre_merger_neighbor"] * 4 + ["pre_merger_alone"] * 2
    stage += ["post_merger"] * 3 + ["pre_merger_blended"]
    mergers = Table({"object_id": [f"m{i}" for i in range(10)], "stage": stage})
    mergers["peak_score"] = [86.0, 91, 96, 50, 97, 10, 92, 87, 1, 99]
    mergers["flux_ratio"] = [0.1, 0.28, 0.55, 1.0, 0.2, 0.2, 0.3, 0.3, 0.3, 0.9]
    mergers["kmeans"] = [0.2, -1, -1, 0.0, -1, -1, 0.3, -1, -1, -1]
    mergers["system"] = ["a", "a", "b", "b", "a", "b", "a", "b", "c", "c"]
    return calibration, isolated, mergers


def test_rates_of_a_table_counted_by_hand():
    calibration, isolated, mergers = tiny()
    table = results.rate_table(calibration, results.samples(isolated, mergers))
    expected = {
        "isolated": (1, 0, 0),
        "pre_merger_neighbor": (3, 2, 1),
        "neighbor_faint": (1, 0, 0),
        "neighbor_middle": (1, 1, 0),
        "neighbor_bright": (1, 1, 1),
        "pre_merger_blended": (1, 1, 1),
        "pre_merger_alone": (1, 1, 1),
        "post_merger": (2, 1, 0),
        "subtle": (3, 2, 1),
        "subtle_with_blended": (4, 3, 2),
    }
    for sample, wanted in expected.items():
        part = rows(table, sample=sample, score="peak_score")
        assert part["level"].tolist() == [85, 90, 95]
        assert tuple(part["n_flagged"]) == wanted, sample
    sizes = {row["sample"]: row["n"] for row in table}
    assert (sizes["neighbor_bright"], sizes["subtle"]) == (2, 5)
    own = table[np.isnan(table["level"]) & (table["sample"] == "pre_merger_neighbor")]
    assert own["score", "n_flagged", "n", "n_groups"].as_array().tolist() == [
        ("kmeans", 1, 4, 2)
    ]


def test_kmeans_keeps_what_lies_below_its_boundary():
    calibration, isolated, _ = tiny()
    assert results.kept(calibration, isolated)["kept"].tolist() == [0.99, 0.5]


def test_few_calibration_galaxies_carry_fewer_levels():
    calibration, isolated, mergers = tiny()
    parts = results.samples(isolated, mergers)
    peak = results.rate_table(calibration[:12], parts)
    assert set(peak["level"][peak["score"] == "peak_score"]) == {85.0, 90.0}
    assert results.levels_for(19) == (85, 90)
    assert results.levels_for(20) == (85, 90, 95)


def test_an_object_without_system_is_its_own():
    table = Table({"object_id": ["x", "y", "z"], "system": ["s", "", "s"]})
    assert results.systems(table).tolist() == ["s", "y", "s"]
    assert results.systems(table["object_id",]).tolist() == ["x", "y", "z"]


def test_the_papers_shares_follow_from_its_rates():
    # 46 = 45 + 7 w, 39 = 38 + 7 w, 30 = 28 + 9 w, by least squares.
    expected = (7 + 7 + 18) / (49 + 49 + 81)
    shares = paper.implied_shares("subtle", paper.SUBTLE)
    assert shares == pytest.approx([expected, 1 - expected], abs=1e-3)
    faint = paper.implied_shares("pre_merger_neighbor", paper.RATIO_BINS)[0]
    assert faint == pytest.approx(0.45, abs=0.03)


def test_a_combination_has_the_interval_of_its_systems():
    rng = np.random.default_rng(3)
    flagged = (rng.uniform(size=600) < 0.3).astype(float)
    alone = np.array([f"s{i}" for i in range(600)])
    value, low, high = results.combination([(flagged, alone)], (1,))
    error = np.sqrt(value * (1 - value) / 600)
    assert value == flagged.mean()
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)
    # Four copies of each object: the same rate, no less uncertain.
    again = results.combination([(np.tile(flagged, 4), np.tile(alone, 4))], (1,))
    assert again == pytest.approx((value, low, high))


def test_combinations_counted_by_hand():
    one = np.array([1.0, 1, 0, 0]), np.array(["a", "b", "c", "d"])
    other = np.array([1.0, 0]), np.array(["e", "f"])
    none = np.zeros(0), np.zeros(0, dtype=str)
    value, low, high = results.combination([one, one], (1, -1))
    assert value == 0
    assert np.isnan([low, high]).all()
    assert results.combination([one, other], (0.2, 0.8))[0] == 0.5
    assert results.combination([one, none], (1, 0))[0] == 0.5
    assert np.isnan(results.combination([one, none], (1, 1))[0])


def test_a_mixture_takes_the_papers_shares():
    calibration, isolated, mergers = tiny()
    table = results.mixtures(calibration, results.samples(isolated, mergers))
    part = rows(table, whole="subtle", level=85)
    assert part["share"].tolist() == [0.4, 0.6]
    w = part["share_paper"][0]
    assert part["rate"] == pytest.approx([w / 2 + (1 - w) * 2 / 3] * 2)


def test_trends_that_were_planted_are_found(run):
    table = run["trends"]
    mass = table[(table["property"] == "stellar_mass") & (table["score"] == "score")]
    assert mass["real"].all()
    assert (mass["rho"] > 0.2).all()
    others = table[(table["property"] == "axis_ratio") & (table["score"] == "score")]
    assert (np.abs(others["rho"]) < 0.3).all()
    assert set(run["neighbor_drivers"]["property"][:2]) == {
        "flux_ratio",
        "stellar_mass",
    }
    every = run["separation"]["sample"] == "pre_merger_neighbor"
    assert not run["separation"]["real"][every].any()
    # The page says so.
    made = tables.tables(defaultdict(Table, run), {"mergers": 100.0})
    trends = rows(made["trends"], sample="post-mergers", property="stellar mass")
    assert trends["verdict"].tolist() == ["yes"]
    assert made["separation"]["verdict"][0] == "yes"
    assert rows(made["compared"], set="COSMOS, real")["area_low"][0] > 0.5


def test_merger_times_lie_in_bins_of_their_own_side(run):
    table = run["time_rates"]
    late = table["stage"] == "post_merger"
    assert (table["low_edge"][late] >= 0).all()
    assert (table["high_edge"][~late] <= 0).all()
    sizes = run["rates"]["n"][run["rates"]["sample"] == "post_merger"]
    assert table["n"][late].sum() == sizes[0]


def test_a_property_that_explains_a_difference_leaves_none():
    # The other set holds more large galaxies; large ones score higher in both.
    small, large = np.linspace(1, 2, 50), np.linspace(11, 12, 50)
    old = Table({"object_id": [f"o{i}" for i in range(100)]})
    old["rhalf"] = np.repeat([1.0, 3.0], 50) + np.tile(np.linspace(0, 0.5, 50), 2)
    old["peak_score"] = np.concatenate([small, large])
    other = old[np.r_[0:50:5, 50:100]]
    other["object_id"] = [f"n{i}" for i in range(60)]
    assert surveys.compared({"f160w_real": (old, other)})["area"][0] > 0.65
    held = surveys.held({"f160w_real": surveys.by_property(old, other)})
    area = {row["property"]: row["area_held"] for row in held}
    assert area["rhalf"] == pytest.approx(0.5, abs=0.1)
    assert held["n_held"][0] == held["n"][0] == 60


def test_areas_are_weighted_by_objects():
    bins = Table({"property": ["rhalf"] * 3, "n": [10, 30, 5], "area": [0.5, 0.9, 0.1]})
    bins["n_reference"] = [5, 8, 4]
    row = surveys.held({"f160w_real": bins})[0]
    assert row["area_held"] == pytest.approx((10 * 0.5 + 30 * 0.9) / 40)
    assert (row["n_held"], row["n"]) == (40, 45)


def test_the_same_galaxy_is_compared_with_itself():
    old = Table({"object_id": ["a", "b", "c", "d"], "peak_score": [1.0, 2, 3, 4]})
    other = Table({"object_id": ["c", "x", "b", "a"], "peak_score": [5.0, 9, 2, 3]})
    row = surveys.paired({"f160w_plain": (old, other)})[0]
    assert (row["n"], row["n_higher"]) == (3, 2.5)


def test_sets_are_compared_with_their_own_mocks(run):
    table = run["compared"]
    pairs = {(row["set"], row["reference"]) for row in table}
    assert pairs == set(paper.REFERENCES.items())
    real = table[(table["set"] == "f814w_real") & (table["score"] == "peak_score")]
    # Both are log-normal of width 0.5 (mass widens both to 0.54): shift 0.6.
    assert real["area"][0] == pytest.approx(norm.cdf(0.6 / 0.54 / 2**0.5), abs=0.05)
    kept = run["survey_drivers"]
    assert rows(kept, set="f814w_real", property="set")["low"][0] > 0


def test_features_are_separated_as_well_as_their_shift_allows(tmp_path):
    rng, n = np.random.default_rng(5), 400
    (tmp_path / "scores").mkdir()
    (tmp_path / "features").mkdir()
    for name, shift in (("f814w_mocks", 0.0), ("f814w_real", 1.0)):
        table = galaxies(n, rng, prefix=name)
        table.write(tmp_path / "scores" / f"{name}.ecsv", format="ascii.ecsv")
        features = rng.normal(size=(n, 5))
        features[:, 0] += shift
        np.save(tmp_path / "features" / f"{name}.npy", features)
    table = surveys.separability(tmp_path)
    assert len(table) == 1
    assert table["area"][0] == pytest.approx(norm.cdf(1 / 2**0.5), abs=0.04)
