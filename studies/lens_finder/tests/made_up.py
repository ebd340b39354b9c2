"""A made-up folder of the lens-finder study: outputs whose rates are known."""

import json

import numpy as np
from astropy.table import Table
from scipy.special import expit

from studies.lens_finder.kept import keep
from studies.lens_finder.names import LENS_SETS
from studies.lens_finder.real import TARGETS
from studies.lens_finder.results import SCORED

NEGATIVES = ("elliptical", "spiral", "ring_galaxy", "chance_alignment", "group")
# How far apart lenses and non-lenses lie, in units of the outputs' scatter.
STRENGTH = {"ou66": 2.2, "nisp": 1.6, "vis": 1.8, "yj": 1.2, "ou200": 1.9}
FINDERS = {
    "ou66": ("ou66", "binned", ("VIS", "Y", "J", "H"), (0, 1)),
    "nisp": ("ou66", "binned", ("Y", "J", "H"), (0,)),
    "vis": ("ou200", "cut", ("VIS",), (0,)),
    "yj": ("ou200", "cut", ("Y", "J"), (0,)),
    "ou200": ("ou200", "whole", ("VIS", "Y", "J", "H"), (0,)),
}
DETECTORS = {
    ("dcae", "mse"): 0.5,
    ("dcae", "peak"): 0.3,
    ("dcae", "orthogonal"): 0.8,
    ("pca", "mse"): 0.6,
    ("pca", "peak"): 0.2,
    ("pca_forest", "forest"): 0.3,
    ("brightness", "brightness"): 0.7,
    ("features", "logistic"): 1.0,
    ("features", "forest"): 1.2,
}
SIZES = {"train": 600, "validation": 200, "calibration": 400, "test": 500}
SIZES |= {"arcs": 150, "rings": 150, "unlabelled": 300}
LENSES = {
    "Euclid Q1 102021016": 2.0,
    "Euclid Q1 102160336": -0.5,
    "SDSS J0946+1006": 3.0,
    "SDSS J1148+1930": 0.4,
    "COSMOS-Web Ring": -1.0,
}
SIDE = 66


