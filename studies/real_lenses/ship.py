"""Write the committees of a run, with their cards, into the package.

    python -m studies.real_lenses.ship --out RUN

Run `studies.real_lenses` first.
"""

import argparse
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import pretrained, runs
from astroanomaly.detector import ClassifierDetector
from astroanomaly.models import Committee, LensFinder
from astroanomaly.pretrained.write import write
from astroanomaly.runs import config
from astroanomaly.runs import folder as run_folder
from studies.lens_finder.kept import read
from studies.lens_finder.sets import BANDS
from studies.real_lenses import tables
from studies.real_lenses.__main__ import COMMITTEES, TESTS
from studies.real_lenses.frames import FWHM, SCALE
from studies.real_lenses.training import middle, stretch

LOG = logging.getLogger("real_lenses")
PACKAGE = Path(pretrained.__file__).parent


@dataclass(frozen=True)
class Finder:
    """A committee that ships."""

    committee: str
    bands: tuple[str, ...]
    about: str
    data: str
    failures: tuple[str, ...]


_MADE = "simulated frames (simulate.lens_survey), half of them drawn as lenses"
_CENTRED = "A lens galaxy more than 0.3 arcsec from the middle: none was trained on."
FINDERS = {
    "euclid-lenses-vis": Finder(
        "committee",
        BANDS[:1],
        "Strong lenses in Euclid VIS: a committee of two classifiers.",
        "Arcs painted (simulate.paint_arcs) on 116 real COSMOS galaxies of HST F814W, "
        "seen as by VIS, the galaxies without arcs, and 10,000 " + _MADE + ".",
        (
            _CENTRED,
            "Rings about a compact galaxy: it learned that these are ring galaxies, "
            "and misses a third of the compound rings.",
            "Clusters: half of the frames of Abell 2744 are called lenses.",
        ),
    ),
    "euclid-lenses-4band": Finder(
        "four_bands",
        BANDS,
        "Strong lenses in Euclid VIS, Y, J, H at 0.1 arcsec: a classifier.",
        "10,000 " + _MADE + "; no real image.",
        (
            _CENTRED,
            "Trained on simulations alone, of the sky only 27 frames were tried.",
            "Half of the lenses that fail the published rule (weak ones) are called "
            "lenses.",
        ),
    ),
}


def bare(committee: Committee) -> Committee:
    """Return the same committee without its members' optimizers, which would ship."""
    members = []
    for old in committee.members:
        member = LensFinder.from_config(old.get_config())
        member.set_weights(old.get_weights())
        members.append(member)
    return Committee(members, committee.calibrations, turns=committee.turns)


def as_run(model: Committee, bands, out: Path, record: dict) -> runs.Run:
    """Return a committee as a run folder."""
    own = stretch(bands)
    curve = {"softening": 10.0, "per_image": True, "sigmas": [-5.0, 1000.0]}
    member = model.members[0]
    settings = config.resolve(
        {
            "data": {"size": model.image_shape[0], "pixel_scale": SCALE},
            "stretch": {"name": "asinh", **curve},
            "model": {
                "name": "lens_finder",
                "network": member.network_name,
                "dropout": member.dropout,
                "channels": list(member.channels),
            },
            "training": {
                "epochs": len(record["history"]),
                "batch_size": record["batch_size"],
                "seed": record["seed"],
            },
        }
    )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    objects = {"bands": list(bands), "n": 0, "object_id": [], "pixels": []}
    run_folder.begin(out, settings, objects)
    history = Table(
        {
            "epoch": np.arange(1, len(record["history"]) + 1),
            "loss": [row["loss"] for row in record["history"]],
        }
    )
    history.write(out / "history.csv", format="ascii.csv")
    run_folder.write_checksums(out)
    ClassifierDetector(model, own).save(out / "detector")
    return runs.load_run(out)


def figures(logits: dict, sets: dict, pixels: dict) -> list[dict]:
    """Return areas of the finder, and of brightness, on what it was not trained on."""
    label = sets["simulated_test"]["label"]
    name = "simulated_test_images"
    parts = {
        "simulated lenses": (name, label, name, ~label),
        "compound arcs": ("arcs_images", slice(None), name, ~label),
        "compound rings": ("rings_images", slice(None), name, ~label),
    }
    if "test_arcs" in logits:
        every = slice(None)
        kind = "painted on unseen COSMOS galaxies"
        parts = {kind: ("test_arcs", every, "test_images", every)} | parts
    rows = []
    for kind, (lenses, which, others, rest) in parts.items():
        for score, values in (("committee, P(lens)", logits), ("brightness", pixels)):
            pair = values[lenses][which], values[others][rest]
            area = [round(float(v), 4) for v in tables.area(*pair)]
            found = dict(zip(("auc", "low", "high"), area, strict=True))
            found |= {"n_normal": len(pair[1]), "n_anomalous": len(pair[0])}
            rows.append({"set": kind, "score": score, **found})
    return rows


def real(names, logits) -> str:
    """Say what a finder makes of the real lenses, one by one."""
    values = 1 / (1 + np.exp(-np.asarray(logits)))
    each = ", ".join(f"{n} {v:.2f}" for n, v in zip(names, values, strict=True))
    return (
        f"Real lenses: {(values >= 0.5).sum()} of {len(values)} have a P(lens) of 0.5 "
        f"or more ({each})."
    )


def main(arguments=None) -> None:
    """Write from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, required=True, help="run of the study")
    options.add_argument("--to", type=Path, default=PACKAGE, help="room to write to")
    chosen = options.parse_args(arguments)
    out, every = chosen.out, tables.scored(chosen.out)
    sets = {name: read(out / "sets" / f"{name}.npz") for name in TESTS}
    for name, own in FINDERS.items():
        logits = every[own.committee]
        model = bare(
            keras.saving.load_model(out / "finders" / f"{own.committee}.keras")
        )
        side, n_bands = model.image_shape[0], len(own.bands)
        records = [
            json.loads((out / "finders" / f"{member}.json").read_text())
            for member in COMMITTEES[own.committee]
        ]
        run = as_run(model, own.bands, out / "ship" / name, records[0])
        pixels = {
            f"{part}_{key}": middle(one[key][..., :n_bands], side).sum(axis=(1, 2, 3))
            for part, one in sets.items()
            for key in ("images", "arcs")
            if key in one and f"{part}_{key}" in logits
        }
        if n_bands == 1:
            # What a user has: real galaxies.
            found = tables.real_frames(logits, sets)
            images, failure = (
                found["images"],
                real(sets["lenses"]["name"], logits["lenses_images"]),
            )
        else:
            images = sets["simulated_test"]["images"][~sets["simulated_test"]["label"]]
            label = sets["euclid"]["label"]
            failure = real(
                sets["euclid"]["name"][label], logits["euclid_images"][label]
            )
        ordinary = aa.Cutouts(middle(images, side), bands=own.bands, pixel_scale=SCALE)
        card = write(
            run,
            chosen.to / name,
            ordinary,
            about=own.about,
            data=own.data,
            pixel_scale=SCALE,
            psf_fwhm=FWHM,
            command="python -m studies.real_lenses --out RUN && "
            "python -m studies.real_lenses.ship --out RUN",
            minutes=round(sum(record["minutes"] for record in records), 1),
            figures=figures(logits, sets, pixels),
            failures=[*own.failures, failure],
        )
        LOG.info("%s", card)


if __name__ == "__main__":
    main()
