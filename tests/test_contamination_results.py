"""The tables of the study of contamination, and what is said of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from contaminated import cells, claims, headline, report, results, shown, words  # noqa: E402
from contaminated.contrasts import Kept  # noqa: E402
from contamination_run import cell, finish, images, models_cells, record  # noqa: E402

from astroanomaly.evaluation.contamination import auc_loss, loss_difference, summarize  # noqa: E402

FEW = {
    "pgan_joint": (1.5, 0.5),
    "pgan_encoder_only": (1.5, 0.0),
    "pgan_after": (1.5, 0.5),
    "dcae": (2.0, 0.8),
    "loe_hard": (2.0, 0.1),
    "pca": (2.5, 0.2),
    "brightness": (0.0, 0.0),
}
LABELS = np.array([False, False, False, False, True, True])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a made-up study of the lenses alone, and its tables."""
    folder = tmp_path_factory.mktemp("study")
    models_cells(folder / "lenses", FEW, (0.0, 0.1), (0, 1), 40)
    models_cells(folder / "lenses", {"dcae": FEW["dcae"]}, (0.05,), (0,), 40)
    images(folder / "lenses")
    finish(folder / "lenses")
    record(folder)
    return folder, results.write(folder)


def by_hand(folder, columns, p, seed=0):
    """Write a cell of six test objects."""
    named = {key: np.array(values, float) for key, values in columns.items()}
    method = next(iter(columns))[0]
    cell(folder, method, p, seed, named, LABELS)


@pytest.fixture
def six(tmp_path):
    """Return a folder whose areas are counted by hand.

    Of eight pairs of a normal and an anomalous object: the joint one has 8 right
    without contamination and 7 with it, the one trained afterwards 8 and 5.
    """
    where = tmp_path / "lenses"
    perfect, seven, five = [1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 6], [1, 2, 5, 6, 3, 5.5]
    by_hand(where, {("pgan_joint", "total"): perfect}, 0.0)
    by_hand(where, {("pgan_joint", "total"): seven}, 0.1)
    by_hand(where, {("pgan_after", "total"): perfect}, 0.0)
    by_hand(where, {("pgan_after", "total"): five}, 0.1)
    finish(where)
    return tmp_path


def test_losses_and_their_difference_are_those_counted_by_hand(six):
    tables = results.write(six)
    losses = dict(zip(tables["losses"]["model"], tables["losses"]["loss"], strict=True))
    assert losses == {"pgan_joint": pytest.approx(1 / 8), "pgan_after": 3 / 8}
    (row,) = tables["claim"]
    assert row["difference"] == pytest.approx(2 / 8)
    assert (row["loss"], row["other_loss"]) == (pytest.approx(1 / 8), 3 / 8)
    assert row["n_seeds"] == 1
    assert (row["coupling"], row["latent"]) == ("joint", "gaussian")


def test_contrasts_are_those_of_the_package(study):
    folder = study[0] / "lenses"
    one, other = ("pgan_encoder_only", "total"), ("pgan_after", "total")
    expected = loss_difference(folder, one, other)
    (row,) = headline.rows(study[1]["claim"], model=one[0], score="total")
    assert row["difference"] == pytest.approx(-expected.value, abs=1e-12)
    assert row["low"] == pytest.approx(-expected.high, abs=1e-12)
    assert row["high"] == pytest.approx(-expected.low, abs=1e-12)
    assert row["n_seeds"] == expected.n_seeds == 2
    table = Table.read(folder / "table.ecsv", format="ascii.ecsv")
    for other in auc_loss(table, out=folder):
        where = {"model": other["model"], "score": other["score"]}
        (row,) = headline.rows(study[1]["losses"], **where)
        for name in ("loss", "low", "high", "test_low", "test_high", "n_seeds"):
            assert row[name] == pytest.approx(other[name], abs=1e-12)


