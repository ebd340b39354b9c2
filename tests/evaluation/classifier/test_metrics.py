"""Counts, rates, thresholds and reliability of a lens finder."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn import metrics

from astroanomaly.evaluation import classifier as c
from astroanomaly.evaluation.classifier.metrics import difference, f1, purities, rate

LABELS = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
OUTPUTS = [0.9, 0.8, 0.5, 0.1, 0.7, 0.5, 0.3, 0.2, 0.2, 0.0]


def drawn(n, seed, apart=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    logits = rng.normal(size=n) + apart * labels - apart / 2
    return labels, 1 / (1 + np.exp(-logits))


def test_counts_and_rates_by_hand():
    # At 0.5, the two objects that sit on the threshold count as lenses.
    found = c.metrics_at(LABELS, OUTPUTS)
    assert (found.n, found.tp, found.fp, found.tn, found.fn) == (10, 3, 2, 4, 1)
    values = [found.precision, found.recall, found.f1, found.false_positive_rate]
    np.testing.assert_allclose([r.value for r in values], [3 / 5, 3 / 4, 2 / 3, 1 / 3])
    assert found.accuracy.value == 0.7
    # Wilson's interval of 3 of 4, by his formula.
    z = 1.959963984540054
    middle, half = 0.75 + z**2 / 8, z * np.sqrt(0.75 * 0.25 / 4 + z**2 / 64)
    ends = np.array([middle - half, middle + half]) / (1 + z**2 / 4)
    np.testing.assert_allclose(found.recall[1:], ends, rtol=1e-12)


def test_rates_agree_with_sklearn():
    labels, outputs = drawn(300, 1)
    for threshold in (0.2, 0.5, 0.8):
        found = c.metrics_at(labels, outputs, threshold)
        flagged = outputs >= threshold
        tn, fp, fn, tp = metrics.confusion_matrix(labels, flagged).ravel()
        assert (found.tn, found.fp, found.fn, found.tp) == (tn, fp, fn, tp)
        for name in ("precision", "recall", "f1", "accuracy"):
            theirs = getattr(metrics, f"{name}_score")(labels, flagged)
            assert getattr(found, name).value == pytest.approx(theirs, rel=1e-14)


def test_a_finder_that_finds_nothing_has_no_precision():
    found = c.metrics_at([1, 0], [0.1, 0.2])
    assert np.isnan(found.precision).all()
    assert found.f1.value == found.recall.value == 0
    row = found.as_row()
    assert list(row)[:8] == [
        *("threshold", "n", "tp", "fp", "tn", "fn", "precision", "precision_low")
    ]
    assert row["recall_high"] == found.recall.high
    assert len(row) == 6 + 5 * 3


def test_the_interval_of_f1_is_that_of_a_bootstrap():
    # Objects resampled whole, so the number of lenses varies too.
    counts = np.array([400, 150, 350, 100])
    draws = np.random.default_rng(1).multinomial(1000, counts / 1000, 20_000)
    tp, fp, _, fn = draws.T
    ends = np.percentile(2 * tp / (2 * tp + fp + fn), (2.5, 97.5))
    np.testing.assert_allclose(f1(400, 150, 100)[1:], ends, atol=2e-3)
    # Where all is right a bootstrap would have no width.
    assert f1(4, 0, 0).value == 1
    assert f1(4, 0, 0).low == pytest.approx(2 * 0.5101 / 1.5101, abs=1e-4)


def test_difference_of_rates_by_newcombe():
    # Newcombe (1998), table II, example (a), method 10: 56/70 less 48/80.
    found = difference(rate(56, 70), rate(48, 80))
    np.testing.assert_allclose(found, (0.2, 0.0524, 0.3339), atol=5e-5)


def test_purity_at_another_mixture():
    found = c.metrics_at(LABELS, OUTPUTS)
    at = c.purity_at(found, 0.01)
    by_bayes = 0.01 * 0.75 / (0.01 * 0.75 + 0.99 / 3)
    assert at.value == pytest.approx(by_bayes, rel=1e-12)
    assert at.low < at.value < at.high
    # At the mixture at hand it is the precision.
    same = c.purity_at(found, 0.4)
    assert same.value == pytest.approx(found.precision.value, rel=1e-12)


@pytest.mark.parametrize(
    ("n_lenses", "n_others", "recall", "false", "share"),
    [(20, 20, 0.7, 0.3, 0.5), (10, 200, 0.9, 0.02, 0.01), (4, 100, 0.8, 0.5, 0.5)],
)
def test_the_interval_of_purity_covers_what_it_promises(
    n_lenses, n_others, recall, false, share
):
    # Every outcome with its probability: no draw.
    tp, fp = np.meshgrid(np.arange(n_lenses + 1), np.arange(n_others + 1))
    chance = binom.pmf(tp, n_lenses, recall) * binom.pmf(fp, n_others, false)
    value, low, high = purities(tp, n_lenses, fp, n_others, share)
    truth = share * recall / (share * recall + (1 - share) * false)
    covered = chance[(low <= truth) & (truth <= high)].sum()
    assert 0.94 < covered < 0.97
    counted = tp + fp > 0
    assert (low <= value)[counted].all()
    assert (value <= high)[counted].all()
    assert np.isnan(value[~counted]).all()


def test_purity_where_a_count_is_zero():
    some = purities(np.array([5, 0]), 10, np.array([0, 5]), 10, 0.5)
    assert some[0].tolist() == [1, 0]
    assert some[2][0] == 1
    assert some[1][1] == 0
    assert 0 < some[1][0] < 1
    assert 0 < some[2][1] < 1


def test_the_lowest_threshold_that_keeps_the_promise():
    # Purity from the top: 1, 1, 2/3, 3/5 (a tie of a lens and another), 1/2 ...
    found = c.threshold_for(LABELS, OUTPUTS, purity=0.6)
    assert (found.threshold, found.reached.value) == (0.5, 0.6)
    assert found.metrics == c.metrics_at(LABELS, OUTPUTS, 0.5)
    assert c.threshold_for(LABELS, OUTPUTS, purity=0.65).threshold == 0.7
    assert c.threshold_for(LABELS, OUTPUTS, purity=1.0).threshold == 0.8
    # False positives from the top: 0, 0, 1/6, 2/6 ...
    found = c.threshold_for(LABELS, OUTPUTS, false_positive_rate=0.2)
    assert (found.threshold, found.rule, found.wanted) == (
        *(0.7, "false_positive_rate", 0.2),
    )
    assert found.reached.value == pytest.approx(1 / 6)
    assert c.threshold_for(LABELS, OUTPUTS, false_positive_rate=0.0).threshold == 0.8


def test_tied_objects_pass_together_or_not_at_all():
    labels, outputs = [1, 1, 0, 0, 0], [0.9, 0.6, 0.6, 0.6, 0.1]
    found = c.threshold_for(labels, outputs, false_positive_rate=0.5)
    assert found.threshold == 0.9
    flagged = np.array(outputs) >= found.threshold
    assert found.metrics.tp + found.metrics.fp == flagged.sum() == 1
    # Saturated outputs leave nothing to cut.
    with pytest.raises(ValueError, match="lowest rate that flags any is 0.5"):
        c.threshold_for([1, 0, 0], [1.0, 1.0, 0.2], false_positive_rate=0.1)


def test_a_promise_is_kept_on_every_set_and_by_the_interval_if_assured():
    labels, outputs = drawn(400, 2)
    for wanted in (0.7, 0.85):
        plain = c.threshold_for(labels, outputs, purity=wanted)
        sure = c.threshold_for(labels, outputs, purity=wanted, assured=True)
        kept = [
            t
            for t in np.unique(outputs)
            if c.metrics_at(labels, outputs, t).precision.value >= wanted
        ]
        assert plain.threshold == min(kept)
        assert sure.threshold > plain.threshold
        assert sure.reached.low >= wanted
    sure = c.threshold_for(labels, outputs, false_positive_rate=0.1, assured=True)
    assert sure.reached.high <= 0.1 < sure.reached.high + 0.01


def test_a_rarer_lens_needs_a_higher_threshold():
    labels, outputs = drawn(400, 3)
    common = c.threshold_for(labels, outputs, purity=0.5, lens_fraction=0.4)
    rare = c.threshold_for(labels, outputs, purity=0.5, lens_fraction=0.05)
    assert rare.threshold > common.threshold
    assert rare.reached == c.purity_at(rare.metrics, 0.05)
    assert rare.reached.value >= 0.5


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({}, "Give one of `purity` and `false_positive_rate`"),
        ({"purity": 0.9, "false_positive_rate": 0.1}, "Received: 0.9 and 0.1"),
        ({"purity": 0.0}, r"`purity` must lie in \(0, 1\]. Received: 0.0"),
        ({"false_positive_rate": 1.0}, r"`false_positive_rate` must lie in \[0, 1\)"),
        ({"purity": 0.9, "lens_fraction": 2.0}, "`lens_fraction` must lie strictly"),
        (
            {"false_positive_rate": 0.1, "lens_fraction": 0.1},
            "`lens_fraction` belongs to `purity`",
        ),
        (
            {"purity": 0.999, "assured": True},
            "`purity` on these 10 objects: the highest purity by the lower end of its "
            "interval is 0.3424. Received: 0.999",
        ),
        (
            {"false_positive_rate": 0.01, "assured": True},
            "lowest rate that flags any by the upper end of its interval is 0.3903",
        ),
    ],
)
def test_threshold_refuses_what_cannot_be(goal, message):
    with pytest.raises(ValueError, match=message):
        c.threshold_for(LABELS, OUTPUTS, **goal)


def test_purity_and_completeness_by_hand_and_by_sklearn():
    curve = c.purity_completeness(LABELS, OUTPUTS)
    assert curve.threshold[-4:].tolist() == [0.5, 0.7, 0.8, 0.9]
    np.testing.assert_allclose(curve.purity[-4:], [3 / 5, 2 / 3, 1, 1])
    np.testing.assert_allclose(curve.completeness[-4:], [0.75, 0.5, 0.5, 0.25])
    theirs = metrics.average_precision_score(LABELS, OUTPUTS)
    assert curve.average_precision == pytest.approx(theirs, rel=1e-14)
    assert curve.lens_fraction == 0.4
    rare = c.purity_completeness(LABELS, OUTPUTS, 0.01)
    at = c.purity_at(c.metrics_at(LABELS, OUTPUTS), 0.01).value
    half = rare.threshold == 0.5
    np.testing.assert_allclose(rare.purity[half], at, rtol=1e-12)
    np.testing.assert_array_equal(rare.completeness, curve.completeness)


BAD = [
    ([0, 1], [0.1], r"`labels` must have shape \(1,\).* Received: shape \(2,\)"),
    ([0, 2], [0.1, 0.2], "`labels` must hold true and false .* Received: '2'"),
    (["no", "maybe"], [0.1, 0.2], "`labels` must hold .* Received: 'maybe'"),
    ([[0, 1]], [0.1, 0.2], r"`labels` must have shape .* Received: shape \(1, 2\)"),
    (
        np.ma.masked_array([0, 1, 1], [False, False, True]),
        [0.1, 0.2, 0.3],
        "`labels` must be known for every object. Received: 1 masked.* among 3",
    ),
    ([0, 1], [0.1, np.nan], "`probabilities` must not be NaN. Received: 1 NaN among 2"),
    ([0, 1], [-3.0, 7.0], "logits are not probabilities. Received: 2 outside among 2"),
    ([0, 1], [[0.1, 0.9]] * 2, "`probabilities` must have one dimension"),
    ([1, 1], [0.1, 0.2], "`labels` must hold both classes.* Received: 2 true, 0"),
    ([0, 0], [0.1, 0.2], "`labels` must hold both classes.* Received: 0 true, 2"),
]


@pytest.mark.parametrize(("labels", "outputs", "message"), BAD)
@pytest.mark.parametrize(
    "ask",
    [
        c.metrics_at,
        c.purity_completeness,
        c.reliability,
        lambda labels, outputs: c.threshold_for(labels, outputs, purity=0.5),
    ],
)
def test_bad_labels_and_outputs_are_refused(ask, labels, outputs, message):
    with pytest.raises(ValueError, match=message):
        ask(labels, outputs)


def test_a_threshold_is_a_probability():
    for threshold in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="`threshold` must lie between 0 and 1"):
            c.metrics_at(LABELS, OUTPUTS, threshold)


# --- reliability ---------------------------------------------------------------


def test_reliability_by_hand():
    outputs = [0.1, 0.3, 0.3, 0.5, 0.9, 1.0]
    labels = [0, 1, 0, 1, 1, 1]
    table = c.reliability(labels, outputs, n_bins=2)
    # 0.5 opens the second bin, 1 closes it.
    assert table["n", "n_lenses"].as_array().tolist() == [(3, 1), (3, 3)]
    np.testing.assert_allclose(table["mean_probability"], [0.7 / 3, 0.8])
    np.testing.assert_allclose(table["lens_fraction"], [1 / 3, 1])
    error = (abs(1 - 0.7) + abs(3 - 2.4)) / 6
    assert table.meta["expected_calibration_error"] == pytest.approx(error)
    brier = np.mean((np.array(outputs) - labels) ** 2)
    assert table.meta["brier_score"] == pytest.approx(brier)
    assert (table["low"] <= table["lens_fraction"]).all()
    assert table["high"][1] == 1
    # A bin without objects has no row.
    assert len(c.reliability(labels, outputs, n_bins=10)) == 4


def test_bins_of_equal_number_and_ties():
    labels, outputs = drawn(200, 8)
    table = c.reliability(labels, outputs, n_bins=5, spacing="quantile")
    assert table["n"].tolist() == [40] * 5
    assert table["start"][0] == outputs.min()
    tied = c.reliability([0, 1, 1], [0.4] * 3, spacing="quantile")
    assert tied["start", "stop", "n"].as_array().tolist() == [(0.4, 0.4, 3)]


def test_error_by_chance_is_that_of_right_probabilities():
    outputs = np.random.default_rng(9).random(500)
    errors = []
    for seed in range(200):
        labels = np.random.default_rng(100 + seed).random(500) < outputs
        meta = c.reliability(labels, outputs).meta
        errors.append(meta["expected_calibration_error"])
    assert np.mean(errors) == pytest.approx(meta["error_by_chance"], rel=0.05)


def test_reliability_refuses_odd_bins():
    for n_bins in (1, 2.5):
        with pytest.raises(ValueError, match="`n_bins` must be an integer of 2 or"):
            c.reliability([0, 1], [0.1, 0.2], n_bins)
    with pytest.raises(ValueError, match="`spacing` must be uniform or quantile"):
        c.reliability([0, 1], [0.1, 0.2], spacing="log")
