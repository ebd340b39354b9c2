"""Detectors over features: the face of every detector, to the bit after a save."""

import json

import numpy as np
import pytest
from blobs import blobs
from sklearn.base import clone

import astroanomaly as aa
from astroanomaly import interpret
from astroanomaly.detector.methods import METHODS
from astroanomaly.utils.arrays import load_arrays, save_arrays

TRAIN, USUAL = blobs(120, 1), blobs(120, 2)
TEST = aa.concatenate([blobs(40, 3), blobs(5, 4, companion=True)])


def _detector(method="knn", features=None):
    features = features or METHODS[method].usual
    return aa.FeatureDetector(features, method).fit(TRAIN)


@pytest.fixture(scope="module")
def knn():
    return _detector().calibrate(USUAL)


@pytest.mark.parametrize("method", METHODS)
def test_planted_companions_rank_first_and_a_saved_detector_scores_the_same(
    method, tmp_path
):
    detector = _detector(method).calibrate(USUAL)
    table = detector.score(TEST)
    planted = np.char.startswith(np.array(table["object_id"]), "4-")
    # A forest looks at one number at a time.
    n_first = 15 if method == "isolation_forest" else 5
    assert planted[:n_first].sum() == 5
    assert (table["p_value"][planted] < (0.2 if n_first > 5 else 0.05)).all()
    assert detector.levels == (90, 95, 99)
    detector.save(tmp_path / "kept")
    again = aa.load_detector(tmp_path / "kept")
    found = again.score(TEST)
    assert found.colnames == table.colnames
    for name in ("anomaly_score", "p_value", "flag"):
        np.testing.assert_array_equal(found[name], table[name])
    assert again.settings() == detector.settings()
    assert again.get_params()["method"] == method


def test_it_follows_scikit_learn(knn):
    assert knn.predict(TEST).tolist()[40:] == [-1] * 5
    twin = clone(knn)
    assert "not fitted" in twin._repr_html_()
    assert "NOT TRAINED" not in knn._repr_html_()
    assert twin.calibration is None
    with pytest.raises(ValueError, match="not fitted: call `fit`"):
        twin.score_samples(TEST)
    twin.fit(TRAIN)
    np.testing.assert_array_equal(twin.score_samples(TEST), knn.score_samples(TEST))
    with pytest.raises(ValueError, match="call `calibrate`"):
        twin.score(TEST)
    assert knn.latent is None
    assert knn.method == knn.score_name == "knn"


def test_bands_size_and_flags_are_those_of_every_detector(knn):
    with pytest.raises(ValueError, match=r"`cutouts`.*\(32, 32, 1\)"):
        knn.score(aa.Cutouts(np.zeros((2, 16, 16, 1)), bands=["i"]))
    both = blobs(5, 9, bands=("r", "i"))
    np.testing.assert_array_equal(
        knn.score_samples(both), knn.score_samples(both.select_bands(["i"]))
    )
    table = knn.score(aa.concatenate([TRAIN[:2], USUAL[:3]]))
    assert (table.meta["n_trained_on"], table.meta["n_calibrated_on"]) == (2, 3)
    # Linear pixels pass no stretch.
    bright = aa.Cutouts(TEST.images[:3] * 1e3, bands=["i"])
    rows = knn.score_block(bright)
    assert (rows["flag"] & 4 == 0).all()
    # As a frame it is odd, and says why.
    assert (rows["flag"] & 64 > 0).all()
    assert "" not in set(rows["frame_problem"])


def test_which_pixels_decide(knn):
    output = interpret.anomaly_output(knn)
    found = output(TEST.images)
    np.testing.assert_array_equal(-found, knn.score_samples(TEST))
    shown = interpret.occlusion_map(output, TEST.images[44], 8, 8)
    row, column = np.unravel_index(np.argmin(shown.change), shown.change.shape)
    # The companion lies at +9 and +6 pixels from the middle.
    assert (row // 8, column // 8) == (22 // 8, 25 // 8) or shown.change.min() < 0
    with pytest.raises(ValueError, match="`score` must be knn.*Received: peak"):
        interpret.anomaly_output(knn, "peak")
    assert set(knn.explain(TEST[:2])) == {"original"}


def test_functions_of_ones_own_and_what_they_may_not_give():
    def mean(images):
        return images.mean(axis=(1, 2))

    detector = aa.FeatureDetector(mean, "mahalanobis").fit(TRAIN)
    values = TRAIN.images.mean(axis=(1, 2))[:, 0].astype(float)
    # Of one number, Ledoit and Wolf shrink nothing: this is a z-score.
    expected = np.abs(values - values.mean()) / values.std()
    np.testing.assert_allclose(detector.score_images(TRAIN.images), expected, 1e-6)
    images = TRAIN.images.copy()
    images[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"`features` mean.*number 3"):
        aa.FeatureDetector(mean).fit(images)
    detector.extractor.function = lambda images: np.zeros((len(images), 2))
    with pytest.raises(ValueError, match="give 1 numbers.*Received: 2"):
        detector.score_images(TEST.images)
    with pytest.raises(ValueError, match="by position.*Received: profiles"):
        aa.FeatureDetector("profiles", "patch_gaussian").fit(TRAIN)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "kn"}, "`method`.*Received: kn; did you mean knn"),
        ({"n_trees": 3}, "`n_trees` must be a setting of knn: n_neighbors"),
        ({"features": "nothing"}, "`features`.*Received: nothing"),
    ],
)
def test_unknown_names_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        aa.FeatureDetector(**arguments)


