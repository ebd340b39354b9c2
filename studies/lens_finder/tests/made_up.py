"""A made-up folder of the lens-finder study: outputs whose rates are known."""

import json

import numpy as np
from astropy.table import Table

from studies.lens_finder.kept import keep
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
    for key in ("center_x", "center_y"):
        table[key] = rng.uniform(-6, 6, n)
    return table


def logits(table, strength, rng):
    """Return outputs: ring galaxies are the hardest, large lenses the easiest."""
    lens = np.asarray(table["is_lens"])
    middle = np.where(lens, 1.0, -1.0) * strength
    middle = middle + 0.8 * np.nan_to_num(np.asarray(table["theta_E"]) - 1.8)
    middle = middle + 1.5 * (np.asarray(table["kind"]) == "ring_galaxy")
    return middle + rng.normal(0, 1.5, len(table))


def outputs(folder, found, stamp=None):
    """Write outputs as `trainings.outputs` keeps them."""
    for name, values in found.items():
        arrays = {"logit": values, "probability": 1 / (1 + np.exp(-values))}
        path = folder / "outputs" / f"{name}.npz"
        keep(path, stamp or {}, lambda a=arrays: a)


def history(folder, epochs=4, seconds=60.0, loss=0.4):
    """Write what a training leaves behind beside its outputs."""
    rows = [
        (k + 1, loss + 0.4 / (k + 1), 0.8, loss + 0.3 / (k + 1), 0.8, seconds)
        for k in range(epochs)
    ]
    names = "epoch loss accuracy val_loss val_accuracy seconds".split()
    Table(rows=rows, names=names).write(folder / "history.csv", format="ascii.csv")
    cost = {"epochs": epochs, "best_epoch": epochs, "seconds": epochs * seconds}
    cost |= {"parameters": 203192, "val_loss": rows[-1][3], "val_accuracy": 0.8}
    (folder / "training.json").write_text(json.dumps(cost), "utf-8")


def sets(folder, rng, sizes=SIZES):
    """Write the truth of all sets."""
    found = {name: truth(name, n, rng) for name, n in sizes.items()}
    for name, table in found.items():
        path = folder / "sets" / name / "truth.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(path, format="ascii.ecsv")
    return found


def finders(folder, truths, rng, strength=STRENGTH):
    """Write the outputs of finders for all sets."""
    for finder, one in strength.items():
        for seed in FINDERS[finder][3]:
            where = folder / "finders" / finder / f"s{seed}"
            outputs(where, {n: logits(truths[n], one, rng) for n in SCORED})
            history(where, loss=1 / one)


def detectors(folder, truths, rng, strength=DETECTORS):
    """Write the scores of what is no finder."""
    for name in dict.fromkeys(name for name, _ in strength):
        scores = {s: v for (n, s), v in strength.items() if n == name}
        for known in ("test", "arcs", "rings"):
            lens = np.asarray(truths[known]["is_lens"])
            found = {s: rng.normal(v * lens, 1.0) for s, v in scores.items()}
            keep(folder / "detectors" / name / f"{known}.npz", {}, lambda f=found: f)
        keep(folder / "detectors" / name / "done.npz", {}, dict)


def real(folder, rng, values=None):
    """Write the outputs for real lenses, and pictures of them."""
    values = values or {
        "Euclid Q1 102021016": 2.0,
        "Euclid Q1 102160336": -0.5,
        "SDSS J0946+1006": 3.0,
        "SDSS J1148+1930": 0.4,
        "COSMOS-Web Ring": -1.0,
    }
    for finder, (_, frame, bands, seeds) in FINDERS.items():
        for seed in seeds:
            found = []
            for target in TARGETS:
                fills = target.euclid or frame == "cut"
                if target.name in values and set(bands) <= set(target.bands) and fills:
                    found.append((target.name, "lens", values[target.name]))
                    if target.euclid and frame == "cut":
                        found += [
                            (f"{target.name}, corner {k}", "sky", -2.0 + k)
                            for k in (1, 2, 3, 4)
                        ]
            arrays = {
                "name": np.array([one[0] for one in found], str),
                "kind": np.array([one[1] for one in found], str),
                "logit": np.array([one[2] for one in found], float) + 0.2 * seed,
            }
            path = folder / "real" / f"{finder}_s{seed}.npz"
            keep(path, {}, lambda a=arrays: a)
    shown = {name: ring_image(rng)[..., 0] for name in values}
    keep(folder / "real" / "pictures.npz", {}, lambda: shown)
    (folder / "real" / "missing.json").write_text("{}", "utf-8")


