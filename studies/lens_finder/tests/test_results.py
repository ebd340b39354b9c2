"""What the lens-finder study measures, and its tables and figures."""

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from scipy.special import expit

from astroanomaly import evaluation
from astroanomaly.evaluation import classifier
from studies.lens_finder import figures, names, results, tables
from studies.lens_finder.results import Run
from studies.lens_finder.tests.made_up import (
    FINDERS,
    SIZES,
    explained,
    made_up,
    record,
    training,
    write_set,
)
from studies.study import Missing
from studies.tables import rows
from studies.tests.pages import DOCS, check_page

HAND = {"train": 8, "validation": 8, "calibration": 8, "test": 8, "arcs": 4, "rings": 4}
# Three of four lenses found, one of four non-lenses called a lens.
TEST = [0.9, 0.7, 0.8, 0.2, 0.6, 0.1, 0.4, 0.3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a made-up run."""
    return Run(made_up(tmp_path_factory.mktemp("study") / "run"))


@pytest.fixture(scope="module")
def found(run):
    """Return its tables."""
    return tables.shown(run, {"sets": 60.0, "finders": 120.0})


def row_of(table, **wanted):
    """Return the only row of a table that holds these values."""
    (row,) = rows(table, **wanted)
    return row


def by_hand(folder, p, finder="ou66", seed=0):
    """Write a study of one finder whose probabilities are given, set by set.

    Every second frame of a set holds a lens; arcs and rings are all lenses.
    """
    for name, n in HAND.items():
        lens = (np.arange(n) % 2 == 0) | (name in ("arcs", "rings"))
        table = Table({"object_id": [f"{name}{k}" for k in range(n)], "is_lens": lens})
        table["kind"] = np.where(lens, "lens", "spiral")
        for column in names.PROPERTIES:
            table[column] = np.where(lens, 1.0 + np.arange(n), np.nan)
        write_set(folder, name, table)
    even = np.tile([0.9, 0.1, 0.6, 0.3], 2)
    found = {name: np.array(p.get(name, even[:n]), float) for name, n in HAND.items()}
    logit = {name: np.log(v / (1 - v)) for name, v in found.items()}
    training(folder / "finders" / finder / f"s{seed}", logit)
    record(folder, (finder,))
    return Run(folder)


def test_rates_are_those_counted_by_hand(tmp_path):
    run = by_hand(tmp_path, {"test": TEST, "arcs": [0.9, 0.9, 0.1, 0.9]})
    table = run.rates(run.chosen, 0.5)
    row = row_of(table, set="single test")
    assert (row["n_found"], row["n_lenses"], row["n_false"]) == (3, 4, 1)
    assert row["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert (row["precision"], row["recall"]) == (0.75, 0.75)
    assert row["false_positive_rate"] == 0.25
    assert (row["published_f1"], row["published_recall"]) == (0.580, 0.473)
    arcs = row_of(table, set="compound arcs")
    assert arcs["recall"] == 0.75
    # One lens for each non-lens: 0.75 / (0.75 + 0.25).
    assert arcs["precision"] == pytest.approx(0.75)
    pure = row_of(tables.purity(run), threshold="0.5", one_in=1000)
    assert pure["purity"] == pytest.approx(0.00075 / (0.00075 + 0.25 * 0.999))
    less = row_of(tables.difference(run), set="single test")
    assert (less["found"], less["false"], less["difference"]) == (3, 1, 0.5)


@pytest.mark.parametrize(
    ("test", "arcs", "rings", "met"),
    [
        ([0.9, 0.1] * 4, [0.9] * 4, [0.9] * 4, [True, True, True]),
        (TEST, [0.9] * 3 + [0.1], [0.9, 0.9, 0.1, 0.1], [False, False, False]),
        # Everything is called a lens: all recalls are met, F1 is 2/3.
        ([0.9] * 7 + [0.8], [0.9] * 4, [0.9] * 4, [False, True, True]),
    ],
)
def test_an_aim_is_met_where_the_number_reaches_it(tmp_path, test, arcs, rings, met):
    table = tables.aims(by_hand(tmp_path, {"test": test, "arcs": arcs, "rings": rings}))
    assert list(table["met"]) == met
    assert list(table["least"]) == [0.83, 0.76, 0.52]
    if met == [False, True, True]:
        assert list(table["false_rate"]) == [1, 1, 1]


def test_the_finder_is_chosen_without_the_test_set(tmp_path):
    # Seed 0 is better on the test set, seed 1 on the validation set.
    by_hand(tmp_path, {"test": [0.9, 0.1] * 4, "validation": [0.4, 0.6] * 4})
    run = by_hand(tmp_path, {"test": TEST, "validation": [0.95, 0.05] * 4}, seed=1)
    assert [one.member for one in run.entries] == ["seed 0", "seed 1", "together"]
    assert run.entries[2].name == "OU-66, four bands, 2 seeds together"
    assert run.chosen.key == ("ou66", "seed 1")
    # Their mean logit is the third entry.
    both = [run.entries[k].logits["test"] for k in (0, 1)]
    np.testing.assert_allclose(run.entries[2].logits["test"], np.mean(both, axis=0))
    zero = results.loss(np.array([True, False]), np.array([0.0, 0.0]))
    assert zero == pytest.approx(np.log(2))
    loss = results.loss(np.array([True, True, False]), np.array([2.0, 0.0, -1.0]))
    by = [-np.log(expit(2.0)), -np.log(0.5), -np.log(1 - expit(-1.0))]
    assert loss == pytest.approx(((by[0] + by[1]) / 2 + by[2]) / 2)


def test_fewer_bands_do_not_stand_for_all(run, found):
    assert run.chosen.finder in ("ou66", "ou200")
    assert run.bands("vis") == ("VIS",)
    assert [entry.finder for entry in run.shown] == list(FINDERS)
    assert sum(found["finders_half"]["shown"]) == 1


def test_real_lenses_go_to_the_finder_of_most_bands(run, found):
    own = {name: one.finder for name, one in run.assigned.items()}
    assert own["Euclid Q1 102021016"] == run.chosen.finder
    assert own["SDSS J0946+1006"] == own["SDSS J1148+1930"] == "vis"
    assert own["COSMOS-Web Ring"] == "yj"
    row = row_of(found["named"], lens="SDSS J0946+1006")
    assert row["here"] == pytest.approx(expit(3.0))
    assert row["poster"] == 0.8228
    lost = found["named"]["lens"][found["named"]["found"].mask]
    assert set(lost) == {"SL2S J02176-0513", "HSC J142449-005322"}
    met = found["aims"][np.char.startswith(found["aims"]["aim"], "P(lens)")]["met"]
    assert sum(met) == 3
    row = row_of(found["real"], finder="OU-66 on cuts, VIS")
    # Logits of the corners are -1, 0, 1 and 2, twice.
    assert (row["sky_lenses"], row["sky"]) == (6, 8)


def test_recall_at_a_rate_is_counted_by_hand():
    lenses, others = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0.0, 2.0, 4.0, 6.0])
    # At most one of four above: the threshold is 4, which 5 and 7 exceed.
    assert results.recall_at(lenses, others, 0.25) == 0.5
    assert results.recall_at(lenses, others, 0.2) == 0.25
    assert results.recall_at(lenses, others, 0.5) == 0.75
    assert results.recall_at(lenses, others, 1.0) == 1
    # Ties at the threshold are not above it.
    assert results.recall_at(lenses, np.array([5.0, 5.0, 0.0]), 0.4) == 0.25


def test_areas_are_those_of_the_package(run):
    labels = run.labels("test")
    scores = run.detectors["dcae", "mse"]
    area = run.areas["detector", "dcae", "mse"]
    expected = evaluation.auc(labels, scores["test"])
    assert area["test"][0] == pytest.approx(expected[:3])
    joined = np.concatenate([scores["arcs"], scores["test"][~labels]])
    truth = np.repeat([True, False], [150, 250])
    assert area["arcs"][0][0] == pytest.approx(evaluation.auc(truth, joined).value)
    assert run.own_rate == (run.chosen.p("test")[~labels] >= 0.5).mean()
    # The finder at its own rate finds what it finds at 0.5, up to ties in the count.
    own = run.areas["finder", *run.chosen.key]["test"][1]
    assert own >= (run.chosen.p("test")[labels] >= 0.5).mean()
    ours = run.chosen.logits["test"]
    less = evaluation.auc_difference(labels, ours, scores["test"])
    value, low, _ = run.versus(("detector", "dcae", "mse"))
    assert value == pytest.approx(less.value)
    assert low == pytest.approx(less.low, abs=0.02)


def test_the_detectors_stand_by_their_own_scores_best_first(found):
    methods = list(found["detectors"]["name"])
    assert "autoencoder (DCAE), mse" in methods
    assert "autoencoder (DCAE), peak" not in methods
    assert "simple features, random forest" in methods
    assert "autoencoder (DCAE), peak" in list(found["every_score"]["name"])
    assert (np.diff(found["detectors"]["auc_test"]) <= 0).all()
    assert all(found["contests"]["above"])


def test_a_detector_that_wins_is_said_to_win(tmp_path):
    strong = {("brightness", "brightness"): 6.0, ("features", "logistic"): 0.1}
    made_up(tmp_path, strength={"ou66": 0.2}, detectors=strong)
    row = tables.contests(Run(tmp_path))[0]
    assert row["name"] == "brightness alone"
    assert row["difference_high"] < 0
    assert not row["above"]


def test_thresholds_are_chosen_on_the_calibration_set(run, found):
    threshold, reached = run.thresholds("strict")[run.chosen.key]
    expected = classifier.threshold_for(
        run.labels("calibration"),
        run.chosen.p("calibration"),
        false_positive_rate=0.01,
    )
    assert threshold == expected.threshold
    assert reached[0] <= 0.01
    test = row_of(run.rates(run.chosen, threshold), set="single test")
    assert test["n_false"] < 12
    assert len(found["sets_strict"]) == 4
    assert len(found["sets_half"]) == 5


def test_calibration_is_measured_where_it_was_not_learned(run, found):
    rows = found["calibration"]
    name = names.finder_name(run.chosen.finder)
    raw, after = (
        row_of(rows, finder=name, probability=which)["error"]
        for which in ("raw", "calibrated")
    )
    assert after < raw
    # The logits of the made-up finders are too timid by a known factor.
    assert run.curves["vis", "seed 0"].slope_ > 1


def test_what_is_missed_is_counted_in_quarters(run):
    part = run.missed["theta_E"]["test"]
    assert len(part) == 4
    assert part["n"].sum() == 250
    lenses = run.labels("test")
    theta = np.asarray(run.truths["test"]["theta_E"])[lenses]
    hits = run.chosen.p("test")[lenses] >= 0.5
    low = theta <= np.quantile(theta, 0.25)
    assert part["rate"][0] == pytest.approx(hits[low].mean(), abs=0.02)
    assert part["rate"][-1] > part["rate"][0] - 0.05


def test_the_worst_kind_comes_first(found):
    table = found["negatives"]
    assert list(table["kind"][:2]) == ["all non-lenses", "ring galaxy"]
    assert table["frames"][0] == table["frames"][1:].sum() == 250


def test_zones_and_shares_are_counted_by_hand():
    found = {
        "map": np.zeros((1, 5, 5)),
        "place": np.array([[2.0, 2.0]]),
        "theta_E": np.array([0.7]),
        "pixel_scale": np.array(0.8),
    }
    masks = results.zones(found)
    # Pixels of 0.8 arcsec: the core is a cross of 5, all but the corners lie within 3.
    counts = {zone: int(mask.sum()) for zone, mask in masks.items()}
    assert counts == {"lens": 5, "core": 5, "ring": 20, "elsewhere": 0}
    weight = np.zeros((1, 5, 5))
    weight[0, 2, 2], weight[0, 0, 0] = 3.0, 1.0
    assert results.shares(weight, masks["core"]).tolist() == [0.75]
    assert np.isnan(results.shares(np.zeros((1, 5, 5)), masks["core"])).all()
    found["theta_E"] = np.array([np.nan])
    assert "lens" not in results.zones(found)


def test_a_map_of_the_ring_alone_lies_in_the_ring(tmp_path):
    explained(tmp_path, np.random.default_rng(0))
    table = Run(tmp_path).focus("ou66")
    part = {row["zone"]: row for row in table if row["group"] == "found"}
    # Six pixels of 0.3 arcsec: 1.8 arcsec, and noise elsewhere.
    assert part["ring"]["for"] > 0.6
    assert part["lens"]["for"] > part["core"]["for"] + 0.5
    assert part["core"]["for"] < 0.05
    apart = [part[zone] for zone in ("core", "ring", "elsewhere")]
    for key in ("for", "against", "area", "light"):
        assert sum(row[key] for row in apart) == pytest.approx(1)
    assert part["core"]["against"] > part["core"]["for"]
    assert part["ring"]["for_low"] <= part["ring"]["for"] <= part["ring"]["for_high"]
    shown = tables.focus(Run(tmp_path), "ou66")
    row = row_of(shown, objects="lenses found", zone='0.8" to 3"')
    assert row["above_area"]


def test_counts_are_those_of_the_sets(found):
    table = found["counts"]
    assert list(table["frames"]) == [SIZES[name] for name in names.SET_WORDS]
    kinds = [name for name in table.colnames if name in names.KINDS]
    assert sum(table[0][kind] for kind in kinds) == SIZES["train"]


def test_tables_have_the_columns_of_the_page(found):
    check_page(found, "lens_finder")


def test_a_training_without_all_outputs_does_not_count(tmp_path):
    run = by_hand(tmp_path, {})
    (tmp_path / "finders" / "ou66" / "s0" / "outputs" / "rings.npz").unlink()
    assert run.entries == []


def test_every_figure_of_the_page_is_drawn(run):
    made = figures.figures(run)
    assert {path.stem for path in (DOCS / "lens_finder").glob("*.png")} == set(made)
    for draw in made.values():
        assert isinstance(draw(), Figure)


def test_a_run_of_nothing_has_no_table_and_no_figure(tmp_path):
    assert set(tables.shown(Run(tmp_path), {})) == {"times"}
    for draw in figures.figures(Run(tmp_path)).values():
        with pytest.raises(Missing):
            draw()


def test_the_figure_of_the_focus_adds_zones_up(run):
    axes = figures.focus(run).axes[0]
    table = run.focus("ou66")
    part = {row["zone"]: row["for"] for row in table if row["group"] == "found"}
    bars = [bar for bar in axes.patches if bar.get_y() < 0.5]
    assert bars[0].get_width() == pytest.approx(part["core"])
    assert bars[1].get_x() == pytest.approx(part["core"])
    assert bars[1].get_width() == pytest.approx(part["ring"])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "lenses found (6)"
    assert labels[-1] == "false alarms: spiral (6)"
