"""A run folder of the merger study, of random numbers in the right columns."""

import numpy as np
from astropy.table import Table

from studies.mergers import paper

MORPHOLOGY = "concentration asymmetry smoothness gini m20 rhalf ellipticity".split()


def galaxies(n, rng, shift=0.0, prefix="gal", mass=9.8):
    """Make a table as the study writes them, scores `shift` above those of normals."""
    strength = np.broadcast_to(shift, n)
    table = Table({"object_id": [f"{prefix}_{i:05d}" for i in range(n)]})
    table["stellar_mass"] = 10 ** rng.normal(mass, 0.4, n)
    table["redshift"] = rng.uniform(0.2, 3, n)
    table["half_light_radius"] = rng.lognormal(-1, 0.4, n)
    table["axis_ratio"] = rng.uniform(0.2, 1, n)
    table["mag"] = rng.uniform(19, 24, n)
    table["flux_ratio"], table["separation"] = 0.0, np.nan
    heavy = 0.5 * (np.log10(table["stellar_mass"]) - mass)
    for k, name in enumerate(paper.SCORES):
        gain = strength * (1.0 if k == 0 else 0.5)
        table[name] = np.exp(rng.normal(gain + heavy, 0.5))
    table["kmeans"] = np.log(table["kmeans"]) - 1.2
    for name in MORPHOLOGY:
        table[name] = rng.normal(1, 0.2, n) + 0.3 * strength
    table["mag_aperture"] = np.asarray(table["mag"]) + 0.1
    table["measured"] = True
    table["measured"][0] = False
    for name in MORPHOLOGY:
        table[name][0] = np.nan
    return table


def merging(n_pairs, rng):
    """Make a table of mergers: three moments of each pair from three sides."""
    n = 9 * n_pairs
    ratio = np.repeat(np.exp(rng.uniform(np.log(0.1), 0, n_pairs)), 9)
    step = np.tile(np.repeat([0, 1, 2], 3), n_pairs)
    early = -1 + 0.5 * (step + rng.uniform(0.01, 0.99, n))
    time = np.where(step < 2, early, rng.uniform(0.01, 0.99, n))
    stage = np.where(time > 0, "post_merger", "pre_merger_neighbor").astype("U19")
    stage[(time < -0.7) & (rng.uniform(size=n) < 0.5)] = "pre_merger_alone"
    stage[(time < 0) & (time > -0.1)] = "pre_merger_blended"
    shift = np.where(stage == "pre_merger_neighbor", 1.4 + 0.4 * np.log(ratio), 0.5)
    table = galaxies(n, rng, shift, "mrg", mass=10.3)
    table["system"] = np.repeat([f"mrg_{i:05d}" for i in range(n_pairs)], 9)
    table["stage"], table["merger_time"], table["flux_ratio"] = stage, time, ratio
    table["separation"] = rng.uniform(0.1, 3, n)
    return table


def synthetic_run(folder, n=200, n_pairs=40, real=True, seed=1):
    """Write a folder as the study leaves it, of random tables."""
    rng = np.random.default_rng(seed)
    sets = {
        "calibration": galaxies(n, rng),
        "isolated": galaxies(n, rng, prefix="iso"),
        "mergers": merging(n_pairs, rng),
        "f160w_mocks": galaxies(n, rng),
        "f160w_white": galaxies(n // 2, rng, 0.3),
        "f160w_plain": galaxies(n // 2, rng, -0.2),
    }
    if real:
        sets["f160w_real"] = galaxies(18, rng, 0.8, "GDS")
        sets["f814w_mocks"] = galaxies(n, rng, prefix="acs")
        sets["f814w_real"] = galaxies(n, rng, 0.6, "cosmos")
    for name, table in sets.items():
        if name.endswith("real"):
            table.remove_columns([*paper.PROPERTIES, "mag", "flux_ratio", "separation"])
        (folder / "scores").mkdir(parents=True, exist_ok=True)
        table.write(folder / "scores" / f"{name}.ecsv", format="ascii.ecsv")
        (folder / "features").mkdir(exist_ok=True)
        features = rng.normal(
            np.log(table["feature_score"])[:, None], 1, (len(table), 60)
        )
        np.save(folder / "features" / f"{name}.npy", features.astype(np.float32))
    return folder
