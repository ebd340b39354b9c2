"""The detectors of the contamination study, each trained on what it is given."""

from pathlib import Path

import keras
import numpy as np
from components import Components
from sklearn.ensemble import IsolationForest

import astroanomaly as aa
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.runs.training import stretched

# Shares of the critic's term in the weighted sum; the published one is 0.9.
SHARES = (0.0, 0.1, 0.5, 0.99, 1.0)
PUBLISHED = 0.9
COMPONENTS = 40
N_MODES = 40
# The likelihood's own weight of the KL term is of this order: 1 would empty z.
KL_WEIGHT = 1e-6
NEIGHBORHOOD = 1.0  # Smoothing of the peak score, pixels.


def _stretch(name: str, train: Cutouts):
    return getattr(aa.stretches, name)().adapt(train)


def _batches(train: Cutouts, stretch, batch_size: int, seed: int):
    return aa.dataset(train, stretch, batch_size=batch_size, seed=seed, augment=True)


def _scores(model, stretch, train: Cutouts, test: Cutouts, latent=None) -> dict:
    """Score by every score of a detector, its noise measured on the training set."""
    detector = aa.AnomalyDetector(
        model, stretch, latent, smoothing=NEIGHBORHOOD, n_modes=N_MODES
    )
    detector.measure_noise(train)
    blocks = [rows for rows, _ in detector.score_blocks(test)]
    names = [n for n in blocks[0].colnames if n.endswith("_score")]
    names = [n for n in names if n != "anomaly_score"] + ["latent_norm"]
    found = {n: np.concatenate([np.asarray(b[n]) for b in blocks]) for n in names}
    return {
        name.removesuffix("_score"): values
        for name, values in found.items()
        if np.isfinite(values).all()
    }


def _weighted(scores: dict, gan) -> dict:
    """Add the published weighted sum, and others, of L_dis and L_res."""
    residual = scores["residual"] / np.prod(gan.image_shape)
    for share in (PUBLISHED, *SHARES):
        name = "total" if share == PUBLISHED else f"total_{share:g}"
        scores[name] = share * scores["feature"] + (1 - share) * residual
    return scores


def growing_optimizers(rate: float) -> list:
    """Make the optimizers of a growing GAN: the published ones at another rate."""
    make = keras.optimizers.Adam
    return [make(rate, beta_1=0.0, beta_2=0.99, epsilon=1e-8) for _ in "gce"]


def progressive(
    train: Cutouts,
    test: Cutouts,
    seed: int,
    folder: Path,
    *,
    name: str,
    stretch: str,
    settings: dict,
    batch_size: int,
    learning_rate: float,
    after_epochs: int = 0,
) -> dict:
    """Train a growing GAN with its encoder; afterwards, if asked, another encoder.

    Parameters
    ----------
    train, test, seed, folder
        As `contamination_study` gives them.
    name : str
        Of the model.
    stretch : str
        Class in `astroanomaly.stretches`.
    settings : dict
        Arguments of `ProgressiveGAN`.
    batch_size : int
        Images per batch.
    learning_rate : float
        Of all three networks.
    after_epochs : int, optional
        Epochs of an encoder that is trained on the finished GAN, for the model
        "pgan_after"; 0: none.

    Returns
    -------
    dict of dict
        Scores by model.
    """
    fitted = _stretch(stretch, train)
    gan = aa.models.ProgressiveGAN(train.image_shape, seed=seed, **settings)
    gan.compile(*growing_optimizers(learning_rate))
    batches = _batches(train, fitted, batch_size, seed)
    gan.fit(batches, verbose=0)
    found = {name: _weighted(_scores(gan, fitted, train, test), gan)}
    if after_epochs:
        optimizer = growing_optimizers(learning_rate)[2]
        gan.fit_encoder(batches, epochs=after_epochs, optimizer=optimizer, verbose=0)
        found["pgan_after"] = _weighted(_scores(gan, fitted, train, test), gan)
    return found