def test_a_row_that_cannot_be_measured_counts_as_typical():
    class Holes(aa.features.Profiles):
        may_miss = True

        def __call__(self, images):
            found = super().__call__(images)
            found[images[:, 0, 0, 0] == 9] = np.nan
            return found

    train = TRAIN.images.copy()
    train[7, 0, 0] = 9
    detector = aa.FeatureDetector(Holes()).fit(train)
    assert np.isnan(detector.features_[7]).all()
    typical = np.median(np.delete(detector.features_, 7, axis=0), axis=0)
    expected = detector.scorer.score(typical[None])
    np.testing.assert_array_equal(detector.score_images(train[7:8]), expected)


def test_features_of_trained_models(tmp_path, parts):
    gan, stretch, encoder = parts
    critic = aa.features.ModelFeatures(gan, stretch)
    found = critic(TEST.images)
    np.testing.assert_allclose(found, gan.features(stretch(TEST.images)), atol=1e-4)
    # Its last convolution has 4 x 4 positions, of 32 pixels and three strides.
    maps = critic.maps(TEST.images)
    assert maps.shape[:3] == (45, 2, 2) or maps.shape[:3] == (45, 4, 4)
    np.testing.assert_array_equal(maps.reshape(45, -1), found)
    latents = aa.features.ModelFeatures(gan, stretch, "latents", encoder)
    np.testing.assert_allclose(
        latents(TEST.images), encoder(stretch(TEST.images)), atol=1e-4
    )
    detector = aa.FeatureDetector(latents).fit(TRAIN).calibrate(USUAL)
    detector.save(tmp_path / "kept")
    again = aa.load_detector(tmp_path / "kept")
    np.testing.assert_array_equal(
        again.score_samples(TEST), detector.score_samples(TEST)
    )
    # This extractor has a stretch, which clips.
    bright = aa.Cutouts(TEST.images * 9, bands=["i"])
    assert (detector.score_block(bright)["flag"] & 4 > 0).all()
    # Its bands are known by name, whatever their order.
    swapped = aa.Cutouts(
        np.concatenate([TRAIN.images[..., :1] * 0, TRAIN.images], axis=-1),
        TRAIN.table["object_id",],
        bands=["r", "i"],
    )
    np.testing.assert_array_equal(
        aa.FeatureDetector(latents).fit(swapped).features_, detector.features_
    )
    with pytest.raises(ValueError, match="bands.*'i'"):
        aa.FeatureDetector(latents).fit(blobs(20, 1, bands=("r",)))
    with pytest.raises(ValueError, match="`model`.*`encode`.*Received: WGANGP"):
        aa.features.ModelFeatures(gan, stretch, "latents")
    with pytest.raises(ValueError, match="`kind`.*Received: 'z'"):
        aa.features.ModelFeatures(gan, stretch, "z")
    with pytest.raises(ValueError, match="`stretch`"):
        aa.features.ModelFeatures(gan, aa.stretches.Asinh())


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        ("knn", {"rows": np.zeros((2, 2, 2))}, "numbers of dimensions"),
        ("knn", {"center": np.full(27, np.nan)}, "finite numbers in `center`"),
        ("bagged_knn", {"bags": np.array([[900]])}, "`bags`.*Received: 900"),
        ("isolation_forest", {"children": np.zeros((9, 9, 2), int)}, "trees"),
    ],
)
def test_changed_arrays_are_refused(method, change, words, tmp_path):
    _detector(method).calibrate(USUAL).save(tmp_path)
    file = tmp_path / "method.npz"
    save_arrays(file, load_arrays(file, METHODS[method].learned) | change)
    with pytest.raises(ValueError, match=words):
        aa.load_detector(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("detector.json", {"method": "pickle"}, "`method`.*Received: pickle"),
        ("detector.json", {"image_shape": [10**9, 1, 1]}, "`image_shape`"),
        ("detector.json", {"options": {"n_neighbors": 0}}, "`n_neighbors`"),
        ("features.json", {"name": "os"}, "must name one of.*Received: os"),
        ("features.json", {"config": {"n_rings": 0}}, "`n_rings`"),
        ("features.json", {"config": {"rings": 0}}, "must give n_rings"),
        ("features.json", {"name": "patches", "config": {}}, "must give size"),
    ],
)
def test_changed_settings_are_refused(file, change, words, tmp_path, knn):
    knn.save(tmp_path)
    path = tmp_path / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=words):
        aa.load_detector(tmp_path)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path, knn):
    knn.save(tmp_path)
    (tmp_path / "method.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"method.npz must hold arrays"):
        aa.load_detector(tmp_path)
    (tmp_path / "method.npz").unlink()
    with pytest.raises(ValueError, match=r"method.npz must be a file"):
        aa.load_detector(tmp_path)
