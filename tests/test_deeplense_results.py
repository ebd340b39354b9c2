"""The lens study's tables, and what is said of them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from lenses import cells, claims, headline, pairs, published, results, samples  # noqa: E402
from lenses_run import made_up  # noqa: E402


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a made-up study and its tables."""
    folder = made_up(tmp_path_factory.mktemp("study"))
    return folder, results.write(folder)


def test_an_area_is_that_of_the_pairs_counted_by_hand():
    smooth = Table({"object_id": list("abcd"), "mse": [1.0, 2, 3, 4]})
    parts = [Table({"mse": [2.5, 5.0]}), Table({"mse": [2.0]})]
    scores = {"aae": {"smooth": smooth, "subhalos": parts[0], "vortex": parts[1]}}
    table = results.area_table(None, "fixed", scores)
    found = dict(zip(table["sector"], table["auc"], strict=True))
    # 2 of 4 below 2.5, 4 of 4 below 5; 1 of 4 below 2 and one tie.
    assert found["subhalos"] == 6 / 8
    assert found["vortex"] == 1.5 / 4
    assert found["both"] == 7.5 / 12
    assert table["n_anomalous"].tolist() == [2, 1, 3]


def test_a_score_that_is_not_finite_has_no_area():
    smooth = Table({"mse": [1.0, np.nan], "peak": [1.0, 2.0]})
    found = samples.areas(smooth, [Table({"mse": [3.0], "peak": [3.0]})])
    assert np.isnan(found["mse"].value)
    assert found["mse"].n_normal == 2
    assert found["peak"].value == 1


def test_areas_of_normal_scores_are_those_of_the_closed_form(study):
    # For two normal laws of unit variance d apart the area is Phi(d / sqrt 2).
    table = headline.rows(study[1]["auc"], sector="both", score="mse")
    expected = {"rbm": 0.5, "dcae": 0.760, "cvae": 0.921, "aae": 0.983}
    for name, area in expected.items():
        rows = headline.rows(table, model=name)
        assert len(rows) == 2
        assert np.all(rows["low"] - 0.02 < area)
        assert np.all(area < rows["high"] + 0.02)


def test_models_come_in_a_stated_order_with_new_ones_after_the_published():
    names = ["ceiling", "cvae_beta1", "baselines", "rbm", "aae", "wgan_gp_refine"]
    assert published.ordered(names) == [
        "rbm",
        "aae",
        "cvae_beta1",
        "wgan_gp_refine",
        "baselines",
        "ceiling",
    ]
    assert published.kind("cvae_beta1") == "network"
    assert published.kind("cvae_forest") == "baseline"


def test_the_ranking_score_is_that_of_the_detector():
    record = {
        "config": {
            "cvae": {"detector": {"score": "whitened"}},
            "wgan_gp": {"detector": {"score": "peak"}},
        }
    }
    assert headline.own_score("cvae", record) == "whitened"
    assert headline.own_score("cvae_beta1", record) == "whitened"
    assert headline.own_score("wgan_gp_mapping", record) == "peak"
    assert headline.own_score("aae", {}) == "orthogonal"


def test_the_published_order_is_tested_pair_by_pair(study):
    table = headline.rows(study[1]["ordering"], kind="order", sector="both")
    pairs_of = {(row["left"], row["right"]) for row in table}
    assert pairs_of == {("aae", "cvae"), ("cvae", "dcae"), ("dcae", "rbm")}
    assert (
        set(table["left_score"]) == set(table["right_score"]) == {"mse", "orthogonal"}
    )
    assert len(table) == 2 * 2 * 3
    assert table["positive"].all()
    areas = headline.rows(
        study[1]["auc"], redshifts="fixed", sector="both", score="mse"
    )
    area = dict(zip(areas["model"], areas["auc"], strict=True))
    row = headline.rows(table, redshifts="fixed", left="aae", left_score="mse")[0]
    assert row["difference"] == pytest.approx(area["aae"] - area["cvae"])


