"""Tries of contrastive features: nearest neighbors against those of components."""

from collections.abc import Callable

import numpy as np

import astroanomaly as aa

# As it was first built: views differ much, and features are the means of the maps.
FIRST = {"shift": 3.0, "noise": 1.0, "flux": 0.5, "paste": False}
WEAKER = {"paste": False}


def means(made) -> Callable:
    """Return the means of the last maps alone, not whitened."""
    return lambda images: np.concatenate(
        [
            made.encoder(made.stretch(chunk))[1]
            for chunk in np.array_split(images, -(-len(images) // 100))
        ]
    )


def tries(cutouts: aa.Cutouts, epochs: int, seed: int):
    """Yield each try's name and its features; the last one is the default."""
    first = aa.features.Contrastive(epochs, seed=seed, **FIRST).fit(cutouts)
    yield "first", means(first)
    yield "whitened", first
    yield "weaker", aa.features.Contrastive(epochs, seed=seed, **WEAKER).fit(cutouts)


WORDS = {
    "first": "means of maps; views moved, brightened, noisier (as before)",
    "whitened": "means and maxima, whitened; the same encoder",
    "weaker": "the same; views moved by 1 pixel, as bright, half the noise",
    "default": "the same; pasted light of others counts as another object (now)",
}