def wgan_gp(
    train: Cutouts,
    test: Cutouts,
    seed: int,
    folder: Path,
    *,
    stretch: str,
    settings: dict,
    batch_size: int,
    epochs: int,
    encoder_epochs: int,
) -> dict:
    """Train the WGAN-GP of fixed size, and its encoder after it.

    Parameters
    ----------
    train, test, seed, folder, stretch, batch_size
        As for :func:`progressive`.
    settings : dict
        Arguments of `WGANGP`.
    epochs, encoder_epochs : int
        Passes over the training set.

    Returns
    -------
    dict of ndarray
        Scores.
    """
    fitted = _stretch(stretch, train)
    gan = aa.models.WGANGP(train.image_shape, seed=seed, **settings)
    gan.compile(*(keras.optimizers.Adam(3e-4, beta_1=0.0, beta_2=0.9) for _ in "gc"))
    gan.fit(_batches(train, fitted, batch_size, seed), epochs=epochs, verbose=0)
    encoder = aa.latent.Encoder(gan, seed=seed)
    encoder.compile()
    batches = _batches(train, fitted, batch_size, seed)
    encoder.fit(batches, epochs=encoder_epochs, verbose=0)
    scores = _scores(gan, fitted, train, test, encoder)
    # The networks differ in the length of their features: here both are sums.
    scores["feature"] = scores["feature"] / np.sqrt(gan.latent_dim)
    return _weighted(scores, gan)


def _rated(model, n_steps: int, rates: int):
    """Compile an autoencoder with the published rates, falling over the training."""
    if rates == 1:
        model.compile(keras.optimizers.Adam(OneCycle(2e-3, max(n_steps, 2))))
    else:
        model.compile(*(keras.optimizers.Adam(rate) for rate in (1e-3, 1e-3, 1e-4)))
    return model


def autoencoder(
    train: Cutouts,
    test: Cutouts,
    seed: int,
    folder: Path,
    *,
    kind: str,
    stretch: str,
    settings: dict,
    batch_size: int,
    epochs: int,
    exposure: tuple[float, int] | None = None,
) -> dict:
    """Train a DCAE, CVAE or AAE, and what builds on it.

    Parameters
    ----------
    train, test, seed, folder, stretch, batch_size, epochs
        As for :func:`wgan_gp`.
    kind : {"dcae", "cvae", "aae"}
        The model. The latent vectors of the CVAE also go to an isolation forest.
    settings : dict
        Arguments of the model.
    exposure : tuple of float and int, optional
        For the DCAE: supposed contamination and epochs of the refinements by Latent
        Outlier Exposure.

    Returns
    -------
    dict of dict
        Scores by model.
    """
    fitted = _stretch(stretch, train)
    batches = _batches(train, fitted, batch_size, seed)

    def trained():
        make = getattr(aa.models, kind.upper())
        model = make(train.image_shape, seed=seed, **settings)
        n_steps = epochs * int(batches.cardinality())
        _rated(model, n_steps, 3 if kind == "aae" else 1)
        callbacks = []
        if kind == "cvae":
            callbacks = [
                aa.models.KLAnnealing(epochs // 5, max(epochs // 5, 1), KL_WEIGHT)
            ]
        model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=0)
        return model

    model = trained()
    found = {kind: _scores(model, fitted, train, test)}
    if kind == "cvae":
        learned = aa.AnomalyDetector(model, fitted).features(train)
        tested = aa.AnomalyDetector(model, fitted).features(test)
        found["cvae_forest"] = {"forest": _forest(learned, tested, seed)}
    if exposure is not None:
        share, more = exposure
        weights = model.get_weights()
        for mode in ("soft", "hard"):
            model.set_weights(weights)
            refined = aa.models.OutlierExposure(model, share, mode, seed=seed)
            refined.compile()
            refined.fit(
                _batches(train, fitted, batch_size, seed), epochs=more, verbose=0
            )
            found[f"loe_{mode}"] = _scores(refined, fitted, train, test)
    return found


def baselines(
    train: Cutouts, test: Cutouts, seed: int, folder: Path, *, stretch: str
) -> dict:
    """Score without a network: components, a forest on them, brightness.

    Parameters
    ----------
    train, test, seed, folder, stretch
        As for :func:`progressive`.

    Returns
    -------
    dict of dict
        Scores of "pca", "pca_forest" and "brightness".
    """
    fitted = _stretch(stretch, train)
    model = Components(stretched(fitted, train), COMPONENTS, seed)
    learned = model.features(stretched(fitted, train))
    images = stretched(fitted, test)
    return {
        "pca": _scores(model, fitted, train, test),
        "pca_forest": {"forest": _forest(learned, model.features(images), seed)},
        "brightness": {"brightness": images.sum(axis=(1, 2, 3), dtype=np.float64)},
    }


def _forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)