def test_networks_stand_against_components_and_the_best_baseline(study):
    table = headline.rows(study[1]["ordering"], kind="baseline", left="aae")
    assert {"pca_60", "pca_300"} <= set(table["right_score"])
    assert "ceiling" not in set(study[1]["ordering"]["left"]) - {"ceiling"}
    told = headline.headline(study[1], samples.study(study[0]))
    assert {one["baseline"]["score"] for one in told["sectors"]} == {"pca_60"}
    for one in told["sectors"]:
        assert one["own_less_baseline"]["difference"] == pytest.approx(
            one["own"]["auc"] - one["baseline"]["auc"]
        )


def test_models_that_scored_other_lenses_are_not_compared():
    def one(ids):
        table = Table({"object_id": list(ids), "mse": [1.0, 2.0]})
        return {"smooth": table, "subhalos": table, "vortex": table}

    scores = {"aae": one("ab"), "cvae": one("ba")}
    with pytest.raises(ValueError, match="did not score the same lenses of smooth"):
        pairs.ordering(Path("none"), "fixed", scores)


def test_the_one_per_cent_point_is_the_main_set(study):
    table, areas = study[1]["fraction"], study[1]["auc"]
    assert sorted(set(table["fraction"])) == [0.1, 1.0, 5.0]
    where = {"redshifts": "varying", "model": "cvae", "score": "mse"}
    one = headline.rows(table, sector="vortex", fraction=1.0, **where)
    other = headline.rows(areas, sector="vortex", **where)
    assert one["auc"][0] == other["auc"][0]
    assert "wgan_gp_encoder" not in set(table["model"])
    rising = headline.rows(table, sector="vortex", **where)
    assert np.all(np.diff(rising["auc"]) > 0)


def test_each_exposure_stands_against_its_own_smooth_lenses(study):
    table = study[1]["exposure"]
    where = {"redshifts": "fixed", "model": "aae", "score": "mse", "sector": "subhalos"}
    rows = headline.rows(table, **where)
    assert rows["factor"].tolist() == [0.1, 1.0]
    assert rows["snr_arcs"].tolist() == pytest.approx([300 * 0.1**0.5, 300])
    scores = samples.read_scores(study[0], "fixed")["aae"]
    own = samples.areas(scores["smooth_x0.1"], [scores["subhalos_x0.1"]], ["mse"])
    assert rows["auc"][0] == own["mse"].value


def test_exchanged_mass_stands_beside_added_mass(study):
    table = study[1]["exchanged"]
    where = {"redshifts": "varying", "model": "aae", "sector": "vortex"}
    row = headline.rows(table, score="mse", **where)[0]
    main = headline.rows(study[1]["auc"], score="mse", **where)[0]
    assert row["added"] == main["auc"]
    assert row["low"] < 0.5 < row["high"]
    told = claims.exchange(study[1], samples.study(study[0]))
    assert told[0].startswith("AAE, orthogonal, fixed redshifts: subhaloes 0.9")
    assert "which may be chance" in told[0]
    row["auc"], row["low"], row["high"] = 0.7, 0.65, 0.75
    assert claims._exchanged(row).endswith("clearly less")
    row["high"] = row["added_low"] + 0.01
    assert claims._exchanged(row).endswith("with it exchanged")


def test_a_model_stands_beside_the_same_one_of_another_setting(study):
    table = headline.rows(study[1]["ordering"], kind="variant")
    assert set(table["left"]) == {"cvae"}
    assert set(table["right"]) == {"cvae_beta1"}
    told = claims.variants(study[1]["ordering"])
    assert len(told) == 4
    assert all("the CVAE is above the CVAE, KL weight 1 (+0.4" in one for one in told)


def test_the_end_of_each_training_is_told(study):
    table = study[1]["training"]
    assert table["model"].tolist() == ["cvae_beta1"]
    row = table["epochs", "loss", "kl", "beta"][0]
    assert tuple(row) == (2, 0.1, 0.003, 1.0)
    assert "| CVAE, KL weight 1 | 2 | 0.1 | 0.003 | 1 |" in cells.training(table)


