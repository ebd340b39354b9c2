"""Make the detectors and survey files of the benchmarks."""

from pathlib import Path

import numpy as np

from astroanomaly import simulate
from astroanomaly.data.cutouts import Cutouts


def trained(seed: int, n: int, epochs: int, size: int, width: int):
    """Train a small GAN and its encoder on isolated simulated galaxies.

    Parameters
    ----------
    seed : int
        Seed of galaxies and training.
    n, epochs : int
        Galaxies, and epochs for each of the two networks.
    size, width : int
        Image size in pixels and filters of the outermost level.

    Returns
    -------
    AnomalyDetector
        Uses the encoder; not calibrated.
    """
    import keras

    import astroanomaly as aa

    train = simulate.galaxies(n, size=size, seed=seed)
    stretch = aa.stretches.Asinh().adapt(train)
    gan = aa.models.WGANGP(
        (size, size, 1), latent_dim=64, width=width, ema=0.99, seed=seed
    )
    # Three times the default rate, as suits a training of few steps.
    adam = {"learning_rate": 3e-4, "beta_1": 0.0, "beta_2": 0.9}
    gan.compile(
        generator_optimizer=keras.optimizers.Adam(**adam),
        critic_optimizer=keras.optimizers.Adam(**adam),
    )
    batches = aa.dataset(train, stretch, batch_size=32, seed=seed, augment=True)
    gan.fit(batches, epochs=epochs, verbose=0)
    encoder = aa.latent.Encoder(gan, seed=seed)
    encoder.compile()
    encoder.fit(batches, epochs=epochs, verbose=0)
    return aa.AnomalyDetector(gan, stretch, encoder)


def untrained(cutouts: Cutouts, width: int, latent_dim: int = 128, seed: int = 0):
    """Make a calibrated detector of untrained networks, which take the same time.

    Parameters
    ----------
    cutouts : Cutouts
        Images for its stretch, noise and thresholds.
    width, latent_dim : int
        Filters of the outermost level and length of z.
    seed : int, optional
        Seed of the weights.

    Returns
    -------
    AnomalyDetector
        Uses the encoder.
    """
    import astroanomaly as aa

    gan = aa.models.WGANGP(
        cutouts.image_shape, latent_dim=latent_dim, width=width, seed=seed
    )
    gan.compile()
    encoder = aa.latent.Encoder(gan, seed=seed)
    encoder.compile()
    stretch = aa.stretches.Asinh().adapt(cutouts)
    # Level 90 needs the fewest objects; the time does not depend on the level.
    return aa.AnomalyDetector(gan, stretch, encoder).calibrate(cutouts, levels=(90,))


def repeated(cutouts: Cutouts, n: int) -> Cutouts:
    """Repeat cutouts up to `n` objects with different names."""
    rows = np.arange(n) % len(cutouts)
    table = cutouts.table[rows]
    table["object_id"] = [f"g{k:07d}" for k in range(n)]
    return Cutouts(cutouts.images[rows], table, cutouts.bands, cutouts.pixel_scale)


def write_files(folder: Path, cutouts: Cutouts, n: int) -> Path:
    """Write `n` FITS files, repeating the cutouts; return the folder."""
    from astroanomaly import write_cutouts

    write_cutouts(folder, repeated(cutouts, n))
    return folder
