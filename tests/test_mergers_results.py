"""The tables of the merger study, and what they come to."""

import numpy as np
import pytest
from astropy.table import Table
from mergers_run import galaxies, synthetic_run
from scipy.stats import norm

from mergers import claims as mergers_claims  # isort: skip
from mergers import features as mergers_features  # isort: skip
from mergers import headline as mergers_headline  # isort: skip
from mergers import paper  # isort: skip
from mergers import results as mergers_results  # isort: skip
from mergers import samples as mergers_samples  # isort: skip
from mergers import surveys as mergers_surveys  # isort: skip

PEAK = "peak_score"
PAIR = ("kind", "level", "left", "left_score", "right", "right_score")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Write a run with real galaxies, and its tables."""
    folder = synthetic_run(tmp_path_factory.mktemp("run"))
    return folder, mergers_results.write(folder)


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
    parts = mergers_samples.samples(isolated, mergers)
    table = mergers_results.rate_table(calibration, parts)
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
        rows = table[(table["sample"] == sample) & (table["score"] == "peak_score")]
        assert rows["level"].tolist() == [85, 90, 95]
        assert tuple(rows["n_flagged"]) == wanted, sample
    sizes = {row["sample"]: row["n"] for row in table}
    assert sizes["neighbor_bright"] == 2
    assert sizes["subtle"] == 5
    own = mergers_headline.row_of(table, "pre_merger_neighbor", "kmeans", np.nan)
    assert (own["n_flagged"], own["n"], own["n_groups"]) == (1, 4, 2)


def test_kmeans_keeps_what_lies_below_its_boundary():
    calibration, isolated, _ = tiny()
    table = mergers_results.kept(calibration, isolated)
    assert table["kept"].tolist() == [0.99, 0.5]


def test_few_calibration_galaxies_carry_fewer_levels():
    calibration, isolated, mergers = tiny()
    parts = mergers_samples.samples(isolated, mergers)
    table = mergers_results.rate_table(calibration[:12], parts)
    peak = table[table["score"] == "peak_score"]
    assert set(peak["level"]) == {85.0, 90.0}


def test_an_object_without_system_is_its_own():
    table = Table({"object_id": ["x", "y", "z"], "system": ["s", "", "s"]})
    assert mergers_samples.systems(table).tolist() == ["s", "y", "s"]
    assert mergers_samples.systems(table["object_id",]).tolist() == ["x", "y", "z"]


def test_the_papers_shares_follow_from_its_rates():
    # 46 = 45 + 7 w, 39 = 38 + 7 w, 30 = 28 + 9 w, by least squares.
    expected = (7 + 7 + 18) / (49 + 49 + 81)
    shares = paper.implied_shares("subtle", ("pre_merger_alone", "post_merger"))
    assert shares == pytest.approx([expected, 1 - expected], abs=1e-3)
    faint = paper.implied_shares("pre_merger_neighbor", paper.RATIO_BINS)[0]
    assert faint == pytest.approx(0.45, abs=0.03)


def test_a_combination_has_the_interval_of_its_systems():
    rng = np.random.default_rng(3)
    flagged = (rng.uniform(size=600) < 0.3).astype(float)
    alone = np.array([f"s{i}" for i in range(600)])
    value, low, high = mergers_samples.combination([(flagged, alone)], (1,))
    error = np.sqrt(value * (1 - value) / 600)
    assert value == flagged.mean()
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)
    # Four objects that agree, four times: the same rate, no less uncertain.
    again = (np.tile(flagged, 4), np.tile(alone, 4))
    assert mergers_samples.combination([again], (1,)) == pytest.approx(
        (value, low, high)
    )


def test_combinations_counted_by_hand():
    one = np.array([1.0, 1, 0, 0]), np.array(["a", "b", "c", "d"])
    other = np.array([1.0, 0]), np.array(["e", "f"])
    none = np.zeros(0), np.zeros(0, dtype=str)
    value, low, high = mergers_samples.combination([one, one], (1, -1))
    assert value == 0
    assert np.isnan([low, high]).all()
    assert mergers_samples.combination([one, other], (0.2, 0.8))[0] == 0.5
    assert mergers_samples.combination([one, none], (1, 0))[0] == 0.5
    assert np.isnan(mergers_samples.combination([one, none], (1, 1))[0])


def test_a_mixture_takes_the_papers_shares():
    calibration, isolated, mergers = tiny()
    parts = mergers_samples.samples(isolated, mergers)
    table = mergers_results.mixtures(calibration, parts, "peak_score")
    rows = table[(table["whole"] == "subtle") & (table["level"] == 85)]
    assert rows["share"].tolist() == [0.4, 0.6]
    w = rows["share_paper"][0]
    assert rows["rate"] == pytest.approx([w / 2 + (1 - w) * 2 / 3] * 2)


def rates_of(rows):
    """Make a table of rates of 1000 objects, from (sample, score, level, k)."""
    rows = [(*row, 1000, row[3] / 1000, 0.1, 0.2, 0.1, 0.2, 100) for row in rows]
    names = "sample score level n_flagged n rate low high low_clustered "
    names += "high_clustered n_groups"
    return Table(rows=rows, names=names.split())


def headline_of(neighbor=(860, 800, 670), pca=(100, 80, 60)):
    """Return the headline of a run with these counts of 1000."""
    subtle = (500, 400, 310)
    rows = []
    for sample, score, counts in (
        ("pre_merger_neighbor", "peak_score", neighbor),
        ("pre_merger_neighbor", "pca_20", pca),
        ("subtle", "peak_score", subtle),
        ("subtle", "pca_20", (900, 900, 900)),
    ):
        levels = zip((85.0, 90.0, 95.0), counts, strict=True)
        rows += [(sample, score, level, k) for level, k in levels]
    gaps = Table(
        rows=[
            ("order", 90.0, "pre_merger_neighbor", "p", "subtle", "p", 0.4, 0.3, 0.5),
            ("order", 90.0, "neighbor_bright", "p", "neighbor_faint", "p", -0.1, -1, 1),
            ("baseline", 90.0, "subtle", "p", "subtle", "kmeans", 0.1, -0.1, 0.2),
            ("stage", 90.0, "pre_merger_alone", "p", "post_merger", "p", -1, -1, -1),
        ],
        names=(*PAIR, "difference", "low", "high"),
    )
    for level in (85.0, 90.0, 95.0):
        for sample in ("pre_merger_neighbor", "subtle"):
            row = ("baseline", level, sample, "p", sample, "pca_20", 0.5, 0.4, 0.6)
            gaps.add_row(row)
    gaps["positive"], gaps["sure"] = gaps["difference"] > 0, gaps["low"] > 0
    checked = Table({"score": ["peak_score"], "level": [90.0], "rate": [0.11]})
    for name, value in (("promised", 0.1), ("low", 0.09), ("high", 0.13)):
        checked[name] = value
    checked["inside"], checked["as_promised"] = True, True
    checked.meta["verdict"] = "kept"
    tables = {
        "rates": rates_of(rows),
        "differences": gaps,
        "mixtures": Table(),
        "kept": Table({"sample": ["calibration"], "kept": [0.99]}),
        "false_positives": checked,
    }
    return mergers_headline.headline(tables, "peak_score")


def test_an_aim_is_reached_at_the_papers_number_and_not_below():
    assert headline_of()["all_aims"]
    below = headline_of(neighbor=(860, 799, 670))
    assert not below["all_aims"]
    passed = [one["passed"] for one in below["aims"]]
    assert passed == [True, False, True, True, True, True]
    assert below["aims"][1]["rate"] == pytest.approx(79.9)


def test_baselines_that_reach_the_paper_are_named():
    found = headline_of(pca=(900, 900, 669))
    assert found["reaching"] == {"pre_merger_neighbor": [], "subtle": ["pca_20"]}
    found = headline_of(pca=(900, 900, 670))
    assert found["reaching"]["pre_merger_neighbor"] == ["pca_20"]
    best = [one for one in found["baselines"] if one["sample"] == "subtle"]
    assert [one["best_rate"] for one in best] == [90.0, 90.0, 90.0]


def test_an_ordering_holds_where_the_difference_is_positive():
    found = headline_of()
    told = [(one["left"], one["holds"], one["sure"]) for one in found["ordering"]]
    assert told == [
        ("pre_merger_neighbor", True, True),
        ("neighbor_bright", False, False),
        ("subtle", True, False),
    ]
    assert not found["all_ordered"]


def test_trends_that_were_planted_are_found(run):
    table = run[1]["trends"]
    mass = table[(table["property"] == "stellar_mass") & (table["score"] == "score")]
    assert mass["real"].all()
    assert (mass["rho"] > 0.2).all()
    others = table[(table["property"] == "axis_ratio") & (table["score"] == "score")]
    assert (np.abs(others["rho"]) < 0.3).all()
    first = run[1]["neighbor_drivers"]["property"]
    assert set(first[:2]) == {"flux_ratio", "stellar_mass"}
    separation = run[1]["separation"]
    every = separation["sample"] == "pre_merger_neighbor"
    assert not separation["real"][every].any()


def test_merger_times_lie_in_bins_of_their_own_side(run):
    table = run[1]["time_rates"]
    late = table["stage"] == "post_merger"
    assert (table["low_edge"][late] >= 0).all()
    assert (table["high_edge"][~late] <= 0).all()
    stages = mergers_samples.read_set(run[0], "mergers")["stage"]
    assert table["n"][late].sum() == (stages == "post_merger").sum()


def test_a_property_that_explains_a_difference_leaves_none():
    # The other set holds more large galaxies; large ones score higher in both.
    small, large = np.linspace(1, 2, 50), np.linspace(11, 12, 50)
    old = Table({"object_id": [f"o{i}" for i in range(100)]})
    old["rhalf"] = np.repeat([1.0, 3.0], 50) + np.tile(np.linspace(0, 0.5, 50), 2)
    old["peak_score"] = np.concatenate([small, large])
    rows = np.r_[0:50:5, 50:100]
    other = old[rows]
    other["object_id"] = [f"n{i}" for i in range(60)]
    raw = mergers_surveys.compared({"f160w_real": (old, other)})
    assert raw["area"][0] > 0.65
    by = mergers_surveys.properties(old, other, "peak_score")
    held = mergers_surveys.held({"f160w_real": by})
    area = {row["property"]: row["area_held"] for row in held}
    assert area["rhalf"] == pytest.approx(0.5, abs=0.1)
    assert held["n_held"][0] == held["n"][0] == 60


def test_areas_are_weighted_by_objects():
    bins = Table({"property": ["rhalf"] * 3, "n": [10, 30, 5], "area": [0.5, 0.9, 0.1]})
    bins["n_reference"] = [5, 8, 4]
    row = mergers_surveys.held({"f160w_real": bins})[0]
    assert row["area_held"] == pytest.approx((10 * 0.5 + 30 * 0.9) / 40)
    assert (row["n_held"], row["n"]) == (40, 45)


def test_the_same_galaxy_is_compared_with_itself():
    old = Table({"object_id": ["a", "b", "c", "d"], "peak_score": [1.0, 2, 3, 4]})
    other = Table({"object_id": ["c", "x", "b", "a"], "peak_score": [5.0, 9, 2, 3]})
    row = mergers_surveys.paired({"f160w_plain": (old, other)})[0]
    assert (row["n"], row["n_higher"]) == (3, 2.5)


def test_sets_are_compared_with_their_own_mocks(run):
    table = run[1]["compared"]
    pairs = {(row["set"], row["reference"]) for row in table}
    assert pairs == set(paper.REFERENCES.items())
    real = table[(table["set"] == "f814w_real") & (table["score"] == "peak_score")]
    # Both are log-normal of width 0.5 (mass widens both to 0.54): shift 0.6.
    assert real["area"][0] == pytest.approx(norm.cdf(0.6 / 0.54 / 2**0.5), abs=0.05)
    kept = run[1]["survey_drivers"]
    rows = kept[(kept["set"] == "f814w_real") & (kept["property"] == "set")]
    assert rows["low"][0] > 0


def test_features_are_told_apart_as_well_as_their_shift_allows(tmp_path):
    rng, n = np.random.default_rng(5), 400
    for name, shift in (("f814w_mocks", 0.0), ("f814w_real", 1.0)):
        table = galaxies(n, rng, prefix=name)
        (tmp_path / "scores").mkdir(exist_ok=True)
        table.write(tmp_path / "scores" / f"{name}.ecsv", format="ascii.ecsv")
        features = rng.normal(size=(n, 5))
        features[:, 0] += shift
        (tmp_path / "features").mkdir(exist_ok=True)
        np.save(tmp_path / "features" / f"{name}.npy", features)
    table = mergers_features.separability(tmp_path)
    assert len(table) == 1
    assert table["area"][0] == pytest.approx(norm.cdf(1 / 2**0.5), abs=0.04)


@pytest.mark.parametrize(
    ("low", "high", "wanted", "verdict"),
    [
        (0.1, 0.3, 1, "agrees"),
        (0.1, 0.3, -1, "differs"),
        (-0.1, 0.3, 1, "not clear"),
        (-0.3, -0.1, -1, "agrees"),
        (np.nan, np.nan, 1, "not clear"),
    ],
)
def test_a_direction_agrees_where_its_interval_excludes_zero(
    low, high, wanted, verdict
):
    assert mergers_claims._sign(low, high, wanted) == verdict


def test_claims_say_what_was_planted(run):
    told = {text: verdict for text, _, verdict in mergers_claims.claims(run[1], PEAK)}
    assert told["post-mergers: more flagged with stellar mass"] == "agrees"
    assert told["no correlation of the score with separation"] == "agrees"
    assert told["real galaxies score above mocks (F814W)"] == "agrees"
