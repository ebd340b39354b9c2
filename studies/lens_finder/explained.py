"""What a finder sees: occlusion maps of hits and errors, dreams, Grad-CAM, filters."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astroanomaly import interpret
from astroanomaly.utils.progress import count_bar
from studies.lens_finder import trainings
from studies.lens_finder.kept import keep, read
from studies.lens_finder.real import fields
from studies.lens_finder.results import MASK
from studies.lens_finder.sets import Set

THRESHOLD = 0.5
EXAMPLES = 4  # images of a group that are kept for figures
N_FILTERS = 9


@dataclass(frozen=True)
class Look:
    """How closely a finder is examined.

    `n` is the occlusion maps of each group of objects (0: real lenses alone), `stride`
    the step of the mask in pixels, `steps` those of dreams and filter images.
    """

    n: int
    stride: int
    steps: int = 100


def groups(folder: Path, sets: dict[str, Set], n: int, seed: int) -> dict:
    """Choose at most `n` hits and errors of each group at random.

    Returns set and rows of each group that is not empty: found, missed (lenses of the
    test set), false_<kind> (non-lenses called lenses), arcs, arcs_missed, rings,
    rings_missed. `folder` is that of the training.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for name in ("test", "arcs", "rings"):
        p = read(folder / "outputs" / f"{name}.npz")["probability"]
        flagged, labels = p >= THRESHOLD, sets[name].labels
        masks = {"found": labels & flagged, "missed": labels & ~flagged}
        if name == "test":
            kinds = np.asarray(sets[name].truth["kind"], str)
            for kind in sorted(set(kinds[~labels])):
                masks[f"false_{kind}"] = ~labels & flagged & (kinds == kind)
        else:
            masks = {name: masks["found"], f"{name}_missed": masks["missed"]}
        for group, mask in masks.items():
            rows = np.sort(rng.permutation(np.flatnonzero(mask))[:n])
            if len(rows):
                found[group] = name, rows
    return found


def write(out: Path, finder, folder: Path, sets, look: Look, real: Path, seed: int):
    """Keep maps, dreams, heat and filters of the finder trained in `folder`.

    `out` gets maps_<group>.npz, real.npz, dreams.npz, grad_cam.npz and filters.npz;
    `real` is the folder of real files.
    """
    model, stamp = trainings.load(folder)
    stamp["training"] = folder.name
    stamp |= {"n": look.n, "stride": look.stride, "steps": look.steps, "seed": seed}
    chosen = groups(folder, sets, look.n, seed) if look.n else {}
    for old in out.glob("maps_*.npz"):
        if old.stem.removeprefix("maps_") not in chosen:
            old.unlink()
    with count_bar(True) as bar:
        task = bar.add_task("Occlusion", total=sum(len(r) for _, r in chosen.values()))
        for group, (name, rows) in chosen.items():

            def make(name=name, rows=rows):
                return _maps(model, finder, sets[name], rows, look.stride, bar, task)

            kept = stamp | {"rows": rows.tolist()}
            keep(out / f"maps_{group}.npz", kept, make)
    size, view = sets["test"].size, finder.view
    seen = {one.target.name: one.seen(view, size) for one in fields(real)[0]}
    seen = {name: image for name, image in seen.items() if image is not None}

    def real_maps():
        images = np.asarray(finder.stretch(np.stack(list(seen.values()))))
        maps = [
            interpret.occlusion_map(model.logit, i, MASK, look.stride) for i in images
        ]
        return {
            "name": np.array(list(seen), str),
            "map": np.array([one.map for one in maps], np.float32),
            "output": np.array([one.output for one in maps]),
            "image": images,
        }

    if seen:
        keep(out / "real.npz", stamp | {"targets": list(seen)}, real_maps)
    if look.n:
        # One image stands for each group of the test set.
        starts = {
            group: read(out / f"maps_{group}.npz")["image"][0]
            for group, (name, _) in chosen.items()
            if name == "test"
        }
        keep(out / "dreams.npz", stamp, lambda: _dreams(model, starts, look, seed))
        keep(out / "grad_cam.npz", stamp, lambda: _heat(model, starts))
        keep(out / "filters.npz", stamp, lambda: _filters(model, look, seed))


def light(images: np.ndarray) -> np.ndarray:
    """Return the light of stretched images above the median of each band.

    The mean over bands; what is below the median counts as 0.
    """
    above = images - np.median(images, axis=(1, 2), keepdims=True)
    return np.maximum(above, 0).mean(axis=3).astype(np.float32)


def _maps(model, finder, one: Set, rows, stride, bar, task) -> dict:
    images = np.asarray(finder.stretch(one.seen(finder.view)[rows]))
    maps, outputs = [], []
    for image in images:
        found = interpret.occlusion_map(model.logit, image, MASK, stride)
        maps.append(found.map)
        outputs.append(found.output)
        bar.advance(task)
    each = interpret.occlusion_map(
        model.logit, images[0], MASK, stride, "each", band_names=finder.bands
    )
    truth = one.truth[rows]
    return {
        "map": np.array(maps, np.float32),
        "output": np.array(outputs),
        "row": rows,
        "place": one.places(finder.view)[rows],
        "theta_E": np.asarray(truth["theta_E"], float),
        "object_id": np.asarray(truth["object_id"], str),
        "pixel_scale": np.array(finder.view.pixel_scale),
        "light": light(images),
        "image": images[:EXAMPLES],
        "by_band": each.map.astype(np.float32),
        "by_band_grid": each.grid,
        "by_band_rows": each.rows,
        "by_band_columns": each.columns,
        "fill": each.fill,
        "stride": np.array(stride),
    }


def _dreams(model, starts, look, seed) -> dict:
    found = {}
    begun = {k: starts[k] for k in ("found", "missed") if k in starts}
    for name, image in (begun | {"noise": None}).items():
        shape = model.image_shape if image is None else None
        for target in ("lens", "non-lens"):
            dream = interpret.deep_dream(
                model, image, target, look.steps, seed=seed, shape=shape
            )
            key = f"{name} {target}"
            found[f"{key} image"], found[f"{key} history"] = dream.image, dream.history
            found[f"{name} start"] = dream.start
    return found


def _heat(model, starts) -> dict:
    found = {}
    for group, image in starts.items():
        found[f"{group} image"] = image
        found[f"{group} heat"] = interpret.grad_cam(model, image, pooled=False)
        found[f"{group} guided"] = interpret.guided_grad_cam(model, image, pooled=False)
    return found


def _filters(model, look, seed) -> dict:
    found = {}
    for layer in ("conv_1", model.last_convolution):
        made = interpret.filter_images(model, layer, N_FILTERS, look.steps, seed=seed)
        for key in ("images", "filters", "before", "after"):
            found[f"{layer} {key}"] = getattr(made, key)
    return found