def test_areas_are_those_of_the_summary_in_a_stated_order(study):
    areas = study[1]["areas"]
    table = Table.read(study[0] / "lenses" / "table.ecsv", format="ascii.ecsv")
    expected = summarize(table)
    assert len(areas) == len(expected)
    for row in expected:
        where = {k: row[k] for k in ("model", "score", "training_contamination")}
        (found,) = headline.rows(areas, data="lenses", **where)
        assert found["auc"] == row["auc"]
    assert headline.models_of(areas) == [m for m in shown.NAMES if m in FEW]
    assert set(areas["n_test_normal"]) == {40}
    dcae = headline.rows(areas, model="dcae", score="mse")
    assert dcae["training_contamination"].tolist() == [0.0, 0.05, 0.1]
    assert dcae["n_anomalous"].tolist() == [0, 47, 100]


def test_terms_without_a_shared_seed_have_no_contrast(tmp_path):
    where = tmp_path / "lenses"
    by_hand(where, {("dcae", "mse"): range(6)}, 0.0, seed=0)
    by_hand(where, {("dcae", "mse"): range(6)}, 0.1, seed=1)
    by_hand(where, {("pca", "mse"): [np.nan] * 6}, 0.0)
    kept = Kept(where)
    assert kept.contrast((1, "dcae", "mse", 0.0), (-1, "dcae", "mse", 0.1)) is None
    assert kept.contrast((1, "pca", "mse", 0.0)) is None
    assert kept.contrast((1, "aae", "mse", 0.0)) is None
    assert kept.contrast((1, "dcae", "mse", 0.0)).value == 1.0


@pytest.mark.parametrize(
    ("low", "high", "chance", "word"),
    [
        (0.01, 0.2, False, "yes"),
        (-0.2, -0.01, False, "no"),
        (-0.1, 0.1, False, "cannot tell"),
        (np.nan, np.nan, False, "cannot tell"),
        (0.01, 0.2, True, "nothing to lose"),
    ],
)
def test_the_status_of_a_difference(low, high, chance, word):
    assert headline.status(low, high, chance) == word


def claimed(*statuses, n_seeds=3, at_chance=False):
    """Return tables with a claim by the three couplings."""
    names = (
        "data model score coupling latent difference low high n_seeds loss loss_low "
        "loss_high other_loss other_loss_low other_loss_high at_chance "
        "other_at_chance status"
    ).split()
    value = {"yes": 0.1, "no": -0.1}
    found = []
    for model, status in zip(shown.MAIN, statuses, strict=False):
        middle = value.get(status, 0.0)
        numbers = (middle, middle - 0.05, middle + 0.05, n_seeds)
        losses = (0.1 - middle, 0.0, 0.2, 0.1, 0.05, 0.15)
        head = ("lenses", model, "total", *shown.SIMULTANEOUS[model])
        found.append((*head, *numbers, *losses, at_chance, False, status))
    return {"claim": Table(rows=found, names=names) if found else Table()}


@pytest.mark.parametrize(
    ("statuses", "verdict", "outcomes"),
    [
        (("yes",) * 3, "yes", ["worked"]),
        (("no",) * 3, "no", ["failed"]),
        (("cannot tell",) * 3, "cannot tell", ["open"]),
        (("nothing to lose",) * 3, "nothing to lose", ["open"]),
        (
            ("yes", "no", "cannot tell"),
            "it depends on the coupling, yes for joint, no for encoder only, "
            "cannot tell for cluster",
            ["worked", "failed", "open"],
        ),
        (
            ("yes", "cannot tell", "yes"),
            "it depends on the coupling, yes for joint and cluster, cannot tell for "
            "encoder only",
            ["worked", "open"],
        ),
    ],
)
def test_the_claim_has_a_verdict_for_every_outcome(statuses, verdict, outcomes):
    tables = claimed(*statuses)
    text = claims.claim_short(tables, "lenses")
    assert f"lose less? Lenses: {verdict}.**" in text
    found = [
        one for one in claims.claim_findings(tables) if one.brief.startswith("Lenses")
    ]
    assert [one.outcome for one in found] == outcomes
    assert "Galaxies: not run." in claims.claim_short(tables, "galaxies")


def test_the_claim_tells_losses_seeds_and_what_is_at_chance():
    text = " ".join(claims.claim(claimed("yes", n_seeds=1), "lenses"))
    assert "joint +0.100 (+0.050 to +0.150), 1 seed." in text
    assert "joint +0.000 (+0.000 to +0.200); progressive GAN, encoder" in text
    assert "With 1 seed the interval knows" in text
    text = " ".join(claims.claim(claimed("yes", n_seeds=3), "lenses"))
    assert "the interval knows" not in text
    lost = claimed("nothing to lose", at_chance=True)
    assert "it is not above 0.5 even without" in claims.claim_short(lost, "lenses")


