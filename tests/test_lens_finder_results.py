"""The tables of the lens-finder study, and what is said of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy.special import expit

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from finders import claims, contests, focus, headline, results, samples, shown, told  # noqa: E402
from lens_finder_run import (  # noqa: E402
    FINDERS,
    SIZES,
    explained,
    made_up,
    outputs,
    real,
    record,
)

from astroanomaly import evaluation  # noqa: E402
from astroanomaly.evaluation import classifier

HAND = {"train": 8, "validation": 8, "calibration": 8, "test": 8, "arcs": 4, "rings": 4}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a made-up study, its tables and what it keeps."""
    folder = made_up(tmp_path_factory.mktemp("study") / "run")
    return folder, results.write(folder), samples.Run(folder)


def by_hand(folder, p, finder="ou66", seed=0):
    """Write a study of one finder whose probabilities are given, set by set.

    Every second frame of a set holds a lens; arcs and rings are all lenses.
    """
    for name, n in HAND.items():
        lens = (
            np.arange(n) % 2 == 0 if name not in ("arcs", "rings") else np.full(n, True)
        )
        table = Table({"object_id": [f"{name}{k}" for k in range(n)], "is_lens": lens})
        table["kind"] = np.where(lens, "lens", "spiral")
        for column in shown.PROPERTIES:
            table[column] = np.where(lens, 1.0 + np.arange(n), np.nan)
        path = folder / "sets" / name / "truth.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(path, format="ascii.ecsv", overwrite=True)
    even = np.tile([0.9, 0.1, 0.6, 0.3], 2)
    found = {name: np.array(p.get(name, even[:n]), float) for name, n in HAND.items()}
    logit = {name: np.log(v / (1 - v)) for name, v in found.items()}
    outputs(folder / "finders" / finder / f"s{seed}", logit)
    record(folder, (finder,))
    return results.write(folder)


# Three of four lenses found, one of four non-lenses called a lens.
TEST = [0.9, 0.7, 0.8, 0.2, 0.6, 0.1, 0.4, 0.3]


