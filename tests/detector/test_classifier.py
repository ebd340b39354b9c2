"""The lens finder as a detector: columns, calibrations, files, errors."""

import json
import math

import numpy as np
import pytest
from rings import SIZE, rings

from astroanomaly import load_detector
from astroanomaly.data.cutouts import FLAG_CLIPPED, Cutouts
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.models import DCAE, LensFinder
from astroanomaly.stretches import Linear

COLUMNS = [
    "object_id",
    "file",
    "ra",
    "dec",
    "anomaly_score",
    "residual_score",
    "feature_score",
    "peak_score",
    "latent_norm",
    "p_lens",
    "is_lens",
    "p_value",
    "q_value",
    "flag",
]
EMPTY = ("residual_score", "feature_score", "peak_score", "latent_norm", "p_value")
EMPTY += ("q_value",)


def sharpened(finder):
    """Give the logits of random weights the median 0 and the standard deviation 2."""
    last = finder.network.get_layer("logits")
    logits = np.asarray(finder.logit(STRETCHED))
    factor = 2 / float(np.std(logits))
    last.kernel.assign(factor * np.asarray(last.kernel))
    last.bias.assign([0, -factor * float(np.median(logits))])
    return finder


TEST = rings(41, 3)
STRETCHED = np.asarray(Linear(per_image=True)(TEST.images))


@pytest.fixture
def detector():
    finder = sharpened(LensFinder((SIZE, SIZE, 1), "ou66", seed=2))
    stretch = Linear(per_image=True).adapt(TEST)
    return ClassifierDetector(finder, stretch, level=90)


def by_hand(detector):
    """Give P(lens) from the network itself, in float64."""
    logits = np.asarray(detector.model.network(STRETCHED), np.float64)
    return np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)


def by_id(table, name):
    return dict(zip(table["object_id"], table[name], strict=True))


def test_the_table_holds_the_logit_and_its_probability(detector):
    table = detector.score(TEST)
    assert table.colnames == COLUMNS
    expected = dict(zip(TEST.object_ids, by_hand(detector), strict=True))
    for row in table:
        assert row["p_lens"] == pytest.approx(expected[row["object_id"]], abs=1e-5)
        odds = math.log(row["p_lens"] / (1 - row["p_lens"]))
        assert row["anomaly_score"] == pytest.approx(odds, abs=1e-9)
    assert (np.diff(table["anomaly_score"]) <= 0).all()
    assert 0 < table["is_lens"].sum() < len(table)
    np.testing.assert_array_equal(table["is_lens"], table["p_lens"] >= 0.5)
    for name in EMPTY:
        assert np.isnan(table[name]).all()
    assert table.detector is detector
    assert table["ra"].unit == "deg"


def test_scores_say_how_they_were_made(detector):
    meta = detector.score(TEST).meta
    assert (meta["model"], meta["stretch"], meta["score"]) == (
        "LensFinder",
        "Linear",
        "logit",
    )
    assert (meta["threshold"], meta["seed"], meta["bands"]) == (0.5, 2, ["VIS"])
    assert (meta["n_calibration"], meta["n_skipped"]) == (0, 0)
    assert meta["probability_calibration"] == {}
    assert json.loads(json.dumps(meta)) == meta


def test_a_probability_of_one_still_ranks(detector):
    last = detector.model.network.get_layer("logits")
    last.kernel.assign(1e3 * np.asarray(last.kernel))
    last.bias.assign([0, 0])
    table = detector.score(TEST)
    sure = table["p_lens"] == 1
    assert sure.sum() > 2
    assert len(set(table["anomaly_score"][sure])) == sure.sum()


def test_a_score_does_not_depend_on_batch_or_order(detector):
    whole = by_id(detector.score(TEST), "anomaly_score")
    assert by_id(detector.score(TEST[::-1]), "anomaly_score") == whole
    few = by_id(detector.score(TEST[7:10]), "anomaly_score")
    assert few == {name: whole[name] for name in TEST.object_ids[7:10]}
    blocks = [rows for rows, _ in detector.score_blocks(TEST, block=9)]
    assert [len(rows) for rows in blocks] == [9, 9, 9, 9, 5]
    found = np.concatenate([rows["anomaly_score"] for rows in blocks])
    np.testing.assert_array_equal(found, [whole[i] for i in TEST.object_ids])