def test_other_scores_and_latents_are_counted(study):
    text = claims.claim(study[1], "lenses")[-1]
    scores = study[1]["claim"]["score"]
    rest = study[1]["claim"][(scores != "total") & (scores != "orthogonal")]
    yes = int((rest["status"] == "yes").sum())
    assert text.startswith(f"The {len(rest)} other combinations")
    assert f"more than one seed: {yes} yes, " in text
    alone = study[1]["claim"].copy()
    alone["n_seeds"] = 1
    text = claims.claim({**study[1], "claim": alone}, "lenses")[-1]
    assert text.startswith(f"The {len(rest)} combinations of one seed: {yes} yes, ")


def test_the_claim_has_a_second_reading_by_the_score_of_the_lens_study():
    tables = claimed("nothing to lose", at_chance=True)
    more = claimed("yes")["claim"]
    more.replace_column("score", [shown.SAME])
    tables["claim"] = vstack([tables["claim"], more])
    text = claims.claim_short(tables, "lenses")
    assert "Lenses: nothing to lose.**" in text
    assert text.endswith(
        "By `orthogonal`: yes (joint +0.100 (+0.050 to +0.150), 3 seeds)."
    )


def test_a_model_at_chance_has_nothing_to_lose(tmp_path):
    where = tmp_path / "lenses"
    for p in (0.0, 0.1):
        by_hand(where, {("pgan_joint", "total"): [1, 2, 5, 6, 3, 4]}, p)
        by_hand(where, {("pgan_after", "total"): [1, 2, 3, 4, 5, 6]}, p)
    finish(where)
    tables = results.write(tmp_path)
    assert tables["claim"]["status"].tolist() == ["nothing to lose"]
    names, told = (tables["losses"][k] for k in ("model", "at_chance"))
    chance = dict(zip(names, told, strict=True))
    assert chance == {"pgan_joint": True, "pgan_after": False}
    (text,) = report.ranking(tables)
    assert "of 1 models above 0.5" in text
    assert "Not above 0.5 from the start: progressive GAN, joint." in text


def test_the_norm_is_tested_on_both_sides(study):
    table = study[1]["norm"]
    for row in table:
        word = "yes" if row["low"] > 0.5 else "wrong" if row["high"] < 0.5 else "no"
        assert row["separates"] == word
    fixed = Table(
        {"data": ["lenses"] * 3, "model": ["pgan_joint"] * 3, "auc": [0.7, 0.5, 0.3]}
    )
    fixed["training_contamination"] = 0.0, 0.05, 0.1
    fixed["low"], fixed["high"] = fixed["auc"] - 0.1, fixed["auc"] + 0.1
    told = {
        ("yes", "yes", "yes"): ("worked", "separates throughout"),
        ("yes", "no", "wrong"): ("failed", "separates here and there"),
        ("no", "no", "wrong"): ("failed", "separates only with the wrong sign"),
        ("no", "no", "no"): ("failed", "cannot be told from chance"),
    }
    for words_of, (outcome, brief) in told.items():
        fixed["separates"] = words_of
        (found,) = claims.norm({"norm": fixed})
        assert found.outcome == outcome
        assert brief in found.brief
        n = words_of.count("wrong")
        assert f"{n or 'none'} below it" in found.text
    assert "0.700 (0.600 to 0.800)" in found.text


def test_only_the_norm_of_a_gan_is_asked_for(tmp_path):
    for model in ("dcae", "wgan_gp"):
        by_hand(tmp_path / "lenses", {(model, "latent_norm"): range(6)}, 0.0)
    assert results.write(tmp_path)["norm"]["model"].tolist() == ["wgan_gp"]
    by_hand(tmp_path / "galaxies", {("dcae", "latent_norm"): range(6)}, 0.0)
    assert set(results.write(tmp_path)["norm"]["data"]) == {"lenses"}