def test_rates_are_those_counted_by_hand(tmp_path):
    tables = by_hand(tmp_path, {"test": TEST, "arcs": [0.9, 0.9, 0.1, 0.9]})
    (row,) = headline.main_rows(tables, "sets", rule="half", set="single test")
    assert (row["n_found"], row["n_lenses"], row["n_false"]) == (3, 4, 1)
    assert row["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert (row["precision"], row["recall"]) == (0.75, 0.75)
    assert row["false_positive_rate"] == 0.25
    assert (row["published_f1"], row["published_recall"]) == (0.580, 0.473)
    (arcs,) = headline.main_rows(tables, "sets", rule="half", set="compound arcs")
    assert arcs["recall"] == 0.75
    # One lens for each non-lens: 0.75 / (0.75 + 0.25).
    assert arcs["precision"] == pytest.approx(0.75)
    (pure,) = headline.main_rows(tables, "purity", rule="half", lens_fraction=0.001)
    assert pure["purity"] == pytest.approx(0.00075 / (0.00075 + 0.25 * 0.999))


@pytest.mark.parametrize(
    ("test", "arcs", "rings", "verdicts"),
    [
        ([0.9, 0.1] * 4, [0.9] * 4, [0.9] * 4, (True, True, True)),
        (TEST, [0.9] * 3 + [0.1], [0.9, 0.9, 0.1, 0.1], (False, False, False)),
        # Everything is called a lens: all recalls are met, F1 is 2/3.
        ([0.9] * 7 + [0.8], [0.9] * 4, [0.9] * 4, (False, True, True)),
    ],
)
def test_the_aims_have_the_verdicts_that_the_numbers_have(
    tmp_path, test, arcs, rings, verdicts
):
    tables = by_hand(tmp_path, {"test": test, "arcs": arcs, "rings": rings})
    found = headline.aims(tables)
    assert tuple(one["met"] for one in found) == verdicts
    assert [one["value"] for one in found] == [0.83, 0.76, 0.52]
    for line, met in zip(claims.aims(tables), verdicts, strict=True):
        assert f": {'yes' if met else 'no'}" in line
    if verdicts == (False, True, True):
        assert all(one["false"] == 1 for one in found)
        assert "non-lenses called lenses 100.0%" in claims.aims(tables)[1]
        text = " ".join(claims.trivial(tables))
        assert "calling objects lenses at random would do as well" in text


@pytest.mark.parametrize(
    ("got", "low", "high", "word"),
    [
        (0.9, 0.85, 0.95, "yes"),
        (0.85, 0.8, 0.9, "yes, though the interval reaches below"),
        (0.8, 0.75, 0.84, "no, though the interval reaches it"),
        (0.7, 0.65, 0.75, "no"),
        (0.9, np.nan, np.nan, "yes"),
        (0.7, np.nan, np.nan, "no"),
    ],
)
def test_a_verdict_knows_its_interval(got, low, high, word):
    one = {"value": 0.83, "got": got, "low": low, "high": high}
    one |= {"met": got >= 0.83, "sure": low >= 0.83}
    assert claims.verdict(one) == word


def test_the_finder_is_chosen_without_the_test_set(tmp_path):
    # Seed 0 is better on the test set, seed 1 on the validation set.
    by_hand(tmp_path, {"test": [0.9, 0.1] * 4, "validation": [0.4, 0.6] * 4})
    by_hand(tmp_path, {"test": TEST, "validation": [0.95, 0.05] * 4}, seed=1)
    run = samples.Run(tmp_path)
    assert [one.key for one in run.entries] == [
        ("ou66", "seed 0"),
        ("ou66", "seed 1"),
        ("ou66", "together"),
    ]
    assert headline.chosen(run).key == ("ou66", "seed 1")
    # Their mean logit is the third entry.
    both = [run.entries[k].logits["test"] for k in (0, 1)]
    np.testing.assert_allclose(run.entries[2].logits["test"], np.mean(both, axis=0))
    assert samples.loss(np.array([True, False]), np.array([0.0, 0.0])) == pytest.approx(
        np.log(2)
    )
    loss = samples.loss(np.array([True, True, False]), np.array([2.0, 0.0, -1.0]))
    by = [-np.log(expit(2.0)), -np.log(0.5), -np.log(1 - expit(-1.0))]
    assert loss == pytest.approx(((by[0] + by[1]) / 2 + by[2]) / 2)


def test_fewer_bands_do_not_stand_for_all(study):
    run = study[2]
    assert headline.chosen(run).finder in ("ou66", "ou200")
    assert headline.bands(run, "vis") == ("VIS",)
    entries = study[1]["entries"]
    assert len(headline.rows(entries, chosen=True)) == 1
    assert len(headline.rows(entries, shown=True)) == len(FINDERS)
    (together,) = headline.rows(entries, member="together")
    assert together["n_seeds"] == 2


def test_real_lenses_go_to_the_finder_of_most_bands(study):
    found = {name: one.finder for name, one in headline.assigned(study[2]).items()}
    assert found["Euclid Q1 102021016"] == headline.chosen(study[2]).finder
    assert found["SDSS J0946+1006"] == found["SDSS J1148+1930"] == "vis"
    assert found["COSMOS-Web Ring"] == "yj"
    table = study[1]["named"]
    row = table[list(table["name"]).index("SDSS J0946+1006")]
    assert row["output"] == pytest.approx(expit(3.0))
    assert row["published_output"] == 0.8228
    assert set(table["name"][~np.asarray(table["given"])]) == {
        "SL2S J02176-0513",
        "HSC J142449-005322",
    }
    text = claims.real(study[1])
    assert "at least 0.5: no, 3 of 5.**" in text
    assert "COSMOS-Web Ring 0.269 **(no)**" in text
    # Logits of the corners are -1, 0, 1 and 2, twice.
    assert "OU-66 on cuts, VIS 6 of 8" in text


def test_all_real_lenses_found_is_a_yes(tmp_path):
    made_up(tmp_path)
    rng = np.random.default_rng(0)
    for path in (tmp_path / "real").glob("*.npz"):
        path.unlink()
    real(tmp_path, rng, {"SDSS J0946+1006": 0.0, "COSMOS-Web Ring": 1.0})
    text = claims.real(results.write(tmp_path))
    assert "at least 0.5: yes, 2 of 2.** SDSS J0946+1006 0.500; COSMOS-Web" in text


def test_recall_at_a_rate_is_counted_by_hand():
    lenses, others = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0.0, 2.0, 4.0, 6.0])
    # At most one of four above: the threshold is 4, which 5 and 7 exceed.
    assert contests.recall_at(lenses, others, 0.25) == (2, 4.0)
    assert contests.recall_at(lenses, others, 0.2) == (1, 6.0)
    assert contests.recall_at(lenses, others, 0.5) == (3, 2.0)
    assert contests.recall_at(lenses, others, 1.0) == (4, -np.inf)
    # Ties at the threshold are not above it.
    assert contests.recall_at(lenses, np.array([5.0, 5.0, 0.0]), 0.4) == (1, 5.0)