def test_probabilities_are_in_the_cutouts_order(detector):
    found = detector.probability(TEST)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_hand(detector), atol=1e-5)
    table = by_id(detector.score(TEST), "p_lens")
    np.testing.assert_array_equal(found, [table[i] for i in TEST.object_ids])


def test_the_threshold_is_the_models_and_can_be_set(detector):
    detector.threshold = 0.9
    assert detector.model.threshold == 0.9
    table = detector.score(TEST)
    np.testing.assert_array_equal(table["is_lens"], table["p_lens"] >= 0.9)
    assert table.meta["threshold"] == 0.9
    with pytest.raises(ValueError, match=r"`threshold` must be within \[0, 1\]"):
        detector.threshold = 2


def test_ordinary_objects_give_levels_and_p_values(detector):
    ordinary = rings(60, 5)[::2]
    found = detector.calibrate(ordinary, levels=(80, 90))
    assert found is detector
    assert detector.levels == (80, 90)
    scores = np.sort(np.log(1 / (1 / detector.probability(ordinary) - 1)))
    # ceil(31 * 0.8) = 25, ceil(31 * 0.9) = 28: the 25th and the 28th of 30.
    cuts = detector.calibration.thresholds
    np.testing.assert_allclose([cuts[80], cuts[90]], scores[[24, 27]], atol=1e-9)
    table = detector.score(TEST)
    last = ["p_value", "q_value", "is_anomaly_80", "is_anomaly_90", "flag"]
    assert table.colnames[-5:] == last
    n_above = (scores[:, None] >= np.asarray(table["anomaly_score"]) - 1e-9).sum(axis=0)
    np.testing.assert_allclose(table["p_value"], (1 + n_above) / 31)
    assert table.meta["n_calibration"] == 30
    flagged = by_id(table, "is_anomaly_90")
    expected = np.where([flagged[i] for i in TEST.object_ids], -1, 1)
    np.testing.assert_array_equal(detector.predict(TEST), expected)


def test_a_shifted_survey_warns_only_once_calibrated(detector, recwarn):
    far = rings(400, 6)
    far.images[:] = np.random.default_rng(1).random(far.images.shape) ** 8
    detector.score(far[:300])
    assert not recwarn.list
    detector.calibrate(TEST, levels=(90,))
    with pytest.warns(UserWarning, match=r"Kolmogorov-Smirnov statistic \d"):
        detector.score(far)


def test_probabilities_are_calibrated_by_platts_curve(detector):
    labels = TEST.table["is_lens"]
    found = detector.calibrate_probability(TEST, labels)
    assert found is detector
    learned = detector.probability_calibration
    logits = np.log(by_hand(detector) / (1 - by_hand(detector)))
    curve = 1 / (1 + np.exp(-learned.slope_ * logits - learned.intercept_))
    calibrated = detector.probability(TEST, calibrated=True)
    np.testing.assert_allclose(calibrated, curve, atol=1e-5)
    # Platt's condition: the mean is that of his targets, (k + 1) / (k + 2) for 20 of
    # 41 and 1 / (k + 2) for the others.
    targets = np.where(labels, 21 / 22, 1 / 23)
    assert calibrated.mean() == pytest.approx(targets.mean(), abs=1e-6)
    table = detector.score(TEST)
    where = table.colnames.index("p_lens_calibrated")
    assert table.colnames[where - 1] == "p_lens"
    np.testing.assert_array_equal(
        calibrated, [by_id(table, "p_lens_calibrated")[i] for i in TEST.object_ids]
    )
    # The call stays with the classifier's own probability.
    np.testing.assert_array_equal(table["is_lens"], table["p_lens"] >= 0.5)
    assert table.meta["probability_calibration"] == {
        "method": "sigmoid",
        "n": 41,
        "n_lenses": 20,
    }


