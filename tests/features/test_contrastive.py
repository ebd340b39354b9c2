"""The contrastive encoder: its loss against a sum by hand, its views, its face."""

import json

import numpy as np
import pytest
from blobs import blobs
from sklearn.covariance import LedoitWolf

import astroanomaly as aa
from astroanomaly.features import Contrastive
from astroanomaly.features.contrastive import _Learner, nt_xent

TRAIN = blobs(64, 1)
QUICK = {"epochs": 3, "width": 8, "batch_size": 32}


@pytest.fixture(scope="module")
def learned():
    return Contrastive(**QUICK, seed=5).fit(TRAIN)


def test_the_loss_is_the_sum_of_the_paper():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(2, 4, 3))
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    views = [("a", k) for k in range(4)] + [("b", k) for k in range(4)]
    vectors = dict(zip(views, z.reshape(8, 3), strict=True))
    terms = []
    for own in views:
        partner = ("b" if own[0] == "a" else "a", own[1])
        others = [np.exp(vectors[own] @ vectors[v] / 0.3) for v in views if v != own]
        terms.append(
            -np.log(np.exp(vectors[own] @ vectors[partner] / 0.3) / sum(others))
        )
    found = nt_xent(z[0].astype("float32"), z[1].astype("float32"), 0.3)
    np.testing.assert_allclose(float(found), np.mean(terms), rtol=1e-5)
    # One more vector is in every sum, and nobody's partner.
    more = np.array([[0.6, 0.0, 0.8]], np.float32)
    for k, own in enumerate(views):
        terms[k] = np.log(
            np.exp(terms[k])
            + np.exp(
                (more[0] - vectors["b" if own[0] == "a" else "a", own[1]])
                @ vectors[own]
                / 0.3
            )
        )
    found = nt_xent(*z.astype("float32"), 0.3, more)
    np.testing.assert_allclose(float(found), np.mean(terms), rtol=1e-5)


def test_what_is_pasted_is_the_light_of_another_object_beside_the_first(learned):
    settings = Contrastive(**QUICK, stretch=learned.stretch)
    learner = _Learner(learned.encoder, settings, np.ones(1, np.float32))
    images = blobs(40, 3).images
    added = np.asarray(learner.pasted(images, np.zeros_like(images)))[..., 0]
    assert (added >= 0).all()
    # Image k gets that of image k - 1, at 0.1 to 1 times its light above the noise.
    others = np.roll(images, 1, axis=0)[..., 0]
    others = others - np.median(others, axis=(1, 2), keepdims=True)
    light = np.where(others > 2, others, 0).sum(axis=(1, 2))
    # What lies beyond the frame is lost.
    assert (added.sum(axis=(1, 2)) <= 1.01 * light).all()
    assert np.median(added.sum(axis=(1, 2)) / light) > 0.1
    y, x = np.mgrid[:32, :32] - 15.5
    for light in added:
        peak = np.unravel_index(light.argmax(), light.shape)
        assert 0.05 * 32 < np.hypot(x[peak], y[peak]) < 0.45 * 32


def test_views_keep_the_light_and_the_exact_pixels_of_right_angles(learned):
    settings = Contrastive(**QUICK, shift=0, noise=0, flux=0, stretch=learned.stretch)
    learner = _Learner(learned.encoder, settings, np.ones(1, np.float32))
    images = blobs(40, 3).images
    views = np.asarray(learner.views(images, 0))
    exact = 0
    for image, view in zip(images, views, strict=True):
        turned = [np.rot90(image, k) for k in range(4)]
        turned += [t[:, ::-1] for t in turned]
        exact += any(np.allclose(t, view, atol=1e-3) for t in turned)
        # The middle stays in the middle.
        peak = np.unravel_index(view[..., 0].argmax(), (32, 32))
        assert max(abs(peak[0] - 16), abs(peak[1] - 16)) <= 4
    assert 10 <= exact < 40
    np.testing.assert_array_equal(views, np.asarray(learner.views(images, 0)))
    assert np.abs(views - np.asarray(learner.views(images, 1))).max() > 1
    brighter = Contrastive(**QUICK, shift=0, noise=0, flux=1, stretch=learned.stretch)
    learner = _Learner(learned.encoder, brighter, np.ones(1, np.float32))
    ratio = np.asarray(learner.views(images, 0)).sum((1, 2, 3)) / views.sum((1, 2, 3))
    assert 0.4 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 2.1


def test_it_learns_and_the_same_seed_gives_the_same_bits(learned, tmp_path):
    losses = [row["loss"] for row in learned.history]
    assert losses[-1] < losses[0]
    found = learned(TRAIN.images)
    assert found.shape == (64, 128)
    again = Contrastive(**QUICK, seed=5).fit(TRAIN)
    np.testing.assert_array_equal(again(TRAIN.images), found)
    other = Contrastive(**QUICK, seed=6).fit(TRAIN)
    assert np.abs(other(TRAIN.images) - found).max() > 1e-3
    # Means and maxima of the maps of each image alone, whitened.
    maps = learned.maps(TRAIN.images).astype(float)
    assert maps.shape == (64, 4, 4, 64)
    pooled = np.concatenate([maps.mean((1, 2)), maps.max((1, 2))], axis=1)
    center, shrunk = pooled.mean(axis=0), pooled.std(axis=0)
    fitted = LedoitWolf(assume_centered=True).fit((pooled - center) / shrunk)
    expected = fitted.mahalanobis((pooled - center) / shrunk)
    np.testing.assert_allclose((found**2).sum(axis=1), expected, rtol=1e-4)
    np.testing.assert_array_equal(learned(TRAIN.images[:1]), found[:1])
    learned.save(tmp_path)
    kept = aa.features.load(tmp_path)
    np.testing.assert_array_equal(kept(TRAIN.images), found)
    assert kept.get_config() == learned.get_config()


def test_an_encoder_of_before_gives_the_means_of_its_maps(learned, tmp_path):
    learned.save(tmp_path)
    (tmp_path / "features_whitening.npz").unlink()
    file = tmp_path / "features.json"
    state = json.loads(file.read_text())
    state["config"].pop("paste")
    file.write_text(json.dumps(state))
    kept = aa.features.load(tmp_path)
    maps = learned.maps(TRAIN.images)
    np.testing.assert_allclose(kept(TRAIN.images), maps.mean((1, 2)), atol=1e-5)


def test_a_detector_trains_it_once(learned):
    detector = aa.FeatureDetector(Contrastive(**QUICK, seed=5)).fit(TRAIN)
    np.testing.assert_array_equal(detector.features_, learned(TRAIN.images))
    weights = learned.get_weights()[0].copy()
    detector = aa.FeatureDetector(learned, "patch_gaussian").fit(blobs(40, 2))
    np.testing.assert_array_equal(learned.get_weights()[0], weights)
    detector.calibrate(blobs(40, 4), levels=(90, 95))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Contrastive(epochs=0), "`epochs`.*Received: 0"),
        (lambda: Contrastive(width=12), "`width`.*multiple of 8.*Received: 12"),
        (lambda: Contrastive(temperature=0), "`temperature`.*Received: 0"),
        (lambda: Contrastive(flux=-1), "`flux`.*Received: -1"),
        (lambda: Contrastive()(TRAIN.images), "call `fit`"),
        (lambda: Contrastive().fit(TRAIN.images[:1]), "at least 2 images"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_an_untrained_one_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="call `fit`"):
        Contrastive().save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_size_is_refused(learned):
    with pytest.raises(ValueError, match=r"`images`.*\(32, 32, 1\).*\(16, 16, 1\)"):
        learned(np.zeros((1, 16, 16, 1)))
