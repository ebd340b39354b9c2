"""What finds lenses without a label, and a supervised floor, on the same sets."""

import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from components import Components
from lenses.scores import score as every_score
from sklearn.ensemble import IsolationForest

import astroanomaly as aa
from astroanomaly.models.common.schedules import OneCycle
from astroanomaly.runs.training import stretched
from finders import features
from finders.kept import current, keep
from finders.sets import BANDS, Set, View

LOG = logging.getLogger("lens_finder")
SCORED = ("test", "arcs", "rings")
VIEW = View("binned", BANDS)
DONE = "done.npz"
NEIGHBORHOOD = 1.0  # smoothing of the peak score, pixels


@dataclass(frozen=True)
class Settings:
    """How the detectors are trained.

    Parameters
    ----------
    epochs, batch_size, latent_dim : int
        Of the autoencoder.
    components : int
        Principal components.
    """

    epochs: int
    batch_size: int
    latent_dim: int
    components: int


def write(out: Path, sets: dict[str, Set], settings: Settings, seed: int) -> None:
    """Train the detectors and keep their scores.

    Outlier detectors train on the set "unlabelled", of which one frame in a hundred
    holds a lens, and see no label. The floor trains on "train" with its labels.

    Parameters
    ----------
    out : Path
        Gets `<detector>/<set>.npz`, an array for each score.
    sets : dict of Set
        "train", "unlabelled" and those of `SCORED`.
    settings : Settings
        How.
    seed : int
        Of everything.
    """
    stamp = {"seed": seed, "n": len(sets["unlabelled"]), **vars(settings)}
    for name, make in (
        ("dcae", _dcae),
        ("pca", _pca),
        ("brightness", _brightness),
        ("features", _features),
    ):
        if name == "features":
            stamp = {"seed": seed, "n": len(sets["train"])}
        parts = ("pca", "pca_forest") if name == "pca" else (name,)
        if not all(current(out / part / DONE, stamp) for part in parts):
            LOG.info("detectors: %s", name)
            for part, scores in make(sets, settings, seed).items():
                for known, arrays in scores.items():
                    keep(out / part / f"{known}.npz", stamp, lambda a=arrays: a)
                # Last: what is broken off before it begins anew.
                keep(out / part / DONE, stamp, dict)


def _dcae(sets, settings, seed) -> dict:
    train = sets["unlabelled"].cutouts(VIEW)
    fitted = aa.stretches.Asinh(name="asinh").adapt(train)
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


def _pca(sets, settings, seed) -> dict:
    train = sets["unlabelled"].cutouts(VIEW)
    fitted = aa.stretches.Asinh(name="asinh").adapt(train)
    images = stretched(fitted, train)
    model = Components(images, settings.components, seed)
    forest = IsolationForest(random_state=seed).fit(model.features(images))
    alone = {}
    for name in SCORED:
        found = model.features(stretched(fitted, sets[name].cutouts(VIEW)))
        alone[name] = {"forest": -forest.score_samples(found)}
    return {"pca": _scores(model, fitted, train, sets), "pca_forest": alone}


def _brightness(sets, settings, seed) -> dict:
    train = sets["unlabelled"].cutouts(VIEW)
    fitted = aa.stretches.Asinh(name="asinh").adapt(train)
    found = {}
    for name in SCORED:
        images = stretched(fitted, sets[name].cutouts(VIEW))
        found[name] = {"brightness": images.sum(axis=(1, 2, 3), dtype=np.float64)}
    return {"brightness": found}


def _features(sets, settings, seed) -> dict:
    train = sets["train"].seen(VIEW)
    sky = features.noise(train)
    found = {name: {} for name in SCORED}
    learned = features.measure(train, VIEW.pixel_scale, sky)
    tested = {
        name: features.measure(sets[name].seen(VIEW), VIEW.pixel_scale, sky)
        for name in SCORED
    }
    for kind, model in features.classifiers(seed).items():
        model.fit(learned, sets["train"].labels)
        for name, numbers in tested.items():
            found[name][kind] = model.predict_proba(numbers)[:, 1]
    return {"features": found}


def _scores(model, fitted, train, sets) -> dict:
    """Score the sets by every score, the residual's noise measured on the training."""
    detector = aa.AnomalyDetector(model, fitted, smoothing=NEIGHBORHOOD)
    detector.measure_noise(train)
    found = {}
    for name in SCORED:
        table = every_score(detector, sets[name].cutouts(VIEW))
        columns = {key: np.asarray(table[key]) for key in table.colnames}
        found[name] = {k: v for k, v in columns.items() if np.isfinite(v).all()}
    return found