def test_areas_are_those_of_the_package(study):
    folder, tables, run = study
    labels = run.labels("test")
    scores = run.detectors["dcae", "mse"]
    (row,) = headline.rows(tables["areas"], name="dcae", score="mse", set="test")
    assert row["auc"] == pytest.approx(evaluation.auc(labels, scores["test"]).value)
    assert (row["n_lenses"], row["n_negatives"]) == (250, 250)
    (row,) = headline.rows(tables["areas"], name="dcae", score="mse", set="arcs")
    joined = np.concatenate([scores["arcs"], scores["test"][~labels]])
    truth = np.repeat([True, False], [150, 250])
    assert row["auc"] == pytest.approx(evaluation.auc(truth, joined).value)
    main = headline.chosen(run)
    rate = (main.p("test")[~labels] >= 0.5).mean()
    assert row["own_rate"] == rate
    # The finder at its own rate finds what it finds at 0.5, up to ties in the count.
    (own,) = headline.rows(
        tables["areas"], name=main.finder, score=main.member, set="test"
    )
    at_half = (main.p("test")[labels] >= 0.5).mean()
    assert own["recall_own"] >= at_half
    ours = evaluation.auc_difference(labels, main.logits["test"], scores["test"])
    (less,) = headline.rows(tables["versus"], name="dcae", score="mse", set="test")
    assert less["difference"] == pytest.approx(ours.value)
    assert less["low"] == pytest.approx(ours.low, abs=0.02)


def test_the_finder_above_all_else_is_said_to_be(study):
    lines = claims.contests(study[1])
    assert len(lines) == 3 or len(lines) == 4
    assert all("the finder is above it" in line for line in lines)
    assert lines[0].startswith("**The best outlier detector (")
    assert "by any score, picked on the test set" in lines[1]
    assert "simple features" in lines[-1]


def test_a_detector_that_wins_is_said_to_win(tmp_path):
    strong = {("brightness", "brightness"): 6.0, ("features", "logistic"): 0.1}
    made_up(tmp_path, strength={"ou66": 0.2}, detectors=strong)
    lines = claims.contests(results.write(tmp_path))
    assert lines[0].startswith("**The best outlier detector (brightness alone)**")
    assert "**it wins**" in lines[0]
    # The floor is better than guessing by nothing, and so is the finder.
    assert lines[-1].startswith("**The better classifier on simple features (log")
    assert "**it wins**" not in lines[-1]


def test_thresholds_are_chosen_on_the_calibration_set(study):
    run, tables = study[2], study[1]
    main = headline.chosen(run)
    found = classifier.threshold_for(
        run.labels("calibration"), main.p("calibration"), false_positive_rate=0.01
    )
    (row,) = headline.main_rows(tables, "thresholds", rule="one_percent")
    assert row["threshold"] == found.threshold
    assert row["reached"] <= 0.01
    (test,) = headline.main_rows(tables, "sets", rule="one_percent", set="single test")
    assert test["n_false"] < 12
    assert len(headline.main_rows(tables, "sets", rule="one_percent")) == 4


def test_calibration_is_measured_where_it_was_not_learned(study):
    pair = {str(r["rule"]): r for r in headline.main_rows(study[1], "calibration")}
    assert pair["calibrated"]["error"] < pair["raw"]["error"]
    assert "(better; chance alone" in claims.calibrated(study[1])
    # The logits of the made-up finders are too timid by a known factor.
    curve = study[2].curves["vis", "seed 0"]
    assert curve.slope_ > 1


def test_what_is_missed_is_counted_in_quarters(study):
    table, run = study[1]["missed"], study[2]
    part = headline.rows(table, set="test", property="theta_E")
    assert len(part) == 4
    assert part["n"].sum() == 250
    lenses = run.labels("test")
    theta = np.asarray(run.truths["test"]["theta_E"])[lenses]
    found = headline.chosen(run).p("test")[lenses] >= 0.5
    low = theta <= np.quantile(theta, 0.25)
    assert part["recall"][0] == pytest.approx(found[low].mean(), abs=0.02)
    assert part["recall"][-1] > part["recall"][0] - 0.05
    lines = told.missed(study[1])
    assert lines[0].startswith("**Single lenses**, recall in the lowest and highest")


def test_the_worst_kind_is_named(study):
    text = claims.hard(study[1])
    assert "most often: ring galaxy, " in text
    rows = headline.main_rows(study[1], "negatives", rule="half")
    assert rows["kind"][0] == "all"
    assert rows["n"][0] == rows["n"][1:].sum() == 250


def test_zones_and_shares_are_counted_by_hand():
    found = {
        "map": np.zeros((1, 5, 5)),
        "place": np.array([[2.0, 2.0]]),
        "theta_E": np.array([0.7]),
        "pixel_scale": np.array(0.8),
    }
    masks = focus.zones(found)
    # Pixels of 0.8 arcsec: the core is a cross of 5, all but the corners lie within 3.
    assert masks["core"].sum() == 5
    assert masks["ring"].sum() == 20
    assert masks["elsewhere"].sum() == 0
    assert masks["lens"].sum() == 5
    weight = np.zeros((1, 5, 5))
    weight[0, 2, 2], weight[0, 0, 0] = 3.0, 1.0
    assert focus.shares(weight, masks["core"]).tolist() == [0.75]
    assert np.isnan(focus.shares(np.zeros((1, 5, 5)), masks["core"])).all()
    found["theta_E"] = np.array([np.nan])
    assert "lens" not in focus.zones(found)


