"""A survey scored in parts is the survey scored at once."""

import numpy as np
import pytest
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import runs

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def detector():
    images = RNG.normal(size=(140, 32, 32, 1)).astype(np.float32)
    cutouts = aa.Cutouts(images, Table({"object_id": [f"o{k}" for k in range(140)]}))
    stretch = aa.stretches.Asinh().adapt(cutouts)
    pca = aa.models.PCA((32, 32, 1), n_components=5)
    pca.fit(np.asarray(stretch(images)))
    detector = aa.AnomalyDetector(pca, stretch, score="whitened")
    detector.measure_noise(cutouts[:40])
    return detector.calibrate(cutouts[40:])


def parts_of(detector, n=3):
    images = RNG.normal(size=(50, 32, 32, 1)).astype(np.float32)
    stream = aa.read_cutouts(images, stream=True)
    parts = [stream.part(k, n) for k in range(1, n + 1)]
    assert sorted(len(part) for part in parts) == [16, 17, 17]
    return detector.score(stream.read()), [detector.score(p.read()) for p in parts]


def test_merged_parts_equal_one_scoring(detector):
    whole, parts = parts_of(detector)
    merged = runs.merge_scores(parts, fdr=0.9)
    for name in whole.colnames:
        np.testing.assert_array_equal(merged[name], whole[name], err_msg=name)
    np.testing.assert_array_equal(merged["is_selected"], whole["q_value"] <= 0.9)
    assert merged.meta["n_calibration"] == whole.meta["n_calibration"]


def test_what_does_not_belong_together_is_refused(detector):
    _, (one, other, _) = parts_of(detector)
    with pytest.raises(ValueError, match="hold each object_id once"):
        runs.merge_scores([one, one])
    with pytest.raises(ValueError, match="at least one table. Received: none"):
        runs.merge_scores([])
    with pytest.raises(ValueError, match="`fdr`.*Received: 2"):
        runs.merge_scores([one], fdr=2)
    less = other.copy()
    less.remove_column("latent_norm")
    with pytest.raises(ValueError, match="same columns.*latent_norm"):
        runs.merge_scores([one, less])
    other.meta["seed"] = 77
    with pytest.raises(ValueError, match="different seed"):
        runs.merge_scores([one, other])


def test_a_part_is_within_the_stream():
    stream = aa.read_cutouts(RNG.normal(size=(4, 8, 8)), stream=True)
    assert [str(k) for part in (1, 2) for k in stream.part(part, 2).object_ids] == [
        str(k) for k in stream.object_ids
    ]
    for k, n in ((0, 2), (3, 2), (1, 5)):
        with pytest.raises(ValueError, match=f"Received: part {k} of {n}"):
            stream.part(k, n)


def test_notebooks_show_a_detector(detector):
    shown = detector._repr_html_()
    for words in ("PCA (32, 32, 1)", "whitened", "100 objects", "principal"):
        assert words in shown
    assert detector._repr_mimebundle_()["text/html"] == shown
