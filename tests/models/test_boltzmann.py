"""The RBM's formulas against every state of a machine of 3 + 2 units."""

import itertools

import numpy as np
import pytest
from keras import ops

from astroanomaly.models.rbm import layers

KERNEL = np.array([[0.7, -1.1], [0.2, 1.3], [-0.8, 0.4]], np.float32)
VISIBLE_BIAS = np.array([0.3, -0.6, 0.1], np.float32)
HIDDEN_BIAS = np.array([-0.2, 0.5], np.float32)
VISIBLE = np.array(list(itertools.product((0, 1), repeat=3)), np.float32)
HIDDEN = np.array(list(itertools.product((0, 1), repeat=2)), np.float32)


def joint():
    """Give p(v, h) of all 8 x 4 states, and Z."""
    energy = -(VISIBLE @ VISIBLE_BIAS)[:, None] - HIDDEN @ HIDDEN_BIAS
    energy = energy - np.einsum("vi,ij,hj->vh", VISIBLE, KERNEL, HIDDEN)
    weight = np.exp(-energy.astype(np.float64))
    return weight / weight.sum(), weight.sum()


def test_hidden_probabilities_are_those_of_the_joint_distribution():
    p, _ = joint()
    expected = (p @ HIDDEN) / p.sum(axis=1, keepdims=True)
    found = layers.hidden_probability(VISIBLE, KERNEL, HIDDEN_BIAS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_visible_probabilities_are_those_of_the_joint_distribution():
    p, _ = joint()
    expected = (p.T @ VISIBLE) / p.sum(axis=0)[:, None]
    found = layers.visible_probability(HIDDEN, KERNEL, VISIBLE_BIAS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_free_energy_gives_the_probability_of_every_visible_state():
    p, partition = joint()
    energy = layers.free_energy(VISIBLE, KERNEL, VISIBLE_BIAS, HIDDEN_BIAS)
    probability = np.exp(-np.asarray(energy, np.float64)) / partition
    np.testing.assert_allclose(probability, p.sum(axis=1), rtol=1e-5)
    assert probability.sum() == pytest.approx(1, rel=1e-6)


def test_contrastive_divergence_by_hand():
    rng = np.random.default_rng(4)
    visible = rng.uniform(size=(5, 3)).astype(np.float32)
    uniform = rng.uniform(size=(5, 2)).astype(np.float32)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    d_kernel, d_visible, d_hidden = np.zeros((3, 2)), np.zeros(3), np.zeros(2)
    drawn = np.zeros((5, 3))
    for k, (v, u) in enumerate(zip(visible, uniform, strict=True)):
        h = [float(u[j] < sigmoid(HIDDEN_BIAS[j] + v @ KERNEL[:, j])) for j in (0, 1)]
        drawn[k] = [sigmoid(VISIBLE_BIAS[i] + KERNEL[i] @ h) for i in range(3)]
        q = [sigmoid(HIDDEN_BIAS[j] + drawn[k] @ KERNEL[:, j]) for j in (0, 1)]
        for i, j in itertools.product(range(3), range(2)):
            d_kernel[i, j] -= (v[i] * h[j] - drawn[k, i] * q[j]) / 5
        d_visible -= (v - drawn[k]) / 5
        d_hidden -= (np.array(h) - q) / 5
    gradients, reconstruction = layers.contrastive_divergence(
        visible, uniform, KERNEL, VISIBLE_BIAS, HIDDEN_BIAS
    )
    np.testing.assert_allclose(reconstruction, drawn, rtol=1e-5)
    for found, expected in zip(gradients, (d_kernel, d_visible, d_hidden), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_data_statistics_are_the_gradient_of_the_mean_free_energy():
    # With a hidden state drawn often enough, the data's part of CD-1 is minus the
    # derivative of F by the weights, taken here by finite differences.
    visible = np.tile(VISIBLE[5:6], (40_000, 1))
    uniform = np.random.default_rng(0).uniform(size=(40_000, 2)).astype(np.float32)
    weights = (KERNEL, VISIBLE_BIAS, HIDDEN_BIAS)
    (gradient, _, _), drawn = layers.contrastive_divergence(visible, uniform, *weights)
    q = layers.hidden_probability(drawn, KERNEL, HIDDEN_BIAS)
    data = np.matmul(np.transpose(drawn), q) / 40_000 - np.asarray(gradient)
    for i, j in itertools.product(range(3), range(2)):
        shift = np.zeros((3, 2), np.float32)
        shift[i, j] = 1e-2
        up, down = (
            layers.free_energy(VISIBLE[5:6], KERNEL + s, *weights[1:])
            for s in (shift, -shift)
        )
        slope = -float(ops.squeeze(up - down)) / 2e-2
        assert data[i, j] == pytest.approx(slope, abs=0.01)
