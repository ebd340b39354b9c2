"""Restricted Boltzmann machine: probabilities, free energy, contrastive divergence.

Bernoulli visible units v and Bernoulli hidden units h with the energy
``E(v, h) = -b.v - c.h - v.W.h``: Hinton 2002 (Neural Computation 14, 1771), with
the choices of Hinton 2010, "A practical guide to training restricted Boltzmann
machines" (UTML TR 2010-003; "the guide" below).
"""

from keras import ops


def hidden_probability(visible, kernel, hidden_bias):
    """Compute the probability that each hidden unit is on.

    Parameters
    ----------
    visible : tensor of shape (n, n_visible)
        States or probabilities of the visible units, in [0, 1].
    kernel : tensor of shape (n_visible, n_hidden)
        Weights W.
    hidden_bias : tensor of shape (n_hidden,)
        Biases c.

    Returns
    -------
    tensor of shape (n, n_hidden)
        ``p(h = 1 | v) = sigmoid(c + v.W)``.

    Examples
    --------
    >>> float(hidden_probability(ops.ones((1, 2)), ops.ones((2, 1)), -2.0)[0, 0])
    0.5
    """
    return ops.sigmoid(ops.matmul(visible, kernel) + hidden_bias)


def visible_probability(hidden, kernel, visible_bias):
    """Compute the probability that each visible unit is on.

    Parameters
    ----------
    hidden : tensor of shape (n, n_hidden)
        States or probabilities of the hidden units, in [0, 1].
    kernel : tensor of shape (n_visible, n_hidden)
        Weights W.
    visible_bias : tensor of shape (n_visible,)
        Biases b.

    Returns
    -------
    tensor of shape (n, n_visible)
        ``p(v = 1 | h) = sigmoid(b + W.h)``.

    Examples
    --------
    >>> float(visible_probability(ops.ones((1, 1)), ops.ones((2, 1)), -1.0)[0, 1])
    0.5
    """
    return ops.sigmoid(ops.matmul(hidden, ops.transpose(kernel)) + visible_bias)


def free_energy(visible, kernel, visible_bias, hidden_bias):
    """Compute the free energy of visible vectors: low for probable ones.

    Parameters
    ----------
    visible : tensor of shape (n, n_visible)
        States or probabilities of the visible units, in [0, 1].
    kernel : tensor of shape (n_visible, n_hidden)
        Weights W.
    visible_bias : tensor of shape (n_visible,)
        Biases b.
    hidden_bias : tensor of shape (n_hidden,)
        Biases c.

    Returns
    -------
    tensor of shape (n,)
        ``F(v) = -b.v - sum_j log(1 + exp(c_j + (v.W)_j))``, so that
        ``p(v) = exp(-F(v)) / Z``.

    Examples
    --------
    >>> float(free_energy(ops.ones((1, 2)), ops.zeros((2, 1)), ops.ones(2), -50.0)[0])
    -2.0
    """
    inputs = ops.matmul(visible, kernel) + hidden_bias
    return -ops.matmul(visible, visible_bias) - ops.sum(ops.softplus(inputs), axis=-1)


def contrastive_divergence(visible, uniform, kernel, visible_bias, hidden_bias):
    """Compute one step of contrastive divergence (CD-1) on a batch.

    Parameters
    ----------
    visible : tensor of shape (n, n_visible)
        Data, in [0, 1].
    uniform : tensor of shape (n, n_hidden)
        Random numbers, uniform in [0, 1), that decide the hidden states.
    kernel : tensor of shape (n_visible, n_hidden)
        Weights W.
    visible_bias : tensor of shape (n_visible,)
        Biases b.
    hidden_bias : tensor of shape (n_hidden,)
        Biases c.

    Returns
    -------
    gradients : tuple of tensor
        What an optimizer that descends takes for W, b and c: the mean over the
        batch of the reconstruction's statistics minus the data's.
    reconstruction : tensor of shape (n, n_visible)
        Visible probabilities after one step down.

    Notes
    -----
    The hidden states that the data drive are sampled, both for the data's
    statistics and to make the reconstruction: they are the bottleneck that only
    one bit per unit may pass. Reconstructed pixels, and the hidden units that
    these drive in turn, are probabilities, which add no sampling noise (the
    guide, sections 3.1 to 3.3).
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
