"""Measure a trained model and write it, with its card, into the package.

    python -m studies.pretrained.ship hst-f160w-galaxies --out RUN

Run `studies.pretrained.train` first. The model's own score stands beside brightness and
principal components that saw the same images through the same stretch.
"""

import json
import logging
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly import evaluation, pretrained, runs
from astroanomaly.pretrained.write import write
from astroanomaly.runs.comparison import planted_sets
from studies.pretrained import train
from studies.pretrained.models import MODELS

LOG = logging.getLogger("pretrained")
PACKAGE = Path(pretrained.__file__).parent
# Of the components that stand beside the model: its best score and the plain error.
BASELINES = ("whitened", "mse")


def components(folder: Path, name: str) -> runs.Run:
    """Return principal components of the model's training set and stretch."""
    config = {k: MODELS[name].config[k] for k in ("data", "stretch")}
    train = folder / name / "sets" / "train"
    out = folder / name / "pca"
    return runs.train(train, out, config, model="pca", resume=True, n_workers=1)


def columns(detector, cutouts) -> dict[str, np.ndarray]:
    """Return all scores of a detector, in the cutouts' order."""
    parts = [rows for rows, _ in detector.score_blocks(cutouts)]
    names = [n for n in parts[0].colnames if n.endswith("_score")]
    return {n: np.concatenate([np.asarray(p[n], float) for p in parts]) for n in names}


def compared(detectors: dict, ordinary, others: dict) -> list[dict]:
    """Return the areas of each set of anomalies, by each score."""
    rows = []
    known = {name: columns(d, ordinary) for name, d in detectors.items()}
    for name, cutouts in others.items():
        LOG.info("scoring %s", name)
        found = {k: columns(d, cutouts) for k, d in detectors.items()}
        pairs = {
            k: (known[k]["anomaly_score"], found[k]["anomaly_score"])
            for k in found
            if k != "pca"
        }
        for score in BASELINES if "pca" in found else ():
            column = f"{score}_score"
            pairs[f"PCA, {score}"] = known["pca"][column], found["pca"][column]
        pairs["brightness"] = tuple(
            c.images.sum(axis=(1, 2, 3)) for c in (ordinary, cutouts)
        )
        labels = np.repeat([0, 1], (len(ordinary), len(cutouts)))
        for score, pair in pairs.items():
            area = evaluation.auc(labels, np.concatenate(pair))
            numbers = area._asdict()
            numbers["auc"] = numbers.pop("value")
            numbers = {k: round(v, 4) for k, v in numbers.items()}
            rows.append({"set": name, "score": score, **numbers})
    return rows


def figures(folder: Path, name: str, run: runs.Run, data: Path) -> list[dict]:
    """Return the areas of a model's sets, planted anomalies and real files."""
    sets = {
        part: run.read(folder / name / "sets" / part, n_workers=1).read()
        for part in MODELS[name].sets
        if part != "train"
    }
    ordinary = sets.pop("ordinary")
    own = f"{run.settings['model']['name']}, {run.detector.score_name}"
    detectors = {own: run.detector}
    if run.settings["model"]["name"] != "pca":
        detectors["pca"] = components(folder, name).detector
    rows = compared(detectors, ordinary, sets)
    normal, planted, truth = planted_sets(ordinary, 0, name)
    parts = {
        f"planted {kind}": planted[np.flatnonzero(truth["kind"] == kind)]
        for kind in dict.fromkeys(truth["kind"])
    }
    rows += compared(detectors, normal, parts)
    if name.startswith("smooth-lenses"):
        # Another simulator's lenses, cut to the frame, its smooth ones among them.
        real = {}
        for kind in ("no_substructure", "cdm_subhalos", "axion_vortex"):
            file = data / "deeplense_model1" / f"{kind}.npz"
            if file.is_file():
                images = np.load(file)["images"][:, 19:131, 19:131]
                real[kind] = aa.Cutouts(images.astype("f4"), pixel_scale=0.05)
        if real:
            smooth = real.pop("no_substructure")
            parts = {f"DeepLense Model I, {k}": v for k, v in real.items()}
            rows += compared(detectors, smooth, parts)
    return rows


def main() -> None:
    """Measure and write from the command line."""
    options = train.parser(__doc__)
    options.add_argument(
        "--to", type=Path, default=PACKAGE, help="The room to write to."
    )
    chosen = options.parse_args()
    name, own = chosen.name, MODELS[chosen.name]
    run = runs.load_run(chosen.out / name / "run")
    rows = figures(chosen.out, name, run, chosen.data)
    for row in rows:
        LOG.info("%s", row)
    path = chosen.out / name / "sets" / "ordinary"
    ordinary = run.read(path, n_workers=1).read()
    card = write(
        run,
        chosen.to / name,
        ordinary,
        about=own.about,
        data=own.data,
        pixel_scale=own.pixel_scale,
        psf_fwhm=own.psf_fwhm,
        command=f"python -m studies.pretrained.train {name} --out RUN && "
        f"python -m studies.pretrained.ship {name} --out RUN",
        minutes=round(json.loads((chosen.out / name / "minutes.json").read_text()), 1),
        figures=rows,
        failures=list(own.failures),
    )
    LOG.info("%s", card)


if __name__ == "__main__":
    main()
