"""The five sets: objects to train on, to choose with, and to find anomalies among."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

import astroanomaly as aa
from astroanomaly.utils import atomic_path
from studies.cosmos import sets as cosmos
from studies.deeplense import sets as deeplense
from studies.mergers.paper import SUBTLE

SIZE = 64  # pixels: 3.8" of WFC3 F160W
LENS_SIZE = 112  # pixels of 0.05", as the study of lenses has them
# Parts of a set that hold no anomalies; all others are kinds of them.
ORDINARY = ("train", "choose", "ordinary")
# Of the real sets: so many are trained on and choose, the rest is the test.
REAL = {"model_i": (110, 40), "cosmos": (90, 40)}
SETS = ("galaxies", "lenses_fixed", "lenses_varying", *REAL)


class Sizes(NamedTuple):
    """How many objects the parts of a simulated set have."""

    train: int
    choose: int
    ordinary: int
    anomalous: int  # of each kind, at most
    pairs: int  # of mergers; each gives nine cutouts


def galaxies(sizes: Sizes, seed: int) -> dict[str, np.ndarray]:
    """Simulate isolated galaxies, such with a companion, and mergers.

    "mergers" are pairs before they merge with both galaxies seen; "subtle" are those
    whose neighbor is outside the frame, or that have merged.
    """
    options = {"size": SIZE, "isolation": True, "n_workers": 1}
    found = {
        part: aa.simulate.galaxies(getattr(sizes, part), seed=seed + k, **options)
        for k, part in enumerate(ORDINARY)
    }
    found["companions"] = aa.simulate.galaxies(
        sizes.anomalous, companion_fraction=1.0, seed=seed + 4, **options
    )
    merging = aa.simulate.mergers(sizes.pairs, size=SIZE, seed=seed + 5, n_workers=1)
    stages = np.asarray(merging.table["stage"])
    rng = np.random.default_rng(seed)
    for kind, wanted in (("mergers", ["pre_merger_neighbor"]), ("subtle", SUBTLE)):
        rows = rng.permutation(np.flatnonzero(np.isin(stages, wanted)))
        found[kind] = merging[np.sort(rows[: sizes.anomalous])]
    return {part: cutouts.images for part, cutouts in found.items()}


def lenses(sizes: Sizes, seed: int, redshifts: str) -> dict[str, np.ndarray]:
    """Simulate smooth lenses, and those with subhaloes or a vortex."""
    plan = [(part, "smooth", getattr(sizes, part)) for part in ORDINARY]
    plan += [(sector, sector, sizes.anomalous) for sector in deeplense.SECTORS]
    return {
        part: deeplense.lenses(n, seed + k, sector, redshifts, LENS_SIZE).images
        for k, (part, sector, n) in enumerate(plan)
    }


def parts(images: np.ndarray, name: str, seed: int) -> dict[str, np.ndarray]:
    """Divide the ordinary objects of a real set."""
    order = np.random.default_rng(seed).permutation(len(images))
    edges = np.cumsum(REAL[name])
    pieces = np.split(order, edges)
    return {part: images[np.sort(p)] for part, p in zip(ORDINARY, pieces, strict=True)}


def model_i(data: Path, seed: int) -> dict[str, np.ndarray]:
    """Read the public images of DeepLense's Model I."""
    folder = data / "deeplense_model1"
    files = {"subhalos": "cdm_subhalos", "vortex": "axion_vortex"}
    read = {
        part: np.load(folder / f"{name}.npz")["images"][..., None].astype("f4")
        for part, name in {"smooth": "no_substructure", **files}.items()
    }
    return parts(read.pop("smooth"), "model_i", seed) | read


def real(data: Path, seed: int) -> dict[str, np.ndarray]:
    """Read real galaxies of COSMOS, and add others to those of the test."""
    survey = aa.read_cutouts(data / "cosmos_acs_f814w", bands=[cosmos.BAND])
    found = parts(survey.images, "cosmos", seed)
    test = aa.Cutouts(found["ordinary"], bands=[cosmos.BAND])
    found["composites"] = cosmos.composites(test, 2, seed).images
    return {
        part: np.array([cosmos.seen(p) for p in images[..., 0].astype(float)], "f4")[
            ..., None
        ]
        for part, images in found.items()
    }


def makers(sizes: Sizes, data: Path, seed: int) -> dict[str, Callable]:
    """Return functions that make the sets, without those whose files are missing."""
    fixed, varying = (partial(lenses, redshifts=name) for name in deeplense.REDSHIFTS)
    found = {
        "galaxies": partial(galaxies, sizes, 1000 * seed + 10),
        "lenses_fixed": partial(fixed, sizes, 1000 * seed + 100),
        "lenses_varying": partial(varying, sizes, 1000 * seed + 200),
    }
    if (data / "deeplense_model1").is_dir():
        found["model_i"] = partial(model_i, data, seed)
    if (data / "cosmos_acs_f814w").is_dir():
        found["cosmos"] = partial(real, data, seed)
    return found


def write(path: Path, images: dict[str, np.ndarray]) -> None:
    """Write the images of all parts of a set, whole or not at all."""
    with atomic_path(path) as partial_file, partial_file.open("wb") as file:
        np.savez(file, **images)


def read(path: Path) -> dict[str, aa.Cutouts]:
    """Read what `write` wrote."""
    with np.load(path) as arrays:
        return {
            part: aa.Cutouts(
                images,
                Table({"object_id": [f"{part}_{k:05d}" for k in range(len(images))]}),
            )
            for part, images in arrays.items()
        }
