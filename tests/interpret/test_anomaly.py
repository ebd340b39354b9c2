"""The score of a detector as an output."""

import numpy as np
import pytest

from astroanomaly import AnomalyDetector
from astroanomaly.interpret import anomaly_output, occlusion_map
from astroanomaly.scores import residual


def by_id(table, cutouts, name):
    found = dict(zip(table["object_id"], table[name], strict=True))
    return np.array([found[i] for i in cutouts.object_ids])


@pytest.mark.parametrize("score", ["peak", "total", "residual", "feature", "mse"])
def test_scores_are_those_of_the_table(detector, test_set, table, score):
    found = anomaly_output(detector, score)(test_set.images)
    np.testing.assert_allclose(
        found, by_id(table, test_set, f"{score}_score"), rtol=1e-5
    )


def test_the_default_is_the_score_that_ranks(detector, test_set, table):
    found = anomaly_output(detector)(test_set.images[:3])
    expected = by_id(table, test_set, "anomaly_score")[:3]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    images = np.asarray(detector.stretch(test_set.images[:3]))
    again = anomaly_output(detector, stretched=True)(images)
    np.testing.assert_allclose(again, found, rtol=1e-5)


def test_what_needs_no_table_is_computed_too(detector, test_set):
    whitened = anomaly_output(detector, "whitened")(test_set.images[:2])
    parts = detector.explain(test_set[:2])
    pair = parts["original"], parts["reconstruction"]
    np.testing.assert_allclose(whitened, detector.noise.whitened(*pair), rtol=1e-5)
    distance = anomaly_output(detector, "wasserstein")(test_set.images[:2])
    np.testing.assert_allclose(distance, residual.wasserstein_score(*pair), rtol=1e-5)


def test_hiding_a_companion_makes_an_object_ordinary(detector, test_set, table):
    strange = test_set[-1]
    result = occlusion_map(anomaly_output(detector), strange, 6, 6)
    assert result.output == pytest.approx(
        by_id(table, test_set, "anomaly_score")[-1], rel=1e-5
    )
    significance = detector.explain(strange)["significance"][0, ..., 0]
    worst = np.unravel_index(significance.argmax(), significance.shape)
    assert result.change[worst] < 0


def test_errors_say_what_is_missing(parts, test_set, detector):
    fresh = AnomalyDetector(*parts)
    with pytest.raises(ValueError, match="`score` must be one of .* Received: best"):
        anomaly_output(fresh, "best")
    with pytest.raises(ValueError, match="'peak' needs the residual noise"):
        anomaly_output(fresh)
    assert anomaly_output(fresh, "mse")(test_set.images[:1]).shape == (1,)
    with pytest.raises(
        ValueError, match=r"`images` must have shape .*\(1, 16, 16, 1\)"
    ):
        anomaly_output(fresh, "mse")(test_set.images[:1, :16, :16])
