"""The detector: columns, order, conventions, files, errors."""

import json

import keras
import numpy as np
import pytest
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import scoring, stretches
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import AnomalyDetector, load_detector
from astroanomaly.latent import Encoder, Mapping, Refine
from astroanomaly.models import WGANGP


def blobs(n, seed, companion=False, bands=("i",)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    images = np.exp(-(x**2 + y**2) / rng.uniform(10, 60, (n, 1, 1)))
    if companion:
        images = images + np.exp(-((x - 9) ** 2 + (y - 6) ** 2) / 8.0)
    images = images * 50 + rng.normal(0, 1, images.shape)
    table = Table({"object_id": [f"{seed}-{i}" for i in range(n)]})
    stack = np.repeat(images[..., None], len(bands), axis=-1)
    return Cutouts(stack, table, bands=bands, pixel_scale=0.06)


@pytest.fixture(scope="module")
def parts():
    train = blobs(128, 1)
    stretch = stretches.Asinh().adapt(train)
    gan = WGANGP((32, 32, 1), latent_dim=8, width=8, kernel_size=3, n_critic=2)
    gan.compile(*[keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.9) for _ in "gc"])
    gan.fit(aa.dataset(train, stretch, batch_size=16), epochs=40, verbose=0)
    encoder = Encoder(gan)
    encoder.compile()
    encoder.fit(aa.dataset(train, stretch, batch_size=16), epochs=15, verbose=0)
    return gan, stretch, encoder


@pytest.fixture(scope="module")
def detector(parts):
    gan, stretch, encoder = parts
    return AnomalyDetector(gan, stretch, encoder).calibrate(blobs(250, 2))


@pytest.fixture(scope="module")
def test_set():
    return aa.concatenate([blobs(45, 3), blobs(5, 4, companion=True)])


@pytest.fixture(scope="module")
def table(detector, test_set):
    return detector.score(test_set)


def test_planted_companions_rank_first(table):
    assert {row.split("-")[0] for row in table["object_id"][:5]} == {"4"}
    assert table["is_anomaly_95"][:5].all()
    assert (np.diff(table["anomaly_score"]) <= 0).all()


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
        "latent_norm",
        "p_value",
        "is_anomaly_90",
        "is_anomaly_95",
        "is_anomaly_99",
        "flag",
    ]
    np.testing.assert_array_equal(table["anomaly_score"], table["peak_score"])
    for key in ("model", "stretch", "bands", "n_calibration", "levels", "seed"):
        assert key in table.meta
    assert table.meta["n_calibration"] == 200
    assert table.meta["n_skipped"] == 0


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


def test_scikit_learn_conventions(detector, test_set, table):
    ours = dict(zip(table["object_id"], table["anomaly_score"], strict=True))
    expected = [-ours[i] for i in test_set.table["object_id"]]
    np.testing.assert_array_equal(detector.score_samples(test_set), expected)
    decision = detector.decision_function(test_set)
    flagged = dict(zip(table["object_id"], table["is_anomaly_95"], strict=True))
    labels = [-1 if flagged[i] else 1 for i in test_set.table["object_id"]]
    np.testing.assert_array_equal(detector.predict(test_set), labels)
    np.testing.assert_array_equal(decision < 0, np.array(labels) == -1)


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


@pytest.mark.parametrize("method", ["encoder", "refine", "mapping", "warm"])
def test_saved_detector_scores_the_same_bits(parts, method, test_set, tmp_path):
    gan, stretch, encoder = parts
    latent = {
        "encoder": encoder,
        "refine": Refine(encoder, n_steps=3),
        "mapping": Mapping(gan, max_iterations=25),
        "warm": Mapping(gan, max_iterations=25, encoder=encoder),
    }[method]
    detector = AnomalyDetector(gan, stretch, latent, score="total", w=0.3)
    detector.calibrate(blobs(40, 2), levels=(90,))
    detector.save(tmp_path / "detector")
    again = load_detector(tmp_path / "detector")
    few = test_set[:6]
    ours, theirs = detector.score(few), again.score(few)
    for name in ours.colnames:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert again.settings() == detector.settings()
    assert {p.suffix for p in (tmp_path / "detector").iterdir()} == {".keras", ".json"}


def test_each_method_keeps_its_own_calibration(parts, tmp_path):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, encoder).calibrate(blobs(40, 2), (90,))
    first = detector.calibration.thresholds
    detector.use("refine")
    assert detector.calibration is None
    detector.calibrate(blobs(40, 2), (80,))
    detector.save(tmp_path / "d")
    again = load_detector(tmp_path / "d")
    assert again.method == "refine"
    assert list(again.calibration.thresholds) == [80]
    assert again.use("encoder").calibration.thresholds == first


def test_bands_are_taken_by_name(parts, test_set, detector):
    both = blobs(5, 3, bands=("z", "i"))
    both.images[..., 0] = 0
    few = both.select_bands(["i"])
    np.testing.assert_array_equal(
        detector.score_samples(both), detector.score_samples(few)
    )
    with pytest.raises(ValueError, match="'i'.*z"):
        detector.score(both.select_bands(["z"]))


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


def test_explanation_adds_up(detector, test_set):
    parts = detector.explain(test_set[:3])
    np.testing.assert_allclose(
        parts["residual"], parts["original"] - parts["reconstruction"]
    )
    assert parts["significance"].shape == (3, 32, 32, 1)
    assert detector.features(test_set[:3]).shape == (3, 512)


def test_table_remembers_its_detector(table, detector):
    assert table.detector is detector


class Mean:
    """A model that reconstructs by itself, without a latent search."""

    image_shape = (32, 32, 1)

    def reconstruct(self, images):
        return np.full(np.shape(images), 0.3, np.float32)

    def features(self, images):
        return np.reshape(images, (len(images), -1))

    def get_config(self):
        return {}


def test_any_model_that_reconstructs_will_do(parts, test_set):
    detector = AnomalyDetector(Mean(), parts[1], score="residual")
    table = detector.calibrate(blobs(40, 2), (90,)).score(test_set)
    assert np.isnan(table["latent_norm"]).all()
    assert detector.method == "model"


def test_a_shifted_survey_warns_with_numbers(detector):
    other = blobs(200, 8)
    other.images += np.random.default_rng(0).normal(0, 3, other.images.shape)
    with pytest.warns(UserWarning, match="180 calibration and 181 new scores"):
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


def test_level_must_be_calibrated(parts, test_set):
    gan, stretch, encoder = parts
    detector = AnomalyDetector(gan, stretch, encoder, level=95)
    detector.calibrate(blobs(40, 2), levels=(90,))
    with pytest.raises(ValueError, match=r"`level` must be one of .*90.*Received: 95"):
        detector.predict(test_set)


def test_other_folders_and_versions_are_refused(detector, tmp_path):
    with pytest.raises(ValueError, match="has no detector.json"):
        load_detector(tmp_path)
    detector.save(tmp_path / "d")
    file = tmp_path / "d" / "detector.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"format": 99}))
    with pytest.raises(ValueError, match="format 1, which astroanomaly .* format 99"):
        load_detector(tmp_path / "d")


def test_scores_that_rank_are_those_of_scoring():
    assert scoring.SCORES == ("peak", "total", "residual", "feature")