def test_false_alarms_are_counted_above_the_thresholds():
    calibration = Table({"forest": np.arange(1.0, 101)})
    smooth = Table({"forest": [5.0, 95.0, 96.0, 99.5]})
    scores = {"cvae_forest": {"calibration": calibration, "smooth": smooth}}
    table = results.false_positives(Path("none"), "fixed", scores)
    assert table["level"].tolist() == [90, 95, 99]
    assert table["threshold"].tolist() == [90, 95, 99]
    assert table["n_flagged"].tolist() == [3, 2, 1]
    few = {"cvae_forest": {"calibration": calibration[:20], "smooth": smooth}}
    assert results.false_positives(Path("none"), "fixed", few)["level"].tolist() == [
        90,
        95,
    ]


def test_counts_come_from_the_catalogs(study):
    table = headline.rows(study[1]["counts"], redshifts="fixed")
    assert table["set"].tolist() == ["smooth", "subhalos"]
    assert table["fraction"].tolist() == pytest.approx([0.0, 1.0])
    assert table["n_no_image"].tolist() == [1, 1]


def test_what_was_written_is_read(study):
    found = results.read(study[0])
    assert found["auc"]["auc"].tolist() == study[1]["auc"]["auc"].tolist()
    assert len(found["nothing"]) == 0
    told = json.loads((study[0] / "results" / "headline.json").read_text())
    assert [one["redshifts"] for one in told["aims"]] == ["fixed", "varying"]


# --- the headline and its words ------------------------------------------------


def areas_of(**values):
    """Make a table of areas, both sectors, from name__score = (auc, low, high)."""
    rows = []
    for key, area in values.items():
        model, score = key.split("__")
        for sector in published.SECTORS:
            rows.append(("fixed", model, score, sector, *area, 100, 100))
    names = "redshifts model score sector auc low high n_normal n_anomalous"
    return {
        "auc": Table(rows=rows, names=names.split()),
        "ordering": Table(),
        "false_positives": Table(),
    }


def said(tables):
    """Return the sentences of the summary as one text."""
    return "\n".join(claims.short(tables, headline.headline(tables, {}), {}))


def test_the_aim_is_met_or_not_by_the_detectors_score_and_by_the_published_one():
    tables = areas_of(
        aae__orthogonal=(0.95, 0.94, 0.96),
        aae__mse=(0.80, 0.78, 0.82),
        cvae__mse=(0.85, 0.83, 0.87),
        cvae__orthogonal=(0.90, 0.88, 0.92),
        dcae__peak=(0.97, 0.96, 0.98),
    )
    aim = headline.headline(tables, {})["aims"][0]
    assert (aim["own"]["model"], aim["mse"]["model"]) == ("aae", "cvae")
    assert (aim["own_met"], aim["own_sure"], aim["mse_met"]) == (True, True, False)
    text = said(tables)
    assert "0.950 (0.940 to 0.960)** is the best AUC" in text
    assert "aim of 0.93 is met, the whole interval above it" in text
    assert "CVAE, mse: 0.850 (0.830 to 0.870), the aim **not met**" in text
    assert "picked on these very test sets, is DCAE, peak: 0.970" in text


def test_a_model_that_saw_a_part_of_the_sets_is_not_called_the_best():
    tables = areas_of(
        aae__orthogonal=(0.8, 0.7, 0.9), wgan_gp_mapping__orthogonal=(0.9, 0.8, 1.0)
    )
    small = tables["auc"]["model"] == "wgan_gp_mapping"
    tables["auc"]["n_normal"][small] = 10
    assert headline.headline(tables, {})["aims"][0]["own"]["model"] == "aae"


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((-0.05, -0.01), "AAE, orthogonal is **below it: the baseline wins**"),
        ((0.01, 0.05), "AAE, orthogonal is above it"),
        ((-0.01, 0.05), "AAE, orthogonal is not told from it"),
    ],
)
def test_a_baseline_that_wins_is_said_to_win(ends, words):
    tables = areas_of(
        aae__orthogonal=(0.8, 0.7, 0.9), baselines__pca_60=(0.8, 0.7, 0.9)
    )
    pair = ("aae", "orthogonal", "baselines", "pca_60", np.mean(ends), *ends)
    tables["ordering"] = Table(
        rows=[("fixed", "baseline", "both", *pair)],
        names="redshifts kind sector left left_score right right_score difference "
        "low high".split(),
    )
    text = said(tables)
    assert "PCA, 60 components, 0.800 (0.700 to 0.900) (picked on the test sets" in text
    assert words in text


