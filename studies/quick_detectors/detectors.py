"""Every detector: features, what measures their distance, and what that costs."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly.detector.methods import METHODS, PatchGaussian
from astroanomaly.utils import atomic_path
from studies.quick_detectors.sets import ORDINARY
from studies.scoring import every_score, finite

# As `train` has them, but no more than half as many as images.
N_COMPONENTS = 60
# Four images a second: of each part so many have their morphology measured.
MORPHOLOGY = {"train": 80, "ordinary": 50}
MORPHOLOGY_OF_A_KIND = 30
# On the simulated galaxies alone: an hour elsewhere. The real sets are too small for
# networks, and morphology means nothing for arcs without their lens galaxy.
SLOW, SLOW_ON = ("morphology", "contrastive", "latents"), "galaxies"
VECTORS = [name for name, kind in METHODS.items() if not kind.by_position]
Parts = dict[str, aa.Cutouts]


def principal(cutouts: aa.Cutouts) -> aa.AnomalyDetector:
    """Return a detector of principal components whose noise is measured."""
    stretch = aa.stretches.Asinh().adapt(cutouts)
    n = min(N_COMPONENTS, len(cutouts) // 2)
    model = aa.models.PCA(cutouts.image_shape, n)
    model.fit(aa.dataset(cutouts, stretch, batch_size=64))
    return aa.AnomalyDetector(model, stretch, score="whitened").measure_noise(cutouts)


def components(cutouts, epochs, seed) -> Callable:
    """Return a function from images to their principal components."""
    detector = principal(cutouts)
    return lambda images: detector.model.features(detector.stretch(images))


def contrastive(cutouts, epochs, seed) -> Callable:
    """Return contrastive features, learned from the images."""
    made = aa.features.Contrastive(epochs=epochs["contrastive"], seed=seed)
    return made.fit(cutouts)


def latents(cutouts, epochs, seed) -> Callable:
    """Return the latent vectors of a convolutional autoencoder."""
    stretch = aa.stretches.Asinh().adapt(cutouts)
    model = aa.models.DCAE(cutouts.image_shape, latent_dim=64, seed=seed)
    model.compile()
    data = aa.dataset(cutouts, stretch, batch_size=32, seed=seed)
    model.fit(data, epochs=epochs["latents"], verbose=0)
    return aa.features.ModelFeatures(model, stretch, "latents")


FEATURES = {
    "profiles": lambda *_: aa.features.Profiles(),
    "morphology": lambda *_: aa.features.Morphology(),
    "components": components,
    "contrastive": contrastive,
    "latents": latents,
}
GROUPS = ("pca", *FEATURES, "patches", "brightness")


def _vectors(group: str, parts: Parts, epochs: dict, seed: int):
    """Yield each method over features with its scores of every part, and its cost."""
    begun = time.process_time()
    take = FEATURES[group](parts["train"], epochs, seed)
    trained = time.process_time() - begun
    begun, found = time.process_time(), {}
    for part, cutouts in parts.items():
        chunks = np.array_split(cutouts.images, -(-len(cutouts) // 500))
        rows = np.concatenate([np.asarray(take(chunk), float) for chunk in chunks])
        # What cannot be measured gets the values of a typical object.
        typical = np.nanmedian(found.get("train", rows), axis=0)
        found[part] = np.where(np.isfinite(rows), rows, typical)
    taken = (time.process_time() - begun) / sum(map(len, parts.values()))
    for name in VECTORS:
        begun = time.process_time()
        method = METHODS[name]().fit(found["train"], seed)
        fitted = time.process_time() - begun
        begun = time.process_time()
        scores = {part: method.score(rows) for part, rows in found.items()}
        scored = (time.process_time() - begun) / sum(map(len, parts.values()))
        cost = trained + taken * len(parts["train"]) + fitted, taken + scored
        yield name, scores, cost


def scored(group: str, parts: Parts, epochs: dict, seed: int):
    """Yield (method, scores by part, cost) of each detector of a group.

    A cost is the processor's seconds of the training, and of a scored image.
    """
    n = sum(map(len, parts.values()))
    begun = time.process_time()
    if group in FEATURES:
        yield from _vectors(group, parts, epochs, seed)
    elif group == "pca":
        detector = principal(parts["train"])
        trained, begun = time.process_time() - begun, time.process_time()
        found = {p: finite(every_score(detector, c, False)) for p, c in parts.items()}
        cost = trained, (time.process_time() - begun) / n
        for name in found["ordinary"]:
            yield name, {part: rows[name] for part, rows in found.items()}, cost
    elif group == "patches":
        take = aa.features.Patches().maps
        method = PatchGaussian().fit(take(parts["train"].images), seed)
        trained, begun = time.process_time() - begun, time.process_time()
        found = {
            part: np.concatenate(
                [method.score(take(c.images)) for c in own.chunks(256)]
            )
            for part, own in parts.items()
        }
        cost = trained, (time.process_time() - begun) / n
        yield method.name, found, cost
    else:
        found = {p: c.images.sum(axis=(1, 2, 3)) for p, c in parts.items()}
        yield "flux", found, (0.0, (time.process_time() - begun) / n)


def fewer(parts: Parts) -> Parts:
    """Return the parts that morphology is measured of, with fewer objects."""
    return {
        part: cutouts[: MORPHOLOGY.get(part, MORPHOLOGY_OF_A_KIND)]
        for part, cutouts in parts.items()
        if part in MORPHOLOGY or part not in ORDINARY
    }


def write(path: Path, found) -> None:
    """Write what `scored` yields, as arrays METHOD/PART and METHOD/cost."""
    arrays = {}
    for method, scores, cost in found:
        arrays |= {f"{method}/{part}": values for part, values in scores.items()}
        arrays[f"{method}/cost"] = np.array(cost)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read(folder: Path) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Return the scores of a set by (features, method) and part."""
    found = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            for name in arrays.files:
                method, part = name.rsplit("/", 1)
                found.setdefault((path.stem, method), {})[part] = arrays[name]
    return found
