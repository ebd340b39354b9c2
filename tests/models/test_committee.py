"""A committee of lens finders: its mean, its files, what it refuses."""

import keras
import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from astroanomaly import ClassifierDetector, Cutouts, load_detector
from astroanomaly.models import Committee, LensFinder
from astroanomaly.stretches import Linear

SHAPE = (32, 32, 1)
IMAGES = np.random.default_rng(1).uniform(0, 1, (5, *SHAPE)).astype("f4")
LINES = [(0.5, 0.1), (2.0, -0.3)]


def finders():
    return [
        LensFinder(SHAPE, "small", seed=1),
        LensFinder(SHAPE, "small", seed=2, channels=("faint", "subtracted")),
    ]


def test_the_mean_of_calibrated_logits_and_their_scatter():
    members = finders()
    committee = Committee(members, LINES)
    pairs = zip(members, LINES, strict=True)
    own = [a * np.asarray(m.logit(IMAGES)) + b for m, (a, b) in pairs]
    assert_allclose(committee.logit(IMAGES), np.mean(own, axis=0), rtol=1e-5)
    want = np.abs(own[0] - own[1]) / 2
    assert_allclose(committee.disagreement(IMAGES), want, rtol=1e-4)
    assert committee.features(IMAGES).shape == (5, 192)


def test_turned_images_score_the_same():
    committee = Committee(finders(), turns=8)
    want = np.asarray(committee.logit(IMAGES))
    for turned in (np.rot90(IMAGES, 1, (1, 2)), IMAGES[:, ::-1], IMAGES[:, :, ::-1]):
        assert_allclose(committee.logit(turned.copy()), want, atol=1e-4)
    one = np.asarray(Committee(finders(), turns=1).logit(IMAGES))
    assert np.abs(one - want).max() > 1e-3


def test_it_scores_as_a_detector_and_comes_back_from_its_folder(tmp_path):
    committee = Committee(finders(), LINES, turns=2, threshold=0.4)
    stretch = Linear(per_image=True, bands=("VIS",))
    detector = ClassifierDetector(committee, stretch)
    ids = Table({"object_id": list("abcde")})
    cutouts = Cutouts(IMAGES, ids, bands=("VIS",), pixel_scale=0.1)
    table = detector.score(cutouts)
    stretched = np.asarray(stretch(IMAGES))
    by_name = dict(zip(table["object_id"], table["disagreement"], strict=True))
    want = np.asarray(committee.disagreement(stretched))
    assert_allclose([by_name[name] for name in "abcde"], want, rtol=1e-4)
    detector.save(tmp_path / "kept")
    assert not list((tmp_path / "kept").glob("*.p*kl*"))
    again = load_detector(tmp_path / "kept").score(cutouts)
    assert_array_equal(again["anomaly_score"], table["anomaly_score"])
    assert_array_equal(again["disagreement"], table["disagreement"])
    loaded = keras.saving.load_model(tmp_path / "kept" / "model.keras")
    assert (loaded.threshold, loaded.turns) == (0.4, 2)


@pytest.mark.parametrize(
    ("members", "options", "name"),
    [
        ((), {}, "`members`"),
        ((32, 34), {}, "`members`"),
        ((32, 32), {"calibrations": [(1, 0)]}, "`calibrations`"),
        ((32, 32), {"calibrations": [(1, 0), (-1, 0)]}, "`calibrations`"),
        ((32,), {"turns": 9}, "`turns`"),
        ((32,), {"threshold": 1.5}, "`threshold`"),
    ],
)
def test_what_makes_no_committee_is_named(members, options, name):
    found = [LensFinder((side, side, 1), "small") for side in members]
    with pytest.raises(ValueError, match=f"{name} must"):
        Committee(found, **options)


def test_one_band_where_four_are_wanted_is_named():
    finder = LensFinder((32, 32, 4), "small", channels=("image", "subtracted"))
    stretch = Linear(per_image=True, bands=("VIS", "Y", "J", "H"))
    cutouts = Cutouts(IMAGES, bands=("VIS",), pixel_scale=0.1)
    with pytest.raises(ValueError, match=r"Y.*VIS|VIS.*Y"):
        ClassifierDetector(finder, stretch).score(cutouts)
