"""Features of every object: components, profiles, learned ones, scores."""

import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import ndimage

import astroanomaly as aa
from astroanomaly.utils import atomic_path
from studies.review.sets import N_TRAIN

N_COMPONENTS = 32
# CAS, Gini and M20 are left out: 0.2 s of a core for an object of one band, an hour for
# 20,000 of them.
KINDS = ("components", "profiles", "harmonics", "contrastive", "scores")
SETS = ("ordinary", "interesting", "artefact")
# Objects calibrate nothing here but the detector's scores need one.
N_CALIBRATE = 500
CHUNK = 2000
# Of harmonics: circles, places on a circle, and the highest order kept.
CIRCLES, PLACES, ORDERS = 12, 48, 8


def harmonics(images: np.ndarray) -> np.ndarray:
    """Return the amplitudes of the angular harmonics on circles about the centre.

    They do not change when an object is turned. A companion has all orders at its
    distance, arms and bars the second and fourth, noise little of any. Pixels are taken
    in standard deviations of the sky at the frame's edge, smoothed by one
    pixel and stretched by asinh.
    """
    n, ny, nx, n_bands = images.shape
    y, x = np.indices((ny, nx)) - np.array([(ny - 1) / 2, (nx - 1) / 2])[:, None, None]
    far = np.hypot(y, x) > 0.47 * ny
    radius = np.linspace(0, 1, CIRCLES + 1)[1:, None] ** 1.3 * (min(ny, nx) / 2 - 1)
    angle = 2 * np.pi * np.arange(PLACES) / PLACES
    places = (
        (ny - 1) / 2 + radius * np.sin(angle),
        (nx - 1) / 2 + radius * np.cos(angle),
    )
    found = np.empty((n, n_bands, CIRCLES, ORDERS + 1), np.float32)
    for k, image in enumerate(images):
        for band in range(n_bands):
            plane = image[..., band].astype(float)
            sky = np.median(plane[far])
            noise = 1.4826 * np.median(np.abs(plane[far] - sky))
            plane = (plane - sky) / (noise or 1.0)
            plane = np.arcsinh(ndimage.gaussian_filter(plane, 1.0))
            on_circles = ndimage.map_coordinates(plane, places, order=1)
            orders = np.abs(np.fft.rfft(on_circles, axis=1)) / PLACES
            found[k, band] = orders[:, : ORDERS + 1]
    return found.reshape(n, -1)


def source(name: str) -> str:
    """Return the file of a set's images; artefacts are added when they are read."""
    return f"{'plain' if name == 'artefact' else name}.npy"


def read(folder: Path, name: str) -> aa.Cutouts:
    """Read a set that `sets.save` wrote; artefacts are added to the plain ones."""
    plain = folder / source(name)
    table = Table.read(plain.with_suffix(".ecsv"))
    bands = [c.removeprefix("unit_") for c in table.colnames if c.startswith("unit_")]
    cutouts = aa.Cutouts(np.load(plain, mmap_mode="r"), table, bands)
    return aa.simulate.artefacts(cutouts, seed=7) if name == "artefact" else cutouts


def measure(folder: Path, seed: int, epochs: int) -> None:
    """Write NAME_features.npz of each set of a pool: kinds of features by name.

    A detector of principal components is trained on ordinary objects of the pool, as
    a survey has nothing else: its latents and scores are two kinds. The same objects
    train `aa.features.Contrastive` for `epochs`.
    """
    made = {
        name: folder / f"{name}_features.npz"
        for name in SETS
        if (folder / source(name)).is_file()
    }
    if all(path.is_file() for path in made.values()):
        return
    ordinary = read(folder, "ordinary")
    n_train = min(N_TRAIN, len(ordinary) // 2)
    order = np.random.default_rng(seed).permutation(len(ordinary))
    train = ordinary[np.sort(order[:n_train])]
    held_out = ordinary[np.sort(order[n_train : n_train + N_CALIBRATE])]
    stretch = aa.stretches.Asinh().adapt(train)
    n_components = min(N_COMPONENTS, n_train // 2)
    model = aa.models.PCA(train.image_shape, n_components=n_components)
    model.fit(aa.dataset(train, stretch, batch_size=64))
    detector = aa.AnomalyDetector(model, stretch).calibrate(held_out, levels=(90,))
    extractors = {
        "profiles": aa.features.Profiles(),
        "harmonics": harmonics,
        "contrastive": aa.features.Contrastive(epochs, seed=seed).fit(train),
    }
    for name, path in made.items():
        if path.is_file():
            continue
        kinds = {kind: [] for kind in KINDS}
        cutouts = read(folder, name)
        for part in cutouts.chunks(CHUNK):
            # A slice of a memory map is read once.
            part = aa.Cutouts(np.array(part.images), part.table, part.bands)
            latents = [model.features(stretch(c.images)) for c in part.chunks(500)]
            kinds["components"].append(np.concatenate(latents))
            with warnings.catch_warnings():
                # That the survey was trained on, and anomalies are unlike it.
                warnings.simplefilter("ignore", UserWarning)
                for kind, extractor in extractors.items():
                    kinds[kind].append(extractor(part.images))
                rows = detector.score(part)
            rows = rows[aa.tables.columns.match(rows, part.object_ids)]
            names = ["anomaly_score", *sorted(aa.tables.columns.score_names(rows)[1:])]
            kinds["scores"].append(np.column_stack([rows[n] for n in names]))
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, **{k: np.concatenate(v) for k, v in kinds.items()})
