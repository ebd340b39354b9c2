"""The search's loss by hand, and the chunks."""

import numpy as np
import pytest

from astroanomaly.latent.objective import (
    check_weight,
    image_losses,
    in_chunks,
    padded_chunks,
)


def test_losses_are_the_two_sums(gan, images):
    z = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    features = gan.features(images[:3])
    residual, feature = image_losses(gan, images[:3], features, z)
    drawn = np.asarray(gan.generator(z))
    expected = np.abs(images[:3] - drawn).reshape(3, -1).sum(1)
    np.testing.assert_allclose(residual, expected, rtol=1e-5)
    difference = np.asarray(features) - np.asarray(gan.critic(drawn)[1])
    np.testing.assert_allclose(feature, np.abs(difference).sum(1), rtol=1e-5)


def test_chunks_have_one_size_and_count_what_is_real():
    parts = list(padded_chunks(np.arange(5.0)[:, None], size=4))
    assert [n for _, n in parts] == [4, 1]
    assert parts[1][0][:, 0].tolist() == [4, 4, 4, 4]


def test_weight_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match=r"`w` must be within \[0, 1\]. Received: 2"):
        check_weight(2)


def test_chunks_are_joined_in_order_and_padding_is_dropped():
    sizes = []

    def double(chunk):
        sizes.append(len(chunk))
        return chunk * 2

    values = np.arange(70, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(in_chunks(double, values), values * 2)
    assert sizes == [32, 32, 32]
    assert in_chunks(double, values[:0]).shape == (0, 1)