def ring_image(rng, side=SIDE, n_bands=4):
    """Return a galaxy with a ring, within [0, 1]."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    r = np.hypot(x, y)
    light = np.exp(-r / 3) + 0.4 * np.exp(-((r - 6) ** 2) / 4)
    image = light[..., None] * rng.uniform(0.6, 1, n_bands)
    image = image + rng.normal(0.05, 0.01, (side, side, n_bands))
    return np.clip(image, 0, 1).astype(np.float32)


def maps(n, rng, ring=0.5, side=SIDE, theta_E=1.8):
    """Return what `explained` keeps of a group: the ring speaks for a lens."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    r = np.hypot(x, y)
    change = -ring * np.exp(-((r - 6) ** 2) / 6) + 0.2 * np.exp(-(r**2) / 6)
    output = rng.normal(2, 1, n)
    found = change + rng.normal(0, 0.01, (n, side, side)) + output[:, None, None]
    images = np.stack([ring_image(rng, side) for _ in range(n)])
    starts = np.arange(0, side - 3, 2)
    return {
        "map": found.astype(np.float32),
        "output": output,
        "row": np.arange(n),
        "place": np.full((n, 2), (side - 1) / 2),
        "theta_E": np.full(n, theta_E),
        "object_id": np.array([f"o{k}" for k in range(n)]),
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
        made = maps(n, rng, ring)
        if group.startswith("false"):
            made["theta_E"][:] = np.nan
        keep(out / f"maps_{group}.npz", {}, lambda m=made: m)
    dreams, heat = {}, {}
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
    filters = {}
    for layer in ("conv_1", "conv_9"):
        filters[f"{layer} images"] = rng.uniform(0, 1, (9, SIDE, SIDE, 4))
        filters[f"{layer} filters"] = np.arange(9)
        filters[f"{layer} before"] = np.zeros(9)
        filters[f"{layer} after"] = np.arange(9.0)
    for name, made in (("dreams", dreams), ("grad_cam", heat), ("filters", filters)):
        keep(out / f"{name}.npz", {}, lambda m=made: m)


def seen(folder, rng, finder, names):
    """Write the occlusion maps of real lenses."""
    found = maps(len(names), rng)
    arrays = {k: found[k] for k in ("map", "output")} | {"name": np.array(names)}
    arrays["image"] = np.stack([ring_image(rng) for _ in names])
    path = folder / "explained" / finder / "real.npz"
    keep(path, {}, lambda: arrays)


def record(folder, names=tuple(FINDERS), **more):
    """Write study.json."""
    settings = {
        name: {
            "network": FINDERS[name][0],
            "frame": FINDERS[name][1],
            "bands": list(FINDERS[name][2]),
            "epochs": 4,
            "seeds": list(FINDERS[name][3]),
            "batch_size": 64,
            "learning_rate": 1e-3,
        }
        for name in names
    }
    found = {
        "scale": "laptop",
        "seed": 0,
        "command": "python -m studies.lens_finder --out RUN --scale laptop",
        "seconds": {"sets": 60.0, "finders": 120.0},
        "versions": {"astroanomaly": "0"},
        "sizes": SIZES,
        "size": 200,
        "finders": settings,
        "looks": {"ou66": {"n": 6, "stride": 2, "steps": 100}},
    }
    (folder / "study.json").write_text(json.dumps(found | more), "utf-8")


def made_up(folder, seed=0, **parts):
    """Write a folder as the study leaves it when it is done."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    truths = sets(folder, rng)
    finders(folder, truths, rng, parts.get("strength", STRENGTH))
    detectors(folder, truths, rng, parts.get("detectors", DETECTORS))
    real(folder, rng)
    for finder in ("ou66", "ou200"):
        explained(folder, rng, finder)
    seen(folder, rng, "ou66", ["Euclid Q1 102021016", "Euclid Q1 102160336"])
    seen(folder, rng, "vis", ["SDSS J0946+1006", "SDSS J1148+1930"])
    record(folder)
    return folder
