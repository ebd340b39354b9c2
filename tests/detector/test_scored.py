"""The rows of a score table."""

import numpy as np
import pytest
from blobs import blobs

from astroanomaly.detector import AnomalyDetector
from astroanomaly.latent import Mapping
from astroanomaly.scores import residual as scoring


def test_table_has_the_stable_columns(table):
    assert table.colnames == [
        "object_id",
        "file",
        "ra",
        "dec",
        "anomaly_score",
        "residual_score",
        "feature_score",
        "total_score",
        "peak_score",
        "whitened_score",
        "orthogonal_score",
        "mse_score",
        "latent_norm",
        "p_value",
        "q_value",
        "is_anomaly_90",
        "is_anomaly_95",
        "is_anomaly_99",
        "flag",
    ]
    np.testing.assert_array_equal(table["anomaly_score"], table["peak_score"])
    for key in ("model", "stretch", "bands", "n_calibration", "levels", "seed"):
        assert key in table.meta
    assert table.meta["n_calibration"] == 250
    assert table.meta["rule"] == "conformal"
    assert table.meta["n_skipped"] == 0
    assert table["ra"].unit == table["dec"].unit == "deg"


def test_scores_are_those_of_the_parts(detector, parts, table, test_set):
    gan, stretch, encoder = parts
    one = test_set[48:49]
    image = np.asarray(stretch(one.images))
    z = np.asarray(encoder(image))
    drawn = np.asarray(gan.generator(z))
    row = table[table["object_id"] == one.table["object_id"][0]][0]
    residual = np.abs(image - drawn).sum()
    feature = np.abs(np.asarray(gan.critic(image)[1]) - gan.critic(drawn)[1]).sum()
    assert row["residual_score"] == pytest.approx(residual, rel=1e-4)
    assert row["feature_score"] == pytest.approx(feature, rel=1e-4)
    total = 0.9 * residual + 0.1 * feature
    assert row["total_score"] == pytest.approx(total, rel=1e-4)
    assert row["latent_norm"] == pytest.approx(np.linalg.norm(z), rel=1e-4)
    peak = detector.noise.peak(image, drawn)[0]
    assert row["peak_score"] == pytest.approx(peak, rel=1e-3)
    squared = np.mean(np.square(image - drawn))
    assert row["mse_score"] == pytest.approx(squared, rel=1e-3)


@pytest.mark.parametrize("score", ["mse", "whitened", "orthogonal", "wasserstein"])
def test_each_score_can_rank(parts, score, test_set):
    detector = AnomalyDetector(*parts, score=score).calibrate(blobs(60, 2), (50,))
    table = detector.score(test_set)
    np.testing.assert_array_equal(table["anomaly_score"], table[f"{score}_score"])
    companions = [row.split("-")[0] == "4" for row in table["object_id"]]
    assert np.mean(companions[:5]) > 2 * np.mean(companions)


def test_clipped_and_unsettled_images_are_flagged(parts):
    gan, stretch, _ = parts
    detector = AnomalyDetector(gan, stretch, Mapping.plain(gan, max_iterations=25))
    cutouts = blobs(12, 3)
    cutouts.images[2, 0, 0] = 1e4
    detector.calibrate(cutouts, levels=(50,))
    table = detector.score(cutouts)
    flags = dict(zip(table["object_id"], table["flag"], strict=True))
    assert flags["3-2"] & 4
    assert not flags["3-1"] & 4
    assert all(flag & 8 for flag in flags.values())


def test_scores_that_rank_are_those_of_scoring():
    paper = ("peak", "total", "residual", "feature")
    others = ("mse", "whitened", "orthogonal", "wasserstein", "evidence")
    assert scoring.SCORES == (*paper, *others)


@pytest.mark.parametrize(
    ("score", "columns"),
    [
        ("peak", {"peak_score"}),
        ("mse", {"mse_score"}),
        ("total", {"total_score", "residual_score", "feature_score"}),
    ],
)
def test_only_the_score_that_ranks_is_computed(parts, monkeypatch, score, columns):
    cutouts = blobs(20, 3)
    detector = AnomalyDetector(*parts, score=score).calibrate(blobs(60, 2), (50,))
    full = detector.score(cutouts)
    if score == "peak":
        # No critic: the features are not even asked for.
        monkeypatch.delattr(type(detector.images), "features")
    table = detector.score(cutouts, scores="ranking")
    found = {n for n in table.colnames if n.endswith("_score")}
    assert found - {"frame_score"} == columns | {"anomaly_score"}
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], full[name])
    left_out = set(detector.score_columns) - columns
    assert set(table.meta["left_out"]) == left_out
    assert "left_out" not in full.meta
    with pytest.raises(ValueError, match="`scores`.*Received: some"):
        detector.score(cutouts, scores="some")


def test_the_orthogonal_score_wants_its_modes(parts):
    detector = AnomalyDetector(*parts, score="orthogonal").measure_noise(blobs(3, 2))
    with pytest.raises(ValueError, match='score "orthogonal" needs at least 4 objects'):
        detector.calibrate(blobs(20, 2), (50,))