@pytest.mark.parametrize(
    ("top", "words"),
    [
        (0.99, "0.190 above the best network without labels. The aim lies below"),
        (0.85, "not clearly above the best network without labels"),
        (0.50, "below the best network without labels"),
    ],
)
def test_the_ceiling_tells_whether_the_information_is_there(top, words):
    tables = areas_of(
        aae__orthogonal=(0.8, 0.75, 0.9),
        ceiling__supervised=(top, top - 0.02, min(top + 0.02, 1)),
    )
    assert words in said(tables)


def test_claims_agree_differ_or_stay_open():
    names = "redshifts kind sector left left_score right right_score difference low "
    rows = [
        ("fixed", "order", "both", "aae", "mse", "cvae", "mse", 0.1, 0.05, 0.15),
        ("fixed", "order", "both", "cvae", "mse", "dcae", "mse", -0.1, -0.2, -0.05),
        ("varying", "order", "both", "dcae", "mse", "rbm", "mse", 0.1, -0.1, 0.3),
        ("fixed", "order", "both", "aae", "peak", "cvae", "peak", 0.1, 0.05, 0.15),
    ]
    tables = areas_of(rbm__mse=(0.6, 0.55, 0.65))
    tables["ordering"] = Table(rows=rows, names=[*names.split(), "high"])
    found = claims.claims(tables, {})
    assert found[0] == (
        "AAE above CVAE, fixed redshifts",
        "+0.100 (+0.050 to +0.150)",
        "agrees",
    )
    assert [one[2] for one in found] == ["agrees", "differs", "not clear", "differs"]
    assert found[-1][0] == "the RBM sees nothing, fixed redshifts"


def test_fixed_less_varying_adds_the_errors_of_both():
    tables = areas_of(aae__mse=(0.9, 0.87, 0.92))
    other = tables["auc"].copy()
    other["redshifts"] = ["varying"] * len(other)
    other["auc"], other["low"], other["high"] = 0.8, 0.7, 0.84
    table = Table(rows=[*map(tuple, tables["auc"]), *map(tuple, other)])
    table.rename_columns(table.colnames, tables["auc"].colnames)
    value, low, high = claims._pair(table, "aae", "mse")
    assert value == pytest.approx(0.1)
    assert low == pytest.approx(0.1 - 0.05)  # A triangle of 0.03 and 0.04.
    assert high == pytest.approx(0.1 + (0.02**2 + 0.1**2) ** 0.5)


def test_substructure_is_found_from_a_fraction_on_not_by_luck():
    table = Table({"fraction": [5.0, 0.1, 1.0, 2.0], "auc": [0.95, 0.92, 0.6, 0.91]})
    assert claims._from(table) == "from 2 per cent on"
    table["auc"][0] = 0.8
    assert claims._from(table) == "at no fraction (0.80 at 5 per cent)"


def test_false_alarms_name_what_breaks_its_promise(study):
    table = study[1]["false_positives"].copy()
    assert "not by" not in claims.false_alarms(table)
    row = np.flatnonzero((table["sample"] == "smooth") & (table["model"] == "aae"))[0]
    table["as_promised"][row] = False
    text = claims.false_alarms(table)
    assert f"not by AAE, {table['score'][row]} at 90, fixed redshifts." in text
    assert "**!**" in cells.false_positives(table, "fixed")


# --- pictures, figures, page ---------------------------------------------------
