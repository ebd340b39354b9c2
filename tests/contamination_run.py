"""A made-up folder of the study of contamination: scores whose areas are known."""

import json
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from contaminated import shown  # noqa: E402

from astroanomaly.evaluation.contamination import read_study  # noqa: E402

STEPS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
ENDS = (0.0, 0.1)
# How far anomalies lie above normal images without contamination, by model, and how
# much of that is lost at 10 per cent.
STRENGTH = {
    "pgan_joint": (1.5, 0.5),
    "pgan_encoder_only": (1.5, 0.1),
    "pgan_cluster": (1.2, 0.5),
    "pgan_after": (1.5, 0.5),
    "wgan_gp": (0.8, 0.4),
    "dcae": (2.0, 0.4),
    "cvae": (1.8, 0.4),
    "aae": (2.2, 0.5),
    "loe_soft": (2.0, 0.3),
    "loe_hard": (1.9, 0.1),
    "pca": (2.5, 0.2),
    "pca_forest": (0.7, 0.1),
    "cvae_forest": (0.5, 0.1),
    "brightness": (0.0, 0.0),
}
VARIANTS = {
    "pgan_joint_cluster": (1.3, 0.4),
    "pgan_encoder_only_cluster": (1.3, 0.3),
    "pgan_cluster_gaussian": (1.1, 0.5),
}
SCORES = ("residual", "feature", "total", "mse", "peak", "whitened", "orthogonal")
WEIGHT = 0.9
N_NORMAL = 900


def names(model):
    """Return the scores of a model."""
    if shown.single(model):
        return (shown.own_score(model),)
    if model == "pca":
        return tuple(s for s in SCORES if s not in ("feature", "total"))
    more = ("latent_norm", "total_0.5") if shown.is_gan(model) else ()
    return SCORES + more


def scored(labels, shift, names, rng):
    """Return scores of test objects: anomalies lie higher by `shift`."""
    found = {name: rng.normal(shift * labels, 1.0) for name in names}
    if "latent_norm" in found:
        found["latent_norm"] = rng.normal(-0.5 * labels, 1.0)
    if "total" in found:
        found["feature"] = rng.normal(shift * labels, 1.0)
        # The total has the mean over pixels, the residual the sum.
        mixed = (1 - WEIGHT) * found["residual"] / 64 + WEIGHT * found["feature"]
        found["total"] = mixed
    return found


def cell(folder, method, p, seed, columns, labels, seconds=10.0):
    """Write a cell as `contamination_study` keeps it."""
    table = Table({"object_id": [f"t{i:04d}" for i in range(len(labels))]})
    table["is_anomaly"] = labels
    for (model, score), values in columns.items():
        table[f"{model}/{score}"] = values
    n_anomalous = int(p * N_NORMAL / (1 - p))
    table.meta = {
        "cell": {"seed": seed, "contamination": p, "method": method},
        "data": {"normal": "a", "anomalous": "b", "test": "c"},
        "method": method,
        "n_normal": N_NORMAL,
        "n_anomalous": n_anomalous,
        "seconds": seconds,
    }
    share = np.format_float_positional(p, trim="-")
    path = folder / "cells" / f"{method}_c{share}_s{seed}.ecsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, format="ascii.ecsv")


def models_cells(folder, models, steps, seeds, n=60, start=1):
    """Write cells of models, one method for the DCAE and what refines it."""
    labels = np.arange(2 * n) >= n
    owner = {"loe_soft": "dcae", "loe_hard": "dcae", "cvae_forest": "cvae"}
    for seed in seeds:
        for p in steps:
            rng = np.random.default_rng([start, seed, int(1000 * p)])
            columns = {}
            for model, (strength, lost) in models.items():
                shift = strength * (1 - lost * min(p / 0.1, 1.5))
                found = scored(labels, shift, names(model), rng)
                method = columns.setdefault(owner.get(model, model), {})
                method |= {(model, k): v for k, v in found.items()}
            for method, own in columns.items():
                seconds = 20.0 + 10 * seed
                cell(folder, method, p, seed, own, labels, seconds)


def images(folder, n=24, seed=1):
    """Write samples of three levels and real images."""
    rng = np.random.default_rng(seed)
    (folder / "samples").mkdir(parents=True)
    y, x = np.indices((64, 64)) - 31.5
    blob = np.exp(-np.hypot(x, y) / 8)[None, :, :, None]
    for name, size in (("level_4", 4), ("level_16", 16), ("level_64", 64)):
        step = 64 // size
        found = blob * rng.uniform(0.5, 1, (n, 1, 1, 1))
        found = found + rng.normal(0, 0.02, (n, 64, 64, 1))
        found = found.reshape(n, size, step, size, step, 1).mean(axis=(2, 4))
        np.save(folder / "samples" / f"{name}.npy", found.astype(np.float32))
    real = blob * rng.uniform(0.5, 1, (n, 1, 1, 1)) + rng.normal(
        0, 0.05, (n, 64, 64, 1)
    )
    np.save(folder / "samples" / "real.npy", real.astype(np.float32))


def record(folder, **more):
    """Write study.json."""
    found = {
        "scale": "laptop",
        "seed": 0,
        "command": "python examples/contamination.py --out RUN --scale laptop",
        "seconds": {"sets": 60.0, "ends": 120.0},
        "versions": {"astroanomaly": "0"},
        "image_size": 32,
        "gan": {"fmap_max": 32, "ema": 0.99},
        "epochs": {"dcae": 3},
    }
    (folder / "study.json").write_text(json.dumps(found | more), "utf-8")


def finish(folder):
    """Write the table of a data set's cells."""
    read_study(folder, 200).write(folder / "table.ecsv", format="ascii.ecsv")


def made_up(folder, n=60, seeds=(0, 1, 2), sets=("lenses", "galaxies")):
    """Write a folder as examples/contamination.py leaves it when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, data in enumerate(sets):
        where = folder / data
        models_cells(where, STRENGTH | VARIANTS, ENDS, seeds, n, k)
        rest = [p for p in STEPS if p not in ENDS]
        models_cells(where, STRENGTH, rest, seeds[:1], n, k)
        images(where)
        finish(where)
    record(folder)
    return folder


def smoke(folder, n=30):
    """Write a folder at the smallest scale: two ends, one seed, a few models."""
    few = {k: STRENGTH[k] for k in ("pgan_joint", "pgan_after", "dcae", "pca")}
    for k, data in enumerate(shown.SETS):
        models_cells(folder / data, few, ENDS, (0,), n, k)
        finish(folder / data)
    record(folder, scale="smoke")
    return folder
