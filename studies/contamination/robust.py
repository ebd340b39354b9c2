"""Detectors made for training sets in which anomalies hide: seconds each.

Their cells lie in DATA/robust, apart from those of the networks. As there, names and
arguments of the methods are kept with every result.
"""

from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table

import astroanomaly as aa
from astroanomaly.detector.methods import METHODS, PatchGaussian
from astroanomaly.evaluation.contamination import auc_loss, read_study, summarize
from studies import tables
from studies.contamination.names import CLEAN, DIRTY, percent
from studies.contamination.trainings import COMPONENTS, N_MODES, fit_stretch
from studies.scoring import every_score, finite, stretched

# Of the training set: more than most of the contaminations that are tried.
TRIMMED = 0.15
# Standard deviations, in pixels, of the Gaussian of the scores that smooth.
SMOOTHINGS = {"": 1.0, "_2": 2.0}
VECTORS = ("knn", "bagged_knn", "isolation_forest", "mahalanobis")
LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2)
NAMES = {
    "pca": "PCA",
    "pca_trimmed": "PCA, trimmed",
    "mean_image": "the mean image",
    "profiles": "profiles",
    "components": "PCA components",
    "components_trimmed": "PCA components, trimmed",
    "patches": "patches",
    "brightness": "brightness",
}
SCORES = {
    "peak": "peak, 1 pixel",
    "whitened": "whitened, 1 pixel",
    "orthogonal": "orthogonal, 1 pixel",
    "peak_2": "peak, 2 pixels",
    "whitened_2": "whitened, 2 pixels",
    "orthogonal_2": "orthogonal, 2 pixels",
    "mse": "squared error",
    "knn": "nearest neighbors",
    "bagged_knn": "bagged neighbors",
    "isolation_forest": "isolation forest",
    "mahalanobis": "Mahalanobis",
    "patch_gaussian": "patch Gaussians",
    "brightness": "brightness",
}


class MeanImage:
    """Draws the mean of the training images, whatever it is shown."""

    def __init__(self, images: np.ndarray):
        self.image_shape, self.mean = images.shape[1:], images.mean(axis=0)

    def reconstruct(self, images):
        """Return the mean image as often as there are images."""
        return np.broadcast_to(self.mean, np.shape(images)).astype(np.float32)

    def features(self, images):
        """Return the sum of each image's pixels."""
        return np.asarray(images).sum(axis=(1, 2, 3))[:, None]


def principal(images: np.ndarray, n: int, trimmed: float = 0.0) -> aa.models.PCA:
    """Return fitted components."""
    # What is left of a small set after trimming must still carry them.
    n = min(n, len(images) // 3)
    model = aa.models.PCA(images.shape[1:], n, trimmed=trimmed)
    model.fit(images)
    return model


def scores(model, stretch, train, test) -> dict[str, np.ndarray]:
    """Return the scores of reconstructions, those that smooth at both widths."""
    found = {}
    for ending, smoothing in SMOOTHINGS.items():
        detector = aa.AnomalyDetector(
            model, stretch, smoothing=smoothing, n_modes=N_MODES
        )
        table = finite(every_score(detector.measure_noise(train), test, False))
        own = {f"{name}{ending}": values for name, values in table.items()}
        found |= {name: values for name, values in own.items() if name in SCORES}
    return found


def fits(train, test, seed, folder, *, stretch) -> dict:
    """Score by what components, trimmed, untrimmed or none, leave of an image."""
    fitted = fit_stretch(stretch, train)
    learned, images = stretched(fitted, train), stretched(fitted, test)
    models = {
        "pca": principal(learned, COMPONENTS),
        "pca_trimmed": principal(learned, COMPONENTS, TRIMMED),
        "mean_image": MeanImage(learned),
    }
    found = {name: scores(model, fitted, train, test) for name, model in models.items()}
    return found | {"brightness": {"brightness": images.sum(axis=(1, 2, 3))}}


def features(train, test, seed, folder, *, stretch) -> dict:
    """Score by distances among profiles, components and patches."""
    fitted = fit_stretch(stretch, train)
    learned = stretched(fitted, train)
    takes = {"profiles": aa.features.Profiles()}
    for ending, trimmed in (("", 0.0), ("_trimmed", TRIMMED)):
        model = principal(learned, COMPONENTS, trimmed)
        takes[f"components{ending}"] = lambda images, model=model: model.features(
            fitted(images)
        )
    found = {}
    for name, take in takes.items():
        rows, own = (np.asarray(take(c.images), float) for c in (train, test))
        found[name] = {
            kind: METHODS[kind]().fit(rows, seed).score(own) for kind in VECTORS
        }
    take = aa.features.Patches().maps
    method = PatchGaussian().fit(take(train.images), seed)
    found["patches"] = {"patch_gaussian": method.score(take(test.images))}
    return found


def methods(stretch: str) -> dict:
    """Return the methods of a study by name."""
    return {make.__name__: partial(make, stretch=stretch) for make in (fits, features)}


def table(folder: Path) -> Table:
    """Return the AUC of every detector and contamination, and what it loses."""
    every = read_study(folder)
    if not len(every):
        return Table()
    found = summarize(every)
    lost = auc_loss(every, CLEAN, DIRTY, out=folder)
    keys = [
        (model, score)
        for model in NAMES
        for score in SCORES
        if len(tables.rows(found, model=model, score=score))
    ]
    shown = Table()
    shown["detector"] = [f"{NAMES[model]}, {SCORES[score]}" for model, score in keys]
    for p in sorted(set(found["training_contamination"])):
        parts = [
            tables.rows(found, model=m, score=s, training_contamination=p)
            for m, s in keys
        ]
        triples = [
            tuple(part[0]["auc", "low", "high"]) if len(part) else tables.NOTHING
            for part in parts
        ]
        shown.add_columns(tables.span(f"auc_{p:g}", triples, percent(p)))
    parts = [tables.rows(lost, model=m, score=s) for m, s in keys]
    triples = [
        tuple(part[0]["loss", "low", "high"]) if len(part) else tables.NOTHING
        for part in parts
    ]
    shown.add_columns(tables.span("loss", triples, "lost", "+.3f"))
    shown["seeds"] = [
        int(tables.rows(found, model=m, score=s)["n_seeds"].max()) for m, s in keys
    ]
    return shown
