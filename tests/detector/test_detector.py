"""The detector: columns, order, conventions, files, errors."""

import warnings

import numpy as np
import pytest
from blobs import blobs
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from astroanomaly import evaluation, plots, report, stretches
from astroanomaly.data.cutouts import Cutouts, concatenate
from astroanomaly.detector import AnomalyDetector
from astroanomaly.latent import Refine
from astroanomaly.runs import explain
from astroanomaly.scores.explained import random_parts
from astroanomaly.stretches import Linear
from astroanomaly.tables.files import read_table, write_table
from astroanomaly.tables.flags import not_trained


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
    assert len(scores) == 250
    for level, threshold in detector.calibration.thresholds.items():
        # ceil(251 * 0.9) = 226, ceil(251 * 0.95) = 239, ceil(251 * 0.99) = 249.
        rank = {90: 226, 95: 239, 99: 249}[level]
        assert (scores <= threshold).sum() == rank


@pytest.mark.parametrize("score", ["peak", "orthogonal"])
def test_all_objects_calibrate_with_noise_from_the_others(parts, score):
    gan, stretch, encoder = parts
    cutouts = blobs(50, 2)
    detector = AnomalyDetector(gan, stretch, encoder, score=score)
    detector.calibrate(cutouts, (90,))
    assert len(detector.calibration) == 50
    # By hand: each fifth with the noise of the other four.
    found = []
    for part in random_parts(50, detector.seed):
        rest = np.delete(np.arange(50), part)
        one = AnomalyDetector(gan, stretch, encoder, score=score, n_modes=10)
        one.measure_noise(cutouts[rest])
        found.append(one.score_block(cutouts[part])["anomaly_score"])
    np.testing.assert_allclose(
        detector.calibration.scores, np.sort(np.concatenate(found)), rtol=1e-4
    )
    whole = AnomalyDetector(gan, stretch, encoder).measure_noise(cutouts)
    assert detector.noise.get_config() == whole.noise.get_config()
    measured = AnomalyDetector(gan, stretch, encoder).measure_noise(blobs(50, 1))
    assert len(measured.calibrate(cutouts, (90,)).calibration) == 50


def test_p_values_stay_valid_where_the_noise_is_cross_fitted():
    # Half of the images are far noisier, so that the noise of few objects varies.
    detector = AnomalyDetector(Blank((16, 16, 1)), Linear(vmin=0, vmax=1))
    rng, p_values = np.random.default_rng(1), []
    for _ in range(60):
        scale = rng.choice([0.01, 0.05], size=(12, 1, 1, 1))
        images = np.float32(0.5 + scale * rng.normal(size=(12, 16, 16, 1)))
        detector.noises.clear()
        detector.calibrate(images[:9], (90,))
        rows = detector.score_block(Cutouts(images[9:]))
        p_values.append(detector.calibration.p_values(rows["anomaly_score"])[0])
    for alpha in (0.1, 0.2, 0.5):
        # Of 9 objects p-values are whole tenths.
        error = np.sqrt(alpha * (1 - alpha) / len(p_values))
        assert np.mean(np.array(p_values) < alpha + 0.01) < alpha + 3 * error


class Blank:
    """A model that draws one grey image of everything."""

    def __init__(self, image_shape=(32, 32, 1)):
        self.image_shape = image_shape

    def reconstruct(self, images):
        return np.full_like(images, 0.5)

    def features(self, images):
        return images.reshape(len(images), -1)[:, :4]

    def get_config(self):
        return {"name": "blank", "dtype": "float32", "grey": 0.5}


def test_a_model_below_the_mean_image_is_not_trained_in_every_output(tmp_path):
    images = np.random.default_rng(2).normal(0.2, 0.01, (60, 32, 32, 1))
    cutouts = Cutouts(images.astype("f4"))
    detector = AnomalyDetector(Blank(), Linear(vmin=0, vmax=1))
    with pytest.warns(UserWarning, match="NOT TRAINED"):
        detector.calibrate(cutouts[:40], (90,))
    assert not detector.trained
    table = detector.score(cutouts[40:])
    assert table.meta["status"] == "not trained"
    # Mean image 0.2, drawn 0.5: 1 - (0.3^2 + 0.01^2) / (0.01^2 * (1 + 1/32)).
    explained = 1 - (0.3**2 + 0.01**2) / (0.01**2 * (1 + 1 / 32))
    assert table.meta["reconstruction"]["explained"] == pytest.approx(explained, 0.01)
    for ending in (".ecsv", ".fits", ".csv"):
        write_table(table, tmp_path / f"t{ending}")
        read = read_table(tmp_path / f"t{ending}")
        assert set(read["status"]) == {"not trained"}
        assert not_trained(read)
        figure = plots.gallery(cutouts, read, n=4)
        assert "not trained" in [text.get_text() for text in figure.texts]
    figures = [
        plots.reconstructions(cutouts, table, 4),
        plots.score_histogram(table, detector.calibration),
    ]
    labels = {"object_id": table["object_id"], "is_anomaly": np.arange(20) % 2 == 0}
    found = evaluation.evaluate(table, labels, n_bootstrap=10)
    assert "not trained" in found.to_markdown()
    figures.append(plots.areas(found))
    for figure in figures:
        assert "not trained" in [text.get_text() for text in figure.texts]
    report.write(tmp_path / "page.html", detector, cutouts[40:], table, n=2)
    page = (tmp_path / "page.html").read_text()
    assert "Not trained." in page
    assert "NOT TRAINED" in page
    looked = explain(detector, cutouts[:1], tmp_path / "why.png", mask_size=16)
    assert "not trained" in looked.summary
    # Keras's own words are no settings.
    assert table.meta["model_config"] == {"grey": 0.5}


