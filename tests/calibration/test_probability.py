"""Calibrated probabilities against scikit-learn and known answers."""

import json

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from astroanomaly.calibration.probability import ProbabilityCalibration
from astroanomaly.evaluation import classifier

METHODS = ("sigmoid", "isotonic")


def drawn(n, seed, slope=0.5, intercept=-1.0):
    """Give logits that are too sure, and labels of the probabilities they mean."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.normal(size=n)
    truth = 1 / (1 + np.exp(-(slope * logits + intercept)))
    return rng.random(n) < truth, logits, truth


def by_sklearn(method, labels, logits, new):
    """Calibrate the same logits through scikit-learn's own class."""
    frozen = pytest.importorskip("sklearn.frozen")
    model = LogisticRegression()
    model.coef_, model.intercept_ = np.array([[1.0]]), np.zeros(1)
    model.classes_, model.n_features_in_ = np.array([0, 1]), 1
    curve = CalibratedClassifierCV(frozen.FrozenEstimator(model), method=method)
    curve.fit(logits[:, None], labels.astype(int))
    return curve.predict_proba(new[:, None])[:, 1]


@pytest.mark.parametrize(("method", "tolerance"), [("sigmoid", 1e-5), ("isotonic", 0)])
def test_equal_to_sklearn(method, tolerance):
    labels, logits, _ = drawn(400, 1)
    new = np.linspace(-60, 60, 301)
    ours = ProbabilityCalibration(method).fit(labels, logits).apply(new)
    theirs = by_sklearn(method, labels, logits, new)
    np.testing.assert_allclose(ours, theirs, atol=tolerance or 1e-14)
    assert ours.dtype == np.float64


def test_isotonic_is_numpy_alone_and_equal_at_its_knots():
    labels, logits, _ = drawn(100, 2)
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(logits, labels)
    found = ProbabilityCalibration("isotonic").fit(labels, logits)
    np.testing.assert_allclose(found.apply(logits), curve.predict(logits), atol=1e-14)
    assert (np.diff(found.apply(np.linspace(-20, 20, 99))) >= 0).all()


def test_sigmoid_where_the_answer_is_known():
    # Logits of +1 and -1 only: the logistic curve meets Platt's mean target of
    # each, here (3 * 5/6 + 1 * 1/6) / 4 = 2/3 for lenses 4 and others 4.
    labels = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    logits = np.array([1.0] * 4 + [-1.0] * 4)
    found = ProbabilityCalibration().fit(labels, logits)
    assert found.slope_ == pytest.approx(np.log(2), rel=1e-8)
    assert found.intercept_ == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(found.apply([-1, 0, 1]), [1 / 3, 1 / 2, 2 / 3])
    # Classes that do not overlap stay finite: 2 of each, targets 3/4 and 1/4.
    found.fit([1, 1, 0, 0], [1.0, 1.0, -1.0, -1.0])
    assert found.slope_ == pytest.approx(np.log(3), rel=1e-8)


def test_isotonic_where_the_answer_is_known():
    # Pooling adjacent violators: 0 | 1, 0 | 1.
    found = ProbabilityCalibration("isotonic").fit([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0])
    asked = [0.0, 1.0, 1.5, 2.0, 3.0, 3.5, 9.0]
    np.testing.assert_allclose(found.apply(asked), [0, 0, 0.25, 0.5, 0.5, 0.75, 1])


def test_sigmoid_recovers_the_curve_of_the_truth():
    labels, logits, truth = drawn(40_000, 3)
    found = ProbabilityCalibration().fit(labels, logits)
    assert found.slope_ == pytest.approx(0.5, abs=0.02)
    assert found.intercept_ == pytest.approx(-1, abs=0.05)
    raw = 1 / (1 + np.exp(-logits))
    calibrated = found.apply(logits)
    assert np.abs(calibrated - truth).max() < 0.02
    assert brier_score_loss(labels, calibrated) < brier_score_loss(labels, raw)


def test_probabilities_are_taken_as_their_logits():
    labels, logits, _ = drawn(200, 4)
    outputs = 1 / (1 + np.exp(-logits))
    first = ProbabilityCalibration().fit(labels, logits)
    second = ProbabilityCalibration(on="probability").fit(labels, outputs)
    np.testing.assert_allclose(
        second.apply(outputs), first.apply(logits), rtol=1e-6, atol=1e-9
    )
    # A probability that rounded to 0 or 1 has a finite logit.
    ends = second.apply([0.0, 1.0])
    assert 0 < ends[0] < ends[1] < 1


