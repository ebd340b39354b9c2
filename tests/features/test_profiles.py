import numpy as np
import pytest
from blobs import blobs

from astroanomaly.features import Patches, Profiles, as_features, make_features
from astroanomaly.features.base import checked

IMAGES = np.random.default_rng(1).normal(size=(3, 33, 33, 2)).astype(np.float32) + 4


def test_a_uniform_disc_is_what_a_hand_computes():
    """A frame of sky 5 with a disc of 2 above it; F = 2 N, N its pixels."""
    y, x = np.indices((32, 32)) - 15.5
    inside = np.hypot(x, y) <= 16
    image = np.where(inside, 7.0, 5.0)[None, ..., None]
    rings = Profiles(4).rings(32, 32)
    light, scatter, asymmetry = Profiles(4)(image).reshape(3, 5)
    n = np.bincount(rings.ravel())
    np.testing.assert_allclose(light[:4], n[:4] / inside.sum(), rtol=1e-12)
    np.testing.assert_allclose([light[4], *scatter, *asymmetry], 0, atol=1e-12)
    # Half of the second ring twice as bright: I - I' is 2 or 0 in all of it.
    ring = rings == 1
    image[0, ring & (x > 0), 0] = 9.0
    light, scatter, asymmetry = Profiles(4)(image).reshape(3, 5)
    flux = 2 * inside.sum() + 2 * (ring & (x > 0)).sum()
    np.testing.assert_allclose(light[1], 3 * n[1] / flux)
    np.testing.assert_allclose(scatter[1], np.sqrt(n[1]) / flux)
    np.testing.assert_allclose(asymmetry[1], n[1] / flux)


def test_turns_mirrors_flux_and_sky_change_nothing():
    found = Profiles()(IMAGES)
    turned = np.rot90(IMAGES, 1, (1, 2))[:, ::-1]
    np.testing.assert_allclose(Profiles()(turned), found, rtol=1e-9)
    brighter = IMAGES.astype(float) * 3 + np.array([10.0, -2.0])
    np.testing.assert_allclose(Profiles()(brighter), found, rtol=1e-9)


@pytest.mark.parametrize("features", [Profiles(), Patches()])
def test_an_image_has_its_features_whatever_comes_with_it(features):
    images = blobs(300, 1).images
    found = features(images)
    np.testing.assert_array_equal(features(images[257:258]), found[257:258])
    assert features(images[:0]).shape == (0, found.shape[1])
    images = images[:4].copy()
    images[1, 3, 3] = np.nan
    bad = ~np.isfinite(features(images)).all(axis=1)
    assert bad.tolist() == [False, True, False, False]


def test_a_companion_raises_the_asymmetry_of_its_ring():
    both = Profiles()(np.concatenate([blobs(20, 1).images, blobs(20, 1, True).images]))
    asymmetry = both[:, 18:27].max(axis=1)
    # The same galaxies with and without.
    assert (asymmetry[20:] > 1.5 * asymmetry[:20]).all()


def test_patches_hold_the_mean_of_each_window():
    images = np.random.default_rng(2).normal(size=(2, 16, 20, 1))
    edge = np.ones((16, 20), bool)
    edge[2:-2, 2:-2] = False
    sky = [np.percentile(image[edge, 0], (25, 50, 75)) for image in images]
    maps = Patches(8, 4, 2).maps(images)
    assert maps.shape == (2, 3, 4, 3)
    low, middle, high = sky[1]
    units = np.arcsinh((images[1, ..., 0] - middle) / (high - low) * 1.349)
    # The first wave is the sum over 8 x 8 pixels, divided by 8.
    np.testing.assert_allclose(maps[1, 1, 2, 0], units[4:12, 8:16].sum() / 8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Profiles(0), r"`n_rings`.*Received: 0"),
        (lambda: Profiles()(np.zeros((4, 4))), r"`images`.*\(4, 4\)"),
        (lambda: Patches(stride=0), r"`stride`.*Received: 0"),
        (lambda: Patches(40)(IMAGES), r"`images`.*40 pixels.*33 x 33"),
        (lambda: Profiles().maps(IMAGES), r"`features`.*by position.*profiles"),
        (lambda: make_features("profile"), r"`features`.*profile; did you mean"),
        (lambda: make_features("critic"), r"critic:RUN. Received: critic"),
        (lambda: make_features("profiles:x"), r"must be profiles. Received: prof"),
        (lambda: make_features("profiles", epochs=2), r"`epochs` must be left out"),
        (lambda: make_features("critic:gone"), r"critic:RUN.*Received: gone"),
        (
            lambda: checked(np.zeros((2, 3)), 4, "f"),
            r"`features` f.*\(4, d\).*\(2, 3\)",
        ),
        (lambda: checked(np.zeros((2, 3)), 2, "f", 4), r"give 4 numbers.*Received: 3"),
        (lambda: checked([[0.0], [np.nan]], 2, "f"), r"finite.*1 of 2.*number 2"),
        (lambda: checked([["a"]], 1, "f"), r"numbers.*<U1"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_function_is_an_extractor_too():
    mine = as_features(lambda images: images.mean((1, 2)))
    np.testing.assert_allclose(mine(IMAGES), IMAGES.mean((1, 2)))
    with pytest.raises(ValueError, match=r"`features`.*saved.*lambda"):
        mine.save(".")
    with pytest.raises(TypeError, match=r"`features`.*Received: int"):
        as_features(3)
