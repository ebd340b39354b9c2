"""What a finder sees: occlusion maps of hits and errors, dreams, Grad-CAM, filters."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astroanomaly import interpret
from astroanomaly.utils.progress import count_bar
from finders import trainings
from finders.kept import keep, read
from finders.real import fields
from finders.samples import MASK
from finders.sets import Set

LOG = logging.getLogger("lens_finder")
THRESHOLD = 0.5
EXAMPLES = 4  # images of a group that are kept for figures
N_FILTERS = 9


@dataclass(frozen=True)
class Look:
    """How closely a finder is looked at.

    Parameters
    ----------
    n : int
        Occlusion maps of each group of objects; 0 for the real lenses alone.
    stride : int
        Step of the mask, pixels.
    steps : int
        Of a dream and of the images that excite filters.
    """

    n: int
    stride: int
    steps: int = 100


def groups(folder: Path, sets: dict[str, Set], n: int, seed: int) -> dict:
    """Choose hits and errors at random.

    Parameters
    ----------
    folder : Path
        Of the finder's training, with its outputs.
    sets : dict of Set
        "test", "arcs" and "rings".
    n : int
        Most objects of a group.
    seed : int
        Of the choice.

    Returns
    -------
    dict of str to (str, ndarray)
        Set and rows of each group that is not empty: found, missed (lenses of the
        test set), false_<kind> (non-lenses called lenses), arcs, arcs_missed, rings,
        rings_missed.
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
    """Keep maps, dreams and filters of a finder.

    Parameters
    ----------
    out : Path
        Gets maps_<group>.npz, real.npz, dreams.npz, grad_cam.npz and filters.npz.
    finder : Finder
        How it was trained.
    folder : Path
        Where it lies.
    sets : dict of Set
        "test", "arcs" and "rings".
    look : Look
        How closely.
    real : Path
        Folder of real files.
    seed : int
        Of choices and noise.
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
    if seen:
        named = stamp | {"targets": list(seen)}
        keep(out / "real.npz", named, lambda: _real(model, finder, seen, look.stride))
    if look.n:
        starts = _starts(out, chosen)
        keep(out / "dreams.npz", stamp, lambda: _dreams(model, starts, look, seed))
        keep(out / "grad_cam.npz", stamp, lambda: _heat(model, starts))
        keep(out / "filters.npz", stamp, lambda: _filters(model, look, seed))


def light(images: np.ndarray) -> np.ndarray:
    """Return the light above the sky, a mean over bands of the stretched images.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx, n_bands)
        Stretched images.

    Returns
    -------
    ndarray of shape (n, ny, nx)
        What is below the median of its band is 0.
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


def _real(model, finder, seen: dict, stride) -> dict:
    images = np.asarray(finder.stretch(np.stack(list(seen.values()))))
    found = [
        interpret.occlusion_map(model.logit, image, MASK, stride) for image in images
    ]
    return {
        "name": np.array(list(seen), str),
        "map": np.array([one.map for one in found], np.float32),
        "output": np.array([one.output for one in found]),
        "image": images,
    }


def _starts(out: Path, chosen) -> dict[str, np.ndarray]:
    """Return the image that stands for each group of the test set."""
    return {
        group: read(out / f"maps_{group}.npz")["image"][0]
        for group, (name, _) in chosen.items()
        if name == "test"
    }


def _dreams(model, starts, look, seed) -> dict:
    found = {}
    begun = {k: starts[k] for k in ("found", "missed") if k in starts}
    for name, image in (begun | {"noise": None}).items():
        for target in ("lens", "non-lens"):
            dream = interpret.deep_dream(
                model,
                image,
                target,
                look.steps,
                seed=seed,
                shape=model.image_shape if image is None else None,
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
