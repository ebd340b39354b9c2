"""A made-up run of the study: scores whose areas are known, without images."""

import numpy as np
from astropy.table import Table

# How far substructure lies above smooth lenses, by model; the published order.
STRENGTH = {"rbm": 0.0, "dcae": 1.0, "cvae": 2.0, "aae": 3.0}
STRENGTH |= {"wgan_gp_encoder": 0.5, "cvae_beta1": 0.0}
MODELS = {
    name: {"mse": s, "wasserstein": 0.5 * s, "orthogonal": s}
    for name, s in STRENGTH.items()
} | {
    "cvae_forest": {"forest": 0.5},
    "baselines": {"brightness": 0.0, "pca_60": 1.5, "pca_300": 0.5},
    "ceiling": {"supervised": 4.0},
}
# Sets, and how far their lenses with substructure lie above the smooth ones.
MAIN = {"calibration": 0.0, "smooth": 0.0, "subhalos": 1.0, "vortex": 1.0}
GRID = {"subhalos_0.1": 0.2, "vortex_0.1": 0.2, "subhalos_5": 2.0, "vortex_5": 2.0}
GRID |= {"smooth_x0.1": 0.0, "subhalos_x0.1": 1.0, "vortex_x0.1": 1.0}
GRID |= {"subhalos_exchanged": 0.0, "vortex_exchanged": 0.0}


def truth(name, n, factor):
    """Return a catalog as the simulator writes it."""
    table = Table({"object_id": [f"{name}_{i:03d}" for i in range(n)]})
    table["theta_E"], table["lens_mass"] = 1.6, 1e12
    table["substructure_mass"] = 0.0 if name.startswith("smooth") else 1e10
    table["snr_arcs"] = 300.0 * factor**0.5
    table["snr_peak"] = 14.0 * factor**0.5
    table["image_in_frame"] = True
    table["image_in_frame"][0] = False
    return table


def made_up(folder, n=120, settings=("fixed", "varying")):
    """Write a run as the study leaves it."""
    rng = np.random.default_rng(1)
    for redshifts in settings:
        for model, strengths in MODELS.items():
            place = folder / redshifts / "scores" / model
            place.mkdir(parents=True)
            for name, shift in (MAIN if "wgan" in model else MAIN | GRID).items():
                ids = [f"{name}_{i:03d}" for i in range(n)]
                table = Table({"object_id": ids})
                for score, strength in strengths.items():
                    table[score] = rng.normal(shift * strength, 1.0, n)
                table.write(place / f"{name}.ecsv")
        for name, factor in (("smooth", 1.0), ("subhalos", 1.0), ("smooth_x0.1", 0.1)):
            place = folder / "sets" / f"{redshifts}_{name}"
            place.mkdir(parents=True)
            truth(name, n, factor).write(place / "catalog.ecsv")
        history = folder / redshifts / "cvae_beta1" / "run" / "history.csv"
        history.parent.mkdir(parents=True)
        history.write_text("epoch,loss,kl,beta\n1,0.2,9.0,0.0\n2,0.1,0.003,1.0\n")
    return folder
