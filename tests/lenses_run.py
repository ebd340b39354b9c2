"""A made-up folder of the lens study: scores whose areas are known."""

import json
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from lenses import published  # noqa: E402

DETECTOR = {"score": "orthogonal", "smoothing": 1.5}
# How far substructure lies above smooth lenses, by model; the published order.
STRENGTH = {"rbm": 0.0, "dcae": 1.0, "cvae": 2.0, "aae": 3.0, "wgan_gp_encoder": 0.5}
STRENGTH["cvae_beta1"] = 0.0
GRID = ("subhalos_0.1", "vortex_0.1", "subhalos_5", "vortex_5")
EXCHANGED = ("subhalos_exchanged", "vortex_exchanged")
EXPOSED = ("smooth_x0.1", "subhalos_x0.1", "vortex_x0.1")
MAIN = ("calibration", "smooth", "subhalos", "vortex")


def scored(name, rng, n, strengths):
    """Make a table of scores of a set; substructure lies above smooth lenses."""
    table = Table({"object_id": [f"{name}_{i:03d}" for i in range(n)]})
    shift = 0.0 if name.startswith(("smooth", "calibration")) else 1.0
    shift *= {"0.1": 0.2, "5": 2.0, "exchanged": 0.0}.get(name.partition("_")[2], 1.0)
    for score, strength in strengths.items():
        table[score] = rng.normal(shift * strength, 1.0, n)
    return table


def models(scale=1.0):
    """Return the strength of each score of each model."""
    found = {
        name: {
            "mse": scale * s,
            "wasserstein": 0.5 * scale * s,
            "orthogonal": scale * s,
        }
        for name, s in STRENGTH.items()
    }
    found["cvae_forest"] = {"forest": 0.5}
    found["baselines"] = {"brightness": 0.0, "pca_60": 1.5, "pca_300": 0.5}
    found["ceiling"] = {"supervised": 4.0}
    return found


def truth(name, n, factor=1.0):
    """Make a catalog as the simulator writes it."""
    table = Table({"object_id": [f"{name}_{i:03d}" for i in range(n)]})
    table["theta_E"] = np.full(n, 1.6)
    table["lens_mass"] = np.full(n, 1e12)
    table["substructure_mass"] = 0.0 if name == "smooth" else 1e10
    table["snr_arcs"] = np.full(n, 300.0 * factor**0.5)
    table["snr_peak"] = np.full(n, 14.0 * factor**0.5)
    table["image_in_frame"] = True
    table["image_in_frame"][0] = False
    return table


def made_up(folder, n=120, seed=1, scale=1.0):
    """Write a folder as examples/deeplense.py leaves it, without images."""
    rng = np.random.default_rng(seed)
    for redshifts in published.REDSHIFTS:
        for model, strengths in models(scale).items():
            gan = model.startswith("wgan")
            for name in MAIN if gan else (*MAIN, *GRID, *EXPOSED, *EXCHANGED):
                table = scored(name, rng, n, strengths)
                path = folder / redshifts / "scores" / model / f"{name}.ecsv"
                path.parent.mkdir(parents=True, exist_ok=True)
                table.write(path, format="ascii.ecsv")
        for name, factor in (("smooth", 1.0), ("subhalos", 1.0), ("smooth_x0.1", 0.1)):
            path = folder / "sets" / f"{redshifts}_{name}" / "catalog.ecsv"
            path.parent.mkdir(parents=True)
            truth(name, n, factor).write(path, format="ascii.ecsv")
    history = folder / "fixed" / "cvae_beta1" / "run" / "history.csv"
    history.parent.mkdir(parents=True)
    history.write_text("epoch,loss,kl,beta\n1,0.2,9.0,0.0\n2,0.1,0.003,1.0\n")
    config = {
        name: {
            "data": {"size": 112},
            "model": {"name": name, "latent_dim": 16},
            "training": {"epochs": 7},
            "detector": DETECTOR,
        }
        for name in (*published.MODELS, "wgan_gp")
    }
    record = {
        "scale": "smoke",
        "seed": 0,
        "command": "python examples/deeplense.py --out RUN --scale smoke --seed 0",
        "seconds": {"sets": 60.0, "fixed": 120.0},
        "config": config,
        "versions": {"astroanomaly": "0"},
    }
    (folder / "study.json").write_text(json.dumps(record))
    return folder
