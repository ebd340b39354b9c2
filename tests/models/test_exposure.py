"""Labels, losses and gradients of outlier exposure, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from astroanomaly.models.autoencoders.losses import (
    exposed_losses,
    exposure_labels,
    exposure_loss,
    image_errors,
)

# L_n of a batch of four; the second is the strangest, the fourth comes next.
NORMAL = np.array([0.5, 4.0, 1.0, 2.0], np.float32)


def test_the_error_of_each_image_is_its_own():
    images = np.random.default_rng(0).random((3, 4, 4, 2))
    drawn = np.zeros_like(images)
    drawn[1] = np.nan
    found = np.asarray(image_errors(images, drawn))
    assert np.isnan(found[1])
    expected = [(images[i] ** 2).sum() / 32 for i in (0, 2)]
    np.testing.assert_allclose(found[[0, 2]], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "share", "labels", "loss"),
    [
        # (0.5 + 1/4 + 1 + 2) / 4, and with both: (0.5 + 1/4 + 1 + 1/2) / 4.
        ("hard", 0.25, [0, 1, 0, 0], 3.75 / 4),
        ("hard", 0.5, [0, 1, 0, 1], 2.25 / 4),
        # (0.5 + 4.25/2 + 1 + 2) / 4, and (0.5 + 4.25/2 + 1 + 2.5/2) / 4.
        ("soft", 0.25, [0, 0.5, 0, 0], 5.625 / 4),
        ("soft", 0.5, [0, 0.5, 0, 0.5], 4.875 / 4),
        ("hard", 0.0, [0, 0, 0, 0], 7.5 / 4),
    ],
)
def test_labels_and_loss_of_a_batch_by_hand(mode, share, labels, loss):
    found = exposure_labels(NORMAL, 1 / NORMAL, share, mode)
    assert found.numpy().tolist() == labels
    exposed = exposed_losses(NORMAL)
    np.testing.assert_array_equal(exposed, [2.0, 0.25, 1.0, 0.5])
    assert float(exposure_loss(NORMAL, exposed, found)) == loss


def test_ranked_by_the_difference_and_not_by_the_normal_loss_alone():
    # L_n - L_a = -8, 1, 2: the image of the largest L_n is the least strange.
    labels = exposure_labels(tf.constant([9.0, 4, 3]), tf.constant([17.0, 3, 1]), 0.3)
    assert labels.numpy().tolist() == [0, 0, 0.5]


@pytest.mark.parametrize("share", [0.004, 0.05, 0.1, 0.15, 0.35, 0.5, 0.9])
def test_as_many_labels_as_python_rounds(share):
    for n in (1, 5, 10, 25, 30, 64, 130):
        loss = np.arange(1.0, n + 1, dtype=np.float32)
        labels = exposure_labels(loss, 1 / loss, share, "hard").numpy()
        assert labels.sum() == int(round(share * n))
        assert (np.diff(labels) >= 0).all()
    ties = exposure_labels(np.ones(4, np.float32), np.ones(4, np.float32), 0.5, "hard")
    assert ties.numpy().tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("mode", "weight"),
    # d/dL of 1/L, and of (L + 1/L) / 2, at L = 4; 1 for the others.
    [("hard", -1 / 16), ("soft", (1 - 1 / 16) / 2)],
)
def test_gradient_weights_in_closed_form(mode, weight):
    normal = tf.Variable(NORMAL)
    with tf.GradientTape() as tape:
        exposed = exposed_losses(normal)
        labels = exposure_labels(normal, exposed, 0.25, mode)
        loss = exposure_loss(normal, exposed, labels)
    expected = np.array([1, weight, 1, 1]) / 4
    np.testing.assert_allclose(tape.gradient(loss, normal), expected, rtol=1e-6)


def test_a_perfect_reconstruction_leaves_the_gradient_finite():
    normal = tf.Variable([0.0, 2.0])
    with tf.GradientTape() as tape:
        exposed = exposed_losses(normal)
        labels = exposure_labels(normal, exposed, 0.5, "hard")
        loss = exposure_loss(normal, exposed, labels)
    np.testing.assert_allclose(tape.gradient(loss, normal), [0.5, -1 / 8])


def test_an_unknown_mode_is_named():
    sentence = "`mode` must be one of hard, soft. Received: medium"
    with pytest.raises(ValueError, match=sentence):
        exposure_labels(NORMAL, NORMAL, 0.1, "medium")