def test_a_map_of_the_ring_alone_lies_in_the_ring(tmp_path):
    rng = np.random.default_rng(0)
    explained(tmp_path, rng)
    table = focus.focus_table(samples.Run(tmp_path))
    where = {"finder": "ou66", "group": "found", "sign": "for"}
    found = {str(r["zone"]): r for r in headline.rows(table, **where)}
    # Six pixels of 0.3 arcsec: 1.8 arcsec, and noise elsewhere.
    assert found["ring"]["share"] > 0.6
    assert found["lens"]["share"] > found["core"]["share"] + 0.5
    assert found["core"]["share"] < 0.05
    parts = [found[zone]["share"] for zone in ("core", "ring", "elsewhere")]
    assert sum(parts) == pytest.approx(1)
    assert sum(
        found[z]["area"] for z in ("core", "ring", "elsewhere")
    ) == pytest.approx(1)
    against = headline.rows(table, **(where | {"sign": "against"}), zone="core")
    assert against["share"][0] > found["core"]["share"]
    assert found["ring"]["low"] <= found["ring"]["share"] <= found["ring"]["high"]


@pytest.mark.parametrize(
    ("found", "missed", "words"),
    [
        ((0.8, 0.7, 0.9), (0.3, 0.2, 0.4), "what is missed is looked past."),
        ((0.3, 0.2, 0.4), (0.8, 0.7, 0.9), "looked at, and more closely."),
        ((0.5, 0.3, 0.7), (0.6, 0.4, 0.8), "these maps do not tell the two apart."),
        ((0.5, np.nan, np.nan), (0.6, np.nan, np.nan), "too few to tell."),
    ],
)
def test_where_the_finder_looks_has_words_for_every_outcome(found, missed, words):
    names = "finder group sign zone n share low high area light".split()
    rows = [
        ("ou66", group, "for", "lens", 4, *ends, 0.05, 0.4)
        for group, ends in (("found", found), ("missed", missed))
    ]
    tables = {"focus": Table(rows=rows, names=names)}
    assert words in told.differs(tables, "ou66")
    text = told.focus(tables, "ou66")[0]
    expected = {
        0.8: "more than area and light account for",
        0.3: "more than the area, not more than the light",
        0.5: "more than the area, not more than the light",
    }[found[0]]
    assert (expected if np.isfinite(found[1]) else "too few to tell") in text


def test_counts_and_what_is_missing(study, tmp_path):
    counts = study[1]["counts"]
    for name, n in SIZES.items():
        assert headline.rows(counts, set=name)["n"].sum() == n
    lines = "\n".join(told.missing(study[1], {}))
    assert "Published real lenses that could" in lines
    lines = "\n".join(told.missing(by_hand(tmp_path, {}), {"A": "b.fits is not there"}))
    assert "Not trained: OU-200, four bands." in lines
    assert "Real lens A: b.fits is not there." in lines


def test_seeds_are_told_apart(study):
    (line,) = told.seeds(study[1])
    where = {"finder": "ou66", "set": "single test", "rule": "half"}
    table = headline.rows(study[1]["sets"], **where)
    f1 = {str(row["member"]): row["f1"] for row in table}
    low, high = sorted(f1[f"seed {k}"] for k in (0, 1))
    assert line == (
        f"OU-66, four bands: F1 of single seeds {low:.3f} to {high:.3f}, together "
        f"{f1['together']:.3f}."
    )


def test_tables_survive_the_disk_and_old_ones_go(study, tmp_path):
    found = results.read(study[0])
    assert set(found) == {name for name, table in study[1].items() if len(table)}
    for name, table in found.items():
        assert len(table) == len(study[1][name])
    assert len(found["no such table"]) == 0
    by_hand(tmp_path, {})
    stale = tmp_path / "results" / "focus.ecsv"
    stale.write_text("old")
    results.write(tmp_path)
    assert not stale.exists()


def test_a_study_of_nothing_says_so(tmp_path):
    tables = results.write(tmp_path)
    assert not any(map(len, tables.values()))
    lines = told.short(tables)
    assert lines[0] == "No finder was trained in this run."
    assert sum("not run" in line for line in lines) == 4


def test_a_training_without_all_outputs_does_not_count(tmp_path):
    by_hand(tmp_path, {})
    (tmp_path / "finders" / "ou66" / "s0" / "outputs" / "rings.npz").unlink()
    assert samples.Run(tmp_path).entries == []
