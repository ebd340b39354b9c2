"""Areas, their intervals, ROC curves and binomial intervals."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from astroanomaly.evaluation import roc_auc
from astroanomaly.evaluation.roc_auc import (
    auc,
    auc_difference,
    aucs,
    binomial_interval,
    roc,
)


def sample(seed, n=150, shift=1.0, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    scores = rng.normal(shift * labels, 1)
    return labels, np.round(scores) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
def test_area_equals_scikit_learn(ties):
    labels, scores = sample(0, ties=ties)
    found = auc(labels, scores, n_bootstrap=0)
    assert found.value == pytest.approx(roc_auc_score(labels, scores), rel=1e-12)
    assert (found.n_normal, found.n_anomalous) == ((~labels).sum(), labels.sum())
    assert np.isnan([found.low, found.high]).all()


def test_weighted_areas_equal_scikit_learn_on_the_drawn_objects():
    labels, scores = sample(1, n=40, ties=True)
    rng = np.random.default_rng(3)
    n = (~labels).sum(), labels.sum()
    normal, anomalous = (roc_auc.bootstrap_weights(rng, size, 5) for size in n)
    areas = roc_auc.Ranks(labels, scores).area(normal, anomalous)
    assert (normal.sum(axis=1) == n[0]).all()
    for area, a, b in zip(areas, normal, anomalous, strict=True):
        weights = np.empty(len(labels))
        weights[~labels], weights[labels] = a, b
        theirs = roc_auc_score(labels, scores, sample_weight=weights)
        assert area == pytest.approx(theirs, rel=1e-12)


def test_interval_equals_a_plain_bootstrap_in_width():
    labels, scores = sample(2)
    rng, draws = np.random.default_rng(9), []
    kinds = np.flatnonzero(~labels), np.flatnonzero(labels)
    for _ in range(1000):
        rows = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        draws.append(roc_auc_score(labels[rows], scores[rows]))
    found = auc(labels, scores, n_bootstrap=2000, seed=1)
    np.testing.assert_allclose(found[1:3], np.percentile(draws, (2.5, 97.5)), atol=0.01)


def test_interval_covers_the_true_area():
    truth, hits = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(200):
        found = auc(*sample(seed), n_bootstrap=300, seed=seed)
        hits += found.low <= truth <= found.high
    assert hits >= 180


def test_same_seed_same_bits_and_chunks_do_not_matter_in_count(monkeypatch):
    labels, scores = sample(3)
    assert auc(labels, scores, seed=4) == auc(labels, scores, seed=4)
    assert auc(labels, scores, seed=4) != auc(labels, scores, seed=5)
    whole = auc(labels, scores, n_bootstrap=500)
    monkeypatch.setattr(roc_auc, "CELLS", 7 * len(labels))
    chunked = auc(labels, scores, n_bootstrap=500)
    np.testing.assert_allclose(chunked, whole, atol=0.02)


def test_several_areas_share_their_draws():
    labels, scores = sample(4)
    both = aucs(labels, {"a": scores, "b": 2 * scores}, n_bootstrap=50, seed=1)
    assert both["a"] == both["b"] == auc(labels, scores, n_bootstrap=50, seed=1)


def test_difference_is_paired():
    labels, scores = sample(5)
    noisy = scores + np.random.default_rng(6).normal(0, 0.05, len(scores))
    found = auc_difference(labels, scores, noisy, seed=1)
    areas = [auc(labels, s, seed=1) for s in (scores, noisy)]
    assert found.value == pytest.approx(areas[0].value - areas[1].value, abs=1e-12)
    assert found.high - found.low < 0.3 * (areas[0].high - areas[0].low)
    assert auc_difference(labels, scores, scores) == (0, 0, 0)


def test_roc_encloses_the_area():
    labels, scores = sample(6, ties=True)
    curve = roc(labels, scores)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auc(labels, scores, 0).value)
    assert curve.threshold[0] == np.inf


@pytest.mark.parametrize(("k", "n"), [(0, 20), (5, 10), (20, 20), (37, 600)])
def test_binomial_interval_equals_scipy(k, n):
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(binomial_interval(k, n), theirs, rtol=1e-9, atol=1e-12)
    found = binomial_interval(k, n, 0.68)
    theirs = binomtest(k, n).proportion_ci(0.68, method="wilson")
    np.testing.assert_allclose(found, theirs, rtol=1e-9, atol=1e-12)


def test_binomial_interval_of_arrays_and_of_nothing():
    low, high = binomial_interval([0, 5], [0, 10])
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == binomial_interval(5, 10)
    assert all(np.isnan(end) for end in binomial_interval(0, 0))


def test_binomial_interval_refuses_impossible_counts():
    with pytest.raises(ValueError, match="`k` must lie between 0 and `n`. Received: k"):
        binomial_interval(5, 4)


@pytest.mark.parametrize("function", [auc, roc])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [1.0], r"`labels` must have shape .* Received: shape \(2,\)"),
        ([0, 1], [1.0, np.nan], "`scores` must not be NaN. Received: 1 NaN a"),
        ([0, 0], [1.0, 2.0], "`labels` must hold both .* 0 true, 2 false"),
        ([0, 2], [1.0, 2.0], "`labels` must hold true .* Received: '2'"),
    ],
)
def test_bad_input(function, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores)