def test_refinement_is_held_against_the_unrefined(study):
    folder = study[0] / "lenses"
    (row,) = headline.rows(study[1]["refined"], model="loe_hard", score="mse")
    expected = loss_difference(folder, ("loe_hard", "mse"), ("dcae", "mse"))
    assert row["loss"] == pytest.approx(-expected.value, abs=1e-12)
    areas = headline.rows(study[1]["areas"], score="mse", training_contamination=0.1)
    auc = {m: headline.rows(areas, model=m)["auc"][0] for m in ("loe_hard", "dcae")}
    assert row["dirty"] == pytest.approx(auc["loe_hard"] - auc["dcae"])
    table = Table(
        {"data": ["lenses"], "model": ["loe_soft"], "score": ["mse"], "n_seeds": [3]}
    )
    told = {
        0.2: ("worked", "above the DCAE", "loses less"),
        0.0: ("open", "not told from the DCAE", "does not clearly lose"),
        -0.2: ("failed", "**below** the DCAE", "**loses more**"),
    }
    for value, (outcome, now, lost) in told.items():
        for name in ("dirty", "loss"):
            table[name] = value
            table[f"{name}_low"], table[f"{name}_high"] = value - 0.1, value + 0.1
        (found,) = claims.refined({"refined": table})
        assert found.outcome == outcome
        assert now in found.text
        assert lost in found.text


def test_a_baseline_that_wins_is_said_to_win(study):
    found = report.baselines(study[1])
    text = "\n".join(one.text for one in found)
    (row,) = headline.rows(
        study[1]["baselines"],
        left="pgan_encoder_only",
        left_score="total",
        right="pca",
        right_score="mse",
    )
    assert row["difference"] == pytest.approx(row["left_auc"] - row["right_auc"])
    assert f"difference {row['difference']:+.3f}" in text
    names = ["left", "left_score", "right", "right_score", "left_auc", "right_auc"]
    table = Table(rows=[("dcae", "mse", "pca", "mse", 0.7, 0.8)], names=names)
    table["data"] = ["lenses"]
    areas = headline.rows(study[1]["areas"], data="lenses")
    areas = areas[np.isin(areas["model"], ("dcae", "pca"))]
    told = {
        0.1: ("worked", "is above the best baseline"),
        0.0: ("open", "is not told from the best baseline"),
        -0.1: ("failed", "is below the best baseline"),
    }
    for value, (outcome, said) in told.items():
        table["difference"], table["low"] = value, value - 0.05
        table["high"] = value + 0.05
        (found,) = report.baselines({"areas": areas, "baselines": table})
        assert found.outcome == outcome
        assert said in found.text
        assert ("**the baseline wins**" in found.brief) == (outcome == "failed")


def test_components_stand_beside_the_networks_of_the_same_score(study):
    (text,) = report.same_score(study[1])
    areas = headline.rows(study[1]["areas"], training_contamination=0.1, score="peak")
    pca = headline.rows(areas, model="pca")["auc"][0]
    top = max(areas[areas["model"] != "pca"]["auc"])
    how = "**above**" if pca > top else "below"
    assert f"peak {pca:.3f}, {how} " in text


def test_who_loses_least_is_computed(study):
    (text,) = report.ranking(study[1])
    own = headline.own_rows(study[1]["losses"])
    own = own[~np.asarray(own["at_chance"], bool)]
    least = own[int(np.argmin(own["loss"]))]
    assert f"the least is lost by {shown.model_name(least['model'])}, " in text
    assert f"{least['loss']:+.3f} (" in text
    assert "brightness alone" in text


def test_a_model_is_shown_by_the_score_of_the_rule():
    rule = {
        "pgan_after": "total",
        "wgan_gp": "total",
        "dcae": "mse",
        "loe_soft": "mse",
        "pca": "mse",
        "pca_forest": "forest",
        "brightness": "brightness",
    }
    assert {model: shown.own_score(model) for model in rule} == rule
    kinds = {shown.kind(model) for model in shown.NAMES}
    assert kinds == {
        "simultaneous",
        "afterwards",
        "autoencoder",
        "refined",
        "baseline",
    }


