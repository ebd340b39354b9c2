"""The source paper's latent search: one small dense network for every image.

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346), section 3.5: with the GAN
frozen, a fully connected network F maps one fixed noise vector to z and is
trained until the loss of its image falls no further. Here the networks of many
images are stacked and trained at once; each keeps its own weights, optimizer
state and stopping time, and a finished image makes room for the next.
"""

import numpy as np
import tensorflow as tf

from astroanomaly.latent.objective import CHUNK, check_weight, image_losses
from astroanomaly.latent.refine import adam_step


class Mapping:
    """Train a dense network per image that maps a fixed noise vector to its z.

    Parameters
    ----------
    gan : WGANGP
        Trained GAN; its networks stay as they are.
    w : float, optional
        Weight of the feature term in the loss, within [0, 1].
    n_layers : int, optional
        Dense layers of each network, all of latent size; ReLU between them.
    learning_rate : float, optional
        Adam's learning rate.
    max_iterations : int, optional
        Iterations after which an image gives up.
    patience : int, optional
        An image is done when its lowest loss has fallen by less than
        `tolerance` (relative) over this many iterations.
    tolerance : float, optional
        See `patience`. 0 runs every image for `max_iterations`.
    seed : int, optional
        Seed of the noise vector and of the networks' first weights, which are
        the same for every image: a score depends on its image alone.
    chunk : int, optional
        Networks that train at once.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    The z returned is that of the lowest loss seen, the closest image found.

    Examples
    --------
    >>> from astroanomaly.models import WGANGP
    >>> mapping = Mapping(WGANGP((32, 32, 1), width=4), max_iterations=5)
    >>> mapping.search(np.zeros((1, 32, 32, 1), "float32"))[0].shape
    (1, 128)
    """

    name_in_tables = "mapping"

    def __init__(
        self,
        gan,
        w: float = 0.1,
        n_layers: int = 3,
        learning_rate: float = 1e-3,
        max_iterations: int = 500,
        patience: int = 25,
        tolerance: float = 1e-3,
        seed: int = 0,
        chunk: int = CHUNK,
    ):
        for name, value in {
            "n_layers": n_layers,
            "max_iterations": max_iterations,
            "patience": patience,
            "chunk": chunk,
        }.items():
            if int(value) != value or value < 1:
                raise ValueError(f"`{name}` must be an integer >= 1. Received: {value}")
        if not learning_rate > 0 or not 0 <= tolerance < 1:
            raise ValueError(
                "`learning_rate` must be above 0 and `tolerance` within [0, 1). "
                f"Received: {learning_rate} and {tolerance}"
            )
        self.gan, self.w = gan, check_weight(w)
        self.n_layers, self.learning_rate = int(n_layers), float(learning_rate)
        self.max_iterations, self.patience = int(max_iterations), int(patience)
        self.tolerance, self.seed, self.chunk = float(tolerance), int(seed), int(chunk)
        self.dtype = gan.compute_dtype
        self._block = tf.function(self._train_block, reduce_retracing=True)

    def first_weights(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Draw the noise vector and the first weights of every image's network.

        Returns
        -------
        noise : ndarray of shape (latent_dim,)
            Standard normal.
        weights : list of ndarray
            Kernel (Glorot uniform) of shape (latent_dim, latent_dim) and bias
            (zero) of shape (latent_dim,), layer after layer.
        """
        rng = np.random.default_rng(self.seed)
        d = self.gan.latent_dim
        noise = rng.standard_normal(d).astype(self.dtype)
        limit = np.sqrt(6 / (d + d))
        weights = []
        for _ in range(self.n_layers):
            weights += [
                rng.uniform(-limit, limit, (d, d)).astype(self.dtype),
                np.zeros(d, self.dtype),
            ]
        return noise, weights

    def _latent(self, noise, weights):
        x = tf.repeat(noise[None, :], tf.shape(weights[0])[0], axis=0)
        for layer in range(self.n_layers):
            kernel, bias = weights[2 * layer], weights[2 * layer + 1]
            x = tf.squeeze(tf.matmul(x[:, None, :], kernel), 1) + bias
            if layer < self.n_layers - 1:
                x = tf.nn.relu(x)
        return x

    def _train_block(self, noise, images, features, weights, means, squares, state):
        """Train all networks for `patience` iterations."""
        step, best_loss, best_z = state
        for _ in tf.range(self.patience):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                z = self._latent(noise, weights)
                residual, feature = image_losses(self.gan, images, features, z)
                loss = (1 - self.w) * residual + self.w * feature
            better = loss < best_loss
            best_loss = tf.where(better, loss, best_loss)
            best_z = tf.where(better[:, None], z, best_z)
            step += 1
            updated = [
                adam_step(x, g, m, s, _trailing(step, x), self.learning_rate)
                for x, g, m, s in zip(
                    weights, tape.gradient(loss, weights), means, squares, strict=True
                )
            ]
            weights, means, squares = (list(part) for part in zip(*updated, strict=True))
        return weights, means, squares, (step, best_loss, best_z)

    def search(self, images) -> tuple[np.ndarray, np.ndarray]:
        """Train a network for each image and give its z.

        Parameters
        ----------
        images : ndarray of shape (n, ny, nx, n_bands)
            Stretched images.

        Returns
        -------
        z : ndarray of shape (n, latent_dim)
            Latent vector of the lowest loss.
        converged : ndarray of shape (n,)
            Whether the loss stopped falling within `max_iterations` (with
            ``tolerance=0``: whether it stayed finite).
        """
        images = np.asarray(images, self.dtype)
        z = np.zeros((len(images), self.gan.latent_dim), self.dtype)
        converged = np.zeros(len(images), bool)
        if len(images) == 0:
            return z, converged
        noise, first = self.first_weights()
        pool = _Pool(self, images, first)
        while pool.occupied.any():
            previous = pool.best_loss
            pool.train(self._block, noise)
            settled = pool.best_loss > previous * (1 - self.tolerance)
            if self.tolerance == 0:
                settled = (pool.step >= self.max_iterations) & np.isfinite(
                    pool.best_loss
                )
            done = pool.occupied & (settled | (pool.step >= self.max_iterations))
            rows = pool.rows[done]
            z[rows], converged[rows] = pool.best_z[done], settled[done]
            pool.replace(done)
        return z, converged

    def get_config(self) -> dict:
        """Return the settings."""
        names = (
            "w",
            "n_layers",
            "learning_rate",
            "max_iterations",
            "patience",
            "tolerance",
            "seed",
            "chunk",
        )
        return {name: getattr(self, name) for name in names}


def _trailing(step, x):
    """Shape a count per image so that it broadcasts against its weights."""
    return tf.reshape(step, (-1, *(1,) * (len(x.shape) - 1)))


class _Pool:
    """The stacked networks: a fixed number of slots, refilled as images finish."""

    def __init__(self, mapping, images, first):
        self.mapping, self.images, self.first = mapping, images, first
        self.queue = iter(range(len(images)))
        n = mapping.chunk
        self.rows = np.zeros(n, int)
        self.occupied = np.zeros(n, bool)
        self.pixels = np.repeat(images[:1], n, axis=0)
        self.features = None
        self.weights = [np.repeat(w[None], n, axis=0) for w in first]
        self.means = [np.zeros_like(w) for w in self.weights]
        self.squares = [np.zeros_like(w) for w in self.weights]
        self.step = np.zeros(n, np.int32)
        self.best_loss = np.full(n, np.inf, mapping.dtype)
        self.best_z = np.zeros((n, mapping.gan.latent_dim), mapping.dtype)
        self.replace(np.ones(n, bool))

    def replace(self, slots: np.ndarray) -> None:
        """Put the next images of the queue into slots, with fresh networks."""
        if not slots.any():
            return
        for slot in np.flatnonzero(slots):
            row = next(self.queue, None)
            self.occupied[slot] = row is not None
            if row is None:
                continue
            self.rows[slot], self.pixels[slot] = row, self.images[row]
            for stacked, first in zip(self.weights, self.first, strict=True):
                stacked[slot] = first
            for stacked in (*self.means, *self.squares):
                stacked[slot] = 0
            self.step[slot], self.best_loss[slot] = 0, np.inf
        self.features = self.mapping.gan.features(tf.constant(self.pixels))

    def train(self, block, noise) -> None:
        """Train every slot for one block of iterations."""
        result = block(
            tf.constant(noise),
            tf.constant(self.pixels),
            self.features,
            [tf.constant(w) for w in self.weights],
            [tf.constant(m) for m in self.means],
            [tf.constant(s) for s in self.squares],
            tuple(tf.constant(x) for x in (self.step, self.best_loss, self.best_z)),
        )
        weights, means, squares, state = tf.nest.map_structure(np.array, result)
        self.weights, self.means, self.squares = weights, means, squares
        self.step, self.best_loss, self.best_z = state
