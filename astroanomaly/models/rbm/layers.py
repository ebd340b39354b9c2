"""Restricted Boltzmann machine: probabilities, free energy, contrastive divergence.

Bernoulli visible units v and Bernoulli hidden units h with the energy
``E(v, h) = -b.v - c.h - v.W.h``: Hinton 2002 (Neural Computation 14, 1771), with
the choices of Hinton 2010, "A practical guide to training restricted Boltzmann
machines" (UTML TR 2010-003; "the guide" below).
"""

from keras import ops


def hidden_probability(visible, kernel, hidden_bias):
    """Compute the probability that each hidden unit is on.

    `visible` (n, n_visible): states or probabilities of the visible units, in [0, 1];
    `kernel` (n_visible, n_hidden): weights W; `hidden_bias` (n_hidden,): biases c.
    Returns (n, n_hidden): ``p(h = 1 | v) = sigmoid(c + v.W)``.

    >>> float(hidden_probability(ops.ones((1, 2)), ops.ones((2, 1)), -2.0)[0, 0])
    0.5
    """
    return ops.sigmoid(ops.matmul(visible, kernel) + hidden_bias)


def visible_probability(hidden, kernel, visible_bias):
    """Compute the probability that each visible unit is on.

    `hidden` (n, n_hidden): states or probabilities of the hidden units, in [0, 1];
    `kernel` (n_visible, n_hidden): weights W; `visible_bias` (n_visible,): biases b.
    Returns (n, n_visible): ``p(v = 1 | h) = sigmoid(b + W.h)``.

    >>> float(visible_probability(ops.ones((1, 1)), ops.ones((2, 1)), -1.0)[0, 1])
    0.5
    """
    return ops.sigmoid(ops.matmul(hidden, ops.transpose(kernel)) + visible_bias)


def free_energy(visible, kernel, visible_bias, hidden_bias):
    """Compute the free energy of visible vectors: low for probable ones.

    `visible` (n, n_visible): states or probabilities of the visible units, in [0, 1];
    `kernel` (n_visible, n_hidden): weights W; `visible_bias` (n_visible,): biases b;
    `hidden_bias` (n_hidden,): biases c. Returns (n,): ``F(v) = -b.v - sum_j log(1 +
    exp(c_j + (v.W)_j))``, so that ``p(v) = exp(-F(v)) / Z``.

    >>> float(free_energy(ops.ones((1, 2)), ops.zeros((2, 1)), ops.ones(2), -50.0)[0])
    -2.0
    """
    inputs = ops.matmul(visible, kernel) + hidden_bias
    return -ops.matmul(visible, visible_bias) - ops.sum(ops.softplus(inputs), axis=-1)


def contrastive_divergence(visible, uniform, kernel, visible_bias, hidden_bias):
    """Compute one step of contrastive divergence (CD-1) on a batch.

    `visible` (n, n_visible): data, in [0, 1]; `uniform` (n, n_hidden): random numbers,
    uniform in [0, 1), that decide the hidden states; `kernel` (n_visible, n_hidden):
    weights W; `visible_bias` (n_visible,): biases b; `hidden_bias` (n_hidden,): biases
    c. `reconstruction` (n, n_visible): visible probabilities after one step down.

    The hidden states that the data drive are sampled, both for the data's statistics
    and to make the reconstruction: they are the bottleneck that only one bit per unit
    may pass. Reconstructed pixels, and the hidden units that these drive in turn, are
    probabilities, which add no sampling noise (the guide, sections 3.1 to 3.3).
    """
    hidden = ops.cast(
        uniform < hidden_probability(visible, kernel, hidden_bias), visible.dtype
    )
    reconstruction = visible_probability(hidden, kernel, visible_bias)
    driven = hidden_probability(reconstruction, kernel, hidden_bias)
    n = ops.cast(ops.shape(visible)[0], visible.dtype)
    data = ops.matmul(ops.transpose(visible), hidden)
    model = ops.matmul(ops.transpose(reconstruction), driven)
    gradients = (
        (model - data) / n,
        ops.mean(reconstruction - visible, axis=0),
        ops.mean(driven - hidden, axis=0),
    )
    return gradients, reconstruction
