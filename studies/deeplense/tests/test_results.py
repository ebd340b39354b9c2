"""The results of the lens study."""

import numpy as np
import pytest
from astropy.table import Table

from studies.deeplense import names, results
from studies.deeplense.tests.made_up import made_up
from studies.study import rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a made-up run."""
    return made_up(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(run):
    """Return its results."""
    return results.measured(run)


def scored(**values):
    """Return a table of scores with names."""
    n = len(next(iter(values.values())))
    return Table({"object_id": [str(k) for k in range(n)]} | values)


def test_an_area_is_that_of_the_pairs_counted_by_hand():
    smooth = scored(mse=[1.0, 2, 3, 4])
    parts = scored(mse=[2.5, 5.0]), scored(mse=[2.0])
    sets = dict(zip(("smooth", "subhalos", "vortex"), (smooth, *parts), strict=True))
    table = results.area_table({"aae": sets})
    found = dict(zip(table["sector"], table["auc"], strict=True))
    # 2 of 4 below 2.5, 4 of 4 below 5; 1 of 4 below 2 and one tie.
    assert found == {"subhalos": 6 / 8, "vortex": 1.5 / 4, "both": 7.5 / 12}
    assert table["n_anomalous"].tolist() == [2, 1, 3]


def test_a_score_that_is_not_finite_has_no_area():
    smooth = scored(mse=[1.0, np.nan], peak=[1.0, 2.0])
    found = results.areas(smooth, [scored(mse=[3.0], peak=[3.0])])
    assert np.isnan(found["mse"].value)
    assert found["mse"].n_normal == 2
    assert found["peak"].value == 1


def test_areas_of_normal_scores_are_those_of_the_closed_form(found):
    # For two normal laws of unit variance d apart the area is Phi(d / sqrt 2).
    table = rows(found["areas"], what="main", sector="both", score="mse")
    expected = {"rbm": 0.5, "dcae": 0.760, "cvae": 0.921, "aae": 0.983}
    for name, area in expected.items():
        part = rows(table, model=name)
        assert len(part) == 2
        assert np.all(part["auc_low"] - 0.02 < area)
        assert np.all(area < part["auc_high"] + 0.02)


def test_models_come_in_a_stated_order_with_new_ones_after_the_published():
    known = ["ceiling", "cvae_beta1", "new", "baselines", "rbm", "aae"]
    expected = ["rbm", "aae", "new", "cvae_beta1", "baselines", "ceiling"]
    assert names.ordered(known) == expected
    assert names.kind("cvae_beta1") == "network"
    assert names.kind("cvae_forest") == "baseline"


def test_the_published_order_is_measured_pair_by_pair(found):
    table = rows(found["differences"], what="order")
    pairs = {(row["model"], row["other"]) for row in table}
    assert pairs == {("aae", "cvae"), ("cvae", "dcae"), ("dcae", "rbm")}
    assert set(table["score"]) == {"mse", "orthogonal"}
    assert len(table) == 2 * 2 * 3
    assert (table["difference"] > 0).all()
    where = {"redshifts": "fixed", "sector": "both", "score": "mse", "what": "main"}
    areas = rows(found["areas"], **where)
    area = dict(zip(areas["model"], areas["auc"], strict=True))
    row = rows(table, redshifts="fixed", model="aae", score="mse")[0]
    assert row["difference"] == pytest.approx(area["aae"] - area["cvae"])


def test_networks_are_compared_with_components_and_the_best_baseline(found):
    table = rows(found["differences"], what="baseline", model="aae")
    assert set(table["other_score"]) == {"pca_60", "pca_300"}
    assert "ceiling" not in set(found["differences"]["model"])
    where = {"redshifts": "fixed", "sector": "both", "what": "main"}
    areas = rows(found["areas"], **where)
    best = results.best(results.of_kind(areas, "baseline"))
    assert best["score"] == "pca_60"
    row = rows(table, redshifts="fixed", score="mse", other_score="pca_60")[0]
    own = rows(areas, model="aae", score="mse")["auc"][0]
    assert row["difference"] == pytest.approx(own - best["auc"])


def test_a_model_is_compared_with_the_same_one_of_another_setting(found):
    table = rows(found["differences"], what="variant")
    assert set(table["model"]) == {"cvae"}
    assert set(table["other"]) == {"cvae_beta1"}
    assert len(table) == 4
    assert np.allclose(table["difference"], 0.421, atol=0.06)


def test_models_that_scored_other_lenses_are_not_compared():
    def one(ids):
        table = Table({"object_id": list(ids), "mse": [1.0, 2.0]})
        return {"smooth": table, "subhalos": table, "vortex": table}

    scores = {"dcae": one("ab"), "cvae": one("ba")}
    with pytest.raises(ValueError, match="did not score the same lenses of smooth"):
        results.difference_table(scores)


def test_a_model_that_saw_a_part_of_the_sets_is_not_the_best():
    rows_of = [("aae", 0.8, 100), ("wgan_gp_mapping", 0.9, 10)]
    table = Table(rows=rows_of, names=("model", "auc", "n_normal"))
    assert results.best(results.networks(table))["model"] == "aae"
    assert results.best(table[:0]) is None


def test_the_one_per_cent_point_is_the_main_set(found):
    table = rows(found["areas"], what="fraction")
    assert sorted(set(table["step"])) == [0.1, 1.0, 5.0]
    where = {"redshifts": "varying", "model": "cvae", "score": "mse"}
    rising = rows(table, sector="vortex", **where)
    rising.sort("step")
    assert np.all(np.diff(rising["auc"]) > 0)
    main = rows(found["areas"], what="main", sector="vortex", **where)
    assert rising["auc"][1] == main["auc"][0]
    assert "wgan_gp_encoder" not in set(table["model"])


def test_each_exposure_is_compared_with_its_own_smooth_lenses(run, found):
    where = {"redshifts": "fixed", "model": "aae", "score": "mse", "sector": "subhalos"}
    part = rows(found["areas"], what="exposure", **where)
    assert sorted(part["step"]) == [0.1, 1.0]
    sets = results.read_scores(run, "fixed")["aae"]
    own = results.areas(sets["smooth_x0.1"], [sets["subhalos_x0.1"]], ["mse"])
    assert rows(part, step=0.1)["auc"][0] == own["mse"].value


def test_exchanged_mass_is_compared_with_the_same_smooth_lenses(found):
    table = rows(found["areas"], what="exchanged")
    assert set(table["sector"]) == {"subhalos", "vortex"}
    where = {"redshifts": "varying", "model": "aae", "sector": "vortex"}
    row = rows(table, score="mse", **where)[0]
    # Nothing is left to see in the made-up scores.
    assert row["auc_low"] < 0.5 < row["auc_high"]


def test_false_alarms_are_counted_above_the_thresholds():
    calibration = scored(forest=np.arange(1.0, 101))
    sets = {"calibration": calibration, "smooth": scored(forest=[5.0, 95, 96, 99.5])}
    table = results.rate_table({"cvae_forest": sets})
    assert table["level"].tolist() == [90, 95, 99]
    assert table["threshold"].tolist() == [90, 95, 99]
    assert table["n_flagged"].tolist() == [3, 2, 1]
    few = sets | {"calibration": calibration[:20]}
    assert results.rate_table({"cvae_forest": few})["level"].tolist() == [90, 95]


def test_counts_and_the_end_of_trainings_are_read(found):
    table = rows(found["sets"], redshifts="fixed")
    assert table["set"].tolist() == ["smooth", "subhalos", "smooth_x0.1"]
    assert table["fraction"].tolist() == pytest.approx([0.0, 1.0, 0.0])
    assert table["snr_arcs"].tolist() == pytest.approx([300, 300, 300 * 0.1**0.5])
    assert table["n_no_image"].tolist() == [1, 1, 1]
    end = rows(found["training"], redshifts="fixed")
    assert end["model"].tolist() == ["cvae_beta1"]
    assert tuple(end["epochs", "loss", "kl", "beta"][0]) == (2, 0.1, 0.003, 1.0)
