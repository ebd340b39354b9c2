"""A growing GAN at full size: what it draws at the end of every level."""

import logging
from pathlib import Path

import keras
import numpy as np

import astroanomaly as aa
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation import generated as sample_statistics
from astroanomaly.runs import callbacks
from astroanomaly.runs.training import stretched
from astroanomaly.utils.files import atomic_path
from contaminated.methods import growing_optimizers

LOG = logging.getLogger("contamination")


class LevelSamples(keras.callbacks.Callback):
    """Keep what the GAN draws at the end of all levels but the last.

    Parameters
    ----------
    folder : Path
        Where ``level_4.npy``, ``level_8.npy``, ... appear.
    n : int
        How many images.
    """

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
    """Write the images of a level, the newest part of which has faded in."""
    z = gan.prior.draw(n, (1, 0))
    parts = [
        gan.generator_ema(part, level=level, fade=1.0)
        for part in np.split(z, range(64, n, 64))
    ]
    images = np.concatenate([np.asarray(part) for part in parts])
    save(folder / f"level_{images.shape[1]}.npy", images)


def save(path: Path, images: np.ndarray) -> None:
    """Write images as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(file, images)


def train(
    folder: Path,
    cutouts: Cutouts,
    stretch: str,
    settings: dict,
    batch_size: int,
    learning_rate: float,
    n: int,
    seed: int,
) -> None:
    """Train at full size, or go on; then compare samples with real images.

    Parameters
    ----------
    folder : Path
        Where model, samples and statistics go.
    cutouts : Cutouts
        Normal objects.
    stretch : str
        Class in `astroanomaly.stretches`.
    settings : dict
        Arguments of `ProgressiveGAN`.
    batch_size : int
        Images per batch.
    learning_rate : float
        Of all three networks.
    n, seed : int
        Samples; seed of the training.
    """
    if (folder / "statistics.ecsv").is_file():
        return
    fitted = getattr(aa.stretches, stretch)().adapt(cutouts)
    file, done, rows = folder / "gan.keras", 0, []
    if file.is_file():
        gan, done, rows = callbacks.load_checkpoint(file)
    else:
        gan = aa.models.ProgressiveGAN(cutouts.image_shape, seed=seed, **settings)
        gan.compile(*growing_optimizers(learning_rate))
    batches = aa.dataset(cutouts, fitted, batch_size, seed=seed, augment=True)
    epochs = gan.schedule.epochs(batches, None)
    LOG.info("growing to %d pixels in %d epochs", cutouts.image_shape[0], epochs)
    bar = callbacks.TrainingProgress("growing GAN, epoch")
    watchers = [LevelSamples(folder, n), callbacks.Checkpoint(file, rows), bar]
    try:
        if done < epochs:
            gan.fit(batches, initial_epoch=done, callbacks=watchers, verbose=0)
    finally:
        bar.close()
    # Not as the training ends: a break after the last checkpoint must not lose it.
    draw(folder, gan, gan.level, n)
    real = stretched(fitted, cutouts[: min(n, len(cutouts))])
    save(folder / "real.npy", real)
    generated = np.load(folder / f"level_{cutouts.image_shape[0]}.npy")
    table = sample_statistics.sample_distance(real, generated, seed=seed)
    with atomic_path(folder / "statistics.ecsv") as partial:
        table.write(partial, format="ascii.ecsv")
