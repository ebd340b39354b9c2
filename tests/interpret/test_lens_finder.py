"""The lens finder itself, looked into."""

import numpy as np
import pytest

from astroanomaly.interpret import (
    deep_dream,
    filter_images,
    grad_cam,
    guided_grad_cam,
    occlusion_map,
)
from astroanomaly.models.lens_finder.model import LensFinder


@pytest.fixture(scope="module")
def lens_finder():
    return LensFinder((66, 66, 3), network="ou66", seed=2)


@pytest.fixture(scope="module")
def lens():
    y, x = np.mgrid[:66, :66] - 32.5
    radius = np.hypot(x, y)[..., None]
    image = np.exp(-radius / 3) + 0.5 * np.exp(-((radius - 12) ** 2) / 4)
    noise = np.random.default_rng(0).normal(0, 0.01, (66, 66, 3))
    return np.clip(image + noise, 0, 1).astype("float32")


def test_windows_give_the_map_of_whole_images(lens_finder, lens):
    given = {"mask_size": 6, "stride": 6}
    fast = occlusion_map(lens_finder, lens, **given)
    plain = occlusion_map(lens_finder, lens, windows=False, **given)
    assert fast.n_windows >= 2
    assert plain.n_windows == 0
    np.testing.assert_allclose(fast.grid, plain.grid, atol=1e-5)
    assert np.ptp(plain.grid) > 1e-3


@pytest.mark.parametrize(("target", "sign"), [("lens", 1), ("non-lens", -1)])
def test_a_dream_leads_it_either_way(lens_finder, lens, target, sign):
    history = deep_dream(lens_finder, lens, target, steps=4).history
    assert (sign * np.diff(history) > 0).all()


def test_gradients_and_filters_have_the_image_shape(lens_finder, lens):
    heat = grad_cam(lens_finder, lens, pooled=False)
    assert heat.shape == (66, 66)
    by_name = grad_cam(lens_finder, lens, layer="conv_9", pooled=False)
    np.testing.assert_array_equal(by_name, heat)
    assert guided_grad_cam(lens_finder, lens).shape == lens.shape
    found = filter_images(lens_finder, "conv_2", n=2, steps=3)
    assert found.images.shape == (2, *lens.shape)
    assert (found.after > found.before).all()