# It calibrates on the half of no lenses and is then new to the lenses alone.
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
def test_a_saved_detector_scores_the_same_bits(detector, tmp_path):
    detector.threshold = 0.7
    detector.calibrate(TEST[::2], levels=(50, 90))
    detector.calibrate_probability(TEST, TEST.table["is_lens"], method="isotonic")
    detector.save(tmp_path / "d")
    again = load_detector(tmp_path / "d")
    assert type(again) is ClassifierDetector
    assert (again.level, again.threshold, again.levels) == (90, 0.7, (50, 90))
    ours, theirs = detector.score(TEST), again.score(TEST)
    assert ours.colnames == theirs.colnames
    for name in ours.colnames:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert again.settings() == detector.settings()
    names = {path.name for path in (tmp_path / "d").iterdir()}
    assert names == {"model.keras", "stretch.json", "detector.json", "checksums.json"}


def test_an_uncalibrated_detector_is_saved_as_such(detector, tmp_path):
    detector.save(tmp_path / "d")
    again = load_detector(tmp_path / "d")
    assert again.calibration is None
    assert again.probability_calibration is None


def test_features_and_the_image_as_seen(detector):
    features = detector.features(TEST[:3])
    assert features.shape == (3, 500)
    expected = detector.model.features(STRETCHED[:3])
    np.testing.assert_allclose(features, expected, atol=1e-5)
    seen = detector.explain(TEST[:3])
    assert list(seen) == ["original"]
    np.testing.assert_allclose(seen["original"], STRETCHED[:3], atol=1e-6)


def test_bands_are_taken_by_name(detector):
    both = rings(5, 3, bands=("Y", "VIS"))
    both.images[..., 0] = 7
    np.testing.assert_array_equal(
        detector.probability(both), detector.probability(both.select_bands(["VIS"]))
    )
    with pytest.raises(ValueError, match="'VIS'.*Y"):
        detector.score(both.select_bands(["Y"]))


def test_filled_and_clipped_pixels_are_flagged():
    finder = LensFinder((SIZE, SIZE, 1), "ou66")
    detector = ClassifierDetector(finder, Linear(vmin=-1, vmax=2))
    some = TEST[np.arange(4)]
    some.images[1, 0, 0] = 99
    some.table["flag"][2] = 1
    flags = by_id(detector.score(some), "flag")
    assert [flags[i] for i in some.object_ids] == [0, FLAG_CLIPPED, 1, 0]


def _with_nan():
    cutouts = TEST[np.arange(5)]
    cutouts.images[3, 2, 2] = np.nan
    return cutouts


LABELS = [0, 1] * 20 + [0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda d: d.probability(TEST, calibrated=True),
            "`calibrated` needs calibrated probabilities, which this detector does not "
            "have: call `calibrate_probability`",
        ),
        (
            lambda d: d.score(_with_nan()),
            "finite pixels: fill NaN when reading. Received: NaN or infinity in 1 of 5 "
            "images, the first of them 'toy_003'.",
        ),
        (
            lambda d: d.score(Cutouts(np.zeros((2, 64, 64, 1)), bands=["VIS"])),
            r"shape \(58, 58, 1\).*Received: \(64, 64, 1\); read them with size=58",
        ),
        (lambda d: d.score(TEST[:0]), "must hold at least one image. Received: none"),
        (lambda d: d.predict(TEST), "is not calibrated for the method 'model'"),
        (lambda d: d.calibrate(TEST[:1]), r"at least 2 object\(s\) to calibrate"),
        (
            lambda d: d.calibrate(TEST, (99,)),
            "Level 99 needs at least 99.*Received: 41",
        ),
        (
            lambda d: d.calibrate_probability(TEST, LABELS[:-1]),
            r"`labels`.*40",
        ),
        (
            lambda d: d.calibrate_probability(TEST, np.zeros(41)),
            "`labels` must hold both classes.*Received: 0 true, 41 false",
        ),
        (
            lambda d: d.calibrate_probability(TEST, LABELS, method="linear"),
            "`method` must be one of sigmoid, isotonic. Received: 'linear'",
        ),
        (
            lambda d: ClassifierDetector(d.model, Linear()),
            "`stretch` must be adapted to the training images first",
        ),
    ],
)
def test_errors_are_named(detector, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(detector)


def test_a_model_of_ordinary_images_is_no_classifier():
    with pytest.raises(
        TypeError, match="must be a classifier such as LensFinder.*DCAE"
    ):
        ClassifierDetector(DCAE((32, 32, 1), latent_dim=4), Linear(per_image=True))