def truth(name, n, rng):
    """Return the truth of a set: every second frame holds a lens."""
    lens = np.arange(n) % 2 == 0
    if name in ("arcs", "rings"):
        lens[:] = True
    if name == "unlabelled":
        lens = np.arange(n) % 100 == 7
    table = Table({"object_id": [f"{name}_{k:05d}" for k in range(n)]})
    table["is_lens"] = lens
    kinds = np.array([NEGATIVES[k // 2 % 5] for k in range(n)], dtype="U20")
    kinds[lens] = {"arcs": "arc", "rings": "ring"}.get(name, "lens")
    kinds[np.flatnonzero(~lens)[::25]] = "weak_lens"
    table["kind"] = kinds
    table["theta_E"] = np.where(lens, rng.uniform(0.6, 3.0, n), np.nan)
    table["magnification"] = np.where(lens, rng.lognormal(1.3, 0.5, n), np.nan)
    table["source_mag"] = np.where(lens, rng.uniform(21.5, 24.5, n), np.nan)
    table["n_source_pixels"] = np.where(lens, rng.integers(40, 1500, n), 0)
    return table


def logits(table, strength, rng):
    """Return outputs: ring galaxies are the hardest, large lenses the easiest."""
    middle = np.where(table["is_lens"], 1.0, -1.0) * strength
    middle = middle + 0.8 * np.nan_to_num(np.asarray(table["theta_E"]) - 1.8)
    middle = middle + 1.5 * (np.asarray(table["kind"]) == "ring_galaxy")
    return middle + rng.normal(0, 1.5, len(table))


def write_set(folder, name, table):
    """Write the truth of a set."""
    path = folder / "sets" / name / "truth.ecsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, format="ascii.ecsv", overwrite=True)


def training(folder, found, loss=0.4, epochs=4):
    """Write what a training leaves behind, its logits by set in `found`."""
    for name, values in found.items():
        arrays = {"logit": values, "probability": expit(values)}
        keep(folder / "outputs" / f"{name}.npz", {}, lambda a=arrays: a)
    rows = [(k, loss + 0.4 / k, loss + 0.3 / k, 60.0) for k in range(1, epochs + 1)]
    table = Table(rows=rows, names="epoch loss val_loss seconds".split())
    table.write(folder / "history.csv", format="ascii.csv", overwrite=True)
    cost = {"epochs": epochs, "best_epoch": epochs, "seconds": epochs * 60.0}
    cost["parameters"] = 203192
    (folder / "training.json").write_text(json.dumps(cost), "utf-8")


def real(folder, rng):
    """Write the outputs for real lenses, and pictures of them."""
    for finder, (_, frame, bands, seeds) in FINDERS.items():
        found = []
        for target in TARGETS:
            fills = target.euclid or frame == "cut"
            if set(bands) <= set(target.bands) and fills:
                found.append((target.name, "lens", LENSES[target.name]))
                if target.euclid and frame == "cut":
                    places = [f"{target.name}, corner {k}" for k in (1, 2, 3, 4)]
                    found += [(p, "sky", k - 1.0) for k, p in enumerate(places)]
        columns = [np.array(column) for column in zip(*found, strict=True)]
        arrays = dict(zip(("name", "kind", "logit"), columns, strict=True))
        for seed in seeds:
            made = arrays | {"logit": arrays["logit"] + 0.2 * seed}
            path = folder / "real" / f"{finder}_s{seed}.npz"
            keep(path, {}, lambda made=made: made)
    shown = {name: ring_image(rng)[..., 0] for name in LENSES}
    keep(folder / "real" / "pictures.npz", {}, lambda: shown)


def ring_image(rng, n_bands=4):
    """Return a galaxy with a ring, within [0, 1]."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    r = np.hypot(x, y)
    light = np.exp(-r / 3) + 0.4 * np.exp(-((r - 6) ** 2) / 4)
    image = light[..., None] * rng.uniform(0.6, 1, n_bands)
    image = image + rng.normal(0.05, 0.01, (SIDE, SIDE, n_bands))
    return np.clip(image, 0, 1).astype(np.float32)


def maps(n, rng, ring=0.5, theta_E=1.8):
    """Return what `explained` keeps of a group: the ring speaks for a lens."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    r = np.hypot(x, y)
    change = -ring * np.exp(-((r - 6) ** 2) / 6) + 0.2 * np.exp(-(r**2) / 6)
    output = rng.normal(2, 1, n)
    found = change + rng.normal(0, 0.01, (n, SIDE, SIDE)) + output[:, None, None]
    images = np.stack([ring_image(rng) for _ in range(n)])
    starts = np.arange(0, SIDE - 3, 2)
    return {
        "map": found.astype(np.float32),
        "output": output,
        "place": np.full((n, 2), (SIDE - 1) / 2),
        "theta_E": np.full(n, theta_E),
        "pixel_scale": np.array(0.3),
        "light": np.maximum(images - 0.05, 0).mean(axis=3),
        "image": images[:4],
        "by_band": np.repeat(found[:1], 4, axis=0).astype(np.float32),
        "by_band_grid": np.zeros((4, len(starts), len(starts))),
        "by_band_rows": starts,
        "by_band_columns": starts,
        "fill": np.full(4, 0.05),
        "stride": np.array(2),
    }


def explained(folder, rng, finder="ou66", n=6):
    """Write maps, dreams, heat and filters of a finder."""
    out = folder / "explained" / finder
    groups = {"found": 0.8, "missed": 0.2, "arcs": 0.7, "arcs_missed": 0.2}
    groups |= {"rings": 0.9, "rings_missed": 0.1, "false_ring_galaxy": 0.6}
    groups |= {"false_chance_alignment": 0.4, "false_spiral": 0.3}
    for group, ring in groups.items():
        theta_E = np.nan if group.startswith("false") else 1.8
        made = maps(n, rng, ring, theta_E)
        keep(out / f"maps_{group}.npz", {}, lambda m=made: m)
    dreams, heat, filters = {}, {}, {}
    for start in ("found", "missed", "noise"):
        dreams[f"{start} start"] = ring_image(rng)
        for target, sign in (("lens", 1), ("non-lens", -1)):
            dreams[f"{start} {target} image"] = ring_image(rng)
            line = 0.5 + sign * np.linspace(0, 0.49, 5)
            dreams[f"{start} {target} history"] = line
    for group in ("found", "missed"):
        heat[f"{group} image"] = ring_image(rng)
        heat[f"{group} heat"] = ring_image(rng)[..., 0].astype(float)
        heat[f"{group} guided"] = ring_image(rng) - 0.3
    for layer in ("conv_1", "conv_9"):
        filters[f"{layer} images"] = rng.uniform(0, 1, (9, SIDE, SIDE, 4))
        for key in ("filters", "after"):
            filters[f"{layer} {key}"] = np.arange(9)
        filters[f"{layer} before"] = np.zeros(9)
    for name, made in (("dreams", dreams), ("grad_cam", heat), ("filters", filters)):
        keep(out / f"{name}.npz", {}, lambda m=made: m)


def record(folder, names=tuple(FINDERS)):
    """Write study.json."""
    settings = {}
    for name in names:
        network, frame, bands, seeds = FINDERS[name]
        settings[name] = {"network": network, "frame": frame, "bands": bands}
        settings[name] |= {"epochs": 4, "seeds": seeds, "batch_size": 64}
        settings[name]["learning_rate"] = 1e-3
    found = {"size": 200, "finders": settings, "looks": {"ou66": {}}}
    (folder / "study.json").write_text(json.dumps(found), "utf-8")


def made_up(folder, strength=STRENGTH, detectors=DETECTORS):
    """Write a folder as the study leaves it when it is done."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    truths = {name: truth(name, n, rng) for name, n in SIZES.items()}
    for name, table in truths.items():
        write_set(folder, name, table)
    for finder, one in strength.items():
        for seed in FINDERS[finder][3]:
            found = {name: logits(truths[name], one, rng) for name in SCORED}
            training(folder / "finders" / finder / f"s{seed}", found, 1 / one)
    for name in dict.fromkeys(name for name, _ in detectors):
        scores = {s: v for (n, s), v in detectors.items() if n == name}
        for known in LENS_SETS:
            lens = np.asarray(truths[known]["is_lens"])
            found = {s: rng.normal(v * lens, 1.0) for s, v in scores.items()}
            keep(folder / "detectors" / name / f"{known}.npz", {}, lambda f=found: f)
        keep(folder / "detectors" / name / "done.npz", {}, dict)
    real(folder, rng)
    for finder in ("ou66", "ou200"):
        explained(folder, rng, finder)
    for finder, k in (("ou66", 0), ("vis", 2)):
        names = list(LENSES)[k : k + 2]
        arrays = {key: maps(2, rng)[key] for key in ("map", "output", "image")}
        arrays["name"] = np.array(names)
        path = folder / "explained" / finder / "real.npz"
        keep(path, {}, lambda a=arrays: a)
    record(folder)
    return folder
