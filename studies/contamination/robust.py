"""Detectors made for training sets in which anomalies hide: most take seconds.

Their cells lie in DATA/robust, apart from those of the networks. As there, names and
arguments of the methods are kept with every result.
"""

from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.stats import norm

import astroanomaly as aa
from astroanomaly.detector.methods import METHODS
from astroanomaly.evaluation.contamination import auc_loss, read_study, summarize
from astroanomaly.scores import residual
from astroanomaly.utils.chunks import in_chunks
from studies import tables
from studies.contamination.names import CLEAN, DIRTY, percent
from studies.contamination.trainings import (
    COMPONENTS,
    N_MODES,
    batches_of,
    fit_stretch,
    trained,
)
from studies.scoring import every_score, finite, stretched

# Of the training set: more than most of the contaminations that are tried.
TRIMMED = 0.15
# Standard deviations, in pixels, of the Gaussian of the scores that smooth.
SMOOTHINGS = {"": 1.0, "_2": 2.0}
VECTORS = ("bagged_knn", "isolation_forest")
# Of the consensus, beside few components trimmed of many and smoothed widely.
MEMBERS = {("profiles", "bagged_knn"), ("components", "isolation_forest")}
FEW, TRIMMED_OF_FEW, WIDE = 10, 0.3, 3.0
BATCH = 32  # of an autoencoder, as in `trainings`
N_RANKED = 1500  # training images among which a score has its rank
LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2)
NAMES = {
    "pca": "PCA",
    "pca_trimmed": "PCA, trimmed",
    "mean_image": "the mean image",
    "dcae": "DCAE",
    "dcae_trimmed": "DCAE, trimmed",
    "profiles": "profiles",
    "components": "PCA components",
    "few_trimmed": "PCA, 10 components, trimmed of 30%",
    "consensus": "consensus of three",
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
    "peak_3": "peak, 3 pixels",
    "whitened_3": "whitened, 3 pixels",
    "bagged_knn": "bagged neighbors",
    "isolation_forest": "isolation forest",
    "consensus": "mean deviate",
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


def autoencoders(train, test, seed, folder, *, stretch, settings, epochs) -> dict:
    """Score by an autoencoder, and by one that did not see what strikes the first.

    Strange are the training images of the largest squared error, the score by which the
    study shows an autoencoder.
    """
    fitted, found = fit_stretch(stretch, train), {}
    for name in ("dcae", "dcae_trimmed"):
        batches = batches_of(train, fitted, BATCH, seed)
        model = trained("dcae", batches, train.image_shape, seed, settings, epochs)
        found[name] = scores(model, fitted, train, test)
        images = stretched(fitted, train)
        drawn = in_chunks(model.reconstruct, images)
        n_kept = len(train) - round(TRIMMED * len(train))
        order = np.argsort(residual.mse_score(images, drawn), kind="stable")
        train = train[np.sort(order[:n_kept])]
    return found


def features(train, test, seed, folder, *, stretch) -> dict:
    """Score by distances among profiles and components, and by a consensus.

    The consensus is the mean of three scores, each as the normal deviate of its rank
    among training images: few components trimmed of many, a forest on components, and
    bagged neighbors of profiles. They err on different objects.
    """
    fitted = fit_stretch(stretch, train)
    learned, images = stretched(fitted, train), stretched(fitted, test)
    model = principal(learned, COMPONENTS)
    take, some = aa.features.Profiles(), slice(N_RANKED)
    rows = {
        "profiles": [np.asarray(take(c.images), float) for c in (train, test)],
        "components": [np.asarray(model.features(x), float) for x in (learned, images)],
    }
    found, ranks = {}, {}
    for name, (usual, own) in rows.items():
        found[name] = {}
        for kind in VECTORS:
            method = METHODS[kind]().fit(usual, seed)
            found[name][kind] = method.score(own)
            if (name, kind) in MEMBERS:
                ranks[name] = deviates(method.score(usual[some]), found[name][kind])
    few = principal(learned, FEW, TRIMMED_OF_FEW)
    detector = aa.AnomalyDetector(few, fitted, smoothing=WIDE).measure_noise(train)
    usual, own = (every_score(detector, c, False) for c in (train[some], test))
    found["few_trimmed"] = {f"{k}_3": np.asarray(own[k]) for k in ("peak", "whitened")}
    ranks["few_trimmed"] = deviates(usual["peak"], own["peak"])
    return found | {"consensus": {"consensus": np.mean([*ranks.values()], axis=0)}}


def deviates(usual, own) -> np.ndarray:
    """Return scores as normal deviates of their ranks among those of usual objects."""
    below = np.searchsorted(np.sort(usual), own)
    return norm.ppf((below + 0.5) / (len(usual) + 1))


def methods(stretch: str) -> dict:
    """Return the quick methods of a study by name."""
    return {make.__name__: partial(make, stretch=stretch) for make in (fits, features)}


def networks(stretch: str, latent_dim: int, epochs: int) -> dict:
    """Return the methods that train networks, a minute or two each, by name."""
    settings = {"latent_dim": latent_dim, "weight_decay": 0.0}
    made = partial(autoencoders, stretch=stretch, settings=settings, epochs=epochs)
    return {"autoencoders": made}


def table(folder: Path) -> Table:
    """Return the AUC of every detector and contamination, and what it loses."""
    every = read_study(folder) if folder.is_dir() else ()
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
