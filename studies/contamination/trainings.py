"""The detectors, each trained on a contaminated set; and GANs that draw samples.

Names and arguments of the methods are kept with every result: changing them makes
the results of older runs unusable.
"""

import logging
from pathlib import Path

import keras
import numpy as np

import astroanomaly as aa
from astroanomaly import evaluation, runs
from astroanomaly.data import Cutouts
from astroanomaly.models.common.schedules import OneCycle
from studies.scoring import Components, every_score, finite, forest, stretched
from studies.study import save, save_array

LOG = logging.getLogger("contamination")
# Weights of the critic's term in the score of the GANs, by the score's name;
# "total" is the published one.
WEIGHTS = {"total": 0.9, "total_0": 0.0, "total_0.1": 0.1, "total_0.5": 0.5}
WEIGHTS |= {"total_0.99": 0.99, "total_1": 1.0}
# As many components as the larger latent vectors have dimensions.
COMPONENTS = 40
N_MODES = 40
# The likelihood's weight of the KL term is of this order: 1 would leave z empty.
KL_WEIGHT = 1e-6
SMOOTHING = 1.0  # of the peak score, pixels


def fit_stretch(name: str, train: Cutouts):
    """Return a stretch of `astroanomaly.stretches` adapted to the training set."""
    return getattr(aa.stretches, name)().adapt(train)


def batches_of(train: Cutouts, stretch, batch_size: int, seed: int):
    """Return augmented training batches."""
    return aa.dataset(train, stretch, batch_size=batch_size, seed=seed, augment=True)


def scores_of(model, stretch, train: Cutouts, test: Cutouts, latent=None) -> dict:
    """Return every finite score of the test set; noise is that of the training set."""
    detector = aa.AnomalyDetector(
        model, stretch, latent, smoothing=SMOOTHING, n_modes=N_MODES
    )
    detector.measure_noise(train)
    return finite(every_score(detector, test, False, ["latent_norm"]))


def weighted(scores: dict, gan) -> dict:
    """Add (1 - w) L_res + w L_dis for all weights w; L_res is a mean over pixels."""
    residual = scores["residual"] / np.prod(gan.image_shape)
    for name, weight in WEIGHTS.items():
        scores[name] = weight * scores["feature"] + (1 - weight) * residual
    return scores


def growing_optimizers(rate: float) -> dict:
    """Return the optimizers of a growing GAN: the published ones, at another rate."""
    names = ("generator_optimizer", "critic_optimizer", "encoder_optimizer")
    settings = {"beta_1": 0.0, "beta_2": 0.99, "epsilon": 1e-8}
    return {name: keras.optimizers.Adam(rate, **settings) for name in names}


def trained(kind: str, batches, image_shape, seed: int, settings: dict, epochs: int):
    """Return a DCAE, CVAE or AAE trained at the published rates."""
    model = getattr(aa.models, kind.upper())(image_shape, seed=seed, **settings)
    if kind == "aae":
        model.compile(*(keras.optimizers.Adam(rate) for rate in (1e-3, 1e-3, 1e-4)))
    else:
        n_steps = max(epochs * int(batches.cardinality()), 2)
        model.compile(keras.optimizers.Adam(OneCycle(2e-3, n_steps)))
    rise = epochs // 5, max(epochs // 5, 1)
    callbacks = [aa.models.KLAnnealing(*rise, KL_WEIGHT)] if kind == "cvae" else []
    model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=0)
    return model


# The methods take training and test cutouts, a seed and a folder, which is not used,
# and return scores by model.


def progressive(
    train,
    test,
    seed,
    folder,
    *,
    name,
    stretch,
    settings,
    batch_size,
    learning_rate,
    after_epochs=0,
) -> dict:
    """Train a growing GAN and its encoder; then perhaps another, "pgan_after"."""
    fitted = fit_stretch(stretch, train)
    gan = aa.models.ProgressiveGAN(train.image_shape, seed=seed, **settings)
    gan.compile(**growing_optimizers(learning_rate))
    batches = batches_of(train, fitted, batch_size, seed)
    gan.fit(batches, verbose=0)
    found = {name: weighted(scores_of(gan, fitted, train, test), gan)}
    if after_epochs:
        optimizer = growing_optimizers(learning_rate)["encoder_optimizer"]
        gan.fit_encoder(batches, epochs=after_epochs, optimizer=optimizer, verbose=0)
        found["pgan_after"] = weighted(scores_of(gan, fitted, train, test), gan)
    return found


def wgan_gp(
    train, test, seed, folder, *, stretch, settings, batch_size, epochs, encoder_epochs
) -> dict:
    """Train the WGAN-GP of fixed size, then its encoder."""
    fitted = fit_stretch(stretch, train)
    gan = aa.models.WGANGP(train.image_shape, seed=seed, **settings)
    gan.compile(*(keras.optimizers.Adam(3e-4, beta_1=0.0, beta_2=0.9) for _ in "gc"))
    gan.fit(batches_of(train, fitted, batch_size, seed), epochs=epochs, verbose=0)
    encoder = aa.latent.Encoder(gan, seed=seed)
    encoder.compile()
    batches = batches_of(train, fitted, batch_size, seed)
    encoder.fit(batches, epochs=encoder_epochs, verbose=0)
    scores = scores_of(gan, fitted, train, test, encoder)
    # The networks' features differ in length: here both are sums.
    scores["feature"] = scores["feature"] / np.sqrt(gan.latent_dim)
    return weighted(scores, gan)


