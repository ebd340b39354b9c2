"""The detector: columns, order, conventions, files, errors."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly import stretches
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import AnomalyDetector
from astroanomaly.latent import Refine


def test_planted_companions_rank_first(table):
    assert {row.split("-")[0] for row in table["object_id"][:5]} == {"4"}
    assert table["is_anomaly_95"][:5].all()
    assert (np.diff(table["anomaly_score"]) <= 0).all()


@pytest.mark.parametrize("make", [lambda e: e, lambda e: Refine(e, n_steps=5)])
def test_a_score_does_not_depend_on_batch_or_order(parts, make, test_set):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, make(encoder))
    detector.calibrate(blobs(60, 2), levels=(90,))
    names = ("residual_score", "feature_score", "peak_score", "latent_norm")

    def scores(cutouts):
        found = detector.score(cutouts)
        return {row["object_id"]: [row[n] for n in names] for row in found}

    whole = scores(test_set)
    assert scores(test_set[::-1]) == whole
    assert scores(test_set[7:41]) == {
        i: whole[i] for i in test_set[7:41].table["object_id"]
    }


def test_thresholds_contain_their_share(detector):
    scores = detector.calibration.scores
    for level, threshold in detector.calibration.thresholds.items():
        assert np.mean(scores <= threshold) == pytest.approx(level / 100, abs=0.005)


def test_noise_and_thresholds_come_from_different_objects(parts):
    gan, stretch, encoder = parts
    cutouts = blobs(50, 2)
    detector = AnomalyDetector(gan, stretch, encoder).calibrate(cutouts, (90,))
    assert len(detector.calibration) == 40
    measured = AnomalyDetector(gan, stretch, encoder).measure_noise(blobs(50, 1))
    assert len(measured.calibrate(cutouts, (90,)).calibration) == 50


def test_p_values_are_uniform_for_ordinary_objects(detector):
    p = detector.score(blobs(400, 9))["p_value"]
    for level in (0.05, 0.1, 0.3):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * 0.035)


def test_explanation_adds_up(detector, test_set):
    parts = detector.explain(test_set[:3])
    np.testing.assert_allclose(
        parts["residual"], parts["original"] - parts["reconstruction"]
    )
    assert parts["significance"].shape == (3, 32, 32, 1)
    assert detector.features(test_set[:3]).shape == (3, 512)


def test_table_remembers_its_detector(table, detector):
    assert table.detector is detector


def test_a_shifted_survey_warns_with_numbers(detector):
    other = blobs(200, 8)
    other.images += np.random.default_rng(0).normal(0, 8, other.images.shape)
    with pytest.warns(UserWarning, match=r"Kolmogorov-Smirnov statistic 0\.\d+"):
        detector.score(other)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda g, s, e: AnomalyDetector(g, s, e, score="best"), "`score` must be one"),
        (lambda g, s, e: AnomalyDetector(g, s, e, w=2), r"`w` must be within \[0, 1\]"),
        (lambda g, s, e: AnomalyDetector(g, s), "`latent` must say how WGANGP finds"),
        (lambda g, s, e: AnomalyDetector(g, s, "magic"), "`latent` must be one of"),
        (lambda g, s, e: AnomalyDetector(g, s, "refine"), "needs a trained Encoder"),
        (
            lambda g, s, e: AnomalyDetector(g, stretches.Linear(), e),
            "`stretch` must be adapted",
        ),
        (
            lambda g, s, e: AnomalyDetector(g, s, e).score(blobs(2, 1)),
            "not calibrated for the method 'encoder'",
        ),
        (
            lambda g, s, e: AnomalyDetector(g, s, e).calibrate(blobs(0, 1)),
            r"at least 2 object\(s\) to calibrate",
        ),
        (
            lambda g, s, e: AnomalyDetector(g, s, e).calibrate(blobs(50, 1), (101,)),
            r"(0, 100)|between 0 and 100",
        ),
        (
            lambda g, s, e: AnomalyDetector(g, s, e).calibrate(blobs(50, 1), (99,)),
            "100",
        ),
        (
            lambda g, s, e: AnomalyDetector(g, s, e).measure_noise(
                Cutouts(np.zeros((3, 48, 48, 1)), bands=["i"])
            ),
            r"shape \(32, 32, 1\).*size=32",
        ),
    ],
)
def test_errors_are_named(parts, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(*parts)
