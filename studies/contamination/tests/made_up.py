"""A made-up run of the contamination study: scores whose areas are known."""

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import sample_distance
from astroanomaly.evaluation.contamination import read_study
from studies.contamination import names, trainings

N_NORMAL = 900
STEPS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
# How far anomalies lie above normal images without contamination, by model, and the
# share of that which 10 per cent takes away.
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
OWNER = {"loe_soft": "dcae", "loe_hard": "dcae", "cvae_forest": "cvae"}


def scores_of(model):
    """Return the scores of a model."""
    if model in names.GANS:
        more = (*trainings.WEIGHTS, "latent_norm")
        return ("residual", "feature", "mse", "orthogonal", *more)
    own = names.own_score(model)
    return (own, "orthogonal") if own == "mse" else (own,)


def cell(folder, method, p, seed, columns, labels, seconds=10.0):
    """Write a cell as `contamination_study` keeps it."""
    table = Table({"object_id": [f"t{i:04d}" for i in range(len(labels))]})
    table["is_anomaly"] = labels
    for (model, score), values in columns.items():
        table[f"{model}/{score}"] = values
    table.meta = {
        "cell": {"seed": seed, "contamination": p, "method": method},
        "data": {"normal": "a", "anomalous": "b", "test": "c"},
        "method": method,
        "n_normal": N_NORMAL,
        "n_anomalous": int(p * N_NORMAL / (1 - p)),
        "seconds": seconds,
    }
    share = np.format_float_positional(p, trim="-")
    path = folder / "cells" / f"{method}_c{share}_s{seed}.ecsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, format="ascii.ecsv")


def cells(folder, models, steps, seeds, n, start=1):
    """Write cells of models, one method for a model and what builds on it."""
    labels = np.arange(2 * n) >= n
    for seed in seeds:
        for p in steps:
            rng = np.random.default_rng([start, seed, int(1000 * p)])
            columns = {}
            for model, (strength, lost) in models.items():
                shift = strength * (1 - lost * min(p / 0.1, 1.5))
                method = columns.setdefault(OWNER.get(model, model), {})
                for score in scores_of(model):
                    # The norm has the wrong sign.
                    above = -0.5 if score == "latent_norm" else shift
                    method[model, score] = rng.normal(above * labels, 1.0)
            for method, own in columns.items():
                cell(folder, method, p, seed, own, labels, 20.0 + 10 * seed)


def images(folder, n=24, seed=1):
    """Write samples of two levels, real images and their distances."""
    rng = np.random.default_rng(seed)
    place = folder / "samples"
    place.mkdir(parents=True)
    y, x = np.indices((64, 64)) - 31.5
    blob = np.exp(-np.hypot(x, y) / 8)[None, :, :, None]
    drawn = {}
    for name, noise in (("level_64", 0.02), ("real", 0.05)):
        found = blob * rng.uniform(0.5, 1, (n, 1, 1, 1))
        found = found + rng.normal(0, noise, (n, 64, 64, 1))
        drawn[name] = found.astype(np.float32)
    drawn["level_16"] = drawn["level_64"].reshape(n, 16, 4, 16, 4, 1).mean(axis=(2, 4))
    for name, found in drawn.items():
        np.save(place / f"{name}.npy", found)
    table = sample_distance(drawn["real"], drawn["level_64"])
    table.write(place / "statistics.ecsv")


def finish(folder):
    """Write the table of a data set's cells."""
    read_study(folder, 200).write(folder / "table.ecsv", format="ascii.ecsv")


def made_up(folder):
    """Write a run with all models on both data sets."""
    for k, data in enumerate(names.DATA):
        where = folder / data
        cells(where, STRENGTH | VARIANTS, names.ENDS, (0, 1), 24, k)
        rest = [p for p in STEPS if p not in names.ENDS]
        cells(where, STRENGTH, rest, (0,), 24, k)
        images(where)
        finish(where)
    return folder