def test_a_trained_model_says_how_much_it_explains(detector, table):
    found = detector.reconstruction
    assert detector.trained == (found["explained"] >= 0)
    assert found["n"] == 250
    assert found["n_components"] == 20
    assert found["explained"] < 1
    assert found["pca"] < 1
    assert "status" not in table.colnames or not detector.trained


def test_known_objects_are_flagged_and_said(parts):
    gan, stretch, encoder = parts
    train, held_out, fresh = blobs(30, 1), blobs(30, 2), blobs(30, 3)
    detector = AnomalyDetector(gan, stretch, encoder)
    detector.remember("trained", train)
    detector.calibrate(held_out, (90,))
    # By its pixels: another name changes nothing, and the same name is no proof.
    renamed = Cutouts(train.images[:2], bands=train.bands)
    renamed.table["object_id"] = ["x", "y"]
    both = concatenate([renamed, held_out[:3], fresh])
    with pytest.warns(UserWarning, match=r"2 of the 35 .* 3 calibrated it"):
        found = detector.score(both)
    flags = dict(zip(found["object_id"], found["flag"], strict=True))
    assert [flags["x"] & 48, flags["y"] & 48] == [16, 16]
    assert {flags[name] & 48 for name in held_out.object_ids[:3]} == {32}
    assert {flags[name] & 48 for name in fresh.object_ids} == {0}
    assert (found.meta["n_trained_on"], found.meta["n_calibrated_on"]) == (2, 3)


def test_objects_that_trained_are_no_shift_of_the_survey(parts):
    gan, stretch, encoder = parts
    # Those that trained are darker and score far below the others.
    train, held_out, fresh = blobs(300, 1), blobs(200, 2), blobs(100, 3)
    train.images[:] *= 0.2
    detector = AnomalyDetector(gan, stretch, encoder).calibrate(held_out, (90,))
    with pytest.warns(UserWarning, match="visibly different"):
        detector.score(concatenate([train, fresh]))
    detector.remember("trained", train)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*visibly different")
        detector.score(concatenate([train, fresh]))


def test_a_selection_says_how_many_calibration_objects_it_takes(detector, test_set):
    with pytest.warns(UserWarning, match=r"rate 0.01: .* 250 .* \d+ calibration obj"):
        found = detector.score(test_set, fdr=0.01)
    assert not found["is_selected"].any()
    found = detector.score(test_set, fdr=0.2)
    np.testing.assert_array_equal(found["is_selected"], found["q_value"] <= 0.2)
    chosen = detector.calibration.select(found["anomaly_score"], 0.2)
    np.testing.assert_array_equal(found["is_selected"], chosen)


def test_a_detector_is_an_estimator_of_scikit_learn(parts, test_set):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, encoder, level=90)
    assert detector.get_params()["score"] == "peak"
    detector.set_params(score="mse", level=95)
    assert (detector.score_name, detector.level) == ("mse", 95)
    with pytest.raises(ValueError, match="`params` .* Received: depth"):
        detector.set_params(depth=3)
    fitted = detector.fit(blobs(99, 2))
    other = clone(fitted)
    assert other.calibration is None
    assert other.get_params() == fitted.get_params()
    pipe = Pipeline([("detector", other)]).fit(blobs(99, 2))
    np.testing.assert_array_equal(pipe.predict(test_set), fitted.predict(test_set))
    np.testing.assert_array_equal(
        fitted.score_samples(test_set.images), fitted.score_samples(test_set)
    )


def test_arrays_and_paths_are_scored_and_anything_else_is_named(
    detector, test_set, table, tmp_path
):
    np.save(tmp_path / "test.npy", test_set.images)
    for given in (test_set.images, tmp_path / "test.npy", str(tmp_path / "test.npy")):
        found = detector.score(given)
        np.testing.assert_array_equal(found["anomaly_score"], table["anomaly_score"])
    with pytest.raises(ValueError, match=r"shape \(n, 32, 32, 1\).*\(3, 16, 16\)"):
        detector.score(np.zeros((3, 16, 16)))
    with pytest.raises(TypeError, match="`cutouts` must be .* Received: list"):
        detector.score([1, 2])


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
            "99 calibration objects",
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
