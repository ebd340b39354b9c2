"""scikit-learn's conventions."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly.detector import AnomalyDetector


def test_scikit_learn_conventions(detector, test_set, table):
    ours = dict(zip(table["object_id"], table["anomaly_score"], strict=True))
    expected = [-ours[i] for i in test_set.table["object_id"]]
    np.testing.assert_array_equal(detector.score_samples(test_set), expected)
    decision = detector.decision_function(test_set)
    flagged = dict(zip(table["object_id"], table["is_anomaly_95"], strict=True))
    labels = [-1 if flagged[i] else 1 for i in test_set.table["object_id"]]
    np.testing.assert_array_equal(detector.predict(test_set), labels)
    np.testing.assert_array_equal(decision < 0, np.array(labels) == -1)


def test_level_must_be_calibrated(parts, test_set):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, encoder, level=95)
    detector.calibrate(blobs(40, 2), levels=(90,))
    with pytest.raises(ValueError, match=r"`level` must be one of .*90.*Received: 95"):
        detector.predict(test_set)
