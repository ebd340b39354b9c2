"""The results of the lens study, and the tables and figures of its page."""

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

from studies.deeplense import figures, names, results, tables
from studies.deeplense.tests.made_up import made_up
from studies.study import Missing, save_figures
from studies.tables import rows
from studies.tests.pages import check_page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a made-up run."""
    return made_up(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(run):
    """Return its results."""
    return results.measured(run)


@pytest.fixture(scope="module")
def shown(found):
    """Return the tables of its page."""
    return tables.shown(found, {"sets": 60.0, "fixed": 120.0, "fixed_aae": 6.0})


def scored(**values):
    """Return a table of scores with names."""
    n = len(next(iter(values.values())))
    return Table({"object_id": [str(k) for k in range(n)]} | values)


def test_an_area_is_that_of_the_pairs_counted_by_hand():
    sets = {"smooth": scored(mse=[1.0, 2, 3, 4]), "subhalos": scored(mse=[2.5, 5.0])}
    sets["vortex"] = scored(mse=[2.0])
    table = results.area_table({"aae": sets})
    found = dict(zip(table["sector"], table["auc"], strict=True))
    # 2 of 4 below 2.5, 4 of 4 below 5; 1 of 4 below 2 and one tie.
    assert found == {"subhalos": 6 / 8, "vortex": 1.5 / 4, "both": 7.5 / 12}
    assert table["n_anomalous"].tolist() == [2, 1, 3]


def test_a_score_that_is_not_finite_has_no_area():
    sets = {"smooth": scored(mse=[1.0, np.nan], peak=[1.0, 2.0])}
    found = results.areas(sets | {"vortex": scored(mse=[3.0], peak=[3.0])}, ["vortex"])
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
    kinds = [names.kind(model) for model in ("cvae_beta1", "cvae_forest", "aae")]
    assert kinds == ["network", "baseline", "published"]


def test_the_published_order_is_measured_pair_by_pair(found, shown):
    table = rows(found["differences"], what="order")
    pairs = {(row["model"], row["other"]) for row in table}
    assert pairs == {("aae", "cvae"), ("cvae", "dcae"), ("dcae", "rbm")}
    assert set(table["score"]) == {"mse", "orthogonal"}
    assert len(table) == 2 * 2 * 3
    assert (table["difference"] > 0).all()
    where = {"redshifts": "fixed", "sector": "both", "score": "mse", "what": "main"}
    area = dict(rows(found["areas"], **where)["model", "auc"].iterrows())
    row = rows(table, redshifts="fixed", model="aae", score="mse")[0]
    assert row["difference"] == pytest.approx(area["aae"] - area["cvae"])
    # It holds, does not, or is not clear.
    assert shown["order"]["above"].tolist() == ["yes"] * 16
    table = rows(table, score="mse", redshifts="fixed")
    table["difference_low"], table["difference_high"] = [-0.2, 0.05, -0.1], 0.3
    table["difference_high"][0] = -0.05
    assert tables.order_table(table)["above"].tolist() == ["no", "yes", "not clear"]


def test_networks_are_compared_with_components_and_the_best_baseline(found):
    table = rows(found["differences"], what="baseline", model="aae")
    assert set(table["other_score"]) == {"pca_60", "pca_300"}
    assert "ceiling" not in set(found["differences"]["model"])
    areas = rows(found["areas"], redshifts="fixed", sector="both", what="main")
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

    with pytest.raises(ValueError, match="did not score the same lenses of smooth"):
        results.difference_table({"dcae": one("ab"), "cvae": one("ba")})


def test_a_model_that_saw_a_part_of_the_sets_is_not_the_best():
    rows_of = [("aae", 0.8, 100), ("wgan_gp_mapping", 0.9, 10)]
    table = Table(rows=rows_of, names=("model", "auc", "n_normal"))
    assert results.best(results.networks(table))["model"] == "aae"
    assert results.best(table[:0]) is None


def test_each_step_is_compared_with_its_own_smooth_lenses(run, found):
    # The point at one per cent is the main set.
    table = rows(found["areas"], what="fraction")
    assert sorted(set(table["step"])) == [0.1, 1.0, 5.0]
    where = {"redshifts": "varying", "model": "cvae", "score": "mse"}
    rising = rows(table, sector="vortex", **where)
    rising.sort("step")
    assert np.all(np.diff(rising["auc"]) > 0)
    main = rows(found["areas"], what="main", sector="vortex", **where)
    assert rising["auc"][1] == main["auc"][0]
    assert "wgan_gp_encoder" not in set(table["model"])
    # Along the exposure the smooth lenses have the same exposure.
    where = {"redshifts": "fixed", "model": "aae", "score": "mse", "sector": "subhalos"}
    part = rows(found["areas"], what="exposure", **where)
    assert sorted(part["step"]) == [0.1, 1.0]
    sets = results.read_scores(run, "fixed")["aae"]
    own = results.areas(sets, ["subhalos_x0.1"], "smooth_x0.1", ["mse"])
    assert rows(part, step=0.1)["auc"][0] == own["mse"].value


def test_exchanged_mass_is_compared_with_the_same_smooth_lenses(found, shown):
    table = rows(found["areas"], what="exchanged")
    assert set(table["sector"]) == {"subhalos", "vortex"}
    where = {"redshifts": "varying", "model": "aae", "score": "mse", "sector": "vortex"}
    row = rows(table, **where)[0]
    # Nothing is left to see in the made-up scores.
    assert row["auc_low"] < 0.5 < row["auc_high"]
    words = {"redshifts": "varying redshifts", "substructure": "vortices"}
    both = rows(shown["exchanged"], model="AAE, mse", **words)[0]
    assert both["added"] == rows(found["areas"], what="main", **where)["auc"][0]
    assert both["exchanged"] == row["auc"]


def test_false_alarms_are_counted_above_the_thresholds(found, shown):
    calibration = scored(forest=np.arange(1.0, 101))
    sets = {"calibration": calibration, "smooth": scored(forest=[5.0, 95, 96, 99.5])}
    table = results.rate_table({"cvae_forest": sets})
    assert table["level"].tolist() == table["threshold"].tolist() == [90, 95, 99]
    assert table["n_flagged"].tolist() == [3, 2, 1]
    few = sets | {"calibration": calibration[:20]}
    assert results.rate_table({"cvae_forest": few})["level"].tolist() == [90, 95]
    # A score that breaks its promise is marked.
    assert shown["false_positives_fixed"]["as_promised"].all()
    table = rows(found["rates"], redshifts="fixed")
    first = np.flatnonzero((table["sample"] == "smooth") & (table["model"] == "aae"))[0]
    table["as_promised"][first] = False
    marked = tables.rates_table(table)
    broken = marked[~marked["as_promised"]]
    assert broken["model"].tolist() == [f"AAE, {table['score'][first]}"]
    assert broken["smooth_90"][0] == 100 * table["rate"][first]


def test_counts_and_the_end_of_trainings_are_read(found):
    table = rows(found["sets"], redshifts="fixed")
    assert table["set"].tolist() == ["smooth", "subhalos", "smooth_x0.1"]
    assert table["fraction"].tolist() == pytest.approx([0.0, 1.0, 0.0])
    assert table["snr_arcs"].tolist() == pytest.approx([300, 300, 300 * 0.1**0.5])
    assert table["n_no_image"].tolist() == [1, 1, 1]
    end = rows(found["training"], redshifts="fixed")
    assert end["model"].tolist() == ["cvae_beta1"]
    assert tuple(end["epochs", "loss", "kl", "beta"][0]) == (2, 0.1, 0.003, 1.0)


def test_the_tables_have_the_columns_of_the_published_page(shown):
    # The made-up run has fewer baselines, mass fractions and exposures.
    check_page(shown, "deeplense", ("baselines", "fraction", "exposure_"))


def test_the_page_has_published_and_own_numbers_in_one_row(found, shown):
    row = shown["published"][-1]
    assert row["model"] == "AAE"
    assert (row["fixed_published"], row["varying_published"]) == (0.93207, 0.76943)
    for redshifts in names.REDSHIFTS:
        where = {"redshifts": redshifts, "sector": "both", "what": "main"}
        areas = rows(found["areas"], model="aae", score="mse", **where)
        assert row[f"{redshifts}_mse"] == areas["auc"][0]
    best = rows(shown["best"], redshifts="varying redshifts")
    expected = ["AAE, orthogonal", "AAE, mse", "PCA, 60 components"]
    assert best["best"].tolist() == [*expected, "supervised network"]
    assert best["aim"].tolist() == [0.77] * 4
    assert best["met"].tolist() == (best["auc"] >= 0.77).tolist()
    assert best["met"][0]


def test_fixed_less_varying_adds_the_errors_of_both():
    titles = "redshifts what sector model score auc auc_low auc_high".split()
    same = ("main", "both", "aae", "mse")
    areas = [("fixed", *same, 0.9, 0.87, 0.92), ("varying", *same, 0.8, 0.7, 0.84)]
    row = tables.step_table(Table(rows=areas, names=titles))[0]
    assert row["difference"] == pytest.approx(0.1)
    # A triangle of 0.03 and 0.04.
    assert row["difference_low"] == pytest.approx(0.1 - 0.05)
    assert row["difference_high"] == pytest.approx(0.1 + (0.02**2 + 0.1**2) ** 0.5)
    assert row["easier"] == "yes"


def test_a_run_of_one_setting_has_tables_and_figures(tmp_path):
    run = made_up(tmp_path / "run", n=30, settings=("fixed",))
    found = results.measured(run)
    assert "areas_varying" not in tables.shown(found, {})
    missing = save_figures(tmp_path / "figures", figures.figures(run, found))
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"areas", "fraction", "exposure", "roc_fixed"}
    assert missing["roc_varying"] == "this run has no scores for it"
    assert "no longer has the images" in missing["gallery_fixed"]


def test_the_figure_of_areas_shows_the_published_numbers(found):
    figure = figures.areas(rows(found["areas"], what="main", sector="both"))
    assert len(figure.axes) == 2
    for axes, old in zip(figure.axes, names.AUCS.values(), strict=True):
        (stars,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert list(stars.get_xdata()) == [*old.values()]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:4] == ["RBM", "DCAE", "CVAE", "AAE"]
    assert labels[4:6] == ["CVAE, KL weight 1", "WGAN-GP, encoder"]


def test_objects_are_picked_by_their_place_in_the_ranking(run, found):
    scores = np.array([5.0, 1, 4, 2, 3])
    assert figures.picked(scores, (0.0, 0.5, 1.0)) == [1, 4, 0]
    table = rows(found["areas"], redshifts="fixed", what="main", sector="both")
    with pytest.raises(Missing, match="no longer has the images of fixed_smooth"):
        figures.objects(run, table, "fixed", (0.5,))


def test_marks_lie_where_the_substructure_is():
    axes = Figure().add_subplot()
    line = {"substructure": "vortex", "clump_mass": [1.0, 1, 1]}
    line |= {"clump_x": [-0.1, 0.0, 0.1], "clump_y": [0.05, 0.0, -0.05]}
    figures.mark(axes, line, 0.05, (9, 5))
    # The middle of the frame is (nx - 1) / 2: here x 2, y 4.
    assert axes.lines[0].get_xdata().tolist() == pytest.approx([0.0, 4.0])
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([5.0, 3.0])
    dots = {"substructure": "subhalos", "clump_mass": np.arange(1.0, 11)}
    dots |= {"clump_x": np.linspace(-0.1, 0.1, 10), "clump_y": np.zeros(10)}
    figures.mark(axes, dots, 0.05, (9, 5))
    places = axes.collections[0].get_offsets()
    assert places[0].tolist() == pytest.approx([4.0, 4.0])
    assert len(places) == figures.MARKED