def test_the_weight_of_the_total_is_found_in_the_scores(study, tmp_path):
    assert study[1]["weight"]["weight"].tolist() == [0.9]
    assert shown.weight("total", study[1]["weight"]) == 0.9
    assert shown.weight("total_0.25") == 0.25
    assert [shown.weight(s) for s in ("residual", "feature")] == [0.0, 1.0]
    assert shown.weight("mse") is shown.weight("total") is None
    assert shown.weight("total_best") is None
    one, two = np.array([1.0, 2, 3]), np.array([5.0, 1, 2])
    assert results._weight(one, two, 0.75 * one + 0.25 * two) == 0.25
    assert results._weight(one, two, 0.01 * one + 0.9 * two) == 0.9
    assert results._weight(one, two, one * two) is None
    assert results._weight(one, one, one) is None
    text = cells.weights(study[1]["areas"], study[1]["weight"])
    assert "| w 0 | w 0.5 | w 0.9 | w 1 |" in text


def test_costs_stand_by_what_is_trained_together(study):
    table = study[1]["cost"]
    (row,) = headline.rows(table, models="dcae loe_hard")
    # Seed 0 took 20 s three times, seed 1 30 s twice.
    assert (row["seconds"], row["fastest"], row["slowest"]) == (20, 20, 30)
    assert row["n"] == 5
    assert "| DCAE; DCAE, refined (LOE hard) | 20 (20 to 30) |" in cells.cost(table)


def test_samples_are_told_apart_after_the_adjustment(study):
    table = study[1]["samples"]
    assert set(table["data"]) == {"lenses"}
    assert (table["p_adjusted"] >= table["p_value"]).all()
    apart = dict(zip(table["statistic"], table["apart"], strict=True))
    assert apart["noise"]
    assert not apart["flux"]
    (found,) = report.samples(table, "lenses")
    assert found.outcome == "failed"
    assert "told apart by noise (" in found.text
    assert "noise" in found.brief
    table = table[~np.asarray(table["apart"])]
    (found,) = report.samples(table, "lenses")
    assert found.outcome == "worked"
    assert found.text.endswith("cannot be told from those of real images.")
    assert report.samples(table, "galaxies") == []


def test_what_is_missing_is_named(study, six):
    lines = "\n".join(report.missing(study[1]))
    assert "Galaxies: nothing at all." in lines
    assert "Lenses, no model: 0.5%, 1%, 2%, 20%." in lines
    assert "progressive GAN, cluster; " in lines
    assert "Lenses, none at 5%: DCAE, refined (LOE hard); PCA" in lines
    assert "2 seeds at 0% and 10% instead of 3: progressive GAN, joint" in lines
    lines = "\n".join(report.missing(results.write(six)))
    assert "1 seed at 0% and 10% instead of 3" in lines


def test_a_full_study_lacks_nothing():
    found = []
    for data in shown.SETS:
        for model in shown.NAMES:
            variant = model in shown.SIMULTANEOUS and model not in shown.MAIN
            for p in (0.0, 0.1) if variant else shown.STEPS:
                found.append((data, model, p, 3))
    names = ("data", "model", "training_contamination", "n_seeds")
    lines = report.missing({"areas": Table(rows=found, names=names)})
    (line,) = lines
    assert line.startswith("Nothing: every model has every contamination (the other")


def test_tables_survive_the_disk_and_old_ones_go(study, six):
    found = results.read(study[0])
    for name, table in study[1].items():
        assert len(found[name]) == len(table)
    assert len(found["no such table"]) == 0
    results.write(six)
    stale = six / "results" / "samples.ecsv"
    stale.write_text("old")
    results.write(six)
    assert not stale.exists()


def test_a_running_study_without_its_table_is_read_from_its_cells(six):
    before = results.write(six)["areas"]["auc"].tolist()
    (six / "lenses" / "table.ecsv").unlink()
    assert results.write(six)["areas"]["auc"].tolist() == before


def test_an_empty_study_says_so(tmp_path):
    (tmp_path / "lenses" / "cells").mkdir(parents=True)
    tables = results.write(tmp_path)
    assert not any(map(len, tables.values()))
    assert report.missing(tables)[0] == "Lenses: nothing at all."
    assert report.ranking(tables) == []
    assert words.joined(["a"]) == "a"
