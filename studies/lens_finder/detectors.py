"""Outlier detectors that see no label, and a supervised floor, on the same sets."""

import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import astroanomaly as aa
from astroanomaly.models.common.schedules import OneCycle
from studies.lens_finder.kept import current, keep
from studies.lens_finder.names import LENS_SETS
from studies.lens_finder.sets import BANDS, Set, View
from studies.scoring import Components, every_score, finite, forest, stretched

LOG = logging.getLogger("lens_finder")
VIEW = View("binned", BANDS)
DONE = "done.npz"  # written last: an interrupted detector starts again
SMOOTHING = 1.0  # of the peak score, pixels
# Apertures, arcsec: the core of a galaxy, its body, what may be a ring around it.
RADII = (0.6, 1.5, 3.6)
N_TREES = 300


@dataclass(frozen=True)
class Settings:
    """How the detectors are trained: the autoencoder, and how many components."""

    epochs: int
    batch_size: int
    latent_dim: int
    components: int


def write(out: Path, sets: dict[str, Set], settings: Settings, seed: int) -> None:
    """Train the detectors and keep an array of each score in <detector>/<set>.npz.

    Outlier detectors train on "unlabelled", of which one frame in a hundred holds a
    lens, and see no label. The floor trains on "train" with its labels.
    """
    stamp = {"seed": seed, "n": len(sets["unlabelled"]), **vars(settings)}
    makers = {"dcae": dcae, "pca": components, "brightness": brightness}
    for name, make in (makers | {"features": floor}).items():
        if name == "features":
            stamp = {"seed": seed, "n": len(sets["train"])}
        parts = ("pca", "pca_forest") if name == "pca" else (name,)
        if not all(current(out / part / DONE, stamp) for part in parts):
            LOG.info("detectors: %s", name)
            for part, scores in make(sets, settings, seed).items():
                for known, arrays in scores.items():
                    keep(out / part / f"{known}.npz", stamp, lambda a=arrays: a)
                keep(out / part / DONE, stamp, dict)


def _unlabelled(sets):
    """Return the training cutouts of detectors, and their adapted stretch."""
    train = sets["unlabelled"].cutouts(VIEW)
    return train, aa.stretches.Asinh(name="asinh").adapt(train)


def _scores(model, fitted, train, sets) -> dict:
    """Return every score of every set; the noise comes from the training set."""
    detector = aa.AnomalyDetector(model, fitted, smoothing=SMOOTHING)
    detector.measure_noise(train)
    tables = {n: every_score(detector, sets[n].cutouts(VIEW)) for n in LENS_SETS}
    return {name: finite(table) for name, table in tables.items()}


def dcae(sets, settings, seed) -> dict:
    """Return the scores of an autoencoder."""
    train, fitted = _unlabelled(sets)
    batches = aa.dataset(
        train, fitted, batch_size=settings.batch_size, seed=seed, augment=True
    )
    model = aa.models.DCAE(
        train.image_shape, latent_dim=settings.latent_dim, weight_decay=0.0, seed=seed
    )
    n_steps = settings.epochs * int(batches.cardinality())
    model.compile(keras.optimizers.Adam(OneCycle(2e-3, max(n_steps, 2))))
    progress = aa.runs.TrainingProgress("DCAE, epoch")
    try:
        model.fit(batches, epochs=settings.epochs, callbacks=[progress], verbose=0)
    finally:
        progress.close()
    return {"dcae": _scores(model, fitted, train, sets)}


def components(sets, settings, seed) -> dict:
    """Return the scores of principal components and of an isolation forest on them."""
    train, fitted = _unlabelled(sets)
    images = stretched(fitted, train)
    model = Components(images, settings.components, seed)
    judge, alone = forest(model.features(images), seed), {}
    for name in LENS_SETS:
        found = model.features(stretched(fitted, sets[name].cutouts(VIEW)))
        alone[name] = {"forest": judge(found)}
    return {"pca": _scores(model, fitted, train, sets), "pca_forest": alone}


def brightness(sets, settings, seed) -> dict:
    """Return the summed stretched light of each image."""
    _, fitted = _unlabelled(sets)
    found = {}
    for name in LENS_SETS:
        images = stretched(fitted, sets[name].cutouts(VIEW))
        found[name] = {"brightness": images.sum(axis=(1, 2, 3), dtype=np.float64)}
    return {"brightness": found}


def floor(sets, settings, seed) -> dict:
    """Return P(lens) of two classifiers that learn simple features and labels."""
    train = sets["train"].seen(VIEW)
    # 256 images are enough for the noise of the sky.
    sample = np.asarray(train[:: -(-len(train) // 256)])
    sky = [aa.stretches.sky_noise(sample[..., b]) for b in range(sample.shape[3])]
    measured = {
        name: np.stack(
            [measure(one, VIEW.pixel_scale, sky) for one in sets[name].seen(VIEW)]
        )
        for name in ("train", *LENS_SETS)
    }
    found = {name: {} for name in LENS_SETS}
    for kind, model in classifiers(seed).items():
        model.fit(measured["train"], sets["train"].labels)
        for name in LENS_SETS:
            found[name][kind] = model.predict_proba(measured[name])[:, 1]
    return {"features": found}


def measure(image: np.ndarray, pixel_scale: float, sky) -> np.ndarray:
    """Measure a linear image: 8 numbers a band, less 2, about its brightest place.

    The flux within each radius, in the ring between the outer two and in the whole
    frame (as asinh, in units of the noise `sky`), core over body, and the color (each
    band over the next) of core and ring.
    """
    bright = np.asarray(image, np.float64) / np.asarray(sky)
    smooth = uniform_filter(bright.mean(axis=2), 3)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    y, x = np.indices(smooth.shape)
    distance = pixel_scale * np.hypot(y - row, x - column)
    masks = [distance <= radius for radius in RADII]
    masks.append(masks[2] & ~masks[1])
    fluxes = [bright[mask].sum(axis=0) / mask.sum() ** 0.5 for mask in masks]
    fluxes.append(bright.sum(axis=(0, 1)) / smooth.size**0.5)
    logs = [np.arcsinh(flux) for flux in fluxes]
    body = np.maximum(bright[masks[1]].sum(axis=0), 1.0)
    concentration = bright[masks[0]].sum(axis=0) / body
    colors = [-np.diff(logs[0]), -np.diff(logs[3])]
    return np.concatenate([*logs, np.clip(concentration, -1, 2), *colors])


def classifiers(seed: int) -> dict:
    """Return the two that learn from labels and simple features, by name."""
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
        ),
        "forest": RandomForestClassifier(
            N_TREES, class_weight="balanced", min_samples_leaf=3, random_state=seed
        ),
    }
