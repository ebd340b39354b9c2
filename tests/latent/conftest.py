"""A small trained GAN that the latent searches share."""

import keras
import numpy as np
import pytest

from astroanomaly.data.batches import dataset
from astroanomaly.latent import Encoder
from astroanomaly.models import WGANGP


def blobs(n, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-16:16, -16:16]
    radius = rng.uniform(10, 80, (n, 1, 1))
    peak = rng.uniform(0.4, 1, (n, 1, 1))
    images = peak * np.exp(-(x**2 + y**2) / radius)
    return (
        (images + rng.normal(0, 0.02, images.shape))
        .clip(0, 1)[..., None]
        .astype(np.float32)
    )


@pytest.fixture(scope="session")
def images():
    return blobs(48, seed=1)


@pytest.fixture(scope="session")
def gan(images):
    gan = WGANGP((32, 32, 1), latent_dim=8, width=8, kernel_size=3, n_critic=2)
    gan.compile(*[keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.9) for _ in "gc"])
    gan.fit(dataset(blobs(128, seed=2), batch_size=16), epochs=50, verbose=0)
    return gan


@pytest.fixture(scope="session")
def encoder(gan):
    encoder = Encoder(gan)
    encoder.compile(keras.optimizers.Adam(2e-3))
    encoder.fit(dataset(blobs(128, seed=2), batch_size=16), epochs=12, verbose=0)
    return encoder
