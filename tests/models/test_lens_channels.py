"""What a lens finder makes of an image before it looks: channels, light subtracted."""

import keras
import numpy as np
import pytest
from astropy.modeling.models import Sersic2D
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from astroanomaly.interpret import occlusion_map
from astroanomaly.models import LensFinder
from astroanomaly.models.lens_finder.channels import galaxy_light, see

SIDE = 50
GALAXIES = [
    {"n": 1, "ellip": 0.4, "theta": 0.5, "x_0": 24.5, "y_0": 24.5},
    {"n": 2.5, "ellip": 0.0, "theta": 0.0, "x_0": 24.0, "y_0": 25.0},
    {"n": 1, "ellip": 0.5, "theta": 1.0, "x_0": 21.5, "y_0": 27.5},
]


def sky(seed=0):
    return np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE))


def galaxy(which):
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    own = Sersic2D(amplitude=1, r_eff=6, **GALAXIES[which])(x, y)
    # A PSF of 1.6 pixels, as VIS has it.
    own = gaussian_filter(own, 0.7)
    return 100 * own / own.max()


def arc(which, height=8.0):
    """Give an arc of 80 degrees, 11 pixels from the galaxy, 3.5 pixels thick."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    x, y = x - GALAXIES[which]["x_0"], y - GALAXIES[which]["y_0"]
    across = np.exp(-(((np.hypot(x, y) - 11) / 1.5) ** 2) / 2)
    return height * across * (np.abs(np.arctan2(y, x) - 0.5) < 0.7)


def left(image):
    """Stretch as finders of painted lenses do, and subtract the galaxy's light."""
    image = 10 * np.arcsinh(image / 10)
    return (
        image - np.asarray(galaxy_light(image[None, ..., None].astype("f4")))[0, ..., 0]
    )


@pytest.mark.parametrize("which", range(len(GALAXIES)))
def test_a_sersic_galaxy_is_removed_to_noise(which):
    found = left(galaxy(which) + sky())
    # The sky's own scatter; of 100 standard deviations in the middle hardly a trace.
    assert np.std(found) == pytest.approx(1.0, abs=0.1)
    assert np.abs(found).max() < 6
    assert abs(np.mean(found[20:30, 20:30])) < 0.5


@pytest.mark.parametrize("which", range(len(GALAXIES)))
def test_an_arc_survives(which):
    own, image = arc(which), galaxy(which) + sky()
    seen = own > 2
    # The galaxy's light under it, 8 standard deviations, compresses what it adds.
    want = 10 * (np.arcsinh((image + own) / 10) - np.arcsinh(image / 10))
    found = left(image + own) - left(image)
    # It fills a quarter of its ellipses, whose medians rise with it.
    assert 0.65 < found[seen].sum() / want[seen].sum() < 1


def test_channels_are_in_units_of_the_sky():
    image = np.zeros((1, SIDE, SIDE, 1), "f4") + (0.1 + 0.01 * sky()[..., None])
    image[0, 20, 20, 0] = 0.1 + 0.01 * 5
    image[0, 30, 30, 0] = 0.1 + 0.01 * 500
    found = np.asarray(see(image.astype("f4"), ("image", "faint")))[0]
    assert_array_equal(found[..., 0], image[0, ..., 0].astype("f4"))
    # 5 of the 10 standard deviations to which it is linear, and clipped beyond.
    assert found[20, 20, 1] == pytest.approx(0.5, abs=0.06)
    assert found[30, 30, 1] == 1
    assert np.std(found[:18, :18, 1]) == pytest.approx(0.1, abs=0.02)


def test_one_channel_is_the_image_and_a_flat_one_stays_finite():
    image = np.full((2, 32, 32, 2), 0.3, "f4")
    assert see(image, ("image",)) is image
    found = np.asarray(see(image, ("image", "faint", "subtracted")))
    assert found.shape == (2, 32, 32, 6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("names", [(), ("image", "image"), ("subtract",)])
def test_unknown_channels_are_named(names):
    with pytest.raises(ValueError, match="`channels` must be some of image, faint"):
        LensFinder((32, 32, 1), "small", channels=names)


def test_a_finder_keeps_its_channels(tmp_path):
    channels = ("image", "subtracted")
    finder = LensFinder((32, 32, 2), "small", seed=3, channels=channels)
    images = np.random.default_rng(2).uniform(0, 1, (3, 32, 32, 2)).astype("f4")
    finder.save(tmp_path / "finder.keras")
    again = keras.saving.load_model(tmp_path / "finder.keras")
    assert tuple(again.channels) == channels
    assert_array_equal(again.logit(images), finder.logit(images))
    # Row i depends on image i alone, and on every pixel of it in each channel.
    alone = np.concatenate([finder.logit(images[k : k + 1]) for k in range(3)])
    assert_allclose(alone, finder.logit(images), atol=1e-5)
    images[1, 3, 3, 0] = np.nan
    assert np.isnan(np.asarray(finder.logit(images))).tolist() == [False, True, False]
    seen = occlusion_map(finder, images[0], 4, stride=4)
    hidden = images[0].copy()
    hidden[:4, :4] = seen.fill
    want = float(finder.probability(hidden[None])[0])
    assert seen.grid[0, 0] == pytest.approx(want, abs=1e-6)