def autoencoder(
    train,
    test,
    seed,
    folder,
    *,
    kind,
    stretch,
    settings,
    batch_size,
    epochs,
    exposure=None,
) -> dict:
    """Train a DCAE, CVAE or AAE, and what builds on it.

    A forest judges the latent vectors of the CVAE. `exposure`, the contamination that
    is assumed and epochs, refines the model by Latent Outlier Exposure.
    """
    fitted = fit_stretch(stretch, train)
    batches = batches_of(train, fitted, batch_size, seed)
    model = trained(kind, batches, train.image_shape, seed, settings, epochs)
    found = {kind: scores_of(model, fitted, train, test)}
    if kind == "cvae":
        detector = aa.AnomalyDetector(model, fitted)
        judge = forest(detector.features(train), seed)
        found["cvae_forest"] = {"forest": judge(detector.features(test))}
    if exposure is not None:
        share, more = exposure
        weights = model.get_weights()
        for mode in ("soft", "hard"):
            model.set_weights(weights)
            refined = aa.models.OutlierExposure(model, share, mode, seed=seed)
            refined.compile()
            batches = batches_of(train, fitted, batch_size, seed)
            refined.fit(batches, epochs=more, verbose=0)
            found[f"loe_{mode}"] = scores_of(refined, fitted, train, test)
    return found


def baselines(train, test, seed, folder, *, stretch) -> dict:
    """Score by components, a forest on them, and brightness."""
    fitted = fit_stretch(stretch, train)
    learned, images = stretched(fitted, train), stretched(fitted, test)
    model = Components(learned, COMPONENTS, seed)
    judge = forest(model.features(learned), seed)
    return {
        "pca": scores_of(model, fitted, train, test),
        "pca_forest": {"forest": judge(model.features(images))},
        "brightness": {"brightness": images.sum(axis=(1, 2, 3), dtype=np.float64)},
    }


class LevelSamples(keras.callbacks.Callback):
    """Write ``level_4.npy``, ...: what the GAN draws at the end of each lower level."""

    def __init__(self, folder: Path, n: int):
        super().__init__()
        self.folder, self.n = folder, n

    def on_train_batch_begin(self, batch, logs=None):
        """Remember the level."""
        self.level = self.model.level

    def on_train_batch_end(self, batch, logs=None):
        """Draw at the level that ended with this batch."""
        if self.model.level != self.level:
            draw(self.folder, self.model, self.level, self.n)


def draw(folder: Path, gan, level: int, n: int) -> None:
    """Write images that the GAN draws at a level that has faded in."""
    z = gan.prior.draw(n, (1, 0))
    parts = [
        gan.generator_ema(part, level=level, fade=1.0)
        for part in np.split(z, range(64, n, 64))
    ]
    images = np.concatenate([np.asarray(part) for part in parts])
    save_array(folder / f"level_{images.shape[1]}.npy", images)


def grow_samples(
    folder, cutouts, stretch, settings, batch_size, learning_rate, n, seed
) -> None:
    """Grow a GAN to full size, or resume; compare `n` samples with real images.

    Writes gan.keras, level_*.npy, real.npy and statistics.ecsv.
    """
    if (folder / "statistics.ecsv").is_file():
        return
    fitted = fit_stretch(stretch, cutouts)
    file, done, rows = folder / "gan.keras", 0, []
    if file.is_file():
        gan, done, rows = runs.load_checkpoint(file)
    else:
        gan = aa.models.ProgressiveGAN(cutouts.image_shape, seed=seed, **settings)
        gan.compile(**growing_optimizers(learning_rate))
    batches = batches_of(cutouts, fitted, batch_size, seed)
    epochs = gan.schedule.epochs(batches, None)
    LOG.info("growing to %d pixels in %d epochs", cutouts.image_shape[0], epochs)
    bar = runs.TrainingProgress("growing GAN, epoch")
    callbacks = [LevelSamples(folder, n), runs.Checkpoint(file, rows), bar]
    try:
        if done < epochs:
            gan.fit(batches, initial_epoch=done, callbacks=callbacks, verbose=0)
    finally:
        bar.close()
    # Here, not in a callback: an interruption after the last checkpoint would lose it.
    draw(folder, gan, gan.level, n)
    real = stretched(fitted, cutouts[: min(n, len(cutouts))])
    save_array(folder / "real.npy", real)
    generated = np.load(folder / f"level_{cutouts.image_shape[0]}.npy")
    table = evaluation.sample_distance(real, generated, seed=seed)
    save(table, folder / "statistics.ecsv")
