"""The learned list: closed forms, planted classes, and what it leaves alone."""

import numpy as np
import pytest
from astropy.table import Table
from scipy.stats import binom
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from astroanomaly.review import ActiveRanker, ranking

METHODS = ("auto", "aad", "pineforest", "regression", "astronomaly")


def planted(n=1000, n_rare=10, seed=0):
    """Return features of ordinary points, of interesting ones and of artefacts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    kind = np.array(["ordinary"] * n, dtype="U11")
    rare = rng.permutation(n)[: 2 * n_rare]
    kind[rare[:n_rare]], kind[rare[n_rare:]] = "interesting", "artefact"
    x[kind == "interesting"] += [3.5, 0, 0, 0]
    x[kind == "artefact"] += [0, 5.0, 0, 0]
    ids = np.array([f"{k:05d}" for k in range(n)])
    return x, ids, kind


def review(ranker, truth, n, batch=10):
    """Label the first of the list, again and again; return the ids in order."""
    labels = {}
    while len(labels) < n:
        for name in ranker.fit(labels).rank()["object_id"][:batch]:
            labels[str(name)] = truth[str(name)]
    return labels


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_artefacts_sink(method):
    if method in ("aad", "pineforest"):
        pytest.importorskip("coniferest")
    x, ids, kind = planted(600)
    truth = dict(zip(ids.tolist(), kind.tolist(), strict=True))
    strange = np.abs(x).max(axis=1)
    make = lambda: ActiveRanker(x, ids, {"anomaly_score": strange}, method, seed=1)  # noqa: E731
    labels = review(make(), truth, 60, 20)
    found = list(labels.values())
    # One of ten would be there by chance; artefacts alone are seen at first.
    assert found.count("interesting") >= 5
    table = make().fit(labels).rank()
    # The same bits again; every object once; labelled ones last.
    again = make().fit(labels).rank()
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], again[name])
    assert sorted(table["object_id"]) == sorted(ids)
    assert set(table["object_id"][-60:]) == set(labels)
    np.testing.assert_array_equal(table["learned_rank"], np.arange(1, 601))
    # An artefact that nobody labelled does not come back before half of the list.
    new = np.array([truth[str(name)] for name in table["object_id"][:100]])
    own = ~np.asarray(table["drawn_at_random"][:100])
    assert (new[own] == "artefact").sum() <= 3


def test_the_regression_finds_nearly_all():
    x, ids, kind = planted(2000, 20)
    truth = dict(zip(ids.tolist(), kind.tolist(), strict=True))
    scores = {"anomaly_score": np.abs(x).max(axis=1)}
    labels = list(review(ActiveRanker(x, ids, scores), truth, 100).values())
    # One of a hundred would be there by chance.
    assert labels.count("interesting") >= 14
    assert labels[50:].count("artefact") <= 2


def test_mean_error_and_left_out_are_those_of_a_gaussian_process():
    rng = np.random.default_rng(1)
    kinds = {"a": rng.normal(size=(30, 2)), "b": rng.normal(size=(30, 3))}
    kinds = {name: x.astype("f4") for name, x in kinds.items()}
    targets = np.column_stack([rng.integers(0, 2, 20), rng.integers(0, 2, 20)])
    process = ranking._Process(kinds, targets)
    new = [rng.normal(size=(7, 2)).astype("f4"), rng.normal(size=(7, 3)).astype("f4")]
    process.fit(["a", "b"])
    mean, error = process.predict(new)
    x, y = np.hstack(list(kinds.values())), np.zeros((30, 2))
    y[:20] = targets
    noise = np.r_[
        np.full(20, ranking.LABEL_NOISE), np.full(10, ranking.BACKGROUND_NOISE)
    ]

    def known(rows):
        kernel = RBF(np.sqrt(5), "fixed")
        process = GaussianProcessRegressor(kernel, alpha=noise[rows], optimizer=None)
        return process.fit(x[rows], y[rows])

    rows = np.arange(30)
    np.testing.assert_allclose(mean, known(rows).predict(np.hstack(new)), atol=1e-5)
    _, expected = known(rows[:20]).predict(np.hstack(new), return_std=True)
    np.testing.assert_allclose(error, expected[:, 0], atol=1e-5)
    left_out = process.left_out(["a", "b"])
    for row in (0, 29):
        others = known(np.delete(rows, row))
        np.testing.assert_allclose(
            left_out[row], others.predict(x[[row]])[0], atol=1e-5
        )


def test_the_rule_of_astronomaly_by_hand():
    # Equation 1: at a labelled object S U, far from all of them S.
    score, grade = np.array([2.0, 2.0, 4.0]), np.array([0.0, 1.0, 0.5])
    distance = np.array([0.0, 0.0, 30.0])
    found = ranking.astronomaly_rule(score, grade, distance)
    np.testing.assert_allclose(found, [0.2, 1.9, 4.0])
    found = ranking.astronomaly_rule(np.ones(2), np.zeros(2), np.array([1.0, 3.0]))
    by_hand = [np.tanh(np.exp(d / 2) - 1 + np.arctanh(0.1)) for d in (1, 3)]
    np.testing.assert_allclose(found, by_hand)


def test_one_in_ten_is_drawn_and_the_estimate_is_unbiased():
    x, ids, kind = planted(200, 20)
    truth = dict(zip(ids.tolist(), kind.tolist(), strict=True))
    k, n = [], []
    for seed in range(5):
        ranker = ActiveRanker(x, ids, {"anomaly_score": x[:, 0]}, seed=seed)
        table = ranker.rank()
        places = np.flatnonzero(table["drawn_at_random"])
        np.testing.assert_array_equal(places, np.arange(9, 200, 10))
        # All draws of the static list, read to its end: 20 of 200 at random.
        drawn = table["object_id"][table["drawn_at_random"]]
        labels = {str(name): truth[str(name)] for name in drawn}
        missed = ranker.fit(labels).missed()
        k.append(missed.n_interesting)
        n.append(missed.n_drawn)
        assert missed.low <= missed.rate <= missed.high
        assert missed.n_unlabelled == 180
    # A tenth is interesting; the draws come in the order of the list, from what it has
    # not shown: the strangest tenth is shown before most draws.
    assert set(n) == {20}
    first = [
        truth[
            str(ActiveRanker(x, ids, {"anomaly_score": x[:, 0]}, seed=s).rank()[9][0])
        ]
        for s in range(100)
    ]
    low, high = binom.ppf((0.001, 0.999), 100, 40 / 400)
    assert low <= first.count("interesting") <= high


def test_draws_may_be_named():
    x, ids, _ = planted(200, 5)
    labels = {"00001": "interesting", "00002": 2, "00003": "unsure", "00004": 3}
    missed = ActiveRanker(x, ids).fit(labels, drawn=list(labels)).missed()
    assert (missed.n_drawn, missed.n_interesting, missed.rate) == (2, 1, 0.5)
    # Wilson's interval of 1 in 2, by hand: (1 + z^2 / 2 -+ z sqrt(...)) / (2 + z^2).
    assert (missed.low, missed.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert np.isnan(ActiveRanker(x, ids).fit(labels).missed().rate)


def test_the_false_discovery_rate_by_hand():
    x, ids, kind = planted(400, 20)
    truth = dict(zip(ids.tolist(), kind.tolist(), strict=True))
    labels = dict(list(truth.items())[:200])
    ranker = ActiveRanker(x, ids).fit(labels, drawn=list(labels))
    table = ranker.rank()
    fresh = table[~np.asarray(table["drawn_at_random"])][:5]
    # No ordinary one of the draws scores as high as the best: 200 / (n + 1) may.
    n = list(labels.values()).count("ordinary") + list(labels.values()).count(
        "artefact"
    )
    expected = 200 / (n + 1) / np.arange(1, 6)
    assert (fresh["false_discovery_rate"] <= np.minimum(expected, 1) + 1e-12).all()
    assert np.isnan(table["false_discovery_rate"][-200:]).all()
    assert np.nanmax(table["false_discovery_rate"]) <= 1


def test_it_tells_which_kinds_of_features_help():
    x, ids, kind = planted(1000, 40)
    truth = dict(zip(ids.tolist(), kind.tolist(), strict=True))
    noise = np.random.default_rng(5).normal(size=(1000, 40))
    labels = dict(list(truth.items())[:300])
    ranker = ActiveRanker({"noise": noise, "good": x}, ids).fit(labels)
    helpful = {row["kind"]: row for row in ranker.helpful}
    good, noise = (helpful[kind]["average_precision"] for kind in ("good", "noise"))
    assert good > 3 * noise
    assert helpful["good"]["used"]
    assert not helpful["noise"]["used"]
    assert ranker.rank().meta["kinds"] == ["good"]


def test_rows_may_stand_in_another_order():
    x, ids, kind = planted(300, 10)
    labels = dict(list(zip(ids.tolist(), kind.tolist(), strict=True))[:50])
    table = ActiveRanker(x, ids, {"anomaly_score": x[:, 0]}).fit(labels).rank()
    turn = np.random.default_rng(3).permutation(300)
    scores = Table({"object_id": ids, "anomaly_score": x[:, 0]})
    other = ActiveRanker(x[turn], ids[turn], scores).fit(labels).rank()
    np.testing.assert_array_equal(table["object_id"][:50], other["object_id"][:50])
    np.testing.assert_array_equal(
        table["drawn_at_random"][:50], other["drawn_at_random"][:50]
    )


def test_scores_are_features_without_names_places_and_p_values():
    scores = {
        "object_id": ["a", "b", "c"],
        "ra": [1.0, 2, 3],
        "anomaly_score": [1.0, np.nan, 2.0],
        "p_value": [0.1, 0.2, 0.3],
        "is_anomaly_90": [True, False, True],
        "file": ["x", "y", "z"],
        "flag": [0, 3, 1],
    }
    ranker = ActiveRanker(None, ["c", "a", "b"], Table(scores))
    # The score, that it is missing, and the two bits that differ.
    assert ranker.kinds["scores"].shape == (3, 4)
    assert ranker.rank()["object_id"].tolist() == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "`method` .* 'magic'"),
        ({"ids": ["a", "a", "b"]}, "`ids`"),
        ({"features": [[1.0], [2.0]]}, r"`features` .* \(2, 1\)"),
        ({"features": [[1.0], [np.inf], [2.0]]}, "`features` .* 'b'"),
        ({"features": [["x"], ["y"], ["z"]]}, "`features`"),
        ({"features": None}, "`features` or `scores`"),
        ({"features": [[1.0], [1.0], [1.0]]}, "`features` or `scores`"),
        ({"scores": Table({"object_id": ["a"], "s": [1.0]})}, "`scores` .* 'b'"),
    ],
)
def test_bad_input(change, message):
    given = {"features": [[1.0], [3.0], [2.0]], "ids": ["a", "b", "c"]} | change
    with pytest.raises(ValueError, match=message):
        ActiveRanker(**given)


@pytest.mark.parametrize(
    ("labels", "message"),
    [({"d": "ordinary"}, "'d'"), ({"a": "nice"}, "'nice'"), ({"a": 6}, "6")],
)
def test_bad_labels(labels, message):
    ranker = ActiveRanker([[1.0], [3.0], [2.0]], ["a", "b", "c"])
    before = ranker.rank()
    with pytest.raises(ValueError, match=f"`labels` .*{message}"):
        ranker.fit(labels)
    assert ranker.rank()["object_id"].tolist() == before["object_id"].tolist()


def test_without_an_interesting_label_what_is_known_sinks():
    x, ids, kind = planted(500, 10)
    artefacts = ids[kind == "artefact"].tolist()
    labels = dict.fromkeys(artefacts[:5], "artefact") | {"00001": "ordinary"}
    ranker = ActiveRanker(x, ids, {"anomaly_score": x[:, 1]})
    before = ranker.rank()["object_id"].tolist()
    after = ranker.fit(labels).rank()["object_id"].tolist()
    rest = artefacts[5:]
    assert np.median([before.index(a) for a in rest]) < 20
    assert np.median([after.index(a) for a in rest]) > 50
