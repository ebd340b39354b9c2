"""Tries of contrastive features: nearest neighbors against those of components."""

from collections.abc import Callable

import numpy as np

import astroanomaly as aa

# As it was first built: views differ much, and features are the means of the maps.
FIRST = {"shift": 3.0, "noise": 1.0, "flux": 0.5, "paste": False}


def means(made) -> Callable:
    """Return the means of the last maps alone, not whitened."""
    return lambda images: np.concatenate(
        [
            made.encoder(made.stretch(chunk))[1]
            for chunk in np.array_split(images, -(-len(images) // 100))
        ]
    )


def first(cutouts: aa.Cutouts, epochs: int, seed: int) -> dict[str, Callable]:
    """Return the features as first built, and whitened ones of the same encoder."""
    made = aa.features.Contrastive(epochs, seed=seed, **FIRST).fit(cutouts)
    return {"first": means(made), "whitened": made}


def weaker(cutouts: aa.Cutouts, epochs: int, seed: int) -> dict[str, Callable]:
    """Return features of an encoder whose views differ less."""
    made = aa.features.Contrastive(epochs, seed=seed, paste=False)
    return {"weaker": made.fit(cutouts)}


TRAININGS = {"first": first, "weaker": weaker}
WORDS = {
    "first": "means of maps; views moved, brightened, noisier (as before)",
    "whitened": "means and maxima, whitened; the same encoder",
    "weaker": "the same; views moved by 1 pixel, as bright, half the noise",
    "default": "the same; pasted light of others counts as another object (now)",
}
