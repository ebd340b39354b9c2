"""The source paper's latent search: one small dense network for every image.

Margalef-Bentabol et al. 2020 (MNRAS 496, 2346), section 3.5: with the GAN
frozen, a fully connected network F maps one fixed noise vector to z and is
trained until the loss of its image falls no further. Here the networks of many
images are stacked and trained at once; each keeps its own weights, optimizer
state and stopping time, and a finished image makes room for the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from astroanomaly.latent.objective import check_weight, image_losses
from astroanomaly.latent.refine import adam_step, check_betas
from astroanomaly.utils.chunks import CHUNK

if TYPE_CHECKING:
    from astroanomaly.latent.encoder import Encoder
    from astroanomaly.models.wgan_gp import WGANGP


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
    betas : tuple of float, optional
        Adam's decays.
    decay : bool, optional
        Lower the learning rate along a cosine to zero over `max_iterations`,
        which reaches the loss of 500 plain iterations in 200 (measured on
        simulated galaxies). False keeps it and stops each image by `patience`.
    max_iterations : int, optional
        Iterations after which an image is done. By default 200, or 100 with an
        `encoder`.
    patience : int, optional
        An image has converged when its lowest loss has fallen by less than
        `tolerance` (relative) over this many iterations.
    tolerance : float, optional
        See `patience`. 0 runs every image for `max_iterations`.
    seed : int, optional
        Seed of the noise vector and of the networks' first weights, which are
        the same for every image: a score depends on its image alone.
    chunk : int, optional
        Networks that train at once.
    encoder : Encoder, optional
        Start at this encoder's z (through the last layer's bias) instead of
        that of the random network.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    The z returned is that of the lowest loss seen, the closest image found. The
    plain search is :meth:`plain`.

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
        gan: WGANGP,
        w: float = 0.1,
        n_layers: int = 3,
        learning_rate: float = 0.012,
        betas: tuple[float, float] = (0.8, 0.95),
        decay: bool = True,
        max_iterations: int | None = None,
        patience: int = 25,
        tolerance: float = 5e-3,
        seed: int = 0,
        chunk: int = CHUNK,
        encoder: Encoder | None = None,
    ) -> None:
        # The encoder's z lies nearer than that of a random network: fewer will do.
        if max_iterations is None:
            # A start near the answer needs half as long.
            max_iterations = 200 if encoder is None else 100
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
        check_betas(betas)
        self.gan, self.w, self.encoder = gan, check_weight(w), encoder
        self.n_layers, self.learning_rate = int(n_layers), float(learning_rate)
        self.betas, self.decay = tuple(betas), bool(decay)
        self.max_iterations, self.patience = int(max_iterations), int(patience)
        self.tolerance, self.seed, self.chunk = float(tolerance), int(seed), int(chunk)
        self.dtype = gan.compute_dtype
        # A pool has `chunk` slots always, so that one graph serves every search.
        self._block = tf.function(self._train_block, reduce_retracing=True)

    @classmethod
    def plain(cls, gan: WGANGP, **kwargs: Any) -> Mapping:
        """Make the search as the source paper has it.

        Parameters
        ----------
        gan : WGANGP
            Trained GAN.
        **kwargs
            Further arguments of :class:`Mapping`.

        Returns
        -------
        Mapping
            Adam at a constant 1e-3 with its usual betas, at most 500
            iterations, each image until its loss falls no further. The paper
            prints neither the rate nor the number: they are our choice.
        """
        # [O] Adam's usual numbers; the paper prints none.
        settings: dict[str, Any] = {
            "learning_rate": 1e-3,
            "betas": (0.9, 0.999),
            "decay": False,
            "max_iterations": 500,
            "tolerance": 1e-3,
        }
        return cls(gan, **settings | kwargs)

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
        # Glorot & Bengio 2010, for layers of d inputs and d outputs.
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
            # A row times a matrix for each image, as each has its own kernel.
            x = tf.squeeze(tf.matmul(x[:, None, :], kernel), 1) + bias
            if layer < self.n_layers - 1:
                x = tf.nn.relu(x)
        return x

    def _rate(self, step):
        # One rate an image: each is at its own step.
        rate = tf.fill(tf.shape(step), tf.cast(self.learning_rate, self.dtype))
        if not self.decay:
            return rate
        done = tf.cast(step - 1, self.dtype) / self.max_iterations
        # Five steps let Adam's running means settle before the full rate.
        warm_up = tf.minimum(tf.cast(step, self.dtype) / 5, 1)
        # Past the end (a last block that is not full) the rate stays at zero.
        return rate * warm_up * 0.5 * (1 + tf.cos(np.pi * tf.minimum(done, 1)))

    def _train_block(self, noise, images, features, weights, means, squares, state):
        """Train all networks for `patience` iterations."""
        step, best_loss, best_z = state
        for _ in tf.range(self.patience):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                z = self._latent(noise, weights)
                residual, feature = image_losses(self.gan, images, features, z)
                # Equation of section 3.5: weights w and 1 - w.
                loss = (1 - self.w) * residual + self.w * feature
            # The last iteration need not be the best: Adam overshoots.
            better = loss < best_loss
            best_loss = tf.where(better, loss, best_loss)
            best_z = tf.where(better[:, None], z, best_z)
            step += 1
            rate = self._rate(step)
            updated = [
                adam_step(
                    x, g, m, s, _trailing(step, x), _trailing(rate, x), self.betas
                )
                for x, g, m, s in zip(
                    weights, tape.gradient(loss, weights), means, squares, strict=True
                )
            ]
            weights, means, squares = (
                list(part) for part in zip(*updated, strict=True)
            )
        return weights, means, squares, (step, best_loss, best_z)

    def search(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
            Whether the loss had stopped falling at the end (with
            ``tolerance=0``: whether it stayed finite).
        """
        images = np.asarray(images, self.dtype)
        z = np.zeros((len(images), self.gan.latent_dim), self.dtype)
        converged = np.zeros(len(images), bool)
        if len(images) == 0:
            return z, converged
        noise, first = self.first_weights()
        pool = _Pool(self, images, first, self._start(images, noise, first))
        while pool.occupied.any():
            previous = pool.best_loss
            pool.train(self._block, noise)
            at_end = pool.step >= self.max_iterations
            settled = pool.best_loss > previous * (1 - self.tolerance)
            if self.tolerance == 0:
                settled = at_end & np.isfinite(pool.best_loss)
            # While the rate is still falling, a pause of the loss is no end.
            done = pool.occupied & (at_end if self.decay else settled | at_end)
            rows = pool.rows[done]
            z[rows], converged[rows] = pool.best_z[done], settled[done]
            pool.replace(done)
        return z, converged

    def _start(self, images, noise, first):
        """Give each image's first bias of the last layer."""
        if self.encoder is None:
            return np.repeat(first[-1][None], len(images), axis=0)
        z = self._latent(tf.constant(noise), [tf.constant(w[None]) for w in first])
        return (self.encoder.search(images)[0] - z.numpy()).astype(self.dtype)

    def get_config(self) -> dict:
        """Return the settings, without GAN and encoder."""
        names = (
            "w",
            "n_layers",
            "learning_rate",
            "betas",
            "decay",
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

    def __init__(self, mapping, images, first, last_bias):
        self.mapping, self.images, self.first = mapping, images, first
        self.last_bias = last_bias
        self.queue = iter(range(len(images)))
        n = mapping.chunk
        self.rows = np.zeros(n, int)
        self.occupied = np.zeros(n, bool)
        # Slots that stay empty train on the first image: the shapes never change.
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
            # All networks start equal but for this bias, which holds the start.
            self.weights[-1][slot] = self.last_bias[row]
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
        # Copies, as slots are written to and TensorFlow's own arrays cannot be.
        weights, means, squares, state = tf.nest.map_structure(np.array, result)
        self.weights, self.means, self.squares = weights, means, squares
        self.step, self.best_loss, self.best_z = state