def test_large_logits_neither_overflow_nor_spoil_the_fit():
    labels, logits, _ = drawn(200, 5)
    first = ProbabilityCalibration().fit(labels, logits)
    second = ProbabilityCalibration().fit(labels, 1e3 * logits)
    np.testing.assert_allclose(second.slope_ * 1e3, first.slope_, rtol=1e-6)
    np.testing.assert_array_equal(first.apply([-1e6, 1e6]), [0, 1])


@pytest.mark.parametrize("method", METHODS)
def test_json_keeps_every_bit(method):
    labels, logits, _ = drawn(150, 6)
    found = ProbabilityCalibration(method).fit(labels, logits)
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = ProbabilityCalibration.from_dict(json.loads(text))
    np.testing.assert_array_equal(again.apply(logits, 0.01), found.apply(logits, 0.01))
    assert again.to_dict() == found.to_dict()
    assert repr(again) == repr(found)


def test_a_rarer_lens_has_a_lower_probability():
    labels, logits, _ = drawn(400, 7)
    found = ProbabilityCalibration().fit(labels, logits)
    raw = found.apply(logits)
    own = found.n_lenses_ / found.n_
    np.testing.assert_allclose(found.apply(logits, own), raw, rtol=1e-12)
    # Bayes: the odds times (0.01 / 0.99) / (own / (1 - own)).
    rare = found.apply(logits, 0.01)
    factor = 0.01 / 0.99 * (1 - own) / own
    np.testing.assert_allclose(rare / (1 - rare), factor * raw / (1 - raw), rtol=1e-9)
    with pytest.raises(ValueError, match="`lens_fraction` must lie strictly between"):
        found.apply(logits, 1.0)


def test_a_finder_worse_than_chance_is_named():
    with pytest.warns(UserWarning, match="worse than chance"):
        found = ProbabilityCalibration().fit([1, 1, 0, 0], [-2.0, 0.0, -1.0, 2.0])
    assert found.slope_ < 0


@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        ([1, 0], [1.0], r"`labels` must have shape \(1,\).* Received: shape \(2,\)"),
        ([1, 1], [1.0, 2.0], "`labels` must hold both classes.* Received: 2 true, 0"),
        ([1, 3], [1.0, 2.0], "`labels` must hold true and false .* Received: '3'"),
        ([1, 0], [np.nan, 2.0], "`outputs` must not be NaN"),
        ([1, 0], [np.inf, 2.0], "`outputs` must be finite logits. Received: 1 inf"),
        ([1, 0], [2.0, 2.0], "`outputs` must differ.*Received: 2 times 2"),
    ],
)
def test_fit_refuses(labels, outputs, message):
    with pytest.raises(ValueError, match=message):
        ProbabilityCalibration().fit(labels, outputs)


def test_what_is_not_a_calibration_is_refused():
    with pytest.raises(ValueError, match="`method` must be one of sigmoid, isotonic"):
        ProbabilityCalibration("platt")
    with pytest.raises(ValueError, match="`on` must be one of logit, probability"):
        ProbabilityCalibration(on="odds")
    new = ProbabilityCalibration(on="probability")
    assert "not fitted" in repr(new)
    for ask in (lambda: new.apply([0.5]), new.to_dict):
        with pytest.raises(ValueError, match="not fitted: call `fit`"):
            ask()
    with pytest.raises(ValueError, match="`outputs` must lie between 0 and 1"):
        new.fit([0, 1], [0.2, 1.2])
    kept = ProbabilityCalibration().fit([0, 1], [0.0, 1.0]).to_dict()
    del kept["slope"]
    with pytest.raises(ValueError, match=r"slope and intercept.*without \['slope'\]"):
        ProbabilityCalibration.from_dict(kept)
    isotonic = ProbabilityCalibration("isotonic").fit([0, 1], [0.0, 1.0]).to_dict()
    isotonic["knots"].reverse()
    with pytest.raises(ValueError, match="`knots` must rise"):
        ProbabilityCalibration.from_dict(isotonic)


def test_the_classifier_room_offers_it():
    assert classifier.ProbabilityCalibration is ProbabilityCalibration
